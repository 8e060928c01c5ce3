//! What all reads share: a projection, a filter, what is selected, and the rules about the parameters in which they come.

use std::collections::BTreeMap;

use crate::error::ValidationError;
use crate::expr::placeholders::{Parameters, Placeholders};
use crate::expr::{ConditionExpression, FilterParameter, ProjectionExpression, legacy};
use crate::map::{Item, Map};
use crate::ops::{Condition, ConditionalOperator, Select};
use crate::schema::KeySchema;
use crate::size::validate_key_map;

/// The parameters of a read by key that say what to give back, as they came.
pub(super) struct ReadExpressions<'a> {
    pub(super) projection: Option<&'a str>,
    pub(super) names: Option<&'a BTreeMap<String, String>>,
    pub(super) attributes_to_get: Option<&'a [String]>,
}

impl<'a> ReadExpressions<'a> {
    /// Whether all is to be given back and nothing is to be checked: so are most reads.
    pub(super) fn are_none(&self) -> bool {
        self.projection.is_none() && self.names.is_none() && self.attributes_to_get.is_none()
    }

    /// Checks what AWS checks before anything else: that older and newer parameters are not mixed, and placeholders.
    pub(super) fn open(&self) -> Result<Placeholders<'a>, ValidationError> {
        Parameters {
            expressions: &[("ProjectionExpression", self.projection)],
            legacy: &[("AttributesToGet", self.attributes_to_get.is_some())],
            names: self.names,
            values: None,
        }
        .open()
    }

    /// The projection.
    pub(super) fn projection(
        &self,
        mut placeholders: Placeholders<'a>,
    ) -> Result<Option<ProjectionExpression>, ValidationError> {
        let projection = projection(self.projection, self.attributes_to_get, &mut placeholders)?;
        placeholders.all_used()?;
        Ok(projection)
    }
}

/// The projection that one of two parameters describes.
pub(super) fn projection<'a>(
    expression: Option<&'a str>,
    attributes_to_get: Option<&[String]>,
    placeholders: &mut Placeholders<'a>,
) -> Result<Option<ProjectionExpression>, ValidationError> {
    match (expression, attributes_to_get) {
        (Some(source), _) => ProjectionExpression::parse(source, placeholders).map(Some),
        (None, Some(names)) => ProjectionExpression::of_attributes(names).map(Some),
        (None, None) => Ok(None),
    }
}

/// Which items of those that a Query or Scan looks at are given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Those that this holds for.
    pub condition: ConditionExpression,
    /// Where it was given.
    pub parameter: FilterParameter,
}

impl Filter {
    /// Whether an item is given back.
    pub fn admits(&self, item: &Item) -> bool {
        self.condition.holds(Some(item))
    }
}

/// The filter that one of two parameters describes.
pub(super) fn filter<'a>(
    expression: Option<&'a str>,
    (conditions, parameter): (Option<&BTreeMap<String, Condition>>, FilterParameter),
    operator: Option<ConditionalOperator>,
    placeholders: &mut Placeholders<'a>,
) -> Result<Option<Filter>, ValidationError> {
    if let Some(source) = expression {
        let condition = ConditionExpression::parse("FilterExpression", source, placeholders)?;
        let parameter = FilterParameter::FilterExpression;
        return Ok(Some(Filter {
            condition,
            parameter,
        }));
    }
    let condition = legacy::filter(conditions, operator)?;
    Ok(condition.map(|condition| Filter {
        condition,
        parameter,
    }))
}

/// Refuses paths into attributes of the table's key, which are scalars.
pub(super) fn paths_fit(
    filter: Option<&Filter>,
    projection: Option<&ProjectionExpression>,
    schema: &KeySchema,
) -> Result<(), ValidationError> {
    filter.map_or(Ok(()), |filter| filter.condition.keys_are_scalars(schema))?;
    projection.map_or(Ok(()), |projection| projection.keys_are_scalars(schema))
}

/// The message of a start key that is none, of a Query or of an index. A Scan of a table says what is wrong besides.
pub(super) const INVALID_START: &str = "The provided starting key is invalid";

/// Checks a start key, as far as that can be done without the table.
pub(super) fn start_key(key: Option<&Map>) -> Result<(), ValidationError> {
    key.map_or(Ok(()), validate_key_map)
        .map_err(|error| ValidationError::new(format!("{INVALID_START}: {error}")))
}

/// What is selected, which `Select` and a projection say together. A projection is there just if specific attributes are.
pub(super) fn selected(
    select: Option<Select>,
    expression: Option<&str>,
    attributes_to_get: Option<&[String]>,
    index: bool,
) -> Result<Select, ValidationError> {
    let cannot = |given: &str, what: &str| {
        Err(ValidationError::new(format!(
            "Cannot specify the {given} when choosing to get {what}"
        )))
    };
    let given = expression
        .map(|_| "ProjectionExpression")
        .or(attributes_to_get.map(|_| "AttributesToGet"));
    match (select, given) {
        (Some(Select::AllProjectedAttributes), _) if !index => Err(ValidationError::new(
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        )),
        (Some(Select::SpecificAttributes), None) => Err(ValidationError::new(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        )),
        (None | Some(Select::SpecificAttributes), Some(_)) => Ok(Select::SpecificAttributes),
        (Some(Select::Count), Some(given)) => cannot(given, "only the Count"),
        (Some(select), Some(given)) => cannot(given, select.name()),
        (Some(select), None) => Ok(select),
        (None, None) if index => Ok(Select::AllProjectedAttributes),
        (None, None) => Ok(Select::AllAttributes),
    }
}

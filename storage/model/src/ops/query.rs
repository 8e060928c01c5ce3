//! Query: the items of one partition key whose sort keys meet a condition, in the sort key's order, a page at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeBounds;

use crate::error::{Constraints, ValidationError};
use crate::expr::placeholders::{Parameters, Placeholders};
use crate::expr::{
    FilterParameter, KeyCondition, KeyConditionExpression, ProjectionExpression, parse_condition,
};
use crate::key::KeyBytes;
use crate::map::{Item, Map};
use crate::names::{IndexName, TableRef, check_index_name};
use crate::ops::read::{Filter, INVALID_START, filter, paths_fit, projection, selected, start_key};
use crate::ops::{
    Condition, ConditionalOperator, ConsumedCapacity, ReturnConsumedCapacity, Select,
    debug_lengths, placeholders, setters,
};
use crate::schema::KeySchema;

/// What Query takes.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct QueryInput {
    /// The table.
    pub table_name: String,
    /// The index to read. Default: the table itself.
    pub index_name: Option<String>,
    /// `#pk = :pk`, and maybe a condition of the sort key.
    pub key_condition_expression: Option<String>,
    /// Of the items looked at, those that this holds for are given back.
    pub filter_expression: Option<String>,
    /// The paths to give back. Default: all.
    pub projection_expression: Option<String>,
    /// The names for which `#…` stands.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// The values for which `:…` stands, by `:…`.
    pub expression_attribute_values: Option<Map>,
    /// The older form of the key condition.
    pub key_conditions: Option<BTreeMap<String, Condition>>,
    /// The older form of the filter.
    pub query_filter: Option<BTreeMap<String, Condition>>,
    /// How the older conditions are joined.
    pub conditional_operator: Option<ConditionalOperator>,
    /// The attributes to give back: the older form of a projection.
    pub attributes_to_get: Option<Vec<String>>,
    /// Most items to look at, at least 1. Default: a page of 1 MB.
    pub limit: Option<i32>,
    /// Whether sort keys ascend. Default: yes.
    pub scan_index_forward: bool,
    /// The `last_evaluated_key` of the page before.
    pub exclusive_start_key: Option<Map>,
    /// Accepted as DynamoDB has it; every read is strongly consistent.
    pub consistent_read: bool,
    /// What to give back. Default: items.
    pub select: Option<Select>,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

debug_lengths! { QueryInput {
    table_name, index_name, conditional_operator, limit, scan_index_forward, exclusive_start_key, consistent_read, select, return_consumed_capacity;
    key_condition_expression, filter_expression, projection_expression, expression_attribute_names, expression_attribute_values, key_conditions, query_filter, attributes_to_get,
}}

impl QueryInput {
    /// A query by this key condition.
    pub fn new(table_name: impl Into<String>, key_condition_expression: impl Into<String>) -> Self {
        Self {
            table_name: table_name.into(),
            index_name: None,
            key_condition_expression: Some(key_condition_expression.into()),
            filter_expression: None,
            projection_expression: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            key_conditions: None,
            query_filter: None,
            conditional_operator: None,
            attributes_to_get: None,
            limit: None,
            scan_index_forward: true,
            exclusive_start_key: None,
            consistent_read: false,
            select: None,
            return_consumed_capacity: ReturnConsumedCapacity::default(),
        }
    }

    fn open(&self) -> Result<Placeholders<'_>, ValidationError> {
        Parameters {
            expressions: &[
                (
                    "ProjectionExpression",
                    self.projection_expression.as_deref(),
                ),
                ("FilterExpression", self.filter_expression.as_deref()),
                (
                    KeyConditionExpression::FIELD,
                    self.key_condition_expression.as_deref(),
                ),
            ],
            legacy: &[
                ("AttributesToGet", self.attributes_to_get.is_some()),
                ("QueryFilter", self.query_filter.is_some()),
                ("ConditionalOperator", self.conditional_operator.is_some()),
                ("KeyConditions", self.key_conditions.is_some()),
            ],
            names: self.expression_attribute_names.as_ref(),
            values: self.expression_attribute_values.as_ref(),
        }
        .open()
    }

    /// Checks what comes before anything about attribute values: which parameters go together, and placeholders.
    ///
    /// # Errors
    /// AWS's messages.
    pub fn check_parameters(&self) -> Result<(), ValidationError> {
        self.open().map(drop)
    }

    /// Checks all that can be known without the table.
    ///
    /// # Errors
    /// A bad table name, limit or start key; no key condition.
    pub fn validate(mut self) -> Result<Query, ValidationError> {
        let table = TableRef::new(std::mem::take(&mut self.table_name))?;
        let mut constraints = Constraints::default();
        let limit = limit(self.limit, &mut constraints);
        if let Some(name) = &self.index_name {
            check_index_name(name, "indexName", &mut constraints);
        }
        constraints.finish()?;
        let mut placeholders = self.open()?;
        start_key(self.exclusive_start_key.as_ref())?;
        let attributes_to_get = self.attributes_to_get.as_deref();
        let projection_expression = self.projection_expression.as_deref();
        let projection = projection(projection_expression, attributes_to_get, &mut placeholders)?;
        let filter = filter(
            self.filter_expression.as_deref(),
            (self.query_filter.as_ref(), FilterParameter::QueryFilter),
            self.conditional_operator,
            &mut placeholders,
        )?;
        let condition = match (&self.key_condition_expression, &self.key_conditions) {
            (Some(source), _) => {
                let condition =
                    parse_condition(KeyConditionExpression::FIELD, source, &mut placeholders)?;
                placeholders.all_used()?;
                KeyConditionExpression::of(&condition, &placeholders)?
            }
            (None, Some(conditions)) => {
                placeholders.all_used()?;
                KeyConditionExpression::of_conditions(conditions)?
            }
            (None, None) => {
                return Err(ValidationError::new(
                    "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
                ));
            }
        };
        condition.check_count(self.index_name.is_some())?;
        let select = selected(
            self.select,
            projection_expression,
            attributes_to_get,
            self.index_name.is_some(),
        )?;
        Ok(Query {
            table,
            condition,
            limit,
            forward: self.scan_index_forward,
            exclusive_start_key: self.exclusive_start_key,
            filter,
            projection,
            select,
            return_consumed_capacity: self.return_consumed_capacity,
            consistent_read: self.consistent_read,
            index: self.index_name.map(IndexName::new).transpose()?,
        })
    }
}

setters! { QueryInput {
    /// Reads an index.
    index_name: String => Some,
    /// Sets which items to give back.
    filter_expression: String => Some,
    /// Sets the paths to give back.
    projection_expression: String => Some,
    /// Sets all names for which `#…` stand.
    expression_attribute_names: BTreeMap<String, String> => Some,
    /// Sets all values for which `:…` stand.
    expression_attribute_values: Map => Some,
    /// Sets the key condition, in the older form.
    key_conditions: BTreeMap<String, Condition> => Some,
    /// Sets which items to give back, in the older form.
    query_filter: BTreeMap<String, Condition> => Some,
    /// Sets how older conditions are joined.
    conditional_operator: ConditionalOperator => Some,
    /// Sets the attributes to give back.
    attributes_to_get: Vec<String> => Some,
    /// Sets the most items to look at.
    limit: i32 => Some,
    /// Sets whether sort keys ascend.
    scan_index_forward: bool,
    /// Begins after this key.
    exclusive_start_key: Map => Some,
    /// Asks for a strongly consistent read.
    consistent_read: bool,
    /// Asks for items or for their count.
    select: Select => Some,
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
}}

placeholders! { QueryInput }

/// The `Limit` of Query and Scan, at least 1.
pub(super) fn limit(limit: Option<i32>, constraints: &mut Constraints) -> Option<usize> {
    let limit = limit?;
    constraints.at_least(limit.into(), 1, "limit");
    usize::try_from(limit).ok()
}

/// A Query that follows the rules, as far as they can be checked without the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The table.
    pub table: TableRef,
    /// The index to read; `None`: the table itself.
    pub index: Option<IndexName>,
    /// The key condition, not yet bound to the table's key.
    pub condition: KeyConditionExpression,
    /// Most items to look at, at least 1.
    pub limit: Option<usize>,
    /// Whether sort keys ascend.
    pub forward: bool,
    /// Begin after this key.
    pub exclusive_start_key: Option<Map>,
    /// Which items are given back.
    pub filter: Option<Filter>,
    /// What is given back of them, if specific attributes are.
    pub projection: Option<ProjectionExpression>,
    /// What is given back.
    pub select: Select,
    /// Whether a strongly consistent read is asked for, which a global index refuses.
    pub consistent_read: bool,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// What a Query means for a table of a known schema.
#[derive(Clone, PartialEq, Eq)]
pub struct QueryPlan {
    /// The condition.
    pub condition: KeyCondition,
    /// Bytes of its partition key.
    pub partition: Vec<u8>,
    /// The page begins after this key, which is one of that partition.
    pub after: Option<KeyBytes<'static>>,
}

/// Types and lengths.
impl fmt::Debug for QueryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryPlan")
            .field("condition", &self.condition)
            .field("partition", &self.partition.len())
            .field("after", &self.after)
            .finish()
    }
}

impl Query {
    /// Binds the key condition and the start key to a table's key.
    ///
    /// # Errors
    /// AWS's messages for a key condition or start key that does not fit.
    pub fn plan(&self, schema: &KeySchema) -> Result<QueryPlan, ValidationError> {
        if let Some(key) = &self.exclusive_start_key
            && !schema.has_names_of(key)
        {
            return Err(ValidationError::new(INVALID_START));
        }
        let condition = self.condition.bind(schema)?;
        if let Some(filter) = &self.filter {
            filter
                .condition
                .has_none_of(schema.attributes(), filter.parameter)?;
        }
        paths_fit(self.filter.as_ref(), self.projection.as_ref(), schema)?;
        let partition = condition.partition_bytes();
        let after = match &self.exclusive_start_key {
            None => None,
            Some(key) => {
                let key = schema
                    .key_of_key(key)
                    .map_err(|_| ValidationError::new(INVALID_START))?;
                if key.partition != partition {
                    return Err(ValidationError::new(
                        "The provided starting key is outside query boundaries based on provided conditions",
                    ));
                }
                if !condition.sort_range().contains(&key.sort.to_vec()) {
                    return Err(ValidationError::new(
                        "The provided starting key does not match the range key predicate",
                    ));
                }
                Some(key.into_owned())
            }
        };
        Ok(QueryPlan {
            condition,
            partition,
            after,
        })
    }
}

/// What Query gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryOutput {
    /// The items of this page; none if COUNT was asked for.
    pub items: Vec<Item>,
    /// Count of items that match.
    pub count: u32,
    /// Count of items looked at.
    pub scanned_count: u32,
    /// Where to go on, if there may be more.
    pub last_evaluated_key: Option<Map>,
    /// What was consumed, if that was asked for.
    pub consumed_capacity: Option<ConsumedCapacity>,
    /// COUNT was asked for, so that items are counted and not given back.
    pub counted_only: bool,
}

impl QueryOutput {
    /// A page.
    pub fn new(
        items: Vec<Item>,
        count: u32,
        scanned_count: u32,
        last_evaluated_key: Option<Map>,
    ) -> Self {
        Self {
            items,
            count,
            scanned_count,
            last_evaluated_key,
            consumed_capacity: None,
            counted_only: false,
        }
    }
}

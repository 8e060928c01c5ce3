//! Scan: all items of a table, or of one of its segments, a page at a time.

use std::collections::BTreeMap;

use crate::error::{Constraints, ValidationError};
use crate::expr::placeholders::{Parameters, Placeholders};
use crate::expr::{FilterParameter, ProjectionExpression};
use crate::key::KeyBytes;
use crate::map::{Item, Map};
use crate::names::{IndexName, TableRef, check_index_name};
use crate::ops::query::limit;
use crate::ops::read::{Filter, INVALID_START, filter, paths_fit, projection, selected, start_key};
use crate::ops::{
    Condition, ConditionalOperator, ConsumedCapacity, ReturnConsumedCapacity, Select,
    debug_lengths, placeholders, setters,
};
use crate::schema::KeySchema;

/// Most segments of a parallel scan.
pub const MAX_SEGMENTS: u32 = 1_000_000;

/// What Scan takes.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct ScanInput {
    /// The table.
    pub table_name: String,
    /// The index to read. Default: the table itself.
    pub index_name: Option<String>,
    /// Of the items looked at, those that this holds for are given back.
    pub filter_expression: Option<String>,
    /// The paths to give back. Default: all.
    pub projection_expression: Option<String>,
    /// The names for which `#…` stands.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// The values for which `:…` stands, by `:…`.
    pub expression_attribute_values: Option<Map>,
    /// The older form of the filter.
    pub scan_filter: Option<BTreeMap<String, Condition>>,
    /// How the older conditions are joined.
    pub conditional_operator: Option<ConditionalOperator>,
    /// The attributes to give back: the older form of a projection.
    pub attributes_to_get: Option<Vec<String>>,
    /// Most items to look at, at least 1. Default: a page of 1 MB.
    pub limit: Option<i32>,
    /// The `last_evaluated_key` of the page before.
    pub exclusive_start_key: Option<Map>,
    /// Which segment of a parallel scan this is, from 0. Goes with `total_segments`.
    pub segment: Option<i32>,
    /// How many segments the parallel scan has, 1 to 1,000,000.
    pub total_segments: Option<i32>,
    /// Accepted as DynamoDB has it; every read is strongly consistent.
    pub consistent_read: bool,
    /// What to give back. Default: items.
    pub select: Option<Select>,
    /// What to tell about consumed capacity. Default: nothing.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

debug_lengths! { ScanInput {
    table_name, index_name, conditional_operator, limit, exclusive_start_key, segment, total_segments, consistent_read, select, return_consumed_capacity;
    filter_expression, projection_expression, expression_attribute_names, expression_attribute_values, scan_filter, attributes_to_get,
}}

impl ScanInput {
    /// A scan of the whole table.
    pub fn new(table_name: impl Into<String>) -> Self {
        Self {
            table_name: table_name.into(),
            index_name: None,
            filter_expression: None,
            projection_expression: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            scan_filter: None,
            conditional_operator: None,
            attributes_to_get: None,
            limit: None,
            exclusive_start_key: None,
            segment: None,
            total_segments: None,
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
            ],
            legacy: &[
                ("AttributesToGet", self.attributes_to_get.is_some()),
                ("ScanFilter", self.scan_filter.is_some()),
                ("ConditionalOperator", self.conditional_operator.is_some()),
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
    /// A bad table name, limit, segment or start key.
    pub fn validate(mut self) -> Result<Scan, ValidationError> {
        let table = TableRef::new(std::mem::take(&mut self.table_name))?;
        let mut constraints = Constraints::default();
        let limit = limit(self.limit, &mut constraints);
        if let Some(name) = &self.index_name {
            check_index_name(name, "indexName", &mut constraints);
        }
        if let Some(segment) = self.segment {
            constraints.at_least(segment.into(), 0, "segment");
            constraints.at_most(segment.into(), i64::from(MAX_SEGMENTS) - 1, "segment");
        }
        if let Some(total) = self.total_segments {
            constraints.at_least(total.into(), 1, "totalSegments");
            constraints.at_most(total.into(), MAX_SEGMENTS.into(), "totalSegments");
        }
        constraints.finish()?;
        let mut placeholders = self.open()?;
        start_key(self.exclusive_start_key.as_ref())?;
        let attributes_to_get = self.attributes_to_get.as_deref();
        let projection_expression = self.projection_expression.as_deref();
        let projection = projection(projection_expression, attributes_to_get, &mut placeholders)?;
        let filter = filter(
            self.filter_expression.as_deref(),
            (self.scan_filter.as_ref(), FilterParameter::ScanFilter),
            self.conditional_operator,
            &mut placeholders,
        )?;
        placeholders.all_used()?;
        let segment = segment(self.segment, self.total_segments)?;
        let select = selected(
            self.select,
            projection_expression,
            attributes_to_get,
            self.index_name.is_some(),
        )?;
        Ok(Scan {
            table,
            limit,
            exclusive_start_key: self.exclusive_start_key,
            consistent_read: self.consistent_read,
            segment,
            filter,
            projection,
            select,
            return_consumed_capacity: self.return_consumed_capacity,
            index: self.index_name.map(IndexName::new).transpose()?,
        })
    }
}

setters! { ScanInput {
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
    /// Sets which items to give back, in the older form.
    scan_filter: BTreeMap<String, Condition> => Some,
    /// Sets how older conditions are joined.
    conditional_operator: ConditionalOperator => Some,
    /// Sets the attributes to give back.
    attributes_to_get: Vec<String> => Some,
    /// Sets the most items to look at.
    limit: i32 => Some,
    /// Begins after this key.
    exclusive_start_key: Map => Some,
    /// Sets which segment this is.
    segment: i32 => Some,
    /// Sets how many segments there are.
    total_segments: i32 => Some,
    /// Asks for a strongly consistent read.
    consistent_read: bool,
    /// Asks for items or for their count.
    select: Select => Some,
    /// Asks for the consumed capacity.
    return_consumed_capacity: ReturnConsumedCapacity,
}}

placeholders! { ScanInput }

/// One segment of a parallel scan: `segment` < `total` <= [`MAX_SEGMENTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanSegment {
    /// Which one, from 0.
    pub segment: u32,
    /// Of how many.
    pub total: u32,
}

impl ScanSegment {
    /// The whole table.
    pub const WHOLE: ScanSegment = ScanSegment {
        segment: 0,
        total: 1,
    };
}

/// The segment that the constraints allow: both parts or none.
fn segment(segment: Option<i32>, total: Option<i32>) -> Result<ScanSegment, ValidationError> {
    match (segment, total) {
        (None, None) => Ok(ScanSegment::WHOLE),
        (Some(_), None) => Err(ValidationError::new(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(ValidationError::new(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(segment), Some(total)) if segment >= total => Err(ValidationError::new(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is \
             not less than TotalSegments: {total}"
        ))),
        (Some(segment), Some(total)) => Ok(ScanSegment {
            segment: segment.unsigned_abs(),
            total: total.unsigned_abs(),
        }),
    }
}

/// A Scan that follows the rules, as far as they can be checked without the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The table.
    pub table: TableRef,
    /// The index to read; `None`: the table itself.
    pub index: Option<IndexName>,
    /// Most items to look at, at least 1.
    pub limit: Option<usize>,
    /// Begin after this key.
    pub exclusive_start_key: Option<Map>,
    /// Whether a strongly consistent read is asked for, which a global index refuses.
    pub consistent_read: bool,
    /// The segment; [`ScanSegment::WHOLE`] unless one was named.
    pub segment: ScanSegment,
    /// Which items are given back.
    pub filter: Option<Filter>,
    /// What is given back of them, if specific attributes are.
    pub projection: Option<ProjectionExpression>,
    /// What is given back.
    pub select: Select,
    /// What to tell about consumed capacity.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

impl Scan {
    /// Checks filter and projection against the table's key.
    ///
    /// # Errors
    /// AWS's message for a path into an attribute of the key.
    pub fn fits(&self, schema: &KeySchema) -> Result<(), ValidationError> {
        paths_fit(self.filter.as_ref(), self.projection.as_ref(), schema)
    }

    /// The bytes of the start key. Whether it lies in the segment is for the store to say, with
    /// [`Scan::outside_segment`].
    ///
    /// # Errors
    /// AWS's message for a key that does not fit the schema.
    pub fn start_key(&self, schema: &KeySchema) -> Result<Option<KeyBytes<'_>>, ValidationError> {
        match &self.exclusive_start_key {
            None => Ok(None),
            Some(key) => match schema.key_of_key(key) {
                Ok(key) => Ok(Some(key)),
                Err(error) => Err(ValidationError::new(format!("{INVALID_START}: {error}"))),
            },
        }
    }

    /// The error of a start key of another segment.
    pub fn outside_segment(&self) -> ValidationError {
        ValidationError::new(format!(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct \
             Segment. TotalSegments: {} Segment: {}",
            self.segment.total, self.segment.segment
        ))
    }
}

/// What Scan gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanOutput {
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

impl ScanOutput {
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

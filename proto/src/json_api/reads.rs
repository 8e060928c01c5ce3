//! Query and Scan.

use sealdb_model::ops::{ConsumedCapacity, QueryInput, QueryOutput, ScanInput, ScanOutput, Select};
use sealdb_model::{Item, Map, ValidationError};

use super::capacity::capacity;
use super::conditions::{
    ATTRIBUTE_NAMES, ATTRIBUTE_VALUES, CAPACITY, CONDITIONS, CONSISTENT, OPERATOR, PROJECTION,
    TO_GET,
};
use super::fields::Fields;
use super::shape::{
    BOOLEAN, ITEMS_TABLE, Member, NAME, POSITIVE, Shape, Structure, TEXT, VALUES, optional,
};
use super::write::{Object, map};
use super::{Request, Response};

static SELECT: Shape = Shape::one_of(&[
    "SPECIFIC_ATTRIBUTES",
    "COUNT",
    "ALL_ATTRIBUTES",
    "ALL_PROJECTED_ATTRIBUTES",
]);
const INDEX: Member = optional("IndexName", &NAME);
const SELECT_MEMBER: Member = optional("Select", &SELECT);
const LIMIT: Member = optional("Limit", &POSITIVE);
const START: Member = optional("ExclusiveStartKey", &VALUES);
const FILTER: Member = optional("FilterExpression", &TEXT);

/// The fields that both have.
macro_rules! read_fields {
    ($input:ident, $fields:ident) => {
        $input.index_name = $fields.text("IndexName");
        $input.filter_expression = $fields.text("FilterExpression");
        $input.projection_expression = $fields.text("ProjectionExpression");
        $input.expression_attribute_names = $fields.attribute_names();
        $input.expression_attribute_values = $fields.attribute_values();
        $input.conditional_operator = $fields.operator();
        $input.attributes_to_get = $fields.attributes_to_get();
        $input.limit = $fields.integer("Limit");
        $input.exclusive_start_key = $fields.values("ExclusiveStartKey");
        $input.consistent_read = $fields.consistent_read();
        $input.select = $fields.one_of("Select", Select::from_name);
        $input.return_consumed_capacity = $fields.capacity();
    };
}

impl Request for QueryInput {
    const SHAPE: &'static Structure = &Structure {
        name: "QueryInput",
        members: &[
            CAPACITY,
            optional("QueryFilter", &CONDITIONS),
            SELECT_MEMBER,
            INDEX,
            TO_GET,
            ITEMS_TABLE,
            LIMIT,
            CONSISTENT,
            START,
            optional("KeyConditions", &CONDITIONS),
            OPERATOR,
            optional("ScanIndexForward", &BOOLEAN),
            FILTER,
            optional("KeyConditionExpression", &TEXT),
            PROJECTION,
            ATTRIBUTE_NAMES,
            ATTRIBUTE_VALUES,
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = QueryInput::new(fields.required_text("TableName"), "");
        input.key_condition_expression = fields.text("KeyConditionExpression");
        input.key_conditions = fields.conditions("KeyConditions");
        input.query_filter = fields.conditions("QueryFilter");
        input.scan_index_forward = fields.flag("ScanIndexForward").unwrap_or(true);
        read_fields!(input, fields);
        Ok(input)
    }

    fn check_parameters(&self) -> Result<(), ValidationError> {
        self.check_parameters()
    }
}

static TOTAL_SEGMENTS: Shape = Shape::Integer(1, 1_000_000);
static SEGMENT: Shape = Shape::Integer(0, 999_999);

impl Request for ScanInput {
    const SHAPE: &'static Structure = &Structure {
        name: "ScanInput",
        members: &[
            optional("TotalSegments", &TOTAL_SEGMENTS),
            CAPACITY,
            SELECT_MEMBER,
            INDEX,
            TO_GET,
            ITEMS_TABLE,
            optional("Segment", &SEGMENT),
            LIMIT,
            OPERATOR,
            CONSISTENT,
            optional("ScanFilter", &CONDITIONS),
            START,
            FILTER,
            PROJECTION,
            ATTRIBUTE_NAMES,
            ATTRIBUTE_VALUES,
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = ScanInput::new(fields.required_text("TableName"));
        input.scan_filter = fields.conditions("ScanFilter");
        input.segment = fields.integer("Segment");
        input.total_segments = fields.integer("TotalSegments");
        read_fields!(input, fields);
        Ok(input)
    }

    fn check_parameters(&self) -> Result<(), ValidationError> {
        self.check_parameters()
    }
}

/// What both give back.
struct Page<'a> {
    /// `None`: they were only to be counted.
    items: Option<&'a [Item]>,
    count: u32,
    scanned_count: u32,
    last_evaluated_key: Option<&'a Map>,
    consumed_capacity: Option<&'a ConsumedCapacity>,
}

impl Page<'_> {
    fn write(&self, object: &mut Object<'_>) {
        object.number("Count", self.count);
        if let Some(items) = self.items {
            object.list("Items", items, map);
        }
        if let Some(key) = self.last_evaluated_key {
            object.values("LastEvaluatedKey", key);
        }
        object.number("ScannedCount", self.scanned_count);
        capacity(object, self.consumed_capacity);
    }
}

macro_rules! pages {
    ($($output:ident),*) => {$(
        impl Response for $output {
            fn write(&self, object: &mut Object<'_>) {
                Page {
                    items: (!self.counted_only).then_some(&self.items),
                    count: self.count,
                    scanned_count: self.scanned_count,
                    last_evaluated_key: self.last_evaluated_key.as_ref(),
                    consumed_capacity: self.consumed_capacity.as_ref(),
                }
                .write(object);
            }
        }
    )*};
}

pages!(QueryOutput, ScanOutput);

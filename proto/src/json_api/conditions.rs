//! What requests of items have in common: expressions, the parameters of before there were any, and what is asked for beside.

use std::collections::BTreeMap;

use sealdb_model::AttributeValue;
use sealdb_model::ops::{
    AttributeAction, AttributeValueUpdate, ComparisonOperator, Condition, ConditionalOperator,
    ExpectedAttributeValue, ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValue,
    ReturnValuesOnConditionCheckFailure,
};

use super::fields::{Fields, Node};
use super::shape::{
    ATTRIBUTE_NAME, BOOLEAN, Member, Shape, Structure, TEXT, VALUE, VALUES, optional, required,
};

const ANY: usize = usize::MAX;

static RETURN_CONSUMED_CAPACITY: Shape = Shape::one_of(&["INDEXES", "TOTAL", "NONE"]);
static RETURN_METRICS: Shape = Shape::one_of(&["SIZE", "NONE"]);
static RETURN_VALUES: Shape =
    Shape::one_of(&["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"]);
static RETURN_ON_FAILURE: Shape = Shape::one_of(&["ALL_OLD", "NONE"]);
static CONDITIONAL_OPERATOR: Shape = Shape::one_of(&["OR", "AND"]);
static COMPARISON_OPERATOR: Shape = Shape::one_of(&[
    "IN",
    "NULL",
    "BETWEEN",
    "LT",
    "NOT_CONTAINS",
    "EQ",
    "GT",
    "NOT_NULL",
    "NE",
    "LE",
    "BEGINS_WITH",
    "CONTAINS",
    "GE",
]);
static ACTION: Shape = Shape::one_of(&["ADD", "DELETE", "PUT"]);
static NAMES: Shape = Shape::Map(&ATTRIBUTE_NAME, 0, ANY);
static ATTRIBUTES_TO_GET: Shape = Shape::List(&ATTRIBUTE_NAME, 1, ANY);
static VALUE_LIST: Shape = Shape::List(&VALUE, 0, ANY);

static CONDITION_SHAPE: Shape = Shape::Structure(&Structure {
    name: "Condition",
    members: &[
        optional("AttributeValueList", &VALUE_LIST),
        required("ComparisonOperator", &COMPARISON_OPERATOR),
    ],
});
/// KeyConditions, QueryFilter, ScanFilter.
pub(super) static CONDITIONS: Shape = Shape::Map(&CONDITION_SHAPE, 0, ANY);

static EXPECTED_VALUE: Shape = Shape::Structure(&Structure {
    name: "ExpectedAttributeValue",
    members: &[
        optional("ComparisonOperator", &COMPARISON_OPERATOR),
        optional("AttributeValueList", &VALUE_LIST),
        optional("Value", &VALUE),
        optional("Exists", &BOOLEAN),
    ],
});
static EXPECTED_SHAPE: Shape = Shape::Map(&EXPECTED_VALUE, 0, ANY);

static UPDATE: Shape = Shape::Structure(&Structure {
    name: "AttributeValueUpdate",
    members: &[optional("Value", &VALUE), optional("Action", &ACTION)],
});
static UPDATES: Shape = Shape::Map(&UPDATE, 0, ANY);

pub(super) const CAPACITY: Member = optional("ReturnConsumedCapacity", &RETURN_CONSUMED_CAPACITY);
pub(super) const METRICS: Member = optional("ReturnItemCollectionMetrics", &RETURN_METRICS);
pub(super) const ATTRIBUTE_NAMES: Member = optional("ExpressionAttributeNames", &NAMES);
pub(super) const ATTRIBUTE_VALUES: Member = optional("ExpressionAttributeValues", &VALUES);
pub(super) const CONDITION: Member = optional("ConditionExpression", &TEXT);
pub(super) const PROJECTION: Member = optional("ProjectionExpression", &TEXT);
pub(super) const TO_GET: Member = optional("AttributesToGet", &ATTRIBUTES_TO_GET);
pub(super) const OPERATOR: Member = optional("ConditionalOperator", &CONDITIONAL_OPERATOR);
pub(super) const KEY: Member = required("Key", &VALUES);
pub(super) const ITEM: Member = required("Item", &VALUES);
pub(super) const CONSISTENT: Member = optional("ConsistentRead", &BOOLEAN);
pub(super) const ON_FAILURE: Member =
    optional("ReturnValuesOnConditionCheckFailure", &RETURN_ON_FAILURE);
pub(super) const RETURN: Member = optional("ReturnValues", &RETURN_VALUES);
pub(super) const EXPECTED: Member = optional("Expected", &EXPECTED_SHAPE);
pub(super) const ATTRIBUTE_UPDATES: Member = optional("AttributeUpdates", &UPDATES);

/// How the members above become fields of inputs. What is absent has the model's default.
impl Fields {
    pub(super) fn key(&mut self) -> sealdb_model::Map {
        self.values("Key").unwrap_or_default()
    }

    pub(super) fn item(&mut self) -> sealdb_model::Item {
        self.values("Item").unwrap_or_default()
    }

    pub(super) fn attribute_names(&mut self) -> Option<BTreeMap<String, String>> {
        Some(
            self.names("ExpressionAttributeNames")?
                .into_iter()
                .collect(),
        )
    }

    pub(super) fn attribute_values(&mut self) -> Option<sealdb_model::Map> {
        self.values("ExpressionAttributeValues")
    }

    pub(super) fn attributes_to_get(&mut self) -> Option<Vec<String>> {
        let names = self.list("AttributesToGet")?.into_iter();
        Some(names.filter_map(Node::into_text).collect())
    }

    pub(super) fn consistent_read(&mut self) -> bool {
        self.flag("ConsistentRead").unwrap_or(false)
    }

    pub(super) fn capacity(&mut self) -> ReturnConsumedCapacity {
        self.one_of("ReturnConsumedCapacity", ReturnConsumedCapacity::from_name)
            .unwrap_or_default()
    }

    pub(super) fn metrics(&mut self) -> ReturnItemCollectionMetrics {
        self.one_of(
            "ReturnItemCollectionMetrics",
            ReturnItemCollectionMetrics::from_name,
        )
        .unwrap_or_default()
    }

    pub(super) fn return_values(&mut self) -> ReturnValue {
        self.one_of("ReturnValues", ReturnValue::from_name)
            .unwrap_or_default()
    }

    pub(super) fn on_failure(&mut self) -> ReturnValuesOnConditionCheckFailure {
        self.one_of(
            "ReturnValuesOnConditionCheckFailure",
            ReturnValuesOnConditionCheckFailure::from_name,
        )
        .unwrap_or_default()
    }

    pub(super) fn operator(&mut self) -> Option<ConditionalOperator> {
        self.one_of("ConditionalOperator", ConditionalOperator::from_name)
    }

    /// A map of structures, each made something.
    fn map_of<T>(
        &mut self,
        name: &str,
        make: impl Fn(Fields) -> Option<T>,
    ) -> Option<BTreeMap<String, T>> {
        let entries = self.map(name)?.into_iter();
        Some(
            entries
                .filter_map(|(name, node)| Some((name, make(node.into_fields()?)?)))
                .collect(),
        )
    }

    pub(super) fn conditions(&mut self, name: &str) -> Option<BTreeMap<String, Condition>> {
        self.map_of(name, |mut fields| {
            let mut condition = Condition::new(fields.comparison_operator()?);
            condition.attribute_value_list = fields.value_list();
            Some(condition)
        })
    }

    pub(super) fn expected(&mut self) -> Option<BTreeMap<String, ExpectedAttributeValue>> {
        self.map_of("Expected", |mut fields| {
            let mut expected = ExpectedAttributeValue::new();
            expected.value = fields.value("Value");
            expected.exists = fields.flag("Exists");
            expected.comparison_operator = fields.comparison_operator();
            expected.attribute_value_list = fields.value_list();
            Some(expected)
        })
    }

    pub(super) fn attribute_updates(&mut self) -> Option<BTreeMap<String, AttributeValueUpdate>> {
        self.map_of("AttributeUpdates", |mut fields| {
            let mut update = AttributeValueUpdate::new();
            update.value = fields.value("Value");
            update.action = fields.one_of("Action", AttributeAction::from_name);
            Some(update)
        })
    }

    fn comparison_operator(&mut self) -> Option<ComparisonOperator> {
        self.one_of("ComparisonOperator", ComparisonOperator::from_name)
    }

    fn value_list(&mut self) -> Option<Vec<AttributeValue>> {
        let values = self.list("AttributeValueList")?.into_iter();
        Some(values.filter_map(Node::into_value).collect())
    }
}

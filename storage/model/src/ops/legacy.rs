//! The parameters of before there were expressions: Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter and
//! what goes with them. They mean the same as expressions do and are compiled to the same; see [`crate::expr`].

use crate::ops::{setters, wire_enum};
use crate::value::AttributeValue;

wire_enum! {
    /// The operator of a [`Condition`] or an [`ExpectedAttributeValue`].
    ComparisonOperator {
        /// The attribute is the value.
        Eq = "EQ",
        /// The attribute is not the value.
        Ne = "NE",
        /// The attribute is one of the values.
        In = "IN",
        /// The attribute is at most the value.
        Le = "LE",
        /// The attribute is below the value.
        Lt = "LT",
        /// The attribute is at least the value.
        Ge = "GE",
        /// The attribute is above the value.
        Gt = "GT",
        /// The attribute lies between the two values, both included.
        Between = "BETWEEN",
        /// The attribute is there.
        NotNull = "NOT_NULL",
        /// The attribute is not there.
        Null = "NULL",
        /// The attribute has the value as an element or as a part.
        Contains = "CONTAINS",
        /// The attribute lacks the value as an element or as a part.
        NotContains = "NOT_CONTAINS",
        /// The attribute begins with the value.
        BeginsWith = "BEGINS_WITH",
    }
}

wire_enum! {
    /// How conditions of several attributes are joined.
    ConditionalOperator = And {
        /// All must hold.
        And = "AND",
        /// One must hold.
        Or = "OR",
    }
}

wire_enum! {
    /// What an [`AttributeValueUpdate`] does.
    AttributeAction = Put {
        /// Adds to a number, or elements to a set.
        Add = "ADD",
        /// Sets the attribute.
        Put = "PUT",
        /// Removes the attribute, or elements of a set.
        Delete = "DELETE",
    }
}

/// A condition of one attribute, in KeyConditions, QueryFilter and ScanFilter.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The operator.
    pub comparison_operator: ComparisonOperator,
    /// Its values; how many there are depends on it.
    pub attribute_value_list: Option<Vec<AttributeValue>>,
}

impl Condition {
    /// A condition without values.
    pub fn new(comparison_operator: ComparisonOperator) -> Self {
        Self {
            comparison_operator,
            attribute_value_list: None,
        }
    }
}

setters! { Condition {
    /// Sets the values.
    attribute_value_list: Vec<AttributeValue> => Some,
}}

/// What an attribute must be for a write to happen, in Expected.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedAttributeValue {
    /// The value that the attribute must have.
    pub value: Option<AttributeValue>,
    /// `false`: the attribute must not be there.
    pub exists: Option<bool>,
    /// The operator, which goes with `attribute_value_list` and not with `value` and `exists`.
    pub comparison_operator: Option<ComparisonOperator>,
    /// The operator's values.
    pub attribute_value_list: Option<Vec<AttributeValue>>,
}

impl ExpectedAttributeValue {
    /// Nothing said yet.
    pub fn new() -> Self {
        Self::default()
    }
}

setters! { ExpectedAttributeValue {
    /// Sets the value that the attribute must have.
    value: AttributeValue => Some,
    /// Sets whether the attribute must be there.
    exists: bool => Some,
    /// Sets the operator.
    comparison_operator: ComparisonOperator => Some,
    /// Sets the operator's values.
    attribute_value_list: Vec<AttributeValue> => Some,
}}

/// A change of one attribute, in AttributeUpdates.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeValueUpdate {
    /// The value to set, to add, or whose elements to remove.
    pub value: Option<AttributeValue>,
    /// What to do; PUT if not given.
    pub action: Option<AttributeAction>,
}

impl AttributeValueUpdate {
    /// Nothing said yet.
    pub fn new() -> Self {
        Self::default()
    }
}

setters! { AttributeValueUpdate {
    /// Sets the value.
    value: AttributeValue => Some,
    /// Sets what to do.
    action: AttributeAction => Some,
}}

//! `Debug` of the messages that carry data: types and lengths, never content, so that a message that
//! slips into a log says nothing.

use std::fmt::{Debug, Formatter, Result};

use crate::v1::attribute_value::Value;
use crate::v1::{
    AttributeDefinition, AttributeValue, BinarySet, KeySchemaElement, ListValue, MapValue,
    NumberSet, QueryRequest, StringSet,
};

impl Debug for AttributeValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.value {
            Some(value) => value.fmt(f),
            None => f.write_str("unset"),
        }
    }
}

impl Debug for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Value::S(s) => write!(f, "S({} bytes)", s.len()),
            Value::N(n) => write!(f, "N({} bytes)", n.len()),
            Value::B(b) => write!(f, "B({} bytes)", b.len()),
            Value::Bool(_) => f.write_str("BOOL"),
            Value::Null(_) => f.write_str("NULL"),
            Value::M(m) => m.fmt(f),
            Value::L(l) => l.fmt(f),
            Value::Ss(set) => set.fmt(f),
            Value::Ns(set) => set.fmt(f),
            Value::Bs(set) => set.fmt(f),
        }
    }
}

impl Debug for MapValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "M({} names) ", self.names.len())?;
        f.debug_list().entries(&self.values).finish()
    }
}

impl Debug for ListValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("L ")?;
        f.debug_list().entries(&self.values).finish()
    }
}

impl Debug for StringSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "SS({} members)", self.values.len())
    }
}

impl Debug for NumberSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "NS({} members)", self.values.len())
    }
}

impl Debug for BinarySet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "BS({} members)", self.values.len())
    }
}

impl Debug for QueryRequest {
    // An expression and its placeholders may hold attribute names.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("QueryRequest")
            .field("table_name", &self.table_name)
            .field(
                "key_condition_expression",
                &self.key_condition_expression.as_ref().map(String::len),
            )
            .field(
                "expression_attribute_names",
                &self.expression_attribute_names.len(),
            )
            .field(
                "expression_attribute_values",
                &self.expression_attribute_values,
            )
            .field("scan_index_forward", &self.scan_index_forward)
            .field("limit", &self.limit)
            .field("exclusive_start_key", &self.exclusive_start_key)
            .field("select", &self.select)
            .field("consistent_read", &self.consistent_read)
            .finish()
    }
}

impl Debug for AttributeDefinition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "AttributeDefinition({:?})", self.attribute_type())
    }
}

impl Debug for KeySchemaElement {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "KeySchemaElement({:?})", self.key_type())
    }
}

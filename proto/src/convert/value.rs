//! Values, maps and keys.

#![deny(clippy::indexing_slicing)]

use sealdb_model::{AttributeValue, MAX_DEPTH, Map, Number};

use crate::convert::WireError;
use crate::convert::field::{Field, Message};
use crate::v1;
use crate::v1::attribute_value::Value;

impl From<AttributeValue> for v1::AttributeValue {
    fn from(value: AttributeValue) -> Self {
        let value = match value {
            AttributeValue::S(s) => Value::S(s),
            AttributeValue::N(n) => Value::N(n.to_string()),
            AttributeValue::B(b) => Value::B(b),
            AttributeValue::Bool(b) => Value::Bool(b),
            AttributeValue::Null => Value::Null(true),
            AttributeValue::M(map) => Value::M(map.into()),
            AttributeValue::L(list) => Value::L(list.into()),
            AttributeValue::Ss(values) => Value::Ss(v1::StringSet { values }),
            AttributeValue::Ns(set) => Value::Ns(v1::NumberSet {
                values: set.iter().map(Number::to_string).collect(),
            }),
            AttributeValue::Bs(values) => Value::Bs(v1::BinarySet { values }),
        };
        Self { value: Some(value) }
    }
}

impl From<Map> for v1::MapValue {
    fn from(map: Map) -> Self {
        let (names, values) = map
            .into_iter()
            .map(|(name, value)| (name, v1::AttributeValue::from(value)))
            .unzip();
        Self { names, values }
    }
}

impl TryFrom<v1::AttributeValue> for AttributeValue {
    type Error = WireError;

    fn try_from(value: v1::AttributeValue) -> Result<Self, WireError> {
        value_from_wire(value, 0)
    }
}

impl TryFrom<v1::MapValue> for Map {
    type Error = WireError;

    /// As an item or a key: its attributes stand at depth 0.
    fn try_from(map: v1::MapValue) -> Result<Self, WireError> {
        map_from_wire(map, 0)
    }
}

impl Message for AttributeValue {
    type Wire = v1::AttributeValue;
}

impl Message for Map {
    type Wire = v1::MapValue;
}

/// Values that stand beside each other in a parameter: none is nested in another.
impl Message for Vec<AttributeValue> {
    type Wire = v1::ListValue;
}

impl From<Vec<AttributeValue>> for v1::ListValue {
    fn from(values: Vec<AttributeValue>) -> Self {
        Self {
            values: values.to_wire(),
        }
    }
}

impl TryFrom<v1::ListValue> for Vec<AttributeValue> {
    type Error = WireError;

    fn try_from(list: v1::ListValue) -> Result<Self, WireError> {
        Field::from_wire(list.values, "values")
    }
}

/// `depth`: how many maps and lists surround the value.
fn value_from_wire(value: v1::AttributeValue, depth: usize) -> Result<AttributeValue, WireError> {
    let deeper = || {
        if depth < MAX_DEPTH {
            Ok(depth + 1)
        } else {
            Err(WireError::here(
                "Nesting Levels have exceeded supported limits",
            ))
        }
    };
    Ok(match value.value {
        Some(Value::S(s)) => AttributeValue::S(s),
        Some(Value::N(n)) => AttributeValue::N(number_from_wire(&n)?),
        Some(Value::B(b)) => AttributeValue::B(b),
        Some(Value::Bool(b)) => AttributeValue::Bool(b),
        Some(Value::Null(true)) => AttributeValue::Null,
        Some(Value::Null(false)) => {
            return Err(WireError::here(
                "Null attribute value types must have the value of true",
            ));
        }
        Some(Value::M(map)) => AttributeValue::M(map_from_wire(map, deeper()?)?),
        Some(Value::L(list)) => {
            let depth = deeper()?;
            let mut values = Vec::with_capacity(list.values.len());
            for (index, value) in list.values.into_iter().enumerate() {
                values.push(value_from_wire(value, depth).map_err(|e| e.at_index(index))?);
            }
            AttributeValue::L(values)
        }
        Some(Value::Ss(set)) => AttributeValue::Ss(set.values),
        Some(Value::Ns(set)) => {
            let mut numbers = Vec::with_capacity(set.values.len());
            for (index, number) in set.values.iter().enumerate() {
                numbers.push(number_from_wire(number).map_err(|e| e.at_index(index))?);
            }
            AttributeValue::Ns(numbers)
        }
        Some(Value::Bs(set)) => AttributeValue::Bs(set.values),
        None => {
            return Err(WireError::here(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            ));
        }
    })
}

fn map_from_wire(map: v1::MapValue, depth: usize) -> Result<Map, WireError> {
    let count = map.names.len();
    if count != map.values.len() {
        return Err(WireError::here(format!(
            "{count} names and {} values: not as many",
            map.values.len()
        )));
    }
    let mut entries = Vec::with_capacity(count);
    for (name, value) in map.names.into_iter().zip(map.values) {
        match value_from_wire(value, depth) {
            Ok(value) => entries.push((name, value)),
            Err(e) => return Err(e.under(&name)),
        }
    }
    let map: Map = entries.into_iter().collect();
    if map.len() < count {
        return Err(WireError::here("a name stands twice"));
    }
    Ok(map)
}

fn number_from_wire(text: &str) -> Result<Number, WireError> {
    text.parse()
        .map_err(|e: sealdb_model::NumberError| WireError::here(e.to_string()))
}

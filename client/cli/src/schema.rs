//! The key schema of a table as the server tells it, and key values as people type them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealdb_client::Client;
use sealdb_model::ops::{DescribeTableInput, KeyType, TableDescription};
use sealdb_model::{
    AttributeName, AttributeValue, KeyAttribute, KeySchema, Map, Number, ScalarType,
};

use crate::error::CliError;

/// The key of a table: which attributes, of which types.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) partition: (String, ScalarType),
    pub(crate) sort: Option<(String, ScalarType)>,
}

impl Keys {
    /// Asks the server.
    pub(crate) async fn of(client: &Client, table: &str) -> Result<Self, CliError> {
        let output = client
            .describe_table(DescribeTableInput::new(table))
            .await?;
        Self::from_description(&output.table)
    }

    pub(crate) fn from_description(table: &TableDescription) -> Result<Self, CliError> {
        let of = |role: KeyType| {
            let key = table.key_schema.iter().find(|key| key.key_type == role)?;
            let name = &key.attribute_name;
            let definition = table
                .attribute_definitions
                .iter()
                .find(|definition| definition.attribute_name == *name)?;
            Some((name.clone(), definition.attribute_type))
        };
        let partition = of(KeyType::Hash).ok_or_else(|| {
            CliError::usage("the server describes a table without a partition key")
        })?;
        Ok(Keys {
            partition,
            sort: of(KeyType::Range),
        })
    }

    /// Names of the key attributes.
    pub(crate) fn names(&self) -> Vec<String> {
        std::iter::once(&self.partition)
            .chain(&self.sort)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The same as the model has it.
    pub(crate) fn schema(&self) -> Result<KeySchema, CliError> {
        let attribute = |(name, kind): &(String, ScalarType)| {
            let name = AttributeName::new(name.as_str())
                .map_err(|error| CliError::usage(error.to_string()))?;
            Ok::<_, CliError>(KeyAttribute { name, kind: *kind })
        };
        Ok(KeySchema {
            partition: attribute(&self.partition)?,
            sort: self.sort.as_ref().map(attribute).transpose()?,
        })
    }

    /// The type of a key attribute.
    pub(crate) fn kind(&self, name: &str) -> Option<ScalarType> {
        std::iter::once(&self.partition)
            .chain(&self.sort)
            .find(|(key, _)| key == name)
            .map(|(_, kind)| *kind)
    }

    /// The key that the user typed.
    pub(crate) fn key(&self, pk: &str, sk: Option<&str>) -> Result<Map, CliError> {
        let mut key = Map::new();
        key.insert(&*self.partition.0, typed(pk, self.partition.1)?);
        match (&self.sort, sk) {
            (Some((name, kind)), Some(text)) => {
                key.insert(&**name, typed(text, *kind)?);
            }
            (None, None) => {}
            (Some((name, _)), None) => {
                return Err(CliError::usage(format!(
                    "the table has a sort key, {name}: give --sk as well"
                )));
            }
            (None, Some(_)) => {
                return Err(CliError::usage("the table has no sort key: leave --sk out"));
            }
        }
        Ok(key)
    }
}

/// A key value as text, number, or base64 for bytes.
pub(crate) fn typed(text: &str, kind: ScalarType) -> Result<AttributeValue, CliError> {
    match kind {
        ScalarType::S => Ok(AttributeValue::S(text.to_owned())),
        ScalarType::N => text
            .parse::<Number>()
            .map(AttributeValue::N)
            .map_err(|error| CliError::usage(format!("{text:?} is not a number: {error}"))),
        ScalarType::B => STANDARD
            .decode(text)
            .map(AttributeValue::B)
            .map_err(|error| {
                CliError::usage(format!(
                    "{text:?} is not base64, which stands for a key of bytes: {error}"
                ))
            }),
    }
}

/// `NAME:TYPE` of a key attribute.
pub(crate) fn key_definition(text: &str) -> Result<(String, ScalarType), CliError> {
    let wrong = || {
        CliError::usage(format!(
            "{text:?} is not NAME:TYPE with a type of S, N or B (for example country:S)"
        ))
    };
    let (name, kind) = text.rsplit_once(':').ok_or_else(wrong)?;
    if name.is_empty() {
        return Err(wrong());
    }
    Ok((
        name.to_owned(),
        ScalarType::from_name(kind).ok_or_else(wrong)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_values_follow_the_schema() {
        assert_eq!(
            typed("1e3", ScalarType::N).unwrap(),
            AttributeValue::N("1000".parse().unwrap())
        );
        assert_eq!(
            typed("aGk=", ScalarType::B).unwrap(),
            AttributeValue::B(b"hi".to_vec())
        );
        assert!(
            typed("x", ScalarType::N)
                .unwrap_err()
                .to_string()
                .contains("\"x\" is not a number")
        );
        assert_eq!(typed("x", ScalarType::N).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn definitions_name_a_type() {
        assert_eq!(
            key_definition("a:b:N").unwrap(),
            ("a:b".to_owned(), ScalarType::N)
        );
        for wrong in ["a", "a:", ":S", "a:M", "a:s "] {
            assert!(key_definition(wrong).is_err(), "{wrong}");
        }
    }
}

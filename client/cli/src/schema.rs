//! The key schema of a table as the server tells it, and key values as people type them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sealdb_client::Client;
use sealdb_model::ops::{
    DescribeTableInput, KeySchemaElement, KeyType, Projection, ProjectionType, TableDescription,
};
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

    /// The key of an index of the table, or of the table itself.
    pub(crate) async fn of_index(
        client: &Client,
        table: &str,
        index: Option<&str>,
    ) -> Result<Self, CliError> {
        let Some(index) = index else {
            return Self::of(client, table).await;
        };
        let output = client
            .describe_table(DescribeTableInput::new(table))
            .await?;
        let table = &output.table;
        let local = table.local_secondary_indexes.iter();
        let global = table.global_secondary_indexes.iter();
        let key = local
            .map(|local| (&local.index_name, &local.key_schema))
            .chain(global.map(|global| (&global.index_name, &global.key_schema)))
            .find_map(|(name, key)| (name == index).then_some(key));
        match key {
            Some(key) => Self::from_elements(table, key),
            None => Err(CliError::usage(format!(
                "the table {} has no index {index}",
                table.table_name
            ))),
        }
    }

    pub(crate) fn from_description(table: &TableDescription) -> Result<Self, CliError> {
        Self::from_elements(table, &table.key_schema)
    }

    /// Of several attributes of one role, which an index may have, the first.
    fn from_elements(table: &TableDescription, key: &[KeySchemaElement]) -> Result<Self, CliError> {
        let of = |role: KeyType| {
            let key = key.iter().find(|key| key.key_type == role)?;
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

/// An index as it is typed: `NAME=KEY:TYPE[,KEY:TYPE]`, then maybe `;keys-only` or `;include=NAME,...`.
pub(crate) struct IndexDefinition {
    pub(crate) name: String,
    pub(crate) keys: Vec<(String, ScalarType)>,
    pub(crate) projection: Projection,
}

pub(crate) fn index_definition(text: &str) -> Result<IndexDefinition, CliError> {
    let wrong = || {
        CliError::usage(format!(
            "{text:?} is not NAME=KEY:TYPE[,KEY:TYPE][;keys-only|;include=NAME,...] (for example by_name=name:S;keys-only)"
        ))
    };
    let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (keys, projection) = match rest.split_once(';') {
        None => (rest, Projection::new(ProjectionType::All)),
        Some((keys, "keys-only")) => (keys, Projection::new(ProjectionType::KeysOnly)),
        Some((keys, held)) => {
            let names = held.strip_prefix("include=").ok_or_else(wrong)?;
            (keys, Projection::include(names.split(',')))
        }
    };
    let keys: Vec<_> = keys
        .split(',')
        .map(key_definition)
        .collect::<Result<_, _>>()?;
    if name.is_empty() || keys.len() > 2 {
        return Err(wrong());
    }
    Ok(IndexDefinition {
        name: name.to_owned(),
        keys,
        projection,
    })
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
    fn indexes_name_their_keys_and_what_they_hold() {
        let index = index_definition("by_name=name:S,icao:S;include=elevation,lat").unwrap();
        assert_eq!(index.name, "by_name");
        assert_eq!(index.keys.len(), 2);
        assert_eq!(index.projection, Projection::include(["elevation", "lat"]));
        let all = index_definition("i=n:N").unwrap();
        assert_eq!(all.projection, Projection::new(ProjectionType::All));
        for wrong in ["n:N", "=n:N", "i=", "i=n", "i=a:S,b:S,c:S", "i=n:N;some"] {
            assert!(index_definition(wrong).is_err(), "{wrong}");
        }
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

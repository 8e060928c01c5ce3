//! Names of tables, indexes and attributes. Having one is the proof that it follows the rules.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::error::{Constraints, ValidationError};

/// Longest attribute name, in bytes of UTF-8. Key attributes: [`MAX_KEY_NAME`].
pub const MAX_ATTRIBUTE_NAME: usize = 65_535;
/// Longest name of a key attribute, in bytes of UTF-8.
pub const MAX_KEY_NAME: usize = 255;

/// The name of a table: 3 to 255 characters of `a-z`, `A-Z`, `0-9`, `_`, `-` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName(String);

impl TableName {
    /// Checks a name.
    ///
    /// # Errors
    /// AWS's message if the name breaks the rules.
    pub fn new(name: impl Into<String>) -> Result<Self, ValidationError> {
        Self::new_at(name.into(), "tableName")
    }

    /// A table as requests name it: by its name, or by its ARN.
    ///
    /// # Errors
    /// AWS's message for a name that breaks the rules.
    pub fn of_request(name: impl Into<String>) -> Result<Self, ValidationError> {
        TableRef::new(name).map(|named| named.table)
    }

    /// The table of an ARN: `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`. Region and account may be any: names of tables are all that
    /// tells them apart here.
    pub fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.strip_prefix("arn:aws")?.splitn(5, ':');
        let (_partition, service, region) = (parts.next()?, parts.next()?, parts.next()?);
        let (account, resource) = (parts.next()?, parts.next()?);
        let is_number = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        if service != "dynamodb" || region.is_empty() || !is_number {
            return None;
        }
        Self::new(resource.strip_prefix("table/")?).ok()
    }

    /// As `new`, for the field `field` of a request.
    pub(crate) fn new_at(name: String, field: &str) -> Result<Self, ValidationError> {
        if name.len() < 3 || name.len() > 255 {
            let mut field = field.to_owned();
            if let Some(first) = field.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            return Err(ValidationError::new(format!(
                "{field} must be at least 3 characters long and at most 255 characters long"
            )));
        }
        if !name.bytes().all(is_name_byte) {
            return Err(ValidationError::constraint(
                name,
                field,
                "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
            ));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a string of its own.
    pub fn into_string(self) -> String {
        self.0
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// A message need not repeat a megabyte.
pub(crate) fn shortened(name: &str) -> String {
    match name.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for TableName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for TableName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for TableName {
    type Err = ValidationError;

    fn from_str(name: &str) -> Result<Self, ValidationError> {
        Self::new(name)
    }
}

/// A table as a request names it, by its name or by its ARN. An answer that says of which table it speaks names it the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRef {
    table: TableName,
    arn: Option<String>,
}

impl TableRef {
    /// Checks a name or an ARN.
    ///
    /// # Errors
    /// AWS's message for a name that breaks the rules.
    pub fn new(named: impl Into<String>) -> Result<Self, ValidationError> {
        let named = named.into();
        match TableName::of_arn(&named) {
            Some(table) => Ok(Self {
                table,
                arn: Some(named),
            }),
            None => TableName::new(named).map(Self::from),
        }
    }

    /// What the request says.
    pub fn named(&self) -> &str {
        self.arn.as_deref().unwrap_or(self.table.as_str())
    }
}

impl From<TableName> for TableRef {
    fn from(table: TableName) -> Self {
        Self { table, arn: None }
    }
}

impl Deref for TableRef {
    type Target = TableName;

    fn deref(&self) -> &TableName {
        &self.table
    }
}

/// The name of a secondary index: 3 to 255 characters of those that a [`TableName`] may have.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexName(String);

impl IndexName {
    /// Checks a name.
    ///
    /// # Errors
    /// AWS's message if the name breaks the rules.
    pub fn new(name: impl Into<String>) -> Result<Self, ValidationError> {
        let name = name.into();
        let mut constraints = Constraints::default();
        check_index_name(&name, "indexName", &mut constraints);
        constraints.finish()?;
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Notes what is wrong with the name of an index in the field `at`.
pub(crate) fn check_index_name(name: &str, at: &str, constraints: &mut Constraints) {
    constraints.require(
        !name.is_empty() && name.bytes().all(is_name_byte),
        shortened(name),
        at,
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
    );
    constraints.length(name.len(), 3, 255, shortened(name), at);
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The length: a name may tell what the data is about.
impl fmt::Debug for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IndexName({} bytes)", self.0.len())
    }
}

/// The name of an attribute that a schema speaks of: 1 to 255 bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeName(String);

impl AttributeName {
    /// Checks a name.
    ///
    /// # Errors
    /// If it is empty or longer than 255 bytes.
    pub fn new(name: impl Into<String>) -> Result<Self, ValidationError> {
        let name = name.into();
        if name.is_empty() {
            return Err(ValidationError::constraint(
                "",
                "attributeName",
                "Member must have length greater than or equal to 1",
            ));
        }
        if name.len() > MAX_KEY_NAME {
            return Err(ValidationError::constraint(
                shortened(&name),
                "attributeName",
                "Member must have length less than or equal to 255",
            ));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The length: names of attributes are data, and stay out of logs.
impl fmt::Debug for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttributeName({} bytes)", self.0.len())
    }
}

impl AsRef<str> for AttributeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for AttributeName {
    type Err = ValidationError;

    fn from_str(name: &str) -> Result<Self, ValidationError> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn table_names_follow_the_rules() {
        for name in ["abc", "A-b_c.9", &"x".repeat(255)] {
            assert_eq!(TableName::new(name).unwrap().as_str(), name);
        }
        let refused = |name: &str| TableName::new(name).unwrap_err().to_string();
        for name in ["", "ab", &"x".repeat(256)] {
            assert_eq!(
                refused(name),
                "TableName must be at least 3 characters long and at most 255 characters long"
            );
        }
        for name in ["abc;", "a/b", "äbc", "a b", "../x"] {
            assert_eq!(
                refused(name),
                format!(
                    "1 validation error detected: Value '{name}' at 'tableName' failed to satisfy constraint: Member \
                     must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
                )
            );
        }
    }

    #[test]
    fn requests_name_a_table_by_its_name_or_its_arn() {
        let films = TableName::new("films").unwrap();
        for name in [
            "films",
            "arn:aws:dynamodb:eu-central-1:123456789012:table/films",
        ] {
            assert_eq!(TableName::of_request(name).unwrap(), films);
            let named = TableRef::new(name).unwrap();
            assert_eq!((&*named, named.named()), (&films, name));
        }
        for wrong in [
            "arn:aws:s3:::films",
            "arn:aws:dynamodb:local:000000000000:table/films/index/by-year",
            "arn:aws:dynamodb:local:000000000000:table/a b",
        ] {
            assert_eq!(
                TableName::of_request(wrong).unwrap_err(),
                TableName::new(wrong).unwrap_err()
            );
        }
    }

    #[test]
    fn index_names_follow_the_rules() {
        assert_eq!(
            IndexName::new("by.Name_1-x").unwrap().as_str(),
            "by.Name_1-x"
        );
        assert!(IndexName::new("x".repeat(256)).is_err());
        assert_eq!(
            IndexName::new("a").unwrap_err().to_string(),
            "1 validation error detected: Value 'a' at 'indexName' failed to satisfy constraint: Member must have length \
             greater than or equal to 3"
        );
        assert_eq!(
            IndexName::new("a;cd").unwrap_err().to_string(),
            "1 validation error detected: Value 'a;cd' at 'indexName' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: [a-zA-Z0-9_.-]+"
        );
    }

    #[test]
    fn attribute_names_of_keys_are_short_and_stay_out_of_logs() {
        assert!(AttributeName::new("").is_err());
        assert!(AttributeName::new("x".repeat(255)).is_ok());
        assert!(AttributeName::new("x".repeat(256)).is_err());
        assert_eq!(
            format!("{:?}", AttributeName::new("secret").unwrap()),
            "AttributeName(6 bytes)"
        );
    }

    #[test]
    fn what_is_shown_of_a_long_name_is_short() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"ä".repeat(10_000)).chars().count(), 303);
    }
}

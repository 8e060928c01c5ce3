//! Tags: names and values that an owner gives to a table. TagResource, UntagResource and ListTagsOfResource.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::names::{TableName, shortened};
use crate::ops::setters;

/// Most tags of a table.
pub const MAX_TAGS: usize = 50;

/// One tag.
#[derive(Clone, PartialEq, Eq)]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// Up to 256 characters.
    pub value: String,
}

impl Tag {
    /// A tag.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

/// Lengths: what an owner notes down stays out of logs.
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({} + {} bytes)", self.key.len(), self.value.len())
    }
}

/// The tags of a request as a map.
///
/// # Errors
/// A key or value that is too long, a key that is there twice.
pub(super) fn checked(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, ValidationError> {
    let mut constraints = Constraints::default();
    for (i, tag) in tags.iter().enumerate() {
        let at = |field| format!("tags.{}.member.{field}", i + 1);
        let (key, value) = (tag.key.chars().count(), tag.value.chars().count());
        constraints.length(key, 1, 128, shortened(&tag.key), &at("key"));
        constraints.length(value, 0, 256, shortened(&tag.value), &at("value"));
    }
    constraints.finish()?;
    let mut map = BTreeMap::new();
    for tag in tags {
        if map.insert(tag.key, tag.value).is_some() {
            return Err(ValidationError::invalid_parameter(
                "Duplicate tag keys are not allowed",
            ));
        }
    }
    too_many_tags(map.len())?;
    Ok(map)
}

/// Checks the count of all tags of one table.
///
/// # Errors
/// If there are more than [`MAX_TAGS`].
pub fn too_many_tags(count: usize) -> Result<(), ValidationError> {
    if count > MAX_TAGS {
        return Err(ValidationError::invalid_parameter(format_args!(
            "Too many tags: a table has at most {MAX_TAGS}"
        )));
    }
    Ok(())
}

/// The table of a resource: its name, or its ARN (`arn:…:table/name`).
fn table_of(resource: &str) -> Result<TableName, ValidationError> {
    let name = match resource.strip_prefix("arn:") {
        None => Some(resource),
        Some(arn) => arn.split_once(":table/").map(|(_, name)| name),
    };
    match name.map(TableName::new) {
        Some(Ok(name)) => Ok(name),
        _ => Err(ValidationError::new(format!(
            "Invalid TableArn: Invalid ResourceArn provided as input {}",
            shortened(resource)
        ))),
    }
}

/// What TagResource takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagResourceInput {
    /// The table's name or ARN.
    pub resource_arn: String,
    /// Tags to add, or to give another value.
    pub tags: Vec<Tag>,
}

impl TagResourceInput {
    /// Adds these tags.
    pub fn new(resource_arn: impl Into<String>, tags: Vec<Tag>) -> Self {
        Self {
            resource_arn: resource_arn.into(),
            tags,
        }
    }

    /// The table and the tags.
    ///
    /// # Errors
    /// A bad ARN; no tags, or bad ones.
    pub fn validate(self) -> Result<(TableName, BTreeMap<String, String>), ValidationError> {
        if self.tags.is_empty() {
            return Err(ValidationError::invalid_parameter(
                "Atleast one Tag needs to be provided as Input.",
            ));
        }
        Ok((table_of(&self.resource_arn)?, checked(self.tags)?))
    }
}

/// What UntagResource takes.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct UntagResourceInput {
    /// The table's name or ARN.
    pub resource_arn: String,
    /// Keys of the tags to remove.
    pub tag_keys: Vec<String>,
}

/// The count of keys.
impl fmt::Debug for UntagResourceInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UntagResourceInput({} keys)", self.tag_keys.len())
    }
}

impl UntagResourceInput {
    /// Removes the tags of these keys.
    pub fn new(resource_arn: impl Into<String>, tag_keys: Vec<String>) -> Self {
        Self {
            resource_arn: resource_arn.into(),
            tag_keys,
        }
    }

    /// The table and the keys.
    ///
    /// # Errors
    /// A bad ARN; no keys.
    pub fn validate(self) -> Result<(TableName, BTreeSet<String>), ValidationError> {
        if self.tag_keys.is_empty() {
            return Err(ValidationError::invalid_parameter(
                "Atleast one Tag Key needs to be provided as Input.",
            ));
        }
        let keys = self.tag_keys.into_iter().collect();
        Ok((table_of(&self.resource_arn)?, keys))
    }
}

/// What ListTagsOfResource takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTagsOfResourceInput {
    /// The table's name or ARN.
    pub resource_arn: String,
    /// The `next_token` of the page before.
    pub next_token: Option<String>,
}

impl ListTagsOfResourceInput {
    /// The tags of this table.
    pub fn new(resource_arn: impl Into<String>) -> Self {
        Self {
            resource_arn: resource_arn.into(),
            next_token: None,
        }
    }

    /// The table.
    ///
    /// # Errors
    /// A bad ARN.
    pub fn validate(self) -> Result<TableName, ValidationError> {
        table_of(&self.resource_arn)
    }
}

setters! { ListTagsOfResourceInput {
    /// Goes on after this page.
    next_token: String => Some,
}}

/// What ListTagsOfResource gives back: all tags, which are at most [`MAX_TAGS`].
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListTagsOfResourceOutput {
    /// The tags, by key.
    pub tags: Vec<Tag>,
}

impl ListTagsOfResourceOutput {
    /// An output with these tags.
    pub fn new(tags: &BTreeMap<String, String>) -> Self {
        let tag = |(key, value): (&String, &String)| Tag::new(key, value);
        Self {
            tags: tags.iter().map(tag).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_table_is_named_or_has_its_arn() {
        for resource in ["films", "arn:aws:dynamodb:local:000000000000:table/films"] {
            let (table, _) = TagResourceInput::new(resource, vec![Tag::new("a", "b")])
                .validate()
                .unwrap();
            assert_eq!(table.as_str(), "films");
        }
        assert!(
            ListTagsOfResourceInput::new("arn:aws:s3:::films")
                .validate()
                .is_err()
        );
    }

    #[test]
    fn tags_have_bounds() {
        let valid = |tags| TagResourceInput::new("films", tags).validate();
        assert!(valid(Vec::new()).is_err());
        assert!(valid(vec![Tag::new("", "x")]).is_err());
        assert!(valid(vec![Tag::new("x".repeat(128), "y".repeat(256))]).is_ok());
        assert!(valid(vec![Tag::new("x".repeat(129), "")]).is_err());
        assert!(valid(vec![Tag::new("a", "1"), Tag::new("a", "2")]).is_err());
        let many = |n: usize| (0..n).map(|i| Tag::new(format!("{i}"), "")).collect();
        assert!(valid(many(50)).is_ok());
        assert!(valid(many(51)).is_err());
    }
}

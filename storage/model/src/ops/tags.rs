//! Tags: names and values that an owner gives to a table. TagResource, UntagResource and ListTagsOfResource.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::names::{TableName, shortened};
use crate::ops::setters;

/// Most tags of a table.
pub const MAX_TAGS: usize = 50;
/// What AWS begins keys of its own with.
const RESERVED: &str = "aws:";

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
    if tags.iter().any(|tag| tag.key.starts_with(RESERVED)) {
        return Err(ValidationError::invalid_parameter(
            "aws: prefixed tag key names are not allowed for external use",
        ));
    }
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

/// A table, named or by its ARN: `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME`. Region and account may be any: names of tables are
/// all that tells them apart here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The table.
    pub table: TableName,
    /// The ARN, if it was given.
    pub arn: Option<String>,
}

impl Resource {
    fn new(resource: String) -> Result<Self, ValidationError> {
        if !resource.starts_with("arn:") {
            let table = TableName::new(&*resource).map_err(|_| invalid_arn(&resource))?;
            return Ok(Self { table, arn: None });
        }
        let table = TableName::of_arn(&resource).ok_or_else(|| invalid_arn(&resource))?;
        Ok(Self {
            table,
            arn: Some(resource),
        })
    }
}

/// The error of a resource that is no table's.
pub fn invalid_arn(resource: &str) -> ValidationError {
    ValidationError::new(format!(
        "Invalid TableArn: Invalid ResourceArn provided as input {}",
        shortened(resource)
    ))
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
    pub fn validate(self) -> Result<(Resource, BTreeMap<String, String>), ValidationError> {
        let resource = Resource::new(self.resource_arn)?;
        if self.tags.is_empty() {
            return Err(ValidationError::invalid_parameter(
                "Atleast one Tag needs to be provided as Input.",
            ));
        }
        Ok((resource, checked(self.tags)?))
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
    pub fn validate(self) -> Result<(Resource, BTreeSet<String>), ValidationError> {
        let resource = Resource::new(self.resource_arn)?;
        if self.tag_keys.is_empty() {
            return Err(ValidationError::invalid_parameter(
                "Atleast one Tag Key needs to be provided as Input.",
            ));
        }
        let mut constraints = Constraints::default();
        for (i, key) in self.tag_keys.iter().enumerate() {
            let at = format!("tagKeys.{}.member", i + 1);
            constraints.length(key.chars().count(), 1, 128, shortened(key), &at);
        }
        constraints.finish()?;
        Ok((resource, self.tag_keys.into_iter().collect()))
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
    /// A bad ARN; a token, for there is no second page.
    pub fn validate(self) -> Result<Resource, ValidationError> {
        let resource = Resource::new(self.resource_arn)?;
        match self.next_token {
            None => Ok(resource),
            Some(_) => Err(ValidationError::new("Invalid NextToken")),
        }
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
        for resource in [
            "films",
            "arn:aws:dynamodb:local:000000000000:table/films",
            "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/films",
        ] {
            let (resource, _) = TagResourceInput::new(resource, vec![Tag::new("a", "b")])
                .validate()
                .unwrap();
            assert_eq!(resource.table.as_str(), "films");
        }
        for wrong in [
            "",
            "a/b",
            "arn:aws:s3:::films",
            "arn:aws:dynamodb:local:000000000000:stream/films",
            "arn:aws:dynamodb:local:000000000000:table/films/index/by-year",
            "arn:aws:dynamodb:local:me:table/films",
        ] {
            let refused = ListTagsOfResourceInput::new(wrong).validate();
            assert_eq!(
                refused.unwrap_err().to_string(),
                format!("Invalid TableArn: Invalid ResourceArn provided as input {wrong}")
            );
        }
    }

    #[test]
    fn tags_have_bounds() {
        let valid = |tags| TagResourceInput::new("films", tags).validate();
        assert!(valid(Vec::new()).is_err());
        assert!(valid(vec![Tag::new("", "x")]).is_err());
        assert!(valid(vec![Tag::new("aws:x", "x")]).is_err());
        assert!(valid(vec![Tag::new("x".repeat(128), "y".repeat(256))]).is_ok());
        assert!(valid(vec![Tag::new("x".repeat(129), "")]).is_err());
        assert!(valid(vec![Tag::new("a", "1"), Tag::new("a", "2")]).is_err());
        let many = |n: usize| (0..n).map(|i| Tag::new(format!("{i}"), "")).collect();
        assert!(valid(many(50)).is_ok());
        assert!(valid(many(51)).is_err());
    }
}

//! Tags, which over this protocol are those of a table's ARN.

use sealdb_model::ValidationError;
use sealdb_model::ops::{
    ListTagsOfResourceInput, ListTagsOfResourceOutput, Tag, TagResourceInput, UntagResourceInput,
    invalid_arn,
};

use super::fields::{Fields, Node};
use super::shape::{Member, Shape, Structure, TEXT, optional, required};
use super::write::{Object, object};
use super::{Request, Response};

static TAG_KEY: Shape = Shape::text(1, 128);
static TAG_VALUE: Shape = Shape::text(0, 256);
static TAG: Shape = Shape::Structure(&Structure {
    name: "Tag",
    members: &[required("Value", &TAG_VALUE), required("Key", &TAG_KEY)],
});
pub(super) static TAGS: Shape = Shape::List(&TAG, 0, usize::MAX);
static TAG_KEYS: Shape = Shape::List(&TAG_KEY, 0, usize::MAX);
static ARN: Shape = Shape::text(1, 1283);

pub(super) const RESOURCE: Member = required("ResourceArn", &ARN);

impl Fields {
    pub(super) fn tags(&mut self) -> Vec<Tag> {
        let tags = self.structures("Tags").unwrap_or_default().into_iter();
        tags.map(|mut tag| Tag::new(tag.required_text("Key"), tag.required_text("Value")))
            .collect()
    }

    /// The model takes names of tables too; the service takes ARNs only.
    fn arn(&mut self) -> Result<String, ValidationError> {
        let arn = self.required_text("ResourceArn");
        match arn.starts_with("arn:") {
            true => Ok(arn),
            false => Err(invalid_arn(&arn)),
        }
    }
}

impl Request for TagResourceInput {
    const SHAPE: &'static Structure = &Structure {
        name: "TagResourceInput",
        members: &[RESOURCE, required("Tags", &TAGS)],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        Ok(TagResourceInput::new(fields.arn()?, fields.tags()))
    }
}

impl Request for UntagResourceInput {
    const SHAPE: &'static Structure = &Structure {
        name: "UntagResourceInput",
        members: &[RESOURCE, required("TagKeys", &TAG_KEYS)],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let arn = fields.arn()?;
        let keys = fields.list("TagKeys").unwrap_or_default().into_iter();
        let keys = keys.filter_map(Node::into_text).collect();
        Ok(UntagResourceInput::new(arn, keys))
    }
}

impl Request for ListTagsOfResourceInput {
    const SHAPE: &'static Structure = &Structure {
        name: "ListTagsOfResourceInput",
        members: &[RESOURCE, optional("NextToken", &TEXT)],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = ListTagsOfResourceInput::new(fields.arn()?);
        input.next_token = fields.text("NextToken");
        Ok(input)
    }
}

/// What TagResource and UntagResource answer.
impl Response for () {
    const HAS_BODY: bool = false;

    fn write(&self, _: &mut Object<'_>) {}
}

impl Response for ListTagsOfResourceOutput {
    fn write(&self, out: &mut Object<'_>) {
        out.list("Tags", &self.tags, |out, tag| {
            object(out, |out| {
                out.text("Key", &tag.key);
                out.text("Value", &tag.value);
            });
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::tests::{read, validation};
    use super::*;

    #[test]
    fn a_table_has_to_be_named_by_its_arn() {
        let body = r#"{"ResourceArn": "ARN", "Tags": [{"Key": "a", "Value": ""}]}"#;
        let arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/films";
        let input = read::<TagResourceInput>(&body.replace("ARN", arn)).unwrap();
        assert_eq!(input.tags, [Tag::new("a", "")]);
        assert_eq!(
            validation::<TagResourceInput>(&body.replace("ARN", "films")),
            "Invalid TableArn: Invalid ResourceArn provided as input films"
        );
        assert_eq!(
            validation::<TagResourceInput>(r#"{"Tags": [{"Key": ""}]}"#),
            "3 validation errors detected: Value null at 'resourceArn' failed to satisfy constraint: Member must not be \
             null; Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null; Value '' at \
             'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1"
        );
        assert_eq!(
            validation::<UntagResourceInput>("{}"),
            "2 validation errors detected: Value null at 'resourceArn' failed to satisfy constraint: Member must not be \
             null; Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"
        );
    }
}

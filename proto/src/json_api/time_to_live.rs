//! UpdateTimeToLive and DescribeTimeToLive.

use sealdb_model::ValidationError;
use sealdb_model::ops::{
    DescribeTimeToLiveInput, DescribeTimeToLiveOutput, UpdateTimeToLiveInput,
    UpdateTimeToLiveOutput,
};

use super::fields::Fields;
use super::shape::{BOOLEAN, KEY_NAME, Shape, Structure, TABLE, required};
use super::write::Object;
use super::{Request, Response};

static SPECIFICATION: Shape = Shape::Structure(&Structure {
    name: "TimeToLiveSpecification",
    members: &[
        required("Enabled", &BOOLEAN),
        required("AttributeName", &KEY_NAME),
    ],
});

impl Request for UpdateTimeToLiveInput {
    const SHAPE: &'static Structure = &Structure {
        name: "UpdateTimeToLiveInput",
        members: &[TABLE, required("TimeToLiveSpecification", &SPECIFICATION)],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let table = fields.required_text("TableName");
        let (attribute, enabled) = match fields.structure("TimeToLiveSpecification") {
            Some(mut given) => (given.required_text("AttributeName"), given.flag("Enabled")),
            // The constraints have seen to it.
            None => (String::new(), None),
        };
        Ok(UpdateTimeToLiveInput::new(
            table,
            attribute,
            enabled.unwrap_or_default(),
        ))
    }
}

impl Response for UpdateTimeToLiveOutput {
    fn write(&self, out: &mut Object<'_>) {
        let specification = &self.time_to_live_specification;
        out.object("TimeToLiveSpecification", |out| {
            out.text("AttributeName", &specification.attribute_name);
            out.flag("Enabled", specification.enabled);
        });
    }
}

impl Response for DescribeTimeToLiveOutput {
    fn write(&self, out: &mut Object<'_>) {
        out.object("TimeToLiveDescription", |out| {
            if let Some(attribute) = &self.attribute_name {
                out.text("AttributeName", attribute);
            }
            out.text("TimeToLiveStatus", self.time_to_live_status.name());
        });
    }
}

/// DescribeTimeToLive names a table and nothing else.
impl Request for DescribeTimeToLiveInput {
    const SHAPE: &'static Structure = &Structure {
        name: "DescribeTimeToLiveInput",
        members: &[TABLE],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        Ok(DescribeTimeToLiveInput::new(
            fields.required_text("TableName"),
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::tests::{read, validation};
    use super::*;

    #[test]
    fn what_is_asked_for_is_read() {
        let input = read::<UpdateTimeToLiveInput>(
            r#"{"TableName": "abc", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "until"}}"#,
        );
        assert_eq!(
            input.unwrap(),
            UpdateTimeToLiveInput::new("abc", "until", true)
        );
        assert_eq!(
            validation::<UpdateTimeToLiveInput>(
                r#"{"TableName": "abc", "TimeToLiveSpecification": {"AttributeName": ""}}"#
            ),
            "2 validation errors detected: Value null at 'timeToLiveSpecification.enabled' failed to satisfy constraint: \
             Member must not be null; Value '' at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: \
             Member must have length greater than or equal to 1"
        );
        assert_eq!(
            validation::<DescribeTimeToLiveInput>("{}"),
            "The parameter 'TableName' is required but was not present in the request"
        );
    }
}

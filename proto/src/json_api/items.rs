//! Operations on single items.

use sealdb_model::ops::{
    DeleteItemInput, DeleteItemOutput, GetItemInput, GetItemOutput, PutItemInput, PutItemOutput,
    UpdateItemInput, UpdateItemOutput,
};
use sealdb_model::{Item, ValidationError};

use super::capacity::{capacity, metrics};
use super::conditions::{
    ATTRIBUTE_NAMES, ATTRIBUTE_UPDATES, ATTRIBUTE_VALUES, CAPACITY, CONDITION, CONSISTENT,
    EXPECTED, ITEM, KEY, METRICS, ON_FAILURE, OPERATOR, PROJECTION, RETURN, TO_GET,
};
use super::fields::Fields;
use super::shape::{ITEMS_TABLE, Structure, TEXT, optional};
use super::write::Object;
use super::{Request, Response};

/// The fields that all writes of one item have.
macro_rules! write_fields {
    ($input:ident, $fields:ident) => {
        $input.condition_expression = $fields.text("ConditionExpression");
        $input.expression_attribute_names = $fields.attribute_names();
        $input.expression_attribute_values = $fields.attribute_values();
        $input.expected = $fields.expected();
        $input.conditional_operator = $fields.operator();
        $input.return_values = $fields.return_values();
        $input.return_values_on_condition_check_failure = $fields.on_failure();
        $input.return_consumed_capacity = $fields.capacity();
        $input.return_item_collection_metrics = $fields.metrics();
    };
}

impl Request for PutItemInput {
    const SHAPE: &'static Structure = &Structure {
        name: "PutItemInput",
        members: &[
            CAPACITY,
            ITEMS_TABLE,
            ITEM,
            EXPECTED,
            METRICS,
            CONDITION,
            ATTRIBUTE_VALUES,
            RETURN,
            OPERATOR,
            ATTRIBUTE_NAMES,
            ON_FAILURE,
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = PutItemInput::new(fields.required_text("TableName"), fields.item());
        write_fields!(input, fields);
        Ok(input)
    }

    fn check_parameters(&self) -> Result<(), ValidationError> {
        self.check_parameters()
    }
}

impl Request for DeleteItemInput {
    const SHAPE: &'static Structure = &Structure {
        name: "DeleteItemInput",
        members: &[
            CAPACITY,
            ITEMS_TABLE,
            KEY,
            EXPECTED,
            METRICS,
            CONDITION,
            ATTRIBUTE_VALUES,
            RETURN,
            OPERATOR,
            ATTRIBUTE_NAMES,
            ON_FAILURE,
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = DeleteItemInput::new(fields.required_text("TableName"), fields.key());
        write_fields!(input, fields);
        Ok(input)
    }

    fn check_parameters(&self) -> Result<(), ValidationError> {
        self.check_parameters()
    }
}

impl Request for UpdateItemInput {
    const SHAPE: &'static Structure = &Structure {
        name: "UpdateItemInput",
        members: &[
            CAPACITY,
            ITEMS_TABLE,
            EXPECTED,
            METRICS,
            CONDITION,
            ATTRIBUTE_VALUES,
            RETURN,
            OPERATOR,
            ATTRIBUTE_NAMES,
            KEY,
            optional("UpdateExpression", &TEXT),
            ATTRIBUTE_UPDATES,
            ON_FAILURE,
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = UpdateItemInput::new(fields.required_text("TableName"), fields.key());
        input.update_expression = fields.text("UpdateExpression");
        input.attribute_updates = fields.attribute_updates();
        write_fields!(input, fields);
        Ok(input)
    }

    fn check_parameters(&self) -> Result<(), ValidationError> {
        self.check_parameters()
    }
}

impl Request for GetItemInput {
    const SHAPE: &'static Structure = &Structure {
        name: "GetItemInput",
        members: &[
            CAPACITY,
            TO_GET,
            ITEMS_TABLE,
            KEY,
            CONSISTENT,
            PROJECTION,
            ATTRIBUTE_NAMES,
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = GetItemInput::new(fields.required_text("TableName"), fields.key());
        input.projection_expression = fields.text("ProjectionExpression");
        input.expression_attribute_names = fields.attribute_names();
        input.attributes_to_get = fields.attributes_to_get();
        input.consistent_read = fields.consistent_read();
        input.return_consumed_capacity = fields.capacity();
        Ok(input)
    }

    fn check_parameters(&self) -> Result<(), ValidationError> {
        self.check_parameters()
    }
}

impl Response for GetItemOutput {
    fn write(&self, object: &mut Object<'_>) {
        if let Some(item) = &self.item {
            object.values("Item", item);
        }
        capacity(object, self.consumed_capacity.as_ref());
    }
}

fn attributes(object: &mut Object<'_>, attributes: Option<&Item>) {
    if let Some(attributes) = attributes {
        object.values("Attributes", attributes);
    }
}

macro_rules! write_outputs {
    ($($output:ident),*) => {$(
        impl Response for $output {
            fn write(&self, object: &mut Object<'_>) {
                attributes(object, self.attributes.as_ref());
                capacity(object, self.consumed_capacity.as_ref());
                metrics(object, self.item_collection_metrics.as_ref());
            }
        }
    )*};
}

write_outputs!(PutItemOutput, DeleteItemOutput, UpdateItemOutput);

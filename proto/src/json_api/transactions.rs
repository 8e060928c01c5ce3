//! TransactWriteItems and TransactGetItems.

use sealdb_model::ValidationError;
use sealdb_model::ops::{
    CancellationReason, ConditionCheck, TransactDelete, TransactGet, TransactGetItemsInput,
    TransactGetItemsOutput, TransactPut, TransactUpdate, TransactWriteItem,
    TransactWriteItemsInput, TransactWriteItemsOutput,
};

use super::capacity::{capacities, metrics_of_tables};
use super::conditions::{
    ATTRIBUTE_NAMES, ATTRIBUTE_VALUES, CAPACITY, CONDITION, ITEM, KEY, METRICS, ON_FAILURE,
    PROJECTION,
};
use super::fields::Fields;
use super::shape::{ITEMS_TABLE, Shape, Structure, TEXT, TOKEN, optional, required};
use super::write::{Object, object};
use super::{Request, Response};

static CHECK: Shape = Shape::Structure(&Structure {
    name: "ConditionCheck",
    members: &[
        KEY,
        ITEMS_TABLE,
        required("ConditionExpression", &TEXT),
        ATTRIBUTE_NAMES,
        ATTRIBUTE_VALUES,
        ON_FAILURE,
    ],
});
static PUT: Shape = Shape::Structure(&Structure {
    name: "Put",
    members: &[
        ITEM,
        ITEMS_TABLE,
        CONDITION,
        ATTRIBUTE_NAMES,
        ATTRIBUTE_VALUES,
        ON_FAILURE,
    ],
});
static DELETE: Shape = Shape::Structure(&Structure {
    name: "Delete",
    members: &[
        KEY,
        ITEMS_TABLE,
        CONDITION,
        ATTRIBUTE_NAMES,
        ATTRIBUTE_VALUES,
        ON_FAILURE,
    ],
});
static UPDATE: Shape = Shape::Structure(&Structure {
    name: "Update",
    members: &[
        KEY,
        required("UpdateExpression", &TEXT),
        ITEMS_TABLE,
        CONDITION,
        ATTRIBUTE_NAMES,
        ATTRIBUTE_VALUES,
        ON_FAILURE,
    ],
});
static WRITE_ITEM: Shape = Shape::Structure(&Structure {
    name: "TransactWriteItem",
    members: &[
        optional("ConditionCheck", &CHECK),
        optional("Put", &PUT),
        optional("Delete", &DELETE),
        optional("Update", &UPDATE),
    ],
});
static WRITE_ITEMS: Shape = Shape::List(&WRITE_ITEM, 1, 100);

impl Request for TransactWriteItemsInput {
    const SHAPE: &'static Structure = &Structure {
        name: "TransactWriteItemsInput",
        members: &[
            CAPACITY,
            METRICS,
            optional("ClientRequestToken", &TOKEN),
            required("TransactItems", &WRITE_ITEMS),
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = TransactWriteItemsInput::new();
        let actions = fields.structures("TransactItems").unwrap_or_default();
        input.transact_items = actions.into_iter().map(action).collect::<Result<_, _>>()?;
        input.client_request_token = fields.text("ClientRequestToken");
        input.return_consumed_capacity = fields.capacity();
        input.return_item_collection_metrics = fields.metrics();
        Ok(input)
    }
}

/// The fields that all actions have.
macro_rules! action_fields {
    ($action:ident, $fields:ident) => {
        $action.condition_expression = $fields.text("ConditionExpression");
        $action.expression_attribute_names = $fields.attribute_names();
        $action.expression_attribute_values = $fields.attribute_values();
        $action.return_values_on_condition_check_failure = $fields.on_failure();
    };
}

fn action(mut fields: Fields) -> Result<TransactWriteItem, ValidationError> {
    let check = fields.structure("ConditionCheck").map(|mut fields| {
        let mut check = ConditionCheck::new(fields.required_text("TableName"), fields.key(), "");
        action_fields!(check, fields);
        TransactWriteItem::from(check)
    });
    let put = fields.structure("Put").map(|mut fields| {
        let mut put = TransactPut::new(fields.required_text("TableName"), fields.item());
        action_fields!(put, fields);
        TransactWriteItem::from(put)
    });
    let delete = fields.structure("Delete").map(|mut fields| {
        let mut delete = TransactDelete::new(fields.required_text("TableName"), fields.key());
        action_fields!(delete, fields);
        TransactWriteItem::from(delete)
    });
    let update = fields.structure("Update").map(|mut fields| {
        let mut update = TransactUpdate::new(fields.required_text("TableName"), fields.key(), "");
        update.update_expression = fields.text("UpdateExpression");
        action_fields!(update, fields);
        TransactWriteItem::from(update)
    });
    let mut given = [check, put, delete, update].into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(action), None) => Ok(action),
        (None, _) => Err(ValidationError::new(
            "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request",
        )),
        (Some(_), Some(_)) => Err(ValidationError::new(
            "TransactItems can only contain one of Check, Put, Update or Delete",
        )),
    }
}

impl Response for TransactWriteItemsOutput {
    fn write(&self, out: &mut Object<'_>) {
        capacities(out, &self.consumed_capacity);
        metrics_of_tables(out, &self.item_collection_metrics);
    }
}

static GET: Shape = Shape::Structure(&Structure {
    name: "Get",
    members: &[KEY, ITEMS_TABLE, PROJECTION, ATTRIBUTE_NAMES],
});
static GET_ITEM: Shape = Shape::Structure(&Structure {
    name: "TransactGetItem",
    members: &[required("Get", &GET)],
});
static GET_ITEMS: Shape = Shape::List(&GET_ITEM, 1, 100);

impl Request for TransactGetItemsInput {
    const SHAPE: &'static Structure = &Structure {
        name: "TransactGetItemsInput",
        members: &[CAPACITY, required("TransactItems", &GET_ITEMS)],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let gets = fields.structures("TransactItems").unwrap_or_default();
        let gets = gets.into_iter().filter_map(|mut fields| {
            let mut fields = fields.structure("Get")?;
            let mut get = TransactGet::new(fields.required_text("TableName"), fields.key());
            get.projection_expression = fields.text("ProjectionExpression");
            get.expression_attribute_names = fields.attribute_names();
            Some(get)
        });
        let mut input = TransactGetItemsInput::new(gets.collect());
        input.return_consumed_capacity = fields.capacity();
        Ok(input)
    }
}

impl Response for TransactGetItemsOutput {
    fn write(&self, out: &mut Object<'_>) {
        out.list("Responses", &self.responses, |out, item| {
            object(out, |out| {
                if let Some(item) = item {
                    out.values("Item", item);
                }
            });
        });
        capacities(out, &self.consumed_capacity);
    }
}

/// The reasons of a transaction that was refused, in the order of its actions.
pub(super) fn reasons(out: &mut Object<'_>, reasons: &[CancellationReason]) {
    out.list("CancellationReasons", reasons, |out, reason| {
        object(out, |out| {
            out.text("Code", reason.code.name());
            if let Some(item) = &reason.item {
                out.values("Item", item);
            }
            if let Some(message) = &reason.message {
                out.text("Message", message);
            }
        });
    });
}

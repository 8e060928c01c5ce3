//! Secondary indexes in requests and descriptions.

use sealdb_model::ops::{
    GlobalSecondaryIndex, GlobalSecondaryIndexDescription, LocalSecondaryIndex,
    LocalSecondaryIndexDescription, Projection, ProjectionType,
};

use super::fields::{Fields, Node};
use super::shape::{KEY_NAME, NAME, Shape, Structure, optional, required};
use super::tables::{INDEX_KEY_SCHEMA, KEY_SCHEMA, key_schema, write_key_schema};
use super::throughput::{
    ON_DEMAND_THROUGHPUT, PROVISIONED_THROUGHPUT, WARM_THROUGHPUT, write_on_demand,
    write_provisioned, write_warm,
};
use super::write::{Object, object, string};

static PROJECTION_TYPE: Shape = Shape::one_of(&["ALL", "INCLUDE", "KEYS_ONLY"]);
static NON_KEY_ATTRIBUTES: Shape = Shape::List(&KEY_NAME, 1, 20);
static PROJECTION: Shape = Shape::Structure(&Structure {
    name: "Projection",
    members: &[
        optional("ProjectionType", &PROJECTION_TYPE),
        optional("NonKeyAttributes", &NON_KEY_ATTRIBUTES),
    ],
});
static LOCAL_INDEX: Shape = Shape::Structure(&Structure {
    name: "LocalSecondaryIndex",
    members: &[
        required("Projection", &PROJECTION),
        required("IndexName", &NAME),
        required("KeySchema", &KEY_SCHEMA),
    ],
});
pub(super) static LOCAL_INDEXES: Shape = Shape::List(&LOCAL_INDEX, 0, usize::MAX);
pub(super) static GLOBAL_INDEX: Shape = Shape::Structure(&Structure {
    name: "GlobalSecondaryIndex",
    members: &[
        required("Projection", &PROJECTION),
        required("IndexName", &NAME),
        PROVISIONED_THROUGHPUT,
        required("KeySchema", &INDEX_KEY_SCHEMA),
        ON_DEMAND_THROUGHPUT,
        WARM_THROUGHPUT,
    ],
});
pub(super) static GLOBAL_INDEXES: Shape = Shape::List(&GLOBAL_INDEX, 0, usize::MAX);

fn projection(fields: &mut Fields) -> Projection {
    let mut projection = Projection::default();
    if let Some(mut given) = fields.structure("Projection") {
        projection.projection_type = given.one_of("ProjectionType", ProjectionType::from_name);
        projection.non_key_attributes = given
            .list("NonKeyAttributes")
            .map(|names| names.into_iter().filter_map(Node::into_text).collect());
    }
    projection
}

pub(super) fn local_index(mut fields: Fields) -> LocalSecondaryIndex {
    LocalSecondaryIndex::new(fields.required_text("IndexName"), "", "")
        .key_schema(key_schema(&mut fields))
        .projection(projection(&mut fields))
}

pub(super) fn global_index(mut fields: Fields) -> GlobalSecondaryIndex {
    let mut index = GlobalSecondaryIndex::new(fields.required_text("IndexName"), &[], &[])
        .key_schema(key_schema(&mut fields))
        .projection(projection(&mut fields));
    index.provisioned_throughput = fields.provisioned_throughput();
    index.on_demand_throughput = fields.on_demand_throughput();
    index.warm_throughput = fields.warm_throughput();
    index
}

fn write_projection(out: &mut Object<'_>, projection: &Projection) {
    out.object("Projection", |out| {
        if let Some(kind) = projection.projection_type {
            out.text("ProjectionType", kind.name());
        }
        if let Some(names) = &projection.non_key_attributes {
            out.list("NonKeyAttributes", names, |out, name| string(out, name));
        }
    });
}

pub(super) fn write_local(out: &mut Vec<u8>, index: &LocalSecondaryIndexDescription, arn: &str) {
    object(out, |out| {
        out.text("IndexName", &index.index_name);
        write_key_schema(out, &index.key_schema);
        write_projection(out, &index.projection);
        out.number("IndexSizeBytes", index.index_size_bytes);
        out.number("ItemCount", index.item_count);
        out.text("IndexArn", &format!("{arn}/index/{}", index.index_name));
    });
}

pub(super) fn write_global(out: &mut Vec<u8>, index: &GlobalSecondaryIndexDescription, arn: &str) {
    object(out, |out| {
        out.text("IndexName", &index.index_name);
        write_key_schema(out, &index.key_schema);
        write_projection(out, &index.projection);
        out.text("IndexStatus", index.index_status.name());
        if let Some(backfilling) = index.backfilling {
            out.flag("Backfilling", backfilling);
        }
        write_provisioned(out, &index.provisioned_throughput);
        write_on_demand(out, index.on_demand_throughput.as_ref());
        let status = index.index_status.name();
        write_warm(out, index.warm_throughput.as_ref(), status);
        out.number("IndexSizeBytes", index.index_size_bytes);
        out.number("ItemCount", index.item_count);
        out.text("IndexArn", &format!("{arn}/index/{}", index.index_name));
    });
}

//! ConsumedCapacity and ItemCollectionMetrics of answers.

use std::collections::BTreeMap;

use sealdb_model::ops::{Capacity, CapacityUnits, ConsumedCapacity, ItemCollectionMetrics};

use super::write::{Object, display, object};

/// What one table consumed, if that was asked for.
pub(super) fn capacity(out: &mut Object<'_>, consumed: Option<&ConsumedCapacity>) {
    if let Some(consumed) = consumed {
        out.object("ConsumedCapacity", |out| of_table(out, consumed));
    }
}

/// What several tables consumed, if that was asked for.
pub(super) fn capacities(out: &mut Object<'_>, consumed: &[ConsumedCapacity]) {
    if !consumed.is_empty() {
        out.list("ConsumedCapacity", consumed, |out, one| {
            object(out, |out| of_table(out, one));
        });
    }
}

fn of_table(out: &mut Object<'_>, consumed: &ConsumedCapacity) {
    out.text("TableName", &consumed.table_name);
    units(out, &consumed.total);
    if let Some(table) = &consumed.table {
        out.object("Table", |out| units(out, table));
    }
    for (name, indexes) in [
        ("LocalSecondaryIndexes", &consumed.local_secondary_indexes),
        ("GlobalSecondaryIndexes", &consumed.global_secondary_indexes),
    ] {
        if !indexes.is_empty() {
            out.object(name, |out| {
                for (index, consumed) in indexes {
                    out.object(index, |out| units(out, consumed));
                }
            });
        }
    }
}

fn units(out: &mut Object<'_>, capacity: &Capacity) {
    let one = |out: &mut Object<'_>, name: &str, units: CapacityUnits| {
        // With a point, also where nothing follows it: as the service writes doubles.
        out.number(name, format_args!("{:?}", units.as_f64()));
    };
    one(out, "CapacityUnits", capacity.capacity_units);
    if let Some(read) = capacity.read_capacity_units {
        one(out, "ReadCapacityUnits", read);
    }
    if let Some(write) = capacity.write_capacity_units {
        one(out, "WriteCapacityUnits", write);
    }
}

/// The size of one item collection, if it was asked for.
pub(super) fn metrics(out: &mut Object<'_>, metrics: Option<&ItemCollectionMetrics>) {
    if let Some(metrics) = metrics {
        out.object("ItemCollectionMetrics", |out| collection(out, metrics));
    }
}

/// The sizes of item collections by table, if they were asked for.
pub(super) fn metrics_of_tables(
    out: &mut Object<'_>,
    metrics: &BTreeMap<String, Vec<ItemCollectionMetrics>>,
) {
    if !metrics.is_empty() {
        out.object("ItemCollectionMetrics", |out| {
            for (table, metrics) in metrics {
                out.list(table, metrics, |out, one| {
                    object(out, |out| collection(out, one));
                });
            }
        });
    }
}

fn collection(out: &mut Object<'_>, metrics: &ItemCollectionMetrics) {
    out.values("ItemCollectionKey", &metrics.item_collection_key);
    out.list(
        "SizeEstimateRangeGB",
        metrics.size_estimate_range_gb,
        |out, size| display(out, format_args!("{size}.0")),
    );
}

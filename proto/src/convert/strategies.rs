//! Random model values for the property tests of this crate.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use sealdb_model::ops::{self, WriteRequest};
use sealdb_model::{AttributeValue, Map, Number, ScalarType};

pub(crate) fn number() -> impl Strategy<Value = Number> {
    (any::<bool>(), 0..10u128.pow(38), -130..88i32)
        .prop_filter_map("out of range", |(negative, digits, exponent)| {
            Number::from_parts(negative, digits, exponent).ok()
        })
}

fn scalar() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        any::<String>().prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        vec(any::<u8>(), 0..40).prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        vec(any::<String>(), 0..4).prop_map(AttributeValue::Ss),
        vec(number(), 0..4).prop_map(AttributeValue::Ns),
        vec(vec(any::<u8>(), 0..9), 0..4).prop_map(AttributeValue::Bs),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = AttributeValue> {
    scalar().prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(AttributeValue::L),
            btree_map(any::<String>(), inner, 0..5).prop_map(|map| AttributeValue::M(map.into())),
        ]
    })
}

/// Values that plain JSON keeps apart: no binaries, no sets.
pub(crate) fn plain_value() -> impl Strategy<Value = AttributeValue> {
    let scalar = prop_oneof![
        any::<String>().prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
    ];
    scalar.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(AttributeValue::L),
            btree_map(any::<String>(), inner, 0..5).prop_map(|map| AttributeValue::M(map.into())),
        ]
    })
}

pub(crate) fn map() -> impl Strategy<Value = Map> {
    btree_map(any::<String>(), value(), 0..5).prop_map(Map::from)
}

fn choice<T: Copy + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(values)
}

fn scalar_type() -> impl Strategy<Value = ScalarType> {
    choice(&[ScalarType::S, ScalarType::N, ScalarType::B])
}

fn definitions() -> impl Strategy<Value = Vec<ops::AttributeDefinition>> {
    vec(
        (any::<String>(), scalar_type())
            .prop_map(|(name, kind)| ops::AttributeDefinition::new(name, kind)),
        0..4,
    )
}

fn key_schema() -> impl Strategy<Value = Vec<ops::KeySchemaElement>> {
    vec(
        (any::<String>(), choice(ops::KeyType::ALL))
            .prop_map(|(name, role)| ops::KeySchemaElement::new(name, role)),
        0..4,
    )
}

fn throughput() -> impl Strategy<Value = ops::ProvisionedThroughput> {
    any::<(i64, i64)>().prop_map(|(read_capacity_units, write_capacity_units)| {
        ops::ProvisionedThroughput {
            read_capacity_units,
            write_capacity_units,
        }
    })
}

pub(crate) fn create_table_input() -> impl Strategy<Value = ops::CreateTableInput> {
    let sse = (
        any::<Option<bool>>(),
        option::of(choice(ops::SseType::ALL)),
        any::<Option<String>>(),
    )
        .prop_map(|(enabled, kind, key)| {
            let mut wish = ops::SseSpecification::new();
            (wish.enabled, wish.sse_type, wish.kms_master_key_id) = (enabled, kind, key);
            wish
        });
    let parts = (
        any::<String>(),
        definitions(),
        key_schema(),
        option::of(choice(ops::BillingMode::ALL)),
        option::of(throughput()),
        option::of(sse),
        any::<bool>(),
    );
    parts.prop_map(|(name, definitions, key, mode, units, sse, protection)| {
        let mut input = ops::CreateTableInput::new(name)
            .attribute_definitions(definitions)
            .key_schema(key)
            .deletion_protection_enabled(protection);
        (
            input.billing_mode,
            input.provisioned_throughput,
            input.sse_specification,
        ) = (mode, units, sse);
        input
    })
}

pub(crate) fn table_description() -> impl Strategy<Value = ops::TableDescription> {
    let sse = (
        choice(ops::SseStatus::ALL),
        choice(ops::SseType::ALL),
        any::<String>(),
        any::<Option<u64>>(),
    )
        .prop_map(|(status, kind, arn, since)| {
            let mut sse = ops::SseDescription::new(arn);
            (
                sse.status,
                sse.sse_type,
                sse.inaccessible_encryption_date_time,
            ) = (status, kind, since);
            sse
        });
    let parts = (
        any::<(String, String)>(),
        choice(ops::TableStatus::ALL),
        any::<(u64, u64, u64, bool)>(),
        definitions(),
        key_schema(),
        choice(ops::BillingMode::ALL),
        throughput(),
        option::of(sse),
    );
    parts.prop_map(
        |(
            (name, id),
            status,
            (created, items, bytes, protection),
            definitions,
            key,
            mode,
            units,
            sse,
        )| {
            let mut table = ops::TableDescription::without_schema(name, id);
            table.table_status = status;
            (
                table.creation_date_time,
                table.item_count,
                table.table_size_bytes,
            ) = (created, items, bytes);
            (table.attribute_definitions, table.key_schema) = (definitions, key);
            table.billing_mode_summary = ops::BillingModeSummary::new(mode);
            (table.provisioned_throughput, table.sse_description) = (units, sse);
            table.deletion_protection_enabled = protection;
            table
        },
    )
}

pub(crate) fn list_tables_input() -> impl Strategy<Value = ops::ListTablesInput> {
    any::<(Option<String>, Option<i32>)>().prop_map(|(start, limit)| {
        let mut input = ops::ListTablesInput::new();
        (input.exclusive_start_table_name, input.limit) = (start, limit);
        input
    })
}

pub(crate) fn put_item_input() -> impl Strategy<Value = ops::PutItemInput> {
    (any::<String>(), map(), choice(ops::ReturnValue::ALL)).prop_map(|(name, item, returned)| {
        ops::PutItemInput::new(name, item).return_values(returned)
    })
}

pub(crate) fn get_item_input() -> impl Strategy<Value = ops::GetItemInput> {
    (any::<String>(), map(), any::<bool>()).prop_map(|(name, key, consistent)| {
        ops::GetItemInput::new(name, key).consistent_read(consistent)
    })
}

pub(crate) fn delete_item_input() -> impl Strategy<Value = ops::DeleteItemInput> {
    (any::<String>(), map(), choice(ops::ReturnValue::ALL)).prop_map(|(name, key, returned)| {
        ops::DeleteItemInput::new(name, key).return_values(returned)
    })
}

pub(crate) fn batch() -> impl Strategy<Value = BTreeMap<String, Vec<WriteRequest>>> {
    let request = prop_oneof![
        map().prop_map(WriteRequest::Put),
        map().prop_map(WriteRequest::Delete)
    ];
    btree_map(any::<String>(), vec(request, 0..4), 0..4)
}

pub(crate) fn query_input() -> impl Strategy<Value = ops::QueryInput> {
    let parts = (
        any::<String>(),
        any::<Option<String>>(),
        option::of(btree_map(any::<String>(), any::<String>(), 1..4)),
        option::of(map()),
        any::<(Option<i32>, bool, bool)>(),
        option::of(map()),
        option::of(choice(ops::Select::ALL)),
    );
    parts.prop_map(
        |(name, expression, names, values, (limit, forward, consistent), start, select)| {
            let mut input = ops::QueryInput::new(name, "")
                .scan_index_forward(forward)
                .consistent_read(consistent);
            input.key_condition_expression = expression;
            (
                input.expression_attribute_names,
                input.expression_attribute_values,
            ) = (names, values);
            (input.limit, input.exclusive_start_key, input.select) = (limit, start, select);
            input
        },
    )
}

pub(crate) fn scan_input() -> impl Strategy<Value = ops::ScanInput> {
    let parts = (
        any::<(String, Option<i32>, Option<i32>, Option<i32>, bool)>(),
        option::of(map()),
        option::of(choice(ops::Select::ALL)),
    );
    parts.prop_map(
        |((name, limit, segment, total, consistent), start, select)| {
            let mut input = ops::ScanInput::new(name).consistent_read(consistent);
            (input.limit, input.segment, input.total_segments) = (limit, segment, total);
            (input.exclusive_start_key, input.select) = (start, select);
            input
        },
    )
}

/// Items, count, scanned count and last key of a page.
pub(crate) fn page() -> impl Strategy<Value = (Vec<Map>, u32, u32, Option<Map>)> {
    (
        vec(map(), 0..4),
        any::<u32>(),
        any::<u32>(),
        option::of(map()),
    )
}

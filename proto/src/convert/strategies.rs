//! Random values and descriptions of tables for the property tests of this crate.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use sealdb_model::ops;
use sealdb_model::{AttributeValue, Map, Number, ScalarType};

/// Values of a strategy with these fields set.
macro_rules! with {
    ($base:expr; $($field:ident: $strategy:expr),* $(,)?) => {{
        let strategy = $base.boxed();
        $(
            let strategy = (strategy, $strategy)
                .prop_map(|(mut made, value)| {
                    made.$field = value;
                    made
                })
                .boxed();
        )*
        strategy
    }};
}
pub(crate) use with;

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

pub(crate) fn choice<T: Copy + std::fmt::Debug + 'static>(
    values: &'static [T],
) -> impl Strategy<Value = T> {
    proptest::sample::select(values)
}

fn scalar_type() -> impl Strategy<Value = ScalarType> {
    choice(&[ScalarType::S, ScalarType::N, ScalarType::B])
}

pub(crate) fn stream_specification() -> impl Strategy<Value = ops::StreamSpecification> {
    (any::<bool>(), option::of(choice(ops::StreamViewType::ALL))).prop_map(
        |(stream_enabled, stream_view_type)| ops::StreamSpecification {
            stream_enabled,
            stream_view_type,
        },
    )
}

fn stream_arn() -> impl Strategy<Value = ops::StreamArn> {
    ("[a-zA-Z0-9_.-]{3,20}", "[0-9T:.-]{1,23}").prop_map(|(table, label)| ops::StreamArn {
        table: sealdb_model::TableName::new(table).expect("a name of these characters"),
        label,
    })
}

pub(crate) fn list_streams_input() -> impl Strategy<Value = ops::ListStreamsInput> {
    with!(Just(ops::ListStreamsInput::new());
        table_name: any::<Option<String>>(),
        limit: any::<Option<i32>>(),
        exclusive_start_stream_arn: any::<Option<String>>())
}

pub(crate) fn list_streams_output() -> impl Strategy<Value = ops::ListStreamsOutput> {
    (vec(stream_arn(), 0..4), any::<Option<String>>())
        .prop_map(|(streams, last)| ops::ListStreamsOutput::new(streams, last))
}

pub(crate) fn describe_stream_input() -> impl Strategy<Value = ops::DescribeStreamInput> {
    let filter = any::<String>().prop_map(|shard_id| ops::ShardFilter {
        filter_type: ops::ShardFilterType::ChildShards,
        shard_id,
    });
    with!(any::<String>().prop_map(ops::DescribeStreamInput::new);
        limit: any::<Option<i32>>(),
        exclusive_start_shard_id: any::<Option<String>>(),
        shard_filter: option::of(filter))
}

pub(crate) fn describe_stream_output() -> impl Strategy<Value = ops::DescribeStreamOutput> {
    let shard =
        any::<(String, String, Option<String>)>().prop_map(|(id, starting, ending)| ops::Shard {
            shard_id: id,
            starting_sequence_number: starting,
            ending_sequence_number: ending,
        });
    let stream = (stream_arn(), choice(ops::StreamViewType::ALL))
        .prop_map(|(arn, view)| ops::StreamDescription::new(arn, view));
    with!(stream;
        stream_status: choice(ops::StreamStatus::ALL),
        creation_request_date_time: any::<u64>(),
        key_schema: key_schema(),
        shards: vec(shard, 0..3))
    .prop_map(ops::DescribeStreamOutput::new)
}

pub(crate) fn get_shard_iterator_input() -> impl Strategy<Value = ops::GetShardIteratorInput> {
    let parts = (
        any::<(String, String)>(),
        choice(ops::ShardIteratorType::ALL),
    );
    let input =
        parts.prop_map(|((arn, shard), kind)| ops::GetShardIteratorInput::new(arn, shard, kind));
    with!(input; sequence_number: any::<Option<String>>())
}

pub(crate) fn get_records_input() -> impl Strategy<Value = ops::GetRecordsInput> {
    with!(any::<String>().prop_map(ops::GetRecordsInput::new); limit: any::<Option<i32>>())
}

pub(crate) fn get_records_output() -> impl Strategy<Value = ops::GetRecordsOutput> {
    let change = (
        any::<u64>(),
        map(),
        option::of(map()),
        option::of(map()),
        (0..100_000_000_000_000u64, 0..1_000_000u32),
        choice(ops::StreamViewType::ALL),
    )
        .prop_map(|(at, keys, new_image, old_image, (commit, record), view)| {
            ops::StreamRecord {
                approximate_creation_date_time: at,
                keys,
                new_image,
                old_image,
                sequence_number: ops::SequenceNumber { commit, record },
                stream_view_type: view,
            }
        });
    let record = (
        any::<(String, bool)>(),
        choice(ops::OperationType::ALL),
        change,
    )
        .prop_map(|((event_id, expired), event_name, dynamodb)| ops::Record {
            event_id,
            event_name,
            dynamodb,
            user_identity: expired.then_some(ops::Identity::TIME_TO_LIVE),
        });
    (vec(record, 0..4), any::<Option<String>>())
        .prop_map(|(records, next)| ops::GetRecordsOutput::new(records, next))
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

fn on_demand() -> impl Strategy<Value = ops::OnDemandThroughput> {
    with!(Just(ops::OnDemandThroughput::default());
        max_read_request_units: any::<Option<i64>>(),
        max_write_request_units: any::<Option<i64>>())
}

fn warm() -> impl Strategy<Value = ops::WarmThroughput> {
    with!(Just(ops::WarmThroughput::default());
        read_units_per_second: any::<Option<i64>>(),
        write_units_per_second: any::<Option<i64>>())
}

fn sse() -> impl Strategy<Value = ops::SseSpecification> {
    with!(Just(ops::SseSpecification::new());
        enabled: any::<Option<bool>>(),
        sse_type: option::of(choice(ops::SseType::ALL)),
        kms_master_key_id: any::<Option<String>>())
}

fn tags() -> impl Strategy<Value = Vec<ops::Tag>> {
    vec(
        any::<(String, String)>().prop_map(|(key, value)| ops::Tag::new(key, value)),
        0..4,
    )
}

pub(crate) fn update_table_input() -> impl Strategy<Value = ops::UpdateTableInput> {
    use ops::GlobalSecondaryIndexUpdate as Update;
    let update = prop_oneof![
        global_index().prop_map(Update::Create),
        with!(any::<String>().prop_map(ops::UpdateGlobalSecondaryIndex::new);
            provisioned_throughput: option::of(throughput()),
            on_demand_throughput: option::of(on_demand()),
            warm_throughput: option::of(warm()))
        .prop_map(Update::Update),
        any::<String>().prop_map(|index_name| Update::Delete { index_name }),
    ];
    with!(any::<String>().prop_map(ops::UpdateTableInput::new);
        attribute_definitions: option::of(vec(
            (any::<String>(), scalar_type())
                .prop_map(|(name, kind)| ops::AttributeDefinition::new(name, kind)),
            1..4,
        )),
        billing_mode: option::of(choice(ops::BillingMode::ALL)),
        provisioned_throughput: option::of(throughput()),
        global_secondary_index_updates: option::of(vec(update, 1..3)),
        stream_specification: option::of(stream_specification()),
        table_class: option::of(choice(ops::TableClass::ALL)),
        deletion_protection_enabled: any::<Option<bool>>(),
        on_demand_throughput: option::of(on_demand()),
        warm_throughput: option::of(warm()),
        sse_specification: option::of(sse()))
}

pub(crate) fn time_to_live() -> impl Strategy<Value = ops::TimeToLiveSpecification> {
    any::<(bool, String)>().prop_map(|(enabled, attribute_name)| ops::TimeToLiveSpecification {
        enabled,
        attribute_name,
    })
}

pub(crate) fn time_to_live_description() -> impl Strategy<Value = ops::DescribeTimeToLiveOutput> {
    (choice(ops::TimeToLiveStatus::ALL), any::<Option<String>>())
        .prop_map(|(status, name)| ops::DescribeTimeToLiveOutput::new(status, name))
}

pub(crate) fn tag_resource_input() -> impl Strategy<Value = ops::TagResourceInput> {
    (any::<String>(), tags()).prop_map(|(arn, tags)| ops::TagResourceInput::new(arn, tags))
}

pub(crate) fn tags_output() -> impl Strategy<Value = ops::ListTagsOfResourceOutput> {
    with!(Just(ops::ListTagsOfResourceOutput::default()); tags: tags())
}

fn projection() -> impl Strategy<Value = ops::Projection> {
    with!(Just(ops::Projection::default());
        projection_type: option::of(choice(ops::ProjectionType::ALL)),
        non_key_attributes: option::of(vec(any::<String>(), 1..4)))
}

fn local_index() -> impl Strategy<Value = ops::LocalSecondaryIndex> {
    with!(any::<String>().prop_map(|name| ops::LocalSecondaryIndex::new(name, "", ""));
        key_schema: key_schema(),
        projection: projection())
}

fn global_index() -> impl Strategy<Value = ops::GlobalSecondaryIndex> {
    with!(any::<String>().prop_map(|name| ops::GlobalSecondaryIndex::new(name, &[], &[]));
        key_schema: key_schema(),
        projection: projection(),
        provisioned_throughput: option::of(throughput()),
        on_demand_throughput: option::of(on_demand()),
        warm_throughput: option::of(warm()))
}

fn local_description() -> impl Strategy<Value = ops::LocalSecondaryIndexDescription> {
    let parts = (any::<String>(), key_schema(), projection());
    let index = parts.prop_map(|(name, key, projection)| {
        ops::LocalSecondaryIndexDescription::new(name, key, projection)
    });
    with!(index; index_size_bytes: any::<u64>(), item_count: any::<u64>())
}

fn global_description() -> impl Strategy<Value = ops::GlobalSecondaryIndexDescription> {
    let parts = (any::<String>(), key_schema(), projection());
    let index = parts.prop_map(|(name, key, projection)| {
        ops::GlobalSecondaryIndexDescription::new(name, key, projection)
    });
    with!(index;
        index_status: choice(ops::IndexStatus::ALL),
        backfilling: any::<Option<bool>>(),
        provisioned_throughput: throughput(),
        on_demand_throughput: option::of(on_demand()),
        warm_throughput: option::of(warm()),
        index_size_bytes: any::<u64>(),
        item_count: any::<u64>())
}

pub(crate) fn create_table_input() -> impl Strategy<Value = ops::CreateTableInput> {
    let parts = (
        any::<String>(),
        definitions(),
        key_schema(),
        option::of(choice(ops::BillingMode::ALL)),
        option::of(throughput()),
        option::of(sse()),
        any::<bool>(),
    );
    let input = parts.prop_map(|(name, definitions, key, mode, units, sse, protection)| {
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
    });
    with!(input;
        local_secondary_indexes: option::of(vec(local_index(), 1..3)),
        global_secondary_indexes: option::of(vec(global_index(), 1..3)),
        stream_specification: option::of(stream_specification()),
        table_class: option::of(choice(ops::TableClass::ALL)),
        on_demand_throughput: option::of(on_demand()),
        warm_throughput: option::of(warm()),
        tags: tags())
}

pub(crate) fn table_description() -> impl Strategy<Value = ops::TableDescription> {
    let sse = (
        choice(ops::SseStatus::ALL),
        choice(ops::SseType::ALL),
        any::<String>(),
        any::<(Option<u64>, bool)>(),
    )
        .prop_map(|(status, kind, arn, (since, by_default))| {
            let mut sse = ops::SseDescription::new(arn);
            (
                sse.status,
                sse.sse_type,
                sse.inaccessible_encryption_date_time,
                sse.by_default,
            ) = (status, kind, since, by_default);
            sse
        });
    let parts = (
        any::<(String, String)>(),
        choice(ops::TableStatus::ALL),
        any::<(u64, u64, u64, bool, Option<u64>)>(),
        definitions(),
        key_schema(),
        choice(ops::BillingMode::ALL),
        throughput(),
        option::of(sse),
    );
    let table = parts.prop_map(
        |(
            (name, id),
            status,
            (created, items, bytes, protection, on_demand_since),
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
            let mut billing = ops::BillingModeSummary::new(mode);
            billing.last_update_to_pay_per_request_date_time = on_demand_since;
            table.billing_mode_summary = billing;
            (table.provisioned_throughput, table.sse_description) = (units, sse);
            table.deletion_protection_enabled = protection;
            table
        },
    );
    with!(table;
        local_secondary_indexes: vec(local_description(), 0..3),
        global_secondary_indexes: vec(global_description(), 0..3),
        on_demand_throughput: option::of(on_demand()),
        warm_throughput: option::of(warm()),
        stream_specification: option::of(stream_specification()),
        latest_stream_label: any::<Option<String>>(),
        latest_stream_arn: any::<Option<String>>(),
        table_class: option::of(choice(ops::TableClass::ALL)))
}

pub(crate) fn list_tables_input() -> impl Strategy<Value = ops::ListTablesInput> {
    any::<(Option<String>, Option<i32>)>().prop_map(|(start, limit)| {
        let mut input = ops::ListTablesInput::new();
        (input.exclusive_start_table_name, input.limit) = (start, limit);
        input
    })
}

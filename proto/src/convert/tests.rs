//! Model → message → bytes → message → model is identity; what is refused is named.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use prost::Message;
use sealdb_model::{AttributeValue, Item, MAX_DEPTH, Map, ops};

use super::{WireError, request_strategies as requests, strategies as any_};
use crate::v1;
use crate::v1::attribute_value::Value;

fn through_bytes<W, M>(model: M) -> Result<M, WireError>
where
    W: Message + Default + From<M>,
    M: TryFrom<W, Error = WireError>,
{
    let bytes = W::from(model).encode_to_vec();
    M::try_from(W::decode(bytes.as_slice()).expect("what prost encodes it decodes"))
}

macro_rules! identity {
    ($($name:ident: $wire:ident, $strategy:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(64))]
            $(
                #[test]
                fn $name(model in $strategy) {
                    prop_assert_eq!(through_bytes::<v1::$wire, _>(model.clone()), Ok(model));
                }
            )*
        }
    };
}

identity! {
    attribute_value: AttributeValue, any_::value();
    map_value: MapValue, any_::map();
    create_table_request: CreateTableRequest, any_::create_table_input();
    create_table_response: CreateTableResponse, any_::table_description().prop_map(ops::CreateTableOutput::new);
    describe_table_request: DescribeTableRequest, any::<String>().prop_map(ops::DescribeTableInput::new);
    describe_table_response: DescribeTableResponse, any_::table_description().prop_map(ops::DescribeTableOutput::new);
    list_tables_request: ListTablesRequest, any_::list_tables_input();
    list_tables_response: ListTablesResponse, any::<(Vec<String>, Option<String>)>()
        .prop_map(|(names, last)| ops::ListTablesOutput::new(names, last));
    delete_table_request: DeleteTableRequest, any::<String>().prop_map(ops::DeleteTableInput::new);
    delete_table_response: DeleteTableResponse, any_::table_description().prop_map(ops::DeleteTableOutput::new);
    update_table_request: UpdateTableRequest, any_::update_table_input();
    update_table_response: UpdateTableResponse, any_::table_description().prop_map(ops::UpdateTableOutput::new);
    update_time_to_live_request: UpdateTimeToLiveRequest, (any::<String>(), any_::time_to_live())
        .prop_map(|(table, wish)| ops::UpdateTimeToLiveInput::new(table, wish.attribute_name, wish.enabled));
    update_time_to_live_response: UpdateTimeToLiveResponse, any_::time_to_live().prop_map(ops::UpdateTimeToLiveOutput::new);
    describe_time_to_live_request: DescribeTimeToLiveRequest, any::<String>().prop_map(ops::DescribeTimeToLiveInput::new);
    describe_time_to_live_response: DescribeTimeToLiveResponse, any_::time_to_live_description();
    tag_resource_request: TagResourceRequest, any_::tag_resource_input();
    untag_resource_request: UntagResourceRequest, any::<(String, Vec<String>)>()
        .prop_map(|(arn, keys)| ops::UntagResourceInput::new(arn, keys));
    list_tags_of_resource_request: ListTagsOfResourceRequest, any::<(String, Option<String>)>()
        .prop_map(|(arn, token)| {
            let mut input = ops::ListTagsOfResourceInput::new(arn);
            input.next_token = token;
            input
        });
    list_tags_of_resource_response: ListTagsOfResourceResponse, any_::tags_output();
    list_streams_request: ListStreamsRequest, any_::list_streams_input();
    list_streams_response: ListStreamsResponse, any_::list_streams_output();
    describe_stream_request: DescribeStreamRequest, any_::describe_stream_input();
    describe_stream_response: DescribeStreamResponse, any_::describe_stream_output();
    get_shard_iterator_request: GetShardIteratorRequest, any_::get_shard_iterator_input();
    get_shard_iterator_response: GetShardIteratorResponse, any::<String>().prop_map(ops::GetShardIteratorOutput::new);
    get_records_request: GetRecordsRequest, any_::get_records_input();
    get_records_response: GetRecordsResponse, any_::get_records_output();
    put_item_request: PutItemRequest, requests::put_item_input();
    put_item_response: PutItemResponse, requests::put_item_output();
    get_item_request: GetItemRequest, requests::get_item_input();
    get_item_response: GetItemResponse, requests::get_item_output();
    delete_item_request: DeleteItemRequest, requests::delete_item_input();
    delete_item_response: DeleteItemResponse, requests::delete_item_output();
    update_item_request: UpdateItemRequest, requests::update_item_input();
    update_item_response: UpdateItemResponse, requests::update_item_output();
    query_request: QueryRequest, requests::query_input();
    query_response: QueryResponse, requests::query_output();
    scan_request: ScanRequest, requests::scan_input();
    scan_response: ScanResponse, requests::scan_output();
    batch_write_item_request: BatchWriteItemRequest, requests::batch_write_item_input();
    batch_write_item_response: BatchWriteItemResponse, requests::batch_write_item_output();
    batch_get_item_request: BatchGetItemRequest, requests::batch_get_item_input();
    batch_get_item_response: BatchGetItemResponse, requests::batch_get_item_output();
    transact_get_items_request: TransactGetItemsRequest, requests::transact_get_items_input();
    transact_get_items_response: TransactGetItemsResponse, requests::transact_get_items_output();
    transact_write_items_request: TransactWriteItemsRequest, requests::transact_write_items_input();
    transact_write_items_response: TransactWriteItemsResponse, requests::transact_write_items_output();
    execute_statement_request: ExecuteStatementRequest, requests::execute_statement_input();
    execute_statement_response: ExecuteStatementResponse, requests::execute_statement_output();
    batch_execute_statement_request: BatchExecuteStatementRequest, requests::batch_execute_statement_input();
    batch_execute_statement_response: BatchExecuteStatementResponse, requests::batch_execute_statement_output();
    execute_transaction_request: ExecuteTransactionRequest, requests::execute_transaction_input();
    execute_transaction_response: ExecuteTransactionResponse, requests::execute_transaction_output();
    cancellation_reason: CancellationReason, requests::cancellation_reason();
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused_or_kept(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzz_protobuf(&bytes);
    }

    #[test]
    fn damaged_requests_are_refused_or_kept(input in requests::put_item_input(), at in any::<usize>(), bit in 0..8u8) {
        let mut bytes = v1::PutItemRequest::from(input).encode_to_vec();
        let at = at % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
        crate::fuzz_protobuf(&bytes);
    }
}

/// A record that shows this item.
fn record(item: &Item) -> ops::Record {
    ops::Record {
        event_id: "id".into(),
        event_name: ops::OperationType::Insert,
        dynamodb: ops::StreamRecord {
            approximate_creation_date_time: 0,
            keys: Map::new(),
            new_image: Some(item.clone()),
            old_image: None,
            sequence_number: ops::SequenceNumber::first_of(1),
            stream_view_type: ops::StreamViewType::NewImage,
        },
        user_identity: None,
    }
}

/// A value with this many maps or lists around a scalar, in turns.
fn nested(depth: usize) -> AttributeValue {
    (0..depth).fold(AttributeValue::from("x"), |inner, level| {
        if level % 2 == 0 {
            AttributeValue::M(Map::from([("a", inner)]))
        } else {
            AttributeValue::L(vec![inner])
        }
    })
}

/// A value with this many maps around a scalar: what costs most levels on the wire.
fn nested_maps(depth: usize) -> AttributeValue {
    (0..depth).fold(AttributeValue::from("x"), |inner, _| {
        AttributeValue::M(Map::from([("a", inner)]))
    })
}

#[test]
fn depth_32_passes_and_33_is_refused_by_us_in_every_message() {
    for make in [nested, nested_maps] {
        let item = |depth| Item::from([("deep", make(depth))]);
        let [good, bad] = [item(MAX_DEPTH), item(MAX_DEPTH + 1)];
        fn check<W, M>(good: M, bad: M)
        where
            W: Message + Default + From<M>,
            M: TryFrom<W, Error = WireError> + Clone + PartialEq + std::fmt::Debug,
        {
            assert_eq!(through_bytes::<W, M>(good.clone()), Ok(good));
            let error = through_bytes::<W, M>(bad).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("Nesting Levels have exceeded supported limits"),
                "{error}"
            );
        }
        let each = |item: &Item| {
            (
                ops::PutItemInput::new("t", item.clone()),
                ops::GetItemOutput::new(Some(item.clone())),
                ops::BatchWriteItemInput::new()
                    .put("t", item.clone())
                    .delete("t", Map::from([("k", 1)])),
                ops::BatchWriteItemOutput::new(
                    ops::BatchWriteItemInput::new()
                        .put("t", item.clone())
                        .request_items,
                ),
                ops::QueryOutput::new(vec![Item::new(), item.clone()], 2, 2, None),
                ops::GetRecordsOutput::new(vec![record(item)], None),
            )
        };
        let (good, bad) = (each(&good), each(&bad));
        check::<v1::PutItemRequest, _>(good.0, bad.0);
        check::<v1::GetItemResponse, _>(good.1, bad.1);
        check::<v1::BatchWriteItemRequest, _>(good.2, bad.2);
        check::<v1::BatchWriteItemResponse, _>(good.3, bad.3);
        check::<v1::QueryResponse, _>(good.4, bad.4);
        check::<v1::GetRecordsResponse, _>(good.5, bad.5);
    }
}

#[test]
fn nesting_beyond_the_decoder_is_refused_not_followed() {
    // From the inside out: AttributeValue { m (6): MapValue { names (1): "a", values (2): … } }.
    let mut value = v1::AttributeValue {
        value: Some(Value::Bool(true)),
    }
    .encode_to_vec();
    for _ in 0..20_000 {
        let mut map = vec![0x0a, 1, b'a', 0x12];
        prost::encoding::encode_varint(value.len() as u64, &mut map);
        map.append(&mut value);
        value.push(0x32);
        prost::encoding::encode_varint(map.len() as u64, &mut value);
        value.append(&mut map);
    }
    // PutItemRequest { item (2): MapValue { names, values } }, whose bytes are those of the outermost map.
    let mut bytes = value;
    bytes[0] = 0x12;
    assert!(v1::PutItemRequest::decode(bytes.as_slice()).is_err());
    crate::fuzz_protobuf(&bytes);
}

fn wire(value: Value) -> v1::AttributeValue {
    v1::AttributeValue { value: Some(value) }
}

fn wire_map(entries: Vec<(&str, v1::AttributeValue)>) -> v1::MapValue {
    let (names, values) = entries
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .unzip();
    v1::MapValue { names, values }
}

fn refusal(item: v1::MapValue) -> String {
    let request = v1::PutItemRequest {
        table_name: "t".into(),
        item: Some(item),
        ..Default::default()
    };
    ops::PutItemInput::try_from(request)
        .unwrap_err()
        .to_string()
}

#[test]
fn errors_name_the_field_and_the_problem() {
    assert_eq!(
        refusal(wire_map(vec![("n", wire(Value::N("12x".into())))])),
        "item.n: The parameter cannot be converted to a numeric value: 12x"
    );
    assert_eq!(
        refusal(wire_map(vec![("a", wire(Value::Null(false)))])),
        "item.a: Null attribute value types must have the value of true"
    );
    let list = v1::ListValue {
        values: vec![wire(Value::Bool(true)), v1::AttributeValue { value: None }],
    };
    assert_eq!(
        refusal(wire_map(vec![(
            "m",
            wire(Value::M(wire_map(vec![("l", wire(Value::L(list)))])))
        )])),
        "item.m.l[1]: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
    );
    let twice = wire_map(vec![
        ("b", wire(Value::Bool(true))),
        ("a", wire(Value::Null(true))),
        ("b", wire(Value::Null(true))),
    ]);
    assert_eq!(refusal(twice), "item: a name stands twice");
    let mut short = wire_map(vec![("a", wire(Value::Bool(true)))]);
    short.names.push("b".into());
    assert_eq!(refusal(short), "item: 2 names and 1 values: not as many");

    let request = v1::PutItemRequest::default();
    assert_eq!(
        ops::PutItemInput::try_from(request)
            .unwrap_err()
            .to_string(),
        "item: is missing"
    );
    let request = v1::PutItemRequest {
        item: Some(Default::default()),
        return_values: 9,
        ..Default::default()
    };
    assert_eq!(
        ops::PutItemInput::try_from(request)
            .unwrap_err()
            .to_string(),
        "return_values: 9 is not a value that this version knows"
    );
    let table = v1::TableWriteRequests {
        table_name: "t".into(),
        requests: vec![v1::WriteRequest { request: None }],
    };
    let request = v1::BatchWriteItemRequest {
        request_items: vec![table],
        ..Default::default()
    };
    assert_eq!(
        ops::BatchWriteItemInput::try_from(request)
            .unwrap_err()
            .to_string(),
        "request_items[0].requests[0]: has neither put_item nor delete_key"
    );
    let table = v1::TableWriteRequests {
        table_name: "t".into(),
        requests: vec![],
    };
    let request = v1::BatchWriteItemRequest {
        request_items: vec![table.clone(), table],
        ..Default::default()
    };
    assert_eq!(
        ops::BatchWriteItemInput::try_from(request)
            .unwrap_err()
            .to_string(),
        "request_items[1].table_name: this table stands in the batch twice"
    );
    let key = v1::KeySchemaElement {
        attribute_name: "pk".into(),
        key_type: 0,
    };
    let request = v1::CreateTableRequest {
        key_schema: vec![key],
        ..Default::default()
    };
    assert_eq!(
        ops::CreateTableInput::try_from(request)
            .unwrap_err()
            .to_string(),
        "key_schema[0].key_type: is missing"
    );
}

#[test]
fn errors_name_the_parameter_within() {
    let condition = v1::ConditionCheck {
        table_name: "t".into(),
        ..Default::default()
    };
    let action = v1::TransactWriteItem {
        action: Some(v1::transact_write_item::Action::ConditionCheck(condition)),
    };
    let request = v1::TransactWriteItemsRequest {
        transact_items: vec![action],
        ..Default::default()
    };
    assert_eq!(
        ops::TransactWriteItemsInput::try_from(request)
            .unwrap_err()
            .to_string(),
        "transact_items[0].condition_check.key: is missing"
    );
    let scan = v1::ScanRequest {
        scan_filter: [("a".to_owned(), v1::Condition::default())].into(),
        ..Default::default()
    };
    assert_eq!(
        ops::ScanInput::try_from(scan).unwrap_err().to_string(),
        "scan_filter.a.comparison_operator: is missing"
    );
    for units in [-0.5, 0.25, f64::NAN, f64::INFINITY, 2_f64.powi(53)] {
        let capacity = v1::Capacity {
            capacity_units: units,
            ..Default::default()
        };
        assert!(ops::Capacity::try_from(capacity).is_err(), "{units}");
    }
}

#[test]
fn absent_fields_have_dynamodbs_defaults() {
    let query = ops::QueryInput::try_from(v1::QueryRequest::default()).unwrap();
    assert!(query.scan_index_forward && !query.consistent_read);
    assert_eq!(
        (query.limit, query.select, query.key_condition_expression),
        (None, None, None)
    );
}

#[test]
fn debug_of_messages_and_errors_gives_nothing_away() {
    let input = ops::PutItemInput::new(
        "t",
        Item::from([("secretname", AttributeValue::from("secretvalue"))]),
    );
    let request = v1::PutItemRequest::from(input);
    let query: v1::QueryRequest = ops::QueryInput::new("t", "secretname = :v")
        .name("#secretname", "secretname")
        .value(":v", "secretvalue")
        .into();
    let error = ops::PutItemInput::try_from(v1::PutItemRequest {
        item: Some(wire_map(vec![(
            "secretname",
            wire(Value::N("secretvalue".into())),
        )])),
        ..Default::default()
    })
    .unwrap_err();
    let create: v1::CreateTableRequest = ops::CreateTableInput::new("t")
        .partition_key("secretname", sealdb_model::ScalarType::S)
        .into();
    let update: v1::UpdateItemRequest = ops::UpdateItemInput::new("t", Map::new())
        .update_expression("SET secretname = :v")
        .into();
    let value = v1::AttributeValue::from(AttributeValue::from("secretvalue"));
    let text = format!("{request:?} {query:?} {error:?} {create:?} {update:?} {value:?}");
    assert!(!text.contains("secret"), "{text}");
    assert!(text.contains("S(11 bytes)"), "{text}");
}

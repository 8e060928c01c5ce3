//! Random inputs and outputs of the operations on items, every field of them drawn.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use sealdb_model::ops::{self, CapacityUnits, WriteRequest};
use sealdb_model::{Item, Map};

use super::strategies::{choice, map, value, with};

fn text() -> impl Strategy<Value = Option<String>> {
    any::<Option<String>>()
}

fn texts() -> impl Strategy<Value = Option<Vec<String>>> {
    option::of(vec(any::<String>(), 1..4))
}

/// Maps by name as parameters have them: not empty.
fn named<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<BTreeMap<String, S::Value>>> {
    option::of(btree_map(any::<String>(), strategy, 1..3))
}

fn names() -> impl Strategy<Value = Option<BTreeMap<String, String>>> {
    named(any::<String>())
}

fn operator() -> impl Strategy<Value = Option<ops::ConditionalOperator>> {
    option::of(choice(ops::ConditionalOperator::ALL))
}

fn capacity_wish() -> impl Strategy<Value = ops::ReturnConsumedCapacity> {
    choice(ops::ReturnConsumedCapacity::ALL)
}

fn metrics_wish() -> impl Strategy<Value = ops::ReturnItemCollectionMetrics> {
    choice(ops::ReturnItemCollectionMetrics::ALL)
}

fn failure_wish() -> impl Strategy<Value = ops::ReturnValuesOnConditionCheckFailure> {
    choice(ops::ReturnValuesOnConditionCheckFailure::ALL)
}

fn condition() -> impl Strategy<Value = ops::Condition> {
    with!(choice(ops::ComparisonOperator::ALL).prop_map(ops::Condition::new);
        attribute_value_list: option::of(vec(value(), 0..3)))
}

fn expected() -> impl Strategy<Value = Option<BTreeMap<String, ops::ExpectedAttributeValue>>> {
    named(with!(Just(ops::ExpectedAttributeValue::new());
        value: option::of(value()),
        exists: any::<Option<bool>>(),
        comparison_operator: option::of(choice(ops::ComparisonOperator::ALL)),
        attribute_value_list: option::of(vec(value(), 0..3))))
}

fn updates() -> impl Strategy<Value = Option<BTreeMap<String, ops::AttributeValueUpdate>>> {
    named(with!(Just(ops::AttributeValueUpdate::new());
        value: option::of(value()),
        action: option::of(choice(ops::AttributeAction::ALL))))
}

/// What single writes have in common.
macro_rules! with_guard {
    ($base:expr) => {
        with!($base;
            condition_expression: text(),
            expression_attribute_names: names(),
            expression_attribute_values: option::of(map()),
            expected: expected(),
            conditional_operator: operator(),
            return_values: choice(ops::ReturnValue::ALL),
            return_values_on_condition_check_failure: failure_wish(),
            return_consumed_capacity: capacity_wish(),
            return_item_collection_metrics: metrics_wish())
    };
}

pub(crate) fn put_item_input() -> impl Strategy<Value = ops::PutItemInput> {
    with_guard!(
        (any::<String>(), map()).prop_map(|(name, item)| ops::PutItemInput::new(name, item))
    )
}

pub(crate) fn delete_item_input() -> impl Strategy<Value = ops::DeleteItemInput> {
    with_guard!(
        (any::<String>(), map()).prop_map(|(name, key)| ops::DeleteItemInput::new(name, key))
    )
}

pub(crate) fn update_item_input() -> impl Strategy<Value = ops::UpdateItemInput> {
    let input = with_guard!(
        (any::<String>(), map()).prop_map(|(name, key)| ops::UpdateItemInput::new(name, key))
    );
    with!(input; update_expression: text(), attribute_updates: updates())
}

pub(crate) fn get_item_input() -> impl Strategy<Value = ops::GetItemInput> {
    with!((any::<String>(), map()).prop_map(|(name, key)| ops::GetItemInput::new(name, key));
        projection_expression: text(),
        expression_attribute_names: names(),
        attributes_to_get: texts(),
        consistent_read: any::<bool>(),
        return_consumed_capacity: capacity_wish())
}

fn units() -> impl Strategy<Value = CapacityUnits> {
    (0..1_u64 << 53).prop_map(CapacityUnits::from_halves)
}

fn capacity() -> impl Strategy<Value = ops::Capacity> {
    with!(units().prop_map(ops::Capacity::new);
        read_capacity_units: option::of(units()),
        write_capacity_units: option::of(units()))
}

fn consumed() -> impl Strategy<Value = ops::ConsumedCapacity> {
    let indexes = || btree_map(any::<String>(), capacity(), 0..3);
    let total = (any::<String>(), capacity());
    with!(total.prop_map(|(name, total)| ops::ConsumedCapacity::new(name, total));
        table: option::of(capacity()),
        local_secondary_indexes: indexes(),
        global_secondary_indexes: indexes())
}

fn metrics() -> impl Strategy<Value = ops::ItemCollectionMetrics> {
    (map(), any::<[u32; 2]>()).prop_map(|(key, range)| ops::ItemCollectionMetrics::new(key, range))
}

fn metrics_by_table() -> impl Strategy<Value = BTreeMap<String, Vec<ops::ItemCollectionMetrics>>> {
    btree_map(any::<String>(), vec(metrics(), 0..3), 0..3)
}

macro_rules! written {
    ($output:ident) => {
        with!(option::of(map()).prop_map(ops::$output::new);
            consumed_capacity: option::of(consumed()),
            item_collection_metrics: option::of(metrics()))
    };
}

pub(crate) fn put_item_output() -> impl Strategy<Value = ops::PutItemOutput> {
    written!(PutItemOutput)
}

pub(crate) fn delete_item_output() -> impl Strategy<Value = ops::DeleteItemOutput> {
    written!(DeleteItemOutput)
}

pub(crate) fn update_item_output() -> impl Strategy<Value = ops::UpdateItemOutput> {
    written!(UpdateItemOutput)
}

pub(crate) fn get_item_output() -> impl Strategy<Value = ops::GetItemOutput> {
    with!(option::of(map()).prop_map(ops::GetItemOutput::new);
        consumed_capacity: option::of(consumed()))
}

/// What Query and Scan have in common.
macro_rules! with_read {
    ($base:expr) => {
        with!($base;
            index_name: text(),
            filter_expression: text(),
            projection_expression: text(),
            expression_attribute_names: names(),
            expression_attribute_values: option::of(map()),
            conditional_operator: operator(),
            attributes_to_get: texts(),
            limit: any::<Option<i32>>(),
            exclusive_start_key: option::of(map()),
            consistent_read: any::<bool>(),
            select: option::of(choice(ops::Select::ALL)),
            return_consumed_capacity: capacity_wish())
    };
}

pub(crate) fn query_input() -> impl Strategy<Value = ops::QueryInput> {
    let input = with_read!(any::<String>().prop_map(|name| ops::QueryInput::new(name, "")));
    with!(input;
        key_condition_expression: text(),
        key_conditions: named(condition()),
        query_filter: named(condition()),
        scan_index_forward: any::<bool>())
}

pub(crate) fn scan_input() -> impl Strategy<Value = ops::ScanInput> {
    let input = with_read!(any::<String>().prop_map(ops::ScanInput::new));
    with!(input;
        scan_filter: named(condition()),
        segment: any::<Option<i32>>(),
        total_segments: any::<Option<i32>>())
}

macro_rules! page {
    ($output:ident) => {
        with!(Just(ops::$output::default());
            items: vec(map(), 0..4),
            count: any::<u32>(),
            scanned_count: any::<u32>(),
            last_evaluated_key: option::of(map()),
            consumed_capacity: option::of(consumed()))
    };
}

pub(crate) fn query_output() -> impl Strategy<Value = ops::QueryOutput> {
    page!(QueryOutput)
}

pub(crate) fn scan_output() -> impl Strategy<Value = ops::ScanOutput> {
    page!(ScanOutput)
}

fn writes() -> impl Strategy<Value = BTreeMap<String, Vec<WriteRequest>>> {
    let request = prop_oneof![
        map().prop_map(WriteRequest::Put),
        map().prop_map(WriteRequest::Delete)
    ];
    btree_map(any::<String>(), vec(request, 0..4), 0..4)
}

pub(crate) fn batch_write_item_input() -> impl Strategy<Value = ops::BatchWriteItemInput> {
    with!(Just(ops::BatchWriteItemInput::new());
        request_items: writes(),
        return_consumed_capacity: capacity_wish(),
        return_item_collection_metrics: metrics_wish())
}

pub(crate) fn batch_write_item_output() -> impl Strategy<Value = ops::BatchWriteItemOutput> {
    with!(writes().prop_map(ops::BatchWriteItemOutput::new);
        consumed_capacity: vec(consumed(), 0..3),
        item_collection_metrics: metrics_by_table())
}

fn keys() -> impl Strategy<Value = BTreeMap<String, ops::KeysAndAttributes>> {
    let keys = with!(vec(map(), 0..4).prop_map(ops::KeysAndAttributes::new);
        projection_expression: text(),
        expression_attribute_names: names(),
        attributes_to_get: texts(),
        consistent_read: any::<bool>());
    btree_map(any::<String>(), keys, 0..3)
}

pub(crate) fn batch_get_item_input() -> impl Strategy<Value = ops::BatchGetItemInput> {
    with!(Just(ops::BatchGetItemInput::new());
        request_items: keys(),
        return_consumed_capacity: capacity_wish())
}

pub(crate) fn batch_get_item_output() -> impl Strategy<Value = ops::BatchGetItemOutput> {
    let responses = btree_map(any::<String>(), vec(map(), 0..3), 0..3);
    with!(responses.prop_map(ops::BatchGetItemOutput::new);
        unprocessed_keys: keys(),
        consumed_capacity: vec(consumed(), 0..3))
}

pub(crate) fn transact_get_items_input() -> impl Strategy<Value = ops::TransactGetItemsInput> {
    let get = (any::<String>(), map()).prop_map(|(name, key)| ops::TransactGet::new(name, key));
    let get = with!(get; projection_expression: text(), expression_attribute_names: names());
    with!(vec(get, 0..4).prop_map(ops::TransactGetItemsInput::new);
        return_consumed_capacity: capacity_wish())
}

pub(crate) fn transact_get_items_output() -> impl Strategy<Value = ops::TransactGetItemsOutput> {
    with!(vec(option::of(map()), 0..4).prop_map(ops::TransactGetItemsOutput::new);
        consumed_capacity: vec(consumed(), 0..3))
}

/// What the actions of a transaction have in common.
macro_rules! action {
    ($make:expr) => {
        with!((any::<String>(), map()).prop_map($make);
            condition_expression: text(),
            expression_attribute_names: names(),
            expression_attribute_values: option::of(map()),
            return_values_on_condition_check_failure: failure_wish())
    };
}

fn transact_write_item() -> impl Strategy<Value = ops::TransactWriteItem> {
    let update = action!(|(name, key): (String, Map)| ops::TransactUpdate::new(name, key, ""));
    prop_oneof![
        action!(|(name, key): (String, Map)| ops::ConditionCheck::new(name, key, ""))
            .prop_map(ops::TransactWriteItem::from),
        action!(|(name, item): (String, Item)| ops::TransactPut::new(name, item))
            .prop_map(ops::TransactWriteItem::from),
        action!(|(name, key): (String, Map)| ops::TransactDelete::new(name, key))
            .prop_map(ops::TransactWriteItem::from),
        with!(update; update_expression: text()).prop_map(ops::TransactWriteItem::from),
    ]
}

pub(crate) fn transact_write_items_input() -> impl Strategy<Value = ops::TransactWriteItemsInput> {
    with!(Just(ops::TransactWriteItemsInput::new());
        transact_items: vec(transact_write_item(), 0..4),
        client_request_token: text(),
        return_consumed_capacity: capacity_wish(),
        return_item_collection_metrics: metrics_wish())
}

pub(crate) fn transact_write_items_output() -> impl Strategy<Value = ops::TransactWriteItemsOutput>
{
    with!(Just(ops::TransactWriteItemsOutput::default());
        consumed_capacity: vec(consumed(), 0..3),
        item_collection_metrics: metrics_by_table())
}

pub(crate) fn cancellation_reason() -> impl Strategy<Value = ops::CancellationReason> {
    with!(Just(ops::CancellationReason::none());
        code: choice(ops::CancellationCode::ALL),
        message: text(),
        item: option::of(map()))
}

/// What statements have in common.
macro_rules! statement {
    ($make:expr) => {
        with!(any::<String>().prop_map($make);
            parameters: option::of(vec(value(), 1..3)),
            return_values_on_condition_check_failure: failure_wish())
    };
}

pub(crate) fn execute_statement_input() -> impl Strategy<Value = ops::ExecuteStatementInput> {
    with!(statement!(ops::ExecuteStatementInput::new);
        consistent_read: any::<bool>(),
        limit: any::<Option<i32>>(),
        next_token: text(),
        return_consumed_capacity: capacity_wish())
}

pub(crate) fn execute_statement_output() -> impl Strategy<Value = ops::ExecuteStatementOutput> {
    with!(vec(map(), 0..4).prop_map(ops::ExecuteStatementOutput::new);
        next_token: text(),
        last_evaluated_key: option::of(map()),
        consumed_capacity: option::of(consumed()))
}

pub(crate) fn batch_execute_statement_input()
-> impl Strategy<Value = ops::BatchExecuteStatementInput> {
    let statement = with!(statement!(ops::BatchStatementRequest::new);
        consistent_read: any::<bool>());
    with!(vec(statement, 0..3).prop_map(ops::BatchExecuteStatementInput::new);
        return_consumed_capacity: capacity_wish())
}

pub(crate) fn batch_execute_statement_output()
-> impl Strategy<Value = ops::BatchExecuteStatementOutput> {
    let codes = choice(ops::BatchStatementErrorCode::ALL);
    let error = (codes, any::<String>())
        .prop_map(|(code, message)| ops::BatchStatementError::new(code, message));
    let error = with!(error; item: option::of(map()));
    let response = with!(Just(ops::BatchStatementResponse::default());
        error: option::of(error),
        table_name: text(),
        item: option::of(map()));
    with!(vec(response, 0..3).prop_map(ops::BatchExecuteStatementOutput::new);
        consumed_capacity: vec(consumed(), 0..3))
}

pub(crate) fn execute_transaction_input() -> impl Strategy<Value = ops::ExecuteTransactionInput> {
    let statements = vec(statement!(ops::ParameterizedStatement::new), 0..3);
    with!(statements.prop_map(ops::ExecuteTransactionInput::new);
        client_request_token: text(),
        return_consumed_capacity: capacity_wish())
}

pub(crate) fn execute_transaction_output() -> impl Strategy<Value = ops::ExecuteTransactionOutput> {
    with!(vec(option::of(map()), 0..4).prop_map(ops::ExecuteTransactionOutput::new);
        consumed_capacity: vec(consumed(), 0..3))
}

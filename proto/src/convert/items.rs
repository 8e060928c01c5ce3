//! PutItem, GetItem, DeleteItem, UpdateItem, Query and Scan.

use sealdb_model::{Item, Map, ops};

use crate::convert::field::same_fields;
use crate::v1;

same_fields!(
    ops::PutItemInput, v1::PutItemRequest,
    new(table_name: String, item: Item),
    return_values, condition_expression, expression_attribute_names, expression_attribute_values,
    expected, conditional_operator, return_values_on_condition_check_failure,
    return_consumed_capacity, return_item_collection_metrics
);
same_fields!(
    ops::PutItemOutput, v1::PutItemResponse,
    new(attributes: Option<Item>), consumed_capacity, item_collection_metrics
);

same_fields!(
    ops::GetItemInput, v1::GetItemRequest,
    new(table_name: String, key: Map),
    consistent_read, projection_expression, expression_attribute_names, attributes_to_get,
    return_consumed_capacity
);
same_fields!(
    ops::GetItemOutput, v1::GetItemResponse,
    new(item: Option<Item>), consumed_capacity
);

same_fields!(
    ops::DeleteItemInput, v1::DeleteItemRequest,
    new(table_name: String, key: Map),
    return_values, condition_expression, expression_attribute_names, expression_attribute_values,
    expected, conditional_operator, return_values_on_condition_check_failure,
    return_consumed_capacity, return_item_collection_metrics
);
same_fields!(
    ops::DeleteItemOutput, v1::DeleteItemResponse,
    new(attributes: Option<Item>), consumed_capacity, item_collection_metrics
);

same_fields!(
    ops::UpdateItemInput, v1::UpdateItemRequest,
    new(table_name: String, key: Map),
    return_values, condition_expression, expression_attribute_names, expression_attribute_values,
    expected, conditional_operator, return_values_on_condition_check_failure,
    return_consumed_capacity, return_item_collection_metrics, update_expression,
    attribute_updates
);
same_fields!(
    ops::UpdateItemOutput, v1::UpdateItemResponse,
    new(attributes: Option<Item>), consumed_capacity, item_collection_metrics
);

same_fields!(
    ops::QueryInput, v1::QueryRequest,
    new(table_name: String; ""),
    key_condition_expression, expression_attribute_names, expression_attribute_values,
    scan_index_forward, limit, exclusive_start_key, select, consistent_read, index_name,
    filter_expression, projection_expression, key_conditions, query_filter, conditional_operator,
    attributes_to_get, return_consumed_capacity
);
same_fields!(
    ops::QueryOutput, v1::QueryResponse,
    new(items: Vec<Item>, count: u32, scanned_count: u32, last_evaluated_key: Option<Map>),
    consumed_capacity
);

same_fields!(
    ops::ScanInput, v1::ScanRequest,
    new(table_name: String),
    limit, exclusive_start_key, segment, total_segments, select, consistent_read, index_name,
    filter_expression, projection_expression, expression_attribute_names,
    expression_attribute_values, scan_filter, conditional_operator, attributes_to_get,
    return_consumed_capacity
);
same_fields!(
    ops::ScanOutput, v1::ScanResponse,
    new(items: Vec<Item>, count: u32, scanned_count: u32, last_evaluated_key: Option<Map>),
    consumed_capacity
);

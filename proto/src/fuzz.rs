//! The entry for fuzzing the protobuf edge: bytes as they come from a network.

use prost::Message;
use sealdb_model::ops;

use crate::v1;

/// Decodes the bytes as each request and each response and converts and validates what decodes, as a server or client does.
/// Nothing may panic; what converts must convert back to the same.
#[doc(hidden)]
pub fn fuzz_protobuf(bytes: &[u8]) {
    fn both_ways<W, M>(bytes: &[u8]) -> Option<M>
    where
        W: Message + Default + From<M>,
        M: TryFrom<W> + Clone + PartialEq + std::fmt::Debug,
        M::Error: std::fmt::Display,
    {
        let message = W::decode(bytes).ok()?;
        match M::try_from(message) {
            Ok(model) => {
                let again = M::try_from(W::from(model.clone())).ok();
                assert!(
                    again.as_ref() == Some(&model),
                    "a conversion that loses something: {model:?}"
                );
                Some(model)
            }
            Err(e) => {
                assert!(!e.to_string().is_empty());
                None
            }
        }
    }
    macro_rules! requests {
        ($($request:ident => $input:ident;)*) => {$(
            if let Some(input) = both_ways::<v1::$request, ops::$input>(bytes) {
                let _ = input.validate();
            }
        )*};
    }
    macro_rules! both_ways {
        ($($message:ident => $model:ident;)*) => {$(
            both_ways::<v1::$message, ops::$model>(bytes);
        )*};
    }
    requests! {
        CreateTableRequest => CreateTableInput;
        DescribeTableRequest => DescribeTableInput;
        ListTablesRequest => ListTablesInput;
        DeleteTableRequest => DeleteTableInput;
        UpdateTableRequest => UpdateTableInput;
        ListStreamsRequest => ListStreamsInput;
        DescribeStreamRequest => DescribeStreamInput;
        GetShardIteratorRequest => GetShardIteratorInput;
        GetRecordsRequest => GetRecordsInput;
        UpdateTimeToLiveRequest => UpdateTimeToLiveInput;
        DescribeTimeToLiveRequest => DescribeTimeToLiveInput;
        TagResourceRequest => TagResourceInput;
        UntagResourceRequest => UntagResourceInput;
        ListTagsOfResourceRequest => ListTagsOfResourceInput;
        PutItemRequest => PutItemInput;
        GetItemRequest => GetItemInput;
        DeleteItemRequest => DeleteItemInput;
        UpdateItemRequest => UpdateItemInput;
        BatchWriteItemRequest => BatchWriteItemInput;
        TransactWriteItemsRequest => TransactWriteItemsInput;
        TransactGetItemsRequest => TransactGetItemsInput;
        BatchGetItemRequest => BatchGetItemInput;
        ExecuteStatementRequest => ExecuteStatementInput;
        BatchExecuteStatementRequest => BatchExecuteStatementInput;
        ExecuteTransactionRequest => ExecuteTransactionInput;
        QueryRequest => QueryInput;
        ScanRequest => ScanInput;
    }
    both_ways! {
        CreateTableResponse => CreateTableOutput;
        DescribeTableResponse => DescribeTableOutput;
        ListTablesResponse => ListTablesOutput;
        DeleteTableResponse => DeleteTableOutput;
        UpdateTableResponse => UpdateTableOutput;
        UpdateTimeToLiveResponse => UpdateTimeToLiveOutput;
        DescribeTimeToLiveResponse => DescribeTimeToLiveOutput;
        ListTagsOfResourceResponse => ListTagsOfResourceOutput;
        PutItemResponse => PutItemOutput;
        GetItemResponse => GetItemOutput;
        DeleteItemResponse => DeleteItemOutput;
        UpdateItemResponse => UpdateItemOutput;
        BatchWriteItemResponse => BatchWriteItemOutput;
        BatchGetItemResponse => BatchGetItemOutput;
        TransactGetItemsResponse => TransactGetItemsOutput;
        TransactWriteItemsResponse => TransactWriteItemsOutput;
        ExecuteStatementResponse => ExecuteStatementOutput;
        BatchExecuteStatementResponse => BatchExecuteStatementOutput;
        ExecuteTransactionResponse => ExecuteTransactionOutput;
        ListStreamsResponse => ListStreamsOutput;
        DescribeStreamResponse => DescribeStreamOutput;
        GetRecordsResponse => GetRecordsOutput;
        QueryResponse => QueryOutput;
        ScanResponse => ScanOutput;
        CancellationReason => CancellationReason;
    }
}

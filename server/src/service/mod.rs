//! The gRPC service `sealdb.v1.SealDb`: one thin method per operation, all measured in one place.

mod call;
mod keys;
mod stream;

use sealdb::Database;
use sealdb::crypto::Caller;
use sealdb::model::ops::{GetRecordsInput, QueryInput, ScanInput};
use sealdb_proto::MAX_ANSWER_LEN;
use sealdb_proto::v1::seal_db_server::{SealDb, SealDbServer};
use sealdb_proto::v1::{
    BatchExecuteStatementRequest, BatchExecuteStatementResponse, BatchGetItemRequest,
    BatchGetItemResponse, BatchWriteItemRequest, BatchWriteItemResponse, CreateTableRequest,
    CreateTableResponse, DeleteItemRequest, DeleteItemResponse, DeleteTableRequest,
    DeleteTableResponse, DescribeStreamRequest, DescribeStreamResponse, DescribeTableRequest,
    DescribeTableResponse, DescribeTimeToLiveRequest, DescribeTimeToLiveResponse,
    ExecuteStatementRequest, ExecuteStatementResponse, ExecuteTransactionRequest,
    ExecuteTransactionResponse, GetItemRequest, GetItemResponse, GetRecordsRequest,
    GetRecordsResponse, GetShardIteratorRequest, GetShardIteratorResponse, ListStreamsRequest,
    ListStreamsResponse, ListTablesRequest, ListTablesResponse, ListTagsOfResourceRequest,
    ListTagsOfResourceResponse, PutItemRequest, PutItemResponse, QueryRequest, QueryResponse,
    ScanRequest, ScanResponse, TagResourceRequest, TagResourceResponse, TransactGetItemsRequest,
    TransactGetItemsResponse, TransactWriteItemsRequest, TransactWriteItemsResponse,
    UntagResourceRequest, UntagResourceResponse, UpdateItemRequest, UpdateItemResponse,
    UpdateTableRequest, UpdateTableResponse, UpdateTimeToLiveRequest, UpdateTimeToLiveResponse,
};
use tokio::sync::watch;
use tonic::{Extensions, Request, Response, Status};

use crate::auth::Authenticator;
use crate::config::Limits;
use crate::gate::Call;
use crate::listener::Phase;
use crate::metrics::Metrics;
use crate::refusals::Refusals;
use crate::service::stream::{Pages, Waiting};

/// The service over an open database.
#[derive(Clone)]
pub struct Service {
    database: Database,
    metrics: Metrics,
    max_message_size: usize,
    /// For streams that wait for what comes.
    waiting: Waiting,
    /// For streams that outlive the credential that they were asked for with.
    authenticator: Authenticator,
    refusals: Refusals,
}

pub use keys::KeyService;

impl Service {
    /// What the services over this database stand on. Streams without an end go when the phase is past [`Phase::Serving`].
    pub(crate) fn new(
        database: Database,
        metrics: Metrics,
        limits: &Limits,
        phase: watch::Receiver<Phase>,
        (authenticator, refusals): (Authenticator, Refusals),
    ) -> Service {
        Service {
            database,
            metrics,
            max_message_size: limits.max_message_size,
            waiting: Waiting::new(limits.max_in_flight, phase),
            authenticator,
            refusals,
        }
    }

    /// With bounded messages, ready for a tonic router.
    pub fn into_server(self) -> SealDbServer<Service> {
        let limit = self.max_message_size;
        SealDbServer::new(self)
            .max_decoding_message_size(limit)
            .max_encoding_message_size(MAX_ANSWER_LEN)
    }
}

impl Service {
    /// The database in the name of whoever calls, bound by what that one may do.
    fn named(&self, extensions: &Extensions) -> Database {
        self.database.for_caller(caller(extensions.get::<Call>()))
    }
}

/// In whose name the database works.
fn caller(call: Option<&Call>) -> Caller {
    match call {
        Some(call) => call.caller(),
        None => Caller::new("sealdb-server"),
    }
}

/// One method per line: name of the method, of the operation, of the messages; of streams also the input's and the stream's.
macro_rules! operations {
    (
        calls { $($method:ident, $operation:literal, $request:ident, $response:ident;)* }
        streams { $($stream:ident, $streamed:literal, $input:ident, $asked:ident, $page:ident, $pages:ident;)* }
    ) => {
        #[tonic::async_trait]
        impl SealDb for Service {
            $(
                async fn $method(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                    let database = self.named(request.extensions());
                    call::run(self, $operation, request, |input| database.$method(input)).await
                }
            )*

            $(
                type $pages = Pages<$page>;

                async fn $stream(&self, request: Request<$asked>) -> Result<Response<Self::$pages>, Status> {
                    stream::run::<_, _, $input>(self, $streamed, request)
                }
            )*
        }
    };
}

operations! {
    calls {
        create_table, "CreateTable", CreateTableRequest, CreateTableResponse;
        delete_table, "DeleteTable", DeleteTableRequest, DeleteTableResponse;
        update_table, "UpdateTable", UpdateTableRequest, UpdateTableResponse;
        update_time_to_live, "UpdateTimeToLive", UpdateTimeToLiveRequest, UpdateTimeToLiveResponse;
        tag_resource, "TagResource", TagResourceRequest, TagResourceResponse;
        untag_resource, "UntagResource", UntagResourceRequest, UntagResourceResponse;
        describe_table, "DescribeTable", DescribeTableRequest, DescribeTableResponse;
        list_tables, "ListTables", ListTablesRequest, ListTablesResponse;
        describe_time_to_live, "DescribeTimeToLive", DescribeTimeToLiveRequest, DescribeTimeToLiveResponse;
        list_tags_of_resource, "ListTagsOfResource", ListTagsOfResourceRequest, ListTagsOfResourceResponse;
        put_item, "PutItem", PutItemRequest, PutItemResponse;
        get_item, "GetItem", GetItemRequest, GetItemResponse;
        update_item, "UpdateItem", UpdateItemRequest, UpdateItemResponse;
        delete_item, "DeleteItem", DeleteItemRequest, DeleteItemResponse;
        batch_write_item, "BatchWriteItem", BatchWriteItemRequest, BatchWriteItemResponse;
        batch_get_item, "BatchGetItem", BatchGetItemRequest, BatchGetItemResponse;
        transact_write_items, "TransactWriteItems", TransactWriteItemsRequest, TransactWriteItemsResponse;
        transact_get_items, "TransactGetItems", TransactGetItemsRequest, TransactGetItemsResponse;
        execute_statement, "ExecuteStatement", ExecuteStatementRequest, ExecuteStatementResponse;
        batch_execute_statement, "BatchExecuteStatement", BatchExecuteStatementRequest, BatchExecuteStatementResponse;
        execute_transaction, "ExecuteTransaction", ExecuteTransactionRequest, ExecuteTransactionResponse;
        list_streams, "ListStreams", ListStreamsRequest, ListStreamsResponse;
        describe_stream, "DescribeStream", DescribeStreamRequest, DescribeStreamResponse;
        get_shard_iterator, "GetShardIterator", GetShardIteratorRequest, GetShardIteratorResponse;
        get_records, "GetRecords", GetRecordsRequest, GetRecordsResponse;
        query, "Query", QueryRequest, QueryResponse;
        scan, "Scan", ScanRequest, ScanResponse;
    }
    streams {
        query_stream, "QueryStream", QueryInput, QueryRequest, QueryResponse, QueryStreamStream;
        scan_stream, "ScanStream", ScanInput, ScanRequest, ScanResponse, ScanStreamStream;
        get_records_stream, "GetRecordsStream", GetRecordsInput, GetRecordsRequest, GetRecordsResponse, GetRecordsStreamStream;
    }
}

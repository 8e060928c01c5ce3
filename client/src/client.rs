//! The operations.

use sealdb_model::ops::{
    BatchExecuteStatementInput, BatchExecuteStatementOutput, BatchGetItemInput, BatchGetItemOutput,
    BatchWriteItemInput, BatchWriteItemOutput, CreateTableInput, CreateTableOutput,
    DeleteItemInput, DeleteItemOutput, DeleteTableInput, DeleteTableOutput, DescribeStreamInput,
    DescribeStreamOutput, DescribeTableInput, DescribeTableOutput, DescribeTimeToLiveInput,
    DescribeTimeToLiveOutput, ExecuteStatementInput, ExecuteStatementOutput,
    ExecuteTransactionInput, ExecuteTransactionOutput, GetItemInput, GetItemOutput,
    GetRecordsInput, GetRecordsOutput, GetShardIteratorInput, GetShardIteratorOutput,
    ListStreamsInput, ListStreamsOutput, ListTablesInput, ListTablesOutput,
    ListTagsOfResourceInput, ListTagsOfResourceOutput, PutItemInput, PutItemOutput, QueryInput,
    QueryOutput, ReturnValue, ScanInput, ScanOutput, TagResourceInput, TransactGetItemsInput,
    TransactGetItemsOutput, TransactWriteItemsInput, TransactWriteItemsOutput, UntagResourceInput,
    UpdateItemInput, UpdateItemOutput, UpdateTableInput, UpdateTableOutput, UpdateTimeToLiveInput,
    UpdateTimeToLiveOutput,
};
use sealdb_model::partiql::Statement;
use sealdb_proto::v1;

use crate::call::Caller;
use crate::endpoint::Endpoint;
use crate::error::Error;

/// A connection to a server. Clones are cheap and share it; it comes back by itself after it broke.
#[derive(Clone, Debug)]
pub struct Client {
    caller: Caller,
}

impl Client {
    /// Connects, and checks the server's certificate before anything is sent.
    ///
    /// # Errors
    /// `ServiceUnavailable` where no server answers, `AccessDeniedException` where its certificate is not the one that
    /// is trusted. A wrong credential shows at the first operation.
    pub async fn connect(endpoint: Endpoint) -> Result<Self, Error> {
        Ok(Self {
            caller: Caller::connect(endpoint).await?,
        })
    }

    /// Writes up to 100 items, all of them or none. Without a client request token it gets one of its own, so that it may be sent
    /// again: the server carries a token out once.
    ///
    /// # Errors
    /// Those of the operation, and those of the way to the server: see [`Error::code`]. What became of each action of a
    /// cancelled transaction says [`Error::cancellation_reasons`].
    pub async fn transact_write_items(
        &self,
        mut input: TransactWriteItemsInput,
    ) -> Result<TransactWriteItemsOutput, Error> {
        if input.client_request_token.is_none() {
            input.client_request_token = random_token();
        }
        self.transact_once(input).await
    }

    /// Carries out up to 100 PartiQL statements, all of them or none. Without a client request token it gets one of its own, as
    /// [`Client::transact_write_items`] does.
    ///
    /// # Errors
    /// As [`Client::transact_write_items`].
    pub async fn execute_transaction(
        &self,
        mut input: ExecuteTransactionInput,
    ) -> Result<ExecuteTransactionOutput, Error> {
        if input.client_request_token.is_none() {
            input.client_request_token = random_token();
        }
        self.execute_once(input).await
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// One method for each operation; the last column says whether an input may be carried out twice without harm.
macro_rules! operations {
    ($($(#[$doc:meta])* $visible:vis $method:ident($input:ident) -> $output:ty,
        $path:literal, $request:ident -> $response:ident, $harmless:expr;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Those of the operation, and those of the way to the server: see [`Error::code`].
                $visible async fn $method(&self, input: $input) -> Result<$output, Error> {
                    let harmless: fn(&$input) -> bool = $harmless;
                    let harmless = harmless(&input);
                    let request = v1::$request::from(input);
                    let path = concat!("/sealdb.v1.SealDb/", $path);
                    let response: v1::$response = self.caller.call(path, request, harmless).await?;
                    Ok(response.try_into()?)
                }
            )*
        }
    };
}

operations! {
    /// Creates a table, sealed under a key of its own.
    pub create_table(CreateTableInput) -> CreateTableOutput,
        "CreateTable", CreateTableRequest -> CreateTableResponse, |_| false;
    /// Describes a table.
    pub describe_table(DescribeTableInput) -> DescribeTableOutput,
        "DescribeTable", DescribeTableRequest -> DescribeTableResponse, |_| true;
    /// Lists the names of tables, a page at a time; see [`Client::list_tables_pages`].
    pub list_tables(ListTablesInput) -> ListTablesOutput,
        "ListTables", ListTablesRequest -> ListTablesResponse, |_| true;
    /// Deletes a table with its items and its key.
    pub delete_table(DeleteTableInput) -> DeleteTableOutput,
        "DeleteTable", DeleteTableRequest -> DeleteTableResponse, |_| false;
    /// Changes a table's settings, its stream, and its global indexes while it is in use.
    pub update_table(UpdateTableInput) -> UpdateTableOutput,
        "UpdateTable", UpdateTableRequest -> UpdateTableResponse, |_| false;
    /// Switches on or off that items expire.
    pub update_time_to_live(UpdateTimeToLiveInput) -> UpdateTimeToLiveOutput,
        "UpdateTimeToLive", UpdateTimeToLiveRequest -> UpdateTimeToLiveResponse, |_| false;
    /// Tells whether items expire.
    pub describe_time_to_live(DescribeTimeToLiveInput) -> DescribeTimeToLiveOutput,
        "DescribeTimeToLive", DescribeTimeToLiveRequest -> DescribeTimeToLiveResponse, |_| true;
    /// Gives tags to a table.
    pub tag_resource(TagResourceInput) -> (),
        "TagResource", TagResourceRequest -> TagResourceResponse, |_| true;
    /// Takes tags from a table.
    pub untag_resource(UntagResourceInput) -> (),
        "UntagResource", UntagResourceRequest -> UntagResourceResponse, |_| true;
    /// Lists the tags of a table.
    pub list_tags_of_resource(ListTagsOfResourceInput) -> ListTagsOfResourceOutput,
        "ListTagsOfResource", ListTagsOfResourceRequest -> ListTagsOfResourceResponse, |_| true;
    /// Puts an item in place of the one of the same key.
    pub put_item(PutItemInput) -> PutItemOutput,
        "PutItem", PutItemRequest -> PutItemResponse, |input| input.return_values == ReturnValue::None
            && input.condition_expression.is_none() && input.expected.is_none();
    /// Gets the item of a key.
    pub get_item(GetItemInput) -> GetItemOutput,
        "GetItem", GetItemRequest -> GetItemResponse, |_| true;
    /// Changes attributes of the item of a key, or makes one. It is not sent again where the answer is lost: an update may
    /// count.
    pub update_item(UpdateItemInput) -> UpdateItemOutput,
        "UpdateItem", UpdateItemRequest -> UpdateItemResponse, |_| false;
    /// Deletes the item of a key.
    pub delete_item(DeleteItemInput) -> DeleteItemOutput,
        "DeleteItem", DeleteItemRequest -> DeleteItemResponse, |input| input.return_values == ReturnValue::None
            && input.condition_expression.is_none() && input.expected.is_none();
    /// Puts and deletes up to 25 items, each by itself. What was not done comes back as unprocessed;
    /// [`Client::batch_write_all`] sends it again.
    pub batch_write_item(BatchWriteItemInput) -> BatchWriteItemOutput,
        "BatchWriteItem", BatchWriteItemRequest -> BatchWriteItemResponse, |_| true;
    /// Gets up to 100 items, each by itself. What was not read comes back as unprocessed; [`Client::batch_get_all`] asks for
    /// it again.
    pub batch_get_item(BatchGetItemInput) -> BatchGetItemOutput,
        "BatchGetItem", BatchGetItemRequest -> BatchGetItemResponse, |_| true;
    /// Gets up to 100 items as they were at one moment.
    pub transact_get_items(TransactGetItemsInput) -> TransactGetItemsOutput,
        "TransactGetItems", TransactGetItemsRequest -> TransactGetItemsResponse, |_| true;
    /// TransactWriteItems as it is.
    transact_once(TransactWriteItemsInput) -> TransactWriteItemsOutput,
        "TransactWriteItems", TransactWriteItemsRequest -> TransactWriteItemsResponse,
        |input| input.client_request_token.is_some();
    /// Carries out a PartiQL statement; a SELECT a page at a time. What writes is not sent again where the answer is lost.
    pub execute_statement(ExecuteStatementInput) -> ExecuteStatementOutput,
        "ExecuteStatement", ExecuteStatementRequest -> ExecuteStatementResponse, |input| is_select(&input.statement);
    /// Carries out up to 25 PartiQL statements, each by itself. They are sent again as [`Client::execute_statement`]'s are.
    pub batch_execute_statement(BatchExecuteStatementInput) -> BatchExecuteStatementOutput,
        "BatchExecuteStatement", BatchExecuteStatementRequest -> BatchExecuteStatementResponse,
        |input| input.statements.iter().all(|one| is_select(&one.statement));
    /// ExecuteTransaction as it is.
    execute_once(ExecuteTransactionInput) -> ExecuteTransactionOutput,
        "ExecuteTransaction", ExecuteTransactionRequest -> ExecuteTransactionResponse,
        |input| input.client_request_token.is_some();
    /// Lists the streams of a table, or of all tables.
    pub list_streams(ListStreamsInput) -> ListStreamsOutput,
        "ListStreams", ListStreamsRequest -> ListStreamsResponse, |_| true;
    /// Describes a stream.
    pub describe_stream(DescribeStreamInput) -> DescribeStreamOutput,
        "DescribeStream", DescribeStreamRequest -> DescribeStreamResponse, |_| true;
    /// Gives a place in a stream to read from, for 15 minutes.
    pub get_shard_iterator(GetShardIteratorInput) -> GetShardIteratorOutput,
        "GetShardIterator", GetShardIteratorRequest -> GetShardIteratorResponse, |_| true;
    /// Reads records of a stream, a page at a time; see [`Client::tail`].
    pub get_records(GetRecordsInput) -> GetRecordsOutput,
        "GetRecords", GetRecordsRequest -> GetRecordsResponse, |_| true;
    /// Reads items of one partition key, a page at a time; see [`Client::query_pages`].
    pub query(QueryInput) -> QueryOutput,
        "Query", QueryRequest -> QueryResponse, |_| true;
    /// Reads all items, a page at a time; see [`Client::scan_pages`].
    pub scan(ScanInput) -> ScanOutput,
        "Scan", ScanRequest -> ScanResponse, |_| true;
}

/// Whether a statement only reads. What cannot be read is the server's to refuse.
fn is_select(statement: &str) -> bool {
    Statement::parse(statement).is_ok_and(|statement| statement.is_select())
}

/// 128 random bits in hexadecimal digits; `None` without randomness, and then the transaction is sent once.
fn random_token() -> Option<String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_le_bytes(bytes)))
}

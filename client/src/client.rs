//! The operations.

use sealdb_model::ops::{
    BatchWriteItemInput, BatchWriteItemOutput, CreateTableInput, CreateTableOutput,
    DeleteItemInput, DeleteItemOutput, DeleteTableInput, DeleteTableOutput, DescribeTableInput,
    DescribeTableOutput, GetItemInput, GetItemOutput, ListTablesInput, ListTablesOutput,
    PutItemInput, PutItemOutput, QueryInput, QueryOutput, ReturnValue, ScanInput, ScanOutput,
    UpdateItemInput, UpdateItemOutput,
};
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

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// One method for each operation; the last column says whether an input may be carried out twice without harm.
macro_rules! operations {
    ($($(#[$doc:meta])* $method:ident($input:ident) -> $output:ident,
        $path:literal, $request:ident -> $response:ident, $harmless:expr;)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Those of the operation, and those of the way to the server: see [`Error::code`].
                pub async fn $method(&self, input: $input) -> Result<$output, Error> {
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
    create_table(CreateTableInput) -> CreateTableOutput,
        "CreateTable", CreateTableRequest -> CreateTableResponse, |_| false;
    /// Describes a table.
    describe_table(DescribeTableInput) -> DescribeTableOutput,
        "DescribeTable", DescribeTableRequest -> DescribeTableResponse, |_| true;
    /// Lists the names of tables, a page at a time; see [`Client::list_tables_pages`].
    list_tables(ListTablesInput) -> ListTablesOutput,
        "ListTables", ListTablesRequest -> ListTablesResponse, |_| true;
    /// Deletes a table with its items and its key.
    delete_table(DeleteTableInput) -> DeleteTableOutput,
        "DeleteTable", DeleteTableRequest -> DeleteTableResponse, |_| false;
    /// Puts an item in place of the one of the same key.
    put_item(PutItemInput) -> PutItemOutput,
        "PutItem", PutItemRequest -> PutItemResponse, |input| input.return_values == ReturnValue::None
            && input.condition_expression.is_none() && input.expected.is_none();
    /// Gets the item of a key.
    get_item(GetItemInput) -> GetItemOutput,
        "GetItem", GetItemRequest -> GetItemResponse, |_| true;
    /// Changes attributes of the item of a key, or makes one. It is not sent again where the answer is lost: an update may
    /// count.
    update_item(UpdateItemInput) -> UpdateItemOutput,
        "UpdateItem", UpdateItemRequest -> UpdateItemResponse, |_| false;
    /// Deletes the item of a key.
    delete_item(DeleteItemInput) -> DeleteItemOutput,
        "DeleteItem", DeleteItemRequest -> DeleteItemResponse, |input| input.return_values == ReturnValue::None
            && input.condition_expression.is_none() && input.expected.is_none();
    /// Puts and deletes up to 25 items, each by itself. What was not done comes back as unprocessed;
    /// [`Client::batch_write_all`] sends it again.
    batch_write_item(BatchWriteItemInput) -> BatchWriteItemOutput,
        "BatchWriteItem", BatchWriteItemRequest -> BatchWriteItemResponse, |_| true;
    /// Reads items of one partition key, a page at a time; see [`Client::query_pages`].
    query(QueryInput) -> QueryOutput,
        "Query", QueryRequest -> QueryResponse, |_| true;
    /// Reads all items, a page at a time; see [`Client::scan_pages`].
    scan(ScanInput) -> ScanOutput,
        "Scan", ScanRequest -> ScanResponse, |_| true;
}

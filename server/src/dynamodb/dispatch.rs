//! The operations of the protocol: one table of names, methods and inputs.

use sealdb::model::ops::{
    BatchExecuteStatementInput, BatchGetItemInput, BatchWriteItemInput, CreateTableInput,
    DeleteItemInput, DeleteTableInput, DescribeStreamInput, DescribeTableInput,
    DescribeTimeToLiveInput, ExecuteStatementInput, ExecuteTransactionInput, GetItemInput,
    GetRecordsInput, GetShardIteratorInput, ListStreamsInput, ListTablesInput,
    ListTagsOfResourceInput, PutItemInput, QueryInput, ScanInput, TagResourceInput,
    TransactGetItemsInput, TransactWriteItemsInput, UntagResourceInput, UpdateItemInput,
    UpdateTableInput, UpdateTimeToLiveInput,
};
use sealdb::{Database, Error};
use sealdb_proto::json_api::account::{
    BackupQuestion, ExportQuestion, GlobalTableQuestion, ImportQuestion, PointInTimeQuestion,
    PolicyQuestion, Question, RestoreQuestion, TableExportQuestion, TableQuestion,
};
use sealdb_proto::json_api::{self, Parsed, Refused, Request, Response};
use tracing::Instrument;

use crate::dynamodb::exception::Exception;
use crate::dynamodb::{DynamoDb, account};
use crate::measured::{Begun, Who};

/// The table of operations: name in `X-Amz-Target`, method of the database, input; and those that the server answers by itself,
/// with a function of [`account`].
macro_rules! operations {
    (
        database { $($service:literal: $($operation:ident, $method:ident, $input:ty;)*)* }
        account { $($about:ident, $function:ident, $question:ty;)* }
    ) => {
        /// An operation that is carried out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Operation {
            $($($operation,)*)*
            $($about,)*
        }

        impl Operation {
            /// The operation that a header `X-Amz-Target` names.
            pub(super) fn find(target: &str) -> Option<Operation> {
                match target {
                    $($(concat!($service, ".", stringify!($operation)) => Some(Operation::$operation),)*)*
                    $(concat!("DynamoDB_20120810.", stringify!($about)) => Some(Operation::$about),)*
                    _ => None,
                }
            }

            /// Its name.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $($(Operation::$operation => stringify!($operation),)*)*
                    $(Operation::$about => stringify!($about),)*
                }
            }

            /// Carries it out: from the body of the request to that of the answer. `host` is how the caller calls the server.
            pub(super) async fn run(
                self,
                service: &DynamoDb,
                host: &str,
                body: &[u8],
                who: Who,
            ) -> Result<Vec<u8>, Exception> {
                match self {
                    $($(Operation::$operation => {
                        let work = |database: Database, input: $input| async move { database.$method(input).await };
                        one(service, self.name(), body, who, work).await
                    })*)*
                    $(Operation::$about => {
                        let work = |database: Database, question: $question| account::$function(database, host, question);
                        one(service, self.name(), body, who, work).await
                    })*
                }
            }
        }
    };
}

operations! {
    database {
    "DynamoDB_20120810":
        BatchExecuteStatement, batch_execute_statement, BatchExecuteStatementInput;
        BatchGetItem, batch_get_item, BatchGetItemInput;
        BatchWriteItem, batch_write_item, BatchWriteItemInput;
        CreateTable, create_table, CreateTableInput;
        DeleteItem, delete_item, DeleteItemInput;
        DeleteTable, delete_table, DeleteTableInput;
        DescribeTable, describe_table, DescribeTableInput;
        DescribeTimeToLive, describe_time_to_live, DescribeTimeToLiveInput;
        ExecuteStatement, execute_statement, ExecuteStatementInput;
        ExecuteTransaction, execute_transaction, ExecuteTransactionInput;
        GetItem, get_item, GetItemInput;
        ListTables, list_tables, ListTablesInput;
        ListTagsOfResource, list_tags_of_resource, ListTagsOfResourceInput;
        PutItem, put_item, PutItemInput;
        Query, query, QueryInput;
        Scan, scan, ScanInput;
        TagResource, tag_resource, TagResourceInput;
        TransactGetItems, transact_get_items, TransactGetItemsInput;
        TransactWriteItems, transact_write_items, TransactWriteItemsInput;
        UntagResource, untag_resource, UntagResourceInput;
        UpdateItem, update_item, UpdateItemInput;
        UpdateTable, update_table, UpdateTableInput;
        UpdateTimeToLive, update_time_to_live, UpdateTimeToLiveInput;
    "DynamoDBStreams_20120810":
        DescribeStream, describe_stream, DescribeStreamInput;
        GetRecords, get_records, GetRecordsInput;
        GetShardIterator, get_shard_iterator, GetShardIteratorInput;
        ListStreams, list_streams, ListStreamsInput;
    }
    account {
        DeleteBackup, backup, BackupQuestion;
        DeleteResourcePolicy, delete_policy, PolicyQuestion;
        DescribeBackup, backup, BackupQuestion;
        DescribeContinuousBackups, continuous_backups, TableQuestion;
        DescribeContributorInsights, insights_of_table, TableQuestion;
        DescribeEndpoints, endpoints, Question;
        DescribeExport, export, ExportQuestion;
        DescribeGlobalTable, global_table, GlobalTableQuestion;
        DescribeGlobalTableSettings, global_table, GlobalTableQuestion;
        DescribeImport, import, ImportQuestion;
        DescribeKinesisStreamingDestination, kinesis_streaming, TableQuestion;
        DescribeLimits, quotas, Question;
        ExportTableToPointInTime, export_table, TableExportQuestion;
        GetResourcePolicy, policy, PolicyQuestion;
        ListBackups, backups, Question;
        ListContributorInsights, contributor_insights, Question;
        ListExports, exports, Question;
        ListGlobalTables, global_tables, Question;
        ListImports, imports, Question;
        RestoreTableFromBackup, restore, RestoreQuestion;
        RestoreTableToPointInTime, point_in_time, PointInTimeQuestion;
    }
}

/// Why an operation did not end well.
pub(super) enum Failure {
    /// The database's error.
    Database(Error),
    /// What the server says by itself.
    Refused(Exception),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Database(error)
    }
}

impl From<Exception> for Failure {
    fn from(exception: Exception) -> Failure {
        Failure::Refused(exception)
    }
}

/// One call: parsed, run, counted, logged.
async fn one<Input, Output, Fail, Fut>(
    service: &DynamoDb,
    operation: &'static str,
    body: &[u8],
    who: Who,
    work: impl FnOnce(Database, Input) -> Fut,
) -> Result<Vec<u8>, Exception>
where
    Input: Request,
    Output: Response,
    Fail: Into<Failure>,
    Fut: Future<Output = Result<Output, Fail>>,
{
    let parsed = json_api::parse::<Input>(body);
    let table = parsed.as_ref().map_or("", Parsed::table);
    let begun = Begun::new(operation, table, body.len(), who);
    let input =
        parsed.and_then(|fields| json_api::input::<Input>(fields).map_err(Refused::Validation));
    let input = match input {
        Ok(input) => input,
        Err(refused) => {
            let exception = Exception::from(refused);
            begun.unread(&service.metrics, service.gate.refusals(), exception.code);
            return Err(exception);
        }
    };
    let database = service.database.for_caller(begun.caller());
    let span = begun.span();
    match work(database, input).instrument(span).await {
        Ok(output) => {
            let answer = json_api::render(&output);
            begun.ended_well(&service.metrics, answer.len());
            Ok(answer)
        }
        Err(failure) => {
            let (exception, error) = match failure.into() {
                Failure::Database(error) => (Exception::of(&error, operation), Some(error)),
                Failure::Refused(exception) => (exception, None),
            };
            begun.failed(&service.metrics, exception.code, error.as_ref());
            Err(exception)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_name_operations_of_this_version_only() {
        assert_eq!(
            Operation::find("DynamoDB_20120810.GetItem"),
            Some(Operation::GetItem)
        );
        assert_eq!(Operation::GetItem.name(), "GetItem");
        for unknown in [
            "",
            "GetItem",
            "DynamoDB_20111205.GetItem",
            "DynamoDB_20120810.getItem",
            "DynamoDBStreams_20120810.GetItem",
            "DynamoDB_20120810.GetRecords",
            "DynamoDB_20120810.GetItem ",
        ] {
            assert_eq!(Operation::find(unknown), None, "{unknown}");
        }
    }
}

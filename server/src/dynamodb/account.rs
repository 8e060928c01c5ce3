//! What tools ask about the account while they look after tables, and operations on what SealDB does not have.

use sealdb::model::TableName;
use sealdb::model::ops::DescribeTableInput;
use sealdb::{Database, Error};
use sealdb_proto::json_api::account::{Endpoints, NoneOf, Off, Question, Quotas, TableQuestion};

/// Operations of the service that are not carried out: told apart from those that the service does not know either.
const ABSENT: [&str; 29] = [
    "CancelBulkOperation",
    "CreateBackup",
    "CreateGlobalTable",
    "DeleteBackup",
    "DeleteResourcePolicy",
    "DescribeBackup",
    "DescribeBulkOperation",
    "DescribeExport",
    "DescribeGlobalTable",
    "DescribeGlobalTableSettings",
    "DescribeImport",
    "DescribeTableReplicaAutoScaling",
    "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination",
    "ExportTableToPointInTime",
    "GetResourcePolicy",
    "ImportTable",
    "ListBulkOperations",
    "PutResourcePolicy",
    "RestoreTableFromBackup",
    "RestoreTableToPointInTime",
    "SearchVectors",
    "StartBulkPutItems",
    "UpdateContinuousBackups",
    "UpdateContributorInsights",
    "UpdateGlobalTable",
    "UpdateGlobalTableSettings",
    "UpdateKinesisStreamingDestination",
    "UpdateTableReplicaAutoScaling",
];

/// The operation that a header `X-Amz-Target` names, if it is one of those.
pub(super) fn absent(target: &str) -> Option<&'static str> {
    let name = target.strip_prefix("DynamoDB_20120810.")?;
    ABSENT.into_iter().find(|absent| *absent == name)
}

type Answer<T> = Result<T, Error>;

pub(super) async fn quotas(_: Database, _: &str, _: Question) -> Answer<Quotas> {
    Ok(Quotas)
}

pub(super) async fn endpoints(_: Database, host: &str, _: Question) -> Answer<Endpoints> {
    Ok(Endpoints {
        address: host.to_owned(),
    })
}

pub(super) async fn backups(_: Database, _: &str, _: Question) -> Answer<NoneOf> {
    Ok(NoneOf("BackupSummaries"))
}

pub(super) async fn contributor_insights(_: Database, _: &str, _: Question) -> Answer<NoneOf> {
    Ok(NoneOf("ContributorInsightsSummaries"))
}

pub(super) async fn exports(_: Database, _: &str, _: Question) -> Answer<NoneOf> {
    Ok(NoneOf("ExportSummaries"))
}

pub(super) async fn global_tables(_: Database, _: &str, _: Question) -> Answer<NoneOf> {
    Ok(NoneOf("GlobalTables"))
}

pub(super) async fn imports(_: Database, _: &str, _: Question) -> Answer<NoneOf> {
    Ok(NoneOf("ImportSummaryList"))
}

pub(super) async fn continuous_backups(
    database: Database,
    _: &str,
    question: TableQuestion,
) -> Answer<Off> {
    existing(&database, question).await?;
    Ok(Off::ContinuousBackups)
}

pub(super) async fn insights_of_table(
    database: Database,
    _: &str,
    question: TableQuestion,
) -> Answer<Off> {
    existing(&database, question)
        .await
        .map(Off::ContributorInsights)
}

pub(super) async fn kinesis_streaming(
    database: Database,
    _: &str,
    question: TableQuestion,
) -> Answer<Off> {
    existing(&database, question)
        .await
        .map(Off::KinesisStreaming)
}

async fn existing(database: &Database, question: TableQuestion) -> Answer<TableName> {
    let input = DescribeTableInput::new(question.table.as_str());
    database.describe_table(input).await?;
    Ok(question.table)
}

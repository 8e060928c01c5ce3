//! What tools ask about the account while they look after tables, and operations on what SealDB does not have.

use sealdb::model::TableName;
use sealdb::model::ops::{DescribeTableInput, ListTagsOfResourceInput};
use sealdb::{Database, Error, ErrorCode};
use sealdb_proto::json_api::account::{
    BackupQuestion, Endpoints, ExportQuestion, GlobalTableQuestion, ImportQuestion, NoneOf,
    Nothing, Off, PointInTimeQuestion, PolicyQuestion, Question, Quotas, RestoreQuestion,
    TableExportQuestion, TableQuestion,
};

use crate::dynamodb::dispatch::Failure;
use crate::dynamodb::exception::Exception;

/// Operations of the service that are not carried out: told apart from those that the service does not know either.
const ABSENT: [&str; 18] = [
    "CancelBulkOperation",
    "CreateBackup",
    "CreateGlobalTable",
    "DescribeBulkOperation",
    "DescribeTableReplicaAutoScaling",
    "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination",
    "ImportTable",
    "ListBulkOperations",
    "PutResourcePolicy",
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

type Answer<T> = Result<T, Failure>;

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
    let table = existing(&database, question).await?;
    Ok(Off::ContributorInsights(table))
}

pub(super) async fn kinesis_streaming(
    database: Database,
    _: &str,
    question: TableQuestion,
) -> Answer<Off> {
    let table = existing(&database, question).await?;
    Ok(Off::KinesisStreaming(table))
}

async fn existing(database: &Database, question: TableQuestion) -> Result<TableName, Error> {
    let input = DescribeTableInput::new(question.table.as_str());
    database.describe_table(input).await?;
    Ok(question.table)
}

/// What is asked for by name is not there: there is none of its kind.
fn none(code: ErrorCode, message: String) -> Answer<Nothing> {
    Err(Exception::new(code, message).into())
}

fn no_backup(arn: &str) -> Answer<Nothing> {
    let message = format!("Backup not found: {arn}");
    none(ErrorCode::BackupNotFoundException, message)
}

pub(super) async fn backup(_: Database, _: &str, question: BackupQuestion) -> Answer<Nothing> {
    no_backup(&question.name)
}

pub(super) async fn restore(_: Database, _: &str, question: RestoreQuestion) -> Answer<Nothing> {
    no_backup(&question.name)
}

pub(super) async fn export(_: Database, _: &str, question: ExportQuestion) -> Answer<Nothing> {
    let message = format!("Export not found: {}", question.name);
    none(ErrorCode::ExportNotFoundException, message)
}

pub(super) async fn import(_: Database, _: &str, question: ImportQuestion) -> Answer<Nothing> {
    let message = format!("Import not found: {}", question.name);
    none(ErrorCode::ImportNotFoundException, message)
}

pub(super) async fn global_table(
    _: Database,
    _: &str,
    question: GlobalTableQuestion,
) -> Answer<Nothing> {
    let message = format!(
        "Global table not found: Global table with name: '{}' does not exist.",
        question.name
    );
    none(ErrorCode::GlobalTableNotFoundException, message)
}

pub(super) async fn policy(
    database: Database,
    _: &str,
    question: PolicyQuestion,
) -> Answer<Nothing> {
    let message = format!(
        "Resource-based policy not found for the provided ResourceArn: {}",
        question.name
    );
    resource(&database, question).await?;
    none(ErrorCode::PolicyNotFoundException, message)
}

/// Deleting a policy that is not there is no failure.
pub(super) async fn delete_policy(
    database: Database,
    _: &str,
    question: PolicyQuestion,
) -> Answer<Nothing> {
    resource(&database, question).await?;
    Ok(Nothing)
}

/// The table that is called by its ARN is there.
async fn resource(database: &Database, question: PolicyQuestion) -> Result<(), Error> {
    let input = ListTagsOfResourceInput::new(question.name);
    database.list_tags_of_resource(input).await.map(drop)
}

pub(super) async fn export_table(
    database: Database,
    _: &str,
    question: TableExportQuestion,
) -> Answer<Nothing> {
    no_point_in_time(&database, question.name).await
}

pub(super) async fn point_in_time(
    database: Database,
    _: &str,
    question: PointInTimeQuestion,
) -> Answer<Nothing> {
    no_point_in_time(&database, question.name).await
}

/// No table has a point in time to go back to.
async fn no_point_in_time(database: &Database, table: String) -> Answer<Nothing> {
    let table = TableName::of_request(table).map_err(Error::from)?;
    let table = existing(database, TableQuestion { table }).await?;
    let message = format!("Point in time recovery is not enabled for table '{table}'");
    none(ErrorCode::PointInTimeRecoveryUnavailableException, message)
}

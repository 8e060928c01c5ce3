//! What the service tells of the account, where there is none here: quotas, endpoints, and features that SealDB does not have.
//!
//! Tools ask for these while they look after tables. They get the truth: that there is nothing.

use sealdb_model::{TableName, ValidationError};

use super::fields::Fields;
use super::shape::{NAME, Shape, Structure, TABLE, optional, required};
use super::tags::RESOURCE;
use super::write::{Object, object};
use super::{Request, Response};

/// A request that says nothing, or nothing that could matter here.
#[derive(Clone, Copy, Debug)]
pub struct Question;

impl Request for Question {
    const SHAPE: &'static Structure = &Structure {
        name: "Question",
        members: &[],
    };

    fn read(_: &mut Fields) -> Result<Self, ValidationError> {
        Ok(Question)
    }
}

/// A request about a table.
#[derive(Clone, Debug)]
pub struct TableQuestion {
    /// The table.
    pub table: TableName,
}

impl Request for TableQuestion {
    const SHAPE: &'static Structure = &Structure {
        name: "TableQuestion",
        members: &[TABLE],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        Ok(TableQuestion {
            table: TableName::of_request(fields.required_text("TableName"))?,
        })
    }
}

static ARN: Shape = Shape::text(37, 1024);
static TABLE_ARN: Shape = Shape::text(1, 1024);
static BUCKET: Shape = Shape::text(0, 255);

/// Requests about something that one of their members names.
macro_rules! named {
    ($($(#[$doc:meta])* $name:ident, [$($member:literal),+]: [$($members:expr),*];)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// The name, or ARN.
            pub name: String,
        }

        impl Request for $name {
            const SHAPE: &'static Structure = &Structure {
                name: stringify!($name),
                members: &[$($members),*],
            };

            fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
                let name = [$($member),+].into_iter().find_map(|member| fields.text(member));
                fields.pass_over();
                Ok($name {
                    name: name.unwrap_or_default(),
                })
            }
        }
    )*};
}

named! {
    /// DescribeBackup and DeleteBackup.
    BackupQuestion, ["BackupArn"]: [required("BackupArn", &ARN)];
    /// RestoreTableFromBackup.
    RestoreQuestion, ["BackupArn"]: [required("BackupArn", &ARN), required("TargetTableName", &NAME)];
    /// DescribeExport.
    ExportQuestion, ["ExportArn"]: [required("ExportArn", &ARN)];
    /// DescribeImport.
    ImportQuestion, ["ImportArn"]: [required("ImportArn", &ARN)];
    /// DescribeGlobalTable and DescribeGlobalTableSettings.
    GlobalTableQuestion, ["GlobalTableName"]: [required("GlobalTableName", &NAME)];
    /// GetResourcePolicy and DeleteResourcePolicy.
    PolicyQuestion, ["ResourceArn"]: [RESOURCE];
    /// ExportTableToPointInTime.
    TableExportQuestion, ["TableArn"]: [required("TableArn", &TABLE_ARN), required("S3Bucket", &BUCKET)];
    /// RestoreTableToPointInTime.
    PointInTimeQuestion, ["SourceTableArn", "SourceTableName"]: [
        optional("SourceTableArn", &TABLE_ARN),
        optional("SourceTableName", &NAME),
        required("TargetTableName", &NAME)
    ];
}

/// An answer without members.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Response for Nothing {
    fn write(&self, _: &mut Object<'_>) {}
}

/// What DescribeLimits answers: the quotas of a new account. Nothing is limited by them.
#[derive(Clone, Copy, Debug)]
pub struct Quotas;

impl Response for Quotas {
    fn write(&self, out: &mut Object<'_>) {
        out.number("AccountMaxReadCapacityUnits", 80_000);
        out.number("AccountMaxWriteCapacityUnits", 80_000);
        out.number("TableMaxReadCapacityUnits", 40_000);
        out.number("TableMaxWriteCapacityUnits", 40_000);
    }
}

/// What DescribeEndpoints answers: where the caller is already.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Host, and maybe port.
    pub address: String,
}

impl Response for Endpoints {
    fn write(&self, out: &mut Object<'_>) {
        out.list("Endpoints", [&self.address], |out, address| {
            object(out, |out| {
                out.text("Address", address);
                out.number("CachePeriodInMinutes", 1440);
            });
        });
    }
}

/// A list of which there is nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoneOf(pub &'static str);

impl Response for NoneOf {
    fn write(&self, out: &mut Object<'_>) {
        out.list(self.0, [(); 0], |_, ()| {});
    }
}

/// What is switched off for a table.
#[derive(Clone, Debug)]
pub enum Off {
    /// DescribeContinuousBackups.
    ContinuousBackups,
    /// DescribeContributorInsights.
    ContributorInsights(TableName),
    /// DescribeKinesisStreamingDestination.
    KinesisStreaming(TableName),
}

impl Response for Off {
    fn write(&self, out: &mut Object<'_>) {
        const DISABLED: &str = "DISABLED";
        match self {
            Off::ContinuousBackups => out.object("ContinuousBackupsDescription", |out| {
                out.text("ContinuousBackupsStatus", DISABLED);
                out.object("PointInTimeRecoveryDescription", |out| {
                    out.text("PointInTimeRecoveryStatus", DISABLED);
                });
            }),
            Off::ContributorInsights(table) => {
                out.text("TableName", table.as_str());
                out.text("ContributorInsightsStatus", DISABLED);
            }
            Off::KinesisStreaming(table) => {
                out.text("TableName", table.as_str());
                NoneOf("KinesisDataStreamDestinations").write(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::render;
    use super::super::tests::{read, validation};
    use super::*;

    #[test]
    fn the_truth_is_that_there_is_nothing() {
        let text = |body: Vec<u8>| String::from_utf8(body).unwrap();
        assert_eq!(
            text(render(&NoneOf("BackupSummaries"))),
            r#"{"BackupSummaries":[]}"#
        );
        let table = read::<TableQuestion>(r#"{"TableName": "abc", "IndexName": "x"}"#);
        assert_eq!(
            text(render(&Off::KinesisStreaming(table.unwrap().table))),
            r#"{"TableName":"abc","KinesisDataStreamDestinations":[]}"#
        );
        assert_eq!(
            text(render(&Off::ContinuousBackups)),
            r#"{"ContinuousBackupsDescription":{"ContinuousBackupsStatus":"DISABLED","PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"DISABLED"}}}"#
        );
        let endpoints = Endpoints {
            address: "localhost:8000".to_owned(),
        };
        assert_eq!(
            text(render(&endpoints)),
            r#"{"Endpoints":[{"Address":"localhost:8000","CachePeriodInMinutes":1440}]}"#
        );
        let source = r#"{"SourceTableName": "abc", "TargetTableName": "def", "UseLatestRestorableTime": true}"#;
        assert_eq!(read::<PointInTimeQuestion>(source).unwrap().name, "abc");
        assert!(validation::<BackupQuestion>("{}").contains("'backupArn'"));
        assert!(validation::<TableQuestion>(r#"{"TableName": "a"}"#).contains("at least 3"));
        assert!(read::<Question>(r#"{"Limit": 5}"#).is_ok());
    }
}

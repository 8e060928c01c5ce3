//! Streams: what a table is asked for, and how streams, shards and records are named.
//!
//! A table has at most one stream that takes records; one that was disabled can be read until its records are too old. A stream has one
//! shard, which takes records for as long as the stream does.

use std::fmt;

use crate::error::ValidationError;
use crate::names::TableName;
use crate::ops::wire_enum;

/// How long records are kept, in milliseconds: 24 hours. A disabled stream is gone after the same time.
pub const STREAM_RETENTION_MS: u64 = 24 * 60 * 60 * 1000;

wire_enum! {
    /// What a record shows of its item.
    StreamViewType {
        /// Its key.
        KeysOnly = "KEYS_ONLY",
        /// The item after the change.
        NewImage = "NEW_IMAGE",
        /// The item before the change.
        OldImage = "OLD_IMAGE",
        /// Both.
        NewAndOldImages = "NEW_AND_OLD_IMAGES",
    }
}

impl StreamViewType {
    /// Whether records show the item before the change.
    pub fn shows_old(self) -> bool {
        matches!(self, Self::OldImage | Self::NewAndOldImages)
    }

    /// Whether records show the item after the change.
    pub fn shows_new(self) -> bool {
        matches!(self, Self::NewImage | Self::NewAndOldImages)
    }
}

wire_enum! {
    /// The state of a stream.
    StreamStatus {
        /// Being switched on.
        Enabling = "ENABLING",
        /// It takes records.
        Enabled = "ENABLED",
        /// Being switched off.
        Disabling = "DISABLING",
        /// It takes no more records, and can still be read.
        Disabled = "DISABLED",
    }
}

/// What a table is asked for about its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSpecification {
    /// Whether there is to be one.
    pub stream_enabled: bool,
    /// What its records show: with a stream only.
    pub stream_view_type: Option<StreamViewType>,
}

impl StreamSpecification {
    /// A stream with this view.
    pub fn enabled(view: StreamViewType) -> Self {
        Self {
            stream_enabled: true,
            stream_view_type: Some(view),
        }
    }

    /// No stream.
    pub fn disabled() -> Self {
        Self {
            stream_enabled: false,
            stream_view_type: None,
        }
    }

    /// The view of a new table's stream.
    pub(super) fn for_new_table(self) -> Result<Option<StreamViewType>, ValidationError> {
        match (self.stream_enabled, self.stream_view_type) {
            (true, None) => Err(ValidationError::invalid_parameter(
                "Table is being created with a stream enabled, UpdateViewType is required",
            )),
            (false, Some(_)) => Err(ValidationError::invalid_parameter(
                "Table is being created with a stream disabled, UpdateViewType should not be specified",
            )),
            (_, view) => Ok(view),
        }
    }

    /// What is to become of the stream of a table that there is.
    pub(super) fn for_table(self) -> Result<StreamChange, ValidationError> {
        match (self.stream_enabled, self.stream_view_type) {
            (true, None) => Err(ValidationError::invalid_parameter(
                "If stream is being enabled then UpdateViewType is required",
            )),
            (false, Some(_)) => Err(ValidationError::invalid_parameter(
                "If stream is being disabled, then UpdateViewType must not be specified",
            )),
            (true, Some(view)) => Ok(StreamChange::Enable(view)),
            (false, None) => Ok(StreamChange::Disable),
        }
    }
}

/// What is to become of a table's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamChange {
    /// A new one begins.
    Enable(StreamViewType),
    /// The one that there is takes no more records.
    Disable,
}

impl StreamChange {
    /// Whether it fits what the table has now.
    ///
    /// # Errors
    /// AWS's messages for what is already so.
    pub fn fits(self, table: &TableName, enabled: bool) -> Result<(), ValidationError> {
        match (self, enabled) {
            (StreamChange::Enable(_), true) => Err(ValidationError::new(format!(
                "Table already has an enabled stream: TableName: {table}"
            ))),
            (StreamChange::Disable, false) => Err(ValidationError::new(format!(
                "Table has no stream to disable: TableName: {table}"
            ))),
            _ => Ok(()),
        }
    }
}

/// The ARN of a table. Region and account are nobody's: names of tables are all that tells them apart here.
pub fn table_arn(table: &str) -> String {
    format!("{TABLES}{table}")
}

const TABLES: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/";

/// The region that records name.
pub(super) const REGION: &str = "us-east-1";

/// Which stream: the table and the label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamArn {
    /// The table.
    pub table: TableName,
    /// When the stream was enabled, as the service writes it: `2015-05-20T20:51:10.252`.
    pub label: String,
}

/// Lengths of an ARN that the service takes.
pub(super) const ARN_LENGTH: (usize, usize) = (37, 1024);

impl StreamArn {
    /// Reads an ARN.
    ///
    /// # Errors
    /// If it is none of a stream.
    pub fn parse(arn: &str) -> Result<Self, ValidationError> {
        let parts = arn
            .split_once(":table/")
            .filter(|(head, _)| head.starts_with("arn:") && head.matches(':').count() == 4)
            .and_then(|(_, resource)| resource.split_once("/stream/"));
        match parts.map(|(table, label)| (TableName::new(table), label)) {
            Some((Ok(table), label)) if !label.is_empty() => Ok(Self {
                table,
                label: label.to_owned(),
            }),
            _ => Err(ValidationError::new("Invalid StreamArn")),
        }
    }
}

/// The table that a stream's ARN names, or an iterator, which begins with one. For logs: nothing is checked.
pub fn table_of_stream(arn: &str) -> &str {
    let resource = arn.split_once(":table/").map(|(_, resource)| resource);
    resource
        .and_then(|resource| resource.split_once('/'))
        .map_or("", |(table, _)| table)
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TABLES}{}/stream/{}", self.table, self.label)
    }
}

/// The number of a record: 21 decimal digits, which sort as the commits that they are of. Records of one commit follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    /// Which commit.
    pub commit: u64,
    /// Which record of it.
    pub record: u32,
}

impl SequenceNumber {
    /// More records than this no commit has: six digits number them.
    pub const MAX_RECORDS: usize = 1_000_000;
    /// Digits of a number. The first is always 1.
    pub const DIGITS: usize = 21;

    /// The first record of a commit.
    pub fn first_of(commit: u64) -> Self {
        Self { commit, record: 0 }
    }

    /// What comes right after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            record: self.record.saturating_add(1),
            ..self
        }
    }

    /// Reads a number as it is displayed.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, ValidationError> {
        let digits = text
            .strip_prefix('1')
            .filter(|rest| {
                rest.len() == Self::DIGITS - 1 && rest.bytes().all(|b| b.is_ascii_digit())
            })
            .and_then(|rest| rest.split_at_checked(14));
        match digits.map(|(commit, record)| (commit.parse(), record.parse())) {
            Some((Ok(commit), Ok(record))) => Ok(Self { commit, record }),
            _ => Err(ValidationError::new("Invalid SequenceNumber")),
        }
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1{:014}{:06}", self.commit, self.record)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_view_is_given_with_a_stream_only() {
        let view = StreamViewType::NewImage;
        let (on, off) = (
            StreamSpecification::enabled(view),
            StreamSpecification::disabled(),
        );
        assert_eq!(on.for_new_table(), Ok(Some(view)));
        assert_eq!(off.for_new_table(), Ok(None));
        assert_eq!(on.for_table(), Ok(StreamChange::Enable(view)));
        assert_eq!(off.for_table(), Ok(StreamChange::Disable));
        let without = StreamSpecification {
            stream_view_type: None,
            ..on
        };
        let with = StreamSpecification {
            stream_view_type: Some(view),
            ..off
        };
        assert_eq!(
            without.for_new_table().unwrap_err().message(),
            "One or more parameter values were invalid: Table is being created with a stream enabled, UpdateViewType is required"
        );
        assert_eq!(
            with.for_new_table().unwrap_err().message(),
            "One or more parameter values were invalid: Table is being created with a stream disabled, UpdateViewType should not be \
             specified"
        );
        assert_eq!(
            without.for_table().unwrap_err().message(),
            "One or more parameter values were invalid: If stream is being enabled then UpdateViewType is required"
        );
        assert_eq!(
            with.for_table().unwrap_err().message(),
            "One or more parameter values were invalid: If stream is being disabled, then UpdateViewType must not be specified"
        );
    }

    #[test]
    fn what_is_so_already_is_refused_as_aws_does() {
        let films = TableName::new("films").unwrap();
        let enable = StreamChange::Enable(StreamViewType::KeysOnly);
        assert_eq!(
            enable.fits(&films, true).unwrap_err().message(),
            "Table already has an enabled stream: TableName: films"
        );
        assert_eq!(
            StreamChange::Disable
                .fits(&films, false)
                .unwrap_err()
                .message(),
            "Table has no stream to disable: TableName: films"
        );
        assert!(
            enable.fits(&films, false).is_ok() && StreamChange::Disable.fits(&films, true).is_ok()
        );
    }

    #[test]
    fn an_arn_leads_to_its_stream() {
        let arn = StreamArn {
            table: TableName::new("films").unwrap(),
            label: "2015-05-20T20:51:10.252".into(),
        };
        assert_eq!(StreamArn::parse(&arn.to_string()).unwrap(), arn);
        assert_eq!(table_of_stream(&format!("{arn}|1|00")), "films");
        assert_eq!(table_of_stream("films"), "");
        for other in [
            "",
            "films",
            "arn:aws:dynamodb:us-east-1:000000000000:table/films",
            "arn:aws:dynamodb:us-east-1:000000000000:table/films/stream/",
            "arn:aws:dynamodb:us-east-1:000000000000:table/a b c/stream/2015-05-20T20:51:10.252",
            "arn:aws:table/films/stream/2015-05-20T20:51:10.252",
        ] {
            assert_eq!(
                StreamArn::parse(other).unwrap_err().message(),
                "Invalid StreamArn",
                "{other}"
            );
        }
    }

    #[test]
    fn numbers_have_one_width_and_sort_as_their_commits() {
        let number = |commit, record| SequenceNumber { commit, record };
        let sorted = [
            number(0, 0),
            number(1, 0),
            number(1, 1),
            number(1, 999_999),
            number(2, 0),
            number(99_999_999_999_999, 7),
        ];
        let texts = sorted.map(|number| number.to_string());
        assert!(
            texts.is_sorted()
                && texts
                    .iter()
                    .all(|text| text.len() == SequenceNumber::DIGITS)
        );
        for (number, text) in sorted.iter().zip(&texts) {
            assert_eq!(SequenceNumber::parse(text).as_ref(), Ok(number));
        }
        for other in [
            "",
            "1",
            "200000000000000000000",
            "1000000000000000000000",
            "10000000000000000000x",
        ] {
            assert!(SequenceNumber::parse(other).is_err(), "{other}");
        }
    }
}

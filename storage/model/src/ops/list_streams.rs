//! ListStreams: the streams of a table, or of all, a page at a time.

use crate::error::{Constraints, ValidationError};
use crate::names::TableName;
use crate::ops::setters;
use crate::ops::stream::StreamArn;

/// Most streams of one page, and the default; shards of a description likewise.
pub const MAX_STREAMS_PER_PAGE: usize = 100;

/// What ListStreams takes.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStreamsInput {
    /// The table whose streams are asked for. Absent: all tables.
    pub table_name: Option<String>,
    /// Most streams to give, 1 to 100. Default: 100.
    pub limit: Option<i32>,
    /// The stream after which the page begins.
    pub exclusive_start_stream_arn: Option<String>,
}

impl ListStreamsInput {
    /// The first page of all streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// A bad name, limit or ARN.
    pub fn validate(self) -> Result<ListStreams, ValidationError> {
        let limit = limit(self.limit)?;
        let after = self.exclusive_start_stream_arn;
        Ok(ListStreams {
            table: self.table_name.map(TableName::new).transpose()?,
            limit,
            after: after.map(|arn| StreamArn::parse(&arn)).transpose()?,
        })
    }
}

/// A limit of 1 to 100.
pub(super) fn limit(limit: Option<i32>) -> Result<usize, ValidationError> {
    let Some(limit) = limit else {
        return Ok(MAX_STREAMS_PER_PAGE);
    };
    let mut constraints = Constraints::default();
    constraints.at_least(limit.into(), 1, "limit");
    constraints.at_most(limit.into(), MAX_STREAMS_PER_PAGE as i64, "limit");
    constraints.finish()?;
    Ok(usize::try_from(limit).unwrap_or(MAX_STREAMS_PER_PAGE))
}

setters! { ListStreamsInput {
    /// Sets the table whose streams are asked for.
    table_name: String => Some,
    /// Sets the most streams to give.
    limit: i32 => Some,
    /// Sets the stream after which the page begins.
    exclusive_start_stream_arn: String => Some,
}}

/// A ListStreams that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListStreams {
    /// Only the streams of this table.
    pub table: Option<TableName>,
    /// Most streams to give.
    pub limit: usize,
    /// The page begins after this stream.
    pub after: Option<StreamArn>,
}

/// What ListStreams gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStreamsOutput {
    /// The streams, by table and then by age, the oldest first.
    pub streams: Vec<StreamArn>,
    /// The last stream of this page, if there are more.
    pub last_evaluated_stream_arn: Option<String>,
}

impl ListStreamsOutput {
    /// A page of streams.
    pub fn new(streams: Vec<StreamArn>, last_evaluated_stream_arn: Option<String>) -> Self {
        Self {
            streams,
            last_evaluated_stream_arn,
        }
    }
}

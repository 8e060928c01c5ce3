//! DescribeStream: what a stream is, and its shard.

use crate::error::{Constraints, ValidationError};
use crate::names::shortened;
use crate::ops::list_streams::limit;
use crate::ops::stream::{ARN_LENGTH, StreamArn, StreamStatus, StreamViewType};
use crate::ops::{KeySchemaElement, setters, wire_enum};

/// Lengths of a shard's id that the service takes.
const SHARD_ID_LENGTH: (usize, usize) = (28, 65);

wire_enum! {
    /// Which shards are asked for.
    ShardFilterType {
        /// Those that took over from the shard that is named.
        ChildShards = "CHILD_SHARDS",
    }
}

/// Asks for some of the shards only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardFilter {
    /// Which.
    pub filter_type: ShardFilterType,
    /// Of which.
    pub shard_id: String,
}

/// What DescribeStream takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeStreamInput {
    /// The stream.
    pub stream_arn: String,
    /// Most shards to give, 1 to 100. Default: 100.
    pub limit: Option<i32>,
    /// The shard after which the page begins.
    pub exclusive_start_shard_id: Option<String>,
    /// Which shards are asked for. Absent: all.
    pub shard_filter: Option<ShardFilter>,
}

impl DescribeStreamInput {
    /// Describes this stream.
    pub fn new(stream_arn: impl Into<String>) -> Self {
        Self {
            stream_arn: stream_arn.into(),
            limit: None,
            exclusive_start_shard_id: None,
            shard_filter: None,
        }
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// A bad ARN, limit or id.
    pub fn validate(self) -> Result<DescribeStream, ValidationError> {
        let mut constraints = Constraints::default();
        check_arn(&self.stream_arn, &mut constraints);
        let filter = self.shard_filter.as_ref().map(|filter| &filter.shard_id);
        for (id, at) in [
            (
                self.exclusive_start_shard_id.as_ref(),
                "exclusiveStartShardId",
            ),
            (filter, "shardFilter.shardId"),
        ] {
            if let Some(id) = id {
                check_shard_id(id, at, &mut constraints);
            }
        }
        constraints.finish()?;
        limit(self.limit)?;
        Ok(DescribeStream {
            stream: StreamArn::parse(&self.stream_arn)?,
            after: self.exclusive_start_shard_id,
            children_of: self.shard_filter.map(|filter| filter.shard_id),
        })
    }
}

/// Notes what is wrong with the length of an ARN.
pub(super) fn check_arn(arn: &str, constraints: &mut Constraints) {
    let (min, max) = ARN_LENGTH;
    constraints.length(arn.len(), min, max, shortened(arn), "streamArn");
}

/// Notes what is wrong with the length of a shard's id.
pub(super) fn check_shard_id(id: &str, at: &str, constraints: &mut Constraints) {
    let (min, max) = SHARD_ID_LENGTH;
    constraints.length(id.len(), min, max, shortened(id), at);
}

setters! { DescribeStreamInput {
    /// Sets the most shards to give.
    limit: i32 => Some,
    /// Sets the shard after which the page begins.
    exclusive_start_shard_id: String => Some,
    /// Sets which shards are asked for.
    shard_filter: ShardFilter => Some,
}}

/// A DescribeStream that follows the rules. There is one shard, so the limit says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeStream {
    /// The stream.
    pub stream: StreamArn,
    /// The page begins after this shard.
    pub after: Option<String>,
    /// Only the shards that took over from this one.
    pub children_of: Option<String>,
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub shard_id: String,
    /// The lowest number that a record in it can have.
    pub starting_sequence_number: String,
    /// The number of its last record, if it takes no more.
    pub ending_sequence_number: Option<String>,
}

/// A stream, described.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamDescription {
    /// The stream.
    pub stream: StreamArn,
    /// Its state.
    pub stream_status: StreamStatus,
    /// What its records show.
    pub stream_view_type: StreamViewType,
    /// When it was enabled, in milliseconds since 1970.
    pub creation_request_date_time: u64,
    /// The key of its table.
    pub key_schema: Vec<KeySchemaElement>,
    /// Its shards.
    pub shards: Vec<Shard>,
}

impl StreamDescription {
    /// A stream that takes records, without shards yet; set what differs.
    pub fn new(stream: StreamArn, stream_view_type: StreamViewType) -> Self {
        Self {
            stream,
            stream_status: StreamStatus::Enabled,
            stream_view_type,
            creation_request_date_time: 0,
            key_schema: Vec::new(),
            shards: Vec::new(),
        }
    }
}

/// What DescribeStream gives back.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeStreamOutput {
    /// The stream.
    pub stream_description: StreamDescription,
}

impl DescribeStreamOutput {
    /// An output with this description.
    pub fn new(stream_description: StreamDescription) -> Self {
        Self { stream_description }
    }
}

//! GetRecords: the records of a shard from an iterator on.

use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::map::{Item, Map};
use crate::ops::shard_iterator::ShardIterator;
use crate::ops::stream::{REGION, SequenceNumber, StreamViewType};
use crate::ops::{setters, wire_enum};
use crate::size::item_size;

/// Most records of one page, and the default. They are also no more than 1 MB together.
pub const MAX_RECORDS_PER_PAGE: usize = 1000;

wire_enum! {
    /// What happened to an item.
    OperationType {
        /// It was made.
        Insert = "INSERT",
        /// It was changed.
        Modify = "MODIFY",
        /// It was deleted.
        Remove = "REMOVE",
    }
}

/// What GetRecords takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetRecordsInput {
    /// Where to read.
    pub shard_iterator: String,
    /// Most records to give, 1 to 1000. Default: 1000.
    pub limit: Option<i32>,
}

impl GetRecordsInput {
    /// Reads there.
    pub fn new(shard_iterator: impl Into<String>) -> Self {
        Self {
            shard_iterator: shard_iterator.into(),
            limit: None,
        }
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// A bad iterator or limit.
    pub fn validate(self) -> Result<GetRecords, ValidationError> {
        let most = MAX_RECORDS_PER_PAGE;
        let mut constraints = Constraints::default();
        let (len, at) = (self.shard_iterator.len(), "shardIterator");
        constraints.length(len, 1, 2048, "", at);
        if let Some(limit) = self.limit {
            constraints.at_least(limit.into(), 1, "limit");
            constraints.at_most(limit.into(), most as i64, "limit");
        }
        constraints.finish()?;
        let limit = self.limit.and_then(|limit| usize::try_from(limit).ok());
        Ok(GetRecords {
            iterator: ShardIterator::parse(&self.shard_iterator)?,
            limit: limit.unwrap_or(most),
        })
    }
}

setters! { GetRecordsInput {
    /// Sets the most records to give.
    limit: i32 => Some,
}}

/// A GetRecords that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetRecords {
    /// Where to read.
    pub iterator: ShardIterator,
    /// Most records to give.
    pub limit: usize,
}

/// Who changed an item, if it was not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `Service`.
    pub kind: &'static str,
    /// `dynamodb.amazonaws.com`.
    pub principal_id: &'static str,
}

impl Identity {
    /// The database itself: the item's time had come.
    pub const TIME_TO_LIVE: Identity = Identity {
        kind: "Service",
        principal_id: "dynamodb.amazonaws.com",
    };
}

/// One change of one item.
#[derive(Clone, PartialEq)]
pub struct StreamRecord {
    /// When, in milliseconds since 1970; the service's wire formats tell whole seconds.
    pub approximate_creation_date_time: u64,
    /// The item's key.
    pub keys: Map,
    /// The item after the change, if the view shows it and there is one.
    pub new_image: Option<Item>,
    /// The item before the change, likewise.
    pub old_image: Option<Item>,
    /// The record's number.
    pub sequence_number: SequenceNumber,
    /// What the record shows.
    pub stream_view_type: StreamViewType,
}

impl StreamRecord {
    /// The record's size by AWS's rules.
    pub fn size_bytes(&self) -> usize {
        let image = |image: &Option<Item>| image.as_ref().map_or(0, item_size);
        item_size(&self.keys) + image(&self.new_image) + image(&self.old_image)
    }
}

/// The number; keys and items stay out of logs.
impl fmt::Debug for StreamRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamRecord({})", self.sequence_number)
    }
}

/// A record and what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Tells the record from all others.
    pub event_id: String,
    /// What happened.
    pub event_name: OperationType,
    /// The change.
    pub dynamodb: StreamRecord,
    /// Who did it, if it was not a request.
    pub user_identity: Option<Identity>,
}

impl Record {
    /// The version of a record's shape.
    pub const VERSION: &'static str = "1.1";
    /// The service that records come from.
    pub const SOURCE: &'static str = "aws:dynamodb";
    /// The region that records name.
    pub const REGION: &'static str = REGION;
}

/// What GetRecords gives back.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetRecordsOutput {
    /// The records, in order.
    pub records: Vec<Record>,
    /// Where to go on. Absent: the shard takes no more records, and all have been given.
    pub next_shard_iterator: Option<String>,
}

impl GetRecordsOutput {
    /// A page of records.
    pub fn new(records: Vec<Record>, next_shard_iterator: Option<String>) -> Self {
        Self {
            records,
            next_shard_iterator,
        }
    }
}

//! Streams and their records.

use sealdb_model::ops::{self, SequenceNumber, StreamArn};

use crate::convert::WireError;
use crate::convert::field::{Field, Message, enums, same_fields};
use crate::v1;

enums!(
    ops::StreamViewType,
    v1::StreamViewType {
        KeysOnly,
        NewImage,
        OldImage,
        NewAndOldImages
    }
);
enums!(
    ops::StreamStatus,
    v1::StreamStatus {
        Enabling,
        Enabled,
        Disabling,
        Disabled
    }
);
enums!(ops::ShardFilterType, v1::ShardFilterType { ChildShards });
enums!(
    ops::ShardIteratorType,
    v1::ShardIteratorType {
        TrimHorizon,
        Latest,
        AtSequenceNumber,
        AfterSequenceNumber
    }
);
enums!(
    ops::OperationType,
    v1::OperationType {
        Insert,
        Modify,
        Remove
    }
);

/// What stands in a message as it is displayed.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Field<String> for $type {
            fn to_wire(self) -> String {
                self.to_string()
            }

            fn from_wire(wire: String, name: &str) -> Result<Self, WireError> {
                Self::parse(&wire).map_err(|error| WireError::here(error.message()).under(name))
            }
        }
    )*};
}
as_text!(SequenceNumber, StreamArn);

impl Message for ops::StreamSpecification {
    type Wire = v1::StreamSpecification;
}

impl From<ops::StreamSpecification> for v1::StreamSpecification {
    fn from(stream: ops::StreamSpecification) -> Self {
        Self {
            stream_enabled: stream.stream_enabled,
            stream_view_type: stream.stream_view_type.to_wire(),
        }
    }
}

impl TryFrom<v1::StreamSpecification> for ops::StreamSpecification {
    type Error = WireError;

    fn try_from(stream: v1::StreamSpecification) -> Result<Self, WireError> {
        Ok(Self {
            stream_enabled: stream.stream_enabled,
            stream_view_type: Field::from_wire(stream.stream_view_type, "stream_view_type")?,
        })
    }
}

same_fields!(
    ops::ListStreamsInput,
    v1::ListStreamsRequest,
    new(),
    table_name,
    limit,
    exclusive_start_stream_arn
);

impl From<ops::ListStreamsOutput> for v1::ListStreamsResponse {
    fn from(output: ops::ListStreamsOutput) -> Self {
        Self {
            stream_arns: output.streams.iter().map(ToString::to_string).collect(),
            last_evaluated_stream_arn: output.last_evaluated_stream_arn,
        }
    }
}

impl TryFrom<v1::ListStreamsResponse> for ops::ListStreamsOutput {
    type Error = WireError;

    fn try_from(response: v1::ListStreamsResponse) -> Result<Self, WireError> {
        let arns = response.stream_arns.into_iter();
        let streams = arns.map(|arn| Field::from_wire(arn, "stream_arns"));
        Ok(Self::new(
            streams.collect::<Result<_, _>>()?,
            response.last_evaluated_stream_arn,
        ))
    }
}

impl Message for ops::ShardFilter {
    type Wire = v1::ShardFilter;
}

impl From<ops::ShardFilter> for v1::ShardFilter {
    fn from(filter: ops::ShardFilter) -> Self {
        Self {
            filter_type: filter.filter_type.to_wire(),
            shard_id: filter.shard_id,
        }
    }
}

impl TryFrom<v1::ShardFilter> for ops::ShardFilter {
    type Error = WireError;

    fn try_from(filter: v1::ShardFilter) -> Result<Self, WireError> {
        Ok(Self {
            filter_type: Field::from_wire(filter.filter_type, "filter_type")?,
            shard_id: filter.shard_id,
        })
    }
}

same_fields!(
    ops::DescribeStreamInput, v1::DescribeStreamRequest,
    new(stream_arn: String), limit, exclusive_start_shard_id, shard_filter
);

impl Message for ops::Shard {
    type Wire = v1::Shard;
}

impl From<ops::Shard> for v1::Shard {
    fn from(shard: ops::Shard) -> Self {
        Self {
            shard_id: shard.shard_id,
            starting_sequence_number: shard.starting_sequence_number,
            ending_sequence_number: shard.ending_sequence_number,
        }
    }
}

impl TryFrom<v1::Shard> for ops::Shard {
    type Error = WireError;

    fn try_from(shard: v1::Shard) -> Result<Self, WireError> {
        Ok(Self {
            shard_id: shard.shard_id,
            starting_sequence_number: shard.starting_sequence_number,
            ending_sequence_number: shard.ending_sequence_number,
        })
    }
}

impl Message for ops::StreamDescription {
    type Wire = v1::StreamDescription;
}

impl From<ops::StreamDescription> for v1::StreamDescription {
    fn from(stream: ops::StreamDescription) -> Self {
        Self {
            stream_arn: stream.stream.to_wire(),
            stream_status: stream.stream_status.to_wire(),
            stream_view_type: stream.stream_view_type.to_wire(),
            creation_request_date_time_ms: stream.creation_request_date_time,
            key_schema: stream.key_schema.to_wire(),
            shards: stream.shards.to_wire(),
        }
    }
}

impl TryFrom<v1::StreamDescription> for ops::StreamDescription {
    type Error = WireError;

    fn try_from(stream: v1::StreamDescription) -> Result<Self, WireError> {
        let arn = Field::from_wire(stream.stream_arn, "stream_arn")?;
        let view = Field::from_wire(stream.stream_view_type, "stream_view_type")?;
        let mut model = Self::new(arn, view);
        model.stream_status = Field::from_wire(stream.stream_status, "stream_status")?;
        model.creation_request_date_time = stream.creation_request_date_time_ms;
        model.key_schema = Field::from_wire(stream.key_schema, "key_schema")?;
        model.shards = Field::from_wire(stream.shards, "shards")?;
        Ok(model)
    }
}

same_fields!(
    ops::DescribeStreamOutput, v1::DescribeStreamResponse,
    new(stream_description: ops::StreamDescription)
);
same_fields!(
    ops::GetShardIteratorInput, v1::GetShardIteratorRequest,
    new(stream_arn: String, shard_id: String, shard_iterator_type: ops::ShardIteratorType),
    sequence_number
);
same_fields!(
    ops::GetShardIteratorOutput, v1::GetShardIteratorResponse,
    new(shard_iterator: String)
);
same_fields!(
    ops::GetRecordsInput, v1::GetRecordsRequest,
    new(shard_iterator: String), limit
);

impl Message for ops::StreamRecord {
    type Wire = v1::StreamRecord;
}

impl From<ops::StreamRecord> for v1::StreamRecord {
    fn from(record: ops::StreamRecord) -> Self {
        Self {
            approximate_creation_date_time_ms: record.approximate_creation_date_time,
            keys: record.keys.to_wire(),
            new_image: record.new_image.to_wire(),
            old_image: record.old_image.to_wire(),
            sequence_number: record.sequence_number.to_wire(),
            stream_view_type: record.stream_view_type.to_wire(),
        }
    }
}

impl TryFrom<v1::StreamRecord> for ops::StreamRecord {
    type Error = WireError;

    fn try_from(record: v1::StreamRecord) -> Result<Self, WireError> {
        Ok(Self {
            approximate_creation_date_time: record.approximate_creation_date_time_ms,
            keys: Field::from_wire(record.keys, "keys")?,
            new_image: Field::from_wire(record.new_image, "new_image")?,
            old_image: Field::from_wire(record.old_image, "old_image")?,
            sequence_number: Field::from_wire(record.sequence_number, "sequence_number")?,
            stream_view_type: Field::from_wire(record.stream_view_type, "stream_view_type")?,
        })
    }
}

impl Message for ops::Record {
    type Wire = v1::Record;
}

impl From<ops::Record> for v1::Record {
    fn from(record: ops::Record) -> Self {
        Self {
            event_id: record.event_id,
            event_name: record.event_name.to_wire(),
            dynamodb: record.dynamodb.to_wire(),
            expired: record.user_identity.is_some(),
        }
    }
}

impl TryFrom<v1::Record> for ops::Record {
    type Error = WireError;

    fn try_from(record: v1::Record) -> Result<Self, WireError> {
        Ok(Self {
            event_id: record.event_id,
            event_name: Field::from_wire(record.event_name, "event_name")?,
            dynamodb: Field::from_wire(record.dynamodb, "dynamodb")?,
            user_identity: record.expired.then_some(ops::Identity::TIME_TO_LIVE),
        })
    }
}

same_fields!(
    ops::GetRecordsOutput, v1::GetRecordsResponse,
    new(records: Vec<ops::Record>, next_shard_iterator: Option<String>)
);

//! Streams: the operations of the service DynamoDBStreams, and what tables say about theirs.

use sealdb_model::ValidationError;
use sealdb_model::ops::{
    DescribeStreamInput, DescribeStreamOutput, GetRecordsInput, GetRecordsOutput,
    GetShardIteratorInput, GetShardIteratorOutput, ListStreamsInput, ListStreamsOutput, Record,
    Shard, ShardFilter, ShardFilterType, ShardIteratorType, StreamRecord, StreamSpecification,
    StreamViewType,
};

use super::fields::Fields;
use super::shape::{BOOLEAN, NAME, Shape, Structure, optional, required};
use super::tables::write_key_schema;
use super::write::{Object, object};
use super::{Request, Response};

static VIEW_TYPE: Shape =
    Shape::one_of(&["NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"]);
pub(super) static STREAM_SPECIFICATION: Shape = Shape::Structure(&Structure {
    name: "StreamSpecification",
    members: &[
        required("StreamEnabled", &BOOLEAN),
        optional("StreamViewType", &VIEW_TYPE),
    ],
});

/// What a request says about the stream of its table.
pub(super) fn stream_specification(fields: &mut Fields) -> Option<StreamSpecification> {
    let mut given = fields.structure("StreamSpecification")?;
    Some(StreamSpecification {
        stream_enabled: given.flag("StreamEnabled")?,
        stream_view_type: given.one_of("StreamViewType", StreamViewType::from_name),
    })
}

pub(super) fn write_stream_specification(out: &mut Object<'_>, stream: StreamSpecification) {
    out.object("StreamSpecification", |out| {
        out.flag("StreamEnabled", stream.stream_enabled);
        if let Some(view) = stream.stream_view_type {
            out.text("StreamViewType", view.name());
        }
    });
}

static ARN: Shape = Shape::text(37, 1024);
static SHARD_ID: Shape = Shape::text(28, 65);
static ITERATOR: Shape = Shape::text(1, 2048);
static NUMBER: Shape = Shape::text(21, 40);
static ITERATOR_TYPE: Shape = Shape::one_of(&[
    "TRIM_HORIZON",
    "LATEST",
    "AT_SEQUENCE_NUMBER",
    "AFTER_SEQUENCE_NUMBER",
]);
static PER_PAGE: Shape = Shape::Integer(1, 100);
static RECORDS_PER_PAGE: Shape = Shape::Integer(1, 1000);
static FILTER_TYPE: Shape = Shape::one_of(&["CHILD_SHARDS"]);
static SHARD_FILTER: Shape = Shape::Structure(&Structure {
    name: "ShardFilter",
    members: &[
        optional("Type", &FILTER_TYPE),
        optional("ShardId", &SHARD_ID),
    ],
});

impl Request for ListStreamsInput {
    const SHAPE: &'static Structure = &Structure {
        name: "ListStreamsInput",
        members: &[
            optional("TableName", &NAME),
            optional("Limit", &PER_PAGE),
            optional("ExclusiveStartStreamArn", &ARN),
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = ListStreamsInput::new();
        input.table_name = fields.text("TableName");
        input.limit = fields.integer("Limit");
        input.exclusive_start_stream_arn = fields.text("ExclusiveStartStreamArn");
        Ok(input)
    }
}

impl Response for ListStreamsOutput {
    fn write(&self, out: &mut Object<'_>) {
        if let Some(last) = &self.last_evaluated_stream_arn {
            out.text("LastEvaluatedStreamArn", last);
        }
        out.list("Streams", &self.streams, |out, stream| {
            object(out, |out| {
                out.text("StreamArn", &stream.to_string());
                out.text("StreamLabel", &stream.label);
                out.text("TableName", stream.table.as_str());
            });
        });
    }
}

impl Request for DescribeStreamInput {
    const SHAPE: &'static Structure = &Structure {
        name: "DescribeStreamInput",
        members: &[
            required("StreamArn", &ARN),
            optional("Limit", &PER_PAGE),
            optional("ExclusiveStartShardId", &SHARD_ID),
            optional("ShardFilter", &SHARD_FILTER),
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = DescribeStreamInput::new(fields.required_text("StreamArn"));
        input.limit = fields.integer("Limit");
        input.exclusive_start_shard_id = fields.text("ExclusiveStartShardId");
        input.shard_filter = fields.structure("ShardFilter").and_then(|mut filter| {
            Some(ShardFilter {
                filter_type: filter.one_of("Type", ShardFilterType::from_name)?,
                shard_id: filter.text("ShardId")?,
            })
        });
        Ok(input)
    }
}

impl Response for DescribeStreamOutput {
    fn write(&self, out: &mut Object<'_>) {
        let stream = &self.stream_description;
        out.object("StreamDescription", |out| {
            out.time("CreationRequestDateTime", stream.creation_request_date_time);
            write_key_schema(out, &stream.key_schema);
            out.list("Shards", &stream.shards, |out, shard| {
                object(out, |out| write_shard(out, shard));
            });
            out.text("StreamArn", &stream.stream.to_string());
            out.text("StreamLabel", &stream.stream.label);
            out.text("StreamStatus", stream.stream_status.name());
            out.text("StreamViewType", stream.stream_view_type.name());
            out.text("TableName", stream.stream.table.as_str());
        });
    }
}

fn write_shard(out: &mut Object<'_>, shard: &Shard) {
    out.object("SequenceNumberRange", |out| {
        if let Some(ending) = &shard.ending_sequence_number {
            out.text("EndingSequenceNumber", ending);
        }
        out.text("StartingSequenceNumber", &shard.starting_sequence_number);
    });
    out.text("ShardId", &shard.shard_id);
}

impl Request for GetShardIteratorInput {
    const SHAPE: &'static Structure = &Structure {
        name: "GetShardIteratorInput",
        members: &[
            required("StreamArn", &ARN),
            required("ShardId", &SHARD_ID),
            required("ShardIteratorType", &ITERATOR_TYPE),
            optional("SequenceNumber", &NUMBER),
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let kind = fields.one_of("ShardIteratorType", ShardIteratorType::from_name);
        let mut input = GetShardIteratorInput::new(
            fields.required_text("StreamArn"),
            fields.required_text("ShardId"),
            // The constraints let no other through.
            kind.unwrap_or(ShardIteratorType::TrimHorizon),
        );
        input.sequence_number = fields.text("SequenceNumber");
        Ok(input)
    }
}

impl Response for GetShardIteratorOutput {
    fn write(&self, out: &mut Object<'_>) {
        out.text("ShardIterator", &self.shard_iterator);
    }
}

impl Request for GetRecordsInput {
    const SHAPE: &'static Structure = &Structure {
        name: "GetRecordsInput",
        members: &[
            required("ShardIterator", &ITERATOR),
            optional("Limit", &RECORDS_PER_PAGE),
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = GetRecordsInput::new(fields.required_text("ShardIterator"));
        input.limit = fields.integer("Limit");
        Ok(input)
    }
}

impl Response for GetRecordsOutput {
    fn write(&self, out: &mut Object<'_>) {
        if let Some(next) = &self.next_shard_iterator {
            out.text("NextShardIterator", next);
        }
        out.list("Records", &self.records, |out, record| {
            object(out, |out| write_record(out, record));
        });
    }
}

/// The members of a record, as GetRecords has them.
fn write_record(out: &mut Object<'_>, record: &Record) {
    out.text("awsRegion", Record::REGION);
    out.object("dynamodb", |out| write_change(out, &record.dynamodb));
    out.text("eventID", &record.event_id);
    out.text("eventName", record.event_name.name());
    out.text("eventSource", Record::SOURCE);
    out.text("eventVersion", Record::VERSION);
    if let Some(identity) = record.user_identity {
        out.object("userIdentity", |out| {
            out.text("PrincipalId", identity.principal_id);
            out.text("Type", identity.kind);
        });
    }
}

fn write_change(out: &mut Object<'_>, change: &StreamRecord) {
    // The service tells whole seconds.
    out.number(
        "ApproximateCreationDateTime",
        change.approximate_creation_date_time / 1000,
    );
    out.values("Keys", &change.keys);
    if let Some(item) = &change.new_image {
        out.values("NewImage", item);
    }
    if let Some(item) = &change.old_image {
        out.values("OldImage", item);
    }
    out.text("SequenceNumber", &change.sequence_number.to_string());
    out.number("SizeBytes", change.size_bytes());
    out.text("StreamViewType", change.stream_view_type.name());
}

//! GetShardIterator: where to begin to read a shard.

use crate::error::{Constraints, ValidationError};
use crate::ops::describe_stream::{check_arn, check_shard_id};
use crate::ops::stream::{SequenceNumber, StreamArn};
use crate::ops::{setters, wire_enum};

wire_enum! {
    /// Where to begin.
    ShardIteratorType {
        /// At the oldest record that there is.
        TrimHorizon = "TRIM_HORIZON",
        /// After the newest record.
        Latest = "LATEST",
        /// At the record with a number.
        AtSequenceNumber = "AT_SEQUENCE_NUMBER",
        /// After the record with a number.
        AfterSequenceNumber = "AFTER_SEQUENCE_NUMBER",
    }
}

/// What GetShardIterator takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetShardIteratorInput {
    /// The stream.
    pub stream_arn: String,
    /// The shard.
    pub shard_id: String,
    /// Where to begin.
    pub shard_iterator_type: ShardIteratorType,
    /// The number, for the two types that name one.
    pub sequence_number: Option<String>,
}

impl GetShardIteratorInput {
    /// Begins there.
    pub fn new(
        stream_arn: impl Into<String>,
        shard_id: impl Into<String>,
        shard_iterator_type: ShardIteratorType,
    ) -> Self {
        Self {
            stream_arn: stream_arn.into(),
            shard_id: shard_id.into(),
            shard_iterator_type,
            sequence_number: None,
        }
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// A bad ARN, id or number; a number that is missing.
    pub fn validate(self) -> Result<GetShardIterator, ValidationError> {
        let mut constraints = Constraints::default();
        check_arn(&self.stream_arn, &mut constraints);
        check_shard_id(&self.shard_id, "shardId", &mut constraints);
        if let Some(number) = &self.sequence_number {
            constraints.length(
                number.len(),
                SequenceNumber::DIGITS,
                40,
                number,
                "sequenceNumber",
            );
        }
        constraints.finish()?;
        let kind = self.shard_iterator_type;
        let number = || match &self.sequence_number {
            Some(number) => SequenceNumber::parse(number),
            None => Err(ValidationError::invalid_parameter(format_args!(
                "SequenceNumber is required for ShardIteratorType {kind}"
            ))),
        };
        let begin = match kind {
            ShardIteratorType::TrimHorizon => Begin::Oldest,
            ShardIteratorType::Latest => Begin::Latest,
            ShardIteratorType::AtSequenceNumber => Begin::At(number()?),
            ShardIteratorType::AfterSequenceNumber => Begin::After(number()?),
        };
        Ok(GetShardIterator {
            stream: StreamArn::parse(&self.stream_arn)?,
            shard_id: self.shard_id,
            begin,
        })
    }
}

setters! { GetShardIteratorInput {
    /// Sets the number.
    sequence_number: String => Some,
}}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the oldest record that there is.
    Oldest,
    /// After the newest record.
    Latest,
    /// At this one.
    At(SequenceNumber),
    /// After this one.
    After(SequenceNumber),
}

/// A GetShardIterator that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetShardIterator {
    /// The stream.
    pub stream: StreamArn,
    /// The shard.
    pub shard_id: String,
    /// Where to begin.
    pub begin: Begin,
}

/// What GetShardIterator gives back.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetShardIteratorOutput {
    /// What GetRecords takes.
    pub shard_iterator: String,
}

impl GetShardIteratorOutput {
    /// An output with this iterator.
    pub fn new(shard_iterator: impl Into<String>) -> Self {
        Self {
            shard_iterator: shard_iterator.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn input(kind: ShardIteratorType) -> GetShardIteratorInput {
        GetShardIteratorInput::new(
            "arn:aws:dynamodb:us-east-1:000000000000:table/films/stream/2015-05-20T20:51:10.252",
            "shardId-00000001432155070252-00000001",
            kind,
        )
    }

    #[test]
    fn two_types_name_a_record() {
        use ShardIteratorType::{AfterSequenceNumber, AtSequenceNumber, Latest, TrimHorizon};
        let number = SequenceNumber::first_of(7);
        let begin = |kind| {
            let input = input(kind).sequence_number(number.to_string());
            input.validate().unwrap().begin
        };
        assert_eq!(begin(TrimHorizon), Begin::Oldest);
        assert_eq!(begin(Latest), Begin::Latest);
        assert_eq!(begin(AtSequenceNumber), Begin::At(number));
        assert_eq!(begin(AfterSequenceNumber), Begin::After(number));
        assert_eq!(
            input(AtSequenceNumber).validate().unwrap_err().message(),
            "One or more parameter values were invalid: SequenceNumber is required for ShardIteratorType AT_SEQUENCE_NUMBER"
        );
        let bad = input(AtSequenceNumber).sequence_number("x".repeat(21));
        assert_eq!(
            bad.validate().unwrap_err().message(),
            "Invalid SequenceNumber"
        );
        let mut short = input(Latest);
        short.shard_id = "shard".into();
        assert_eq!(
            short.validate().unwrap_err().message(),
            "1 validation error detected: Value 'shard' at 'shardId' failed to satisfy constraint: Member must have length greater \
             than or equal to 28"
        );
    }
}

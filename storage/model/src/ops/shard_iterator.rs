//! Shard iterators: a place in a stream, as a text that its caller hands back.
//!
//! `ARN of the stream|1|` and the hexadecimal form of: commit 8 ‖ record 4 ‖ when it was given out, milliseconds since 1970 8, all
//! big-endian. It holds nothing that its caller was not told; who forges one only begins elsewhere.

use std::fmt;

use crate::error::ValidationError;
use crate::hexadecimal::{from_hexadecimal, to_hexadecimal};
use crate::ops::stream::{SequenceNumber, StreamArn};

/// How long an iterator can be used, in milliseconds: 15 minutes.
pub const SHARD_ITERATOR_LIFE_MS: u64 = 15 * 60 * 1000;

/// A place in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardIterator {
    /// The stream.
    pub stream: StreamArn,
    /// The next record has this number or a higher one. [`SequenceNumber::default`]: the oldest that there is.
    pub from: SequenceNumber,
    /// When it was given out, in milliseconds since 1970.
    pub issued_ms: u64,
}

impl ShardIterator {
    /// Reads an iterator.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, ValidationError> {
        Self::read(text).ok_or_else(|| ValidationError::new("Invalid ShardIterator"))
    }

    fn read(text: &str) -> Option<Self> {
        let (stream, place) = text.split_once("|1|")?;
        let bytes = from_hexadecimal(place)?;
        let (commit, rest) = bytes.split_first_chunk()?;
        let (record, rest) = rest.split_first_chunk()?;
        Some(Self {
            stream: StreamArn::parse(stream).ok()?,
            from: SequenceNumber {
                commit: u64::from_be_bytes(*commit),
                record: u32::from_be_bytes(*record),
            },
            issued_ms: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }

    /// Whether it can be used no more.
    pub fn is_expired(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.issued_ms) > SHARD_ITERATOR_LIFE_MS
    }
}

impl fmt::Display for ShardIterator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = [
            &self.from.commit.to_be_bytes()[..],
            &self.from.record.to_be_bytes(),
            &self.issued_ms.to_be_bytes(),
        ];
        write!(f, "{}|1|{}", self.stream, to_hexadecimal(&place.concat()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn iterator() -> ShardIterator {
        ShardIterator {
            stream: StreamArn::parse(
                "arn:aws:dynamodb:us-east-1:000000000000:table/films/stream/2015-05-20T20:51:10.252",
            )
            .unwrap(),
            from: SequenceNumber {
                commit: 17,
                record: 3,
            },
            issued_ms: 1_000,
        }
    }

    #[test]
    fn an_iterator_leads_back_to_its_place() {
        let text = iterator().to_string();
        assert_eq!(ShardIterator::parse(&text).unwrap(), iterator());
        for other in [
            "",
            "x",
            &text[..text.len() - 2],
            &text[1..],
            &format!("{text}00"),
            &text.replace("|1|", "|2|"),
        ] {
            let error = ShardIterator::parse(other).unwrap_err();
            assert_eq!(error.message(), "Invalid ShardIterator", "{other}");
        }
    }

    #[test]
    fn an_iterator_lives_a_quarter_of_an_hour() {
        assert!(!iterator().is_expired(1_000 + SHARD_ITERATOR_LIFE_MS));
        assert!(iterator().is_expired(1_001 + SHARD_ITERATOR_LIFE_MS));
        assert!(!iterator().is_expired(0), "the clock was set back");
    }
}

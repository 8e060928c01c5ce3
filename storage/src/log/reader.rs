//! Reading the log back, and telling its end from damage.
//!
//! Records are followed by sequence and by the tag of the one before. At the first that is not there the reader looks at every
//! boundary, of this and every other segment: a record that opens and says that the missing one was durable when it was
//! written (`synced`), or that names a root newer than the one in use, means damage. Otherwise the log ends there: what
//! follows was never acknowledged, or was lost before anything later was made durable.
//!
//! Not noticed: acknowledged records behind the highest `synced` that survives, if somebody cuts them off a closed database.

#![deny(clippy::indexing_slicing)]

use sealdb_crypto::{BlockKind, BlockTag, LogPlace, Sealer};
use sealdb_engine::{Engine, SegmentNo};

use super::frame::{ALIGN, Frame, PREFIX_LEN, PartEntry, Prefix, checksum, padded};
use crate::error::Error;
use crate::root::{LogPosition, SegmentEntry};

/// A frame is at most this long: a group has at most 1,024 mutations, each of another table.
const MAX_FRAME: u32 = 1 << 20;
/// A record is at most this long: a group and the mutation that filled it.
const MAX_RECORD: u64 = 64 << 20;

/// A record that opens.
pub(crate) struct Record {
    pub(crate) sequence: u64,
    pub(crate) frame: Frame,
    pub(crate) tag: BlockTag,
    pub(crate) segment: SegmentNo,
    /// Part blocks, sealed as they are, each whole.
    pub(crate) parts: Vec<(PartEntry, Vec<u8>)>,
    parts_at: u64,
    /// Length without padding.
    pub(crate) len: u64,
}

/// A segment as the reader knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadSegment {
    pub(crate) entry: SegmentEntry,
    pub(crate) capacity: u64,
}

/// Follows the chain of records.
pub(crate) struct LogReader<'a> {
    engine: &'a dyn Engine,
    sealer: &'a dyn Sealer,
    /// In order of use.
    segments: Vec<ReadSegment>,
    at: LogPosition,
    sequence: u64,
    tag: BlockTag,
    torn: bool,
}

impl<'a> LogReader<'a> {
    /// Reads on from record `sequence`, whose frame has this tag.
    pub(crate) fn new(
        engine: &'a dyn Engine,
        sealer: &'a dyn Sealer,
        segments: Vec<ReadSegment>,
        at: LogPosition,
        sequence: u64,
        tag: BlockTag,
    ) -> Self {
        LogReader {
            engine,
            sealer,
            segments,
            at,
            sequence,
            tag,
            torn: false,
        }
    }

    /// Whether the chain ended at a record that was begun at its place and is not whole: what a crash leaves of a write.
    pub(crate) fn torn(&self) -> bool {
        self.torn
    }

    /// The next record of the chain, or `None` where it ends.
    ///
    /// # Errors
    /// [`Error::Engine`], or damage.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Error> {
        let expected = self.sequence + 1;
        let mut places = Vec::with_capacity(self.segments.len() + 1);
        let here = self
            .segments
            .iter()
            .position(|segment| segment.entry.no == self.at.segment);
        let later = || {
            self.segments
                .iter()
                .enumerate()
                .filter(|(i, _)| Some(*i) > here)
                .map(|(_, segment)| *segment)
        };
        // A later segment that is known to begin with this record supersedes whatever stands elsewhere: the tail was copied into it,
        // maybe after it had been copied before.
        match later().rfind(|segment| segment.entry.first == expected) {
            Some(copied) => places.push((copied, 0)),
            None => {
                places.extend(
                    here.and_then(|here| self.segments.get(here))
                        .map(|segment| (*segment, self.at.offset)),
                );
                // Not begun as far as the root knows.
                places.extend(
                    later()
                        .filter(|segment| segment.entry.first == 0)
                        .map(|segment| (segment, 0)),
                );
            }
        }
        let mut torn = false;
        for (segment, offset) in places {
            let Some(prefix) = self.prefix_at(&segment, offset, expected)? else {
                continue;
            };
            let (no, capacity) = (segment.entry.no, segment.capacity);
            let Some(mut record) = self.open_frame(no, capacity, offset, &prefix)? else {
                torn = true;
                continue;
            };
            if record.frame.previous != self.tag {
                // Of another life of the log: what was here before a crash.
                continue;
            }
            let parts_at = record.parts_at;
            if !self.read_parts(&mut record, parts_at)? {
                torn = true;
                continue;
            }
            self.at = LogPosition {
                segment: segment.entry.no,
                offset: offset + padded(record.len),
            };
            self.sequence = record.sequence;
            self.tag = record.tag;
            return Ok(Some(record));
        }
        self.torn = torn;
        Ok(None)
    }

    /// The chain must have been read up to this record, which is known to exist.
    ///
    /// # Errors
    /// [`Error::Corruption`]
    pub(crate) fn expect_reached(&self, sequence: u64) -> Result<(), Error> {
        if self.sequence >= sequence {
            return Ok(());
        }
        Err(Error::Corruption(format!(
            "log record {} is missing or damaged, but the log goes on to {sequence}",
            self.sequence + 1
        )))
    }

    /// After a root that may not be the newest was taken: every segment that it says was begun must begin so. One that was released
    /// since, and used again or wiped, does not.
    ///
    /// # Errors
    /// [`Error::Corruption`].
    pub(crate) fn confirm_beginnings(&self) -> Result<(), Error> {
        let here = self
            .segments
            .iter()
            .position(|segment| segment.entry.no == self.at.segment);
        for (i, segment) in self.segments.iter().enumerate() {
            if segment.entry.first == 0 || Some(i) < here {
                continue;
            }
            if self.try_record(segment, 0, segment.entry.first)?.is_none() {
                return Err(Error::Corruption(format!(
                    "the newer root is damaged, and log segment {} is not the one that the older root needs",
                    segment.entry.no.0
                )));
            }
        }
        Ok(())
    }

    /// Looks at every boundary for a record that says that the log went on, or that names a root newer than
    /// `root_counter`. `others` are segments that the root does not list.
    ///
    /// # Errors
    /// [`Error::Corruption`] if there is one.
    pub(crate) fn confirm_end(
        &self,
        root_counter: u64,
        others: &[(SegmentNo, u64)],
    ) -> Result<(), Error> {
        let missing = self.sequence + 1;
        // From the first byte of each: a segment may have been used again after the root that somebody put back.
        // What the chain is made of is not opened again.
        let own = self.segments.iter();
        let mut places: Vec<(SegmentNo, u64, u64)> = own
            .map(|segment| (segment.entry.no, segment.capacity, missing))
            .collect();
        places.extend(others.iter().map(|(no, capacity)| (*no, *capacity, 0)));
        for (no, capacity, least) in places {
            self.scan(no, capacity, least, &mut |record| {
                if record.sequence >= missing && record.frame.synced >= missing {
                    return Err(Error::Corruption(format!(
                        "log record {missing} is missing or damaged, but record {} says that it was durable",
                        record.sequence
                    )));
                }
                if record.frame.root_counter > root_counter {
                    return Err(Error::Corruption(format!(
                        "root {root_counter} is in use, but log record {} was written under root {}",
                        record.sequence, record.frame.root_counter
                    )));
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The records of a segment from this sequence on.
    fn scan(
        &self,
        no: SegmentNo,
        capacity: u64,
        least: u64,
        found: &mut dyn FnMut(Record) -> Result<(), Error>,
    ) -> Result<(), Error> {
        const CHUNK: u64 = 256 * ALIGN;
        let mut offset = 0;
        while offset < capacity {
            let len = CHUNK.min(capacity - offset);
            let bytes = self
                .engine
                .log_read(no, offset, u32::try_from(len).unwrap_or(u32::MAX))?;
            for (i, unit) in bytes.chunks(ALIGN as usize).enumerate() {
                let Some(prefix) = unit.get(..PREFIX_LEN).and_then(Prefix::decode) else {
                    continue;
                };
                if prefix.sequence < least {
                    continue;
                }
                let at = offset + i as u64 * ALIGN;
                if let Some(record) = self.open_frame(no, capacity, at, &prefix)? {
                    found(record)?;
                }
            }
            offset += len;
        }
        Ok(())
    }

    /// The record at this place, if one of this segment opens there.
    fn try_record(
        &self,
        segment: &ReadSegment,
        offset: u64,
        expected: u64,
    ) -> Result<Option<Record>, Error> {
        match self.prefix_at(segment, offset, expected)? {
            Some(prefix) => self.open_frame(segment.entry.no, segment.capacity, offset, &prefix),
            None => Ok(None),
        }
    }

    /// The prefix at this place, if it is that of the expected record of this segment.
    fn prefix_at(
        &self,
        segment: &ReadSegment,
        offset: u64,
        expected: u64,
    ) -> Result<Option<Prefix>, Error> {
        if offset + PREFIX_LEN as u64 > segment.capacity {
            return Ok(None);
        }
        let bytes = self
            .engine
            .log_read(segment.entry.no, offset, PREFIX_LEN as u32)?;
        let prefix = Prefix::decode(&bytes);
        Ok(prefix
            .filter(|prefix| prefix.segment == segment.entry.id && prefix.sequence == expected))
    }

    fn open_frame(
        &self,
        no: SegmentNo,
        capacity: u64,
        offset: u64,
        prefix: &Prefix,
    ) -> Result<Option<Record>, Error> {
        let frame_at = offset + PREFIX_LEN as u64;
        if prefix.frame_len > MAX_FRAME || frame_at + u64::from(prefix.frame_len) > capacity {
            return Ok(None);
        }
        let mut block = self.engine.log_read(no, frame_at, prefix.frame_len)?;
        let (head, tail) = (self.sealer.head_len(), self.sealer.tail_len());
        if block.len() < head + tail
            || self
                .sealer
                .open(BlockKind::LogFrame, Some(prefix.place()), &mut block, None)
                .is_err()
        {
            return Ok(None);
        }
        let Some(tag) = self.sealer.tag_of(&block) else {
            return Ok(None);
        };
        let plain = block.get(head..block.len() - tail).unwrap_or_default();
        // It opened, so it is ours: bytes that make no frame are a fault, not an end.
        let frame = Frame::decode(plain)
            .map_err(|what| Error::malformed(&format!("log record {}", prefix.sequence), what))?;
        let parts: u64 = frame.parts.iter().map(|part| u64::from(part.len)).sum();
        let parts_at = frame_at + u64::from(prefix.frame_len);
        let len = parts_at - offset + parts;
        // The prefix is clear, but none of its bits may be another.
        if len != u64::from(prefix.total_len) || len > MAX_RECORD || offset + len > capacity {
            return Ok(None);
        }
        Ok(Some(Record {
            sequence: prefix.sequence,
            frame,
            tag,
            segment: no,
            parts: Vec::new(),
            parts_at,
            len,
        }))
    }

    /// The part blocks of a record, sealed as they are; `None` if one of them is torn.
    fn read_parts(&self, record: &mut Record, at: u64) -> Result<bool, Error> {
        let mut at = at;
        record.parts.reserve(record.frame.parts.len());
        for entry in &record.frame.parts {
            let block = self.engine.log_read(record.segment, at, entry.len)?;
            at += u64::from(entry.len);
            if checksum(&block) != entry.sum {
                return Ok(false);
            }
            record.parts.push((*entry, block));
        }
        Ok(true)
    }
}

/// Opens a part block and gives its plaintext.
///
/// # Errors
/// [`Error::Corruption`] if it is not the one that the frame names.
pub(crate) fn open_part<'b>(
    sealer: &dyn Sealer,
    entry_tag: &BlockTag,
    origin: LogPlace,
    block: &'b mut [u8],
) -> Result<&'b [u8], Error> {
    let place = || Error::Corruption(format!("a part of log record {}", origin.sequence));
    let (head, tail) = (sealer.head_len(), sealer.tail_len());
    if block.len() < head + tail {
        return Err(place());
    }
    sealer
        .open(BlockKind::LogPart, Some(origin), block, Some(entry_tag))
        .map_err(|_| place())?;
    let end = block.len() - tail;
    block.get(head..end).ok_or_else(place)
}

//! Appending records to the log.
//!
//! The writer knows where the next record goes and what it chains to. It seals and writes; syncing is the leader's, so that
//! nobody else waits for it. A record is never written into a segment that no durable root lists.

use sealdb_crypto::{BlockKind, BlockTag, LogPlace, Sealer, TableId};
use sealdb_engine::SegmentNo;

use super::frame::{Frame, PREFIX_LEN, PartEntry, Prefix, checksum, frame_len, padded};
use super::segments::{Segment, Segments};
use crate::commit::seat::ClosedGroup;
use crate::error::Error;
use crate::options::Durability;
use crate::root::LogPosition;
use crate::shared::Shared;

/// The writing end of the log.
pub(crate) struct LogWriter {
    pub(crate) segments: Segments,
    /// Where the next record goes in the current segment.
    offset: u64,
    /// Of the last record.
    sequence: u64,
    tag: BlockTag,
    synced: u64,
    since_checkpoint: u64,
    /// A record of this length may be on its way: the segment in use keeps room for it.
    promised: u64,
    /// Where the last record stands.
    last_segment: Option<SegmentNo>,
    /// Kept from record to record.
    buffer: Vec<u8>,
}

/// A record that was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) segment: SegmentNo,
    pub(crate) sequence: u64,
    pub(crate) tag: BlockTag,
    /// Where the next record may begin.
    pub(crate) next: LogPosition,
}

/// A part as it goes into a record.
pub(crate) enum PartSource<'a> {
    /// Outcomes to be sealed here.
    Plain {
        table: TableId,
        sealer: &'a dyn Sealer,
        outcomes: &'a [u8],
    },
    /// A block that was sealed earlier: copied as it is.
    Sealed { entry: PartEntry, block: &'a [u8] },
}

impl LogWriter {
    pub(crate) fn new(
        segments: Segments,
        offset: u64,
        sequence: u64,
        tag: BlockTag,
        synced: u64,
        since_checkpoint: u64,
    ) -> Self {
        let last_segment = segments.current().map(|segment| segment.entry.no);
        LogWriter {
            segments,
            offset,
            sequence,
            tag,
            synced,
            since_checkpoint,
            promised: 0,
            last_segment,
            buffer: Vec::new(),
        }
    }

    /// Whether a record of this length, sealed, can be written without making a file.
    pub(crate) fn has_room(&self, len: u64) -> bool {
        self.fits(len) || self.segments.has_next(padded(len))
    }

    /// The same, and keeps that room until the next record is written, whatever becomes of segments meanwhile.
    pub(crate) fn promise_room(&mut self, len: u64) -> bool {
        let has_room = self.has_room(len);
        if has_room {
            self.promised = padded(len);
        }
        has_room
    }

    fn fits(&self, len: u64) -> bool {
        self.segments
            .current()
            .is_some_and(|segment| self.offset + padded(len) <= segment.capacity)
    }

    /// Goes on in the next announced segment, so that the current one can be released; false if none takes what
    /// is on its way.
    pub(crate) fn rotate(&mut self) -> bool {
        let rotated = self.segments.advance(self.promised);
        if rotated {
            self.offset = 0;
        }
        rotated
    }

    /// Goes on in the segment of this number; false if it does not take what is on its way.
    pub(crate) fn rotate_to(&mut self, no: SegmentNo) -> bool {
        let takes = |segment: &Segment| segment.entry.no == no && segment.capacity >= self.promised;
        let rotated = self.segments.iter().any(takes) && self.segments.advance_to(no);
        if rotated {
            self.offset = 0;
        }
        rotated
    }

    /// The least that a segment must take, to be gone on in.
    pub(crate) fn promised(&self) -> u64 {
        self.promised
    }

    /// Bytes written since the last checkpoint began.
    pub(crate) fn bytes_since_checkpoint(&self) -> u64 {
        self.since_checkpoint
    }

    /// A checkpoint at `sequence` is durable, which began when the log had grown by this much.
    pub(crate) fn checkpointed(&mut self, sequence: u64, bytes: u64) {
        self.since_checkpoint = self.since_checkpoint.saturating_sub(bytes);
        // Durable in the pages, whatever becomes of its record.
        self.synced(sequence);
    }

    /// Tag of the last record.
    pub(crate) fn tag(&self) -> BlockTag {
        self.tag
    }

    /// Where the next record may begin.
    ///
    /// # Errors
    /// If there is no segment.
    pub(crate) fn position(&self) -> Result<LogPosition, Error> {
        let current = self
            .segments
            .current()
            .ok_or_else(|| Error::corrupt("the log has no segment"))?;
        Ok(LogPosition {
            segment: current.entry.no,
            offset: self.offset,
        })
    }

    /// Highest sequence that is known to be durable.
    pub(crate) fn durable(&self) -> u64 {
        self.synced
    }

    /// Everything up to this sequence is durable.
    pub(crate) fn synced(&mut self, sequence: u64) {
        self.synced = self.synced.max(sequence);
    }

    /// The last record and its segment, if it is not durable yet.
    pub(crate) fn unsynced(&self) -> Option<(SegmentNo, u64)> {
        if self.sequence <= self.synced {
            return None;
        }
        self.last_segment.map(|segment| (segment, self.sequence))
    }

    /// Whether the current segment is half full and no other waits behind it.
    pub(crate) fn wants_spare(&self) -> bool {
        !self.segments.has_spare()
            && self
                .segments
                .current()
                .is_some_and(|segment| self.offset > segment.capacity / 2)
    }

    /// Seals and writes the record of a group. There must be room.
    ///
    /// # Errors
    /// After an error the log is not to be written again: the record may be there or not.
    pub(crate) fn append(
        &mut self,
        shared: &Shared,
        group: &ClosedGroup,
    ) -> Result<Written, Error> {
        let system = shared.system_sealers()?;
        let mut parts = Vec::with_capacity(group.parts.len() + 1);
        for part in &group.parts {
            parts.push(PartSource::Plain {
                table: part.table.id,
                sealer: &*part.log,
                outcomes: &part.outcomes,
            });
        }
        if !group.system.is_empty() {
            parts.push(PartSource::Plain {
                table: TableId::SYSTEM,
                sealer: &*system.log,
                outcomes: &group.system,
            });
        }
        self.append_parts(
            shared,
            &*system.log,
            group.sequence,
            &parts,
            false,
            group.secrets,
        )
    }

    /// Writes the record that tells a clean close.
    ///
    /// # Errors
    /// As [`LogWriter::append`].
    pub(crate) fn append_end(&mut self, shared: &Shared) -> Result<Written, Error> {
        let system = shared.system_sealers()?;
        let sequence = self.sequence + 1;
        self.append_parts(shared, &*system.log, sequence, &[], true, false)
    }

    pub(crate) fn append_parts(
        &mut self,
        shared: &Shared,
        system: &dyn Sealer,
        sequence: u64,
        parts: &[PartSource<'_>],
        end: bool,
        secrets: bool,
    ) -> Result<Written, Error> {
        if sequence != self.sequence + 1 {
            return Err(Error::corrupt("log records out of order"));
        }
        let len = record_len(system, parts);
        let durable_before = self.synced;
        if !self.fits(len) {
            if !self.segments.advance(padded(len)) {
                return Err(Error::corrupt("no room was made for a log record"));
            }
            self.offset = 0;
        }
        let next = self.segments.current().map(|segment| segment.entry.no);
        // A sync of the next segment says nothing about the one before.
        let moves_on = self.last_segment != next && shared.options.durability != Durability::Commit;
        if let (true, Some((segment, last))) = (moves_on, self.unsynced()) {
            shared.engine.log_sync(segment)?;
            self.synced(last);
        }
        let Some(current) = self.segments.current_mut() else {
            return Err(Error::corrupt("the log has no segment"));
        };
        let place = LogPlace {
            segment: current.entry.id,
            sequence,
        };
        let frame = Frame {
            end,
            root_counter: shared.root_counter(),
            synced: durable_before,
            previous: self.tag,
            commit_ms: shared.clock.wall_ms(),
            parts: Vec::with_capacity(parts.len()),
        };
        let tag = build_record(&mut self.buffer, system, place, frame, parts)?;
        shared
            .engine
            .log_write(current.entry.no, self.offset, &self.buffer)?;
        if current.entry.first == 0 {
            current.entry.first = sequence;
        }
        current.entry.secrets |= secrets;
        current.last = sequence;
        let segment = current.entry.no;
        let written = padded(self.buffer.len() as u64);
        self.offset += written;
        self.since_checkpoint += written;
        self.sequence = sequence;
        self.tag = tag;
        self.promised = 0;
        self.last_segment = Some(segment);
        if self.buffer.capacity() > 4 << 20 {
            self.buffer = Vec::new();
        }
        Ok(Written {
            segment,
            sequence,
            tag,
            next: LogPosition {
                segment,
                offset: self.offset,
            },
        })
    }
}

fn record_len(system: &dyn Sealer, parts: &[PartSource<'_>]) -> u64 {
    let frame = system.head_len() + frame_len(parts.len()) + system.tail_len();
    let parts: usize = parts.iter().map(PartSource::block_len).sum();
    (PREFIX_LEN + frame + parts) as u64
}

impl PartSource<'_> {
    fn block_len(&self) -> usize {
        match self {
            PartSource::Plain {
                sealer, outcomes, ..
            } => sealer.head_len() + outcomes.len() + sealer.tail_len(),
            PartSource::Sealed { block, .. } => block.len(),
        }
    }
}

/// Builds a record in `out` and gives the tag of its frame.
pub(crate) fn build_record(
    out: &mut Vec<u8>,
    system: &dyn Sealer,
    place: LogPlace,
    mut frame: Frame,
    parts: &[PartSource<'_>],
) -> Result<BlockTag, Error> {
    let plain_len = frame_len(parts.len());
    let frame_block = system.head_len() + plain_len + system.tail_len();
    let total = usize::try_from(record_len(system, parts))
        .map_err(|_| Error::corrupt("a log record is too long"))?;
    out.clear();
    out.resize(PREFIX_LEN + frame_block, 0);
    out.reserve(total - out.len());
    for part in parts {
        let start = out.len();
        match part {
            PartSource::Plain {
                table,
                sealer,
                outcomes,
            } => {
                out.resize(start + sealer.head_len(), 0);
                out.extend_from_slice(outcomes);
                out.resize(out.len() + sealer.tail_len(), 0);
                let block = out.get_mut(start..).unwrap_or_default();
                let len = u32::try_from(block.len())
                    .map_err(|_| Error::corrupt("a log part is too long"))?;
                let tag = sealer.seal(BlockKind::LogPart, Some(place), block)?;
                frame.parts.push(PartEntry {
                    table: *table,
                    len,
                    tag,
                    sum: checksum(block),
                    origin: place,
                });
            }
            PartSource::Sealed { entry, block } => {
                out.extend_from_slice(block);
                frame.parts.push(*entry);
            }
        }
    }
    let mut plain = Vec::with_capacity(plain_len);
    frame.encode(&mut plain);
    let too_long = || Error::corrupt("a log record is too long");
    let prefix = Prefix {
        frame_len: u32::try_from(frame_block).map_err(|_| too_long())?,
        total_len: u32::try_from(out.len()).map_err(|_| too_long())?,
        segment: place.segment,
        sequence: place.sequence,
    };
    let (head, rest) = out.split_at_mut(PREFIX_LEN);
    head.copy_from_slice(&prefix.encode());
    let block = rest.get_mut(..frame_block).unwrap_or_default();
    if let Some(text) = block.get_mut(system.head_len()..system.head_len() + plain_len) {
        text.copy_from_slice(&plain);
    }
    Ok(system.seal(BlockKind::LogFrame, Some(place), block)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::segments::Segment;
    use crate::root::SegmentEntry;
    use sealdb_crypto::SegmentId;

    fn segment(no: u32, capacity: u64) -> Segment {
        let entry = SegmentEntry {
            no: SegmentNo(no),
            id: SegmentId::from_bytes([7; 16]),
            first: 0,
            secrets: false,
            retiring: false,
        };
        Segment {
            entry,
            capacity,
            last: 0,
            announced: true,
        }
    }

    #[test]
    fn a_rotation_does_not_take_the_room_that_a_record_was_promised() {
        let mut segments = Segments::new(vec![segment(1, 1 << 20)], vec![]);
        segments.push(segment(2, 64 << 10));
        let tag = BlockTag::from_bytes([0; 16]);
        let mut log = LogWriter::new(segments, 0, 0, tag, 0, 0);
        assert!(log.promise_room(100_000));
        assert!(!log.rotate(), "the next segment is too short for it");
        assert!(log.has_room(100_000));
        assert!(log.promise_room(4096));
        assert!(log.rotate());
        assert!(!log.has_room(100_000));
    }
}

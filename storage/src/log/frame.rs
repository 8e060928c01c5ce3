//! Bytes of a log record.
//!
//! A record starts at a multiple of 4 KiB in a segment and is padded with zeros to the next.
//!
//! | part | bytes | what |
//! |---|---|---|
//! | prefix, clear | 4 | length of the frame block |
//! | | 4 | length of prefix, frame and parts together (without padding) |
//! | | 16 | segment id |
//! | | 8 | sequence of the record |
//! | frame block | as the prefix says | kind LogFrame, sealed under the system's log key at (segment, sequence) |
//! | part blocks | as the frame says | kind LogPart, one per table, each under its table's log key, at the place it was first written |
//!
//! Plaintext of the frame:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | flags: 1 = the end of a clean close |
//! | 8 | counter of the root that was durable when the record was written |
//! | 8 | `synced`: highest sequence that was durable when the record was written |
//! | 16 | tag of the frame of the record before |
//! | 8 | commit time, milliseconds since 1970 |
//! | 4 | number of parts, then for each: |
//! | 16 + 4 + 16 + 8 | table id, length of its part block, its tag, its checksum |
//! | 16 + 8 | segment id and sequence that the part was sealed at |
//!
//! Plaintext of a table's part: outcomes in order. Keys and items have their lengths before them, in 32 bits:
//!
//! | bytes | what |
//! |---|---|
//! | `1` ‖ key ‖ item | put |
//! | `2` ‖ key | deleted |
//! | `3` ‖ tree id 4 ‖ key | a tree was filled up to this key, or wholly if it is empty |
//! | `4` ‖ key | deleted, because the item's time had come |
//! | `5` ‖ tree id 4 ‖ milliseconds since 1970 8 | what follows leaves records in this stream, as of this time; tree 0: in none, as at the start |
//! | `6` ‖ tree id 4 ‖ key | a stream lost its records up to this key |
//!
//! The system's part (table id zero) holds catalog outcomes; see `catalog::record`.
//!
//! The checksum is over the sealed block: it tells a torn part from a whole one without the table's key, which may not be at hand. Its
//! authenticity is the frame's; that of the part is the tag's.
//!
//! Segment id and sequence stand in the clear so that a reader that lost its place can try each boundary; both are authenticated when the
//! frame is opened. They tell an onlooker only how many groups were committed.

#![deny(clippy::indexing_slicing)]

use sealdb_crypto::{BlockTag, LogPlace, SegmentId, TableId, TreeId};

use crate::plaintext::Plaintext;
use crate::wire::{Malformed, Reader, Write};

/// Records start at multiples of this.
pub(crate) const ALIGN: u64 = 4096;

/// Length of the clear prefix.
pub(crate) const PREFIX_LEN: usize = 32;

/// Rounds a length up to the next record boundary.
pub(crate) fn padded(len: u64) -> u64 {
    len.div_ceil(ALIGN) * ALIGN
}

/// A checksum against torn writes, not against people: 64 bits, four lanes of multiply and rotate.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |lane: u64, word: u64| (lane ^ word).wrapping_mul(ODD).rotate_left(29);
    let mut lanes = [bytes.len() as u64, 1, 2, 3];
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane = step(*lane, u64::from_le_bytes(*word));
        }
    }
    let mut sum = 0;
    for lane in lanes {
        sum = step(sum, lane);
    }
    for chunk in rest.chunks(8) {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        sum = step(sum, u64::from_le_bytes(word));
    }
    step(sum, sum >> 32)
}

/// The clear bytes before a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) frame_len: u32,
    pub(crate) total_len: u32,
    pub(crate) segment: SegmentId,
    pub(crate) sequence: u64,
}

impl Prefix {
    pub(crate) fn encode(&self) -> [u8; PREFIX_LEN] {
        let mut out = Vec::with_capacity(PREFIX_LEN);
        out.put_u32(self.frame_len);
        out.put_u32(self.total_len);
        out.put_raw(self.segment.as_bytes());
        out.put_u64(self.sequence);
        out.try_into().expect("the fields are 32 bytes together")
    }

    /// Reads a prefix; `None` where none stands (zeros, or lengths that contradict each other).
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        let prefix = Prefix {
            frame_len: r.u32("frame length").ok()?,
            total_len: r.u32("record length").ok()?,
            segment: SegmentId::from_bytes(r.array("segment id").ok()?),
            sequence: r.u64("sequence").ok()?,
        };
        let least = u64::from(prefix.frame_len) + PREFIX_LEN as u64;
        (prefix.frame_len > 0 && u64::from(prefix.total_len) >= least).then_some(prefix)
    }

    pub(crate) fn place(&self) -> LogPlace {
        LogPlace {
            segment: self.segment,
            sequence: self.sequence,
        }
    }
}

/// What a frame says about one of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartEntry {
    pub(crate) table: TableId,
    pub(crate) len: u32,
    pub(crate) tag: BlockTag,
    /// [`checksum`] of the sealed block.
    pub(crate) sum: u64,
    /// Where the part was sealed. Differs from the record's own place after a tail was copied.
    pub(crate) origin: LogPlace,
}

/// The plaintext of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) end: bool,
    pub(crate) root_counter: u64,
    pub(crate) synced: u64,
    pub(crate) previous: BlockTag,
    pub(crate) commit_ms: u64,
    pub(crate) parts: Vec<PartEntry>,
}

const FLAG_END: u8 = 1;
const ENTRY_LEN: usize = 16 + 4 + 16 + 8 + 16 + 8;
const FIXED_LEN: usize = 1 + 8 + 8 + 16 + 8 + 4;

/// Length of the plaintext of a frame with this many parts.
pub(crate) fn frame_len(parts: usize) -> usize {
    FIXED_LEN + parts * ENTRY_LEN
}

impl Frame {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(if self.end { FLAG_END } else { 0 });
        out.put_u64(self.root_counter);
        out.put_u64(self.synced);
        out.put_raw(self.previous.as_bytes());
        out.put_u64(self.commit_ms);
        out.put_u32(u32::try_from(self.parts.len()).expect("a group has at most 1,024 mutations"));
        for part in &self.parts {
            out.put_raw(part.table.as_bytes());
            out.put_u32(part.len);
            out.put_raw(part.tag.as_bytes());
            out.put_u64(part.sum);
            out.put_raw(part.origin.segment.as_bytes());
            out.put_u64(part.origin.sequence);
        }
    }

    /// # Errors
    /// On bytes that are no frame. A frame that authenticates is ours, so this means a newer format or a fault of this program.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let flags = r.u8("frame flags")?;
        if flags & !FLAG_END != 0 {
            return Err(Malformed("frame flags"));
        }
        let root_counter = r.u64("root counter")?;
        let synced = r.u64("synced")?;
        let previous = BlockTag::from_bytes(r.array("previous tag")?);
        let commit_ms = r.u64("commit time")?;
        let count = usize::try_from(r.u32("part count")?).map_err(|_| Malformed("part count"))?;
        if r.remaining()
            != count
                .checked_mul(ENTRY_LEN)
                .ok_or(Malformed("part count"))?
        {
            return Err(Malformed("part count"));
        }
        let mut parts = Vec::with_capacity(count);
        for _ in 0..count {
            parts.push(PartEntry {
                table: TableId::from_bytes(r.array("table id")?),
                len: r.u32("part length")?,
                tag: BlockTag::from_bytes(r.array("part tag")?),
                sum: r.u64("part checksum")?,
                origin: LogPlace {
                    segment: SegmentId::from_bytes(r.array("origin segment")?),
                    sequence: r.u64("origin sequence")?,
                },
            });
        }
        r.end("frame")?;
        Ok(Frame {
            end: flags & FLAG_END != 0,
            root_counter,
            synced,
            previous,
            commit_ms,
            parts,
        })
    }
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written<'a> {
    /// As it is stored.
    pub(crate) key: &'a [u8],
    /// What stands under the key now, if anything does.
    pub(crate) item: Option<&'a [u8]>,
    /// Nothing does, because the item's time had come.
    pub(crate) expired: bool,
}

/// One outcome in a table's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    /// An item was put or deleted.
    Item(Written<'a>),
    /// A tree was filled from the items up to this key; empty: from all.
    Fill { tree: TreeId, key: &'a [u8] },
    /// What follows in the part leaves records in this stream, as of this time; `None`: in none.
    Record { stream: Option<TreeId>, at_ms: u64 },
    /// A stream lost its records up to this key.
    Trim { stream: TreeId, key: &'a [u8] },
}

const PUT: u8 = 1;
const DELETE: u8 = 2;
const FILL: u8 = 3;
const EXPIRE: u8 = 4;
const RECORD: u8 = 5;
const TRIM: u8 = 6;

impl Outcome<'_> {
    /// Appends it to a part.
    pub(crate) fn append_to(&self, part: &mut Plaintext) {
        let bytes = match self {
            Outcome::Item(Written { key, item, .. }) => key.len() + item.map_or(0, <[u8]>::len),
            Outcome::Fill { key, .. } | Outcome::Trim { key, .. } => key.len(),
            Outcome::Record { .. } => 0,
        };
        // Kind, and two numbers or lengths.
        part.write(bytes + 17, |out| self.encode(out));
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Outcome::Item(Written { key, item, expired }) => {
                out.put_u8(match (item, expired) {
                    (Some(_), _) => PUT,
                    (None, false) => DELETE,
                    (None, true) => EXPIRE,
                });
                out.put_long_bytes(key);
                if let Some(item) = item {
                    out.put_long_bytes(item);
                }
            }
            Outcome::Fill { tree, key } => {
                out.put_u8(FILL);
                out.put_u32(tree.get());
                out.put_long_bytes(key);
            }
            Outcome::Record { stream, at_ms } => {
                out.put_u8(RECORD);
                out.put_u32(stream.map_or(0, TreeId::get));
                out.put_u64(*at_ms);
            }
            Outcome::Trim { stream, key } => {
                out.put_u8(TRIM);
                out.put_u32(stream.get());
                out.put_long_bytes(key);
            }
        }
    }
}

/// The outcomes of a part, in order.
pub(crate) struct Outcomes<'a> {
    reader: Reader<'a>,
}

impl<'a> Outcomes<'a> {
    pub(crate) fn new(part: &'a [u8]) -> Self {
        Outcomes {
            reader: Reader::new(part),
        }
    }

    fn step(&mut self) -> Result<Outcome<'a>, Malformed> {
        match self.reader.u8("outcome")? {
            PUT => Ok(Outcome::Item(Written {
                key: self.reader.long_bytes("key of a put")?,
                item: Some(self.reader.long_bytes("item of a put")?),
                expired: false,
            })),
            kind @ (DELETE | EXPIRE) => Ok(Outcome::Item(Written {
                key: self.reader.long_bytes("key of a delete")?,
                item: None,
                expired: kind == EXPIRE,
            })),
            FILL => Ok(Outcome::Fill {
                tree: TreeId::new(self.reader.u32("tree")?),
                key: self.reader.long_bytes("key")?,
            }),
            RECORD => Ok(Outcome::Record {
                // Tree 0 is that of the items.
                stream: match self.reader.u32("stream")? {
                    0 => None,
                    id => Some(TreeId::new(id)),
                },
                at_ms: self.reader.u64("time")?,
            }),
            TRIM => Ok(Outcome::Trim {
                stream: TreeId::new(self.reader.u32("stream")?),
                key: self.reader.long_bytes("key of a record")?,
            }),
            _ => Err(Malformed("kind of an outcome")),
        }
    }
}

impl<'a> Iterator for Outcomes<'a> {
    type Item = Result<Outcome<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(step)
    }
}

/// Reads foreign bytes as everything that a log record consists of; for fuzzing. Must return, whatever the input.
#[doc(hidden)]
pub fn fuzz_log_record(bytes: &[u8]) {
    let _ = Prefix::decode(bytes);
    if let Ok(frame) = Frame::decode(bytes) {
        let mut again = Vec::new();
        frame.encode(&mut again);
        assert_eq!(again, bytes, "a frame has one encoding");
    }
    let mut again = Vec::new();
    let mut whole = true;
    for outcome in Outcomes::new(bytes) {
        match outcome {
            Ok(outcome) => outcome.encode(&mut again),
            Err(_) => whole = false,
        }
    }
    if whole {
        assert_eq!(again, bytes, "a part has one encoding");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn place() -> impl Strategy<Value = LogPlace> {
        (any::<[u8; 16]>(), any::<u64>()).prop_map(|(s, sequence)| LogPlace {
            segment: SegmentId::from_bytes(s),
            sequence,
        })
    }

    fn frame() -> impl Strategy<Value = Frame> {
        let part = (any::<([u8; 16], u32, [u8; 16], u64)>(), place()).prop_map(
            |((t, len, tag, sum), origin)| PartEntry {
                table: TableId::from_bytes(t),
                len,
                tag: BlockTag::from_bytes(tag),
                sum,
                origin,
            },
        );
        let fixed = (
            any::<bool>(),
            any::<u64>(),
            any::<u64>(),
            any::<[u8; 16]>(),
            any::<u64>(),
        );
        (fixed, proptest::collection::vec(part, 0..5)).prop_map(
            |((end, root_counter, synced, tag, commit_ms), parts)| Frame {
                end,
                root_counter,
                synced,
                previous: BlockTag::from_bytes(tag),
                commit_ms,
                parts,
            },
        )
    }

    proptest! {
        #[test]
        fn a_frame_survives(frame in frame()) {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            prop_assert_eq!(bytes.len(), frame_len(frame.parts.len()));
            prop_assert_eq!(Frame::decode(&bytes).unwrap(), frame);
            bytes.push(0);
            prop_assert!(Frame::decode(&bytes).is_err());
        }

        #[test]
        fn a_prefix_survives(place in place(), frame_len in 1u32..1 << 30, more in 32u32..1 << 30) {
            let prefix = Prefix { frame_len, total_len: frame_len + more, segment: place.segment, sequence: place.sequence };
            prop_assert_eq!(Prefix::decode(&prefix.encode()), Some(prefix));
        }

        #[test]
        fn a_part_survives(ops in proptest::collection::vec((0u8..6, any::<(u32, u64)>(), proptest::collection::vec(any::<u8>(), 0..40), proptest::collection::vec(any::<u8>(), 0..200)), 0..20)) {
            let ops: Vec<_> = ops.iter().map(|(kind, (tree, at_ms), key, item)| {
                let (tree, at_ms) = (TreeId::new(*tree), *at_ms);
                match kind {
                    0 => Outcome::Item(Written { key, item: Some(item), expired: false }),
                    1 | 2 => Outcome::Item(Written { key, item: None, expired: *kind == 2 }),
                    3 => Outcome::Fill { tree, key },
                    4 => Outcome::Record { stream: (tree.get() != 0).then_some(tree), at_ms },
                    _ => Outcome::Trim { stream: tree, key },
                }
            }).collect();
            let mut bytes = Vec::new();
            for op in &ops {
                op.encode(&mut bytes);
            }
            prop_assert_eq!(Outcomes::new(&bytes).collect::<Result<Vec<_>, _>>().unwrap(), ops);
        }

        #[test]
        fn foreign_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            fuzz_log_record(&bytes);
        }

        #[test]
        fn damaged_frames_do_no_harm(frame in frame(), at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            fuzz_log_record(&bytes);
            fuzz_log_record(&bytes[..at]);
        }
    }

    #[test]
    fn the_checksum_sees_any_flipped_bit_and_any_torn_sector() {
        let bytes: Vec<u8> = (0..3000u32).map(|i| (i * 31 % 251) as u8).collect();
        let sum = checksum(&bytes);
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1 << (at % 8);
            assert_ne!(checksum(&other), sum, "byte {at}");
        }
        for sector in 0..5 {
            let mut torn = bytes.clone();
            torn[sector * 512..(sector + 1) * 512].fill(0);
            assert_ne!(checksum(&torn), sum);
        }
        assert_ne!(checksum(&[0; 31]), checksum(&[0; 32]));
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(Prefix::decode(&[0; PREFIX_LEN]), None);
        assert_eq!(padded(1), 4096);
        assert_eq!(padded(4096), 4096);
    }
}

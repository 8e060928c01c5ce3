//! Reading the trail: at opening, to find its end, and for `sealdb audit tail`.

#![deny(clippy::indexing_slicing)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::AuditError;
use super::event::AuditEvent;
use super::trail::HEAD_LEN;
use crate::block::{BlockKind, BlockTag, LogPlace};
use crate::ids::SegmentId;
use crate::sealer::Sealer;
use crate::wire::{Put, Reader};

/// Clear bytes before each block.
pub(super) const PREFIX_LEN: usize = 16;
/// Records start at multiples of this.
pub(super) const ALIGN: usize = 16;
/// The longest record, prefix and padding included. Bounds what a crash can have torn.
pub(super) const MAX_RECORD: usize = 64 * 1024;
/// What stands before the event inside a block.
const BODY_HEAD_LEN: usize = 24;

/// One record of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number, from 1.
    pub sequence: u64,
    /// What happened.
    pub event: AuditEvent,
}

/// Where a walk through the trail stands.
pub(super) struct Walk {
    pub(super) path: PathBuf,
    pub(super) sealer: Arc<dyn Sealer>,
    pub(super) trail: SegmentId,
    /// Of the next record.
    pub(super) offset: u64,
    /// Of the next record.
    pub(super) sequence: u64,
    /// Of the record before.
    pub(super) previous: BlockTag,
}

/// What a step of a walk found.
pub(super) enum Step {
    Record(Box<AuditRecord>),
    /// Nothing more; `torn` if bytes of an unfinished record follow.
    End {
        torn: bool,
    },
}

/// A record that opened.
struct Opened {
    body: Vec<u8>,
    tag: BlockTag,
    /// With prefix and padding.
    len: u64,
}

impl Walk {
    pub(super) fn new(path: &Path, sealer: Arc<dyn Sealer>, trail: SegmentId) -> Self {
        Self {
            path: path.to_owned(),
            sealer,
            trail,
            offset: HEAD_LEN as u64,
            sequence: 1,
            previous: BlockTag::from_bytes([0; 16]),
        }
    }

    /// The bytes of the record that comes next here, with this event, and its tag.
    pub(super) fn seal(&self, json: &[u8]) -> Result<(Vec<u8>, BlockTag), AuditError> {
        let sealer = self.sealer.as_ref();
        let block_len = sealer.head_len() + BODY_HEAD_LEN + json.len() + sealer.tail_len();
        let record_len = (PREFIX_LEN + block_len).next_multiple_of(ALIGN);
        if record_len > MAX_RECORD {
            return Err(AuditError::TooLarge { len: json.len() });
        }
        let mut block = Vec::with_capacity(block_len);
        block.resize(sealer.head_len(), 0);
        block.put_u64(self.sequence);
        block.extend_from_slice(self.previous.as_bytes());
        block.extend_from_slice(json);
        block.resize(block_len, 0);
        let place = LogPlace {
            segment: self.trail,
            sequence: self.sequence,
        };
        let sealed = sealer.seal(BlockKind::AuditRecord, Some(place), &mut block)?;
        let tag = sealer.tag_of(&block).unwrap_or(sealed);
        let mut record = Vec::with_capacity(record_len);
        record.put_u32(u32::try_from(block_len).unwrap_or(u32::MAX)); // below MAX_RECORD
        record.put_u64(self.sequence);
        record.put_u32(0);
        record.extend_from_slice(&block);
        record.resize(record_len, 0);
        Ok((record, tag))
    }

    /// Takes the next record, or tells that there is none.
    pub(super) fn step(&mut self, file: &impl FileExt) -> Result<Step, AuditError> {
        if let Some(record) = self.take(file)? {
            return Ok(Step::Record(Box::new(record)));
        }
        let torn = match self.look_beyond(file)? {
            Beyond::Zeros => false,
            Beyond::Torn => true,
            // A later record exists. Either a writer finished this one since it was looked at, or it was damaged.
            Beyond::Records => {
                return match self.take(file)? {
                    Some(record) => Ok(Step::Record(Box::new(record))),
                    None => Err(self.corrupt()),
                };
            }
        };
        Ok(Step::End { torn })
    }

    fn take(&mut self, file: &impl FileExt) -> Result<Option<AuditRecord>, AuditError> {
        let window = self.window(file)?;
        let Some(opened) = self.open(&window, self.sequence) else {
            return Ok(None);
        };
        let mut reader = Reader::new(&opened.body);
        let (sequence, previous) = (reader.u64(), reader.array::<16>());
        if sequence != Ok(self.sequence) || previous.as_ref() != Ok(self.previous.as_bytes()) {
            return Err(self.corrupt());
        }
        let json = opened.body.get(BODY_HEAD_LEN..).unwrap_or_default();
        let event = serde_json::from_slice(json).map_err(|_| self.corrupt())?;
        let record = AuditRecord {
            sequence: self.sequence,
            event,
        };
        self.offset += opened.len;
        self.sequence += 1;
        self.previous = opened.tag;
        Ok(Some(record))
    }

    /// Opens the record at the front of `bytes`.
    fn open(&self, bytes: &[u8], sequence: u64) -> Option<Opened> {
        let mut reader = Reader::new(bytes);
        let len = usize::try_from(reader.u32().ok()?).ok()?;
        if len == 0
            || len > MAX_RECORD - PREFIX_LEN
            || reader.u64().ok()? != sequence
            || reader.u32().ok()? != 0
        {
            return None;
        }
        let mut block = reader.take(len).ok()?.to_vec();
        let tag = self.sealer.tag_of(&block)?;
        let place = LogPlace {
            segment: self.trail,
            sequence,
        };
        self.sealer
            .open(BlockKind::AuditRecord, Some(place), &mut block, None)
            .ok()?;
        let end = block.len().checked_sub(self.sealer.tail_len())?;
        let body = block.get(self.sealer.head_len()..end)?.to_vec();
        let len = (PREFIX_LEN + len).next_multiple_of(ALIGN) as u64;
        Some(Opened { body, tag, len })
    }

    /// What follows where the next record should be. Each append is synced before the next is written, so a crash leaves at most
    /// one unfinished record: anything further away, and any later record that opens, means damage.
    fn look_beyond(&self, file: &impl FileExt) -> Result<Beyond, AuditError> {
        let window = self.window(file)?;
        for (at, _) in window.iter().enumerate().step_by(ALIGN).skip(1) {
            let bytes = window.get(at..).unwrap_or_default();
            let sequence = Reader::new(bytes.get(4..).unwrap_or_default())
                .u64()
                .unwrap_or(0);
            if sequence > self.sequence && self.open(bytes, sequence).is_some() {
                return Ok(Beyond::Records);
            }
        }
        let mut chunk = vec![0; MAX_RECORD];
        let mut at = self.offset + window.len() as u64;
        loop {
            let read = read_at_most(file, &mut chunk, at)
                .map_err(|e| AuditError::io("read", &self.path, e))?;
            let bytes = chunk.get(..read).unwrap_or_default();
            if bytes.is_empty() {
                break;
            }
            if bytes.iter().any(|&byte| byte != 0) {
                return Ok(Beyond::Records);
            }
            at += read as u64;
        }
        Ok(if window.iter().all(|&byte| byte == 0) {
            Beyond::Zeros
        } else {
            Beyond::Torn
        })
    }

    /// The bytes from here on, as many as the longest record has.
    fn window(&self, file: &impl FileExt) -> Result<Vec<u8>, AuditError> {
        let mut window = vec![0; MAX_RECORD];
        let read = read_at_most(file, &mut window, self.offset)
            .map_err(|e| AuditError::io("read", &self.path, e))?;
        window.truncate(read);
        Ok(window)
    }

    fn corrupt(&self) -> AuditError {
        AuditError::Corrupt {
            path: self.path.clone(),
            sequence: self.sequence,
        }
    }
}

enum Beyond {
    Zeros,
    Torn,
    Records,
}

/// Fills as much of `buffer` as the file has.
fn read_at_most(file: &impl FileExt, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads the records in order, also while another process appends.
///
/// As an iterator it ends at the last whole record; asked again later, it goes on with what was appended since. After an error it
/// gives that error again.
pub struct TrailReader {
    pub(super) file: File,
    pub(super) walk: Walk,
}

impl Iterator for TrailReader {
    type Item = Result<AuditRecord, AuditError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.walk.step(&self.file) {
            Ok(Step::Record(record)) => Some(Ok(*record)),
            Ok(Step::End { .. }) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// Bytes as a trail file: the head's room, then these.
struct Bytes<'a>(&'a [u8]);

impl FileExt for Bytes<'_> {
    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset)
            .ok()
            .and_then(|offset| offset.checked_sub(HEAD_LEN))
            .and_then(|at| self.0.get(at..))
            .unwrap_or_default();
        let len = from.len().min(to.len());
        if let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// For fuzzing. Any bytes, as the records of a trail and as what is sealed in one: a walk ends, foreign records never open, and
/// an event that is read is written back the same.
pub(crate) fn fuzz(sealer: &Arc<dyn Sealer>, bytes: &[u8]) {
    let walk = || {
        Walk::new(
            Path::new("t"),
            Arc::clone(sealer),
            SegmentId::from_bytes([3; 16]),
        )
    };
    let foreign = walk().step(&Bytes(bytes));
    assert!(
        !matches!(foreign, Ok(Step::Record(_))),
        "nobody else holds the key"
    );

    let sealed = walk().seal(bytes);
    let Ok((record, _)) = sealed else {
        return;
    };
    let mut one = walk();
    match one.step(&Bytes(&record)) {
        Ok(Step::Record(read)) => {
            assert_eq!(one.offset, (HEAD_LEN + record.len()) as u64);
            let json = serde_json::to_vec(&read.event).expect("an event is written as it was read");
            let again: AuditEvent =
                serde_json::from_slice(&json).expect("what is written can be read");
            assert_eq!(again, read.event);
            assert!(matches!(
                one.step(&Bytes(&record)),
                Ok(Step::End { torn: false })
            ));
        }
        Err(AuditError::Corrupt { sequence: 1, .. }) => {}
        _ => panic!("a whole record is read or refused, never skipped"),
    }
    // A crash in its middle: nothing, and never an error.
    let cut = record.get(..record.len() / 2).unwrap_or_default();
    assert!(matches!(walk().step(&Bytes(cut)), Ok(Step::End { .. })));
}

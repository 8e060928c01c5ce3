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
use crate::wire::Reader;

/// Clear bytes before each block.
pub(super) const PREFIX_LEN: usize = 16;
/// Records start at multiples of this.
pub(super) const ALIGN: usize = 16;
/// The longest record, prefix and padding included. Bounds what a crash can have torn.
pub(super) const MAX_RECORD: usize = 64 * 1024;
/// What stands before the event inside a block.
pub(super) const BODY_HEAD_LEN: usize = 24;

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

    /// Takes the next record, or tells that there is none.
    pub(super) fn step(&mut self, file: &File) -> Result<Step, AuditError> {
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

    fn take(&mut self, file: &File) -> Result<Option<AuditRecord>, AuditError> {
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
    fn look_beyond(&self, file: &File) -> Result<Beyond, AuditError> {
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
    fn window(&self, file: &File) -> Result<Vec<u8>, AuditError> {
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
fn read_at_most(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
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

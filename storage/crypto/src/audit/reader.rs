//! Reading the trail: at opening, to find its end, and for whoever wants to know what it says.

#![deny(clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chain::{AuditRecord, Chain};
use super::checkpoint::{SignedCheckpoint, Verifier};
use super::error::AuditError;
use super::event::AuditEvent;
use super::head::{HEAD_LEN, Keys, Start, unlock};
use super::merkle::Peaks;
use super::trail::{TrailAccess, file_of, open_file};
use super::verify::Beginning;
use crate::block::{BlockKind, BlockTag, LogPlace};
use crate::ids::SegmentId;
use crate::sealer::Sealer;
use crate::wire::{Put, Reader};

/// Clear bytes before each block.
pub(super) const PREFIX_LEN: usize = 16;
/// Records start at multiples of this.
pub(super) const ALIGN: usize = 16;
/// The longest record, prefix and padding included. Bounds what a crash can have torn.
pub(super) const MAX_RECORD: usize = 256 * 1024;
/// What stands before the lines inside a block.
const BODY_HEAD_LEN: usize = 24;

/// Where a walk through a file of the trail stands.
pub(super) struct Walk {
    pub(super) path: PathBuf,
    sealer: Arc<dyn Sealer>,
    trail: SegmentId,
    /// Of the next record.
    pub(super) offset: u64,
    /// Of the next record.
    pub(super) sequence: u64,
    /// Of the record before.
    pub(super) previous: BlockTag,
    /// After the events before.
    pub(super) chain: Chain,
}

/// What a step of a walk found.
pub(super) enum Step {
    /// The events of one record.
    Record(Vec<AuditRecord>),
    /// Nothing more; `torn` if bytes of an unfinished record follow.
    End { torn: bool },
}

/// A record as it is to be written, and where the trail stands after it.
pub(super) struct SealedRecord {
    pub(super) bytes: Vec<u8>,
    pub(super) tag: BlockTag,
    pub(super) chain: Chain,
}

/// A record that opened.
struct Opened {
    body: Vec<u8>,
    tag: BlockTag,
    /// With prefix and padding.
    len: u64,
}

impl Walk {
    pub(super) fn new(
        path: &Path,
        (sealer, trail): (Arc<dyn Sealer>, SegmentId),
        start: Start,
    ) -> Self {
        Self {
            path: path.to_owned(),
            sealer,
            trail,
            offset: HEAD_LEN as u64,
            sequence: start.sequence,
            previous: start.previous,
            chain: start.chain,
        }
    }

    /// The record that comes next here, with the events whose JSON these are.
    pub(super) fn seal<'a>(
        &self,
        events: impl IntoIterator<Item = &'a str>,
    ) -> Result<SealedRecord, AuditError> {
        let mut chain = self.chain.clone();
        let lines: Vec<String> = events.into_iter().map(|json| chain.line(json)).collect();
        let (bytes, tag) = self.seal_lines(lines.join("\n").as_bytes())?;
        Ok(SealedRecord { bytes, tag, chain })
    }

    fn seal_lines(&self, lines: &[u8]) -> Result<(Vec<u8>, BlockTag), AuditError> {
        let sealer = self.sealer.as_ref();
        let block_len = sealer.head_len() + BODY_HEAD_LEN + lines.len() + sealer.tail_len();
        let record_len = (PREFIX_LEN + block_len).next_multiple_of(ALIGN);
        if record_len > MAX_RECORD {
            return Err(AuditError::TooLarge { len: lines.len() });
        }
        let mut block = Vec::with_capacity(block_len);
        block.resize(sealer.head_len(), 0);
        block.put_u64(self.sequence);
        block.extend_from_slice(self.previous.as_bytes());
        block.extend_from_slice(lines);
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

    /// Goes beyond a record that was written here.
    pub(super) fn wrote(&mut self, record: SealedRecord) {
        self.offset += record.bytes.len() as u64;
        self.sequence += 1;
        self.previous = record.tag;
        self.chain = record.chain;
    }

    /// Takes the next record, or tells that there is none.
    pub(super) fn step(&mut self, file: &impl FileExt) -> Result<Step, AuditError> {
        if let Some(records) = self.take(file)? {
            return Ok(Step::Record(records));
        }
        let torn = match self.look_beyond(file)? {
            Beyond::Zeros => false,
            Beyond::Torn => true,
            // A later record exists. Either a writer finished this one since it was looked at, or it was damaged.
            Beyond::Records => {
                return match self.take(file)? {
                    Some(records) => Ok(Step::Record(records)),
                    None => Err(self.corrupt()),
                };
            }
        };
        Ok(Step::End { torn })
    }

    fn take(&mut self, file: &impl FileExt) -> Result<Option<Vec<AuditRecord>>, AuditError> {
        let prefix = self.bytes(file, PREFIX_LEN)?;
        let Some(len) = self.block_len(&prefix, self.sequence) else {
            return Ok(None);
        };
        let window = self.bytes(file, PREFIX_LEN + len)?;
        let Some(opened) = self.open(&window, self.sequence) else {
            return Ok(None);
        };
        let mut reader = Reader::new(&opened.body);
        let (sequence, previous) = (reader.u64(), reader.array::<16>());
        if sequence != Ok(self.sequence) || previous.as_ref() != Ok(self.previous.as_bytes()) {
            return Err(self.corrupt());
        }
        let lines = opened.body.get(BODY_HEAD_LEN..).unwrap_or_default();
        let lines = std::str::from_utf8(lines).map_err(|_| self.corrupt())?;
        let mut chain = self.chain.clone();
        let records: Option<Vec<_>> = lines.split('\n').map(|line| chain.take(line)).collect();
        let records = records.ok_or_else(|| self.corrupt())?;
        self.offset += opened.len;
        self.sequence += 1;
        self.previous = opened.tag;
        self.chain = chain;
        Ok(Some(records))
    }

    /// The length of the block whose prefix stands at the front of `bytes`, if it is that of the record.
    fn block_len(&self, bytes: &[u8], sequence: u64) -> Option<usize> {
        let mut reader = Reader::new(bytes);
        let len = usize::try_from(reader.u32().ok()?).ok()?;
        let is_one = len > 0
            && len <= MAX_RECORD - PREFIX_LEN
            && reader.u64().ok()? == sequence
            && reader.u32().ok()? == 0;
        is_one.then_some(len)
    }

    /// Opens the record at the front of `bytes`.
    fn open(&self, bytes: &[u8], sequence: u64) -> Option<Opened> {
        let len = self.block_len(bytes, sequence)?;
        let mut block = bytes.get(PREFIX_LEN..PREFIX_LEN + len)?.to_vec();
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
        let window = self.bytes(file, MAX_RECORD)?;
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

    /// The bytes from here on, as many as there are of `len`.
    fn bytes(&self, file: &impl FileExt, len: usize) -> Result<Vec<u8>, AuditError> {
        let mut window = vec![0; len];
        let read = read_at_most(file, &mut window, self.offset)
            .map_err(|e| AuditError::io("read", &self.path, e))?;
        window.truncate(read);
        Ok(window)
    }

    pub(super) fn corrupt(&self) -> AuditError {
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

/// Reads the events in order, from the oldest file of the trail that is there, also while another process appends.
///
/// As an iterator it ends at the last whole record; asked again later, it goes on with what was appended since, in a newer file too. After
/// an error it gives that error again.
pub struct TrailReader {
    /// Of the newest file.
    newest: PathBuf,
    keys: Arc<Keys>,
    file: File,
    /// Of the file.
    number: u64,
    walk: Walk,
    /// Read, and not given yet.
    ready: VecDeque<AuditRecord>,
    /// After the last event that was given.
    given: Chain,
}

impl TrailReader {
    /// Opens the files of a trail, by the newest one.
    pub(super) fn open(newest: &Path, access: &TrailAccess) -> Result<Self, AuditError> {
        let file = open_file(newest, false)?;
        let (keys, start) = unlock(newest, &file, access)?;
        Self::of(newest, Arc::new(keys), start.number)
    }

    /// The same with keys at hand; `number` is that of the newest file, or of one before.
    pub(super) fn of(newest: &Path, keys: Arc<Keys>, number: u64) -> Result<Self, AuditError> {
        // The oldest of those that follow one another without a gap. The newest may have been put aside since it was looked at.
        let mut path = newest.to_owned();
        for before in (1..=number).rev() {
            match file_of(newest, keys.trail, before) {
                older if older.exists() => path = older,
                _ if before == number => {}
                _ => break,
            }
        }
        let file = open_file(&path, false)?;
        let start = keys.open(&path, &file)?;
        if start.number > number {
            return Self::of(newest, keys, start.number);
        }
        let number = start.number;
        let walk = Walk::new(&path, (keys.sealer.clone(), keys.trail), start);
        Ok(Self {
            newest: newest.to_owned(),
            file,
            number,
            given: walk.chain.clone(),
            walk,
            ready: VecDeque::new(),
            keys,
        })
    }

    /// What the trail's checkpoints are checked with.
    pub fn verifier(&self) -> Verifier {
        self.keys.verifier()
    }

    /// The hash by which events name the key of an item; see [`AuditTrail::item_hash`](super::AuditTrail::item_hash).
    pub fn item_hash(&self, table: &str, key: &[u8]) -> String {
        self.keys.items.hash(table, key)
    }

    /// What comes before the next event, if anything does: the first line of an export from here.
    pub fn beginning(&self) -> Option<Beginning> {
        Beginning::of(&self.given)
    }

    /// How many events there were before the next one, in files that are gone and in those read.
    pub fn events(&self) -> u64 {
        self.given.tree.size()
    }

    /// The tree over them.
    pub(super) fn tree(&self) -> &Peaks {
        &self.given.tree
    }

    /// Signs a checkpoint over all events given so far, and those before them.
    pub fn checkpoint(&self, time: String) -> SignedCheckpoint {
        let checkpoint = self.given.checkpoint(self.keys.trail, time);
        checkpoint.sign(&self.keys.signing)
    }

    fn advance(&mut self) -> Result<bool, AuditError> {
        match self.walk.step(&self.file)? {
            Step::Record(records) => {
                self.ready.extend(records);
                Ok(true)
            }
            Step::End { .. } => self.next_file(),
        }
    }

    /// Goes over to the file after this one, if there is one.
    fn next_file(&mut self) -> Result<bool, AuditError> {
        let stat = |error| AuditError::io("stat", &self.newest, error);
        let newest = open_file(&self.newest, false)?;
        let (here, there) = (self.file.metadata(), newest.metadata());
        let (here, there) = (here.map_err(stat)?, there.map_err(stat)?);
        if (here.dev(), here.ino()) == (there.dev(), there.ino()) {
            return Ok(false);
        }
        // Nobody appends to this one any more. What was appended since it was looked at comes first.
        if let Step::Record(records) = self.walk.step(&self.file)? {
            self.ready.extend(records);
            return Ok(true);
        }
        let next = file_of(&self.newest, self.keys.trail, self.number + 1);
        let (path, file) = match next.exists() {
            true => (next.clone(), open_file(&next, false)?),
            false => (self.newest.clone(), newest),
        };
        let start = self.keys.open(&path, &file)?;
        if start.number != self.number + 1 {
            return Err(AuditError::NotFound { path: next });
        }
        let walk = Walk::new(&path, (self.keys.sealer.clone(), self.keys.trail), start);
        let follows = walk.sequence == self.walk.sequence
            && walk.previous == self.walk.previous
            && walk.chain == self.walk.chain;
        if !follows {
            return Err(self.walk.corrupt());
        }
        (self.file, self.walk) = (file, walk);
        self.number += 1;
        Ok(true)
    }
}

impl Iterator for TrailReader {
    type Item = Result<AuditRecord, AuditError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                self.given.accept(&record);
                return Some(Ok(record));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
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
/// an event that is read can be written and read again.
pub(crate) fn fuzz(sealer: &Arc<dyn Sealer>, bytes: &[u8]) {
    let walk = || {
        let trail = SegmentId::from_bytes([3; 16]);
        Walk::new(Path::new("t"), (Arc::clone(sealer), trail), Start::first())
    };
    let foreign = walk().step(&Bytes(bytes));
    assert!(
        !matches!(foreign, Ok(Step::Record(_))),
        "nobody else holds the key"
    );

    // As they are, and behind the two fields that make them the first event.
    let json = String::from_utf8_lossy(bytes);
    let sealed = [
        walk().seal_lines(bytes).map(|(record, _)| record),
        walk().seal([&*json]).map(|record| record.bytes),
    ];
    for record in sealed.into_iter().flatten() {
        let mut one = walk();
        match one.step(&Bytes(&record)) {
            Ok(Step::Record(read)) => {
                assert_eq!(one.offset, (HEAD_LEN + record.len()) as u64);
                for record in read {
                    let json = serde_json::to_string(&record.event)
                        .expect("an event is written as it was read");
                    let again: AuditEvent =
                        serde_json::from_str(&json).expect("what is written can be read");
                    assert_eq!(again.event_id, record.event.event_id);
                }
                let end = one.step(&Bytes(&record));
                assert!(matches!(end, Ok(Step::End { torn: false })));
            }
            Err(AuditError::Corrupt { sequence: 1, .. }) => {}
            _ => panic!("a whole record is read or refused, never skipped"),
        }
        // A crash in its middle: nothing, and never an error.
        let cut = record.get(..record.len() / 2).unwrap_or_default();
        assert!(matches!(walk().step(&Bytes(cut)), Ok(Step::End { .. })));
    }
}

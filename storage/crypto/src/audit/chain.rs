//! How events follow one another: the line of each, its number, the hash of the line before, and the tree over all.
//!
//! What is hashed is what is exported, byte by byte: the line of an event is its JSON with two fields before all others,
//! `{"sequence":17,"previous":"hash of line 16",…}`. `previous` is the leaf hash of the line before in hexadecimal, zeros for the first. So an
//! export shows by itself which of its lines was changed, left out or moved, and the signed root shows that nobody wrote it anew.

use serde::Deserialize;

use super::checkpoint::{Checkpoint, SignedCheckpoint, origin};
use super::event::AuditEvent;
use super::merkle::{Hash, Peaks, leaf};
use crate::ids::SegmentId;
use crate::wire::hex;

/// The event that holds a checkpoint.
pub(super) const CHECKPOINT: &str = "Checkpoint";
/// The field of it that has the text.
const TEXT: &str = "checkpoint";

/// No trail has more; what says so is none.
pub(super) const MOST_EVENTS: u64 = 1 << 48;

/// One event of a trail or of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number, from 1.
    pub sequence: u64,
    /// The hash of the line before, in hexadecimal.
    pub previous: String,
    /// What happened.
    pub event: AuditEvent,
    /// The line that is exported and hashed.
    pub line: String,
}

/// The two fields in front.
#[derive(Deserialize)]
struct Place {
    sequence: u64,
    previous: String,
}

impl AuditRecord {
    /// Reads a line; `None` if it is none.
    pub fn parse(line: &str) -> Option<Self> {
        let Place { sequence, previous } = serde_json::from_str(line).ok()?;
        if sequence == 0 || sequence >= MOST_EVENTS {
            return None;
        }
        Some(Self {
            sequence,
            previous,
            event: serde_json::from_str(line).ok()?,
            line: line.to_owned(),
        })
    }

    /// The checkpoint in it, if it holds one.
    pub fn checkpoint(&self) -> Option<SignedCheckpoint> {
        let event = &self.event;
        let text = match event.event_source == super::TRAIL_EVENTS && event.event_name == CHECKPOINT
        {
            true => event.service_event_details.get(TEXT)?.as_str()?,
            false => return None,
        };
        text.parse().ok()
    }
}

/// Puts a checkpoint into an event.
pub(super) fn checkpoint_event(mut event: AuditEvent, checkpoint: &SignedCheckpoint) -> AuditEvent {
    let text = checkpoint.to_string().into();
    event.service_event_details.insert(TEXT.to_owned(), text);
    event
}

/// Where a trail stands after so many events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// Of the last line.
    pub(super) last: Hash,
    pub(super) tree: Peaks,
    /// Size and root of the last checkpoint.
    pub(super) checkpoint: (u64, Hash),
}

impl Default for Chain {
    fn default() -> Self {
        let tree = Peaks::default();
        Self {
            last: [0; 32],
            checkpoint: (0, tree.root()),
            tree,
        }
    }
}

impl Chain {
    /// The line of the event that comes next, whose JSON this is.
    pub(super) fn line(&mut self, json: &str) -> String {
        let sequence = self.tree.size() + 1;
        let previous = hex(&self.last);
        let fields = json.strip_prefix('{').unwrap_or(json);
        let line = format!("{{\"sequence\":{sequence},\"previous\":\"{previous}\",{fields}");
        self.push(&line);
        line
    }

    fn push(&mut self, line: &str) {
        self.last = leaf(line.as_bytes());
        self.tree.push(self.last);
    }

    /// Takes the line that comes next; `None` if it is another.
    pub(super) fn take(&mut self, line: &str) -> Option<AuditRecord> {
        let record = AuditRecord::parse(line)?;
        if record.sequence != self.tree.size() + 1 || record.previous != hex(&self.last) {
            return None;
        }
        self.accept(&record);
        Some(record)
    }

    /// Goes beyond a record, wherever it belongs.
    pub(super) fn accept(&mut self, record: &AuditRecord) {
        if let Some(SignedCheckpoint { checkpoint, .. }) = record.checkpoint() {
            self.checkpoint = (checkpoint.size, checkpoint.root);
        }
        self.push(&record.line);
    }

    /// Where a trail would stand before the event of this number, if the events up to there were known.
    pub(super) fn skipped_to(&self, sequence: u64) -> Self {
        Self {
            tree: Peaks::unknown(sequence - 1),
            ..self.clone()
        }
    }

    /// What a checkpoint of this moment says.
    pub(super) fn checkpoint(&self, trail: SegmentId, time: String) -> Checkpoint {
        Checkpoint {
            origin: origin(trail),
            size: self.tree.size(),
            root: self.tree.root(),
            time,
            previous: self.checkpoint,
        }
    }
}

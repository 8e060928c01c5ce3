//! Verifying an exported trail, without any key but the public one.
//!
//! An export is the trail's lines, one event each, from the first or, where older files of the trail are gone, behind one line that says what
//! came before. [`Verification`] takes the lines in order and finds
//!
//! - a line that was changed: the next one names another hash than it has;
//! - lines that are missing, doubled or moved: the numbers tell;
//! - whatever was made to look right again: the root of the next signed checkpoint, of which one is in the trail at least every so many
//!   events, is another;
//! - an end that was cut off: against any checkpoint that was kept elsewhere, from whatever time.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::chain::{AuditRecord, Chain, MOST_EVENTS};
use super::checkpoint::{SignedCheckpoint, Verifier};
use super::merkle::Peaks;
use crate::wire::{hex, unhex};

/// Findings beyond these are only counted.
const MOST: usize = 100;

/// What comes before the first line of an export, where older files of the trail are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Beginning {
    /// So many events.
    events_before: u64,
    /// The hash of the last of them.
    previous: String,
    /// The full trees that they make, the largest first.
    trees: Vec<String>,
}

impl Beginning {
    pub(super) fn of(chain: &Chain) -> Option<Self> {
        (chain.tree.size() > 0).then(|| Self {
            events_before: chain.tree.size(),
            previous: hex(&chain.last),
            trees: chain.tree.hashes().iter().map(|hash| hex(hash)).collect(),
        })
    }

    fn chain(&self) -> Option<Chain> {
        if self.events_before >= MOST_EVENTS {
            return None;
        }
        let trees = self.trees.iter().map(|text| unhex(text));
        Some(Chain {
            last: unhex(&self.previous)?,
            tree: Peaks::from_parts(self.events_before, trees.collect::<Option<_>>()?)?,
            ..Chain::default()
        })
    }
}

/// Something that is not as it was when it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A line is no event.
    NoEvent {
        /// Of the file, from 1.
        line: u64,
    },
    /// Events are not there.
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// An event stands where another should.
    OutOfPlace {
        /// Its number.
        sequence: u64,
    },
    /// An event is not the one that was recorded: the one after it names another.
    Changed {
        /// Its number.
        sequence: u64,
    },
    /// A checkpoint in the trail is not signed with the trail's key, or says something else than its place.
    BadCheckpoint {
        /// Its number.
        sequence: u64,
    },
    /// The events are not those that were signed, although they follow one another: all were written anew from some event on.
    OtherThanSigned {
        /// After the last event that a checkpoint confirms.
        from: u64,
        /// The number of events of the checkpoint.
        to: u64,
        /// When it was signed.
        time: String,
    },
    /// A checkpoint tells of more events than there are.
    CutOff {
        /// The last that is there.
        at: u64,
        /// The number of events of the checkpoint.
        of: u64,
        /// When it was signed.
        time: String,
    },
    /// A checkpoint that was handed in is of another trail, or not signed with its key.
    NotOfTrail {
        /// Which trail it says it is of.
        origin: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::NoEvent { line } => write!(f, "line {line} is no event of an audit trail"),
            Finding::Missing { from, to } if from == to => write!(f, "event {from} is missing"),
            Finding::Missing { from, to } => write!(f, "events {from} to {to} are missing"),
            Finding::OutOfPlace { sequence } => {
                write!(f, "event {sequence} stands where another should")
            }
            Finding::Changed { sequence } => write!(f, "event {sequence} was changed"),
            Finding::BadCheckpoint { sequence } => write!(
                f,
                "event {sequence} is a checkpoint that the trail's key did not sign"
            ),
            Finding::OtherThanSigned { from, to, time } => write!(
                f,
                "events {from} to {to} are not those that the checkpoint of {time} was signed over"
            ),
            Finding::CutOff { at, of, time } => write!(
                f,
                "it ends at event {at}, but the checkpoint of {time} was signed over {of}"
            ),
            Finding::NotOfTrail { origin } => write!(
                f,
                "a checkpoint of {origin} is not signed with this trail's key"
            ),
        }
    }
}

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// So many events come before those that were looked at. If no checkpoint confirms it, this is a claim of whoever has the lines.
    pub before: u64,
    /// The number of the last event.
    pub events: u64,
    /// The last event that a signature confirms, and with it all before.
    pub confirmed: u64,
    /// Signed checkpoints that agree, in the trail and handed in.
    pub checkpoints: u64,
    /// Signed checkpoints handed in that say nothing here: they are over fewer events than come before.
    pub unused: u64,
    /// What is wrong, in order.
    pub findings: Vec<Finding>,
    /// So many more are not listed.
    pub more: u64,
}

/// A verification under way.
pub struct Verification {
    verifier: Verifier,
    /// Handed in, the smallest first.
    kept: Vec<SignedCheckpoint>,
    chain: Chain,
    line: u64,
    begun: bool,
    /// So many events come before the export.
    before: u64,
    /// The tree is not that of the trail any more: something is missing, or was changed.
    lost: bool,
    /// The last event that a signature confirms.
    confirmed: u64,
    checkpoints: u64,
    unused: u64,
    findings: Vec<Finding>,
    more: u64,
}

impl Verification {
    /// Begins one, against the trail's public key and checkpoints that were kept.
    pub fn new(verifier: Verifier, kept: Vec<SignedCheckpoint>) -> Self {
        let (mut kept, foreign): (Vec<_>, Vec<_>) = kept
            .into_iter()
            .partition(|checkpoint| checkpoint.is_signed_by(&verifier));
        kept.sort_by_key(|signed| signed.checkpoint.size);
        let mut verification = Self {
            verifier,
            kept,
            chain: Chain::default(),
            line: 0,
            begun: false,
            before: 0,
            lost: false,
            confirmed: 0,
            checkpoints: 0,
            unused: 0,
            findings: Vec::new(),
            more: 0,
        };
        for signed in foreign {
            let origin = signed.checkpoint.origin;
            verification.find(Finding::NotOfTrail { origin });
        }
        verification
    }

    fn find(&mut self, finding: Finding) {
        match self.findings.len() < MOST {
            true => self.findings.push(finding),
            false => self.more += 1,
        }
    }

    /// Takes the next line.
    pub fn line(&mut self, line: &str) {
        self.line += 1;
        if !self.begun {
            self.begun = true;
            let beginning: Option<Beginning> = serde_json::from_str(line).ok();
            let chain = beginning.and_then(|beginning| beginning.chain());
            // That it is the true one shows at the first checkpoint.
            let is_beginning = chain.is_some();
            self.chain = chain.unwrap_or_default();
            self.before = self.chain.tree.size();
            self.check_kept();
            if is_beginning {
                return;
            }
        }
        match AuditRecord::parse(line) {
            Some(record) => self.record(&record),
            None => {
                self.lost = true;
                self.find(Finding::NoEvent { line: self.line });
            }
        }
    }

    fn record(&mut self, record: &AuditRecord) {
        let (sequence, expected) = (record.sequence, self.chain.tree.size() + 1);
        if sequence < expected {
            self.lost = true;
            return self.find(Finding::OutOfPlace { sequence });
        }
        if sequence > expected {
            self.lost = true;
            let (from, to) = (expected, sequence - 1);
            self.find(Finding::Missing { from, to });
            self.chain = self.chain.skipped_to(sequence);
        } else if record.previous != hex(&self.chain.last) {
            self.lost = true;
            let sequence = (sequence - 1).max(self.before + 1);
            self.find(Finding::Changed { sequence });
        }
        if record.event.event_name == super::chain::CHECKPOINT
            && record.event.event_source == super::TRAIL_EVENTS
        {
            self.check_recorded(record);
        }
        self.chain.accept(record);
        self.check_kept();
    }

    /// A checkpoint in the trail is over all events before it.
    fn check_recorded(&mut self, record: &AuditRecord) {
        let sequence = record.sequence;
        match record.checkpoint() {
            Some(signed)
                if signed.is_signed_by(&self.verifier)
                    && signed.checkpoint.size + 1 == sequence =>
            {
                self.compare(&signed);
            }
            _ => self.find(Finding::BadCheckpoint { sequence }),
        }
    }

    /// Compares with those handed in that are over just so many events.
    fn check_kept(&mut self) {
        let size = self.chain.tree.size();
        let upto = self.kept.partition_point(|s| s.checkpoint.size <= size);
        for signed in self.kept.drain(..upto).collect::<Vec<_>>() {
            // One over fewer events than come before the export says nothing about it.
            match signed.checkpoint.size == size {
                true => self.compare(&signed),
                false => self.unused += 1,
            }
        }
    }

    fn compare(&mut self, signed: &SignedCheckpoint) {
        let checkpoint = &signed.checkpoint;
        if self.lost {
            return;
        }
        if checkpoint.root == self.chain.tree.root() {
            self.confirmed = self.confirmed.max(checkpoint.size);
            self.checkpoints += 1;
            return;
        }
        self.lost = true;
        self.find(Finding::OtherThanSigned {
            from: self.confirmed.max(self.before) + 1,
            to: checkpoint.size,
            time: checkpoint.time.clone(),
        });
    }

    /// Ends it: there are no more lines.
    pub fn end(mut self) -> Verified {
        let at = self.chain.tree.size();
        for signed in std::mem::take(&mut self.kept) {
            let (of, time) = (signed.checkpoint.size, signed.checkpoint.time);
            self.find(Finding::CutOff { at, of, time });
        }
        Verified {
            before: self.before,
            events: at,
            confirmed: self.confirmed,
            checkpoints: self.checkpoints,
            unused: self.unused,
            findings: self.findings,
            more: self.more,
        }
    }
}

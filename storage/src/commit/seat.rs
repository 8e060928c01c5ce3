//! The writer's seat: one at a time, mutations meet the newest trees here, in memory, without any I/O or waiting.
//!
//! Guaranteed:
//! - a mutation is applied whole or not at all: if one of its changes misses a page, those before it are taken back;
//! - the group's outcomes, in the order in which they were applied, give the same trees and counters when replayed;
//! - [`Seat::rollback`] restores every table as it was before the open group.
//!
//! Crash here: nothing of the open group is on the disk; it is absent after recovery.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sealdb_crypto::{Clock, Sealer, TableId, TableKeys};
use sealdb_model::ops::SequenceNumber;

use super::queue::Pending;
use super::txn::{Change, Effect, Txn, TxnError, What, need};
use crate::catalog::definition::Definition;
use crate::catalog::record::SystemOutcome;
use crate::error::Error;
use crate::log::frame::Outcome;
use crate::plaintext::Plaintext;
use crate::shared::Shared;
use crate::table::{KeyStep, OpenTable, OpenView, Table};
use crate::trees::{Extent, Filled, Load, RetiredByTree, Trees};

/// The open group, and what of it has been applied.
pub(crate) struct Seat {
    group: OpenGroup,
    txn: Txn,
    /// For the time of records.
    clock: Arc<dyn Clock>,
    /// Sequence of the last group that was closed.
    pub(crate) closed_sequence: u64,
}

#[derive(Default)]
struct OpenGroup {
    touched: Vec<Arc<Table>>,
    system: Vec<u8>,
    secrets: bool,
    effects: Vec<Effect>,
    waiting: Vec<Box<dyn Pending>>,
    bytes: usize,
    mutations: usize,
}

impl OpenGroup {
    /// Changes an open table besides its entries; what its trees were before is kept, to be taken back.
    fn change(&mut self, table: &Arc<Table>, change: impl FnOnce(&mut OpenTable)) {
        let mut working = table.working.lock();
        let working = &mut *working;
        let Some(open) = &mut working.open else {
            return;
        };
        if working.before.is_none() {
            working.before = Some(open.trees.clone());
            self.touched.push(table.clone());
        }
        change(open);
    }

    /// The table's trees are from here on those of the definition.
    fn redefine(&mut self, table: &Arc<Table>, definition: &Definition) {
        self.change(table, |open| {
            open.sealers.redefine(&mut open.trees, definition);
        });
    }

    /// From here on the table's trees are read and written with its newest key alone. Taken back, they have both again, and what is
    /// made then has the newest: that is as it was.
    fn let_older_key_go(&mut self, table: &Arc<Table>) {
        self.change(table, |open| {
            let newest = TableKeys::new(open.sealers.keys().active().clone());
            open.sealers = open.sealers.under(newest, &mut open.trees);
        });
    }
}

/// A table's share of a closed group.
pub(crate) struct ClosedPart {
    pub(crate) table: Arc<Table>,
    /// Seals the log part.
    pub(crate) log: Arc<dyn Sealer>,
    /// Plaintext of the log part.
    pub(crate) outcomes: Plaintext,
    pub(crate) view: OpenView,
    pub(crate) retired: RetiredByTree,
}

/// A group that takes nothing more.
pub(crate) struct ClosedGroup {
    pub(crate) sequence: u64,
    pub(crate) parts: Vec<ClosedPart>,
    pub(crate) system: Vec<u8>,
    /// Whether the system part holds a key record.
    pub(crate) secrets: bool,
    pub(super) effects: Vec<Effect>,
    pub(super) waiting: Vec<Box<dyn Pending>>,
}

impl ClosedGroup {
    /// Whether there is anything to log.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.system.is_empty()
    }
}

/// What became of a mutation.
pub(super) enum Applied<R> {
    /// It is in the open group.
    Yes(R),
    /// It failed by itself: nothing of it is in the group.
    No(Error),
    /// A page is missing.
    Load(super::txn::PageNeed),
}

impl Seat {
    pub(crate) fn new(closed_sequence: u64, clock: Arc<dyn Clock>) -> Self {
        Seat {
            group: OpenGroup::default(),
            txn: Txn::default(),
            clock,
            closed_sequence,
        }
    }

    /// Whether the open group takes no more mutations.
    pub(super) fn is_full(&self, shared: &Shared) -> bool {
        // Each change may leave a record, and the mutation that is let in at last has at most 100 of them.
        let most = SequenceNumber::MAX_RECORDS - 100;
        self.group.bytes >= shared.options.group_bytes
            || self.group.mutations >= shared.options.group_mutations.min(most)
    }

    /// Whether nobody waits for the open group.
    pub(super) fn is_idle(&self) -> bool {
        self.group.waiting.is_empty()
    }

    /// Bytes of the open group's log record before sealing, at most.
    pub(super) fn record_bytes(&self) -> usize {
        // Head and tail of each block, and the entry in the frame.
        let per_part = 128;
        4096 + self.group.bytes
            + self.group.system.len()
            + (self.group.touched.len() + 1) * per_part
    }

    pub(super) fn enlist(&mut self, waiting: Box<dyn Pending>) {
        self.group.waiting.push(waiting);
    }

    pub(crate) fn touches(&self, table: TableId) -> bool {
        self.group.touched.iter().any(|touched| touched.id == table)
    }

    /// Runs a mutation and applies what it asks for.
    pub(super) fn run<F, R>(&mut self, mutation: &mut F) -> Applied<R>
    where
        F: FnMut(&mut Txn) -> Result<R, TxnError>,
    {
        self.txn.clear();
        // It only collects changes: a panic in it leaves nothing behind, and is its own caller's affair, whoever runs it.
        let ran = catch_unwind(AssertUnwindSafe(|| mutation(&mut self.txn)));
        let result = match ran {
            Ok(Ok(result)) => result,
            Ok(Err(TxnError::Load(need))) => return Applied::Load(need),
            Ok(Err(TxnError::Fail(error))) => return Applied::No(error),
            Err(_) => return Applied::No(Error::System("the mutation panicked".into())),
        };
        let mut txn = std::mem::take(&mut self.txn);
        let applied = self.apply(&txn.changes);
        let applied = match applied {
            Ok(()) => {
                self.apply_system(&mut txn);
                Applied::Yes(result)
            }
            Err(TxnError::Load(need)) => Applied::Load(need),
            Err(TxnError::Fail(error)) => Applied::No(error),
        };
        txn.clear();
        self.txn = txn;
        applied
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), TxnError> {
        match changes {
            [] => Ok(()),
            // A change of one tree happens or does not: no savepoint needed.
            [change] if change.table.has_one_tree() => self.apply_one(change),
            many => {
                let mut saved: Vec<Savepoint> = Vec::with_capacity(many.len().min(4));
                for change in many {
                    if !saved.iter().any(|point| point.table.id == change.table.id) {
                        saved.extend(Savepoint::take(&change.table));
                    }
                }
                let (bytes, mutations, touched) = (
                    self.group.bytes,
                    self.group.mutations,
                    self.group.touched.len(),
                );
                for change in many {
                    if let Err(error) = self.apply_one(change) {
                        for point in saved {
                            point.restore();
                        }
                        self.group.touched.truncate(touched);
                        (self.group.bytes, self.group.mutations) = (bytes, mutations);
                        return Err(error);
                    }
                }
                for point in saved {
                    point.keep();
                }
                Ok(())
            }
        }
    }

    fn apply_one(&mut self, change: &Change) -> Result<(), TxnError> {
        let table = &change.table;
        let mut working = table.working.lock();
        let working = &mut *working;
        working.check_writable(table)?;
        let Some(open) = &mut working.open else {
            return Ok(());
        };
        let before = working.before.is_none().then(|| open.trees.clone());
        let load: Load<'_> = &mut |io, missing| Err(need(io, missing));
        let (retired, part) = (&mut working.retired, &mut working.part);
        let len = part.len();
        if let Some(written) = change.what.written() {
            let recording = open
                .trees
                .record_now(self.closed_sequence + 1, &*self.clock);
            open.trees.change(table, retired, written, load)?;
            if let Some(recording) = recording {
                recording.append_to(part);
            }
            Outcome::Item(written).append_to(part);
        }
        match &change.what {
            What::Entry(_) | What::Expire(_) => {}
            // Nothing that anybody could read changes: nothing for the log.
            What::Rewrite(space, key) => open.trees.rewrite(*space, retired, key, load)?,
            What::Fill(tree, most) => {
                let extent = Extent::Items(*most);
                let filled = open.trees.fill(table, retired, *tree, &extent, load)?;
                let key: &[u8] = match &filled {
                    None => return Ok(()),
                    Some(Filled::UpTo(key)) => key,
                    Some(Filled::All) => &[],
                };
                Outcome::Fill { tree: *tree, key }.append_to(part);
            }
            What::Trim(stream, key) => {
                open.trees.trim(retired, *stream, key, load)?;
                let stream = *stream;
                Outcome::Trim { stream, key }.append_to(part);
            }
        }
        if before.is_some() {
            working.before = before;
            self.group.touched.push(table.clone());
        }
        self.group.bytes += working.part.len() - len;
        self.group.mutations += 1;
        Ok(())
    }

    fn apply_system(&mut self, txn: &mut Txn) {
        for (outcome, effect) in txn.system.drain(..) {
            outcome.encode(&mut self.group.system);
            self.group.secrets |= outcome.is_secret();
            match (&effect, &outcome) {
                // From here on no mutation of this or a later group sees the table.
                (Effect::Delete(table), _) => table.working.lock().deleting = true,
                (Effect::Alter(table, definition), _) => self.group.redefine(table, definition),
                (Effect::Keys(table, _, KeyStep::Alone), _) => self.group.let_older_key_go(table),
                // From here on one with the same token does: it is answered when this group is durable.
                (Effect::Token(tokens, _), SystemOutcome::Token(token)) => {
                    tokens.insert(*token, self.closed_sequence + 1);
                }
                _ => {}
            }
            self.group.effects.push(effect);
            self.group.mutations += 1;
        }
    }

    /// Takes the open group as it is; the next mutation opens another.
    pub(super) fn close(&mut self) -> ClosedGroup {
        let group = std::mem::take(&mut self.group);
        let mut closed = ClosedGroup {
            sequence: self.closed_sequence,
            parts: Vec::with_capacity(group.touched.len()),
            system: group.system,
            secrets: group.secrets,
            effects: group.effects,
            waiting: group.waiting,
        };
        if group.touched.is_empty() && closed.system.is_empty() {
            return closed;
        }
        self.closed_sequence += 1;
        closed.sequence = self.closed_sequence;
        for table in group.touched {
            let mut working = table.working.lock();
            let Some(open) = &working.open else {
                continue;
            };
            let view = OpenView {
                trees: open.trees.clone(),
                sequence: closed.sequence,
            };
            let log = open.sealers.log.clone();
            working.before = None;
            working.sequence = closed.sequence;
            let outcomes = std::mem::take(&mut working.part);
            let retired = std::mem::take(&mut working.retired);
            drop(working);
            closed.parts.push(ClosedPart {
                table,
                log,
                outcomes,
                view,
                retired,
            });
        }
        closed
    }

    /// Takes the open group back: its tables are as before it. Those who wait for it are the caller's to answer.
    pub(super) fn rollback(&mut self) -> Vec<Box<dyn Pending>> {
        let group = std::mem::take(&mut self.group);
        for table in group.touched {
            let mut working = table.working.lock();
            let before = working.before.take();
            if let (Some(open), Some(before)) = (&mut working.open, before) {
                open.trees = before;
            }
            working.part.clear();
            working.retired.clear();
        }
        for effect in group.effects {
            match effect {
                Effect::Delete(table) => table.working.lock().deleting = false,
                Effect::Token(tokens, token) => tokens.remove(&token),
                // Its trees are back; nobody else saw the definition.
                Effect::Create(_) | Effect::Alter(..) | Effect::Keys(..) => {}
            }
        }
        group.waiting
    }
}

/// A table's state before a mutation of several changes.
struct Savepoint {
    table: Arc<Table>,
    trees: Trees,
    part: usize,
    retired: RetiredByTree,
    touched: bool,
}

impl Savepoint {
    /// `None` for a closed table, which takes no change.
    fn take(table: &Arc<Table>) -> Option<Self> {
        let mut working = table.working.lock();
        let trees = working.open.as_ref()?.trees.clone();
        Some(Savepoint {
            table: table.clone(),
            trees,
            part: working.part.len(),
            // What this mutation retires is collected apart, so that it can be forgotten.
            retired: std::mem::take(&mut working.retired),
            touched: working.before.is_some(),
        })
    }

    fn restore(self) {
        let mut working = self.table.working.lock();
        if let Some(open) = &mut working.open {
            open.trees = self.trees;
        }
        working.part.truncate(self.part);
        working.retired = self.retired;
        if !self.touched {
            working.before = None;
        }
    }

    fn keep(self) {
        let mut working = self.table.working.lock();
        let own = std::mem::replace(&mut working.retired, self.retired);
        working.retired.append(own);
    }
}

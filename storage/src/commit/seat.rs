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

use sealdb_crypto::TableId;
use sealdb_engine::SpaceId;
use sealdb_model::codec::encoded_item_size;

use super::queue::Pending;
use super::txn::{Change, Effect, Entry, Txn, TxnError, need};
use crate::catalog::record::SystemOutcome;
use crate::error::Error;
use crate::log::frame::Outcome;
use crate::shared::Shared;
use crate::table::{Counters, OpenTable, OpenView, Table, Working};
use crate::tree::{Retired, Tree};

/// The open group, and what of it has been applied.
#[derive(Default)]
pub(crate) struct Seat {
    group: OpenGroup,
    txn: Txn,
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

/// A table's share of a closed group.
pub(crate) struct ClosedPart {
    pub(crate) table: Arc<Table>,
    pub(crate) open: OpenTable,
    /// Plaintext of the log part.
    pub(crate) outcomes: Vec<u8>,
    pub(crate) view: OpenView,
    pub(crate) space: SpaceId,
    pub(crate) retired: Retired,
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
    pub(crate) fn new(closed_sequence: u64) -> Self {
        Seat {
            closed_sequence,
            ..Seat::default()
        }
    }

    /// Whether the open group takes no more mutations.
    pub(super) fn is_full(&self, shared: &Shared) -> bool {
        self.group.bytes >= shared.options.group_bytes
            || self.group.mutations >= shared.options.group_mutations
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
            // `Tree::put` and `Tree::remove` change nothing if they fail: no savepoint needed.
            [change] => self.apply_one(change),
            many => {
                let mut saved: Vec<Savepoint> = Vec::with_capacity(many.len().min(4));
                for change in many {
                    if !saved.iter().any(|point| point.table.id == change.table.id) {
                        saved.push(Savepoint::take(&change.table));
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
        let mut working = change.table.working.lock();
        let working = &mut *working;
        let open = working.writable(&change.table)?;
        let before = working
            .before
            .is_none()
            .then(|| (working.tree.clone(), working.counters));
        let io = open.io.clone();
        let Entry { key, item } = &*change.entry;
        apply_change(working, &io, key, item.as_deref())?;
        if before.is_some() {
            working.before = before;
            self.group.touched.push(change.table.clone());
        }
        let outcome = match item {
            Some(item) => Outcome::Put { key, item },
            None => Outcome::Delete { key },
        };
        let len = working.part.len();
        outcome.encode(&mut working.part);
        self.group.bytes += working.part.len() - len;
        self.group.mutations += 1;
        Ok(())
    }

    fn apply_system(&mut self, txn: &mut Txn) {
        for (outcome, effect) in txn.system.drain(..) {
            outcome.encode(&mut self.group.system);
            self.group.secrets |= !matches!(outcome, SystemOutcome::Deleted(_));
            if let Effect::Delete(table) = &effect {
                // From here on no mutation of this or a later group sees the table.
                table.working.lock().deleting = true;
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
            let Some(open) = working.open.clone() else {
                continue;
            };
            working.before = None;
            working.sequence = closed.sequence;
            let view = OpenView {
                io: open.io.clone(),
                tree: working.tree.clone(),
                counters: working.counters,
                sequence: closed.sequence,
            };
            let outcomes = std::mem::take(&mut working.part);
            let retired = std::mem::take(&mut working.retired);
            drop(working);
            let space = open.io.space;
            closed.parts.push(ClosedPart {
                table,
                open,
                outcomes,
                view,
                space,
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
            if let Some((tree, counters)) = working.before.take() {
                working.tree = tree;
                working.counters = counters;
            }
            working.part.clear();
            working.retired = Retired::new();
        }
        for effect in group.effects {
            if let Effect::Delete(table) = effect {
                table.working.lock().deleting = false;
            }
        }
        group.waiting
    }
}

/// Applies one change to the newest tree and its counters. On an error nothing has changed.
fn apply_change(
    working: &mut Working,
    io: &Arc<crate::tree::TreeIo>,
    key: &[u8],
    item: Option<&[u8]>,
) -> Result<(), TxnError> {
    change_tree(
        &mut working.tree,
        &mut working.counters,
        &mut working.retired,
        io,
        key,
        item,
    )
}

/// Puts or removes one item and keeps the counters exact. Also what replay does.
pub(crate) fn change_tree(
    tree: &mut Tree,
    counters: &mut Counters,
    retired: &mut Retired,
    io: &Arc<crate::tree::TreeIo>,
    key: &[u8],
    item: Option<&[u8]>,
) -> Result<(), TxnError> {
    let size = |bytes: &[u8]| {
        encoded_item_size(bytes)
            .map(|size| size as u64)
            .map_err(|error| TxnError::Fail(Error::Corruption(format!("a stored item: {error}"))))
    };
    // What can fail goes first.
    let new_size = item.map(size).transpose()?;
    let old = match item {
        Some(item) => tree.put(io, key, item, retired),
        None => tree.remove(io, key, retired),
    }
    .map_err(|error| need(io, error))?;
    let old_size = match &old {
        // It was measured when it was put; a stored item that cannot be measured now is damage that `check` reports.
        Some(old) => encoded_item_size(old).map_or(0, |size| size as u64),
        None => 0,
    };
    counters.item_count =
        counters.item_count + u64::from(item.is_some()) - u64::from(old.is_some());
    counters.size_bytes = (counters.size_bytes + new_size.unwrap_or(0)).saturating_sub(old_size);
    Ok(())
}

/// A table's state before a mutation of several changes.
struct Savepoint {
    table: Arc<Table>,
    tree: Tree,
    counters: Counters,
    part: usize,
    retired: Retired,
    touched: bool,
}

impl Savepoint {
    fn take(table: &Arc<Table>) -> Self {
        let mut working = table.working.lock();
        Savepoint {
            table: table.clone(),
            tree: working.tree.clone(),
            counters: working.counters,
            part: working.part.len(),
            // What this mutation retires is collected apart, so that it can be forgotten.
            retired: std::mem::take(&mut working.retired),
            touched: working.before.is_some(),
        }
    }

    fn restore(self) {
        let mut working = self.table.working.lock();
        working.tree = self.tree;
        working.counters = self.counters;
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

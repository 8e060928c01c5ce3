//! An open table: what readers see of it, and what the writer works on.
//!
//! Readers load one published [`View`] and follow it without a lock. The writer's newest tree stands in [`Working`], which
//! is touched only in the writer's seat. Between the two lies the group that is being made durable.
//!
//! Guaranteed: a view holds exactly the outcomes of all groups up to its sequence that touched the table, and they are durable (or
//! as durable as the interval says). Not guaranteed: that two tables' views belong to one sequence; see `Core::sequence`.

use std::hash::Hasher;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use sealdb_crypto::{Sealer, TableId};
use sealdb_model::{KeyBytes, KeySchema, TableName};
use siphasher::sip::SipHasher24;

use crate::catalog::record::{Billing, TableRecord};
use crate::error::{ClosedReason, Error};
use crate::pins::{Pin, Pins};
use crate::shared::Published;
use crate::tree::{Cell, Cursor, Need, Retired, Tree, TreeIo, Value};

/// A table of an open database.
pub(crate) struct Table {
    pub(crate) id: TableId,
    pub(crate) name: TableName,
    pub(crate) schema: KeySchema,
    pub(crate) billing: Billing,
    pub(crate) created_ms: u64,
    hash_key: [u8; 16],
    view: ArcSwap<View>,
    /// Only in the seat.
    pub(crate) working: Mutex<Working>,
    /// As of the last checkpoint; the key record as of now. Only the checkpointer, DDL and the keeper.
    pub(crate) record: Mutex<RecordSlot>,
    /// The highest log sequence that has a part of this table, as far as known while it is closed.
    pub(crate) logged_to: AtomicU64,
    pins: Arc<Pins>,
    /// Sequence of the last published group.
    published: Arc<AtomicU64>,
}

/// A table's record in the catalog.
pub(crate) struct RecordSlot {
    pub(crate) record: TableRecord,
    /// The catalog does not have it like this yet.
    pub(crate) changed: bool,
}

/// What readers see.
pub(crate) enum View {
    Open(OpenView),
    Closed(ClosedView),
}

pub(crate) struct OpenView {
    pub(crate) io: Arc<TreeIo>,
    pub(crate) tree: Tree,
    pub(crate) counters: Counters,
    /// The last group that changed the table.
    pub(crate) sequence: u64,
}

pub(crate) struct ClosedView {
    pub(crate) reason: ClosedReason,
    /// As far as they were known.
    pub(crate) counters: Counters,
}

/// Exact at the sequence of the view that they stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counters {
    pub(crate) item_count: u64,
    /// AWS's size of all items.
    pub(crate) size_bytes: u64,
}

/// What an open table's key gives.
#[derive(Clone)]
pub(crate) struct OpenTable {
    pub(crate) io: Arc<TreeIo>,
    pub(crate) log: Arc<dyn Sealer>,
}

/// The newest state, durable or not. Only in the seat.
pub(crate) struct Working {
    /// `None`: closed or deleted.
    pub(crate) open: Option<OpenTable>,
    /// Why `open` is `None`.
    pub(crate) closed: Option<ClosedReason>,
    pub(crate) tree: Tree,
    pub(crate) counters: Counters,
    pub(crate) sequence: u64,
    /// Outcomes of the open group.
    pub(crate) part: Vec<u8>,
    /// Places that the open group gave up.
    pub(crate) retired: Retired,
    /// The state before the open group, if that touched the table.
    pub(crate) before: Option<(Tree, Counters)>,
    /// Its deletion is in the open group or on its way to the disk.
    pub(crate) deleting: bool,
    /// Its key is about to be dropped: nothing new is taken, nothing more is published.
    pub(crate) closing: bool,
}

impl Working {
    /// What a mutation works with.
    ///
    /// # Errors
    /// Why the table takes none.
    pub(crate) fn writable(&self, table: &Table) -> Result<&OpenTable, Error> {
        match (&self.open, &self.closed) {
            (Some(_), _) if self.deleting => Err(table.inaccessible(&ClosedReason::Deleted)),
            (Some(open), None) => Ok(open),
            (_, Some(reason)) => Err(table.inaccessible(reason)),
            (None, None) => Err(table.inaccessible(&ClosedReason::Deleted)),
        }
    }
}

impl Table {
    /// A table that is closed until [`Table::set_open`].
    pub(crate) fn closed(
        record: TableRecord,
        reason: ClosedReason,
        pins: Arc<Pins>,
        published: &Published,
    ) -> Arc<Self> {
        let counters = Counters {
            item_count: record.item_count,
            size_bytes: record.size_bytes,
        };
        Arc::new(Table {
            id: record.id,
            name: record.name.clone(),
            schema: record.schema.clone(),
            billing: record.billing,
            created_ms: record.created_ms,
            hash_key: record.hash_key,
            view: ArcSwap::from_pointee(View::Closed(ClosedView {
                reason: reason.clone(),
                counters,
            })),
            working: Mutex::new(Working {
                open: None,
                closed: Some(reason),
                tree: Tree::empty(),
                counters,
                sequence: record.sequence,
                part: Vec::new(),
                retired: Retired::new(),
                before: None,
                deleting: false,
                closing: false,
            }),
            logged_to: AtomicU64::new(record.sequence.max(record.carried_to)),
            record: Mutex::new(RecordSlot {
                record,
                changed: false,
            }),
            pins,
            published: published.sequence_counter(),
        })
    }

    /// Opens the table with this state. Only while nobody writes to it: at recovery, or in the seat.
    pub(crate) fn set_open(&self, open: OpenTable, tree: Tree, counters: Counters, sequence: u64) {
        let mut working = self.working.lock();
        let view = OpenView {
            io: open.io.clone(),
            tree: tree.clone(),
            counters,
            sequence,
        };
        *working = Working {
            open: Some(open),
            closed: None,
            tree,
            counters,
            sequence,
            part: Vec::new(),
            retired: Retired::new(),
            before: None,
            deleting: false,
            closing: false,
        };
        self.view.store(Arc::new(View::Open(view)));
    }

    /// From now on nothing is read or written. What is in the open group or on its way to the disk still gets there.
    pub(crate) fn begin_closing(&self, reason: ClosedReason) {
        let mut working = self.working.lock();
        working.closing = true;
        working.closed = Some(reason.clone());
        // Before the view shows it: a checkpoint that finds the table closed asks what it has to carry along.
        self.logged_to.fetch_max(working.sequence, Ordering::AcqRel);
        let counters = self.counters();
        self.view
            .store(Arc::new(View::Closed(ClosedView { reason, counters })));
    }

    /// Drops key, pages and unpublished state. With no open group that touches the table.
    pub(crate) fn set_closed(&self, reason: ClosedReason) {
        let mut working = self.working.lock();
        let counters = self.counters();
        self.logged_to.fetch_max(working.sequence, Ordering::AcqRel);
        working.open = None;
        working.closed = Some(reason.clone());
        working.tree = Tree::empty();
        working.part = Vec::new();
        working.retired = Retired::new();
        working.before = None;
        self.view
            .store(Arc::new(View::Closed(ClosedView { reason, counters })));
    }

    /// Replaces what readers see, unless the table is closing; false then. Only by the publisher.
    pub(crate) fn publish(&self, view: OpenView) -> bool {
        let working = self.working.lock();
        if working.closing || working.open.is_none() {
            self.logged_to.fetch_max(view.sequence, Ordering::AcqRel);
            return false;
        }
        self.view.store(Arc::new(View::Open(view)));
        true
    }

    /// What readers see now.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Why the table is closed, if it is.
    pub(crate) fn closed_reason(&self) -> Option<ClosedReason> {
        match &**self.view.load() {
            View::Open(_) => None,
            View::Closed(closed) => Some(closed.reason.clone()),
        }
    }

    /// Exact while the table is open; as of its last checkpoint, or of its closing, otherwise.
    pub(crate) fn counters(&self) -> Counters {
        match &**self.view.load() {
            View::Open(open) => open.counters,
            View::Closed(closed) => closed.counters,
        }
    }

    pub(crate) fn inaccessible(&self, reason: &ClosedReason) -> Error {
        match reason {
            ClosedReason::Deleted => Error::TableNotFound(self.name.to_string()),
            reason => Error::TableInaccessible {
                table: self.name.clone(),
                reason: reason.clone(),
            },
        }
    }

    /// The key under which an item is stored: keyed hash of the partition key 8 ‖ its length 2 ‖ itself ‖ sort key.
    pub(crate) fn stored_key(&self, key: &KeyBytes) -> Vec<u8> {
        let mut out = self.partition_prefix(&key.partition);
        out.extend_from_slice(&key.sort);
        out
    }

    /// What all stored keys of one partition begin with; what follows is the sort key.
    pub(crate) fn partition_prefix(&self, partition: &[u8]) -> Vec<u8> {
        let mut hasher = SipHasher24::new_with_key(&self.hash_key);
        hasher.write(partition);
        let mut out = Vec::with_capacity(10 + partition.len() + 32);
        out.extend_from_slice(&hasher.finish().to_be_bytes());
        let len = u16::try_from(partition.len()).expect("a partition key has at most 2,048 bytes");
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(partition);
        out
    }

    /// A stored key taken apart: partition key and sort key. `None` if it is none that we write.
    pub(crate) fn split_stored_key(key: &[u8]) -> Option<(&[u8], &[u8])> {
        let (_, rest) = key.split_at_checked(8)?;
        let (len, rest) = rest.split_first_chunk::<2>()?;
        rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
    }

    /// The item under a stored key, as last published, or `None` if a page that leads to it is not in memory.
    ///
    /// # Errors
    /// [`Error::TableInaccessible`].
    #[inline]
    pub(crate) fn get_cached(&self, key: &[u8]) -> Result<Option<Option<Value>>, Error> {
        Ok(self.try_get(key)?.ok())
    }

    /// The item under a stored key, as last published. Does not suspend if its pages are cached.
    ///
    /// # Errors
    /// [`Error::TableInaccessible`], [`Error::Corruption`], [`Error::Engine`].
    pub(crate) async fn get(&self, key: &[u8]) -> Result<Option<Value>, Error> {
        loop {
            let miss = match self.try_get(key)? {
                Ok(value) => return Ok(value),
                Err(miss) => miss,
            };
            if let Err(error) = miss.io.load(&miss.cell).await {
                self.unless_outdated(&miss.view, error.into())?;
            }
        }
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`Table::get`].
    pub(crate) fn get_blocking(&self, key: &[u8]) -> Result<Option<Value>, Error> {
        loop {
            let miss = match self.try_get(key)? {
                Ok(value) => return Ok(value),
                Err(miss) => miss,
            };
            if let Err(error) = miss.io.load_blocking(&miss.cell) {
                self.unless_outdated(&miss.view, error.into())?;
            }
        }
    }

    #[inline]
    fn try_get(&self, key: &[u8]) -> Result<Result<Option<Value>, Miss>, Error> {
        let view = self.view.load();
        let open = match &**view {
            View::Open(open) => open,
            View::Closed(closed) => return Err(self.inaccessible(&closed.reason)),
        };
        match open.tree.get(&open.io, key) {
            Ok(value) => Ok(Ok(value)),
            Err(Need::Load(cell)) => Ok(Err(Miss {
                io: open.io.clone(),
                cell,
                view: Arc::clone(&view),
            })),
            Err(Need::Fail(error)) => Err(error.into()),
        }
    }

    /// A point read holds no pin: a place that it was about to read may have been freed and used again, if the table has
    /// moved on since. Then the error means nothing and the read begins anew; otherwise it is what it says.
    fn unless_outdated(&self, seen: &Arc<View>, error: Error) -> Result<(), Error> {
        if Arc::ptr_eq(seen, &self.view.load()) {
            Err(error)
        } else {
            Ok(())
        }
    }

    /// A snapshot for reads that take longer than a moment. Its places stay for at most the pin's age.
    ///
    /// # Errors
    /// [`Error::TableInaccessible`].
    pub(crate) fn read(self: &Arc<Self>) -> Result<Snapshot, Error> {
        // The pin first: whatever is given up from now on has a higher sequence, and stays.
        let pin = self.pins.pin(self.published.load(Ordering::Acquire));
        let view = self.view.load_full();
        match &*view {
            View::Closed(closed) => Err(self.inaccessible(&closed.reason)),
            View::Open(_) => Ok(Snapshot { view, pin }),
        }
    }
}

struct Miss {
    io: Arc<TreeIo>,
    cell: Arc<Cell>,
    view: Arc<View>,
}

/// A table at one moment, for queries and scans.
pub(crate) struct Snapshot {
    view: Arc<View>,
    pin: Pin,
}

impl Snapshot {
    fn open(&self) -> &OpenView {
        match &*self.view {
            View::Open(open) => open,
            View::Closed(_) => unreachable!("a snapshot is made from an open view only"),
        }
    }

    /// Walks the stored keys between the bounds. What a scan brings into the cache does not displace what gets use.
    pub(crate) fn cursor(
        &self,
        lower: Bound<Vec<u8>>,
        upper: Bound<Vec<u8>>,
        reverse: bool,
        scan: bool,
    ) -> SnapshotCursor<'_> {
        let cursor = self.open().tree.cursor(lower, upper, reverse);
        let cursor = if scan { cursor.scanning() } else { cursor };
        SnapshotCursor {
            snapshot: self,
            cursor,
            key: Vec::new(),
        }
    }

    fn failed(&self, error: impl Into<Error>) -> Error {
        // Past its age a snapshot's places may hold other blocks: the tag shows it, and the reader begins anew.
        if self.pin.expired() {
            Error::SnapshotExpired
        } else {
            error.into()
        }
    }
}

/// A walk over a snapshot.
pub(crate) struct SnapshotCursor<'a> {
    snapshot: &'a Snapshot,
    cursor: Cursor,
    key: Vec<u8>,
}

impl SnapshotCursor<'_> {
    /// The next item, or `None` at the end; [`SnapshotCursor::key`] is its stored key. Does not suspend if its pages are cached.
    ///
    /// # Errors
    /// [`Error::SnapshotExpired`], [`Error::Corruption`], [`Error::Engine`].
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, Error> {
        loop {
            match self.step()? {
                Ok(next) => return Ok(next),
                Err(cell) => {
                    let io = &self.snapshot.open().io;
                    let loaded = io.load_for(&cell, self.cursor.hint()).await;
                    loaded.map_err(|error| self.snapshot.failed(error))?;
                }
            }
        }
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`SnapshotCursor::next`].
    pub(crate) fn next_blocking(&mut self) -> Result<Option<Value>, Error> {
        loop {
            match self.step()? {
                Ok(next) => return Ok(next),
                Err(cell) => {
                    let io = &self.snapshot.open().io;
                    let loaded = io.load_blocking_for(&cell, self.cursor.hint());
                    loaded.map_err(|error| self.snapshot.failed(error))?;
                }
            }
        }
    }

    /// The stored key of the item that came last.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    fn step(&mut self) -> Result<Result<Option<Value>, Arc<Cell>>, Error> {
        match self.cursor.next(&self.snapshot.open().io) {
            Ok(Some((key, value))) => {
                self.key.clear();
                self.key.extend_from_slice(&key);
                Ok(Ok(Some(value)))
            }
            Ok(None) => Ok(Ok(None)),
            Err(Need::Load(cell)) => Ok(Err(cell)),
            Err(Need::Fail(error)) => Err(self.snapshot.failed(error)),
        }
    }
}

//! An open table: what readers see of it, and what the writer works on.
//!
//! Readers load one published [`View`] and follow it without a lock. The writer's newest tree stands in [`Working`], which
//! is touched only in the writer's seat. Between the two lies the group that is being made durable.
//!
//! Guaranteed: a view holds exactly the outcomes of all groups up to its sequence that touched the table, and they are durable (or
//! as durable as the interval says). Not guaranteed: that two tables' views belong to one sequence; see `Core::sequence`.

mod sealers;
mod snapshot;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use sealdb_crypto::{Access, TableId, TableKey, TreeId};
use sealdb_engine::SpaceId;
use sealdb_model::expr::UpdateExpression;
use sealdb_model::{
    IndexKind, IndexName, IndexSchema, Item, KeySchema, MAX_ITEM_SIZE, TableName, TableSchema,
    ValidationError, item_size,
};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::catalog::definition::Definition;
use crate::catalog::keys::KeyRecords;
use crate::catalog::record::TableRecord;
use crate::error::{ClosedReason, Error};
use crate::pins::Pins;
use crate::plaintext::Plaintext;
use crate::shared::Published;
use crate::tree::{Cell, Need, TreeIo, Value};
use crate::trees::{Counters, Filled, RetiredByTree, Trees};

pub(crate) use sealers::TableSealers;
pub(crate) use snapshot::{Snapshot, SnapshotCursor};

/// A table of an open database.
pub(crate) struct Table {
    pub(crate) id: TableId,
    pub(crate) name: TableName,
    pub(crate) schema: KeySchema,
    pub(crate) created_ms: u64,
    /// As last published.
    definition: ArcSwap<Definition>,
    pub(crate) hash_key: [u8; 16],
    /// Whether it takes requests: not while it is being created or deleted.
    serving: AtomicBool,
    /// It is seen being updated until this time, in milliseconds since 1970. Not kept: what was asked for is done.
    updating_until: AtomicU64,
    /// Since when its KMS key cannot be used, in milliseconds since 1970; 0 while it can.
    closed_since: AtomicU64,
    /// The group that last changed its key records.
    keys_changed: AtomicU64,
    /// Who may use its items, as of when its keys were last unwrapped.
    access: ArcSwap<Access>,
    view: ArcSwap<View>,
    /// Told when readers see something else.
    changed: Notify,
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

/// What a change of key records means for the keys in memory.
#[derive(Clone)]
pub(crate) enum KeyStep {
    /// They stay.
    None,
    /// This one seals from the publication on.
    Succeed(Arc<TableKey>),
    /// The older one is let go: nothing is left that it sealed.
    Alone,
}

/// What readers see.
pub(crate) enum View {
    Open(OpenView),
    Closed(ClosedView),
}

pub(crate) struct OpenView {
    pub(crate) trees: Trees,
    /// The last group that changed the table.
    pub(crate) sequence: u64,
}

pub(crate) struct ClosedView {
    pub(crate) reason: ClosedReason,
    /// As far as they were known.
    pub(crate) counters: Counters,
}

/// An open table's newest state, and what makes it durable.
pub(crate) struct OpenTable {
    pub(crate) sealers: TableSealers,
    pub(crate) trees: Trees,
}

/// The newest state, durable or not. Only in the seat.
pub(crate) struct Working {
    /// `None`: closed or deleted.
    pub(crate) open: Option<OpenTable>,
    /// Why `open` is `None`.
    pub(crate) closed: Option<ClosedReason>,
    pub(crate) sequence: u64,
    /// Outcomes of the open group.
    pub(crate) part: Plaintext,
    /// Places that the open group gave up.
    pub(crate) retired: RetiredByTree,
    /// The state before the open group, if that touched the table.
    pub(crate) before: Option<Trees>,
    /// Its deletion is in the open group or on its way to the disk.
    pub(crate) deleting: bool,
    /// Its key is about to be dropped: nothing new is taken, nothing more is published.
    pub(crate) closing: bool,
}

impl Working {
    fn closed(reason: ClosedReason, sequence: u64) -> Self {
        Working {
            open: None,
            closed: Some(reason),
            sequence,
            part: Plaintext::default(),
            retired: RetiredByTree::default(),
            before: None,
            deleting: false,
            closing: false,
        }
    }

    /// Whether the table takes mutations.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_writable(&self, table: &Table) -> Result<(), Error> {
        match (&self.open, &self.closed) {
            (Some(_), _) if self.deleting => Err(table.inaccessible(&ClosedReason::Deleted)),
            (Some(_), None) => Ok(()),
            (_, Some(reason)) => Err(table.inaccessible(reason)),
            (None, None) => Err(table.inaccessible(&ClosedReason::Deleted)),
        }
    }

    /// The trees that a mutation sees.
    ///
    /// # Errors
    /// Why the table takes none.
    pub(crate) fn readable(&self, table: &Table) -> Result<&Trees, Error> {
        self.check_writable(table)?;
        match &self.open {
            Some(open) => Ok(&open.trees),
            None => Err(table.inaccessible(&ClosedReason::Deleted)),
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
        let counters = record.items.counters;
        Arc::new(Table {
            id: record.id,
            name: record.name.clone(),
            schema: record.schema.clone(),
            created_ms: record.created_ms,
            definition: ArcSwap::from_pointee(record.definition.clone()),
            serving: AtomicBool::new(record.definition.deleting.is_none()),
            updating_until: AtomicU64::new(0),
            closed_since: AtomicU64::new(0),
            keys_changed: AtomicU64::new(0),
            hash_key: record.hash_key,
            access: ArcSwap::from_pointee(Access::nobody()),
            view: ArcSwap::from_pointee(View::Closed(ClosedView {
                reason: reason.clone(),
                counters,
            })),
            changed: Notify::new(),
            working: Mutex::new(Working::closed(reason, record.sequence)),
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
    pub(crate) fn set_open(&self, sealers: TableSealers, trees: Trees, sequence: u64) {
        self.set_access(sealers.keys().access().clone());
        let mut working = self.working.lock();
        let view = OpenView {
            trees: trees.clone(),
            sequence,
        };
        *working = Working {
            open: Some(OpenTable { sealers, trees }),
            closed: None,
            ..Working::closed(ClosedReason::Deleted, sequence)
        };
        self.show(View::Open(view));
        self.closed_since.store(0, Ordering::Relaxed);
    }

    /// Who may use its items from now on.
    pub(crate) fn set_access(&self, access: Access) {
        self.access.store(Arc::new(access));
    }

    /// Who may use its items.
    #[inline]
    pub(crate) fn access(&self) -> Guard<Arc<Access>> {
        self.access.load()
    }

    /// Its KMS key cannot be used, as of this time if that is new.
    pub(crate) fn note_closed(&self, now_ms: u64) {
        let since = &self.closed_since;
        // Whoever was first is right.
        let _ = since.compare_exchange(0, now_ms, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Since when its KMS key cannot be used, in milliseconds since 1970.
    pub(crate) fn closed_since(&self) -> Option<u64> {
        Some(self.closed_since.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }

    /// The group that last changed its key records, as far as this process knows.
    pub(crate) fn keys_changed(&self) -> u64 {
        self.keys_changed.load(Ordering::Acquire)
    }

    /// Whether its items imply nothing elsewhere.
    pub(crate) fn has_one_tree(&self) -> bool {
        let working = self.working.lock();
        let open = working.open.as_ref();
        open.is_none_or(|open| open.trees.derived.is_empty())
    }

    /// From now on nothing is read or written. What is in the open group or on its way to the disk still gets there.
    pub(crate) fn begin_closing(&self, reason: ClosedReason) {
        let mut working = self.working.lock();
        working.closing = true;
        working.closed = Some(reason.clone());
        // Before the view shows it: a checkpoint that finds the table closed asks what it has to carry along.
        self.logged_to.fetch_max(working.sequence, Ordering::AcqRel);
        self.keep_definition();
        let counters = self.counters();
        self.show(View::Closed(ClosedView { reason, counters }));
    }

    /// Gives the record the trees that were made or removed since the last checkpoint: of a closed table no view tells the next one of them.
    fn keep_definition(&self) {
        let definition = self.definition();
        let mut slot = self.record.lock();
        if slot.record.definition.derived != definition.derived {
            slot.record.redefine((*definition).clone());
            slot.changed = true;
        }
    }

    /// Drops key, pages and unpublished state. With no open group that touches the table.
    pub(crate) fn set_closed(&self, reason: ClosedReason) {
        let mut working = self.working.lock();
        let counters = self.counters();
        self.logged_to.fetch_max(working.sequence, Ordering::AcqRel);
        working.open = None;
        self.keep_definition();
        working.closed = Some(reason.clone());
        working.part = Plaintext::default();
        working.retired.clear();
        working.before = None;
        self.show(View::Closed(ClosedView { reason, counters }));
    }

    /// Replaces what readers see, unless the table is closing; false then. Only by the publisher.
    pub(crate) fn publish(&self, view: OpenView) -> bool {
        let working = self.working.lock();
        if working.closing || working.open.is_none() {
            self.logged_to.fetch_max(view.sequence, Ordering::AcqRel);
            return false;
        }
        self.show(View::Open(view));
        true
    }

    fn show(&self, view: View) {
        self.view.store(Arc::new(view));
        self.wake();
    }

    /// Those who wait for a change look again.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Completes once readers may see something else than at this call.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
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
            View::Open(open) => open.trees.items.counters,
            View::Closed(closed) => closed.counters,
        }
    }

    /// Whether it takes requests.
    ///
    /// # Errors
    /// [`Error::TableNotFound`], as if it were not there.
    #[inline]
    pub(crate) fn check_serving(&self) -> Result<(), Error> {
        if self.serving.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err(Error::TableNotFound(self.name.to_string()))
        }
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Relaxed)
    }

    pub(crate) fn set_serving(&self, serving: bool) {
        self.serving.store(serving, Ordering::Relaxed);
    }

    pub(crate) fn is_updating(&self, now_ms: u64) -> bool {
        now_ms < self.updating_until.load(Ordering::Relaxed)
    }

    pub(crate) fn set_updating(&self, until_ms: u64) {
        self.updating_until.store(until_ms, Ordering::Relaxed);
    }

    /// Whether it may be altered or deleted.
    ///
    /// # Errors
    /// [`Error::TableInUse`] while it is being created, updated or deleted.
    pub(crate) fn check_settled(&self, now_ms: u64) -> Result<(), Error> {
        let state = match (self.is_serving(), self.definition.load().deleting) {
            (_, Some(_)) => "deleted",
            (false, None) => "created",
            (true, None) if self.is_updating(now_ms) => "updated",
            (true, None) => return Ok(()),
        };
        Err(Error::TableInUse(self.name.clone(), state))
    }

    /// What can be changed about the table, as it is now.
    pub(crate) fn definition(&self) -> Arc<Definition> {
        self.definition.load_full()
    }

    /// A new definition is published; gives the spaces of the trees that are gone. The record gets the list of trees with the next
    /// checkpoint, as the view at its sequence has it.
    pub(crate) fn redefine(&self, definition: Definition) -> Vec<SpaceId> {
        let gone = self.definition.load().gone_in(&definition);
        let mut slot = self.record.lock();
        let derived = std::mem::take(&mut slot.record.definition.derived);
        slot.record.definition = Definition {
            derived,
            ..definition.clone()
        };
        slot.changed = true;
        drop(slot);
        if definition.deleting.is_some() {
            self.set_serving(false);
        }
        self.definition.store(Arc::new(definition));
        self.wake();
        gone
    }

    /// Other key records are published, and what that means for the keys in memory.
    pub(crate) fn set_keys(&self, records: KeyRecords, step: KeyStep, sequence: u64) {
        self.keys_changed.store(sequence, Ordering::Release);
        let mut slot = self.record.lock();
        slot.record.keys = records;
        slot.changed = true;
        drop(slot);
        // Only now: whatever the newer key seals, a checkpoint writes after the records that tell of it.
        if let KeyStep::Succeed(key) = step
            && let Some(open) = &self.working.lock().open
        {
            open.sealers.keys().succeed(key);
        }
    }

    /// The table's key and its indexes, those that are being removed included.
    pub(crate) fn table_schema(&self) -> TableSchema {
        let definition = self.definition.load();
        let indexes = definition
            .derived
            .iter()
            .filter_map(|tree| tree.role.index());
        TableSchema {
            key: self.schema.clone(),
            indexes: indexes.cloned().collect(),
        }
    }

    /// An index as readers see it now.
    ///
    /// # Errors
    /// [`Error::Validation`] if there is none of this name, [`Error::TableInaccessible`].
    pub(crate) fn index(&self, name: &IndexName) -> Result<IndexSchema, Error> {
        match &**self.view.load() {
            View::Open(open) => open.trees.read_index(name).map(|(_, index)| index.clone()),
            View::Closed(closed) => Err(self.inaccessible(&closed.reason)),
        }
    }

    /// Checks that no attribute of a new item keeps it out of an index for ever, and that it fits beside what indexes hold of it.
    ///
    /// # Errors
    /// [`Error::Validation`].
    pub(crate) fn check_index_keys(&self, item: &Item) -> Result<(), Error> {
        self.each_index(|index| index.check_item(item))?;
        self.check_local_size(item, "Item size has exceeded the maximum allowed size")
    }

    /// Checks that an item and what local indexes hold of it are together no larger than an item may be.
    ///
    /// # Errors
    /// [`Error::Validation`] with the message `refused`.
    fn check_local_size(&self, item: &Item, refused: &str) -> Result<(), Error> {
        let view = self.view.load();
        let View::Open(open) = &**view else {
            return Ok(());
        };
        let mut locals = open
            .trees
            .indexes()
            .filter(|index| index.kind == IndexKind::Local)
            .peekable();
        if locals.peek().is_none() {
            return Ok(());
        }
        let size = locals.fold(item_size(item), |size, index| {
            size + index.entry_size(&self.schema, item)
        });
        match size {
            0..=MAX_ITEM_SIZE => Ok(()),
            _ => Err(ValidationError::new(refused).into()),
        }
    }

    /// Checks what an update certainly makes of the keys of indexes.
    ///
    /// # Errors
    /// [`Error::Validation`].
    pub(crate) fn check_update(&self, update: &UpdateExpression) -> Result<(), Error> {
        self.each_index(|index| index.check_update(update))
    }

    /// Checks what an update made of the keys of indexes, and that the item fits beside what indexes hold of it.
    ///
    /// # Errors
    /// [`Error::Validation`].
    pub(crate) fn check_updated(
        &self,
        update: &UpdateExpression,
        item: &Item,
    ) -> Result<(), Error> {
        self.each_index(|index| index.check_updated(update, item))?;
        self.check_local_size(
            item,
            "Item size to update has exceeded the maximum allowed size",
        )
    }

    /// Refuses paths into key attributes of indexes. `heads` are where the paths begin that lead into an attribute.
    ///
    /// # Errors
    /// [`Error::Validation`].
    pub(crate) fn check_paths<'a>(
        &self,
        heads: impl Iterator<Item = &'a str>,
    ) -> Result<(), Error> {
        let heads: Vec<&str> = heads.collect();
        if heads.is_empty() {
            return Ok(());
        }
        self.each_index(|index| index.keys_are_scalars(&heads))
    }

    /// Of several indexes that refuse something, the first by name is told.
    fn each_index(
        &self,
        check: impl Fn(&IndexSchema) -> Result<(), ValidationError>,
    ) -> Result<(), Error> {
        let view = self.view.load();
        // Whoever writes to a closed table is told soon enough.
        let View::Open(open) = &**view else {
            return Ok(());
        };
        let refused = open
            .trees
            .indexes()
            .filter_map(|index| Some((&index.name, check(index).err()?)));
        match refused.min_by_key(|(name, _)| *name) {
            None => Ok(()),
            Some((_, error)) => Err(error.into()),
        }
    }

    /// How far one of its trees is filled, if the table is open.
    pub(crate) fn filled(&self, tree: TreeId) -> Option<Filled> {
        match &**self.view.load() {
            View::Open(open) => {
                let branch = open.trees.branch(tree);
                branch.map(|branch| branch.filled.clone())
            }
            View::Closed(_) => None,
        }
    }

    /// What an index holds, and whether that is all that the items imply; as of the last checkpoint while the table is closed.
    pub(crate) fn index_state(&self, name: &str) -> (Counters, bool) {
        let state = match &**self.view.load() {
            View::Open(open) => {
                let branch = open.trees.index(name).map(|(branch, _)| branch);
                branch.map(|branch| (branch.counters, branch.filled == Filled::All))
            }
            View::Closed(_) => {
                let record = &self.record.lock().record;
                let trees = &record.definition.derived;
                let at = trees.iter().position(|tree| tree.role.is_index(name));
                let state = at.and_then(|at| record.derived.get(at));
                state.map(|state| (state.counters, state.filled == Filled::All))
            }
        };
        state.unwrap_or_default()
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
        let items = &open.trees.items;
        match items.tree.get(&items.io, key) {
            Ok(value) => Ok(Ok(value)),
            Err(Need::Load(cell)) => Ok(Err(Miss {
                io: items.io.clone(),
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
}

struct Miss {
    io: Arc<TreeIo>,
    cell: Arc<Cell>,
    view: Arc<View>,
}

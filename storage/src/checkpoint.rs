//! Checkpoints: a snapshot at sequence S becomes the tree on the disk, and the log before it is let go.
//!
//! 1. Take the snapshot: the published views at S, what was given up until then, the tag of record S.
//! 2. Seal and write the dirty pages of each table, bottom-up, in paced runs; carry the log parts of closed tables along.
//! 3. Bring the catalog up to date, seal and write it; write the allocation map as it will be; sync.
//! 4. Install the root.
//! 5. Only now let go: log segments up to S, places that no reader needs, spaces of deleted tables. Freed catalog pages are zeroed first.
//!
//! | crash | after recovery |
//! |---|---|
//! | before 4, or while the root is written | the old root and the whole log: the new pages lie in places that it calls free |
//! | between 4 and 5 | the new root; segments that it does not list are released, those it calls retiring wiped, zeroing repeated |
//!
//! **Deletion.** The key record of a deleted table leaves with two checkpoints: the first root without it, and the second over the root
//! that still had it; its old pages are zeroed, its log segments wiped. A crash or a failed write may have left copies in places
//! that are free, which no list names: if the last root says that there may be such remains, all free places are zeroed, in pieces,
//! before the deletion is done. That reads every free byte of the page file once and writes those that are not zeros.
//! A root tells that a deletion is under way, so that a crash does not end it.
//!
//! A failed checkpoint changes nothing that a reader or a later checkpoint could notice; it is tried again, with pauses. A failed sync
//! makes the database read-only until it is opened again.

mod purge;

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use sealdb_crypto::{BlockKind, BlockTag, TableId};
use sealdb_engine::{Engine, Freed, PageAddr, SpaceId};

use crate::catalog::record::{TableRecord, TreeState};
use crate::error::Error;
use crate::options::{Background, Durability};
use crate::root::{LogPosition, MAX_SCRUB, RootBody, position_in};
use crate::shared::{CATALOG_SPACE, MAP_SPACE, RetiredPlaces, Shared, SystemSealers};
use crate::table::{Table, View};
use crate::tokens::Token;
use crate::tree::{Need, PagePtr, Retired, Tree, TreeError, TreeIo};
use crate::trees::Branch;

/// The level that pointers to blocks carry which are no pages of a tree.
pub(crate) const VALUE_LEVEL: u8 = 255;

pub(crate) use purge::Purge;

/// The checkpointer's memory, and the way to ask it for one.
pub(crate) struct Checkpoints {
    state: Mutex<State>,
    signal: Mutex<Signal>,
    asked: Condvar,
    progress: Condvar,
    /// What was logged up to here and replaced is on no disk any more.
    scrubbed: AtomicU64,
}

pub(crate) struct State {
    /// The newest catalog. Its changes since the last root are on no disk.
    pub(crate) catalog: Tree,
    /// What the catalog gave up and the next root will not need.
    pub(crate) catalog_retired: Retired,
    /// Given up by tables, each until the version that gave it up is on the disk.
    pending: Vec<RetiredPlaces>,
    /// Places of the catalog that the next root will not need; zeroed before they are freed.
    zeroed: Vec<Freed>,
    /// Other places that the next root will not need.
    freed: Vec<Freed>,
    /// Spaces that the next root will not need.
    spaces: Vec<SpaceId>,
    /// Places that no root needs but readers may.
    limbo: Vec<Limbo>,
    scrub: Option<Scrub>,
    /// Free places from here on may hold pages that a crash or a failed write left there; `None`: nowhere.
    remains: Option<PageAddr>,
}

/// Waits for readers that began before `sequence`.
struct Limbo {
    sequence: u64,
    freed: Vec<Freed>,
    spaces: Vec<SpaceId>,
}

/// A deletion, of a table or of key records, that is still to be made unreadable.
#[derive(Debug, Clone, Copy)]
struct Scrub {
    /// Log records up to this one hold the key record.
    sequence: u64,
    /// Roots still to be written.
    roots: u32,
}

#[derive(Default)]
struct Signal {
    asked: bool,
    ended: u64,
    failed: Option<Error>,
}

impl Checkpoints {
    /// Waits for the checkpoint that is being made; none begins while the guard lives.
    pub(crate) fn none_under_way(&self) -> impl Drop + '_ {
        self.state.lock()
    }

    /// `remains`: whether free places may hold what a crash left there.
    pub(crate) fn new(catalog: Tree, remains: bool) -> Self {
        Checkpoints {
            state: Mutex::new(State {
                catalog,
                catalog_retired: Retired::new(),
                pending: Vec::new(),
                zeroed: Vec::new(),
                freed: Vec::new(),
                spaces: Vec::new(),
                limbo: Vec::new(),
                scrub: None,
                remains: remains.then_some(PageAddr(0)),
            }),
            signal: Mutex::default(),
            asked: Condvar::new(),
            progress: Condvar::new(),
            scrubbed: AtomicU64::new(0),
        }
    }

    /// The sequence up to which whatever was deleted or replaced is on no disk any more.
    pub(crate) fn scrubbed(&self) -> u64 {
        self.scrubbed.load(Ordering::Acquire)
    }

    /// Waits until a checkpoint has made progress, at most this long.
    pub(crate) fn wait_progress(&self, at_most: Duration) {
        if at_most.is_zero() {
            return;
        }
        let mut signal = self.signal.lock();
        self.progress.wait_for(&mut signal, at_most);
    }

    /// How many have ended, and what the last one failed with, if it did.
    pub(crate) fn ended(&self) -> (u64, Option<Error>) {
        let signal = self.signal.lock();
        (signal.ended, signal.failed.clone())
    }

    pub(crate) fn wake(&self) {
        self.asked.notify_all();
        self.progress.notify_all();
    }

    /// Keeps checkpoints away; for opening and closing tables.
    pub(crate) fn hold(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// How much of the free places is zeroed at a time.
const ZERO_PIECE: u64 = 16 << 20;

/// How long to wait after a checkpoint that failed.
const RETRY: Duration = Duration::from_millis(200);

/// Runs until the database stops.
pub(crate) fn run(shared: &Arc<Shared>) {
    loop {
        {
            let mut signal = shared.checkpoints.signal.lock();
            while !signal.asked && !shared.stopping() {
                shared.checkpoints.asked.wait(&mut signal);
            }
            signal.asked = false;
        }
        if shared.stopping() {
            return;
        }
        match shared.checkpoint_now() {
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%error, "a checkpoint failed and will be tried again");
                let mut signal = shared.checkpoints.signal.lock();
                if !shared.stopping() {
                    shared.checkpoints.asked.wait_for(&mut signal, RETRY);
                }
                signal.asked = shared.writable().is_ok();
            }
        }
    }
}

/// What a checkpoint makes durable.
struct Snapshot {
    sequence: u64,
    tag: BlockTag,
    position: LogPosition,
    tables: Vec<(Arc<Table>, Arc<View>)>,
    deleted: Vec<Arc<Table>>,
    log_bytes: u64,
}

impl Shared {
    /// Asks for a checkpoint in the background.
    pub(crate) fn request_checkpoint(&self) {
        self.checkpoints.signal.lock().asked = true;
        self.checkpoints.asked.notify_one();
    }

    /// Makes a checkpoint, and those that a deletion asks for after it. Blocks.
    ///
    /// # Errors
    /// Nothing has changed then; it may be tried again.
    pub(crate) fn checkpoint_now(self: &Arc<Self>) -> Result<(), Error> {
        let result = self.checkpoint_and_scrub();
        let mut signal = self.checkpoints.signal.lock();
        signal.ended += 1;
        signal.failed = result.as_ref().err().cloned();
        drop(signal);
        self.checkpoints.progress.notify_all();
        result
    }

    fn checkpoint_and_scrub(self: &Arc<Self>) -> Result<(), Error> {
        let mut state = self.checkpoints.state.lock();
        loop {
            // Before a deletion's rotation, too: it would make a file.
            self.writable()?;
            if let Some(scrub) = state.scrub {
                // What was logged before goes with its segment.
                if self.log.lock().segments.holds(scrub.sequence) {
                    self.rotate_log()?;
                }
            }
            self.checkpoint(&mut state)?;
            let Some(mut scrub) = state.scrub else {
                return Ok(());
            };
            scrub.roots = scrub.roots.saturating_sub(1);
            state.scrub = Some(scrub);
            if scrub.roots > 0 {
                continue;
            }
            self.zero_remains(&mut state)?;
            // A segment that cannot go yet (a record behind S stands in it) goes with a later checkpoint, as do places that could not
            // be zeroed.
            let held = self.log.lock().segments.holds(scrub.sequence);
            if !held && state.zeroed.is_empty() {
                state.scrub = None;
                let scrubbed = &self.checkpoints.scrubbed;
                scrubbed.store(scrub.sequence, Ordering::Release);
            }
            return Ok(());
        }
    }

    /// Zeroes all free places, if they may hold what a crash left there. Lets checkpoints that are due, and others who want them to
    /// stand still, through in between.
    fn zero_remains(self: &Arc<Self>, state: &mut MutexGuard<'_, State>) -> Result<(), Error> {
        while let Some(from) = state.remains {
            if self.stopping() {
                return Err(Error::Closed);
            }
            self.writable()?;
            if self.checkpoint_due() {
                self.checkpoint(state)?;
            }
            // What is freed behind this point meanwhile holds no key record: it was zeroed before, or a table's page stood there.
            state.remains = self
                .engine
                .zero_free(from, ZERO_PIECE)
                .and_then(|next| self.engine.sync_pages().map(|()| next))
                .map_err(|error| self.engine_failed(error))?;
            self.checkpoints.progress.notify_all();
            MutexGuard::bump(state);
        }
        Ok(())
    }

    /// Whether dirty pages or the log want a checkpoint.
    pub(crate) fn checkpoint_due(&self) -> bool {
        self.cache.dirty_bytes() >= self.options.dirty_checkpoint_bytes()
            || self.log.lock().bytes_since_checkpoint() >= self.options.log_limit
    }

    /// The last root of a clean close: it says that nothing is left in free places, if that is so. No checkpoint is made after it.
    pub(crate) fn install_last_root(&self) -> Result<(), Error> {
        let state = self.checkpoints.state.lock();
        let mut root = self.root();
        self.set_closed();
        let mut body = root.body.clone();
        body.deleting = state.scrub.is_some();
        body.remains = state.remains.is_some() || !state.zeroed.is_empty();
        if body == root.body {
            return Ok(());
        }
        self.install_root(&mut root, body)
    }

    /// Asks for the two checkpoints that make a deletion final, or a change of key records.
    pub(crate) fn scrub_after(&self, sequence: u64) {
        let mut state = self.checkpoints.state.lock();
        state.scrub = Some(Scrub { sequence, roots: 2 });
        drop(state);
        self.request_checkpoint();
    }

    fn checkpoint(self: &Arc<Self>, state: &mut State) -> Result<(), Error> {
        let system = self.system_sealers()?;
        let snapshot = self.take_snapshot(state);
        self.flush_tables(state, &snapshot)?;
        self.update_catalog(state, &system, &snapshot)?;
        // Cut before the flush: what was given up until here is not in the version that is flushed.
        let given_up = std::mem::take(&mut state.catalog_retired).into_freed(CATALOG_SPACE);
        state.zeroed.extend(given_up);
        let flushed = state
            .catalog
            .clone()
            .flush(&system.catalog, &mut self.pace());
        if flushed.is_err() {
            // Places of pages that were half written are free again.
            state.remains = Some(PageAddr(0));
        }
        self.write_root(state, &system, &snapshot, flushed?)?;
        self.settle(state, &snapshot);
        Ok(())
    }

    /// Cuts what was given up exactly where the views are taken.
    fn take_snapshot(&self, state: &mut State) -> Snapshot {
        let (snapshot, retired, dropped) = {
            let mut published = self.published.lock();
            let snapshot = Snapshot {
                sequence: self.published.sequence(),
                tag: published.tag,
                position: published.position,
                tables: published
                    .tables
                    .values()
                    .map(|table| (table.clone(), table.view()))
                    .collect(),
                deleted: published.deleted.clone(),
                log_bytes: self.log.lock().bytes_since_checkpoint(),
            };
            (
                snapshot,
                std::mem::take(&mut published.retired),
                std::mem::take(&mut published.dropped),
            )
        };
        let mut snapshot = snapshot;
        // In an order that does not depend on random ids, so that a seeded history replays exactly.
        snapshot
            .tables
            .sort_by_key(|(table, _)| table.record.lock().record.definition.items.space);
        state.pending.extend(retired);
        for space in dropped {
            // The space goes as a whole, and its places with it.
            state.freed.retain(|freed| freed.space != space);
            for limbo in &mut state.limbo {
                limbo.freed.retain(|freed| freed.space != space);
            }
            state.pending.retain(|places| places.space != space);
            state.spaces.push(space);
        }
        snapshot
    }

    /// Writes the dirty pages of all open tables.
    fn flush_tables(self: &Arc<Self>, state: &mut State, snapshot: &Snapshot) -> Result<(), Error> {
        for (table, view) in &snapshot.tables {
            if self.stopping() {
                return Err(Error::Closed);
            }
            let View::Open(open) = &**view else { continue };
            if open.sequence <= table.record.lock().record.sequence {
                continue;
            }
            let flush = |branch: &Branch| {
                let root = branch.tree.flush(&branch.io, &mut self.pace())?;
                Ok::<_, TreeError>(TreeState {
                    root,
                    counters: branch.counters,
                    filled: branch.filled.clone(),
                })
            };
            let items = flush(&open.trees.items)?;
            let derived = open.trees.derived.iter().map(flush);
            let derived = derived.collect::<Result<_, _>>()?;
            state.table_flushed(table.id);
            let defs = open.trees.derived.iter().map(|branch| branch.def.clone());
            let mut slot = table.record.lock();
            slot.record.definition.derived = defs.collect();
            slot.record.items = items;
            slot.record.derived = derived;
            slot.record.sequence = open.sequence;
            slot.changed = true;
        }
        Ok(())
    }

    fn update_catalog(
        self: &Arc<Self>,
        state: &mut State,
        system: &SystemSealers,
        snapshot: &Snapshot,
    ) -> Result<(), Error> {
        for table in &snapshot.deleted {
            // A table of the same name that was made since takes the record's place, or has taken it in a checkpoint that failed.
            if !snapshot
                .tables
                .iter()
                .any(|(other, _)| other.name == table.name)
            {
                state.catalog_remove(&system.catalog, &TableRecord::catalog_key(&table.name))?;
            }
            state.drop_carried(&system.catalog, table.id)?;
        }
        self.carry_closed(state, system, snapshot.sequence, &snapshot.tables)?;
        self.update_tokens(state, system, snapshot.sequence)?;
        for (table, _) in &snapshot.tables {
            let encoded = {
                let mut slot = table.record.lock();
                if !slot.changed {
                    continue;
                }
                if slot.record.carried_to != 0 && slot.record.sequence >= slot.record.carried_to {
                    // It was opened again, and its tree holds what was carried.
                    state.drop_carried(&system.catalog, table.id)?;
                    slot.record.carried_to = 0;
                }
                slot.record.encode()
            };
            state.catalog_put(
                &system.catalog,
                &TableRecord::catalog_key(&table.name),
                &encoded,
            )?;
            table.record.lock().changed = false;
        }
        Ok(())
    }

    fn update_tokens(
        &self,
        state: &mut State,
        system: &SystemSealers,
        sequence: u64,
    ) -> Result<(), Error> {
        let now = self.clock.wall_ms();
        let changes = self.tokens.changes(sequence, now);
        for token in &changes.put {
            let key = Token::catalog_key(&token.id);
            state.catalog_put(&system.catalog, &key, &token.encode())?;
        }
        for id in &changes.remove {
            state.catalog_remove(&system.catalog, &Token::catalog_key(id))?;
        }
        self.tokens.changed(&changes, sequence, now);
        Ok(())
    }

    fn write_root(
        self: &Arc<Self>,
        state: &mut State,
        system: &SystemSealers,
        snapshot: &Snapshot,
        catalog: Option<PagePtr>,
    ) -> Result<(), Error> {
        let old_map = self.root().body.free_map;
        let map = self.write_map(state, system, old_map)?;
        let installed = self
            .engine
            .sync_pages()
            .map_err(|error| self.engine_failed(error))
            .and_then(|()| {
                let mut root = self.root();
                let (listed, durable) = {
                    let log = self.log.lock();
                    (
                        log.segments.listed(snapshot.sequence, log.durable()),
                        log.durable(),
                    )
                };
                debug_assert!(
                    durable >= snapshot.sequence || self.options.durability != Durability::Commit
                );
                // The log may have gone on in another segment before record S + 1.
                let position = position_in(snapshot.position, &listed)?;
                let body = RootBody {
                    sequence: snapshot.sequence,
                    tag: snapshot.tag,
                    position,
                    catalog,
                    free_map: Some(map),
                    next_space: self.next_space.load(Ordering::Acquire),
                    segments: listed.clone(),
                    scrub: state.zeroed.iter().take(MAX_SCRUB).copied().collect(),
                    remains: true,
                    deleting: state.scrub.is_some() || !snapshot.deleted.is_empty(),
                };
                // Crash here, or in the middle: the root before is in use, and everything that it needs is untouched.
                self.install_root(&mut root, body)?;
                Ok(self.log.lock().segments.installed(&listed))
            });
        match installed {
            Ok(over) => {
                state.freed.extend(old_map.map(|map| map.freed(MAP_SPACE)));
                // Crash here: segments that the root does not list are released at the next open, retiring ones wiped.
                for entry in over {
                    if let Err(error) = self.engine.log_release(entry.no, entry.secrets) {
                        tracing::warn!(%error, "a log segment could not be released; it will be tried again");
                        self.log.lock().segments.put_back(entry);
                    }
                }
                Ok(())
            }
            Err(error) => {
                // The root that failed may be on the disk all the same: its map must not be overwritten yet.
                state.freed.push(map.freed(MAP_SPACE));
                Err(error)
            }
        }
    }

    /// Seals and writes the allocation as it will be once everything that the new root does not need is gone.
    fn write_map(
        &self,
        state: &State,
        system: &SystemSealers,
        old_map: Option<PagePtr>,
    ) -> Result<PagePtr, Error> {
        // Places that the root lists for zeroing stay allocated in its map until they are zeros. Those beyond its list are zeroed all the
        // same; a crash before that leaves them among the remains.
        let mut freed: Vec<Freed> = state
            .freed
            .iter()
            .chain(state.zeroed.iter().skip(MAX_SCRUB))
            .copied()
            .collect();
        freed.extend(old_map.map(|map| map.freed(MAP_SPACE)));
        let mut spaces = state.spaces.clone();
        for limbo in &state.limbo {
            freed.extend_from_slice(&limbo.freed);
            spaces.extend_from_slice(&limbo.spaces);
        }
        let sealer = &system.catalog.sealer;
        let (head, tail) = (sealer.head_len(), sealer.tail_len());
        let mut room = self.engine.allocation_map(&freed, &spaces).len() + 256;
        loop {
            let len = u32::try_from(head + room + tail)
                .map_err(|_| Error::corrupt("the allocation map is too long"))?;
            let addr = self
                .engine
                .allocate(MAP_SPACE, len)
                .map_err(Error::from_engine)?;
            let place = Freed {
                space: MAP_SPACE,
                addr,
                len,
            };
            // The map knows its own place.
            let map = self.engine.allocation_map(&freed, &spaces);
            if map.len() > room {
                self.engine.free(&[place]);
                room = map.len() + 1024;
                continue;
            }
            let mut block = vec![0; len as usize];
            if let Some(text) = block.get_mut(head..head + map.len()) {
                text.copy_from_slice(&map);
            }
            let written = sealer
                .seal(BlockKind::FreeMap, None, &mut block)
                .map_err(Error::from)
                .and_then(|tag| match self.engine.write_pages(&[(addr, &block)]) {
                    Ok(()) => Ok(PagePtr {
                        addr,
                        len,
                        level: VALUE_LEVEL,
                        tag,
                    }),
                    Err(error) => Err(Error::from_engine(error)),
                });
            if written.is_err() {
                // No root names it.
                self.engine.free(&[place]);
            }
            return written;
        }
    }

    /// The root is durable: what it does not need goes, as soon as no reader needs it.
    fn settle(&self, state: &mut State, snapshot: &Snapshot) {
        self.log
            .lock()
            .checkpointed(snapshot.sequence, snapshot.log_bytes);
        self.published
            .lock()
            .deleted
            .retain(|table| !snapshot.deleted.iter().any(|done| done.id == table.id));
        let zeroed = std::mem::take(&mut state.zeroed);
        if !zeroed.is_empty() {
            // Only checkpoints read the catalog's pages: no reader to wait for. Durable with the next sync of pages.
            match self.engine.zero_pages(&zeroed) {
                Ok(()) => self.engine.free(&zeroed),
                Err(error) => {
                    tracing::warn!(%error, "freed catalog pages could not be zeroed; it will be tried again");
                    state.zeroed = zeroed;
                }
            }
        }
        let (freed, spaces) = (
            std::mem::take(&mut state.freed),
            std::mem::take(&mut state.spaces),
        );
        if !freed.is_empty() || !spaces.is_empty() {
            state.limbo.push(Limbo {
                sequence: snapshot.sequence,
                freed,
                spaces,
            });
        }
        self.release_limbo(state);
    }

    /// Frees places that no reader needs any more.
    fn release_limbo(&self, state: &mut State) {
        let oldest = self.pins.oldest();
        let (free, wait) = std::mem::take(&mut state.limbo)
            .into_iter()
            .partition(|limbo: &Limbo| limbo.sequence <= oldest);
        state.limbo = wait;
        for limbo in free {
            self.engine.free(&limbo.freed);
            for space in limbo.spaces {
                self.engine.drop_space(space);
            }
        }
    }

    /// Lets the log's syncs through while many pages are written, unless writers are waiting for clean pages.
    fn pace(self: &Arc<Self>) -> impl FnMut(usize) + use<> {
        let shared = self.clone();
        move |bytes| {
            let idle = shared.options.background == Background::Threads && !shared.stopping();
            if idle
                && bytes >= 64 << 10
                && shared.cache.dirty_bytes() < shared.options.dirty_slow_bytes()
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            shared.checkpoints.progress.notify_all();
        }
    }
}

impl State {
    /// The newest version of a table is on the disk: what it gave up is not needed by the next root.
    fn table_flushed(&mut self, table: TableId) {
        let (flushed, pending) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|p: &RetiredPlaces| p.table == table);
        self.pending = pending;
        for places in flushed {
            self.freed.extend(places.retired.into_freed(places.space));
        }
    }

    /// A table goes back to its last checkpoint: what it gave up since is needed again.
    pub(crate) fn forget_retired(&mut self, table: TableId) {
        self.pending.retain(|places| places.table != table);
    }

    pub(crate) fn free_with_next_root(&mut self, freed: Freed) {
        self.freed.push(freed);
    }

    pub(crate) fn catalog_put(
        &mut self,
        io: &TreeIo,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Error> {
        loop {
            match self.catalog.put(io, key, value, &mut self.catalog_retired) {
                Ok(_) => return Ok(()),
                Err(need) => load(io, need)?,
            }
        }
    }

    pub(crate) fn catalog_remove(&mut self, io: &TreeIo, key: &[u8]) -> Result<(), Error> {
        loop {
            match self.catalog.remove(io, key, &mut self.catalog_retired) {
                Ok(_) => return Ok(()),
                Err(need) => load(io, need)?,
            }
        }
    }
}

/// Brings a missing page in, or gives the error.
pub(crate) fn load(io: &TreeIo, need: Need) -> Result<(), Error> {
    match need {
        Need::Load(cell) => Ok(io.load_blocking(&cell)?),
        Need::Fail(error) => Err(error.into()),
    }
}

/// Key and value.
type Entry = (Vec<u8>, Vec<u8>);

/// All entries of a tree in a range, in order.
pub(crate) fn entries(
    tree: &Tree,
    io: &TreeIo,
    lower: Vec<u8>,
    upper: Vec<u8>,
) -> Result<Vec<Entry>, Error> {
    let mut cursor = tree.cursor(Bound::Included(lower), Bound::Excluded(upper), false);
    let mut out = Vec::new();
    loop {
        match cursor.next(io) {
            Ok(Some((key, value))) => out.push((key.to_vec(), value.to_vec())),
            Ok(None) => return Ok(out),
            Err(need) => load(io, need)?,
        }
    }
}

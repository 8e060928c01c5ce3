//! Opening: a new database, or the state that a root and the log after it describe.
//!
//! 1. The newer root whose seal opens. The other only if the newer is torn, which no record may contradict, and then every segment
//!    that it lists must begin as it says.
//! 2. Identity: the keyring that the root names, not an older copy of it; the suite; the format.
//! 3. The allocation map, the catalog, the tables' keys. A table whose KMS says no stays closed; its log parts are carried along.
//! 4. The log after the root, to its end (see `log::reader` for how its end is told from damage).
//! 5. The records that nothing says were durable are copied into a fresh segment and synced, before anything is served: no
//!    process appends to another's segment, nor trusts what only a page cache holds.
//! 6. A root that names the fresh segment.
//!
//! Crash anywhere in here: the next open does the same again, from the same root.

mod choose;
mod create;
mod patience;
mod tail;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use sealdb_crypto::{
    BlockKind, BlockTag, Caller, DatabaseId, KeyRecordError, Moment, Sealer, TableId, TableKeys,
};
use sealdb_engine::{Engine, SegmentNo};

pub(crate) use choose::{ChosenRoot, choose_root};
use create::{create, refuse_remains};
pub(crate) use patience::Patience;
use tail::copy_tail;

use crate::audit::Began;
use crate::catalog::keys::{BoundKeys, KeyRecords};
use crate::catalog::record::{SystemOutcome, TABLES, TOKENS, TableRecord};
use crate::checkpoint::{Checkpoints, entries};
use crate::error::{ClosedReason, Error};
use crate::keeper::{Keeper, closed_reason};
use crate::log::frame::padded;
use crate::log::reader::{LogReader, ReadSegment, Record, open_part};
use crate::log::writer::LogWriter;
use crate::pins::Pins;
use crate::replay::Replayed;
use crate::root::{RootBody, RootHead, SegmentEntry};
use crate::shared::{Opened, Parts, Published, Shared, SystemSealers};
use crate::table::{KeyStep, Table, TableSealers};
use crate::tokens::{Token, Tokens};
use crate::tree::{PageCache, Tree};

/// Opens the database of an engine, or makes one in an engine that holds none.
///
/// # Errors
/// Every refusal names what is wrong; nothing was changed then.
pub(crate) fn open(mut parts: Parts) -> Result<Arc<Shared>, Error> {
    let roots = parts.engine.read_roots()?;
    if roots.iter().all(Option::is_none) {
        refuse_remains(&*parts.engine)?;
        let database = DatabaseId::generate(parts.provider).map_err(system)?;
        parts.audit(database, Began::WithDatabase)?;
        create(parts, database)
    } else {
        recover(parts, &roots)
    }
}

fn system(error: sealdb_crypto::ProviderError) -> Error {
    Error::System(error.to_string())
}

/// Whether a log segment holds nothing but zeros.
fn is_zero(engine: &dyn Engine, no: SegmentNo, capacity: u64) -> Result<bool, Error> {
    let mut offset = 0;
    while offset < capacity {
        let len = (1 << 20).min(capacity - offset);
        let bytes = engine.log_read(no, offset, u32::try_from(len).unwrap_or(u32::MAX))?;
        if bytes.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        offset += len;
    }
    Ok(true)
}

/// A table while the log is replayed.
struct Replaying {
    table: Arc<Table>,
    /// `None`: closed.
    state: Option<Replayed>,
}

struct Recovery<'p> {
    parts: &'p Parts,
    patience: Patience,
    database: DatabaseId,
    cache: Arc<PageCache>,
    pins: Arc<Pins>,
    published: Arc<Published>,
    keeper: Keeper,
    tokens: Arc<Tokens>,
    tables: BTreeMap<TableId, Replaying>,
    deleted: Vec<Arc<Table>>,
    /// Key records were replaced: the older ones are to be overwritten.
    keys_changed: bool,
    next_space: u64,
}

fn recover(mut parts: Parts, roots: &[Option<Vec<u8>>; 2]) -> Result<Arc<Shared>, Error> {
    let cache = PageCache::new(parts.options.page_bytes());
    let chosen = choose_root(&mut parts, &cache, roots)?;
    let (head, body, sealers) = (chosen.head, chosen.body, chosen.sealers);
    let engine = parts.engine.clone();
    engine.set_live_root_slot(chosen.slot);
    restore_map(&*engine, &*sealers.catalog.sealer, &body)?;

    let existing: BTreeMap<SegmentNo, u64> = engine.log_segments()?.into_iter().collect();
    let mut listed = Vec::new();
    for entry in body.segments.iter().filter(|entry| !entry.retiring) {
        let capacity = *existing
            .get(&entry.no)
            .ok_or(Error::MissingSegment(entry.no.0))?;
        listed.push(ReadSegment {
            entry: *entry,
            capacity,
        });
    }
    let retiring: Vec<SegmentEntry> = body
        .segments
        .iter()
        .filter(|entry| entry.retiring)
        .copied()
        .collect();
    let others: Vec<(SegmentNo, u64)> = existing
        .iter()
        .filter(|(no, _)| !body.segments.iter().any(|entry| entry.no == **no))
        .map(|(no, capacity)| (*no, *capacity))
        .collect();

    let published = Published::new(body.sequence, body.tag, body.position);
    let mut recovery = Recovery {
        parts: &parts,
        patience: Patience::new(&parts),
        database: head.database,
        cache: cache.clone(),
        pins: Pins::new(parts.clock.clone(), parts.options.pin_max_age),
        published: published.clone(),
        keeper: Keeper::new(&parts.options),
        tokens: Arc::default(),
        tables: BTreeMap::new(),
        deleted: Vec::new(),
        keys_changed: false,
        next_space: body.next_space,
    };
    recovery.keeper.insert(TableId::SYSTEM, chosen.asked);
    let catalog = Tree::open(body.catalog);
    recovery.read_catalog(&catalog, &sealers)?;

    let log_sealer = &*sealers.log;
    let mut reader = LogReader::new(
        &*engine,
        log_sealer,
        listed.clone(),
        body.position,
        body.sequence,
        body.tag,
    );
    if chosen.fallback {
        reader.confirm_beginnings()?;
    }
    let mut replayed = recovery.replay(&mut reader, &head, &body, log_sealer)?;
    reader.confirm_end(head.counter, &others)?;
    replayed.torn = reader.torn();
    if replayed.torn {
        let record = replayed.end + 1;
        tracing::info!(
            record,
            "a crash tore the last log record; nobody was told that it is durable"
        );
    }

    // Crash from here on: nothing that the root needs is touched; the next open starts from it again.
    repeat_scrub(&*engine, &body)?;
    for entry in &retiring {
        engine
            .log_release(entry.no, true)
            .map_err(Error::from_engine)?;
    }
    for (no, capacity) in &others {
        // A recovery that was cut short may have copied key records into it.
        let wipe = body.remains && !is_zero(&*engine, *no, *capacity)?;
        engine.log_release(*no, wipe).map_err(Error::from_engine)?;
    }
    if body.remains {
        // Behind the last record may lie a torn one, with a key record in it that nobody was told of.
        let end = listed
            .iter()
            .rposition(|segment| replayed.last.contains_key(&segment.entry.no));
        for segment in listed.iter_mut().skip(end.unwrap_or(0)) {
            segment.entry.secrets = true;
        }
    }
    let log = copy_tail(&parts, &sealers, &head, listed, &replayed)?;
    recovery.finish(head, body, sealers, catalog, log, replayed)
}

/// Restores the allocation.
fn restore_map(engine: &dyn Engine, sealer: &dyn Sealer, body: &RootBody) -> Result<(), Error> {
    let Some(map) = body.free_map else {
        return Ok(());
    };
    let mut block = engine.read_page_blocking(map.addr, map.len)?;
    sealer
        .open(BlockKind::FreeMap, None, &mut block, Some(&map.tag))
        .map_err(|_| Error::corrupt(format!("the allocation map at {}", map.addr.0)))?;
    let plain = block
        .get(sealer.head_len()..block.len().saturating_sub(sealer.tail_len()))
        .unwrap_or_default();
    engine.restore_allocation_map(plain)?;
    Ok(())
}

/// Repeats the zeroing that a crash may have cut short. The root goes on to list the places: its map calls them allocated.
fn repeat_scrub(engine: &dyn Engine, body: &RootBody) -> Result<(), Error> {
    if !body.scrub.is_empty() {
        engine.zero_pages(&body.scrub).map_err(Error::from_engine)?;
        engine.sync_pages().map_err(Error::from_engine)?;
        engine.free(&body.scrub);
    }
    Ok(())
}

/// What the log held.
struct ReplayedLog {
    /// Records that nothing says were durable, oldest first.
    tail: VecDeque<Record>,
    /// The last record that something says was durable, and its tag.
    durable: (u64, BlockTag),
    end: u64,
    end_tag: BlockTag,
    /// Per segment: the last record in it.
    last: HashMap<SegmentNo, u64>,
    secrets: Vec<SegmentNo>,
    bytes: u64,
    /// It ended at a record that was begun and is not whole.
    torn: bool,
}

impl Recovery<'_> {
    fn read_catalog(&mut self, catalog: &Tree, sealers: &SystemSealers) -> Result<(), Error> {
        let io = &sealers.catalog;
        for (key, value) in entries(catalog, io, TOKENS.0.to_vec(), TOKENS.1.to_vec())? {
            let token = Token::of_entry(&key, &value);
            let token = token.map_err(|what| Error::malformed("catalog", what))?;
            self.tokens.insert_kept(token);
        }
        for (key, value) in entries(catalog, io, TABLES.0.to_vec(), TABLES.1.to_vec())? {
            let record =
                TableRecord::decode(&value).map_err(|what| Error::malformed("catalog", what))?;
            if key != TableRecord::catalog_key(&record.name) {
                return Err(Error::corrupt("catalog: a record under another name"));
            }
            let id = record.id;
            let mut replaying = self.table(record);
            if let Some(state) = &mut replaying.state {
                let engine = &*self.parts.engine;
                let applied = state.apply_carried(engine, (catalog, io), &replaying.table);
                unless_damaged(&self.keeper, &mut replaying, applied)?;
            }
            self.tables.insert(id, replaying);
        }
        Ok(())
    }

    /// A table as of its record, open if its KMS gives the key.
    fn table(&mut self, record: TableRecord) -> Replaying {
        let id = record.id;
        for space in record.definition.spaces() {
            self.next_space = self.next_space.max(space.0 + 1);
        }
        let asked = Moment::now(&*self.parts.clock);
        let p = self.parts;
        let keys = record.keys.bound(self.database, id, record.name.as_str());
        let (sealers, reason) = match self.unwrap(keys) {
            Ok(keys) => {
                self.keeper.insert(id, asked);
                let table = (self.database, id);
                let sealers = TableSealers::new(&p.engine, &p.sealing, &self.cache, table, keys);
                (Some(sealers), ClosedReason::Deleted)
            }
            Err(error) => {
                tracing::warn!(table = %record.name, %error, "the table stays closed");
                (None, closed_reason(error))
            }
        };
        let table = Table::closed(record, reason, self.pins.clone(), &self.published);
        if sealers.is_none() {
            table.note_closed(p.clock.wall_ms());
        }
        let state = sealers.map(|sealers| Replayed::checkpointed(&table, sealers));
        Replaying { table, state }
    }

    fn unwrap(&mut self, keys: BoundKeys) -> Result<TableKeys, KeyRecordError> {
        let kms = self.parts.kms.clone();
        self.patience
            .ask(move || keys.unwrap(&*kms, &Caller::database()))
    }

    /// A table has other key records from here on. If they tell of a key that is not at hand yet and the KMS does not give it, the table
    /// closes.
    fn set_keys(&mut self, id: TableId, records: KeyRecords, sequence: u64) {
        let Some(replaying) = self.tables.get(&id) else {
            return;
        };
        let (table, name) = (replaying.table.clone(), replaying.table.name.clone());
        let held = replaying.state.as_ref().map(|state| state.sealers.keys());
        let known = held.is_none_or(|keys| records.are(keys));
        let bound = records.bound(self.database, id, name.as_str());
        table.set_keys(records, KeyStep::None, sequence);
        if known {
            return;
        }
        let unwrapped = self.unwrap(bound);
        let Some(replaying) = self.tables.get_mut(&id) else {
            return;
        };
        match (unwrapped, &mut replaying.state) {
            (Ok(keys), Some(state)) => state.take_keys(keys),
            (Err(error), _) => {
                tracing::warn!(table = %name, %error, "the table stays closed");
                table.note_closed(self.parts.clock.wall_ms());
                table.set_closed(closed_reason(error));
                // What was replayed for it until here goes again.
                table
                    .logged_to
                    .fetch_max(sequence, std::sync::atomic::Ordering::AcqRel);
                self.keeper.remove(id);
                replaying.state = None;
            }
            (Ok(_), None) => {}
        }
    }

    fn replay(
        &mut self,
        reader: &mut LogReader<'_>,
        head: &RootHead,
        body: &RootBody,
        sealer: &dyn Sealer,
    ) -> Result<ReplayedLog, Error> {
        let mut log = ReplayedLog {
            tail: VecDeque::new(),
            durable: (body.sequence, body.tag),
            end: body.sequence,
            end_tag: body.tag,
            last: HashMap::new(),
            secrets: Vec::new(),
            bytes: 0,
            torn: false,
        };
        let mut synced = body.sequence;
        while let Some(mut record) = reader.next()? {
            if record.frame.root_counter > head.counter {
                return Err(Error::Corruption(format!(
                    "root {} is in use, but log record {} was written under root {}",
                    head.counter, record.sequence, record.frame.root_counter
                )));
            }
            synced = synced.max(record.frame.synced);
            self.apply(&record, sealer, &mut log)?;
            log.last.insert(record.segment, record.sequence);
            log.bytes += padded(record.len);
            (log.end, log.end_tag) = (record.sequence, record.tag);
            record.parts.shrink_to_fit();
            log.tail.push_back(record);
            while log
                .tail
                .front()
                .is_some_and(|first| first.sequence <= synced)
            {
                if let Some(first) = log.tail.pop_front() {
                    log.durable = (first.sequence, first.tag);
                }
            }
            self.keep_memory_bounded()?;
        }
        Ok(log)
    }

    fn apply(
        &mut self,
        record: &Record,
        sealer: &dyn Sealer,
        log: &mut ReplayedLog,
    ) -> Result<(), Error> {
        let system = system_outcomes(record, sealer)?;
        // The parts of the record are of tables as they are defined since; a deletion comes after what it deletes.
        let (deletions, before): (Vec<_>, Vec<_>) = system
            .into_iter()
            .partition(|outcome| matches!(outcome, SystemOutcome::Deleted(_)));
        for outcome in before {
            if outcome.is_secret() {
                log.secrets.push(record.segment);
            }
            self.apply_system(outcome, record.sequence)?;
        }
        for (entry, block) in &record.parts {
            if entry.table == TableId::SYSTEM {
                continue;
            }
            let mut block = block.clone();
            let Some(replaying) = self.tables.get_mut(&entry.table) else {
                return Err(Error::Corruption(format!(
                    "log record {} has a part of table {}, which the catalog does not know",
                    record.sequence, entry.table
                )));
            };
            let applied = match &mut replaying.state {
                Some(state) => {
                    let (table, tag, sequence) = (&replaying.table, &entry.tag, record.sequence);
                    state.apply_part(table, tag, entry.origin, sequence, &mut block)
                }
                None => Ok(()),
            };
            unless_damaged(&self.keeper, replaying, applied)?;
            if replaying.state.is_none() {
                replaying
                    .table
                    .logged_to
                    .fetch_max(record.sequence, std::sync::atomic::Ordering::AcqRel);
            }
        }
        for outcome in deletions {
            self.apply_system(outcome, record.sequence)?;
        }
        Ok(())
    }

    fn apply_system(&mut self, outcome: SystemOutcome, sequence: u64) -> Result<(), Error> {
        match outcome {
            SystemOutcome::Token(token) => self.tokens.insert(token, sequence),
            SystemOutcome::Keys(id, records) => {
                self.keys_changed = true;
                self.set_keys(id, *records, sequence);
            }
            SystemOutcome::Created(record) => {
                if self.tables.contains_key(&record.id) {
                    return Ok(());
                }
                let id = record.id;
                let replaying = self.table(*record);
                replaying.table.record.lock().changed = true;
                self.tables.insert(id, replaying);
            }
            SystemOutcome::Altered(id, definition) => {
                let Some(replaying) = self.tables.get_mut(&id) else {
                    return Ok(());
                };
                for space in definition.spaces() {
                    self.next_space = self.next_space.max(space.0 + 1);
                }
                let gone = match &mut replaying.state {
                    Some(state) => {
                        state.sealers.redefine(&mut state.trees, &definition);
                        replaying.table.redefine(*definition)
                    }
                    // Nobody replays it now: its record takes the list of trees at once.
                    None => {
                        let mut slot = replaying.table.record.lock();
                        slot.record.redefine((*definition).clone());
                        drop(slot);
                        replaying.table.redefine(*definition)
                    }
                };
                self.published.lock().dropped.extend(gone);
            }
            SystemOutcome::Deleted(id) => {
                if let Some(replaying) = self.tables.remove(&id) {
                    let definition = replaying.table.definition();
                    self.published.lock().dropped.extend(definition.spaces());
                    self.keeper.remove(id);
                    self.deleted.push(replaying.table);
                }
            }
        }
        Ok(())
    }

    /// A log that is longer than the cache is wide: pages go to free places before their time. No root names them yet.
    fn keep_memory_bounded(&mut self) -> Result<(), Error> {
        if self.cache.dirty_bytes() < self.parts.options.dirty_stop_bytes() {
            return Ok(());
        }
        let mut tables: Vec<&Replaying> = self.tables.values().collect();
        tables.sort_by_key(|replaying| replaying.table.record.lock().record.definition.items.space);
        for replaying in tables {
            for branch in replaying.state.iter().flat_map(|state| state.trees.iter()) {
                branch.tree.flush(&branch.io, &mut |_| {})?;
            }
        }
        Ok(())
    }

    fn finish(
        self,
        head: RootHead,
        body: RootBody,
        system: SystemSealers,
        catalog: Tree,
        log: LogWriter,
        replayed: ReplayedLog,
    ) -> Result<Arc<Shared>, Error> {
        let deletions = body.deleting || !self.deleted.is_empty() || self.keys_changed;
        {
            let mut published = self.published.lock();
            published.tag = log.tag();
            published.position = log.position()?;
            published.deleted = self.deleted;
            for (id, replaying) in self.tables {
                let Replaying { table, state } = replaying;
                if let Some(state) = state {
                    published.retire(id, state.retired);
                    table.set_open(state.sealers, state.trees, state.sequence);
                }
                published.tables.insert(id, table);
            }
        }
        self.published.advance(replayed.end);
        let shared = Shared::new(
            self.parts.clone(),
            Opened {
                head,
                body: body.clone(),
                cache: self.cache,
                pins: self.pins,
                system,
                published: self.published,
                log,
                next_space: self.next_space,
                checkpoints: Checkpoints::new(catalog, body.remains),
                keeper: self.keeper,
                tokens: self.tokens,
                torn_tails: u64::from(replayed.torn),
            },
        );
        shared.announce_log(body)?;
        if deletions {
            // A crash cut short what the deletion had started.
            shared.scrub_after(replayed.end);
        }
        Ok(shared)
    }
}

/// What a record says of the system.
fn system_outcomes(record: &Record, sealer: &dyn Sealer) -> Result<Vec<SystemOutcome>, Error> {
    let mut parts = record.parts.iter();
    let Some((entry, block)) = parts.find(|(entry, _)| entry.table == TableId::SYSTEM) else {
        return Ok(Vec::new());
    };
    let mut block = block.clone();
    let plain = open_part(sealer, &entry.tag, entry.origin, &mut block)?;
    SystemOutcome::decode_all(plain)
        .map_err(|what| Error::malformed_part(TableId::SYSTEM, record.sequence, what))
}

/// Damage in what belongs to one table closes that table, and no other: what the log has for it is carried along.
fn unless_damaged(
    keeper: &Keeper,
    replaying: &mut Replaying,
    applied: Result<(), Error>,
) -> Result<(), Error> {
    let error = match applied {
        Err(error) if error.is_damage() => error,
        other => return other,
    };
    let table = &replaying.table;
    tracing::error!(table = %table.name, %error, "the table stays closed: what the log holds for it cannot be applied");
    table.set_closed(ClosedReason::Damaged(Arc::new(error)));
    keeper.remove(table.id);
    replaying.state = None;
    Ok(())
}

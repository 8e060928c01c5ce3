//! `check`: verifies everything that a closed database consists of, and writes nothing.
//!
//! | what | how |
//! |---|---|
//! | roots | the one in use opens; the other one too, unless a crash may have torn it |
//! | catalog and tables | every block reachable from the root is read, opened with its key and looked through; every item decodes and stands under the key that it has |
//! | indexes | each holds what the items imply, nothing else |
//! | streams | every record is one, under a number of its own, with items that decode |
//! | counters | the catalog's item counts and sizes against what the trees hold |
//! | log | every record behind the root: opened, chained, its parts opened and decoded; its end told from damage |
//! | allocation map | every reachable block lies in a place of its own that the map calls allocated, and nothing else is allocated |
//! | audit trail | every record opens and follows the one before |
//!
//! Damage in one place does not end the check: what can still be read is verified. A table whose KMS says no is no damage: its blocks
//! are counted by their heads, which stand in the clear.
//!
//! Not done: the log is verified, not applied, so items and pages are those of the last checkpoint. Not noticed: what no
//! database without an anchor outside can notice (SECURITY.md). The KMS is asked for keys, and the provider may record that; the
//! database's own trail, which nothing is written to here, does not.

mod log;
mod report;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use sealdb_crypto::{
    AuditTrail, BlockHead, BlockKind, Caller, DatabaseId, KeyRecordError, Kms, KmsError,
    RootKeySource, Sealer, TableId, TrailAccess,
};
use sealdb_engine::{Freed, SegmentNo, SpaceId, allocated};
use sealdb_model::{Item, codec};

pub use self::report::{CheckReport, CheckedTable, TableState};
use super::places::Places;
use crate::audit::Trail;
use crate::catalog::keys::KeyRecords;
use crate::catalog::record::TableRecord;
use crate::checkpoint::VALUE_LEVEL;
use crate::database::TRAIL_FILE;
use crate::error::{ClosedReason, Error};
use crate::log::frame::checksum;
use crate::pins::Pins;
use crate::recovery::{ChosenRoot, choose_root};
use crate::root::{RootBody, read_root};
use crate::shared::{CARRIED_SPACE, CATALOG_SPACE, MAP_SPACE, Parts, Published};
use crate::stream::{StoredRecord, record_number};
use crate::table::{Table, TableSealers};
use crate::tokens::Token;
use crate::tree::{PageCache, PagePtr, Tree, TreeReport};
use crate::trees::{Branch, Counters, Role};

/// Memory for the catalog's pages; the walk itself holds one page a level.
const CACHE: usize = 1 << 20;

/// Verifies a closed database with a local keyring. See the module for what that means.
///
/// # Errors
/// If there is no database, somebody has it open, the keyring does not open or is another one, no root can be read, or the system
/// key is not at hand. Damage is no error: it stands in the report.
pub fn check(
    data_dir: impl AsRef<Path>,
    keyring_dir: impl AsRef<Path>,
    root_key: RootKeySource,
) -> Result<CheckReport, Error> {
    check_with(data_dir, super::keyring(keyring_dir.as_ref(), root_key)?)
}

/// The same with any KMS.
///
/// # Errors
/// As [`check`].
pub fn check_with(data_dir: impl AsRef<Path>, kms: Arc<dyn Kms>) -> Result<CheckReport, Error> {
    let data_dir = data_dir.as_ref();
    let engine = Arc::new(super::read_only(data_dir)?);
    let mut parts = super::parts(engine, kms);
    parts.trail = Trail::At(data_dir.join(TRAIL_FILE));
    check_parts(parts)
}

/// The same over any engine and sealing: only reads. For tests.
///
/// # Errors
/// As [`check`].
#[doc(hidden)]
pub fn check_parts(mut parts: Parts) -> Result<CheckReport, Error> {
    let roots = parts.engine.read_roots()?;
    if roots.iter().all(Option::is_none) {
        return Err(Error::NoRoot("no slot holds one".into()));
    }
    // Whatever opens a root would append to the trail.
    let trail = std::mem::replace(&mut parts.trail, Trail::None);
    let cache = PageCache::new(CACHE);
    let chosen = choose_root(&mut parts, &cache, &roots)?;
    let mut check = Check {
        database: chosen.head.database,
        parts: &parts,
        cache,
        tables: BTreeMap::new(),
        carried: Vec::new(),
        complete: HashMap::new(),
        report: CheckReport::default(),
    };
    let mut places = check.map(&chosen);
    check.catalog(&chosen, &mut places);
    for id in check.tables.keys().copied().collect::<Vec<_>>() {
        check.table(id, &mut places);
    }
    check.carried_parts(&mut places);
    check.space(&chosen.body, places);
    let ended = check.log(&chosen);
    check.other_root(&chosen, &roots, ended);
    if let Trail::At(trail) = trail {
        check.trail(&trail);
    }
    let mut report = check.report;
    report.tables = check
        .tables
        .into_values()
        .map(|held| held.checked)
        .collect();
    report.tables.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(report)
}

struct Check<'p> {
    database: DatabaseId,
    parts: &'p Parts,
    cache: Arc<PageCache>,
    tables: BTreeMap<TableId, Held>,
    carried: Vec<(Vec<u8>, Vec<u8>)>,
    /// Spaces of which every use is known, so that what else is allocated there is lost.
    complete: HashMap<SpaceId, bool>,
    report: CheckReport,
}

/// A table under check.
struct Held {
    record: TableRecord,
    sealers: Option<TableSealers>,
    checked: CheckedTable,
}

impl Check<'_> {
    fn damage(&mut self, what: impl Into<String>) {
        self.report.damages.push(what.into());
    }

    fn table_damage(&mut self, id: TableId, what: &str) {
        let name = match self.tables.get_mut(&id) {
            Some(held) => {
                held.checked.state = TableState::Damaged;
                held.checked.name.clone()
            }
            None => id.to_string(),
        };
        self.damage(format!("table {name}: {what}"));
    }

    // ---- places

    /// The allocation map, and the place that it lies in itself.
    fn map(&mut self, chosen: &ChosenRoot) -> Option<Places> {
        let ptr = chosen.body.free_map?;
        let rows = self
            .block(&*chosen.sealers.catalog.sealer, BlockKind::FreeMap, &ptr)
            .and_then(|plain| Ok(allocated(&plain)?));
        match rows {
            Ok(rows) => {
                let mut places = Places::new(&rows);
                self.claim(
                    &mut Some(&mut places),
                    MAP_SPACE,
                    &ptr,
                    "the allocation map",
                );
                Some(places)
            }
            Err(error) => {
                self.damage(format!("the allocation map at {}: {error}", ptr.addr.0));
                None
            }
        }
    }

    fn claim(
        &mut self,
        places: &mut Option<&mut Places>,
        space: SpaceId,
        ptr: &PagePtr,
        what: &str,
    ) {
        if let Some(places) = places
            && let Err(clash) = places.claim(space, ptr)
        {
            self.damage(format!("{what} at {}: {clash}", ptr.addr.0));
        }
    }

    /// Whatever is allocated and was not met is lost space.
    fn space(&mut self, body: &RootBody, places: Option<Places>) {
        let Some(mut places) = places else { return };
        for freed in &body.scrub {
            // Still allocated in the map, and to be zeroed: not met by the walk.
            let ptr = PagePtr {
                addr: freed.addr,
                len: freed.len,
                level: VALUE_LEVEL,
                tag: body.tag,
            };
            let Freed { space, .. } = *freed;
            self.claim(&mut Some(&mut places), space, &ptr, "a place to be zeroed");
        }
        for (space, leak) in places.leaks() {
            if self.complete.get(&space) == Some(&false) {
                continue;
            }
            self.damage(format!(
                "{} units of space {} are allocated and hold nothing (the first is {})",
                leak.units, space.0, leak.first.0
            ));
        }
    }

    // ---- blocks and trees

    /// The plaintext of a block that is no page.
    fn block(&self, sealer: &dyn Sealer, kind: BlockKind, ptr: &PagePtr) -> Result<Vec<u8>, Error> {
        let mut block = self.parts.engine.read_page_blocking(ptr.addr, ptr.len)?;
        sealer
            .open(kind, None, &mut block, Some(&ptr.tag))
            .map_err(|_| Error::corrupt("it is not the block that its pointer names"))?;
        let end = block.len().saturating_sub(sealer.tail_len());
        Ok(block
            .get(sealer.head_len()..end)
            .unwrap_or_default()
            .to_vec())
    }

    /// Walks the catalog, and asks for the keys of its tables.
    fn catalog(&mut self, chosen: &ChosenRoot, places: &mut Option<Places>) {
        let io = &chosen.sealers.catalog;
        let (mut pointers, mut entries) = (Vec::new(), Vec::new());
        let survey = Tree::open(chosen.body.catalog).survey(
            io,
            &mut |ptr, _| pointers.extend(ptr),
            &mut |key, value| entries.push((key.to_vec(), value.to_vec())),
        );
        for ptr in &pointers {
            self.claim(
                &mut places.as_mut(),
                CATALOG_SPACE,
                ptr,
                "a page of the catalog",
            );
        }
        for flaw in &survey.flaws {
            self.damage(format!("catalog: {flaw}"));
        }
        let whole = survey.flaws.is_empty();
        self.complete.insert(CATALOG_SPACE, whole);
        // With a part of the catalog unread, tables and carried parts may be unknown.
        self.complete.insert(CARRIED_SPACE, whole);
        for (key, value) in entries {
            match key.first() {
                Some(b't') => match TableRecord::decode(&value) {
                    Ok(record) if TableRecord::catalog_key(&record.name) == key => {
                        self.hold(record, whole);
                    }
                    Ok(_) => self.damage("catalog: a record under another name"),
                    Err(what) => self.damage(format!("catalog: {what}")),
                },
                Some(b'c') => self.carried.push((key, value)),
                Some(b'k') => {
                    if let Err(what) = Token::of_entry(&key, &value) {
                        self.damage(format!("catalog: {what}"));
                    }
                }
                _ => self.damage("catalog: an entry of an unknown kind"),
            }
        }
        if !whole {
            self.report.remarks.push(
                "a part of the catalog cannot be read: there may be tables that are not listed"
                    .into(),
            );
        }
    }

    /// A table has other key records from here on in the log.
    fn set_keys(&mut self, id: TableId, records: KeyRecords) {
        let Some(held) = self.tables.get_mut(&id) else {
            return;
        };
        let keys = records.bound(self.database, id, held.record.name.as_str());
        let unwrapped = keys.unwrap(&*self.parts.kms, &Caller::database());
        let p = self.parts;
        let new = |keys| {
            TableSealers::new(
                &p.engine,
                &p.sealing,
                &self.cache,
                (self.database, id),
                keys,
            )
        };
        held.sealers = unwrapped.ok().map(new);
        held.record.keys = records;
    }

    /// Takes a table in, with its key if the KMS gives it.
    fn hold(&mut self, record: TableRecord, catalog_whole: bool) {
        let (id, name) = (record.id, record.name.to_string());
        for space in record.definition.spaces() {
            self.complete.insert(space, catalog_whole);
        }
        let mut checked = CheckedTable {
            name: name.clone(),
            state: TableState::Sound,
            items: 0,
            pages: 0,
            page_bytes: 0,
        };
        let keys = record.keys.bound(self.database, id, record.name.as_str());
        let unwrapped = keys.unwrap(&*self.parts.kms, &Caller::database());
        let sealers = match unwrapped {
            Ok(keys) => {
                let (p, table) = (self.parts, (self.database, id));
                let sealers = TableSealers::new(&p.engine, &p.sealing, &self.cache, table, keys);
                Some(sealers)
            }
            Err(error) => {
                checked.state = TableState::Inaccessible;
                checked.items = record.items.counters.item_count;
                if is_refusal(&error) {
                    self.report
                        .remarks
                        .push(format!("table {name} is inaccessible: {error}"));
                } else {
                    checked.state = TableState::Damaged;
                    self.damage(format!("table {name}: its key record: {error}"));
                }
                None
            }
        };
        let held = Held {
            record,
            sealers,
            checked,
        };
        self.tables.insert(id, held);
    }

    fn table(&mut self, id: TableId, places: &mut Option<Places>) {
        let Some(held) = self.tables.get(&id) else {
            return;
        };
        let record = held.record.clone();
        let Some(sealers) = held.sealers.clone() else {
            for space in record.definition.spaces() {
                self.heads(id, space, places);
            }
            return;
        };
        let table = self.lookup(&record);
        let trees = sealers.trees(&record);
        let mut implied = vec![Content::default(); trees.derived.len()];
        let mut odd = 0u64;
        let mut items = Content::default();
        let whole = self.tree(id, &trees.items, places, &mut |key, value| {
            items.add(&Role::Items, key, value);
            let Some(item) = own_item(&table, key, value) else {
                odd += 1;
                return;
            };
            let derived = trees.derived.iter().zip(&mut implied);
            for (branch, implied) in derived.filter(|(branch, _)| branch.filled.covers(key)) {
                if let Ok(Some((key, value))) = table.implied(&branch.def.role, key, &item) {
                    implied.add(&branch.def.role, &key, &value);
                }
            }
        });
        if odd > 0 {
            let what = "items do not decode, or stand under a key that is not theirs";
            self.table_damage(id, &format!("{odd} {what}"));
        }
        self.compare_counters(id, whole && odd == 0, &trees.items, &items);
        if let Some(held) = self.tables.get_mut(&id) {
            held.checked.items = items.counters.item_count;
        }
        for (branch, implied) in trees.derived.iter().zip(&implied) {
            let mut found = Content::default();
            let mut odd_records = 0u64;
            let whole_branch = self.tree(id, branch, places, &mut |key, value| {
                if branch.stream().is_some() && !is_record(key, value, found.is_empty()) {
                    odd_records += 1;
                }
                found.add(&branch.def.role, key, value)
            });
            self.compare_counters(id, whole_branch, branch, &found);
            if odd_records > 0 {
                let what = "entries that are no records";
                self.table_damage(id, &format!("{} has {odd_records} {what}", named(branch)));
            }
            if branch.stream().is_some() {
                continue;
            }
            let compared = whole && odd == 0 && whole_branch && !branch.def.leaving;
            if compared && found != *implied {
                let what = "does not hold what the items imply";
                self.table_damage(id, &format!("{} {what}", named(branch)));
            }
        }
    }

    /// Walks one tree. Whether all of it could be read.
    fn tree(
        &mut self,
        id: TableId,
        branch: &Branch,
        places: &mut Option<Places>,
        entry: &mut dyn FnMut(&[u8], &[u8]),
    ) -> bool {
        let space = branch.def.space;
        let mut pointers = Vec::new();
        let survey = branch
            .tree
            .survey(&branch.io, &mut |ptr, _| pointers.extend(ptr), entry);
        let name = self.tables.get(&id).map(|held| held.checked.name.clone());
        let place = format!("table {}: a block", name.unwrap_or_default());
        for ptr in &pointers {
            self.claim(&mut places.as_mut(), space, ptr, &place);
        }
        for flaw in &survey.flaws {
            self.table_damage(id, &flaw.to_string());
        }
        let whole = survey.flaws.is_empty();
        if !whole {
            self.complete.insert(space, false);
        }
        if let Some(held) = self.tables.get_mut(&id) {
            let TreeReport {
                leaves,
                inner,
                values,
                disk_bytes,
                ..
            } = survey.report;
            held.checked.pages += leaves + inner + values;
            held.checked.page_bytes += disk_bytes;
        }
        whole
    }

    /// The catalog counts what the tree holds, if all of that could be read.
    fn compare_counters(&mut self, id: TableId, whole: bool, branch: &Branch, found: &Content) {
        let (counted, found) = (branch.counters, found.counters);
        if whole && counted != found {
            let what = format!(
                "the catalog counts {} items of {} bytes, {} holds {} of {}",
                counted.item_count,
                counted.size_bytes,
                named(branch),
                found.item_count,
                found.size_bytes
            );
            self.table_damage(id, &what);
        }
    }

    /// A table without its key: its blocks by their heads.
    fn heads(&mut self, id: TableId, space: SpaceId, places: &mut Option<Places>) {
        let Some(places) = places else { return };
        let units = places.take_all(space);
        let mut pages = 0;
        for addr in &units {
            let head = self
                .parts
                .engine
                .read_page_blocking(*addr, sealdb_crypto::block::HEAD_LEN as u32);
            match head {
                Ok(head) if BlockHead::parse(&head).is_ok() => pages += 1,
                Ok(_) => {}
                Err(error) => self.table_damage(id, &format!("the block at {}: {error}", addr.0)),
            }
        }
        if let Some(held) = self.tables.get_mut(&id) {
            held.checked.pages += pages;
            held.checked.page_bytes += units.len() as u64 * u64::from(sealdb_engine::UNIT);
        }
    }

    /// A table as the database has it, to find out under which key an item belongs.
    fn lookup(&self, record: &TableRecord) -> Arc<Table> {
        let origin = crate::root::LogPosition {
            segment: SegmentNo(0),
            offset: 0,
        };
        let published = Published::new(0, sealdb_crypto::BlockTag::from_bytes([0; 16]), origin);
        let options = &self.parts.options;
        let pins = Pins::new(self.parts.clock.clone(), options.pin_max_age);
        Table::closed(record.clone(), ClosedReason::Deleted, pins, &published)
    }

    // ---- root and trail

    /// The root that is not in use. A crash may have torn it, but not if the database was closed after it was written.
    fn other_root(
        &mut self,
        chosen: &ChosenRoot,
        roots: &[Option<Vec<u8>>; 2],
        cleanly_closed: bool,
    ) {
        let slot = 1 - chosen.slot;
        let opens = match roots.get(slot).and_then(Option::as_deref) {
            // A new database that was never closed has one root only.
            None => !cleanly_closed,
            Some(bytes) => {
                read_root(bytes).is_ok_and(|raw| raw.open(&*chosen.sealers.root).is_ok())
            }
        };
        let what = format!("the root in slot {slot}, which is not in use, does not open");
        if !opens && cleanly_closed {
            self.damage(what);
        } else if !opens {
            self.report.remarks.push(format!(
                "{what}: a crash cut it short while it was written, or it is damaged"
            ));
        }
    }

    fn trail(&mut self, path: &Path) {
        let access = TrailAccess {
            kms: self.parts.kms.clone(),
            sealing: self.parts.sealing.clone(),
            clock: self.parts.clock.clone(),
            database: self.database,
            caller: Caller::database(),
        };
        let records = match AuditTrail::open_read_only(path, &access) {
            Ok(records) => records,
            Err(error) => return self.damage(format!("audit trail: {error}")),
        };
        for record in records {
            match record {
                Ok(_) => self.report.audit_records += 1,
                // The reader gives the same error for ever.
                Err(error) => return self.damage(format!("audit trail: {error}")),
            }
        }
    }
}

/// Whether the KMS does not give the key, or cannot be asked: no damage of ours.
fn is_refusal(error: &KeyRecordError) -> bool {
    matches!(
        error,
        KeyRecordError::Kms(KmsError::Denied { .. }) | KeyRecordError::OtherProvider { .. }
    ) || error.is_transient()
}

/// What a tree holds, in so many words: equal if and, but for one chance in 2^64, only if the entries are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Content {
    counters: Counters,
    sum: u64,
}

impl Content {
    fn is_empty(&self) -> bool {
        self.counters.item_count == 0
    }

    fn add(&mut self, role: &Role, key: &[u8], value: &[u8]) {
        self.counters.item_count += 1;
        self.counters.size_bytes += role.size_of(value).unwrap_or(0);
        // In any order: the items imply them in another than they stand in.
        let entry = checksum(key) ^ checksum(value).rotate_left(32);
        self.sum = self.sum.wrapping_add(checksum(&entry.to_be_bytes()));
    }
}

/// How a report names a tree: names of indexes are content.
fn named(branch: &Branch) -> String {
    match branch.def.role {
        Role::Items => "its tree".into(),
        Role::Index(_) => format!("the index in tree {}", branch.def.id.get()),
        Role::Expiry(_) => "the tree of expiry times".into(),
        Role::Stream(_) => format!("the stream in tree {}", branch.def.id.get()),
    }
}

/// A record with a number and items that decode, or the mark of what was trimmed before all of them.
fn is_record(key: &[u8], value: &[u8], first: bool) -> bool {
    let decodes = |item: &[u8]| item.is_empty() || codec::decode_item(item).is_ok();
    match (record_number(key), StoredRecord::decode(value)) {
        (Ok(_), Ok(None)) => first,
        (Ok(_), Ok(Some(record))) => [record.old, record.new, record.keys]
            .into_iter()
            .all(decodes),
        _ => false,
    }
}

/// An item that decodes and stands under its own key.
fn own_item(table: &Table, key: &[u8], value: &[u8]) -> Option<Item> {
    let item = codec::decode_item(value).ok()?;
    let own = table.schema.key_of_item(&item).ok()?;
    (table.stored_key(&own) == key).then_some(item)
}

//! `compact`: gives the free space of a closed database back to the system.
//!
//! The database is opened as always, and entries that lie high or thinly spread are written again as they are, through the ordinary
//! commit. The log need not tell of it; a checkpoint writes their pages to the lowest free places, and the file is cut behind the
//! last one. So a crash at any moment leaves a database like a crash at any other, and a compaction that failed midway has harmed nothing and may be run again.
//!
//! It needs no more disk than a checkpoint's worth of pages. What it moves is rewritten once or twice.
//!
//! Not moved: tables whose key is not at hand. Not improved: how full pages are; deletions see to that themselves.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use sealdb_crypto::{Kms, RootKeySource};
use sealdb_engine::{
    Allocated, EngineError, FileEngine, FileOptions, OpenMode, PageAddr, SegmentSizes, SpaceId,
    allocated, database_exists,
};

use crate::audit::Trail;
use crate::core::Core;
use crate::database::TRAIL_FILE;
use crate::error::Error;
use crate::options::{Background, Options};
use crate::shared::{CATALOG_SPACE, Parts};
use crate::table::{Table, View};
use crate::trees::Branch;

/// Units of an extent: what a space owns as a whole, and what the file shrinks by.
const EXTENT: u64 = 128;
/// Rounds of moving. Each begins with what the one before has made free; two are usual.
const ROUNDS: usize = 4;
/// Entries in one commit.
const BATCH: usize = 64;

/// What a compaction has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactReport {
    /// Bytes of all files in the directory before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
}

/// Gives the free space of a closed database back. See the module.
///
/// # Errors
/// As opening it; [`Error::Corruption`] if a page that was to be moved is damaged, [`Error::StorageFull`]. Nothing is lost then.
pub fn compact(
    data_dir: impl AsRef<Path>,
    keyring_dir: impl AsRef<Path>,
    root_key: RootKeySource,
) -> Result<CompactReport, Error> {
    let data_dir = data_dir.as_ref();
    if !database_exists(data_dir) {
        return Err(Error::NoDatabase(data_dir.to_owned()));
    }
    compact_with(data_dir, super::keyring(keyring_dir.as_ref(), root_key)?)
}

/// The same with any KMS.
///
/// # Errors
/// As [`compact`].
pub fn compact_with(data_dir: impl AsRef<Path>, kms: Arc<dyn Kms>) -> Result<CompactReport, Error> {
    let data_dir = data_dir.as_ref();
    let options = FileOptions {
        mode: OpenMode::Open,
        segments: SMALL_SEGMENTS,
    };
    let open = || {
        let engine = FileEngine::open(data_dir, options).map_err(super::no_database)?;
        let mut parts = super::parts(Arc::new(engine), kms.clone());
        parts.trail = Trail::At(data_dir.join(TRAIL_FILE));
        Ok::<_, Error>(parts)
    };
    let parts = open()?;
    let bytes_before = bytes_in(data_dir)?;
    compact_parts(parts)?;
    // The log of the moving goes with the next open, which begins a new, short segment.
    open_and_close(open()?)?;
    Ok(CompactReport {
        bytes_before,
        bytes_after: bytes_in(data_dir)?,
    })
}

/// New log segments are short, and no released one is kept.
const SMALL_SEGMENTS: SegmentSizes = SegmentSizes {
    first: 1 << 20,
    max: 1 << 20,
    keep: 0,
};

/// Bytes of the files in a directory.
fn bytes_in(dir: &Path) -> Result<u64, Error> {
    let failed = |error| {
        let place = dir.display().to_string();
        Error::Engine(EngineError::io("list", place, error))
    };
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let found = entry.and_then(|entry| entry.metadata()).map_err(failed)?;
        if found.is_file() {
            bytes += found.len();
        }
    }
    Ok(bytes)
}

/// The same over any engine; it should keep no released log segments. For tests.
///
/// # Errors
/// As [`compact`].
#[doc(hidden)]
pub fn compact_parts(mut parts: Parts) -> Result<(), Error> {
    parts.options = Options {
        background: Background::Inline,
        // The log is to be short in the end; it need not grow long before.
        log_limit: parts.options.log_limit.min(16 << 20),
        ..parts.options
    };
    let core = Core::open(parts)?;
    let moved = Mover { core: &core }.run();
    let closed = core.close_and_trim();
    moved.and(closed)
}

fn open_and_close(mut parts: Parts) -> Result<(), Error> {
    parts.options.background = Background::Inline;
    Core::open(parts)?.close_and_trim()
}

struct Mover<'c> {
    core: &'c Core,
}

impl Mover<'_> {
    fn run(&self) -> Result<(), Error> {
        let engine = &self.core.shared().engine;
        engine.pack(true);
        self.settle()?;
        for _ in 0..ROUNDS {
            let before = engine.stats().page_file_len;
            // First each space into its lowest extents, so that whole extents become free; then what lies high into those.
            let spread = Plan::spread(&self.rows()?);
            let moved = self.carry_out(&spread)?;
            let high = Plan::high(&self.rows()?);
            if !self.carry_out(&high)? && !moved {
                break;
            }
            engine.trim().map_err(Error::from_engine)?;
            if engine.stats().page_file_len + EXTENT * 4096 > before {
                break;
            }
        }
        Ok(())
    }

    fn rows(&self) -> Result<Vec<Allocated>, Error> {
        let map = self.core.shared().engine.allocation_map(&[], &[]);
        Ok(allocated(&map)?)
    }

    /// Checkpoints until what was given up is free: places of one checkpoint go with it, its own map with the next.
    fn settle(&self) -> Result<(), Error> {
        self.core.checkpoint_now()?;
        self.core.checkpoint_now()
    }

    /// Moves what the plan names. Whether there was anything.
    fn carry_out(&self, plan: &Plan) -> Result<bool, Error> {
        if plan.spaces.is_empty() {
            return Ok(false);
        }
        for table in self.core.tables()?.values() {
            let View::Open(open) = &*table.view() else {
                continue;
            };
            for branch in open.trees.iter() {
                if plan.spaces.contains(&branch.def.space) {
                    self.rewrite(table, branch, plan)?;
                }
            }
        }
        if plan.spaces.contains(&CATALOG_SPACE) {
            for table in self.core.tables()?.values() {
                table.record.lock().changed = true;
            }
        }
        self.settle()?;
        Ok(true)
    }

    /// Writes one entry of each page that is to move again, and each value that is.
    fn rewrite(&self, table: &Arc<Table>, branch: &Branch, plan: &Plan) -> Result<(), Error> {
        let space = branch.def.space;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let wanted = Cell::new(false);
        let survey = branch.tree.survey(
            &branch.io,
            &mut |ptr, _| {
                if ptr.is_some_and(|ptr| plan.moves(space, ptr.addr)) {
                    wanted.set(true);
                }
            },
            // The first entry behind an inner page, the first of a leaf, or the one whose value lies out of line.
            &mut |key, _| {
                if wanted.take() {
                    keys.push(key.to_vec());
                }
            },
        );
        if let Some(flaw) = survey.flaws.into_iter().next() {
            return Err(flaw.into());
        }
        for batch in keys.chunks(BATCH) {
            let (table, batch) = (table.clone(), batch.to_vec());
            self.core.commit_blocking(move |txn| {
                batch
                    .iter()
                    .try_for_each(|key| txn.rewrite(&table, space, key))
            })?;
        }
        Ok(())
    }
}

/// Which extents are to be emptied.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    extents: HashSet<u64>,
    spaces: HashSet<SpaceId>,
}

/// Per extent: whose it is, and units in use.
fn by_extent(rows: &[Allocated]) -> BTreeMap<u64, (SpaceId, u64)> {
    let mut extents = BTreeMap::new();
    for row in rows {
        let (_, used) = extents
            .entry(row.addr.0 / EXTENT)
            .or_insert((row.space, 0u64));
        *used += u64::from(row.units);
    }
    extents
}

/// Extents that a space can do with. Blocks of several units do not fill one to the last, and moving a page moves those above it.
fn enough(units: u64) -> u64 {
    let needed = units.div_ceil(EXTENT);
    needed + needed / 16
}

impl Plan {
    /// For each space that owns more extents than it needs, the highest of them.
    fn spread(rows: &[Allocated]) -> Self {
        let mut of_space: HashMap<SpaceId, (u64, Vec<u64>)> = HashMap::new();
        for (no, (space, used)) in by_extent(rows) {
            let (units, extents) = of_space.entry(space).or_default();
            *units += used;
            extents.push(no);
        }
        let mut plan = Plan::default();
        for (space, (units, extents)) in of_space {
            let keep = usize::try_from(enough(units)).unwrap_or(usize::MAX);
            if extents.len() > keep + 1 {
                plan.spaces.insert(space);
                plan.extents.extend(extents.into_iter().skip(keep));
            }
        }
        plan
    }

    /// The extents that lie higher than as many extents as there are, if lower ones are free.
    fn high(rows: &[Allocated]) -> Self {
        let extents = by_extent(rows);
        let mut plan = Plan::default();
        for (no, (space, _)) in extents.range(extents.len() as u64..) {
            plan.extents.insert(*no);
            plan.spaces.insert(*space);
        }
        plan
    }

    fn moves(&self, space: SpaceId, addr: PageAddr) -> bool {
        self.spaces.contains(&space) && self.extents.contains(&(addr.0 / EXTENT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(space: u64, extent: u64, units: u32) -> Allocated {
        Allocated {
            space: SpaceId(space),
            addr: PageAddr(extent * EXTENT),
            units,
        }
    }

    #[test]
    fn a_dense_file_needs_no_moving() {
        let rows: Vec<_> = (0..40)
            .map(|no| row(16 + no % 2, no, if no > 37 { 3 } else { 120 }))
            .collect();
        assert_eq!(Plan::spread(&rows), Plan::default());
        assert_eq!(Plan::high(&rows), Plan::default());
    }

    #[test]
    fn a_thin_space_gives_up_its_high_extents_and_high_ones_move_into_holes() {
        let mut rows: Vec<_> = (0..40).map(|no| row(16, 2 * no, 12)).collect();
        rows.extend((0..40).map(|no| row(17, 2 * no + 1, 128)));
        let plan = Plan::spread(&rows);
        assert_eq!(plan.spaces, HashSet::from([SpaceId(16)]));
        assert_eq!(plan.extents.len(), 36);
        assert!(!plan.moves(SpaceId(16), PageAddr(6 * EXTENT)));
        assert!(plan.moves(SpaceId(16), PageAddr(8 * EXTENT)));

        rows.retain(|row| row.space == SpaceId(17) || row.addr.0 < 8 * EXTENT);
        let plan = Plan::high(&rows);
        assert_eq!(plan.spaces, HashSet::from([SpaceId(17)]));
        assert!(plan.moves(SpaceId(17), PageAddr(79 * EXTENT)));
        assert!(!plan.moves(SpaceId(17), PageAddr(43 * EXTENT)));
    }
}

//! Applying logged outcomes to a table's trees again: at recovery, and when a closed table opens.
//!
//! Replay evaluates nothing: it puts and deletes the items that the log says, and what they imply. It runs on threads that may block.

#![deny(clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sealdb_crypto::{BlockTag, LogPlace, Sealer, TableId, TableKeys};
use sealdb_engine::Engine;
use zeroize::Zeroize;

use crate::catalog::record::CarriedPart;
use crate::checkpoint::{State, VALUE_LEVEL, entries, load};
use crate::commit::txn::TxnError;
use crate::error::Error;
use crate::log::frame::{Outcome, Outcomes};
use crate::log::reader::{LogReader, ReadSegment, open_part};
use crate::shared::{CARRIED_SPACE, Shared, SystemSealers};
use crate::stream::Recording;
use crate::table::{Table, TableSealers, View};
use crate::tree::{PagePtr, Tree, TreeIo};
use crate::trees::{Extent, Filled, Load, RetiredByTree, Trees};

/// A table while outcomes are applied to it.
pub(crate) struct Replayed {
    pub(crate) sealers: TableSealers,
    pub(crate) trees: Trees,
    pub(crate) sequence: u64,
    pub(crate) retired: RetiredByTree,
}

impl Replayed {
    /// As of the table's last checkpoint.
    pub(crate) fn checkpointed(table: &Table, sealers: TableSealers) -> Self {
        let slot = table.record.lock();
        Replayed {
            trees: sealers.trees(&slot.record),
            sealers,
            sequence: slot.record.sequence,
            retired: RetiredByTree::default(),
        }
    }

    /// The table has these keys from here on: a newer one seals, or an older one is let go.
    pub(crate) fn take_keys(&mut self, keys: TableKeys) {
        if !self.sealers.keys().succeed(keys.active().clone()) {
            self.sealers = self.sealers.under(keys, &mut self.trees);
        }
    }

    /// Opens a part, applies it, and wipes it. A part that was applied before is passed over.
    ///
    /// # Errors
    /// [`Error::Corruption`] for a block that does not open, or holds no outcomes.
    pub(crate) fn apply_part(
        &mut self,
        table: &Table,
        tag: &BlockTag,
        origin: LogPlace,
        sequence: u64,
        block: &mut [u8],
    ) -> Result<(), Error> {
        let log = self.sealers.log.clone();
        let plain = open_part(&*log, tag, origin, block)?;
        let applied = self.apply(table, sequence, plain);
        block.zeroize();
        applied
    }

    fn apply(&mut self, table: &Table, sequence: u64, part: &[u8]) -> Result<(), Error> {
        if sequence <= self.sequence {
            return Ok(());
        }
        self.trees.recording = Recording::of(sequence);
        for outcome in Outcomes::new(part) {
            let outcome =
                outcome.map_err(|what| Error::malformed_part(table.id, sequence, what))?;
            let (trees, retired) = (&mut self.trees, &mut self.retired);
            let load: Load<'_> = &mut |io, need| load(io, need).map_err(TxnError::Fail);
            let changed = match outcome {
                Outcome::Item(written) => trees.change(table, retired, written, load),
                Outcome::Record { stream, at_ms } => {
                    trees.recording.switch(stream, at_ms);
                    Ok(())
                }
                Outcome::Trim { stream, key } => trees.trim(retired, stream, key, load),
                Outcome::Fill { tree, key } => {
                    let until = match key {
                        [] => Filled::All,
                        key => Filled::UpTo(key.to_vec()),
                    };
                    let extent = Extent::Until(until);
                    trees.fill(table, retired, tree, &extent, load).map(drop)
                }
            };
            match changed {
                Ok(()) => {}
                Err(TxnError::Load(_)) => unreachable!("what is missing is loaded on the spot"),
                Err(TxnError::Fail(error)) => return Err(error),
            }
        }
        self.sequence = sequence;
        Ok(())
    }

    /// Applies what the catalog carries along for the table.
    ///
    /// # Errors
    /// Damage, or the engine's.
    pub(crate) fn apply_carried(
        &mut self,
        engine: &dyn Engine,
        catalog: (&Tree, &TreeIo),
        table: &Table,
    ) -> Result<(), Error> {
        for (_, value) in carried(catalog.0, catalog.1, table.id)? {
            let part = value?;
            let CarriedPart { place, origin } = part;
            let mut block = engine.read_page_blocking(place.addr, place.len)?;
            self.apply_part(table, &place.tag, origin, origin.sequence, &mut block)?;
        }
        Ok(())
    }
}

type CarriedEntry = (Vec<u8>, Result<CarriedPart, Error>);

/// The carried parts of a table, in order.
fn carried(catalog: &Tree, io: &TreeIo, table: TableId) -> Result<Vec<CarriedEntry>, Error> {
    let lower = CarriedPart::catalog_key(table, 0);
    let mut upper = CarriedPart::catalog_key(table, u64::MAX);
    upper.push(0);
    let read = |(key, value): (Vec<u8>, Vec<u8>)| {
        let part = CarriedPart::decode(&value).map_err(|what| Error::malformed("catalog", what));
        (key, part)
    };
    Ok(entries(catalog, io, lower, upper)?
        .into_iter()
        .map(read)
        .collect())
}

impl State {
    /// Forgets what is carried along for a table.
    pub(crate) fn drop_carried(&mut self, io: &TreeIo, table: TableId) -> Result<(), Error> {
        for (key, part) in carried(&self.catalog, io, table)? {
            let part = part?;
            self.catalog_remove(io, &key)?;
            self.free_with_next_root(part.place.freed(CARRIED_SPACE));
        }
        Ok(())
    }
}

impl Shared {
    /// A reader of everything in the log that no checkpoint holds.
    fn log_reader<'a>(&'a self, sealer: &'a dyn Sealer) -> LogReader<'a> {
        let (sequence, tag, position) = {
            let root = self.root();
            (root.body.sequence, root.body.tag, root.body.position)
        };
        let segments = {
            let log = self.log.lock();
            log.segments
                .iter()
                .map(|segment| ReadSegment {
                    entry: segment.entry,
                    capacity: segment.capacity,
                })
                .collect()
        };
        LogReader::new(&*self.engine, sealer, segments, position, sequence, tag)
    }

    /// Carries the log parts of closed tables along, so that the log up to `sequence` can go. A part stays sealed as it is.
    ///
    /// # Errors
    /// What was carried until then stays so.
    pub(crate) fn carry_closed(
        &self,
        state: &mut State,
        system: &SystemSealers,
        sequence: u64,
        tables: &[(Arc<Table>, Arc<View>)],
    ) -> Result<(), Error> {
        let covered = |table: &Table| {
            let slot = table.record.lock();
            slot.record.sequence.max(slot.record.carried_to)
        };
        let closed: Vec<&Arc<Table>> = tables
            .iter()
            .filter(|(table, view)| {
                matches!(&**view, View::Closed(_))
                    && table.logged_to.load(Ordering::Acquire) > covered(table)
            })
            .map(|(table, _)| table)
            .collect();
        if closed.is_empty() {
            return Ok(());
        }
        let mut reader = self.log_reader(&*system.log);
        while let Some(record) = reader.next()? {
            if record.sequence > sequence {
                break;
            }
            for (entry, block) in &record.parts {
                let Some(table) = closed.iter().find(|table| table.id == entry.table) else {
                    continue;
                };
                if record.sequence <= covered(table) {
                    continue;
                }
                let addr = self
                    .engine
                    .allocate(CARRIED_SPACE, entry.len)
                    .map_err(Error::from_engine)?;
                let place = PagePtr {
                    addr,
                    len: entry.len,
                    level: VALUE_LEVEL,
                    tag: entry.tag,
                };
                let written = self
                    .engine
                    .write_pages(&[(addr, block)])
                    .map_err(Error::from_engine)
                    .and_then(|()| {
                        // Under the sequence of its origin: that is what it is opened with.
                        let origin = LogPlace {
                            segment: entry.origin.segment,
                            sequence: entry.origin.sequence,
                        };
                        let carried = CarriedPart { place, origin };
                        let key = CarriedPart::catalog_key(table.id, record.sequence);
                        state.catalog_put(&system.catalog, &key, &carried.encode())
                    });
                if let Err(error) = written {
                    state.free_with_next_root(place.freed(CARRIED_SPACE));
                    return Err(error);
                }
                let mut slot = table.record.lock();
                slot.record.carried_to = record.sequence;
                slot.changed = true;
            }
        }
        // What cannot be read must not be let go as if it had been carried.
        reader.expect_reached(sequence)
    }

    /// The newest state of a closed table whose key is at hand again: its last checkpoint, what was carried, and the log.
    ///
    /// # Errors
    /// Damage, or the engine's.
    pub(crate) fn replay_closed(
        &self,
        state: &State,
        system: &SystemSealers,
        table: &Table,
        sealers: TableSealers,
    ) -> Result<Replayed, Error> {
        let mut replayed = Replayed::checkpointed(table, sealers);
        // What was altered since does not stand in the table's own parts.
        let definition = table.definition();
        replayed.sealers.redefine(&mut replayed.trees, &definition);
        replayed.apply_carried(&*self.engine, (&state.catalog, &system.catalog), table)?;
        if table.logged_to.load(Ordering::Acquire) > replayed.sequence {
            let published = self.published.sequence();
            let mut reader = self.log_reader(&*system.log);
            while let Some(mut record) = reader.next()? {
                if record.sequence > published {
                    break;
                }
                for (entry, block) in &mut record.parts {
                    if entry.table == table.id {
                        let (tag, origin) = (&entry.tag, entry.origin);
                        replayed.apply_part(table, tag, origin, record.sequence, block)?;
                    }
                }
            }
            reader.expect_reached(published)?;
        }
        Ok(replayed)
    }
}

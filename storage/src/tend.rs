//! What is due to tables in the background: trees are filled, items expire, states that do not last end.
//!
//! | what | how | after a crash |
//! |---|---|---|
//! | a tree that was made later | pieces of [`PIECE`] items, each a commit; the pages are loaded before, outside of the writer's seat | goes on where the log says |
//! | an index that is being removed | leaves the table's definition; its space goes with the next checkpoint | the same |
//! | items whose time has come | deleted if they still are what their entry says, [`SWEEP`] at a time | the same |
//! | records that are too old | removed from their stream, [`TRIM`] at a time; a stream that was disabled for as long goes as a whole | the same |
//! | a table that is being created or deleted | serves requests, or is gone, after `Options::table_window` | the same; a created one serves at once |
//!
//! A table that is being updated needs nothing done: what was asked for is in its definition already.
//!
//! Nothing of this is in anybody's way: after each piece of filling the thread rests as long as it worked.

use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealdb_crypto::TreeId;
use sealdb_model::AttributeName;
use sealdb_model::ops::{OLDEST_EXPIRY, expiry};

use crate::catalog::definition::Definition;
use crate::checkpoint::load;
use crate::error::Error;
use crate::shared::Shared;
use crate::stream::{StoredRecord, StreamDef, is_old};
use crate::table::{Table, View};
use crate::trees::{Filled, Role, decode};

/// Items whose entries are made in one commit.
const PIECE: usize = 64;
/// Items that expire in one commit.
const SWEEP: usize = 64;
/// Records that are removed in one commit, and their bytes: all of them are in memory then.
const TRIM: usize = 256;
const TRIM_BYTES: usize = 1 << 20;
/// How often the thread looks.
const LOOK: Duration = Duration::from_millis(100);

/// Runs until the database stops.
pub(crate) fn run(shared: &Arc<Shared>) {
    while !shared.stopping() {
        #[allow(clippy::disallowed_methods)]
        // how long to rest decides nothing that a test could replay
        let began = Instant::now();
        match shared.tend_tables() {
            Ok(true) => std::thread::sleep(began.elapsed().min(LOOK)),
            Ok(false) => std::thread::sleep(LOOK),
            Err(error) => {
                tracing::warn!(%error, "what is due to a table could not be done; it will be tried again");
                std::thread::sleep(LOOK);
            }
        }
    }
}

impl Shared {
    /// Does one piece of everything that is due. True if there is more of it.
    ///
    /// # Errors
    /// The first one met; the other tables were looked after.
    pub(crate) fn tend_tables(self: &Arc<Self>) -> Result<bool, Error> {
        let mut more = false;
        let mut result = Ok(());
        let tables = self.tables();
        let mut tables: Vec<&Arc<Table>> = tables.values().collect();
        // In an order that does not depend on the map's, so that a seeded history replays exactly.
        tables.sort_by_cached_key(|table| table.definition().items.space);
        for table in tables {
            if self.stopping() || self.accepts_writes().is_err() {
                return Ok(false);
            }
            match self.tend_table(table) {
                Ok(again) => more |= again,
                Err(error) => result = result.and(Err(error)),
            }
        }
        result.map(|()| more)
    }

    fn tend_table(self: &Arc<Self>, table: &Arc<Table>) -> Result<bool, Error> {
        if !table.is_serving() {
            return self.end_state(table);
        }
        let view = table.view();
        let View::Open(open) = &*view else {
            return Ok(false);
        };
        let mut more = false;
        for branch in &open.trees.derived {
            let (def, id) = (&branch.def, branch.def.id);
            if def.leaving {
                self.remove_tree(table, id)?;
            } else if branch.filled != Filled::All {
                self.fill_piece(table, id)?;
                more = true;
            } else {
                more |= match &def.role {
                    Role::Expiry(attribute) => self.expire(table, id, attribute)?,
                    Role::Stream(stream) => self.trim(table, id, stream)?,
                    Role::Items | Role::Index(_) => false,
                };
            }
        }
        Ok(more)
    }

    /// A table is created, or deleted, once it was in that state for its time.
    fn end_state(self: &Arc<Self>, table: &Arc<Table>) -> Result<bool, Error> {
        let window = u64::try_from(self.options.table_window.as_millis()).unwrap_or(u64::MAX);
        let over = |since: u64| self.clock.wall_ms() >= since.saturating_add(window);
        match table.definition().deleting {
            Some(since) if over(since) => self.delete_now(table).map(|()| false),
            None if over(table.created_ms) => {
                table.set_serving(true);
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    fn remove_tree(self: &Arc<Self>, table: &Arc<Table>, tree: TreeId) -> Result<(), Error> {
        let without = |_: &Table, mut definition: Definition| {
            definition.derived.retain(|def| def.id != tree);
            Ok(definition)
        };
        self.redefine_table(table.name.as_str(), without).map(drop)
    }

    /// Fills a tree from the next items. Their pages, and those of the entries, are loaded before the seat is taken.
    fn fill_piece(self: &Arc<Self>, table: &Arc<Table>, tree: TreeId) -> Result<(), Error> {
        warm(table, tree)?;
        let target = table.clone();
        self.commit_blocking(move |txn| txn.fill(&target, tree, PIECE))
    }

    /// Deletes items whose time has come. True if there may be more.
    fn expire(
        self: &Arc<Self>,
        table: &Arc<Table>,
        tree: TreeId,
        attribute: &AttributeName,
    ) -> Result<bool, Error> {
        let now = self.clock.wall_ms() / 1000;
        let keys = due(table, tree, now)?;
        if keys.is_empty() {
            return Ok(false);
        }
        let more = keys.len() == SWEEP;
        let (target, attribute) = (table.clone(), attribute.clone());
        self.commit_blocking(move |txn| {
            for key in &keys {
                // It may have been changed since it was looked for.
                let over = match txn.get(&target, key)? {
                    Some(item) => {
                        expiry(&decode(&item)?, &attribute).is_some_and(|at| is_over(at, now))
                    }
                    None => false,
                };
                if over {
                    txn.expire(&target, key)?;
                }
            }
            Ok(())
        })?;
        Ok(more)
    }

    /// Removes records that are too old, or a stream that is over. True if there may be more.
    fn trim(
        self: &Arc<Self>,
        table: &Arc<Table>,
        tree: TreeId,
        stream: &StreamDef,
    ) -> Result<bool, Error> {
        let now = self.clock.wall_ms();
        if stream.is_over(now) {
            self.remove_tree(table, tree)?;
            return Ok(false);
        }
        let (last, more) = too_old(table, tree, now)?;
        if let Some(last) = last {
            let target = table.clone();
            self.commit_blocking(move |txn| txn.trim(&target, tree, &last))?;
        }
        Ok(more)
    }
}

/// Whether an item with this time expires now. A time too long ago is taken for a mistake.
fn is_over(at: u64, now: u64) -> bool {
    at <= now && at >= now.saturating_sub(OLDEST_EXPIRY)
}

/// Stored keys of items whose time has come, the longest overdue first.
fn due(table: &Arc<Table>, tree: TreeId, now: u64) -> Result<Vec<Vec<u8>>, Error> {
    let snapshot = table.read()?;
    let Some(branch) = snapshot.trees().branch(tree) else {
        return Ok(Vec::new());
    };
    let lower = Bound::Included(now.saturating_sub(OLDEST_EXPIRY).to_be_bytes().to_vec());
    let upper = Bound::Excluded((now + 1).to_be_bytes().to_vec());
    let mut cursor = snapshot.cursor(branch, lower, upper, false, true);
    let mut keys = Vec::new();
    while keys.len() < SWEEP {
        match cursor.next_blocking()? {
            Some(key) => keys.push(key.to_vec()),
            None => break,
        }
    }
    Ok(keys)
}

/// The key of the last record that is too old, of those that go in one commit, and whether there may be more. Their pages are loaded
/// then, before the seat is taken.
fn too_old(table: &Arc<Table>, tree: TreeId, now: u64) -> Result<(Option<Vec<u8>>, bool), Error> {
    let (mut last, mut old, mut bytes) = (None, 0, 0);
    let snapshot = table.read()?;
    let Some(branch) = snapshot.trees().branch(tree) else {
        return Ok((last, false));
    };
    let mut cursor = snapshot.cursor(branch, Bound::Unbounded, Bound::Unbounded, false, true);
    while old < TRIM && bytes < TRIM_BYTES {
        let Some(value) = cursor.next_blocking()? else {
            return Ok((last, false));
        };
        match StoredRecord::decode(&value).map_err(|what| Error::malformed("stream", what))? {
            // What is trimmed already.
            None => {}
            Some(record) if is_old(record.at_ms, now) => {
                (old, bytes) = (old + 1, bytes + value.len());
                last = Some(cursor.key().to_vec());
            }
            Some(_) => return Ok((last, false)),
        }
    }
    Ok((last, true))
}

/// Loads what filling the next piece of a tree will need.
fn warm(table: &Arc<Table>, tree: TreeId) -> Result<(), Error> {
    let snapshot = table.read()?;
    let trees = snapshot.trees();
    let Some(branch) = trees.branch(tree) else {
        return Ok(());
    };
    let Filled::UpTo(from) = &branch.filled else {
        return Ok(());
    };
    let lower = Bound::Excluded(from.clone());
    let mut cursor = snapshot.cursor(&trees.items, lower, Bound::Unbounded, false, true);
    for _ in 0..PIECE {
        let Some(value) = cursor.next_blocking()? else {
            break;
        };
        let item = decode(&value)?;
        let Some((key, _)) = table.implied(&branch.def.role, cursor.key(), &item)? else {
            continue;
        };
        while let Err(need) = branch.tree.get(&branch.io, &key) {
            load(&branch.io, need)?;
        }
    }
    Ok(())
}

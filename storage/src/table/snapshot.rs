//! A table at one moment, for reads that take longer than one: queries, scans, transactions, streams.
//!
//! A snapshot holds a pin, so the places of its pages are not used again for at most the pin's age. Past that a block that has come
//! into such a place shows by its tag, and the reader is told to begin anew.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Table, View};
use crate::error::Error;
use crate::pins::Pin;
use crate::tree::{Cell, Cursor, Need, TreeIo, Value};
use crate::trees::{Branch, Trees};

impl Table {
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

/// A table at one moment.
pub(crate) struct Snapshot {
    view: Arc<View>,
    pin: Pin,
}

impl Snapshot {
    /// The table's trees.
    pub(crate) fn trees(&self) -> &Trees {
        match &*self.view {
            View::Open(open) => &open.trees,
            View::Closed(_) => unreachable!("a snapshot is made from an open view only"),
        }
    }

    /// The last group that had changed the table.
    pub(crate) fn sequence(&self) -> u64 {
        match &*self.view {
            View::Open(open) => open.sequence,
            View::Closed(_) => unreachable!("a snapshot is made from an open view only"),
        }
    }

    /// Walks the keys of one of the trees between the bounds. What a scan brings into the cache does not displace what gets use.
    pub(crate) fn cursor<'s>(
        &'s self,
        branch: &'s Branch,
        lower: Bound<Vec<u8>>,
        upper: Bound<Vec<u8>>,
        reverse: bool,
        scan: bool,
    ) -> SnapshotCursor<'s> {
        let cursor = branch.tree.cursor(lower, upper, reverse);
        let cursor = if scan { cursor.scanning() } else { cursor };
        SnapshotCursor {
            snapshot: self,
            io: &branch.io,
            cursor,
            key: Vec::new(),
        }
    }

    /// The item under a stored key. Does not suspend if its pages are cached.
    ///
    /// # Errors
    /// As [`SnapshotCursor::next`].
    pub(crate) async fn get(&self, key: &[u8]) -> Result<Option<Value>, Error> {
        let items = &self.trees().items;
        loop {
            match items.tree.get(&items.io, key) {
                Ok(value) => return Ok(value),
                Err(Need::Load(cell)) => {
                    let loaded = items.io.load(&cell).await;
                    loaded.map_err(|error| self.failed(error))?;
                }
                Err(Need::Fail(error)) => return Err(self.failed(error)),
            }
        }
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`SnapshotCursor::next`].
    pub(crate) fn get_blocking(&self, key: &[u8]) -> Result<Option<Value>, Error> {
        let items = &self.trees().items;
        loop {
            match items.tree.get(&items.io, key) {
                Ok(value) => return Ok(value),
                Err(Need::Load(cell)) => {
                    let loaded = items.io.load_blocking(&cell);
                    loaded.map_err(|error| self.failed(error))?;
                }
                Err(Need::Fail(error)) => return Err(self.failed(error)),
            }
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
    io: &'a TreeIo,
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
                    let loaded = self.io.load_for(&cell, self.cursor.hint()).await;
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
                    let loaded = self.io.load_blocking_for(&cell, self.cursor.hint());
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
        match self.cursor.next(self.io) {
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

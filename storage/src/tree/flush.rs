//! Flush: what is new in a version is sealed and written, children before parents.
//!
//! Pages gather in runs; a page's cell gets its place once its run is written, so whoever finds a place finds the page.
//! Parents in the same run already name it: its address and tag are known when it is sealed.
//!
//! **If it fails midway** (a full disk), pages of runs that were written keep their places: they are clean now, and the next
//! flush of a version that has them starts from there, or they are retired and freed. Places of the run that failed
//! are freed at once. Nothing leaks.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::Tree;
use super::cache::Use;
use super::cell::{Body, Cell};
use super::inner::Inner;
use super::io::{TreeError, TreeIo};
use super::leaf::Leaf;
use super::pointer::{LEAF, PagePtr, Place, VALUE};

impl Tree {
    /// Seals and writes every page of this version that is not on disk, and gives the root's pointer (`None`: no entries).
    /// Calls `pace` with the bytes of each run after it was written. Not durable until the engine's pages are synced.
    ///
    /// Blocking. The version must be newer than those flushed before (see [`super::Retired`]); other threads may read it and
    /// change later versions meanwhile.
    pub(crate) fn flush(
        &self,
        io: &TreeIo,
        pace: &mut dyn FnMut(usize),
    ) -> Result<Option<PagePtr>, TreeError> {
        let _one_at_a_time = io.flushing.lock();
        let Some(root) = &self.root else {
            return Ok(None);
        };
        let mut run = Run {
            io,
            pace,
            bytes: Vec::new(),
            items: Vec::new(),
        };
        let ptr = run.page(root)?;
        run.write()?;
        Ok(Some(ptr))
    }
}

/// Pages sealed and not written yet.
struct Run<'a> {
    io: &'a TreeIo,
    pace: &'a mut dyn FnMut(usize),
    bytes: Vec<u8>,
    items: Vec<Item>,
}

struct Item {
    cell: Arc<Cell>,
    ptr: PagePtr,
    range: Range<usize>,
}

impl Run<'_> {
    /// The pointer of a page; seals it, and first whatever it points to, unless it has one already.
    fn page(&mut self, cell: &Arc<Cell>) -> Result<PagePtr, TreeError> {
        if let Some(ptr) = cell.ptr() {
            return Ok(*ptr);
        }
        let node = cell.node.load_full();
        let node = node.ok_or(TreeError::Broken("a page that was never written is gone"))?;
        match &node.body {
            Body::Leaf(leaf) => self.leaf(cell, leaf),
            Body::Inner(inner) => self.inner(cell, inner),
            Body::Value(blob) => {
                let len = blob.block.len();
                self.add(cell, VALUE, len, |plain| {
                    plain.copy_from_slice(blob.bytes());
                    Some(())
                })
            }
        }
    }

    fn leaf(&mut self, cell: &Arc<Cell>, leaf: &Leaf) -> Result<PagePtr, TreeError> {
        let mut pointers = HashMap::new();
        for value in leaf.values() {
            pointers.insert(Arc::as_ptr(value), self.page(value)?);
        }
        self.add(cell, LEAF, self.io.layout.leaf, |plain| {
            leaf.encode(plain, |value| pointers.get(&Arc::as_ptr(value)).copied())
        })
    }

    fn inner(&mut self, cell: &Arc<Cell>, inner: &Inner) -> Result<PagePtr, TreeError> {
        let mut pointers = Vec::with_capacity(inner.children().len());
        for child in inner.children() {
            pointers.push(self.page(child)?);
        }
        let overhead = self.io.sealer.head_len() + self.io.sealer.tail_len();
        let needed = inner.encoded() + overhead;
        let len = if needed <= self.io.layout.inner {
            self.io.layout.inner
        } else {
            needed.next_multiple_of(sealdb_engine::UNIT as usize)
        };
        self.add(cell, inner.level(), len, |plain| {
            inner.encode(plain, &pointers);
            Some(())
        })
    }

    /// Allocates a place for a page and seals it into the run.
    fn add(
        &mut self,
        cell: &Arc<Cell>,
        level: u8,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Option<()>,
    ) -> Result<PagePtr, TreeError> {
        if !self.items.is_empty() && self.bytes.len() + len > self.io.layout.run {
            self.write()?;
        }
        let start = self.bytes.len();
        self.bytes.resize(start + len, 0);
        let block = &mut self.bytes[start..];
        let (head, tail) = (self.io.sealer.head_len(), self.io.sealer.tail_len());
        fill(&mut block[head..len - tail])
            .ok_or(TreeError::Broken("a value out of line has no pointer"))?;
        let tag = self.io.seal(level, block)?;
        let addr = self.io.engine.allocate(self.io.space, len as u32)?;
        let ptr = PagePtr {
            addr,
            len: len as u32,
            level,
            tag,
        };
        self.items.push(Item {
            cell: cell.clone(),
            ptr,
            range: start..start + len,
        });
        Ok(ptr)
    }

    /// Writes the run. Its pages are clean then.
    fn write(&mut self) -> Result<(), TreeError> {
        if self.items.is_empty() {
            return Ok(());
        }
        let blocks: Vec<_> = self
            .items
            .iter()
            .map(|item| (item.ptr.addr, &self.bytes[item.range.clone()]))
            .collect();
        self.io.engine.write_pages(&blocks)?;
        let bytes: usize = blocks.iter().map(|(_, block)| block.len()).sum();
        for item in &self.items {
            if let Place::Pending(slot) = &item.cell.place {
                // Flushes take turns, so nobody else has set it.
                let _set = slot.set(item.ptr);
                debug_assert!(_set.is_ok());
            }
            if let Some(node) = item.cell.node.load().as_ref() {
                node.written();
            }
        }
        let counters = self.io.cache.counters();
        counters.flushed.fetch_add(
            self.items.len() as u64,
            std::sync::atomic::Ordering::Relaxed,
        );
        self.io
            .cache
            .admit(self.items.iter().map(|item| &item.cell), Use::Keep);
        self.items.clear();
        self.bytes.clear();
        (self.pace)(bytes);
        Ok(())
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // Only after an error: these pages were not written, and nobody knows their places.
        let space = self.io.space;
        let places: Vec<_> = self
            .items
            .iter()
            .map(|item| item.ptr.freed(space))
            .collect();
        if !places.is_empty() {
            self.io.engine.free(&places);
        }
    }
}

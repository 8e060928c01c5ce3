//! Verify: a walk over every block of a version.
//!
//! Pages on disk are read and opened anew, whatever the cache holds, and do not enter it; pages that are not on disk yet are
//! looked at in memory. The walk holds one page per level.

use std::sync::Arc;

use super::Tree;
use super::cell::{Body, Cell};
use super::io::{TreeError, TreeIo};
use super::leaf::{Leaf, Stored};
use super::pointer::{PagePtr, VALUE};

/// Is shown each page of the walk, before the pages below it: its pointer, `None` if it is in memory only, and how many entries a leaf
/// or children an inner page has.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Option<PagePtr>, usize);

/// What a walk found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TreeReport {
    pub(crate) height: u32,
    pub(crate) leaves: u64,
    pub(crate) inner: u64,
    pub(crate) values: u64,
    /// Pages and values that are in memory only.
    pub(crate) unwritten: u64,
    pub(crate) entries: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    pub(crate) leaf_used: u64,
    pub(crate) leaf_capacity: u64,
    /// Bytes that all blocks take on disk, in whole units.
    pub(crate) disk_bytes: u64,
}

impl Tree {
    /// Reads every block, checks it and how the pages fit together, and shows each to `visit`; the first flaw is the error. Blocking.
    #[cfg(test)]
    pub(crate) fn verify(&self, io: &TreeIo, visit: Visit<'_>) -> Result<TreeReport, TreeError> {
        let survey = self.survey(io, visit, &mut |_, _| {});
        match survey.flaws.into_iter().next() {
            Some(flaw) => Err(flaw),
            None => Ok(survey.report),
        }
    }

    /// Reads every block, checks it and how the pages fit together, and shows each to `visit`. Blocking. A block that is damaged ends the walk only for what lies below it: all others are still looked at. Shows
    /// each entry, key and value, to `entry`.
    pub(crate) fn survey(
        &self,
        io: &TreeIo,
        visit: Visit<'_>,
        entry: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Survey {
        let mut walk = Walk {
            io,
            visit,
            entry,
            key: Vec::new(),
            report: TreeReport::default(),
            flaws: Vec::new(),
        };
        if let Some(root) = &self.root {
            walk.report.height = u32::from(root.level) + 1;
            if root.level == VALUE {
                walk.flaws.push(flaw(root.ptr(), "the root is a value"));
            } else {
                walk.below(root, None, None);
            }
        }
        Survey {
            report: walk.report,
            flaws: walk.flaws,
        }
    }
}

/// What a walk found that went on behind damage.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Counts of what could be read.
    pub(crate) report: TreeReport,
    /// In the order of the walk.
    pub(crate) flaws: Vec<TreeError>,
}

struct Walk<'a> {
    io: &'a TreeIo,
    visit: Visit<'a>,
    entry: &'a mut dyn FnMut(&[u8], &[u8]),
    /// Of the value out of line that is being looked at.
    key: Vec<u8>,
    report: TreeReport,
    flaws: Vec<TreeError>,
}

fn flaw(ptr: Option<&PagePtr>, what: &'static str) -> TreeError {
    match ptr {
        Some(ptr) => TreeError::Corrupt { ptr: *ptr, what },
        None => TreeError::Broken(what),
    }
}

impl Walk<'_> {
    /// A page and what is below it; damage is noted.
    fn below(&mut self, cell: &Arc<Cell>, lower: Option<&[u8]>, upper: Option<&[u8]>) {
        if let Err(flaw) = self.page(cell, lower, upper) {
            self.flaws.push(flaw);
        }
    }

    fn page(
        &mut self,
        cell: &Arc<Cell>,
        lower: Option<&[u8]>,
        upper: Option<&[u8]>,
    ) -> Result<(), TreeError> {
        let ptr = cell.ptr().copied();
        match ptr {
            Some(found) => {
                self.io.check_len(&found)?;
                let block = self.io.engine.read_page_blocking(found.addr, found.len)?;
                let body = self.io.open(&found, block)?;
                self.body(&body, ptr, cell.level, lower, upper)
            }
            None => {
                self.report.unwritten += 1;
                let node = cell.node.load_full();
                let node = node.ok_or(TreeError::Broken("an unwritten page is not in memory"))?;
                self.body(&node.body, None, cell.level, lower, upper)
            }
        }
    }

    fn body(
        &mut self,
        body: &Body,
        ptr: Option<PagePtr>,
        level: u8,
        lower: Option<&[u8]>,
        upper: Option<&[u8]>,
    ) -> Result<(), TreeError> {
        let io = self.io;
        let block = match (body, ptr) {
            (_, Some(ptr)) => ptr.len as usize,
            (Body::Leaf(_), None) => io.layout.leaf,
            (Body::Inner(inner), None) => io.layout.inner.max(inner.encoded()),
            (Body::Value(blob), None) => blob.block.len(),
        };
        let entries = match body {
            Body::Leaf(leaf) => leaf.len(),
            Body::Inner(inner) => inner.children().len(),
            Body::Value(_) => 1,
        };
        self.report.disk_bytes += block.next_multiple_of(sealdb_engine::UNIT as usize) as u64;
        (self.visit)(ptr, entries);
        match body {
            Body::Leaf(leaf) => self.leaf(leaf, ptr, lower, upper),
            Body::Inner(inner) => {
                self.report.inner += 1;
                let keys = inner.keys();
                let first = keys.first().map(Vec::as_slice);
                let last = keys.last().map(Vec::as_slice);
                if let (Some(first), Some(last)) = (first, last)
                    && (lower.is_some_and(|lower| first <= lower)
                        || upper.is_some_and(|upper| last >= upper))
                {
                    return Err(flaw(
                        ptr.as_ref(),
                        "a separator lies outside of its parent's",
                    ));
                }
                if inner.level() != level {
                    return Err(flaw(ptr.as_ref(), "an inner page has another level"));
                }
                for (i, child) in inner.children().iter().enumerate() {
                    if child.level != level - 1 {
                        return Err(flaw(ptr.as_ref(), "a child has another level"));
                    }
                    let left = i
                        .checked_sub(1)
                        .and_then(|i| keys.get(i))
                        .map(Vec::as_slice);
                    let right = keys.get(i).map(Vec::as_slice);
                    self.below(child, left.or(lower), right.or(upper));
                }
                Ok(())
            }
            Body::Value(blob) => {
                self.report.values += 1;
                self.report.value_bytes += blob.bytes().len() as u64;
                (self.entry)(&self.key, blob.bytes());
                Ok(())
            }
        }
    }

    fn leaf(
        &mut self,
        leaf: &Leaf,
        ptr: Option<PagePtr>,
        lower: Option<&[u8]>,
        upper: Option<&[u8]>,
    ) -> Result<(), TreeError> {
        self.report.leaves += 1;
        self.report.entries += leaf.len() as u64;
        self.report.leaf_used += leaf.used() as u64;
        self.report.leaf_capacity += leaf.capacity() as u64;
        if leaf.len() == 0 {
            return Err(flaw(ptr.as_ref(), "a leaf is empty"));
        }
        let (mut key, mut before) = (Vec::new(), Vec::new());
        for i in 0..leaf.len() {
            key.clear();
            leaf.key_into(i, &mut key);
            if i > 0 && before >= key {
                return Err(flaw(ptr.as_ref(), "keys are out of order"));
            }
            let below = lower.is_some_and(|lower| key.as_slice() < lower);
            if below || upper.is_some_and(|upper| key.as_slice() >= upper) {
                return Err(flaw(
                    ptr.as_ref(),
                    "a key lies outside of its parent's separators",
                ));
            }
            self.report.key_bytes += key.len() as u64;
            match leaf.value(i) {
                Stored::Inline(range) => {
                    self.report.value_bytes += range.len() as u64;
                    let value = leaf
                        .block()
                        .get(range)
                        .ok_or_else(|| flaw(ptr.as_ref(), "a value lies outside"))?;
                    (self.entry)(&key, value);
                }
                Stored::OutOfLine(cell) => {
                    self.key.clone_from(&key);
                    self.below(cell, None, None);
                }
            }
            std::mem::swap(&mut key, &mut before);
        }
        Ok(())
    }
}

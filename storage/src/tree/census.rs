//! Census: a walk over the blocks of a tree that counts them by the generation of the key that they were sealed under, and tells which
//! entries to write again so that no older one is left.
//!
//! It goes in pieces, each over the newest version at its time: a walk of hours needs no snapshot of hours. **Why that finds all**: a page
//! is written once, under the newest key of its time, and holds the same keys for as long as it lives. A block of an older generation
//! that is reachable at the end was so all the time, when its piece was looked at, too, and was met there. What is written
//! meanwhile is of the newest generation.
//!
//! Each block is read from its place, whatever the cache holds, compared with the tag in its pointer and opened: a head that lies about its
//! generation does not open. Blocks of another suite have no generation; they are counted as of generation 0. Pages that are in
//! memory only will be sealed under the newest key; what they point to is looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealdb_crypto::{BlockHead, Generation};

use super::Tree;
use super::cache::Use;
use super::cell::{Body, Cell, Node};
use super::io::{TreeError, TreeIo};
use super::leaf::Stored;
use super::pointer::{LEAF, PagePtr};

/// Blocks of one generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// What a walk has met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// By the number of the generation; 0: none.
    pub(crate) generations: BTreeMap<u32, Blocks>,
    /// Pages and values in memory only.
    pub(crate) unwritten: u64,
}

impl Census {
    pub(crate) fn add(&mut self, other: &Census) {
        for (generation, blocks) in &other.generations {
            let sum = self.generations.entry(*generation).or_default();
            sum.count += blocks.count;
            sum.bytes += blocks.bytes;
        }
        self.unwritten += other.unwritten;
    }

    /// Blocks of generations before this one.
    pub(crate) fn older_than(&self, generation: Generation) -> u64 {
        let older = self.generations.range(1..generation.get());
        older.map(|(_, blocks)| blocks.count).sum()
    }

    pub(crate) fn count(&self) -> u64 {
        self.generations.values().map(|blocks| blocks.count).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.generations.values().map(|blocks| blocks.bytes).sum()
    }
}

/// A part of a walk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece {
    pub(crate) census: Census,
    /// To write these entries again replaces every older block that was met. Their pages are in memory.
    pub(crate) keys: Vec<Vec<u8>>,
    /// Where the next piece begins; `None`: the walk is over.
    pub(crate) next: Option<Vec<u8>>,
}

impl Tree {
    /// Walks from the leaf of this key on until about so many bytes were read. `newest` is the generation that is no older one. Blocking.
    ///
    /// # Errors
    /// Damage, and those of the engine. A block whose place was freed and used again meanwhile looks damaged: who holds no pin asks again.
    pub(crate) fn census(
        &self,
        io: &TreeIo,
        from: &[u8],
        newest: Generation,
        at_most: u64,
    ) -> Result<Piece, TreeError> {
        let mut walk = Walk {
            io,
            newest,
            left: at_most,
            piece: Piece::default(),
        };
        match &self.root {
            Some(root) if root.level == LEAF => walk.leaf(root)?,
            Some(root) => {
                walk.inner(root, Some(from), None)?;
            }
            None => {}
        }
        Ok(walk.piece)
    }
}

/// Whether a walk goes on.
enum Flow {
    On,
    Full,
}

struct Walk<'a> {
    io: &'a TreeIo,
    newest: Generation,
    left: u64,
    piece: Piece,
}

impl Walk<'_> {
    /// The part of an inner page from a key on, `None`: the whole.
    fn inner(
        &mut self,
        cell: &Arc<Cell>,
        from: Option<&[u8]>,
        upper: Option<&[u8]>,
    ) -> Result<Flow, TreeError> {
        let node = self.node(cell)?;
        let inner = node
            .inner()
            .ok_or(TreeError::Broken("an inner page is none"))?;
        let first = from.map_or(0, |from| inner.find(from));
        if first == 0 {
            // Where its first child is looked at, and so once.
            self.block(cell)?;
        }
        let keys = inner.keys();
        for (i, child) in inner.children().iter().enumerate().skip(first) {
            let upper = keys.get(i).map(Vec::as_slice).or(upper);
            if child.level == LEAF {
                self.leaf(child)?;
                if self.left == 0 && upper.is_some() {
                    self.piece.next = upper.map(<[u8]>::to_vec);
                    return Ok(Flow::Full);
                }
            } else {
                let from = from.filter(|_| i == first);
                if let Flow::Full = self.inner(child, from, upper)? {
                    return Ok(Flow::Full);
                }
            }
        }
        Ok(Flow::On)
    }

    fn leaf(&mut self, cell: &Arc<Cell>) -> Result<(), TreeError> {
        let met = self.block(cell)?;
        let body = match &met {
            Met::Block { body, .. } => body,
            Met::Unwritten(node) => &node.body,
        };
        let Body::Leaf(leaf) = body else {
            return Err(TreeError::Broken("a leaf is none"));
        };
        let mut key = Vec::new();
        let before = self.piece.keys.len();
        for i in 0..leaf.len() {
            let Stored::OutOfLine(value) = leaf.value(i) else {
                continue;
            };
            if self.block(value)?.is_older_than(self.newest) {
                key.clear();
                leaf.key_into(i, &mut key);
                self.piece.keys.push(key.clone());
                self.load(cell, i)?;
            }
        }
        // An entry that is written again takes its leaf along.
        if met.is_older_than(self.newest) && self.piece.keys.len() == before && leaf.len() > 0 {
            key.clear();
            leaf.key_into(0, &mut key);
            self.piece.keys.push(key);
            self.load(cell, 0)?;
        }
        Ok(())
    }

    /// Brings a leaf into memory, and the value of one of its entries.
    fn load(&self, cell: &Arc<Cell>, entry: usize) -> Result<(), TreeError> {
        let node = self.node(cell)?;
        match node.leaf().map(|leaf| leaf.value(entry)) {
            Some(Stored::OutOfLine(value)) => self.io.load_blocking_for(value, Use::Scan),
            _ => Ok(()),
        }
    }

    /// Reads the block of a page or value from its place, opens and counts it.
    fn block(&mut self, cell: &Arc<Cell>) -> Result<Met, TreeError> {
        let Some(ptr) = cell.ptr().copied() else {
            self.piece.census.unwritten += 1;
            let node = cell.node.load_full();
            let node = node.ok_or(TreeError::Broken("an unwritten page is not in memory"))?;
            return Ok(Met::Unwritten(node));
        };
        self.io.check_len(&ptr)?;
        let block = self.io.engine.read_page_blocking(ptr.addr, ptr.len)?;
        let generation = BlockHead::parse(&block).map_or(0, |head| head.generation.get());
        let body = self.io.open(&ptr, block)?;
        self.count(&ptr, generation);
        Ok(Met::Block { generation, body })
    }

    fn count(&mut self, ptr: &PagePtr, generation: u32) {
        let bytes = u64::from(ptr.len.next_multiple_of(sealdb_engine::UNIT));
        let blocks = self.piece.census.generations.entry(generation).or_default();
        blocks.count += 1;
        blocks.bytes += bytes;
        self.left = self.left.saturating_sub(bytes);
    }

    /// A page, brought into memory.
    fn node(&self, cell: &Arc<Cell>) -> Result<Arc<Node>, TreeError> {
        loop {
            if let Some(node) = cell.node.load_full() {
                return Ok(node);
            }
            self.io.load_blocking_for(cell, Use::Scan)?;
        }
    }
}

/// A block that was looked at.
enum Met {
    Block { generation: u32, body: Body },
    Unwritten(Arc<Node>),
}

impl Met {
    fn is_older_than(&self, newest: Generation) -> bool {
        match self {
            Met::Block { generation, .. } => (1..newest.get()).contains(generation),
            Met::Unwritten(_) => false,
        }
    }
}

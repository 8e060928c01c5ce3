//! Cursors: the entries of one version between two bounds, forward or backward.

use std::ops::{Bound, Deref};
use std::sync::Arc;

use super::cache::Use;
use super::cell::{Body, Cell, Node};
use super::io::{Need, TreeError, TreeIo};
use super::leaf::{Leaf, Stored};
use super::{Hold, Value};

/// A position in a version of a tree. It holds the pages on its path; they stay in memory while it lives.
///
/// After [`Need::Load`] the position is unchanged: load the page (with [`hint`](Self::hint)) and call `next` again.
pub(crate) struct Cursor {
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    reverse: bool,
    scan: bool,
    /// Inner pages from the root, each with the child that was entered last.
    path: Vec<(Arc<Node>, usize)>,
    /// The cell to enter next.
    pending: Option<Arc<Cell>>,
    /// The leaf that we are in, and what is left of it.
    leaf: Option<Position>,
    key: Vec<u8>,
}

struct Position {
    node: Arc<Node>,
    next: usize,
    end: usize,
    /// The other bound lies in this leaf.
    last: bool,
}

/// A key, lent by its cursor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyRef<'a>(&'a [u8]);

impl Deref for KeyRef<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl std::fmt::Debug for KeyRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRef({} bytes)", self.0.len())
    }
}

impl Cursor {
    pub(super) fn new(
        root: Option<Arc<Cell>>,
        lower: Bound<Vec<u8>>,
        upper: Bound<Vec<u8>>,
        reverse: bool,
    ) -> Self {
        Self {
            lower,
            upper,
            reverse,
            scan: false,
            path: Vec::new(),
            pending: root,
            leaf: None,
            key: Vec::new(),
        }
    }

    /// Marks the cursor as a scan: the pages it brings in do not displace what gets use.
    pub(crate) fn scanning(mut self) -> Self {
        self.scan = true;
        self
    }

    /// What its pages are to be loaded for.
    pub(crate) fn hint(&self) -> Use {
        if self.scan { Use::Scan } else { Use::Keep }
    }

    /// The next entry, or `None` at the end.
    pub(crate) fn next(&mut self, io: &TreeIo) -> Result<Option<(KeyRef<'_>, Value)>, Need> {
        let _ = io;
        loop {
            if let Some(leaf) = &mut self.leaf {
                if leaf.next < leaf.end {
                    let i = if self.reverse {
                        leaf.end - 1
                    } else {
                        leaf.next
                    };
                    let page = leaf.node.leaf().ok_or(NOT_A_LEAF)?;
                    let value = match page.value(i) {
                        Stored::Inline(range) => Value::of(leaf.node.clone(), range),
                        Stored::OutOfLine(cell) => out_of_line(cell, self.scan)?,
                    };
                    self.key.clear();
                    page.key_into(i, &mut self.key);
                    if self.reverse {
                        leaf.end -= 1;
                    } else {
                        leaf.next += 1;
                    }
                    return Ok(Some((KeyRef(&self.key), value)));
                }
                if leaf.last {
                    self.path.clear();
                    self.pending = None;
                    self.leaf = None;
                    return Ok(None);
                }
                self.leaf = None;
            }
            if self.pending.is_none() && !self.step() {
                return Ok(None);
            }
            self.enter()?;
        }
    }

    /// Chooses the next child to enter. False at the end of the tree.
    fn step(&mut self) -> bool {
        while let Some((node, at)) = self.path.last_mut() {
            if let Some(inner) = node.inner() {
                let next = if self.reverse {
                    at.checked_sub(1)
                } else {
                    Some(*at + 1)
                };
                if let Some((next, child)) = next.and_then(|n| Some((n, inner.children().get(n)?)))
                {
                    *at = next;
                    self.pending = Some(child.clone());
                    return true;
                }
            }
            self.path.pop();
        }
        false
    }

    /// Enters the pending cell, down to a leaf.
    fn enter(&mut self) -> Result<(), Need> {
        while let Some(cell) = &self.pending {
            let Some(node) = cell.node.load_full() else {
                return Err(Need::Load(cell.clone()));
            };
            if !self.scan {
                cell.touch();
            }
            match &node.body {
                Body::Inner(inner) => {
                    let at = self.first_child(inner);
                    self.pending = Some(inner.children()[at].clone());
                    self.path.push((node, at));
                }
                Body::Leaf(leaf) => {
                    let (next, end) = (self.from(leaf), self.to(leaf));
                    let last = if self.reverse {
                        next > 0
                    } else {
                        end < leaf.len()
                    };
                    self.leaf = Some(Position {
                        next,
                        end: end.max(next),
                        last,
                        node,
                    });
                    self.pending = None;
                }
                Body::Value(_) => return Err(NOT_A_LEAF.into()),
            }
        }
        Ok(())
    }

    /// The first child that may hold entries within the bounds. In a subtree that begins beyond the near bound, that is the
    /// first one.
    fn first_child(&self, inner: &super::inner::Inner) -> usize {
        match (self.reverse, &self.lower, &self.upper) {
            (false, Bound::Included(key) | Bound::Excluded(key), _) => inner.find(key),
            (false, Bound::Unbounded, _) => 0,
            (true, _, Bound::Included(key) | Bound::Excluded(key)) => inner.find(key),
            (true, _, Bound::Unbounded) => inner.children().len() - 1,
        }
    }

    fn from(&self, leaf: &Leaf) -> usize {
        match &self.lower {
            Bound::Unbounded => 0,
            Bound::Included(key) => leaf.search(key).unwrap_or_else(|i| i),
            Bound::Excluded(key) => leaf.search(key).map_or_else(|i| i, |i| i + 1),
        }
    }

    fn to(&self, leaf: &Leaf) -> usize {
        match &self.upper {
            Bound::Unbounded => leaf.len(),
            Bound::Included(key) => leaf.search(key).map_or_else(|i| i, |i| i + 1),
            Bound::Excluded(key) => leaf.search(key).unwrap_or_else(|i| i),
        }
    }
}

const NOT_A_LEAF: TreeError = TreeError::Broken("a cursor stands on a page that is no leaf");

fn out_of_line(cell: &Arc<Cell>, scan: bool) -> Result<Value, Need> {
    let Some(node) = cell.node.load_full() else {
        return Err(Need::Load(cell.clone()));
    };
    if !scan {
        cell.touch();
    }
    let Body::Value(blob) = &node.body else {
        return Err(TreeError::Broken("a value out of line is a page").into());
    };
    let (start, end) = (blob.start as u32, blob.end as u32);
    Ok(Value {
        hold: Hold::Node(node),
        start,
        end,
    })
}

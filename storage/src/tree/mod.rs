//! The persistent copy-on-write B+tree of sealed pages, and its page cache.
//!
//! A [`Tree`] is a value: cloning it takes a snapshot in O(1), and changing it makes new pages up to the root, in memory,
//! while snapshots keep the old ones. Pages that no snapshot sees (made since the last clone) are changed in place.
//! [`Tree::flush`] seals what is new and writes it, bottom-up; the tree's root pointer then stands for exactly one tree,
//! because each pointer carries the tag of the block that it points to.
//!
//! Guaranteed:
//! - A read takes no lock and writes to no shared memory but a flag per page, set if it is not set.
//! - [`Tree::put`] and [`Tree::remove`] that return an error have changed nothing.
//! - A page that differs from what its pointer's tag says is never used: [`TreeError::Corrupt`] names its place.
//! - Bytes of pages are validated before use ([`fuzz_page`] feeds the decoders anything).
//! - Places are freed exactly once, when the caller keeps the order told at [`Retired`].
//!
//! Not guaranteed here: durability (the caller syncs), and any order between flushes and roots (see checkpoints).
//!
//! Nothing here blocks or waits but [`TreeIo::load`], [`TreeIo::load_blocking`], [`Tree::flush`] and [`Tree::verify`]. An operation
//! that misses a page says so ([`Need::Load`]) and is called again once the caller has loaded it.
//!
//! | file | what |
//! |---|---|
//! | `pointer` | pointers, places, retired places |
//! | `cell` | shared slots for pages, nodes |
//! | `leaf`, `inner` | the two page formats |
//! | `decode` | validation of foreign bytes |
//! | `write` | put, remove, split, shift, merge |
//! | `cursor` | ranges in both directions |
//! | `flush` | sealing and writing of new pages |
//! | `verify` | the walk over every block |
//! | `census` | the walk that counts blocks by generation |
//! | `cache` | byte budget and eviction |

mod cache;
mod cell;
mod census;
mod cursor;
mod decode;
mod flush;
mod inner;
mod io;
mod leaf;
mod pointer;
#[cfg(test)]
mod tests;
mod verify;
mod write;

use std::fmt;
use std::ops::{Bound, Deref, Range};
use std::sync::Arc;

use arc_swap::Guard;

pub(crate) use cache::{CacheStats, PageCache};
pub(crate) use cell::{Cell, PageHold};
pub(crate) use census::Census;
pub(crate) use cursor::Cursor;
pub(crate) use io::{Need, TreeError, TreeIo};
pub(crate) use pointer::{PagePtr, Retired};
pub(crate) use verify::TreeReport;

use cell::{Body, Node};
use leaf::Stored;

use crate::plaintext::Plaintext;

/// The longest key: the hash and length that storage puts in front (10 bytes), a partition key and a sort key.
pub(crate) const MAX_KEY: usize = 10 + 2048 + 1024;
/// The longest value. An item has at most 400 KiB; carried log parts are longer.
pub(crate) const MAX_VALUE: usize = (2 << 20) - 4096;

/// One version of a tree. Clone takes a snapshot.
#[derive(Clone, Default)]
pub(crate) struct Tree {
    root: Option<Arc<Cell>>,
}

impl Tree {
    /// A tree without entries.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// The tree that a flush returned this pointer for.
    pub(crate) fn open(ptr: Option<PagePtr>) -> Self {
        Self {
            root: ptr.map(Cell::stored),
        }
    }

    /// Whether there are no entries.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The value of `key`.
    pub(crate) fn get(&self, io: &TreeIo, key: &[u8]) -> Result<Option<Value>, Need> {
        let _ = io;
        let Some(root) = &self.root else {
            return Ok(None);
        };
        let mut guard = root.node.load();
        root.touch();
        if guard.is_none() {
            return Err(Need::Load(root.clone()));
        }
        loop {
            let next = match guard.as_ref().map(|node| &node.body) {
                Some(Body::Inner(inner)) => {
                    let child = &inner.children()[inner.find(key)];
                    let next = child.node.load();
                    child.touch();
                    if next.is_none() {
                        return Err(Need::Load(child.clone()));
                    }
                    next
                }
                Some(Body::Leaf(leaf)) => {
                    let Some(i) = leaf.find(key) else {
                        return Ok(None);
                    };
                    match leaf.value(i) {
                        Stored::Inline(range) => {
                            let (start, end) = (range.start as u32, range.end as u32);
                            return Ok(Some(Value {
                                hold: Hold::Guard(guard),
                                start,
                                end,
                            }));
                        }
                        Stored::OutOfLine(cell) => {
                            let next = cell.node.load();
                            cell.touch();
                            if next.is_none() {
                                return Err(Need::Load(cell.clone()));
                            }
                            next
                        }
                    }
                }
                Some(Body::Value(blob)) => {
                    let (start, end) = (blob.start as u32, blob.end as u32);
                    return Ok(Some(Value {
                        hold: Hold::Guard(guard),
                        start,
                        end,
                    }));
                }
                None => return Ok(None),
            };
            guard = next;
        }
    }

    /// A cursor over the entries between the bounds of this version, whatever happens to later ones.
    pub(crate) fn cursor(
        &self,
        lower: Bound<Vec<u8>>,
        upper: Bound<Vec<u8>>,
        reverse: bool,
    ) -> Cursor {
        Cursor::new(self.root.clone(), lower, upper, reverse)
    }
}

/// A value in a page. Derefs to its bytes; keeps the page in memory while it lives, so it is meant to be short-lived.
pub(crate) struct Value {
    hold: Hold,
    start: u32,
    end: u32,
}

enum Hold {
    /// Costs no shared write. There are 8 of these per thread; more of them become counted references.
    Guard(Guard<Option<Arc<Node>>>),
    Node(Arc<Node>),
    Bytes(Plaintext),
}

impl Value {
    fn of(node: Arc<Node>, range: Range<usize>) -> Self {
        Self {
            hold: Hold::Node(node),
            start: range.start as u32,
            end: range.end as u32,
        }
    }

    fn copied(bytes: &[u8]) -> Self {
        Self {
            hold: Hold::Bytes(Plaintext::copy(bytes)),
            start: 0,
            end: bytes.len() as u32,
        }
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let block = match &self.hold {
            Hold::Guard(guard) => guard.as_ref().map_or(&[][..], |node| node.block()),
            Hold::Node(node) => node.block(),
            Hold::Bytes(bytes) => bytes,
        };
        &block[self.start as usize..self.end as usize]
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.len())
    }
}

/// Feeds anything to the page decoders: for fuzzing. They must neither panic nor accept what they would not write.
#[doc(hidden)]
pub fn fuzz_page(bytes: &[u8]) {
    io::fuzz_page(bytes);
}

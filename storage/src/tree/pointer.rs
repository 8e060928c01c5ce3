//! Pointers to sealed pages, and places that wait for one.
//!
//! # Encoded form (28 bytes, big-endian)
//! | bytes | what |
//! |---|---|
//! | 0..8 | address, opaque to us |
//! | 8 | level: 0 leaf, 1..=63 inner page above that many levels, 255 value out of line |
//! | 9..12 | length of the block in bytes, head and tag included |
//! | 12..28 | tag of the block: compared before the page is used |

use std::fmt;
use std::sync::{Arc, OnceLock};

use sealdb_crypto::{BlockKind, BlockTag};
use sealdb_engine::{Freed, PageAddr, SpaceId};

/// Level of a leaf.
pub(crate) const LEAF: u8 = 0;
/// Highest level an inner page may have. With two children a page this is more than any disk holds.
pub(crate) const MAX_LEVEL: u8 = 63;
/// Level of a value that lies out of line.
pub(crate) const VALUE: u8 = 255;

/// Where a sealed block lies, what it must be, and the tag that it must carry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct PagePtr {
    pub(crate) addr: PageAddr,
    /// Bytes of the block, head and tag included.
    pub(crate) len: u32,
    /// [`LEAF`], [`VALUE`], or the height of an inner page above the leaves.
    pub(crate) level: u8,
    pub(crate) tag: BlockTag,
}

impl PagePtr {
    /// Bytes of the encoded form.
    pub(crate) const LEN: usize = 28;

    /// The encoded form. Lengths are below 2^24 by construction: blocks hold at most 2 MiB.
    pub(crate) fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&self.addr.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.len.to_be_bytes());
        out[8] = self.level;
        out[12..].copy_from_slice(self.tag.as_bytes());
        out
    }

    /// Reads the encoded form. `None` if the level is none that we write.
    pub(crate) fn decode(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let [a0, a1, a2, a3, a4, a5, a6, a7, level, l0, l1, l2, tag @ ..] = *bytes;
        if level > MAX_LEVEL && level != VALUE {
            return None;
        }
        Some(Self {
            addr: PageAddr(u64::from_be_bytes([a0, a1, a2, a3, a4, a5, a6, a7])),
            len: u32::from_be_bytes([0, l0, l1, l2]),
            level,
            tag: BlockTag::from_bytes(tag),
        })
    }

    /// The kind under which the block is sealed.
    pub(crate) fn kind(&self) -> BlockKind {
        kind_of(self.level)
    }

    /// The place as the engine wants it back.
    pub(crate) fn freed(&self, space: SpaceId) -> Freed {
        Freed {
            space,
            addr: self.addr,
            len: self.len,
        }
    }
}

/// The kind under which a block of this level is sealed.
pub(crate) fn kind_of(level: u8) -> BlockKind {
    match level {
        LEAF => BlockKind::Leaf,
        VALUE => BlockKind::Value,
        _ => BlockKind::Inner,
    }
}

impl fmt::Debug for PagePtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PagePtr({:?} at {} len {})",
            self.kind(),
            self.addr.0,
            self.len
        )
    }
}

/// The place of a cell's page: known since it was read from its parent, or set once when a checkpoint writes it.
///
/// The pending half is shared with [`Retired`], so that a place given out after the cell left the newest tree is still
/// found, while the page itself need not be kept.
pub(crate) enum Place {
    Known(PagePtr),
    Pending(Arc<OnceLock<PagePtr>>),
}

impl Place {
    pub(crate) fn pending() -> Self {
        Self::Pending(Arc::new(OnceLock::new()))
    }

    pub(crate) fn get(&self) -> Option<&PagePtr> {
        match self {
            Self::Known(ptr) => Some(ptr),
            Self::Pending(slot) => slot.get(),
        }
    }
}

/// Places of cells that the newest tree no longer references, or will not once it is published.
///
/// # The invariant
/// A place is freed exactly once, and only when no root that could be opened needs it:
/// - only the writer retires, and it retires a cell when it takes it out of the newest tree, so once;
/// - only a flush gives out places. Flushes of one tree run one after the other, each on a version taken after the one
///   before; a version that failed to flush is never flushed again;
/// - the caller cuts `Retired` when it takes the version to flush: what was retired up to then is not reachable from that
///   version, so no later flush gives it a place. After that version's root is durable (and no older reader is left) it
///   calls [`into_freed`](Self::into_freed) on that part. What is retired later waits for the next checkpoint, and
///   may get its place meanwhile from the flush that is running.
#[derive(Default)]
pub(crate) struct Retired {
    known: Vec<PagePtr>,
    pending: Vec<Arc<OnceLock<PagePtr>>>,
    sweep_at: usize,
}

impl Retired {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is retired.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.pending.is_empty()
    }

    pub(super) fn add(&mut self, place: &Place) {
        match place {
            Place::Known(ptr) => self.known.push(*ptr),
            Place::Pending(slot) => {
                self.pending.push(slot.clone());
                self.sweep();
            }
        }
    }

    /// Takes over what another one holds.
    pub(crate) fn append(&mut self, mut other: Retired) {
        self.known.append(&mut other.known);
        self.pending.append(&mut other.pending);
        self.sweep();
    }

    /// Forgets places that nobody can set any more: their cells are gone and never had one. Keeps memory in proportion to
    /// the pages that live, not to the changes since the last checkpoint.
    fn sweep(&mut self) {
        if self.pending.len() < self.sweep_at.max(256) {
            return;
        }
        let known = &mut self.known;
        self.pending.retain(|slot| match slot.get() {
            Some(ptr) => {
                known.push(*ptr);
                false
            }
            // Two looks in this order: a flush that sets the place holds the cell, and so a second reference.
            None => Arc::strong_count(slot) > 1 || slot.get().is_some(),
        });
        self.sweep_at = self.pending.len() * 2;
    }

    /// The places to free, once the invariant above allows it. Cells that never got a place vanish.
    pub(crate) fn into_freed(self, space: SpaceId) -> Vec<Freed> {
        let pending = self.pending.iter().filter_map(|slot| slot.get().copied());
        self.known
            .iter()
            .copied()
            .chain(pending)
            .map(|ptr| ptr.freed(space))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pointers_survive_encoding(addr: u64, len in 0u32..1 << 24, level in 0u8..=63, tag: [u8; 16]) {
            let ptr = PagePtr { addr: PageAddr(addr), len, level, tag: BlockTag::from_bytes(tag) };
            prop_assert!(PagePtr::decode(&ptr.encode()) == Some(ptr));
        }
    }

    #[test]
    fn unknown_levels_are_refused() {
        let mut bytes = [0; PagePtr::LEN];
        bytes[8] = 64;
        assert!(PagePtr::decode(&bytes).is_none());
        bytes[8] = VALUE;
        assert!(PagePtr::decode(&bytes).is_some());
    }
}

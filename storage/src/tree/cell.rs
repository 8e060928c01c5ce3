//! Cells: the slots through which versions of a tree share their pages, and the nodes in them.
//!
//! A cell stands for one page for ever. Its place is set at most once; its node may come and go once the place is known,
//! which is caching and changes nothing that a reader could see. **A cell without a place always has its node**: the page
//! exists nowhere else.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use arc_swap::ArcSwapOption;

use super::cache::PageCache;
use super::inner::Inner;
use super::leaf::Leaf;
use super::pointer::{PagePtr, Place};
use crate::plaintext::Plaintext;

/// How often the clock's hand passes over a page that was used: a leaf once, an inner page three times.
const LEAF_HEAT: u8 = 1;
const INNER_HEAT: u8 = 3;

/// A page of the tree: in memory, on disk, or both. What a read touches comes first, in one cache line.
#[repr(C)]
pub(crate) struct Cell {
    pub(super) node: ArcSwapOption<Node>,
    heat: AtomicU8,
    pub(super) level: u8,
    pub(super) place: Place,
}

impl Cell {
    /// The cell of a page on disk.
    pub(super) fn stored(ptr: PagePtr) -> Arc<Self> {
        Arc::new(Self {
            node: ArcSwapOption::empty(),
            level: ptr.level,
            place: Place::Known(ptr),
            heat: AtomicU8::new(0),
        })
    }

    /// The cell of a new page.
    pub(super) fn fresh(level: u8, node: Arc<Node>) -> Arc<Self> {
        Arc::new(Self {
            node: ArcSwapOption::new(Some(node)),
            level,
            place: Place::pending(),
            heat: AtomicU8::new(LEAF_HEAT),
        })
    }

    /// The cell of a new page that is being made.
    pub(super) fn vacant(level: u8) -> Arc<Self> {
        Arc::new(Self {
            node: ArcSwapOption::empty(),
            level,
            place: Place::pending(),
            heat: AtomicU8::new(LEAF_HEAT),
        })
    }

    /// The place of the page, if it has been written.
    pub(crate) fn ptr(&self) -> Option<&PagePtr> {
        self.place.get()
    }

    /// Whether the page is in memory.
    pub(crate) fn is_loaded(&self) -> bool {
        self.node.load().is_some()
    }

    /// Keeps the page in memory for as long as the answer lives, if it is there.
    pub(crate) fn hold(&self) -> Option<PageHold> {
        self.node.load_full().map(PageHold)
    }

    /// Notes a use. Writes to memory only if the hand has passed since the last one.
    #[inline]
    pub(super) fn touch(&self) {
        let full = if self.level == super::pointer::LEAF {
            LEAF_HEAT
        } else {
            INNER_HEAT
        };
        if self.heat.load(Ordering::Relaxed) < full {
            self.heat.store(full, Ordering::Relaxed);
        }
    }

    /// The hand passes: true if the page was used since it last did.
    pub(super) fn cool(&self) -> bool {
        let heat = self.heat.load(Ordering::Relaxed);
        if heat > 0 {
            self.heat.store(heat - 1, Ordering::Relaxed);
        }
        heat > 0
    }

    /// Whether this reference is the only one, and the page was never written: such a page may be changed in place.
    pub(super) fn is_private(cell: &Arc<Self>) -> bool {
        Arc::strong_count(cell) == 1 && Arc::weak_count(cell) == 0 && cell.ptr().is_none()
    }

    /// The node for changing in place, if nobody else can see this cell or its node.
    /// The caller gives it back with [`restore`](Self::restore).
    pub(super) fn take_private(cell: &mut Arc<Self>) -> Option<Arc<Node>> {
        let own = Arc::get_mut(cell)?;
        if own.place.get().is_some() {
            return None;
        }
        mem::take(&mut own.node).into_inner()
    }

    pub(super) fn restore(cell: &mut Arc<Self>, node: Arc<Node>) {
        match Arc::get_mut(cell) {
            Some(own) => own.node = ArcSwapOption::new(Some(node)),
            None => cell.node.store(Some(node)),
        }
    }
}

/// A page that is not evicted while this lives.
pub(crate) struct PageHold(#[allow(dead_code)] Arc<Node>);

/// The contents of a page in memory. Counted by the cache from birth to drop. Begins at a cache line: most searches need
/// the first line only, and not the one with the reference counts.
#[repr(C, align(64))]
pub(crate) struct Node {
    pub(super) body: Body,
    cache: Arc<PageCache>,
    bytes: usize,
    dirty: AtomicBool,
}

pub(super) enum Body {
    Leaf(Leaf),
    Inner(Inner),
    Value(Blob),
}

/// A value out of line: its block, opened, of which the plain area is the value.
pub(super) struct Blob {
    pub(super) block: Plaintext,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Blob {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }
}

impl Body {
    fn memory(&self) -> usize {
        mem::size_of::<Node>()
            + match self {
                Self::Leaf(leaf) => leaf.memory(),
                Self::Inner(inner) => inner.memory(),
                Self::Value(blob) => blob.block.capacity(),
            }
    }
}

impl Node {
    /// A node that was read from its place.
    pub(super) fn clean(cache: &Arc<PageCache>, body: Body) -> Arc<Self> {
        Self::new(cache, body, false)
    }

    /// A node that exists in memory only.
    pub(super) fn dirty(cache: &Arc<PageCache>, body: Body) -> Arc<Self> {
        Self::new(cache, body, true)
    }

    fn new(cache: &Arc<PageCache>, body: Body, dirty: bool) -> Arc<Self> {
        let bytes = body.memory();
        cache.count_in(bytes, dirty);
        Arc::new(Self {
            body,
            cache: cache.clone(),
            bytes,
            dirty: AtomicBool::new(dirty),
        })
    }

    /// Counts the node again after its body was changed in place.
    pub(super) fn recount(&mut self) {
        let bytes = self.body.memory();
        if bytes != self.bytes {
            let dirty = *self.dirty.get_mut();
            self.cache.count_in(bytes, dirty);
            self.cache.count_out(self.bytes, dirty);
            self.bytes = bytes;
        }
    }

    /// The page has been written: from now on it may be evicted.
    pub(super) fn written(&self) {
        if self.dirty.swap(false, Ordering::Relaxed) {
            self.cache.count_out(self.bytes, true);
            self.cache.count_in(self.bytes, false);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn leaf(&self) -> Option<&Leaf> {
        match &self.body {
            Body::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    pub(super) fn inner(&self) -> Option<&Inner> {
        match &self.body {
            Body::Inner(inner) => Some(inner),
            _ => None,
        }
    }

    /// The bytes that values of this node are ranges of.
    #[inline]
    pub(super) fn block(&self) -> &[u8] {
        match &self.body {
            Body::Leaf(leaf) => leaf.block(),
            Body::Value(blob) => &blob.block,
            Body::Inner(_) => &[],
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.cache.count_out(self.bytes, *self.dirty.get_mut());
    }
}

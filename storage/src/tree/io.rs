//! What a tree needs of the world: an engine, a sealer, a space, a cache. And what may go wrong there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use sealdb_crypto::{BlockKind, SealError, Sealer};
use sealdb_engine::{Engine, EngineError, SpaceId, UNIT};

use super::cache::{PageCache, Use};
use super::cell::{Blob, Body, Cell, Node};
use super::leaf::Frame;
use super::pointer::{LEAF, PagePtr, VALUE, kind_of};
use super::{MAX_KEY, MAX_VALUE, decode};
use crate::plaintext::Plaintext;

/// Sizes of blocks, in bytes. Fixed for the life of a database; tests use smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// A leaf's block. 8 KiB: head and tag are 0.6 % of it, and 7 items of 1 KiB fit.
    pub(crate) leaf: usize,
    /// An inner page's block, unless few long separators need a longer one.
    pub(crate) inner: usize,
    /// Longer values lie out of line, in blocks of their own.
    pub(crate) inline: usize,
    /// Bytes after which a run of sealed pages is written. A longer block is a run of its own.
    pub(crate) run: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            leaf: 8192,
            inner: 4096,
            inline: 2048,
            run: 256 << 10,
        }
    }
}

/// Everything outside of the tree that its operations use. One per tree and open table; dropping it and the trees drops
/// every plaintext page.
pub(crate) struct TreeIo {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) sealer: Arc<dyn Sealer>,
    pub(crate) space: SpaceId,
    pub(crate) cache: Arc<PageCache>,
    pub(crate) layout: Layout,
    /// One flush at a time: two would give one page two places.
    pub(super) flushing: Mutex<()>,
}

/// Why an operation did not happen. Nothing has changed.
pub(crate) enum Need {
    /// This page is not in memory: load it, then try again.
    Load(Arc<Cell>),
    /// It cannot happen.
    Fail(TreeError),
}

impl std::fmt::Debug for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Load(cell) => write!(f, "Load({:?})", cell.ptr()),
            Self::Fail(error) => write!(f, "Fail({error:?})"),
        }
    }
}

impl From<TreeError> for Need {
    fn from(error: TreeError) -> Self {
        Self::Fail(error)
    }
}

/// What can go wrong with a tree.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum TreeError {
    /// A block is not the one that its pointer names: changed, misplaced, of another time or another key. Or, never seen:
    /// it is, but breaks a rule of its format.
    #[error("the {kind:?} block at {addr} ({len} bytes) is corrupt: {what}", addr = ptr.addr.0, len = ptr.len, kind = ptr.kind())]
    Corrupt {
        /// Where it lies.
        ptr: PagePtr,
        /// Which rule, never content.
        what: &'static str,
    },
    /// The engine could not read or write.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A page could not be sealed.
    #[error("a page could not be sealed")]
    Seal(#[from] SealError),
    /// The key is longer than [`MAX_KEY`].
    #[error("a key of {len} bytes is longer than a page can hold ({MAX_KEY})")]
    KeyTooLong {
        /// Its length.
        len: usize,
    },
    /// The value is longer than [`MAX_VALUE`].
    #[error("a value of {len} bytes is longer than a block can hold ({MAX_VALUE})")]
    ValueTooLong {
        /// Its length.
        len: usize,
    },
    /// A bug of ours, found before it could do harm.
    #[error("a rule of the tree is broken: {0}")]
    Broken(&'static str),
}

impl TreeIo {
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        sealer: Arc<dyn Sealer>,
        space: SpaceId,
        cache: Arc<PageCache>,
    ) -> Self {
        Self {
            engine,
            sealer,
            space,
            cache,
            layout: Layout::default(),
            flushing: Mutex::new(()),
        }
    }

    /// The same with other sizes of blocks.
    #[cfg(test)]
    pub(crate) fn with_layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// The frame of a block of `len` bytes.
    pub(super) fn frame(&self, len: usize) -> Frame {
        Frame {
            len,
            head: self.sealer.head_len(),
            tail: self.sealer.tail_len(),
        }
    }

    pub(super) fn leaf_frame(&self) -> Frame {
        self.frame(self.layout.leaf)
    }

    /// Room in the plain area of an inner page of the usual size.
    pub(super) fn inner_room(&self) -> usize {
        self.frame(self.layout.inner).plain()
    }

    /// Brings a page into memory. Waits without blocking; at once if the engine has the bytes at hand.
    pub(crate) async fn load(&self, cell: &Arc<Cell>) -> Result<(), TreeError> {
        self.load_for(cell, Use::Keep).await
    }

    /// The same, telling what for.
    pub(crate) async fn load_for(&self, cell: &Arc<Cell>, hint: Use) -> Result<(), TreeError> {
        let Some(ptr) = self.wanted(cell)? else {
            return Ok(());
        };
        let block = self.engine.read_page(ptr.addr, ptr.len).bytes().await?;
        self.install(cell, &ptr, block, hint)
    }

    /// The same, on a thread that may block.
    pub(crate) fn load_blocking(&self, cell: &Arc<Cell>) -> Result<(), TreeError> {
        self.load_blocking_for(cell, Use::Keep)
    }

    /// The same, telling what for.
    pub(crate) fn load_blocking_for(&self, cell: &Arc<Cell>, hint: Use) -> Result<(), TreeError> {
        let Some(ptr) = self.wanted(cell)? else {
            return Ok(());
        };
        let block = self.engine.read_page_blocking(ptr.addr, ptr.len)?;
        self.install(cell, &ptr, block, hint)
    }

    /// The pointer to read, if there is something to read.
    fn wanted(&self, cell: &Arc<Cell>) -> Result<Option<PagePtr>, TreeError> {
        if cell.is_loaded() {
            return Ok(None);
        }
        let Some(ptr) = cell.ptr().copied() else {
            return Err(TreeError::Broken(
                "a page that was never written is not in memory",
            ));
        };
        self.check_len(&ptr)?;
        Ok(Some(ptr))
    }

    /// Refuses a length that no page of this kind has, before anything is read.
    pub(super) fn check_len(&self, ptr: &PagePtr) -> Result<(), TreeError> {
        let len = ptr.len as usize;
        let overhead = self.sealer.head_len() + self.sealer.tail_len();
        let fits = match ptr.level {
            LEAF => len == self.layout.leaf,
            VALUE => len > overhead && len - overhead <= MAX_VALUE,
            _ => len == self.layout.inner || (len.is_multiple_of(UNIT as usize) && len <= 1 << 16),
        };
        if fits {
            Ok(())
        } else {
            Err(TreeError::Corrupt {
                ptr: *ptr,
                what: "its length is none that such a page has",
            })
        }
    }

    fn install(
        &self,
        cell: &Arc<Cell>,
        ptr: &PagePtr,
        block: Vec<u8>,
        hint: Use,
    ) -> Result<(), TreeError> {
        let node = Node::clean(&self.cache, self.open(ptr, block)?);
        let before = cell.node.compare_and_swap(&None::<Arc<Node>>, Some(node));
        // Another thread may have been quicker; then its node stays and is in the ring already.
        if before.is_none() {
            self.cache.counters().misses.fetch_add(1, Ordering::Relaxed);
            if hint == Use::Keep {
                cell.touch();
            }
            self.cache.admit([cell], hint);
        }
        Ok(())
    }

    /// Opens and validates a block.
    pub(super) fn open(&self, ptr: &PagePtr, mut block: Vec<u8>) -> Result<Body, TreeError> {
        let corrupt = |what| TreeError::Corrupt { ptr: *ptr, what };
        let frame = self.frame(ptr.len as usize);
        if block.len() != frame.len || frame.len < frame.head + frame.tail {
            return Err(corrupt("it was read with another length"));
        }
        self.sealer
            .open(kind_of(ptr.level), None, &mut block, Some(&ptr.tag))
            .map_err(|_| corrupt("it is not the block that its pointer names"))?;
        decode_block(ptr.level, block.into(), frame).map_err(corrupt)
    }

    /// Seals a block whose plain area is filled in.
    pub(super) fn seal(
        &self,
        level: u8,
        block: &mut [u8],
    ) -> Result<sealdb_crypto::BlockTag, TreeError> {
        let kind: BlockKind = kind_of(level);
        Ok(self.sealer.seal(kind, None, block)?)
    }
}

/// The page in an opened block.
fn decode_block(level: u8, block: Plaintext, frame: Frame) -> Result<Body, &'static str> {
    match level {
        LEAF => decode::leaf(block, frame, MAX_KEY).map(Body::Leaf),
        VALUE => {
            let (start, end) = (frame.head, frame.len - frame.tail);
            Ok(Body::Value(Blob { block, start, end }))
        }
        _ => {
            let plain = block
                .get(frame.head..frame.len - frame.tail)
                .ok_or("too short")?;
            decode::inner(plain, level, MAX_KEY).map(Body::Inner)
        }
    }
}

/// See [`super::fuzz_page`].
pub(super) fn fuzz_page(bytes: &[u8]) {
    let Some((level, plain)) = bytes.split_first() else {
        return;
    };
    let frame = Frame {
        len: plain.len(),
        head: 0,
        tail: 0,
    };
    let level = level & 3;
    match decode_block(level, Plaintext::copy(plain), frame) {
        Ok(Body::Leaf(leaf)) => {
            let mut out = vec![0; plain.len()];
            let mut key = Vec::new();
            let mut last: Option<Vec<u8>> = None;
            for i in 0..leaf.len() {
                key.clear();
                leaf.key_into(i, &mut key);
                assert_eq!(leaf.search(&key), Ok(i));
                assert!(last.as_ref().is_none_or(|last| *last < key));
                last = Some(key.clone());
                drop(leaf.new_value(i));
            }
            assert!(leaf.encode(&mut out, |cell| cell.ptr().copied()).is_some());
            let again = decode::leaf(out.into(), frame, MAX_KEY);
            assert!(again.is_ok_and(|again| again.len() == leaf.len()));
        }
        Ok(Body::Inner(inner)) => {
            for (i, key) in inner.keys().iter().enumerate() {
                assert_eq!(inner.find(key), i + 1);
            }
            assert!(inner.encoded() <= plain.len());
        }
        Ok(Body::Value(_)) | Err(_) => {}
    }
}

//! Leaves: slotted pages of entries in key order. In memory a leaf is its page, not a list of decoded items.
//!
//! # Plain area of a leaf block (integers little-endian, offsets from the start of the plain area)
//! | bytes | what |
//! |---|---|
//! | 0 | format, 1 |
//! | 1 | level, 0 |
//! | 2..4 | number of entries, at least 1 |
//! | 4..6 | length of the common prefix of all keys |
//! | 6..8 | start of the entries |
//! | 8.. | one slot per entry, in key order: first 4 bytes of the key after the prefix (zero-padded), offset of the entry (2) |
//! | .. | zeros |
//! | start.. | entries, in any order, without gaps |
//! | last | the prefix |
//!
//! | entry | what |
//! |---|---|
//! | 0..2 | length of the key after the prefix |
//! | 2..4 | length of the value, or 0xffff: out of line |
//! | 4.. | the key after the prefix and the 4 bytes in the slot |
//! | .. | the value, or a [`PagePtr`] of 28 bytes |
//!
//! In memory an entry out of line holds, instead of the pointer, the index of its cell in [`Leaf::values`]; the pointer is
//! put in when the page is written. What is removed does not reach the disk again: gaps are closed in the written copy.
//!
//! The first bytes of the keys stand in the slots so that a search by order touches a few adjacent cache lines. Keys that share
//! those, as all of one partition do beside another, are told apart by a byte of their hash, in memory only: a get looks
//! through these and then, nearly always, at one entry.

use std::cmp::Ordering;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroize;

use super::MAX_KEY;
use super::cell::Cell;
use super::pointer::PagePtr;
use crate::plaintext::Plaintext;

pub(super) const FORMAT: u8 = 1;
pub(super) const HEADER: usize = 8;
pub(super) const SLOT: usize = 6;
pub(super) const ENTRY: usize = 4;
/// Key bytes that stand in the slot.
pub(super) const HEAD: usize = 4;
/// Value length of an entry out of line.
pub(super) const OUT_OF_LINE: u16 = 0xffff;
/// Inserts one after the other, each right behind the one before, after which a leaf counts as filled in ascending order.
const ASCENDING_RUN: u8 = 3;

/// Bytes of the prefix in [`Leaf::front`]: hash, length and most partition keys of one value.
const FRONT: usize = 24;

/// A leaf in memory. Fields in the order of use: a get touches the first two cache lines, the tags, a slot and an entry.
#[repr(C)]
pub(super) struct Leaf {
    /// The whole block, with room for head and tag, so that it can be opened in place when read.
    block: Plaintext,
    start: usize,
    cap: usize,
    count: usize,
    prefix: usize,
    /// The first bytes of the prefix, so that a search need not touch the block's end.
    front: [u8; FRONT],
    /// [`tag`] of each key, in the order of the slots.
    tags: Vec<u8>,
    /// Where the entries begin.
    heap: usize,
    /// Bytes of removed entries in the heap.
    dead: usize,
    /// Cells of values out of line. Gaps are reused.
    values: Vec<Option<Arc<Cell>>>,
    last_insert: u16,
    run: u8,
}

impl Drop for Leaf {
    fn drop(&mut self) {
        // The block wipes itself; tags tell nothing.
        self.front.zeroize();
    }
}

/// A value that goes into a leaf.
#[derive(Clone)]
pub(super) enum NewValue<'a> {
    Inline(&'a [u8]),
    OutOfLine(Arc<Cell>),
}

impl NewValue<'_> {
    pub(super) fn stored(&self) -> usize {
        match self {
            Self::Inline(bytes) => bytes.len(),
            Self::OutOfLine(_) => PagePtr::LEN,
        }
    }
}

/// A value in a leaf: a range of its block, or a cell.
pub(super) enum Stored<'a> {
    Inline(Range<usize>),
    OutOfLine(&'a Arc<Cell>),
}

/// The page has no room.
#[derive(Debug)]
pub(super) struct Full;

/// Where the plain area of a block lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) len: usize,
    pub(super) head: usize,
    pub(super) tail: usize,
}

impl Frame {
    pub(super) fn plain(&self) -> usize {
        self.len - self.head - self.tail
    }
}

/// What decoding found out; see `decode.rs`.
pub(super) struct Decoded {
    pub(super) count: usize,
    pub(super) prefix: usize,
    pub(super) heap: usize,
    pub(super) tags: Vec<u8>,
    pub(super) values: Vec<Option<Arc<Cell>>>,
}

fn get_u16(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// Positions and lengths inside a page are below 2^16 by the layout's limits.
fn put_u16(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 2].copy_from_slice(&(value as u16).to_le_bytes());
}

/// The first bytes of a key after the prefix as they stand in a slot.
pub(super) fn slot_head(suffix: &[u8]) -> u32 {
    let mut head = [0; HEAD];
    let n = suffix.len().min(HEAD);
    head[..n].copy_from_slice(&suffix[..n]);
    u32::from_be_bytes(head)
}

fn rest(suffix: &[u8]) -> &[u8] {
    suffix.get(HEAD..).unwrap_or(&[])
}

/// A byte of a key's hash, the key after the prefix being given as in a slot and an entry. Keys of one leaf that are not the same
/// rarely have the same; if they do, more entries are compared.
pub(super) fn tag(head: u32, rest: &[u8]) -> u8 {
    let mix =
        |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let (words, _) = rest.as_chunks::<8>();
    let hash = words.iter().fold(mix(0, u64::from(head)), |hash, word| {
        mix(hash, u64::from_le_bytes(*word))
    });
    // Some of it a second time is as good as the rest alone.
    let last = match rest.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last),
        None => rest
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    (mix(hash, last) >> 56) as u8
}

/// Bytes that two keys share at their start.
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

impl Leaf {
    pub(super) fn empty(frame: Frame) -> Self {
        Self {
            block: vec![0; frame.len].into(),
            start: frame.head,
            cap: frame.plain(),
            count: 0,
            prefix: 0,
            front: [0; FRONT],
            tags: Vec::new(),
            heap: frame.plain(),
            dead: 0,
            values: Vec::new(),
            last_insert: 0,
            run: 0,
        }
    }

    /// A leaf over a block that was opened and validated.
    pub(super) fn from_decoded(block: Plaintext, frame: Frame, decoded: Decoded) -> Self {
        let mut leaf = Self {
            block,
            start: frame.head,
            cap: frame.plain(),
            count: decoded.count,
            prefix: decoded.prefix,
            front: [0; FRONT],
            tags: decoded.tags,
            heap: decoded.heap,
            dead: 0,
            values: decoded.values,
            last_insert: 0,
            run: 0,
        };
        leaf.take_front();
        leaf
    }

    fn take_front(&mut self) {
        let n = self.prefix.min(FRONT);
        let at = self.start + self.cap - self.prefix;
        self.front[..n].copy_from_slice(&self.block[at..at + n]);
    }

    pub(super) fn copy(&self) -> Self {
        Self {
            block: Plaintext::copy(&self.block),
            tags: self.tags.clone(),
            values: self.values.clone(),
            ..*self
        }
    }

    pub(super) fn block(&self) -> &[u8] {
        &self.block
    }

    fn plain(&self) -> &[u8] {
        &self.block[self.start..self.start + self.cap]
    }

    fn plain_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.start..self.start + self.cap]
    }

    pub(super) fn memory(&self) -> usize {
        self.block.capacity()
            + self.tags.capacity()
            + self.values.capacity() * mem::size_of::<Option<Arc<Cell>>>()
            + self.values.len() * mem::size_of::<Cell>()
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Bytes in use, of [`capacity`](Self::capacity).
    pub(super) fn used(&self) -> usize {
        self.cap - self.free()
    }

    pub(super) fn capacity(&self) -> usize {
        self.cap
    }

    /// Free bytes, gaps included.
    pub(super) fn free(&self) -> usize {
        self.gap() + self.dead
    }

    fn gap(&self) -> usize {
        self.heap - HEADER - SLOT * self.count
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<Cell>> {
        self.values.iter().flatten()
    }

    #[inline]
    fn prefix_bytes(&self) -> &[u8] {
        self.front
            .get(..self.prefix)
            .unwrap_or_else(|| &self.plain()[self.cap - self.prefix..])
    }

    #[inline]
    fn slot(&self, i: usize) -> (u32, usize) {
        let plain = self.plain();
        let at = HEADER + SLOT * i;
        let slot = &plain[at..at + SLOT];
        (
            u32::from_be_bytes([slot[0], slot[1], slot[2], slot[3]]),
            usize::from(u16::from_le_bytes([slot[4], slot[5]])),
        )
    }

    /// Length of the key's suffix, the part of it behind the slot's bytes, and the range of the stored value.
    #[inline]
    fn entry(&self, offset: usize) -> (usize, Range<usize>, Range<usize>, bool) {
        let plain = self.plain();
        let klen = get_u16(plain, offset);
        let vlen = get_u16(plain, offset + 2);
        let out = vlen == usize::from(OUT_OF_LINE);
        let key = offset + ENTRY..offset + ENTRY + klen.saturating_sub(HEAD);
        let value = key.end..key.end + if out { PagePtr::LEN } else { vlen };
        (klen, key, value, out)
    }

    /// The index of a key.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        let suffix = key.strip_prefix(self.prefix_bytes())?;
        let (head, rest) = (slot_head(suffix), rest(suffix));
        memchr::memchr_iter(tag(head, rest), &self.tags).find(|i| {
            let (other, offset) = self.slot(*i);
            other == head && {
                let (klen, key, _, _) = self.entry(offset);
                klen == suffix.len() && self.plain()[key] == *rest
            }
        })
    }

    /// Finds a key: its index, or the index where it belongs.
    pub(super) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        self.find(key).ok_or_else(|| self.place(key))
    }

    /// The index of the first key that is not less than this one.
    fn place(&self, key: &[u8]) -> usize {
        let prefix = self.prefix_bytes();
        let Some(suffix) = key.strip_prefix(prefix) else {
            return if key < prefix { 0 } else { self.count };
        };
        let head = slot_head(suffix);
        let low = lower(0, self.count, |i| self.slot(i).0 < head);
        lower(low, self.count, |i| {
            self.slot(i).0 == head && self.compare_rest(i, suffix) == Ordering::Less
        })
    }

    /// Compares the key at `i` with one whose slot bytes are the same.
    fn compare_rest(&self, i: usize, suffix: &[u8]) -> Ordering {
        let (klen, key, _, _) = self.entry(self.slot(i).1);
        self.plain()[key]
            .cmp(rest(suffix))
            .then(klen.cmp(&suffix.len()))
    }

    /// Appends the key at `i` to `out`.
    pub(super) fn key_into(&self, i: usize, out: &mut Vec<u8>) {
        let (head, offset) = self.slot(i);
        let (klen, key, _, _) = self.entry(offset);
        out.extend_from_slice(self.prefix_bytes());
        out.extend_from_slice(&head.to_be_bytes()[..klen.min(HEAD)]);
        out.extend_from_slice(&self.plain()[key]);
    }

    /// The value at `i`: as a range of [`block`](Self::block), or its cell.
    #[inline]
    pub(super) fn value(&self, i: usize) -> Stored<'_> {
        let (_, _, value, out) = self.entry(self.slot(i).1);
        if out {
            if let Some(Some(cell)) = self.values.get(get_u16(self.plain(), value.start)) {
                return Stored::OutOfLine(cell);
            }
            unreachable!("an entry out of line names a cell: set on decode and on insert");
        }
        Stored::Inline(value.start + self.start..value.end + self.start)
    }

    /// The value at `i` as it goes into another leaf.
    pub(super) fn new_value(&self, i: usize) -> NewValue<'_> {
        match self.value(i) {
            Stored::Inline(range) => NewValue::Inline(&self.block[range]),
            Stored::OutOfLine(cell) => NewValue::OutOfLine(cell.clone()),
        }
    }

    /// Bytes that an entry takes, slot included, for a key after the prefix.
    fn size(suffix: usize, value: usize) -> usize {
        SLOT + ENTRY + suffix.saturating_sub(HEAD) + value
    }

    /// Whether the leaf is being filled in ascending order, and `i` continues it.
    pub(super) fn is_ascending(&self, i: usize) -> bool {
        i == self.count && self.run >= ASCENDING_RUN && usize::from(self.last_insert) + 1 == i
    }

    /// Marks a leaf that begins a stretch filled in ascending order.
    pub(super) fn continue_run(&mut self) {
        self.run = ASCENDING_RUN;
        self.last_insert = (self.count - 1) as u16;
    }

    /// Inserts an entry at the index that [`search`](Self::search) gave. `Full` changes nothing.
    pub(super) fn insert(
        &mut self,
        i: usize,
        key: &[u8],
        value: &NewValue<'_>,
    ) -> Result<(), Full> {
        let fits = key.starts_with(self.prefix_bytes())
            && Self::size(key.len() - self.prefix, value.stored()) <= self.free();
        if !fits {
            self.reprefix(key, value.stored())?;
        }
        let suffix = &key[self.prefix..];
        let need = Self::size(suffix.len(), value.stored());
        if need > self.free() {
            return Err(Full);
        }
        if need > self.gap() {
            self.compact(self.prefix);
        }
        if self.count > 0 && i == usize::from(self.last_insert) + 1 {
            self.run = self.run.saturating_add(1);
        } else {
            self.run = 0;
        }
        self.last_insert = i as u16;
        self.put(i, suffix, value);
        Ok(())
    }

    /// Writes entry and slot; there is room.
    fn put(&mut self, i: usize, suffix: &[u8], value: &NewValue<'_>) {
        let size = Self::size(suffix.len(), value.stored()) - SLOT;
        let offset = self.heap - size;
        let index = match value {
            NewValue::Inline(_) => 0,
            NewValue::OutOfLine(cell) => self.hang(cell.clone()),
        };
        let count = self.count;
        let plain = self.plain_mut();
        put_u16(plain, offset, suffix.len());
        let rest = rest(suffix);
        let at = offset + ENTRY;
        plain[at..at + rest.len()].copy_from_slice(rest);
        let at = at + rest.len();
        match value {
            NewValue::Inline(bytes) => {
                put_u16(plain, offset + 2, bytes.len());
                plain[at..at + bytes.len()].copy_from_slice(bytes);
            }
            NewValue::OutOfLine(_) => {
                put_u16(plain, offset + 2, usize::from(OUT_OF_LINE));
                put_u16(plain, at, index);
            }
        }
        let slot = HEADER + SLOT * i;
        plain.copy_within(slot..HEADER + SLOT * count, slot + SLOT);
        plain[slot..slot + HEAD].copy_from_slice(&slot_head(suffix).to_be_bytes());
        put_u16(plain, slot + HEAD, offset);
        self.heap = offset;
        self.count += 1;
        self.tags.insert(i, tag(slot_head(suffix), rest));
    }

    fn hang(&mut self, cell: Arc<Cell>) -> usize {
        match self.values.iter().position(Option::is_none) {
            Some(free) => {
                self.values[free] = Some(cell);
                free
            }
            None => {
                self.values.push(Some(cell));
                self.values.len() - 1
            }
        }
    }

    /// Removes the entry at `i`; gives its cell if it lay out of line.
    pub(super) fn remove(&mut self, i: usize) -> Option<Arc<Cell>> {
        let offset = self.slot(i).1;
        let (_, key, value, out) = self.entry(offset);
        let cell = if out {
            let index = get_u16(self.plain(), value.start);
            self.values.get_mut(index).and_then(Option::take)
        } else {
            None
        };
        let count = self.count;
        let plain = self.plain_mut();
        let slot = HEADER + SLOT * i;
        plain.copy_within(slot + SLOT..HEADER + SLOT * count, slot);
        let size = ENTRY + key.len() + value.len();
        if offset == self.heap {
            self.heap += size;
        } else {
            self.dead += size;
        }
        self.count -= 1;
        self.tags.remove(i);
        self.run = 0;
        cell
    }

    /// Replaces the value at `i`; gives the old value's cell if it lay out of line. `Full` changes nothing.
    pub(super) fn replace(
        &mut self,
        i: usize,
        key: &[u8],
        value: &NewValue<'_>,
    ) -> Result<Option<Arc<Cell>>, Full> {
        let (_, _, old, out) = self.entry(self.slot(i).1);
        if let (NewValue::Inline(bytes), false) = (value, out)
            && bytes.len() == old.len()
        {
            self.plain_mut()[old].copy_from_slice(bytes);
            return Ok(None);
        }
        if value.stored() > old.len() + self.free() {
            return Err(Full);
        }
        let (last, run) = (self.last_insert, self.run);
        let cell = self.remove(i);
        if Self::size(key.len() - self.prefix, value.stored()) > self.gap() {
            self.compact(self.prefix);
        }
        let suffix = &key[self.prefix..];
        self.put(i, suffix, value);
        (self.last_insert, self.run) = (last, run);
        Ok(cell)
    }

    /// Rebuilds with the prefix that all keys and `key` share, if that is another one and makes room for an entry of `key`
    /// with a value of `stored` bytes.
    fn reprefix(&mut self, key: &[u8], stored: usize) -> Result<(), Full> {
        if self.count == 0 {
            self.prefix = 0;
            self.heap = self.cap;
            self.dead = 0;
            return Ok(());
        }
        let (mut first, mut last) = (Vec::new(), Vec::new());
        self.key_into(0, &mut first);
        self.key_into(self.count - 1, &mut last);
        let prefix = common(&first, &last).min(common(&first, key));
        let mut used = HEADER + prefix + Self::size(key.len() - prefix, stored);
        for i in 0..self.count {
            let (klen, _, value, _) = self.entry(self.slot(i).1);
            used += Self::size(self.prefix + klen - prefix, value.len());
        }
        if used > self.cap || prefix == self.prefix {
            return Err(Full);
        }
        self.compact(prefix);
        Ok(())
    }

    /// Rebuilds without gaps, with the first `prefix` bytes of every key as the prefix.
    fn compact(&mut self, prefix: usize) {
        let mut new = Leaf {
            block: vec![0; self.block.len()].into(),
            tags: Vec::with_capacity(self.count + 1),
            values: Vec::with_capacity(self.values.len()),
            count: 0,
            prefix: 0,
            heap: self.cap,
            dead: 0,
            ..*self
        };
        let mut key = Vec::new();
        for i in 0..self.count {
            key.clear();
            self.key_into(i, &mut key);
            if i == 0 {
                new.set_prefix(&key[..prefix]);
            }
            new.put(i, &key[prefix..], &self.new_value(i));
        }
        *self = new;
    }

    fn set_prefix(&mut self, prefix: &[u8]) {
        let at = self.cap - prefix.len();
        self.plain_mut()[at..].copy_from_slice(prefix);
        self.prefix = prefix.len();
        self.heap = at;
        self.take_front();
    }

    /// Writes the page as it lies on disk into `out`, a zeroed plain area of the same capacity.
    /// `ptr` gives the pointer of each value out of line; `None` is an error of the caller's and stops.
    pub(super) fn encode(
        &self,
        out: &mut [u8],
        ptr: impl Fn(&Arc<Cell>) -> Option<PagePtr>,
    ) -> Option<()> {
        let plain = self.plain();
        let prefix = self.prefix_bytes();
        let mut heap = self.cap - prefix.len();
        out[heap..].copy_from_slice(prefix);
        let slots = HEADER..HEADER + SLOT * self.count;
        out[slots.clone()].copy_from_slice(&plain[slots]);
        let packed = self.dead == 0;
        if packed {
            out[self.heap..heap].copy_from_slice(&plain[self.heap..heap]);
            heap = self.heap;
        }
        if !packed || !self.values.is_empty() {
            for i in 0..self.count {
                let offset = self.slot(i).1;
                let (_, _, value, is_out) = self.entry(offset);
                let to = if packed {
                    offset
                } else {
                    heap -= value.end - offset;
                    out[heap..heap + value.end - offset].copy_from_slice(&plain[offset..value.end]);
                    put_u16(out, HEADER + SLOT * i + HEAD, heap);
                    heap
                };
                if is_out {
                    let cell = self.values.get(get_u16(plain, value.start))?.as_ref()?;
                    let at = to + (value.start - offset);
                    out[at..at + PagePtr::LEN].copy_from_slice(&ptr(cell)?.encode());
                }
            }
        }
        out[0] = FORMAT;
        put_u16(out, 2, self.count);
        put_u16(out, 4, self.prefix);
        put_u16(out, 6, heap);
        Some(())
    }
}

/// First index in `low..high` for which `less` does not hold; it holds for a front part.
fn lower(mut low: usize, mut high: usize, less: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = low + (high - low) / 2;
        if less(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Entries of one or more leaves in key order, to be dealt out to new leaves.
#[derive(Default)]
pub(super) struct Deal<'a> {
    keys: Plaintext,
    items: Vec<(Range<usize>, NewValue<'a>)>,
}

impl<'a> Deal<'a> {
    pub(super) fn push(&mut self, key: &[u8], value: NewValue<'a>) {
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        self.items.push((start..self.keys.len(), value));
    }

    /// The entries of `leaf` in `range`.
    pub(super) fn push_leaf(&mut self, leaf: &'a Leaf, range: Range<usize>) {
        for i in range {
            let start = self.keys.len();
            self.keys.write(MAX_KEY, |keys| leaf.key_into(i, keys));
            self.items.push((start..self.keys.len(), leaf.new_value(i)));
        }
    }

    pub(super) fn key(&self, i: usize) -> &[u8] {
        &self.keys[self.items[i].0.clone()]
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    fn shared(&self, range: Range<usize>) -> usize {
        if range.len() < 2 {
            return 0;
        }
        common(self.key(range.start), self.key(range.end - 1))
    }

    fn sized(&self, range: Range<usize>, prefix: usize) -> usize {
        let entries = self.items[range].iter();
        let sizes = entries.map(|(key, value)| Leaf::size(key.len() - prefix, value.stored()));
        HEADER + prefix + sizes.sum::<usize>()
    }

    /// Bytes that all entries would take in one page.
    pub(super) fn total(&self) -> usize {
        self.sized(0..self.len(), self.shared(0..self.len()))
    }

    /// Ends of the pages when the entries are dealt out to about `pages` pages of `cap` bytes, each filled alike. Every
    /// page fits; if that takes more pages, there are more.
    pub(super) fn ends(&self, cap: usize, pages: usize) -> Vec<usize> {
        let prefix = self.shared(0..self.len());
        let room = cap - HEADER - prefix;
        let size = |i: usize| {
            let (key, value) = &self.items[i];
            Leaf::size(key.len() - prefix, value.stored())
        };
        let mut left: usize = (0..self.len()).map(size).sum();
        let mut pages = pages;
        let mut ends = Vec::new();
        let mut i = 0;
        while i < self.len() {
            let target = left / pages.max(1);
            let mut sum = 0;
            while i < self.len() {
                let next = size(i);
                let wanted = pages <= 1 || sum + next / 2 <= target;
                if sum > 0 && (!wanted || sum + next > room) {
                    break;
                }
                sum += next;
                i += 1;
            }
            left -= sum;
            pages = pages.saturating_sub(1);
            ends.push(i);
        }
        ends
    }

    /// Builds the leaf of these entries.
    pub(super) fn build(&self, range: Range<usize>, frame: Frame) -> Leaf {
        let mut leaf = Leaf::empty(frame);
        // A longer prefix than the one that sizes were reckoned with may cost more than it saves if keys are short.
        let (all, own) = (self.shared(0..self.len()), self.shared(range.clone()));
        let prefix = if range.len() < 2 {
            0
        } else if self.sized(range.clone(), own) <= self.sized(range.clone(), all) {
            own
        } else {
            all
        };
        leaf.set_prefix(&self.key(range.start)[..prefix]);
        leaf.tags.reserve_exact(range.len());
        for (at, i) in range.enumerate() {
            leaf.put(at, &self.key(i)[prefix..], &self.items[i].1);
        }
        leaf
    }
}

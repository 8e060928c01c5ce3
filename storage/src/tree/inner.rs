//! Inner pages: separators and children.
//!
//! # Plain area of an inner block (integers little-endian)
//! | bytes | what |
//! |---|---|
//! | 0 | format, 1 |
//! | 1 | level, 1 above the leaves and up |
//! | 2..4 | number of children, at least 1 |
//! | 4..6 | length of the common prefix of all separators |
//! | 6..8 | zero |
//! | 8.. | the prefix |
//! | .. | one [`PagePtr`] of 28 bytes per child |
//! | .. | end of each separator, one less than children, counted from the start of the first |
//! | .. | the separators after the prefix, end to end |
//! | .. | zeros |
//!
//! Child `i` holds the keys from separator `i - 1` (inclusive) to separator `i` (exclusive). A separator is the shortest
//! front part of the right side's first key that is greater than the left side's last.
//!
//! A page has its class size, 4,096 bytes, with room for some 60 to 100 children. Keys may be 3 KiB, though, and two
//! separators of that size that share nothing would fill a page; a page of fewer than [`MIN_SPLIT`] children is therefore
//! not divided but gets a longer block, a multiple of 4,096 bytes (its length stands in its pointer).

use std::mem;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use zeroize::Zeroize;

use super::cell::Cell;
use super::leaf::common;
use super::pointer::PagePtr;
use crate::plaintext::Plaintext;

pub(super) const FORMAT: u8 = 1;
pub(super) const HEADER: usize = 8;
/// Pages with fewer children grow instead of being divided, so that each half keeps at least 4.
pub(super) const MIN_SPLIT: usize = 8;

/// An inner page in memory. What a search needs stands in few cache lines: nearly every one ends with the heads.
#[repr(C)]
pub(super) struct Inner {
    separators: Separators,
    children: Vec<Arc<Cell>>,
    level: u8,
}

/// Sorted separators. Shared by copies of a page: most differ in a child only.
#[derive(Clone)]
pub(super) struct Separators {
    /// First 8 bytes of each after the prefix, zero-padded: a search looks at these first.
    heads: Arc<[Head]>,
    /// Length of the common prefix, and its first bytes.
    prefix: u32,
    front: [u8; FRONT],
    rest: Arc<Rest>,
}

impl Drop for Separators {
    fn drop(&mut self) {
        self.front.zeroize();
    }
}

/// The first bytes of a separator, wiped when the last page that shares them goes.
struct Head(u64);

impl Drop for Head {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The part of the separators that a search rarely touches.
struct Rest {
    prefix: Plaintext,
    ends: Vec<u32>,
    bytes: Plaintext,
}

/// Bytes of the prefix that stand in the page itself.
const FRONT: usize = 12;

fn head_of(suffix: &[u8]) -> u64 {
    match suffix.first_chunk::<8>() {
        Some(head) => u64::from_be_bytes(*head),
        None => {
            let mut head = [0; 8];
            head[..suffix.len()].copy_from_slice(suffix);
            u64::from_be_bytes(head)
        }
    }
}

/// Collects separators in order.
pub(super) struct Builder {
    heads: Vec<Head>,
    rest: Rest,
}

impl Builder {
    pub(super) fn new(prefix: &[u8], count: usize) -> Self {
        let ends = Vec::with_capacity(count);
        Self {
            heads: Vec::with_capacity(count),
            rest: Rest {
                prefix: Plaintext::copy(prefix),
                ends,
                bytes: Plaintext::default(),
            },
        }
    }

    pub(super) fn push_suffix(&mut self, suffix: &[u8]) {
        self.heads.push(Head(head_of(suffix)));
        self.rest.bytes.extend_from_slice(suffix);
        self.rest.ends.push(self.rest.bytes.len() as u32);
    }

    pub(super) fn build(self) -> Separators {
        let prefix = &self.rest.prefix;
        let mut front = [0; FRONT];
        let n = prefix.len().min(FRONT);
        front[..n].copy_from_slice(&prefix[..n]);
        Separators {
            // Not moved: what a vector leaves behind is not wiped.
            heads: self.heads.iter().map(|head| Head(head.0)).collect(),
            prefix: prefix.len() as u32,
            front,
            rest: Arc::new(self.rest),
        }
    }
}

impl Separators {
    fn new(keys: &[Vec<u8>]) -> Self {
        let prefix = match keys {
            [first, .., last] => common(first, last),
            _ => 0,
        };
        let front = keys.first().map_or(&[][..], |key| &key[..prefix]);
        let mut new = Builder::new(front, keys.len());
        for key in keys {
            new.push_suffix(&key[prefix..]);
        }
        new.build()
    }

    fn len(&self) -> usize {
        self.heads.len()
    }

    fn prefix(&self) -> &[u8] {
        self.front
            .get(..self.prefix as usize)
            .unwrap_or(&self.rest.prefix)
    }

    fn suffix(&self, i: usize) -> &[u8] {
        let start = if i == 0 {
            0
        } else {
            self.rest.ends[i - 1] as usize
        };
        &self.rest.bytes[start..self.rest.ends[i] as usize]
    }

    fn key(&self, i: usize) -> Vec<u8> {
        [self.prefix(), self.suffix(i)].concat()
    }

    /// The same with `keys` in the place of those in `range`. The prefix is kept where it still holds, be it the longest or not.
    fn splice(&self, range: Range<usize>, keys: Vec<Vec<u8>>) -> Self {
        let prefix = self.prefix();
        if !keys.iter().all(|key| key.starts_with(prefix)) {
            let mut all: Vec<_> = (0..self.len()).map(|i| self.key(i)).collect();
            all.splice(range, keys);
            return Self::new(&all);
        }
        let mut new = Builder::new(prefix, self.len() + keys.len() - range.len());
        new.rest
            .bytes
            .reserve(self.rest.bytes.len() + 8 * keys.len());
        (0..range.start).for_each(|i| new.push_suffix(self.suffix(i)));
        keys.iter()
            .for_each(|key| new.push_suffix(&key[prefix.len()..]));
        (range.end..self.len()).for_each(|i| new.push_suffix(self.suffix(i)));
        new.build()
    }

    /// How many separators are at most `key`: the index of the child that holds it.
    #[inline]
    fn find(&self, key: &[u8]) -> usize {
        let mut suffix = key;
        if self.prefix > 0 {
            let prefix = self.prefix();
            match key.strip_prefix(prefix) {
                Some(rest) => suffix = rest,
                None => return if key < prefix { 0 } else { self.len() },
            }
        }
        let head = head_of(suffix);
        let i = self.heads.partition_point(|other| other.0 < head);
        if i < self.len() && self.heads[i].0 == head {
            return self.find_among_equal(i, head, suffix);
        }
        i
    }

    /// Goes on among the separators from `i` that share the key's head.
    #[cold]
    fn find_among_equal(&self, i: usize, head: u64, suffix: &[u8]) -> usize {
        let mut low = i;
        let mut high = i + self.heads[i..].partition_point(|other| other.0 == head);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.suffix(middle) <= suffix {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Inner {
    pub(super) fn new(level: u8, children: Vec<Arc<Cell>>, separators: Separators) -> Self {
        Self {
            level,
            children,
            separators,
        }
    }

    /// From keys: one separator less than children.
    pub(super) fn from_parts(level: u8, children: Vec<Arc<Cell>>, keys: &[Vec<u8>]) -> Self {
        debug_assert_eq!(children.len(), keys.len() + 1);
        Self::new(level, children, Separators::new(keys))
    }

    pub(super) fn copy(&self) -> Self {
        Self {
            level: self.level,
            children: self.children.clone(),
            separators: self.separators.clone(),
        }
    }

    pub(super) fn level(&self) -> u8 {
        self.level
    }

    pub(super) fn children(&self) -> &[Arc<Cell>] {
        &self.children
    }

    pub(super) fn child_mut(&mut self, i: usize) -> &mut Arc<Cell> {
        &mut self.children[i]
    }

    /// The index of the child that holds `key`.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> usize {
        self.separators.find(key)
    }

    /// The separators as whole keys.
    pub(super) fn keys(&self) -> Vec<Vec<u8>> {
        (0..self.separators.len())
            .map(|i| self.separators.key(i))
            .collect()
    }

    /// The separator left of child `i + 1`.
    pub(super) fn separator(&self, i: usize) -> Vec<u8> {
        self.separators.key(i)
    }

    /// Puts `new` in the place of the children in `range`, with `keys` between them. Gives what was there.
    pub(super) fn splice(
        &mut self,
        range: RangeInclusive<usize>,
        new: Vec<Arc<Cell>>,
        keys: Vec<Vec<u8>>,
    ) -> Vec<Arc<Cell>> {
        debug_assert_eq!(new.len(), keys.len() + 1);
        self.separators = self.separators.splice(*range.start()..*range.end(), keys);
        self.children.splice(range, new).collect()
    }

    /// Takes child `i` and a separator beside it out.
    pub(super) fn remove(&mut self, i: usize) -> Arc<Cell> {
        if self.separators.len() > 0 {
            let beside = i.saturating_sub(1);
            self.separators = self.separators.splice(beside..beside + 1, Vec::new());
        }
        self.children.remove(i)
    }

    /// Bytes of the plain area that the page needs.
    pub(super) fn encoded(&self) -> usize {
        let s = &self.separators;
        encoded_size(self.children.len(), s.prefix as usize, s.rest.bytes.len())
    }

    pub(super) fn memory(&self) -> usize {
        let s = &self.separators;
        // Per child: the reference, the cell, its counts.
        self.children.capacity() * 8
            + self.children.len() * (mem::size_of::<Cell>() + 16)
            + s.rest.prefix.capacity()
            + s.rest.bytes.capacity()
            + s.rest.ends.capacity() * 4
            + s.heads.len() * 8
            + mem::size_of::<Rest>()
    }

    /// Writes the page as it lies on disk into `out`, a zeroed plain area of at least [`encoded`](Self::encoded) bytes.
    pub(super) fn encode(&self, out: &mut [u8], pointers: &[PagePtr]) {
        debug_assert_eq!(pointers.len(), self.children.len());
        let s = &self.separators;
        out[0] = FORMAT;
        out[1] = self.level;
        let mut at = 2;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        // Counts and ends fit: a page of more than 8 children is at most 4 KiB, one of fewer at most 28.
        put(&(self.children.len() as u16).to_le_bytes());
        put(&(s.prefix as u16).to_le_bytes());
        put(&[0, 0]);
        put(s.prefix());
        for ptr in pointers {
            put(&ptr.encode());
        }
        for end in &s.rest.ends {
            put(&(*end as u16).to_le_bytes());
        }
        put(&s.rest.bytes);
    }
}

fn encoded_size(children: usize, prefix: usize, bytes: usize) -> usize {
    HEADER + prefix + children * PagePtr::LEN + children.saturating_sub(1) * 2 + bytes
}

/// Divides children into pages that fit `room` bytes, or have fewer than [`MIN_SPLIT`] children. With `at_end` the first
/// page is left nearly full, as ascending inserts want it. Gives the ends of the pages.
pub(super) fn divide(keys: &[Vec<u8>], room: usize, at_end: bool) -> Vec<usize> {
    fn fits(keys: &[Vec<u8>], range: Range<usize>, room: usize) -> bool {
        // Separators inside the range: between its children.
        let inside = &keys[range.start..range.end - 1];
        let prefix = match inside {
            [first, .., last] => common(first, last),
            _ => 0,
        };
        let bytes = inside.iter().map(|key| key.len() - prefix).sum();
        range.len() < MIN_SPLIT || encoded_size(range.len(), prefix, bytes) <= room
    }
    fn halve(keys: &[Vec<u8>], range: Range<usize>, room: usize, ends: &mut Vec<usize>) {
        if fits(keys, range.clone(), room) {
            ends.push(range.end);
            return;
        }
        let weight = |i: usize| PagePtr::LEN + 2 + keys.get(i).map_or(0, Vec::len);
        let total: usize = range.clone().map(weight).sum();
        let mut sum = 0;
        let half = range.clone().find(|i| {
            sum += weight(*i);
            sum * 2 >= total
        });
        let least = MIN_SPLIT / 2;
        let middle = half.map_or(range.end, |i| i + 1);
        let middle = middle.clamp(range.start + least, range.end - least);
        halve(keys, range.start..middle, room, ends);
        halve(keys, middle..range.end, room, ends);
    }
    let count = keys.len() + 1;
    let mut ends = Vec::new();
    if at_end && count > 2 * MIN_SPLIT && fits(keys, 0..count - MIN_SPLIT, room) {
        ends.push(count - MIN_SPLIT);
        halve(keys, count - MIN_SPLIT..count, room, &mut ends);
    } else {
        halve(keys, 0..count, room, &mut ends);
    }
    ends
}

//! Who owns which unit of the page file. Pure bookkeeping, shared by the file and the memory engine.
//!
//! The file is cut into extents of 128 units (512 KiB). A space owns whole extents, so dropping it opens no page; one bit per
//! unit tells what is in use inside. An extent of which every unit is free belongs to nobody again.
//!
//! **Where the next block goes.** Behind the last one of its space, as long as that extent has a hole there; then into the
//! extent of the space with the longest hole; then into a free extent, the neighbour first; only then does the file grow. So a
//! batch is written in runs, and the file does not grow while the space has a hole that fits. A block of more than an
//! extent gets consecutive free extents; what is left of the last one serves the space.
//!
//! **While packing** a block goes to the lowest place that fits, in an extent of its space or a free one.
//!
//! # The map's bytes
//! | field | encoding |
//! |---|---|
//! | version | 1 byte, 1 |
//! | end | varint: extents in the file |
//! | spaces | varint: how many follow, ascending by id |
//! | space id | varint |
//! | extents | varint: how many follow, at least 1, ascending |
//! | extent | varint: (number − number of the one before − 1, or the number itself for the first) × 2 + 1 if it is full |
//! | bitmap | only if not full: 16 bytes little-endian, bit *i* = unit *i* is in use; neither 0 nor all ones |
//!
//! Zeros may follow. Varints are LEB128, at most 10 bytes. What a reader allocates is bounded by the bytes it was given.

#![deny(clippy::indexing_slicing)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::{EngineError, Freed, MAX_PAGE_LEN, PageAddr, SpaceId, UNIT};

/// Units in an extent: as many as a `u128` has bits.
pub(crate) const EXTENT_UNITS: u64 = 128;

/// No file has more extents: 2^40 × 512 KiB keeps every byte offset below 2^59.
const MAX_EXTENTS: u64 = 1 << 40;

const MAP_VERSION: u8 = 1;

/// Units that a block of `len` bytes occupies.
pub(crate) fn units_of(len: u32) -> u64 {
    u64::from(len.div_ceil(UNIT))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    space: SpaceId,
    used: u128,
}

/// The extents of one space.
#[derive(Clone, Debug, Default)]
struct Space {
    /// How many it owns, full ones included.
    extents: u64,
    /// Those with a hole: longest hole first, then lowest number.
    holes: BTreeSet<(Reverse<u32>, u64)>,
    /// Extent and unit behind the block allocated last. The extent may have left the space since.
    cursor: Option<(u64, u32)>,
}

/// A walk over free places, a bounded piece at a time.
pub(crate) struct FreeRuns {
    at: u64,
    /// Units that may still be looked at.
    left: u64,
    /// Units of the page file; a last one that is not whole is one all the same.
    len: u64,
}

impl FreeRuns {
    /// From `from` on, about `at_most` bytes, in a page file of `len` bytes.
    pub(crate) fn new(from: PageAddr, at_most: u64, len: u64) -> Self {
        Self {
            at: from.0,
            left: (at_most / u64::from(UNIT)).max(1),
            len: len.div_ceil(u64::from(UNIT)),
        }
    }

    /// The next free units, first and how many; `None`: the piece is done.
    pub(crate) fn next(&mut self, alloc: &Allocator) -> Option<(u64, u64)> {
        if self.left == 0 {
            return None;
        }
        let Some((start, units)) = alloc.free_run(self.at, self.left, self.len) else {
            self.at = self.len;
            return None;
        };
        self.at = start + units;
        self.left -= units;
        Some((start, units))
    }

    /// Where the next piece begins; `None`: there is none.
    pub(crate) fn goes_on(&self) -> Option<PageAddr> {
        (self.at < self.len).then_some(PageAddr(self.at))
    }
}

/// The state of the page area.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allocator {
    /// Extents in the file, free ones included.
    end: u64,
    owned: BTreeMap<u64, Extent>,
    /// Free extents below `end`: start and length, never adjacent.
    free: BTreeMap<u64, u64>,
    spaces: BTreeMap<SpaceId, Space>,
    used_units: u64,
    rejected_frees: u64,
    /// While packing: for a space and a length, the extent below which no hole fits. Forgotten when something is freed.
    packing: Option<BTreeMap<(SpaceId, u32), u64>>,
}

impl Allocator {
    /// Units below the end of the area.
    pub(crate) fn end_units(&self) -> u64 {
        self.end * EXTENT_UNITS
    }

    pub(crate) fn used_units(&self) -> u64 {
        self.used_units
    }

    pub(crate) fn free_units(&self) -> u64 {
        self.end_units() - self.used_units
    }

    pub(crate) fn rejected_frees(&self) -> u64 {
        self.rejected_frees
    }

    pub(crate) fn allocate(&mut self, space: SpaceId, len: u32) -> Result<PageAddr, EngineError> {
        if len == 0 || len > MAX_PAGE_LEN {
            return Err(EngineError::Misuse {
                reason: "a block has 1 byte to 64 MiB",
            });
        }
        let units = units_of(len);
        if units > EXTENT_UNITS {
            return self.allocate_extents(space, units);
        }
        let want = units as u32; // at most 128
        let found = if self.packing.is_some() {
            self.lowest_hole(space, want)
        } else {
            self.hole(space, want)
        };
        let (extent, unit) = match found {
            Some(place) => place,
            None => (self.take_extents(space, 1)?, 0),
        };
        self.mark(extent, mask(unit, want));
        self.spaces.entry(space).or_default().cursor = Some((extent, unit + want));
        Ok(PageAddr(extent * EXTENT_UNITS + u64::from(unit)))
    }

    /// A hole of `want` units in an extent that the space owns.
    fn hole(&self, space: SpaceId, want: u32) -> Option<(u64, u32)> {
        let of_space = self.spaces.get(&space)?;
        if let Some((extent, from)) = of_space.cursor
            && let Some(found) = self.owned.get(&extent)
            && found.space == space
            && let Some(unit) = first_fit(!found.used, from, want)
        {
            return Some((extent, unit));
        }
        let &(Reverse(longest), extent) = of_space.holes.first()?;
        if longest < want {
            return None;
        }
        let unit = first_fit(!self.owned.get(&extent)?.used, 0, want)?;
        Some((extent, unit))
    }

    /// From now on, or no longer, the lowest place that fits.
    pub(crate) fn pack(&mut self, low: bool) {
        self.packing = low.then(BTreeMap::new);
    }

    /// The lowest hole of the space, unless a free extent lies lower.
    fn lowest_hole(&mut self, space: SpaceId, want: u32) -> Option<(u64, u32)> {
        let from = *self.packing.as_ref()?.get(&(space, want)).unwrap_or(&0);
        let free = self.free.first_key_value().map_or(u64::MAX, |(no, _)| *no);
        let (extent, unit) = self
            .owned
            .range(from..)
            .take_while(|(no, _)| **no < free)
            .filter(|(_, e)| e.space == space)
            .find_map(|(no, e)| Some((*no, first_fit(!e.used, 0, want)?)))?;
        self.packing.as_mut()?.insert((space, want), extent);
        Some((extent, unit))
    }

    fn allocate_extents(&mut self, space: SpaceId, units: u64) -> Result<PageAddr, EngineError> {
        let count = units.div_ceil(EXTENT_UNITS);
        let start = self.take_extents(space, count)?;
        for extent in start..start + count {
            let here = (units - (extent - start) * EXTENT_UNITS).min(EXTENT_UNITS);
            self.mark(extent, mask(0, here as u32));
        }
        if let Some(of_space) = self.spaces.get_mut(&space) {
            let last = start + count - 1;
            of_space.cursor = Some((last, (units - (count - 1) * EXTENT_UNITS) as u32));
        }
        Ok(PageAddr(start * EXTENT_UNITS))
    }

    /// Makes `count` consecutive free extents the space's own and returns the first one's number.
    fn take_extents(&mut self, space: SpaceId, count: u64) -> Result<u64, EngineError> {
        let neighbour = self
            .spaces
            .get(&space)
            .filter(|_| self.packing.is_none())
            .and_then(|s| s.cursor)
            .map(|(extent, _)| extent + 1);
        let start = neighbour
            .filter(|start| self.free.get(start).is_some_and(|len| *len >= count))
            .or_else(|| {
                self.free
                    .iter()
                    .find(|(_, len)| **len >= count)
                    .map(|(start, _)| *start)
            })
            // A free range at the very end is used up first when the file grows.
            .or_else(|| {
                self.free
                    .last_key_value()
                    .filter(|(s, l)| *s + *l == self.end)
                    .map(|(s, _)| *s)
            })
            .unwrap_or(self.end);
        if start + count > MAX_EXTENTS {
            return Err(EngineError::Full {
                place: "the page area".into(),
            });
        }
        if let Some(len) = self.free.remove(&start)
            && len > count
        {
            self.free.insert(start + count, len - count);
        }
        self.end = self.end.max(start + count);
        let of_space = self.spaces.entry(space).or_default();
        of_space.extents += count;
        for extent in start..start + count {
            self.owned.insert(extent, Extent { space, used: 0 });
            of_space.holes.insert((Reverse(128), extent));
        }
        Ok(start)
    }

    /// Sets bits of an extent that its owner has just been given.
    fn mark(&mut self, extent: u64, bits: u128) {
        if let Some(e) = self.owned.get_mut(&extent) {
            debug_assert_eq!(e.used & bits, 0, "a unit is given out once");
            let before = e.used;
            e.used |= bits;
            let (space, after) = (e.space, e.used);
            self.used_units += u64::from(bits.count_ones());
            self.rank(space, extent, before, after);
        }
    }

    /// Keeps the order by longest hole.
    fn rank(&mut self, space: SpaceId, extent: u64, before: u128, after: u128) {
        if let Some(of_space) = self.spaces.get_mut(&space) {
            of_space
                .holes
                .remove(&(Reverse(longest_run(!before)), extent));
            if after != u128::MAX {
                of_space
                    .holes
                    .insert((Reverse(longest_run(!after)), extent));
            }
        }
    }

    /// Whether the block's units are all in use, and by this space if one is named.
    pub(crate) fn is_allocated(&self, space: Option<SpaceId>, addr: PageAddr, len: u32) -> bool {
        len > 0
            && addr.0 < self.end_units()
            && parts(addr, len).all(|(extent, bits)| {
                self.owned
                    .get(&extent)
                    .is_some_and(|e| e.used & bits == bits && space.is_none_or(|s| s == e.space))
            })
    }

    /// The free units from `from` on, as far as they are neighbours, but at most `most`, within a page file of `len` units: the first
    /// and how many. What lies behind the last extent is free.
    fn free_run(&self, from: u64, most: u64, len: u64) -> Option<(u64, u64)> {
        let mut start = from;
        // To the first free unit.
        while start < len {
            let Some(used) = self.owned.get(&(start / EXTENT_UNITS)).map(|e| e.used) else {
                break;
            };
            let unit = (start % EXTENT_UNITS) as u32;
            let taken = u64::from((used >> unit).trailing_ones());
            if taken == 0 {
                break;
            }
            start += taken;
        }
        // And on to one that is in use.
        let end = len.min(start.saturating_add(most.max(1)));
        let mut at = start;
        while at < end {
            let unit = (at % EXTENT_UNITS) as u32;
            let to_next = EXTENT_UNITS - u64::from(unit);
            let free = match self.owned.get(&(at / EXTENT_UNITS)) {
                None => to_next,
                Some(e) => u64::from((e.used >> unit).trailing_zeros()).min(to_next),
            };
            at += free;
            if free < to_next {
                break;
            }
        }
        let at = at.min(end);
        (start < at).then_some((start, at - start))
    }

    pub(crate) fn free(&mut self, freed: &[Freed]) {
        for f in freed {
            if !self.is_allocated(Some(f.space), f.addr, f.len) {
                self.rejected_frees += 1;
                continue;
            }
            for (extent, bits) in parts(f.addr, f.len) {
                let Some(e) = self.owned.get_mut(&extent) else {
                    continue;
                };
                let before = e.used;
                e.used &= !bits;
                let after = e.used;
                self.forget_packed();
                self.used_units -= u64::from(bits.count_ones());
                self.rank(f.space, extent, before, after);
                if after == 0 {
                    self.give_back(f.space, extent);
                }
            }
        }
    }

    /// There may be lower holes than before.
    fn forget_packed(&mut self) {
        if let Some(packing) = &mut self.packing {
            packing.clear();
        }
    }

    /// An empty extent leaves its space.
    fn give_back(&mut self, space: SpaceId, extent: u64) {
        self.owned.remove(&extent);
        if let Some(of_space) = self.spaces.get_mut(&space) {
            of_space.holes.remove(&(Reverse(128), extent));
            of_space.extents -= 1;
            if of_space.extents == 0 {
                self.spaces.remove(&space);
            }
        }
        self.add_free(extent, 1);
    }

    /// Adds a free range and joins it with its neighbours.
    fn add_free(&mut self, mut start: u64, mut len: u64) {
        self.forget_packed();
        if let Some((&before, &before_len)) = self.free.range(..start).next_back()
            && before + before_len == start
        {
            self.free.remove(&before);
            start = before;
            len += before_len;
        }
        if let Some(behind_len) = self.free.remove(&(start + len)) {
            len += behind_len;
        }
        self.free.insert(start, len);
    }

    pub(crate) fn drop_space(&mut self, space: SpaceId) {
        if self.spaces.remove(&space).is_none() {
            return;
        }
        let gone: Vec<(u64, u128)> = self
            .owned
            .iter()
            .filter(|(_, e)| e.space == space)
            .map(|(no, e)| (*no, e.used))
            .collect();
        for (extent, used) in gone {
            self.owned.remove(&extent);
            self.used_units -= u64::from(used.count_ones());
            self.add_free(extent, 1);
        }
    }

    /// Cuts free extents off the end. Returns the units that are left.
    pub(crate) fn trim(&mut self) -> u64 {
        if let Some((&start, &len)) = self.free.last_key_value()
            && start + len == self.end
        {
            self.free.remove(&start);
            self.end = start;
        }
        self.end_units()
    }

    /// The map of the state without these places and spaces.
    pub(crate) fn map_without(&self, freed: &[Freed], dropped: &[SpaceId]) -> Vec<u8> {
        if freed.is_empty() && dropped.is_empty() {
            return self.encode();
        }
        let mut later = self.clone();
        later.free(freed);
        for space in dropped {
            later.drop_space(*space);
        }
        later.encode()
    }

    fn encode(&self) -> Vec<u8> {
        let mut of_space: BTreeMap<SpaceId, Vec<(u64, u128)>> = BTreeMap::new();
        for (no, e) in &self.owned {
            of_space.entry(e.space).or_default().push((*no, e.used));
        }
        let mut out = vec![MAP_VERSION];
        put_varint(&mut out, self.end);
        put_varint(&mut out, of_space.len() as u64);
        for (space, extents) in of_space {
            put_varint(&mut out, space.0);
            put_varint(&mut out, extents.len() as u64);
            let mut next = 0;
            for (no, used) in extents {
                let full = used == u128::MAX;
                put_varint(&mut out, (no - next) << 1 | u64::from(full));
                if !full {
                    out.extend_from_slice(&used.to_le_bytes());
                }
                next = no + 1;
            }
        }
        out
    }

    /// Reads a map. Foreign bytes: every claim is checked, and nothing is allocated that the bytes do not pay for.
    pub(crate) fn decode(map: &[u8]) -> Result<Self, EngineError> {
        let invalid = |reason| EngineError::InvalidMap { reason };
        let mut input = map;
        let [version, rest @ ..] = input else {
            return Err(invalid("it is empty"));
        };
        if *version != MAP_VERSION {
            return Err(invalid("unknown version"));
        }
        input = rest;
        let mut a = Self {
            end: take_varint(&mut input)?,
            ..Self::default()
        };
        if a.end > MAX_EXTENTS {
            return Err(invalid("more extents than a file can have"));
        }
        let mut last_space = None;
        for _ in 0..take_varint(&mut input)? {
            let space = SpaceId(take_varint(&mut input)?);
            if last_space.is_some_and(|last| last >= space) {
                return Err(invalid("spaces are not in order"));
            }
            last_space = Some(space);
            let count = take_varint(&mut input)?;
            if count == 0 {
                return Err(invalid("a space without extents"));
            }
            let mut of_space = Space {
                extents: count,
                ..Space::default()
            };
            let mut next = 0u64;
            for _ in 0..count {
                let head = take_varint(&mut input)?;
                let no = next
                    .checked_add(head >> 1)
                    .filter(|no| *no < a.end)
                    .ok_or(invalid("an extent beyond the end"))?;
                let used = if head & 1 == 1 {
                    u128::MAX
                } else {
                    take_bitmap(&mut input)?
                };
                if used == 0 || (used == u128::MAX && head & 1 == 0) {
                    return Err(invalid("a bitmap that is empty or full"));
                }
                if a.owned.insert(no, Extent { space, used }).is_some() {
                    return Err(invalid("an extent with two owners"));
                }
                if used != u128::MAX {
                    of_space.holes.insert((Reverse(longest_run(!used)), no));
                }
                a.used_units += u64::from(used.count_ones());
                next = no + 1;
            }
            a.spaces.insert(space, of_space);
        }
        if input.iter().any(|b| *b != 0) {
            return Err(invalid("bytes behind its end"));
        }
        let mut next = 0;
        for no in a.owned.keys() {
            if *no > next {
                a.free.insert(next, no - next);
            }
            next = no + 1;
        }
        if a.end > next {
            a.free.insert(next, a.end - next);
        }
        Ok(a)
    }
}

/// A row of units that one space has in use, inside one extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// Whose they are.
    pub space: SpaceId,
    /// The first unit.
    pub addr: PageAddr,
    /// How many.
    pub units: u32,
}

/// What an allocation map says, for whoever compares it with what is really used: rows ascending by place, adjacent ones of
/// one extent joined. The bytes are treated as foreign, as in [`restore_allocation_map`](crate::Engine::restore_allocation_map).
///
/// # Errors
/// [`EngineError::InvalidMap`].
pub fn allocated(map: &[u8]) -> Result<Vec<Allocated>, EngineError> {
    let mut rows = Vec::new();
    for (no, extent) in Allocator::decode(map)?.owned {
        let mut unit = 0;
        while unit < 128 {
            let rest = extent.used >> unit;
            if rest == 0 {
                break;
            }
            unit += rest.trailing_zeros();
            let units = (extent.used >> unit).trailing_ones();
            rows.push(Allocated {
                space: extent.space,
                addr: PageAddr(no * EXTENT_UNITS + u64::from(unit)),
                units,
            });
            unit += units;
        }
    }
    Ok(rows)
}

/// `n` bits from `unit` on.
fn mask(unit: u32, n: u32) -> u128 {
    debug_assert!(n >= 1 && unit + n <= 128);
    (u128::MAX >> (128 - n)) << unit
}

/// The extents that a block touches, with its bits in each. An address beyond any file yields extents nobody owns.
fn parts(addr: PageAddr, len: u32) -> impl Iterator<Item = (u64, u128)> {
    let mut at = addr.0;
    let end = addr.0.saturating_add(units_of(len));
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let (extent, unit) = (at / EXTENT_UNITS, at % EXTENT_UNITS);
        let n = (EXTENT_UNITS - unit).min(end - at);
        at += n;
        Some((extent, mask(unit as u32, n as u32)))
    })
}

/// The longest run of ones, in about 14 steps: first how often it doubles, then what is left.
#[allow(clippy::indexing_slicing)] // k stays below 7: no foreign number is an index here
fn longest_run(bits: u128) -> u32 {
    match bits {
        0 => return 0,
        u128::MAX => return 128,
        _ => {}
    }
    // starts[k]: where 2^k ones begin.
    let mut starts = [bits; 7];
    let mut doublings = 0;
    for k in 1..7 {
        let longer = starts[k - 1] & (starts[k - 1] >> (1 << (k - 1)));
        if longer == 0 {
            break;
        }
        starts[k] = longer;
        doublings = k;
    }
    let (mut run, mut at) = (1 << doublings, starts[doublings]);
    for k in (0..=doublings).rev() {
        let longer = at & (starts[k] >> run);
        if longer != 0 {
            at = longer;
            run += 1 << k;
        }
    }
    run
}

/// The first unit at or behind `from` where `want` ones begin.
fn first_fit(free: u128, from: u32, want: u32) -> Option<u32> {
    if from >= 128 {
        return None;
    }
    let mut starts = free & (u128::MAX << from);
    let mut have = 1;
    while have < want {
        let step = have.min(want - have);
        starts &= starts >> step;
        have += step;
    }
    (starts != 0).then(|| starts.trailing_zeros())
}

fn put_varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn take_varint(input: &mut &[u8]) -> Result<u64, EngineError> {
    let mut v = 0u64;
    for i in 0..10 {
        let [byte, rest @ ..] = *input else {
            return Err(EngineError::InvalidMap {
                reason: "it is cut short",
            });
        };
        *input = rest;
        if i == 9 && *byte > 1 {
            break;
        }
        v |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(v);
        }
    }
    Err(EngineError::InvalidMap {
        reason: "a number that is too long",
    })
}

fn take_bitmap(input: &mut &[u8]) -> Result<u128, EngineError> {
    let (bytes, rest) = input.split_first_chunk().ok_or(EngineError::InvalidMap {
        reason: "it is cut short",
    })?;
    *input = rest;
    Ok(u128::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;

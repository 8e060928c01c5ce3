//! Which log segments exist, which are lent out, and how large the next one will be. Shared by the file and memory engines.

use std::collections::BTreeMap;

use crate::{EngineError, SegmentNo, UNIT};

/// How large log segments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSizes {
    /// Bytes of the first one. Default 1 MiB.
    pub first: u64,
    /// Each new one is twice as large as the largest before it, up to this. Default 32 MiB. A request for more gets more.
    pub max: u64,
    /// Bytes of released segments that [`trim`](crate::Engine::trim) leaves in place for reuse. Default 256 MiB.
    pub keep: u64,
}

impl Default for SegmentSizes {
    fn default() -> Self {
        Self {
            first: 1 << 20,
            max: 32 << 20,
            keep: 256 << 20,
        }
    }
}

/// The longest segment: no request makes a larger one.
const MAX_CAPACITY: u64 = 1 << 32;

struct Entry<H> {
    capacity: u64,
    in_use: bool,
    handle: H,
}

/// All segments in existence, each with the engine's handle to it.
pub(crate) struct Segments<H> {
    sizes: SegmentSizes,
    all: BTreeMap<SegmentNo, Entry<H>>,
}

impl<H: Clone> Segments<H> {
    /// The table after opening: every segment found is in use.
    pub(crate) fn new(
        sizes: SegmentSizes,
        found: impl IntoIterator<Item = (SegmentNo, u64, H)>,
    ) -> Self {
        let all = found.into_iter().map(|(no, capacity, handle)| {
            (
                no,
                Entry {
                    capacity,
                    in_use: true,
                    handle,
                },
            )
        });
        Self {
            sizes,
            all: all.collect(),
        }
    }

    /// Lends the largest released segment if it has `min_len` bytes: the larger, the fewer changes from one to the next.
    pub(crate) fn recycle(&mut self, min_len: u64) -> Option<(SegmentNo, u64)> {
        let no = self.released_for(min_len)?;
        let entry = self.all.get_mut(&no)?;
        entry.in_use = true;
        Some((no, entry.capacity))
    }

    /// Lends all released segments.
    pub(crate) fn lend_released(&mut self) -> Vec<(SegmentNo, u64, H)> {
        let released = self.all.iter_mut().filter(|(_, entry)| !entry.in_use);
        released
            .map(|(no, entry)| {
                entry.in_use = true;
                (*no, entry.capacity, entry.handle.clone())
            })
            .collect()
    }

    /// Whether [`recycle`](Self::recycle) would find one.
    pub(crate) fn released_for(&self, min_len: u64) -> Option<SegmentNo> {
        let released = self
            .all
            .iter()
            .filter(|(_, e)| !e.in_use && e.capacity >= min_len);
        released.max_by_key(|(_, e)| e.capacity).map(|(no, _)| *no)
    }

    /// Number and capacity of the next new segment.
    pub(crate) fn plan(&self, min_len: u64) -> Result<(SegmentNo, u64), EngineError> {
        if min_len > MAX_CAPACITY {
            return Err(EngineError::Misuse {
                reason: "a log segment has at most 4 GiB",
            });
        }
        let largest = self.all.values().map(|e| e.capacity).max();
        let usual = largest
            .map_or(self.sizes.first, |c| c.saturating_mul(2))
            .min(self.sizes.max);
        let capacity = usual.max(min_len).max(1).next_multiple_of(u64::from(UNIT));
        let no = match self.all.last_key_value() {
            None => 0,
            Some((last, _)) => last.0.checked_add(1).ok_or(EngineError::Misuse {
                reason: "no segment numbers left",
            })?,
        };
        Ok((SegmentNo(no), capacity))
    }

    /// Adds a new segment.
    pub(crate) fn insert(&mut self, no: SegmentNo, capacity: u64, in_use: bool, handle: H) {
        self.all.insert(
            no,
            Entry {
                capacity,
                in_use,
                handle,
            },
        );
    }

    /// Handle of a segment for reading `len` bytes at `offset`.
    pub(crate) fn for_read(&self, no: SegmentNo, offset: u64, len: u64) -> Result<H, EngineError> {
        let entry = self.all.get(&no).ok_or(NO_SUCH)?;
        entry.inside(offset, len)?;
        Ok(entry.handle.clone())
    }

    /// Handle of a segment in use for writing `len` bytes at `offset`.
    pub(crate) fn for_write(&self, no: SegmentNo, offset: u64, len: u64) -> Result<H, EngineError> {
        if !offset.is_multiple_of(u64::from(UNIT)) {
            return Err(EngineError::Misuse {
                reason: "a record starts at a multiple of 4096",
            });
        }
        let entry = self.all.get(&no).filter(|e| e.in_use).ok_or(NO_SUCH)?;
        entry.inside(offset, len)?;
        Ok(entry.handle.clone())
    }

    /// Handle and capacity of a segment in use.
    pub(crate) fn in_use(&self, no: SegmentNo) -> Result<(H, u64), EngineError> {
        let entry = self.all.get(&no).filter(|e| e.in_use).ok_or(NO_SUCH)?;
        Ok((entry.handle.clone(), entry.capacity))
    }

    /// Takes a segment back.
    pub(crate) fn release(&mut self, no: SegmentNo) {
        if let Some(entry) = self.all.get_mut(&no) {
            entry.in_use = false;
        }
    }

    /// A released segment that is more than the reserve holds: the smallest first.
    pub(crate) fn excess(&self) -> Option<SegmentNo> {
        let released = || self.all.iter().filter(|(_, e)| !e.in_use);
        let bytes: u64 = released().map(|(_, e)| e.capacity).sum();
        let (no, _) = released().min_by_key(|(_, e)| e.capacity)?;
        (bytes > self.sizes.keep).then_some(*no)
    }

    /// Forgets a segment.
    pub(crate) fn remove(&mut self, no: SegmentNo) {
        self.all.remove(&no);
    }

    /// Numbers and capacities.
    pub(crate) fn list(&self) -> Vec<(SegmentNo, u64)> {
        self.all.iter().map(|(no, e)| (*no, e.capacity)).collect()
    }

    /// Capacity of all.
    pub(crate) fn bytes(&self) -> u64 {
        self.all.values().map(|e| e.capacity).sum()
    }

    /// How many are in use.
    pub(crate) fn in_use_count(&self) -> u32 {
        self.all.values().filter(|e| e.in_use).count() as u32
    }
}

const NO_SUCH: EngineError = EngineError::Misuse {
    reason: "no such log segment in use",
};

impl<H> Entry<H> {
    fn inside(&self, offset: u64, len: u64) -> Result<(), EngineError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.capacity => Ok(()),
            _ => Err(EngineError::Misuse {
                reason: "beyond the capacity of the log segment",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table(sizes: SegmentSizes) -> Segments<()> {
        Segments::new(sizes, [])
    }

    fn grow(s: &mut Segments<()>, min_len: u64) -> u64 {
        let (no, capacity) = s.plan(min_len).unwrap();
        s.insert(no, capacity, true, ());
        capacity
    }

    #[test]
    fn sizes_double_to_the_maximum_and_a_large_request_gets_more() {
        let mut s = table(SegmentSizes {
            first: 4096,
            max: 16384,
            keep: 0,
        });
        let got: Vec<u64> = (0..4).map(|_| grow(&mut s, 0)).collect();
        assert_eq!(got, [4096, 8192, 16384, 16384]);
        assert_eq!(grow(&mut s, 20_000), 20_480);
        assert_eq!(s.list().last(), Some(&(SegmentNo(4), 20_480)));
        assert!(s.plan(MAX_CAPACITY + 1).is_err());
    }

    #[test]
    fn the_largest_released_one_is_recycled_and_the_smallest_given_back() {
        let mut s = table(SegmentSizes {
            first: 4096,
            max: 16384,
            keep: 16384,
        });
        (0..3).for_each(|_| assert!(grow(&mut s, 0) > 0));
        assert_eq!(s.recycle(1), None);
        (0..3).for_each(|no| s.release(SegmentNo(no)));
        assert_eq!(s.excess(), Some(SegmentNo(0)));
        s.remove(SegmentNo(0));
        assert_eq!(s.excess(), Some(SegmentNo(1)));
        assert_eq!(s.recycle(5000), Some((SegmentNo(2), 16384)));
        assert_eq!(s.excess(), None);
        assert_eq!(s.recycle(10_000), None);
    }
}

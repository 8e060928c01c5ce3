//! The allocation map against the places that are really used.

use std::collections::BTreeMap;

use sealdb_engine::{Allocated, PageAddr, SpaceId, UNIT};

use crate::tree::PagePtr;

/// Units in one entry of the map below.
const GROUP: u64 = 128;

/// One bit a unit: what the map calls allocated, and what was found in use.
#[derive(Default)]
pub(super) struct Places {
    groups: BTreeMap<u64, Group>,
}

struct Group {
    space: SpaceId,
    allocated: u128,
    used: u128,
}

/// Why a place cannot be used as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clash {
    /// The map calls it, or a part of it, free.
    Free,
    /// It belongs to another space.
    OtherSpace,
    /// Something else uses it already.
    Twice,
}

impl std::fmt::Display for Clash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Clash::Free => "the allocation map calls its place free",
            Clash::OtherSpace => "its place belongs to something else",
            Clash::Twice => "its place is used twice",
        })
    }
}

/// Units of a space that are allocated and not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leak {
    pub(super) units: u64,
    pub(super) first: PageAddr,
}

impl Places {
    /// What the map says. The engine's rows lie inside one group each.
    pub(super) fn new(rows: &[Allocated]) -> Self {
        let mut places = Places::default();
        for row in rows {
            for unit in row.addr.0..row.addr.0 + u64::from(row.units) {
                let group = places.groups.entry(unit / GROUP).or_insert(Group {
                    space: row.space,
                    allocated: 0,
                    used: 0,
                });
                group.allocated |= 1 << (unit % GROUP);
            }
        }
        places
    }

    /// Notes that the block is in use.
    pub(super) fn claim(&mut self, space: SpaceId, ptr: &PagePtr) -> Result<(), Clash> {
        let units = u64::from(ptr.len.div_ceil(UNIT));
        let mut result = Ok(());
        for unit in ptr.addr.0..ptr.addr.0.saturating_add(units) {
            let clash = match self.groups.get_mut(&(unit / GROUP)) {
                None => Some(Clash::Free),
                Some(group) => {
                    let bit = 1u128 << (unit % GROUP);
                    let clash = if group.allocated & bit == 0 {
                        Some(Clash::Free)
                    } else if group.space != space {
                        Some(Clash::OtherSpace)
                    } else if group.used & bit != 0 {
                        Some(Clash::Twice)
                    } else {
                        None
                    };
                    group.used |= bit;
                    clash
                }
            };
            if let Some(clash) = clash {
                result = Err(clash);
            }
        }
        result
    }

    /// The allocated units of a space, ascending; they count as used from here on.
    pub(super) fn take_all(&mut self, space: SpaceId) -> Vec<PageAddr> {
        let mut units = Vec::new();
        for (no, group) in &mut self.groups {
            if group.space != space {
                continue;
            }
            group.used |= group.allocated;
            let bits = group.allocated;
            units.extend(
                (0..GROUP)
                    .filter(|unit| bits >> unit & 1 == 1)
                    .map(|unit| PageAddr(no * GROUP + unit)),
            );
        }
        units
    }

    /// What is allocated and not used, by space.
    pub(super) fn leaks(&self) -> BTreeMap<SpaceId, Leak> {
        let mut leaks = BTreeMap::new();
        for (no, group) in &self.groups {
            let lost = group.allocated & !group.used;
            if lost == 0 {
                continue;
            }
            let first = PageAddr(no * GROUP + u64::from(lost.trailing_zeros()));
            leaks
                .entry(group.space)
                .or_insert(Leak { units: 0, first })
                .units += u64::from(lost.count_ones());
        }
        leaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealdb_crypto::BlockTag;

    fn ptr(addr: u64, len: u32) -> PagePtr {
        PagePtr {
            addr: PageAddr(addr),
            len,
            level: 0,
            tag: BlockTag::from_bytes([0; 16]),
        }
    }

    #[test]
    fn every_way_to_differ_is_told() {
        let row = |space, addr, units| Allocated {
            space: SpaceId(space),
            addr: PageAddr(addr),
            units,
        };
        let mut places = Places::new(&[row(16, 0, 4), row(16, 120, 8), row(17, 128, 4)]);
        assert_eq!(places.claim(SpaceId(16), &ptr(0, 8192)), Ok(()));
        assert_eq!(
            places.claim(SpaceId(16), &ptr(1, 8192)),
            Err(Clash::Twice),
            "unit 1"
        );
        assert_eq!(places.claim(SpaceId(16), &ptr(4, 1)), Err(Clash::Free));
        assert_eq!(places.claim(SpaceId(16), &ptr(9999, 1)), Err(Clash::Free));
        assert_eq!(
            places.claim(SpaceId(16), &ptr(128, 1)),
            Err(Clash::OtherSpace)
        );
        let leaks = places.leaks();
        assert_eq!(
            leaks[&SpaceId(16)],
            Leak {
                units: 9,
                first: PageAddr(3)
            }
        );
        assert_eq!(leaks[&SpaceId(17)].units, 3);
        assert_eq!(places.take_all(SpaceId(17)).len(), 4);
        assert_eq!(places.leaks().len(), 1);
    }
}

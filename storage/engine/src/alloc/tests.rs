//! The allocator against a model that keeps one owner per unit.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Allocate { space: u64, len: u32 },
    Free { nth: usize },
    FreeMany { from: usize, step: usize },
    Drop { space: u64 },
    Trim,
    Pack(bool),
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let len = prop_oneof![
        6 => prop_oneof![Just(4096u32), Just(8192)],
        3 => 1u32..500_000,
        1 => 500_000u32..3_000_000,
    ];
    let op = prop_oneof![
        12 => (0u64..4, len).prop_map(|(space, len)| Op::Allocate { space, len }),
        6 => any::<usize>().prop_map(|nth| Op::Free { nth }),
        1 => (any::<usize>(), 1usize..5).prop_map(|(from, step)| Op::FreeMany { from, step }),
        1 => (0u64..4).prop_map(|space| Op::Drop { space }),
        1 => Just(Op::Trim),
        1 => any::<bool>().prop_map(Op::Pack),
        1 => Just(Op::Reopen),
    ];
    proptest::collection::vec(op, 1..200)
}

/// One owner per unit, and the blocks given out.
#[derive(Default)]
struct Model {
    units: BTreeMap<u64, SpaceId>,
    blocks: Vec<Freed>,
}

impl Model {
    /// Unit by unit, the first place that the rules allow: inside one extent of the space or a free one, or, if it is longer,
    /// at the start of consecutive free ones (those at the end may be beyond it).
    fn lowest(&self, a: &Allocator, space: SpaceId, len: u32) -> PageAddr {
        let units = units_of(len);
        let free = |extent: u64| !a.owned.contains_key(&extent);
        if units > EXTENT_UNITS {
            let count = units.div_ceil(EXTENT_UNITS);
            let fits = |start: &u64| (*start..start + count).all(free);
            return PageAddr((0..).find(fits).unwrap() * EXTENT_UNITS);
        }
        let fits = |at: &u64| {
            let (extent, unit) = (at / EXTENT_UNITS, at % EXTENT_UNITS);
            let mine = free(extent) || a.owned[&extent].space == space;
            mine && unit + units <= EXTENT_UNITS
                && (*at..at + units).all(|unit| !self.units.contains_key(&unit))
        };
        PageAddr((0..).find(fits).unwrap())
    }

    fn forget(&mut self, gone: impl Fn(&Freed) -> bool) {
        let units = &mut self.units;
        self.blocks.retain(|b| {
            if gone(b) {
                (b.addr.0..b.addr.0 + units_of(b.len))
                    .for_each(|u| assert!(units.remove(&u).is_some()));
            }
            !gone(b)
        });
    }
}

/// The same state, but for the place where the next allocation begins to look.
fn assert_same(a: &Allocator, b: &Allocator) {
    assert_eq!(a.end, b.end);
    assert_eq!(a.owned, b.owned);
    assert_eq!(a.free, b.free);
    assert_eq!(a.used_units, b.used_units);
    let spaces = |a: &Allocator| -> Vec<_> {
        a.spaces
            .iter()
            .map(|(id, s)| (*id, s.extents, s.holes.clone()))
            .collect()
    };
    assert_eq!(spaces(a), spaces(b));
}

fn assert_agrees(a: &Allocator, model: &Model) {
    assert_eq!(a.used_units(), model.units.len() as u64);
    for (no, e) in &a.owned {
        for bit in 0..128 {
            let owner = model.units.get(&(no * EXTENT_UNITS + bit));
            assert_eq!(owner, (e.used >> bit & 1 == 1).then_some(&e.space));
        }
    }
    let rows = allocated(&a.map_without(&[], &[])).unwrap();
    let units = rows.iter().flat_map(|row| {
        (row.addr.0..row.addr.0 + u64::from(row.units)).map(|unit| (unit, row.space))
    });
    assert_eq!(units.collect::<BTreeMap<_, _>>(), model.units);
    let free_extents: u64 = a.free.values().sum();
    assert_eq!(free_extents + a.owned.len() as u64, a.end);
    assert_eq!(a.rejected_frees(), 0);

    // In pieces, and into what lies behind the last extent.
    let len = a.end_units() + 5;
    let (mut free, mut from) = (Vec::new(), Some(PageAddr(0)));
    while let Some(at) = from {
        let mut runs = FreeRuns::new(at, 37 * u64::from(UNIT), len * u64::from(UNIT));
        while let Some((start, units)) = runs.next(a) {
            free.extend(start..start + units);
        }
        from = runs.goes_on();
    }
    assert!(
        free.into_iter()
            .eq((0..len).filter(|unit| !model.units.contains_key(unit)))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_model_that_keeps_one_owner_per_unit(ops in ops()) {
        let mut a = Allocator::default();
        let mut model = Model::default();
        for op in ops {
            match op {
                Op::Allocate { space, len } => {
                    let space = SpaceId(space);
                    let lowest = a.packing.is_some().then(|| model.lowest(&a, space, len));
                    let addr = a.allocate(space, len).unwrap();
                    prop_assert!(lowest.is_none_or(|lowest| lowest == addr), "packing: {:?}, not {:?}", addr, lowest);
                    for unit in addr.0..addr.0 + units_of(len) {
                        prop_assert!(unit < a.end_units());
                        prop_assert_eq!(model.units.insert(unit, space), None, "given out twice");
                    }
                    prop_assert!(a.is_allocated(Some(space), addr, len));
                    model.blocks.push(Freed { space, addr, len });
                }
                Op::Free { nth } if !model.blocks.is_empty() => {
                    let freed = model.blocks[nth % model.blocks.len()];
                    let map = a.map_without(&[freed], &[]);
                    a.free(&[freed]);
                    assert_same(&a, &Allocator::decode(&map).unwrap());
                    model.forget(|b| *b == freed);
                }
                Op::Free { .. } => {}
                Op::FreeMany { from, step } => {
                    let from = from % (model.blocks.len() + 1);
                    let freed: Vec<Freed> = model.blocks.iter().skip(from).step_by(step).copied().collect();
                    a.free(&freed);
                    model.forget(|b| freed.contains(b));
                }
                Op::Drop { space } => {
                    let space = SpaceId(space);
                    let map = a.map_without(&[], &[space]);
                    a.drop_space(space);
                    assert_same(&a, &Allocator::decode(&map).unwrap());
                    model.forget(|b| b.space == space);
                }
                Op::Pack(low) => a.pack(low),
                Op::Trim => {
                    let end = a.trim();
                    let last = model.units.last_key_value().map_or(0, |(unit, _)| unit + 1);
                    prop_assert_eq!(end, last.next_multiple_of(EXTENT_UNITS));
                }
                Op::Reopen => {
                    let mut map = a.map_without(&[], &[]);
                    map.extend_from_slice(&[0; 40]);
                    let restored = Allocator::decode(&map).unwrap();
                    assert_same(&a, &restored);
                    a = restored;
                }
            }
            assert_agrees(&a, &model);
        }
        for space in 0..4 {
            a.drop_space(SpaceId(space));
        }
        prop_assert_eq!((a.trim(), a.used_units(), a.free_units()), (0, 0, 0));
    }

    #[test]
    fn foreign_bytes_are_refused_or_are_a_map(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(a) = Allocator::decode(&bytes) {
            prop_assert!(a.owned.len() <= bytes.len() && a.spaces.len() <= bytes.len());
            assert_same(&a, &Allocator::decode(&a.encode()).unwrap());
        }
    }

    #[test]
    fn a_map_with_one_byte_changed_never_panics(ops in ops(), at in any::<usize>(), xor in 1u8..) {
        let mut a = Allocator::default();
        for op in ops {
            if let Op::Allocate { space, len } = op {
                a.allocate(SpaceId(space), len).unwrap();
            }
        }
        let mut map = a.encode();
        let at = at % map.len();
        map[at] ^= xor;
        if let Ok(changed) = Allocator::decode(&map) {
            prop_assert!(changed.used_units() <= changed.end_units());
            assert_same(&changed, &Allocator::decode(&changed.encode()).unwrap());
        }
        // Cut anywhere, it is refused: nothing in it is optional.
        map[at] ^= xor;
        prop_assert!(Allocator::decode(&map[..at]).is_err());
    }

    #[test]
    fn fits_are_where_a_slow_search_finds_them(free in any::<u128>(), more in any::<u128>(), from in 0u32..=128, want in 1u32..=128) {
        let free = free | more;
        let is_hole = |at: u32| (at..at + want).all(|bit| free >> bit & 1 == 1);
        let slow = (from..128).filter(|at| at + want <= 128).find(|at| is_hole(*at));
        prop_assert_eq!(first_fit(free, from, want), slow);
        let run = longest_run(free);
        prop_assert!(run == 0 || first_fit(free, 0, run).is_some());
        prop_assert!(run >= 128 || first_fit(free, 0, run + 1).is_none());
    }
}

#[test]
fn one_batch_gets_consecutive_places_even_between_spaces() {
    let mut a = Allocator::default();
    let mut last = [None, None];
    for i in 0..200 {
        for space in [0, 1] {
            let len = if i % 9 == 8 { 4096 } else { 8192 };
            let addr = a.allocate(SpaceId(space), len).unwrap();
            if let Some(expected) = last[space as usize]
                && expected % EXTENT_UNITS != 0
                && EXTENT_UNITS - expected % EXTENT_UNITS >= units_of(len)
            {
                assert_eq!(addr.0, expected);
            }
            last[space as usize] = Some(addr.0 + units_of(len));
        }
    }
}

#[test]
fn holes_are_filled_before_the_file_grows() {
    let mut a = Allocator::default();
    let space = SpaceId(3);
    let pages: Vec<PageAddr> = (0..640).map(|_| a.allocate(space, 8192).unwrap()).collect();
    let end = a.end_units();
    let every_third: Vec<Freed> = pages
        .iter()
        .step_by(3)
        .map(|addr| Freed {
            space,
            addr: *addr,
            len: 8192,
        })
        .collect();
    a.free(&every_third);
    for _ in &every_third {
        a.allocate(space, 8192).unwrap();
    }
    assert_eq!((a.end_units(), a.free_units()), (end, 0));
}

#[test]
fn a_place_that_is_not_ones_own_is_not_freed() {
    let mut a = Allocator::default();
    let addr = a.allocate(SpaceId(1), 8192).unwrap();
    let used = a.used_units();
    a.free(&[Freed {
        space: SpaceId(2),
        addr,
        len: 8192,
    }]);
    a.free(&[Freed {
        space: SpaceId(1),
        addr,
        len: 12288,
    }]);
    a.free(&[Freed {
        space: SpaceId(1),
        addr: PageAddr(u64::MAX),
        len: 8192,
    }]);
    assert_eq!((a.used_units(), a.rejected_frees()), (used, 3));
    a.free(&[Freed {
        space: SpaceId(1),
        addr,
        len: 8192,
    }]);
    a.free(&[Freed {
        space: SpaceId(1),
        addr,
        len: 8192,
    }]);
    assert_eq!((a.used_units(), a.rejected_frees()), (0, 4));
}

#[test]
fn a_map_cannot_claim_more_than_a_file_can_hold() {
    let mut map = vec![MAP_VERSION];
    put_varint(&mut map, MAX_EXTENTS + 1);
    put_varint(&mut map, 0);
    assert!(matches!(
        Allocator::decode(&map),
        Err(EngineError::InvalidMap { .. })
    ));
    // A huge count of spaces or extents is not believed before the bytes are there.
    let mut map = vec![MAP_VERSION, 10];
    put_varint(&mut map, u64::MAX);
    assert!(Allocator::decode(&map).is_err());
}

#[test]
fn map_bytes_are_as_published() {
    let mut a = Allocator::default();
    a.allocate(SpaceId(5), 512 * 1024).unwrap();
    a.allocate(SpaceId(300), 8192).unwrap();
    a.allocate(SpaceId(5), 4096).unwrap();
    let mut expected = vec![1, 3, 2, 5, 2, 1, 2];
    expected.extend_from_slice(&1u128.to_le_bytes());
    expected.extend_from_slice(&[0xac, 0x02, 1, 2]);
    expected.extend_from_slice(&3u128.to_le_bytes());
    assert_eq!(a.encode(), expected);
}

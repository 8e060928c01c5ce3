#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::{Engine, Freed, MemoryEngine, PageAddr, SegmentNo, SpaceId};

const SIZES: SegmentSizes = SegmentSizes {
    first: 16_384,
    max: 65_536,
    keep: 0,
};
const SPACE: SpaceId = SpaceId(1);

fn block(fill: u8) -> Vec<u8> {
    vec![fill; 8192]
}

/// A workload with every kind of operation. Tells each acknowledged fact as it becomes durable.
fn workload(e: &dyn Engine, mut durable: impl FnMut(Fact)) -> Result<(), EngineError> {
    let (log, _) = e.log_create(16_384)?;
    durable(Fact::Segment(log));
    for i in 1..4u8 {
        e.log_write(log, u64::from(i - 1) * 4096, &vec![i; 4096])?;
        e.log_sync(log)?;
        durable(Fact::Record(log, u64::from(i - 1) * 4096, i));
        let addr = e.allocate(SPACE, 8192)?;
        let next = e.allocate(SPACE, 8192)?;
        let far = e.allocate(SpaceId(2), 8192)?;
        e.write_pages(&[
            (addr, &block(i)),
            (next, &block(i + 100)),
            (far, &block(i + 50)),
        ])?;
        e.sync_pages()?;
        durable(Fact::Page(addr, i));
        durable(Fact::Page(next, i + 100));
        durable(Fact::Page(far, i + 50));
        e.install_root(&[i; 5000])?;
        durable(Fact::Root(i));
    }
    let (second, _) = e.log_create(16_384)?;
    e.log_write(second, 0, &[9; 100])?;
    e.log_release(second, true)?;
    durable(Fact::Wiped(second));
    e.trim()
}

#[derive(Clone, Debug)]
enum Fact {
    Segment(SegmentNo),
    Record(SegmentNo, u64, u8),
    Page(PageAddr, u8),
    Root(u8),
    Wiped(SegmentNo),
}

fn assert_holds(e: &dyn Engine, fact: &Fact, newest_root: u8) {
    match fact {
        Fact::Segment(no) => assert!(e.log_segments().unwrap().iter().any(|(n, _)| n == no)),
        Fact::Record(no, at, fill) => {
            assert_eq!(e.log_read(*no, *at, 4096).unwrap(), vec![*fill; 4096])
        }
        Fact::Page(addr, fill) => {
            assert_eq!(e.read_page_blocking(*addr, 8192).unwrap(), block(*fill))
        }
        // The newest acknowledged root is whole in its slot; the other one may be torn by the next.
        Fact::Root(i) if *i == newest_root => {
            assert!(e.read_roots().unwrap().contains(&Some(vec![*i; 5000])));
        }
        Fact::Root(_) => {}
        // Trim may have removed it since.
        Fact::Wiped(no) => {
            if let Some((_, capacity)) = e.log_segments().unwrap().iter().find(|(n, _)| n == no) {
                assert!(
                    e.log_read(*no, 0, *capacity as u32)
                        .unwrap()
                        .iter()
                        .all(|b| *b == 0)
                );
            }
        }
    }
}

fn assert_all_hold(image: Image, facts: &[Fact]) {
    let reopened = MemoryEngine::from_image(image, SIZES);
    let newest = facts
        .iter()
        .filter_map(|f| {
            if let Fact::Root(i) = f {
                Some(*i)
            } else {
                None
            }
        })
        .max();
    facts
        .iter()
        .for_each(|fact| assert_holds(&reopened, fact, newest.unwrap_or(0)));
}

fn total() -> u64 {
    let e = CrashEngine::new(SIZES);
    workload(&e, |_| ()).unwrap();
    e.operations()
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_every_operation() {
    let total = total();
    assert!(total > 25, "{total}");
    for k in 1..=total {
        let e = CrashEngine::new(SIZES);
        e.crash_at(k);
        let mut facts = Vec::new();
        let ended = workload(&e, |fact| facts.push(fact));
        assert!(matches!(ended, Err(EngineError::Crashed)), "{k}: {ended:?}");
        assert_eq!((e.crashed(), e.operations()), (true, k));
        assert!(matches!(e.sync_pages(), Err(EngineError::Crashed)));
        assert!(matches!(e.read_roots(), Err(EngineError::Crashed)));
        assert!(matches!(e.allocate(SPACE, 1), Err(EngineError::Crashed)));
        assert_eq!(e.operations(), k);
        assert_all_hold(e.survivor(Survival::Nothing), &facts);
        assert_all_hold(e.survivor(Survival::Everything), &facts);
        for seed in 0..40 {
            assert_all_hold(e.survivor(Survival::Seeded(seed)), &facts);
        }
    }
}

#[test]
fn a_recorded_run_yields_a_survivor_of_every_prefix() {
    let e = CrashEngine::recording(Image::new(), SIZES);
    let mut facts = Vec::new();
    let at = |e: &CrashEngine| e.operations();
    workload(&e, |fact| facts.push((at(&e), fact))).unwrap();
    let history = e.history();
    assert_eq!(history.len(), total());
    for seed in 0..20 {
        for (k, image) in history.survivors(seed) {
            let acknowledged: Vec<Fact> = facts
                .iter()
                .filter(|(at, _)| *at < k)
                .map(|(_, f)| f.clone())
                .collect();
            assert_all_hold(image, &acknowledged);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_survivor() {
    let survivor = |seed| {
        let e = CrashEngine::new(SIZES);
        e.crash_at(9);
        drop(workload(&e, |_| ()));
        e.survivor(Survival::Seeded(seed))
    };
    assert!((0..20).all(|seed| survivor(seed) == survivor(seed)));
}

/// Three unsynced log writes: over many seeds every kind of damage that the module promises is seen.
#[test]
fn unsynced_writes_are_kept_lost_torn_and_reordered() {
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let e = CrashEngine::new(SIZES);
        let (log, _) = e.log_create(16_384).unwrap();
        for i in 0..3u8 {
            e.log_write(log, u64::from(i) * 4096, &[i + 1; 4096])
                .unwrap();
        }
        e.crash();
        let image = e.survivor(Survival::Seeded(seed));
        let bytes = image.logs.get(&log).unwrap().read(0, 12_288).unwrap();
        let state: Vec<&str> = (0..3)
            .map(|i| {
                let unit = &bytes[i * 4096..(i + 1) * 4096];
                let new = unit
                    .chunks(512)
                    .filter(|s| s.iter().all(|b| *b == i as u8 + 1))
                    .count();
                let old = unit
                    .chunks(512)
                    .filter(|s| s.iter().all(|b| *b == 0))
                    .count();
                assert_eq!(new + old, 8, "a sector is old or new");
                match new {
                    0 => "lost",
                    8 => "kept",
                    _ => "torn",
                }
            })
            .collect();
        seen.insert(state.concat());
    }
    for wanted in [
        "lostlostlost",
        "keptkeptkept",
        "keptlostlost",
        "lostlostkept",
        "keptkepttorn",
        "lostkeptlost",
    ] {
        assert!(seen.contains(wanted), "{wanted} never seen in {seen:?}");
    }
}

#[test]
fn a_sync_covers_its_own_file_only() {
    let e = CrashEngine::new(SIZES);
    let (log, _) = e.log_create(4096).unwrap();
    let addr = e.allocate(SPACE, 8192).unwrap();
    e.write_pages(&[(addr, &block(7))]).unwrap();
    e.log_write(log, 0, b"record").unwrap();
    e.log_sync(log).unwrap();
    e.install_root(b"root").unwrap();
    let left = MemoryEngine::from_image(e.survivor(Survival::Nothing), SIZES);
    assert!(matches!(
        left.read_page_blocking(addr, 8192),
        Err(EngineError::Truncated { .. })
    ));
    assert_eq!(left.log_read(log, 0, 6).unwrap(), b"record");
    assert_eq!(left.read_roots().unwrap()[0].as_deref(), Some(&b"root"[..]));
}

#[test]
fn a_crash_while_a_segment_is_made_leaves_it_whole_or_not_at_all() {
    let mut lengths = BTreeSet::new();
    for k in 1..=2 {
        for seed in 0..30 {
            let e = CrashEngine::new(SIZES);
            e.crash_at(k);
            assert!(e.log_create(4096).is_err());
            let left = MemoryEngine::from_image(e.survivor(Survival::Seeded(seed)), SIZES);
            lengths.insert(
                left.log_segments()
                    .unwrap()
                    .first()
                    .map(|(_, capacity)| *capacity),
            );
        }
    }
    assert_eq!(lengths, BTreeSet::from([None, Some(16_384)]));
}

#[test]
fn a_survivor_crashes_again() {
    let e = CrashEngine::new(SIZES);
    let addr = e.allocate(SPACE, 8192).unwrap();
    e.write_pages(&[(addr, &block(1))]).unwrap();
    let map = e.allocation_map(&[], &[]);
    e.sync_pages().unwrap();
    e.crash();
    let again = CrashEngine::from_image(e.survivor(Survival::Nothing), SIZES);
    again.restore_allocation_map(&map).unwrap();
    again
        .zero_pages(&[Freed {
            space: SPACE,
            addr,
            len: 8192,
        }])
        .unwrap();
    assert_eq!(again.last_operation(), "write pages, 2 units");
    let lost = MemoryEngine::from_image(again.survivor(Survival::Nothing), SIZES);
    let kept = MemoryEngine::from_image(again.survivor(Survival::Everything), SIZES);
    assert_eq!(lost.read_page_blocking(addr, 8192).unwrap(), block(1));
    assert_eq!(kept.read_page_blocking(addr, 8192).unwrap(), block(0));
}

#[test]
fn the_next_process_sees_what_was_written_and_the_power_may_still_take_it() {
    let first = CrashEngine::new(SIZES);
    let (log, _) = first.log_create(16_384).unwrap();
    first.log_write(log, 0, &[1; 4096]).unwrap();
    first.log_sync(log).unwrap();
    first.log_write(log, 4096, &[2; 4096]).unwrap();
    let second = first.next_process(SIZES);
    assert_eq!(second.log_read(log, 4096, 4096).unwrap(), vec![2; 4096]);
    let record = |engine: &CrashEngine, at: u64| {
        let image = engine.survivor(Survival::Nothing);
        let found = MemoryEngine::from_image(image, SIZES);
        found.log_read(log, at, 4096).unwrap()[0]
    };
    assert_eq!((record(&second, 0), record(&second, 4096)), (1, 0));
    second.log_sync(log).unwrap();
    assert_eq!((record(&second, 0), record(&second, 4096)), (1, 2));
    // Killed at a write: it was not begun, and no later sync brings it.
    second.crash_at(second.operations() + 1);
    second.log_write(log, 8192, &[3; 4096]).unwrap_err();
    second.crash_at(second.operations() + 5);
    let third = second.next_process(SIZES);
    third.log_sync(log).unwrap();
    assert_eq!((record(&third, 4096), record(&third, 8192)), (2, 0));
}

#[test]
fn the_next_process_makes_roots_and_names_durable_before_it_builds_on_them() {
    let first = CrashEngine::new(SIZES);
    first.install_root(&[1; 100]).unwrap();
    // Killed between the name of a segment and the sync of the directory.
    let named = first.operations() + 1;
    first.crash_at(named + 1);
    first.log_create(16_384).unwrap_err();
    let second = first.next_process(SIZES);
    let (no, _) = second.log_segments().unwrap()[0];
    second.set_live_root_slot(0);
    // Killed between a root and its sync.
    second.crash_at(second.operations() + 2);
    second.install_root(&[2; 100]).unwrap_err();
    let third = second.next_process(SIZES);
    let left = MemoryEngine::from_image(third.survivor(Survival::Nothing), SIZES);
    assert_eq!(left.log_segments().unwrap()[0].0, no);
    let roots = left.read_roots().unwrap();
    assert!(roots.contains(&Some(vec![2; 100])), "{roots:?}");
}

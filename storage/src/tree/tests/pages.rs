//! Pages: hostile bytes, changed blocks, sizes at the limits, eviction, filling.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use sealdb_engine::{Engine, MemoryEngine};

use super::super::io::fuzz_page;
use super::super::leaf::{Deal, Frame, Leaf, NewValue};
use super::super::{MAX_KEY, MAX_VALUE, Need, PageCache, Retired, Tree, TreeError, decode};
use super::model::Dice;
use super::{get, io, put, remove, world};

fn random_key(dice: &mut Dice) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&dice.next().to_be_bytes());
    key[8..].copy_from_slice(&dice.next().to_be_bytes());
    key
}

proptest! {
    #[test]
    fn a_leaf_is_what_was_put_in(
        ops in prop::collection::vec(
            (prop::collection::vec(0u8..3, 0..9), prop::option::of(prop::collection::vec(any::<u8>(), 0..60))),
            1..120,
        )
    ) {
        let frame = Frame { len: 1024, head: 36, tail: 16 };
        let mut leaf = Leaf::empty(frame);
        let mut map = std::collections::BTreeMap::new();
        for (key, value) in ops {
            let found = leaf.search(&key);
            prop_assert_eq!(found.is_ok(), map.contains_key(&key));
            match (found, value) {
                (Ok(i), None) => {
                    leaf.remove(i);
                    map.remove(&key);
                }
                (Err(_), None) => {}
                (Ok(i), Some(value)) => {
                    if leaf.replace(i, &key, &NewValue::Inline(&value)).is_ok() {
                        map.insert(key, value);
                    }
                }
                (Err(i), Some(value)) => {
                    if leaf.insert(i, &key, &NewValue::Inline(&value)).is_ok() {
                        map.insert(key, value);
                    }
                }
            }
        }
        if map.is_empty() {
            return Ok(());
        }
        let check = |leaf: &Leaf| {
            let mut pairs = Vec::new();
            for i in 0..leaf.len() {
                let mut key = Vec::new();
                leaf.key_into(i, &mut key);
                let NewValue::Inline(value) = leaf.new_value(i) else { panic!("inline") };
                pairs.push((key, value.to_vec()));
            }
            assert!(pairs.iter().eq(map.clone().into_iter().collect::<Vec<_>>().iter()));
        };
        check(&leaf);
        let mut block = vec![0; frame.len];
        leaf.encode(&mut block[frame.head..frame.len - frame.tail], |_| None).unwrap();
        let again = decode::leaf(block.into(), frame, MAX_KEY).map_err(TestCaseError::fail)?;
        prop_assert_eq!(again.used(), leaf.used());
        check(&again);
        let mut deal = Deal::default();
        deal.push_leaf(&leaf, 0..leaf.len());
        let ends = deal.ends(frame.plain(), 2);
        let mut start = 0;
        for end in ends {
            let part = deal.build(start..end, frame);
            prop_assert_eq!(part.len(), end - start);
            start = end;
        }
        prop_assert_eq!(start, leaf.len());
    }

    #[test]
    fn pages_of_noise_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz_page(&bytes);
    }
}

/// Every page of a small tree, with single bytes changed: either refused or still consistent, never a panic.
#[test]
fn changed_pages_are_refused_or_consistent() {
    let io = io(1 << 20);
    let (mut tree, mut retired) = (Tree::empty(), Retired::new());
    let mut dice = Dice(1);
    for i in 0..700u32 {
        let key = if i % 2 == 0 {
            i.to_be_bytes().to_vec()
        } else {
            random_key(&mut dice).to_vec()
        };
        let len = if i % 50 == 0 { 3000 } else { 60 };
        put(&mut tree, &io, &key, &vec![i as u8; len], &mut retired);
    }
    tree.flush(&io, &mut |_| {}).unwrap();
    let mut pointers = Vec::new();
    tree.verify(&io, &mut |ptr, _| pointers.extend(ptr))
        .unwrap();
    let mut pages = 0;
    for ptr in pointers.iter().filter(|ptr| ptr.level < 2) {
        let mut block = io.engine.read_page_blocking(ptr.addr, ptr.len).unwrap();
        io.sealer
            .open(ptr.kind(), None, &mut block, Some(&ptr.tag))
            .unwrap();
        let plain = &block[io.sealer.head_len()..block.len() - io.sealer.tail_len()];
        let mut input = vec![ptr.level];
        input.extend_from_slice(plain);
        fuzz_page(&input);
        for _ in 0..300 {
            // Mostly among the counts, offsets and lengths.
            let at = if dice.chance(70) {
                1 + dice.below(200)
            } else {
                1 + dice.below(plain.len())
            };
            let before = input[at];
            input[at] = if dice.chance(50) {
                before ^ (1 << dice.below(8))
            } else {
                dice.next() as u8
            };
            fuzz_page(&input);
            if dice.chance(80) {
                input[at] = before;
            }
        }
        pages += 1;
    }
    assert!(pages > 5);
}

#[test]
fn a_changed_block_is_corrupt_and_named() {
    let engine = Arc::new(MemoryEngine::new());
    let io = world(engine.clone(), PageCache::new(1 << 20));
    let (mut tree, mut retired) = (Tree::empty(), Retired::new());
    for i in 0..200u32 {
        put(&mut tree, &io, &i.to_be_bytes(), &[1; 100], &mut retired);
    }
    put(&mut tree, &io, b"large", &[2; 5000], &mut retired);
    let root = tree.flush(&io, &mut |_| {}).unwrap();
    let mut pointers = Vec::new();
    tree.verify(&io, &mut |ptr, _| pointers.extend(ptr))
        .unwrap();
    assert!(pointers.len() > 4);
    for ptr in &pointers {
        let good = engine.read_page_blocking(ptr.addr, ptr.len).unwrap();
        let other = pointers
            .iter()
            .find(|other| other.len == ptr.len && *other != ptr);
        let mut bad = vec![good.clone(); 4];
        for (i, at) in [(0, 0), (1, good.len() / 2), (2, good.len() - 1)] {
            bad[i][at] ^= 1;
        }
        // A block that is good in itself, but another.
        match other {
            Some(other) => bad[3] = engine.read_page_blocking(other.addr, other.len).unwrap(),
            None => drop(bad.pop()),
        }
        for block in bad {
            engine.write_pages(&[(ptr.addr, &block)]).unwrap();
            match Tree::open(root).verify(&io, &mut |_, _| {}) {
                Err(TreeError::Corrupt { ptr: named, .. }) => assert_eq!(named, *ptr),
                other => panic!("a changed block passes: {other:?}"),
            }
        }
        engine.write_pages(&[(ptr.addr, &good)]).unwrap();
    }
    assert_eq!(
        Tree::open(root)
            .verify(&io, &mut |_, _| {})
            .unwrap()
            .entries,
        201
    );
}

#[test]
fn the_longest_keys_and_values_fit() {
    let io = io(8 << 20);
    let (mut tree, mut retired) = (Tree::empty(), Retired::new());
    let mut keys = Vec::new();
    for group in 0..20u8 {
        for i in 0..20u8 {
            // Long separators that share nothing with those of other groups, and all but the last byte within.
            let mut key = vec![group.wrapping_mul(37); MAX_KEY];
            key[MAX_KEY - 1] = i;
            put(&mut tree, &io, &key, &vec![i; 2048], &mut retired);
            keys.push(key);
        }
    }
    put(
        &mut tree,
        &io,
        b"largest",
        &vec![3; MAX_VALUE],
        &mut retired,
    );
    let ptr = tree.flush(&io, &mut |_| {}).unwrap();
    let tree = Tree::open(ptr);
    let mut longer = 0;
    let mut few = 0;
    let report = tree
        .verify(&io, &mut |ptr, children| {
            let ptr = ptr.unwrap();
            if (1..=63).contains(&ptr.level) {
                longer += usize::from(ptr.len > 4096);
                few += usize::from(children < 4);
            }
        })
        .unwrap();
    assert_eq!(report.entries, 401);
    assert!(longer > 0, "no inner page needed more than its class size");
    assert!(report.height <= 5, "{report:?}");
    assert!(
        few <= 1 + report.inner as usize / 10,
        "{few} of {} inner pages are small",
        report.inner
    );
    for key in &keys {
        assert_eq!(get(&tree, &io, key).unwrap(), vec![key[MAX_KEY - 1]; 2048]);
    }
    assert_eq!(get(&tree, &io, b"largest").unwrap().len(), MAX_VALUE);
    let (mut tree, mut retired) = (tree, Retired::new());
    let too_long = tree.put(&io, &[0; MAX_KEY + 1], b"", &mut retired);
    assert!(matches!(
        too_long,
        Err(Need::Fail(TreeError::KeyTooLong { .. }))
    ));
    let too_long = tree.put(&io, b"k", &vec![0; MAX_VALUE + 1], &mut retired);
    assert!(matches!(
        too_long,
        Err(Need::Fail(TreeError::ValueTooLong { .. }))
    ));
    assert!(retired.is_empty());
}

#[test]
fn pages_do_not_stay_near_empty() {
    for len in [20, 300, 1000] {
        let io = io(256 << 10);
        let (mut tree, mut retired) = (Tree::empty(), Retired::new());
        let mut dice = Dice(len as u64);
        let mut keys: Vec<_> = (0..30_000_000 / (len + 1000))
            .map(|_| random_key(&mut dice))
            .collect();
        for key in &keys {
            put(&mut tree, &io, key, &vec![7; len], &mut retired);
            if dice.below(2000) == 0 {
                tree.flush(&io, &mut |_| {}).unwrap();
            }
        }
        let before = tree.verify(&io, &mut |_, _| {}).unwrap();
        for i in (1..keys.len()).rev() {
            keys.swap(i, dice.below(i + 1));
        }
        let rest = keys.len() / 10;
        for key in &keys[rest..] {
            assert!(remove(&mut tree, &io, key, &mut retired).is_some());
            if dice.below(2000) == 0 {
                tree.flush(&io, &mut |_| {}).unwrap();
            }
        }
        let after = tree.verify(&io, &mut |_, _| {}).unwrap();
        assert_eq!(after.entries, rest as u64);
        let pages = |report: &super::super::TreeReport| (report.leaves + report.inner) as f64;
        let part = pages(&after) / pages(&before);
        assert!(
            part < 0.2,
            "{part:.3} of the pages are left: {before:?} {after:?}"
        );
        for key in &keys[..rest] {
            assert!(remove(&mut tree, &io, key, &mut retired).is_some());
        }
        assert!(tree.is_empty());
    }
}

#[test]
fn ascending_inserts_fill_their_leaves() {
    let io = io(8 << 20);
    let (mut tree, mut retired) = (Tree::empty(), Retired::new());
    for i in 0..20_000u64 {
        put(&mut tree, &io, &i.to_be_bytes(), &[5; 90], &mut retired);
    }
    let report = tree.verify(&io, &mut |_, _| {}).unwrap();
    let fill = report.leaf_used as f64 / report.leaf_capacity as f64;
    assert!(fill > 0.95, "{fill:.3}");
}

#[test]
fn random_inserts_fill_their_leaves() {
    let io = io(64 << 20);
    let (mut tree, mut retired) = (Tree::empty(), Retired::new());
    let mut dice = Dice(3);
    let n = 20_000;
    for _ in 0..n {
        put(
            &mut tree,
            &io,
            &random_key(&mut dice),
            &[5; 1024],
            &mut retired,
        );
    }
    let report = tree.verify(&io, &mut |_, _| {}).unwrap();
    let ratio = report.disk_bytes as f64 / (report.key_bytes + report.value_bytes) as f64;
    assert!(
        ratio < 1.6,
        "{ratio:.3} bytes on disk per byte of items of 1 KiB"
    );
}

#[test]
fn the_cache_keeps_to_its_budget_and_to_what_is_used() {
    let io = io(4 << 20);
    let (mut tree, mut retired) = (Tree::empty(), Retired::new());
    let mut dice = Dice(4);
    let keys: Vec<_> = (0..40_000).map(|_| random_key(&mut dice)).collect();
    for key in &keys {
        put(&mut tree, &io, key, &[1; 400], &mut retired);
        if io.cache.dirty_bytes() > 1 << 20 {
            tree.flush(&io, &mut |_| {}).unwrap();
        }
        assert!(io.cache.clean_bytes() + io.cache.dirty_bytes() < (4 << 20) + (300 << 10));
    }
    let ptr = tree.flush(&io, &mut |_| {}).unwrap();
    // A few keys in use, while a scan over everything passes by several times.
    let hot = &keys[..100];
    let tree2 = Tree::open(ptr);
    drop(tree);
    let touch = |expect_loads: bool| {
        let before = io.cache.stats().misses;
        for key in hot {
            assert!(get(&tree2, &io, key).is_some());
        }
        let loads = io.cache.stats().misses - before;
        assert!(
            expect_loads || loads < 10,
            "a scan displaced {loads} of 100 pages in use"
        );
    };
    touch(true);
    touch(false);
    for _ in 0..2 {
        use std::ops::Bound::Unbounded;
        let mut cursor = tree2.cursor(Unbounded, Unbounded, false).scanning();
        let hint = cursor.hint();
        let mut seen = 0;
        loop {
            match cursor.next(&io) {
                Ok(Some(_)) => seen += 1,
                Ok(None) => break,
                Err(Need::Load(cell)) => io.load_blocking_for(&cell, hint).unwrap(),
                Err(Need::Fail(error)) => panic!("{error}"),
            }
            if seen % 4000 == 0 {
                touch(false);
            }
        }
        assert_eq!(seen, keys.len());
    }
    touch(false);
    drop(tree2);
    assert_eq!(
        io.cache.clean_bytes(),
        0,
        "a dropped tree leaves pages behind"
    );
}

#[test]
fn readers_and_a_checkpoint_run_beside_a_writer() {
    let io = io(2 << 20);
    let published = parking_lot::Mutex::new(Tree::empty());
    let stop = AtomicBool::new(false);
    let n = 3000u32;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // Value = round of the writer; within one version all keys written so far have the same or the one before.
                while !stop.load(Ordering::Relaxed) {
                    let tree = published.lock().clone();
                    let mut rounds = std::collections::BTreeSet::new();
                    for i in (0..n).step_by(17) {
                        if let Some(value) = get(&tree, &io, &i.to_be_bytes()) {
                            rounds.insert(value[0]);
                        }
                    }
                    assert!(rounds.len() <= 1, "half a group is visible: {rounds:?}");
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let tree = published.lock().clone();
                tree.flush(&io, &mut |_| std::thread::yield_now()).unwrap();
            }
        });
        let (mut tree, mut retired) = (Tree::empty(), Retired::new());
        for round in 0..12u8 {
            for i in 0..n {
                put(
                    &mut tree,
                    &io,
                    &i.to_be_bytes(),
                    &[round; 150],
                    &mut retired,
                );
            }
            *published.lock() = tree.clone();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let tree = published.into_inner();
    tree.flush(&io, &mut |_| {}).unwrap();
    assert_eq!(
        tree.verify(&io, &mut |_, _| {}).unwrap().entries,
        u64::from(n)
    );
}

//! Clauses about pages and their places.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Clause, block_on, freed, get, misuse, pattern, put};
use crate::{Engine, EngineError, MAX_PAGE_LEN, PageAddr, SpaceId, UNIT};

pub(super) const CLAUSES: &[Clause] = &[
    ("blocks of any length come back", any_length),
    (
        "a block is visible before it is synced, and may be written again",
        visible_and_rewritten,
    ),
    ("a batch may come in any order", any_order),
    ("what is behind a block in its last unit is zero", padded),
    (
        "places do not overlap and one batch gets neighbours",
        places,
    ),
    (
        "lengths and places outside the contract are misuse",
        outside,
    ),
    (
        "bytes beyond the end are an error, not zeros",
        beyond_the_end,
    ),
    ("a freed place is given out again", freed_again),
    (
        "a free that is not one's own is left alone and counted",
        foreign_free,
    ),
    ("a dropped space comes back whole", dropped),
    ("trim cuts the file and touches no allocated place", trimmed),
    ("zeroed places read as zeros", zeroed),
    (
        "what is free is zeroed, wherever it lies, and nothing else",
        free_zeroed,
    ),
    (
        "the allocation map tells the future and changes nothing",
        map_of_the_future,
    ),
    ("foreign bytes are no allocation map", foreign_map),
    ("a restored map is the same map", restored),
    ("counters count", counters),
    ("threads may do all this at once", threads),
];

const A: SpaceId = SpaceId(1);
const B: SpaceId = SpaceId(u64::MAX);
const LEAF: usize = 8192;

fn any_length(e: Arc<dyn Engine>) {
    let lengths = [1, 4095, 4096, 4097, LEAF, 70_000, 524_288, 524_289, 3 << 20];
    let blocks: Vec<(PageAddr, Vec<u8>)> = (0u64..)
        .zip(lengths)
        .map(|(seed, len)| {
            let bytes = pattern(seed, len);
            (put(&*e, A, &bytes), bytes)
        })
        .collect();
    e.sync_pages().expect("pages are synced");
    for (addr, bytes) in &blocks {
        assert!(
            get(&*e, *addr, bytes.len()) == *bytes,
            "a block of {} bytes",
            bytes.len()
        );
        assert!(
            get(&*e, *addr, bytes.len() / 2) == bytes[..bytes.len() / 2],
            "the front of a block"
        );
    }
    assert!(get(&*e, blocks[0].0, 0).is_empty());
}

fn visible_and_rewritten(e: Arc<dyn Engine>) {
    let (first, second) = (pattern(1, LEAF), pattern(2, LEAF));
    let addr = put(&*e, A, &first);
    assert_eq!(get(&*e, addr, LEAF), first);
    e.write_pages(&[(addr, &second)])
        .expect("a batch may be given again");
    assert_eq!(get(&*e, addr, LEAF), second);
    e.write_pages(&[]).expect("an empty batch is one");
}

fn any_order(e: Arc<dyn Engine>) {
    let blocks: Vec<Vec<u8>> = (0..300)
        .map(|i| pattern(i, if i % 9 == 0 { 5000 } else { LEAF }))
        .collect();
    let addrs: Vec<PageAddr> = blocks
        .iter()
        .map(|b| e.allocate(A, b.len() as u32).expect("room for a block"))
        .collect();
    let mut batch: Vec<(PageAddr, &[u8])> = addrs
        .iter()
        .copied()
        .zip(blocks.iter().map(Vec::as_slice))
        .collect();
    batch.sort_by_key(|(addr, _)| addr.0.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    e.write_pages(&batch).expect("a batch is written");
    e.sync_pages().expect("pages are synced");
    for (addr, block) in &batch {
        assert!(get(&*e, *addr, block.len()) == *block);
    }
}

fn padded(e: Arc<dyn Engine>) {
    let unit = UNIT as usize;
    let long = pattern(1, 2 * unit);
    let addr = put(&*e, A, &long);
    let short = pattern(2, unit + 10);
    e.write_pages(&[(addr, &short)])
        .expect("a batch may be given again");
    let bytes = get(&*e, addr, 2 * unit);
    assert_eq!(bytes[..unit + 10], short);
    assert!(
        bytes[unit + 10..].iter().all(|b| *b == 0),
        "no bytes of earlier blocks behind a block"
    );
}

fn places(e: Arc<dyn Engine>) {
    let mut taken = BTreeSet::new();
    let mut neighbours = 0;
    let mut last = None;
    for i in 0..400u64 {
        let (space, len) = if i % 2 == 0 {
            (A, LEAF)
        } else {
            (B, 1 + i as usize * 97)
        };
        let addr = e.allocate(space, len as u32).expect("room for a block");
        for unit in 0..(len as u64).div_ceil(u64::from(UNIT)) {
            assert!(taken.insert(addr.0 + unit), "a place is given out once");
        }
        if space == A {
            neighbours += usize::from(last.is_some_and(|l: u64| l + 2 == addr.0));
            last = Some(addr.0);
        }
    }
    assert!(
        neighbours > 180,
        "only {neighbours} of 199 blocks follow the one before"
    );
}

fn outside(e: Arc<dyn Engine>) {
    misuse(e.allocate(A, 0));
    misuse(e.allocate(A, MAX_PAGE_LEN + 1));
    let bytes = pattern(1, LEAF);
    let addr = put(&*e, A, &bytes);
    let free = PageAddr(addr.0 + 1000);
    misuse(e.write_pages(&[(addr, &pattern(2, LEAF)), (free, &bytes)]));
    misuse(e.write_pages(&[(PageAddr(u64::MAX), &bytes)]));
    misuse(e.write_pages(&[(addr, &[])]));
    misuse(e.zero_pages(&[freed(A, free, LEAF)]));
    misuse(e.zero_pages(&[freed(B, addr, LEAF)]));
    misuse(e.read_page_blocking(addr, MAX_PAGE_LEN + 1));
    misuse(block_on(e.read_page(addr, u32::MAX).bytes()));
    assert_eq!(get(&*e, addr, LEAF), bytes, "misuse does nothing");
}

fn beyond_the_end(e: Arc<dyn Engine>) {
    let addr = put(&*e, A, &pattern(1, LEAF));
    for far in [
        PageAddr(addr.0 + 1_000_000),
        PageAddr(1 << 51),
        PageAddr(u64::MAX),
    ] {
        let truncated = |read| matches!(read, Err(EngineError::Truncated { .. }));
        assert!(truncated(e.read_page_blocking(far, 4096)));
        assert!(truncated(block_on(e.read_page(far, 4096).bytes())));
    }
}

fn freed_again(e: Arc<dyn Engine>) {
    let addrs: Vec<PageAddr> = (0..200).map(|i| put(&*e, A, &pattern(i, LEAF))).collect();
    let end = e.stats().page_file_len;
    e.free(
        &addrs
            .iter()
            .map(|addr| freed(A, *addr, LEAF))
            .collect::<Vec<_>>(),
    );
    assert_eq!(e.stats().used_units, 0);
    for i in 0..200 {
        put(&*e, B, &pattern(i, LEAF));
    }
    assert_eq!(
        e.stats().page_file_len,
        end,
        "the file does not grow while there is room"
    );
    assert_eq!((e.stats().used_units, e.stats().rejected_frees), (400, 0));
}

fn foreign_free(e: Arc<dyn Engine>) {
    let bytes = pattern(1, LEAF);
    let addr = put(&*e, A, &bytes);
    e.free(&[
        freed(B, addr, LEAF),
        freed(A, PageAddr(addr.0 + 1), LEAF),
        freed(A, PageAddr(u64::MAX), 1),
    ]);
    assert_eq!((e.stats().rejected_frees, e.stats().used_units), (3, 2));
    e.drop_space(B);
    e.write_pages(&[(addr, &bytes)])
        .expect("the place is still allocated");
}

fn dropped(e: Arc<dyn Engine>) {
    let kept = pattern(7, LEAF);
    let of_b = put(&*e, B, &kept);
    for i in 0..300 {
        put(&*e, A, &pattern(i, LEAF));
    }
    let full = e.stats();
    e.drop_space(A);
    assert_eq!(e.stats().used_units, 2);
    assert_eq!(e.stats().free_units, full.free_units + 600);
    assert_eq!(get(&*e, of_b, LEAF), kept);
    for i in 0..300 {
        put(&*e, SpaceId(9), &pattern(i, LEAF));
    }
    assert_eq!(e.stats().page_file_len, full.page_file_len);
    assert_eq!(get(&*e, of_b, LEAF), kept);
}

fn trimmed(e: Arc<dyn Engine>) {
    let kept = pattern(7, LEAF);
    let of_b = put(&*e, B, &kept);
    for i in 0..600 {
        put(&*e, A, &pattern(i, LEAF));
    }
    let full = e.stats().page_file_len;
    e.drop_space(A);
    e.trim().expect("the file is cut");
    assert!(
        e.stats().page_file_len < full / 4,
        "{} of {full} bytes are left",
        e.stats().page_file_len
    );
    assert_eq!(get(&*e, of_b, LEAF), kept);
    let again = put(&*e, A, &kept);
    assert_eq!(get(&*e, again, LEAF), kept);
    e.sync_pages().expect("pages are synced");
}

fn zeroed(e: Arc<dyn Engine>) {
    let other = pattern(2, LEAF);
    let (first, second) = (put(&*e, A, &pattern(1, 5000)), put(&*e, A, &other));
    e.zero_pages(&[freed(A, first, 5000)])
        .expect("a place is zeroed");
    e.sync_pages().expect("pages are synced");
    assert!(
        get(&*e, first, LEAF).iter().all(|b| *b == 0),
        "the whole last unit too"
    );
    assert_eq!(get(&*e, second, LEAF), other);
    e.free(&[freed(A, first, 5000)]);
    assert_eq!(e.stats().rejected_frees, 0);
}

fn map_of_the_future(e: Arc<dyn Engine>) {
    let first = put(&*e, A, &pattern(1, LEAF));
    put(&*e, A, &pattern(2, LEAF));
    put(&*e, B, &pattern(3, LEAF));
    let (now, used) = (e.allocation_map(&[], &[]), e.stats().used_units);
    let future = e.allocation_map(&[freed(A, first, LEAF)], &[B]);
    assert_eq!(e.allocation_map(&[], &[]), now);
    assert_eq!(e.stats().used_units, used);
    assert_ne!(future, now);
    e.free(&[freed(A, first, LEAF)]);
    e.drop_space(B);
    assert_eq!(e.allocation_map(&[], &[]), future);
}

fn free_zeroed(e: Arc<dyn Engine>) {
    let zero_all = |piece: u64| {
        let (mut from, mut calls) = (Some(PageAddr(0)), 0);
        while let Some(at) = from {
            from = e.zero_free(at, piece).expect("free places are zeroed");
            assert!(from.is_none_or(|next| next > at), "it gets on");
            calls += 1;
        }
        calls
    };
    assert_eq!(zero_all(1), 1, "nothing is free in an empty engine");
    let map = e.allocation_map(&[], &[]);
    // Holes between blocks, a whole space, the end of the file, and what lies behind all that the allocator knows of.
    let blocks: Vec<(SpaceId, PageAddr)> = (0..300)
        .map(|i| {
            (
                SpaceId(1 + i % 2),
                put(&*e, SpaceId(1 + i % 2), &pattern(i, LEAF)),
            )
        })
        .collect();
    let long = put(&*e, SpaceId(3), &pattern(1000, 3 << 20));
    for i in 0..200 {
        put(&*e, SpaceId(4), &pattern(i, LEAF));
    }
    let (kept, gone): (Vec<_>, Vec<_>) = (0u64..).zip(&blocks).partition(|(i, _)| i % 7 < 3);
    let places: Vec<_> = gone
        .iter()
        .map(|(_, (space, addr))| freed(*space, *addr, LEAF))
        .collect();
    e.free(&places);
    e.drop_space(SpaceId(3));
    e.drop_space(SpaceId(4));
    let full = e.stats();
    assert!(zero_all(64 << 10) > 40, "in pieces");
    e.sync_pages().expect("pages are synced");
    for (i, (_, addr)) in &kept {
        assert_eq!(get(&*e, *addr, LEAF), pattern(*i, LEAF));
    }
    for (_, (_, addr)) in &gone {
        assert_eq!(get(&*e, *addr, LEAF), vec![0; LEAF]);
    }
    assert_eq!(get(&*e, long, 3 << 20), vec![0; 3 << 20]);
    assert_eq!(e.stats().used_units, full.used_units);
    assert_eq!(
        e.stats().page_file_len,
        full.page_file_len,
        "the file keeps its length"
    );
    let written = e.stats().page_bytes_written;
    zero_all(1 << 20);
    assert_eq!(
        e.stats().page_bytes_written,
        written,
        "zeros are not written again"
    );

    e.restore_allocation_map(&map).expect("an empty map");
    zero_all(1 << 30);
    for (_, (_, addr)) in &kept {
        assert_eq!(get(&*e, *addr, LEAF), vec![0; LEAF]);
    }
}

fn foreign_map(e: Arc<dyn Engine>) {
    put(&*e, A, &pattern(1, LEAF));
    let map = e.allocation_map(&[], &[]);
    let cut = &map[..map.len() - 1];
    let behind = [&map[..], b"x"].concat();
    for foreign in [&[][..], &[0], &[255; 100], cut, &behind, &pattern(5, 1000)] {
        let refused = e.restore_allocation_map(foreign);
        assert!(
            matches!(refused, Err(EngineError::InvalidMap { .. })),
            "{refused:?}"
        );
        assert_eq!(
            e.allocation_map(&[], &[]),
            map,
            "a refused map changes nothing"
        );
    }
}

fn restored(e: Arc<dyn Engine>) {
    let kept: Vec<PageAddr> = (0..500)
        .map(|i| put(&*e, SpaceId(i % 5), &pattern(i, LEAF)))
        .collect();
    let gone: Vec<_> = (0..500)
        .step_by(3)
        .map(|i| freed(SpaceId(i % 5), kept[i as usize], LEAF))
        .collect();
    e.free(&gone);
    let map = e.allocation_map(&[], &[]);
    let used = e.stats().used_units;
    e.drop_space(SpaceId(0));
    e.restore_allocation_map(&[&map[..], &[0; 100]].concat())
        .expect("a map is restored, and zeros behind it ignored");
    assert_eq!(e.allocation_map(&[], &[]), map);
    assert_eq!(e.stats().used_units, used);
    assert_eq!(
        get(&*e, kept[1], LEAF),
        pattern(1, LEAF),
        "the bytes were not touched"
    );
}

fn counters(e: Arc<dyn Engine>) {
    let before = e.stats();
    let addr = put(&*e, A, &pattern(1, 5000));
    e.sync_pages().expect("pages are synced");
    get(&*e, addr, 5000);
    let after = e.stats();
    assert_eq!(after.page_bytes_written - before.page_bytes_written, 8192);
    assert_eq!(after.page_writes - before.page_writes, 1);
    assert_eq!(after.syncs - before.syncs, 1);
    assert_eq!(after.used_units - before.used_units, 2);
    assert_eq!(
        after.reads_cached + after.reads_device - before.reads_cached - before.reads_device,
        2
    );
    assert!(after.page_file_len >= 8192);
}

fn threads(e: Arc<dyn Engine>) {
    let written: Vec<Vec<(PageAddr, u64)>> = std::thread::scope(|s| {
        let worker = |t: u64| {
            let e = &*e;
            s.spawn(move || {
                let mut mine = Vec::new();
                for i in 0..60 {
                    let seed = t << 32 | i;
                    mine.push((put(e, SpaceId(t % 2), &pattern(seed, LEAF)), seed));
                    if i % 16 == 15 {
                        let (addr, _) = mine.swap_remove(0);
                        e.free(&[freed(SpaceId(t % 2), addr, LEAF)]);
                        e.sync_pages().expect("pages are synced");
                    }
                }
                mine
            })
        };
        let workers: Vec<_> = (0..4).map(worker).collect();
        workers
            .into_iter()
            .map(|w| w.join().expect("a worker ends well"))
            .collect()
    });
    for (addr, seed) in written.into_iter().flatten() {
        assert!(
            get(&*e, addr, LEAF) == pattern(seed, LEAF),
            "nobody wrote over another's block"
        );
    }
    assert_eq!(e.stats().rejected_frees, 0);
}

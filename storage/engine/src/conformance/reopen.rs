//! Clauses about what is found after closing and opening again.

use std::sync::Arc;

use super::{ReopenClause, get, misuse, pattern, put};
use crate::{Engine, SpaceId};

pub(super) const CLAUSES: &[ReopenClause] = &[
    ("pages and the allocation map are found again", pages),
    (
        "roots are found again, and none is overwritten before the live one is named",
        roots,
    ),
    ("segments are found in use, with their records", segments),
    ("numbers of segments are not given twice", numbers),
];

type Reopen<'a> = &'a dyn Fn(Arc<dyn Engine>) -> Arc<dyn Engine>;

fn pages(e: Arc<dyn Engine>, reopen: Reopen<'_>) {
    let space = SpaceId(4);
    let blocks: Vec<_> = (0..100)
        .map(|i| (put(&*e, space, &pattern(i, 8192)), i))
        .collect();
    e.sync_pages().expect("pages are synced");
    let map = e.allocation_map(&[], &[]);
    let e = reopen(e);
    assert_eq!(
        e.stats().used_units,
        0,
        "the allocation state comes from the caller"
    );
    for (addr, seed) in &blocks {
        assert!(
            get(&*e, *addr, 8192) == pattern(*seed, 8192),
            "pages can be read before the map is restored"
        );
    }
    e.restore_allocation_map(&map).expect("a map is restored");
    let new = put(&*e, space, &pattern(1000, 8192));
    assert!(
        blocks
            .iter()
            .all(|(addr, _)| addr.0 + 2 <= new.0 || new.0 + 2 <= addr.0),
        "a new place is new"
    );
    for (addr, seed) in &blocks {
        assert!(get(&*e, *addr, 8192) == pattern(*seed, 8192));
    }
}

fn roots(e: Arc<dyn Engine>, reopen: Reopen<'_>) {
    for root in [b"one", b"two", b"six"] {
        e.install_root(root).expect("a root is installed");
    }
    let e = reopen(e);
    let both = [Some(b"six".to_vec()), Some(b"two".to_vec())];
    assert_eq!(e.read_roots().expect("roots are read"), both);
    misuse(e.install_root(b"which slot?"));
    assert_eq!(e.read_roots().expect("roots are read"), both);
    e.set_live_root_slot(0);
    e.install_root(b"ten").expect("a root is installed");
    let e = reopen(e);
    assert_eq!(
        e.read_roots().expect("roots are read"),
        [Some(b"six".to_vec()), Some(b"ten".to_vec())]
    );
}

fn segments(e: Arc<dyn Engine>, reopen: Reopen<'_>) {
    let (one, capacity_one) = e.log_create(16_384).expect("a segment is made");
    let (two, capacity_two) = e.log_create(16_384).expect("a segment is made");
    let record = pattern(1, 9000);
    e.log_write(two, 4096, &record)
        .expect("a record is written");
    e.log_sync(two).expect("a segment is synced");
    e.log_release(one, false).expect("a segment is released");
    let e = reopen(e);
    assert_eq!(
        e.log_segments().expect("segments are listed"),
        [(one, capacity_one), (two, capacity_two)]
    );
    assert_eq!(
        e.stats().log_segments_in_use,
        2,
        "the engine does not know which ones the caller wants"
    );
    assert_eq!(
        e.log_read(two, 4096, 9000).expect("a record is read"),
        record
    );
    let (three, _) = e.log_create(4096).expect("a segment is made");
    assert!(
        three != one && three != two,
        "nothing found is lent before it is released"
    );
    e.log_release(one, true)
        .expect("a segment found is released");
    e.log_write(two, 0, b"go on")
        .expect("a segment found is written");
    e.log_sync(two).expect("a segment is synced");
}

fn numbers(e: Arc<dyn Engine>, reopen: Reopen<'_>) {
    let (one, _) = e.log_create(4096).expect("a segment is made");
    let (two, _) = e.log_create(4096).expect("a segment is made");
    let e = reopen(e);
    let (three, _) = e.log_create(4096).expect("a segment is made");
    assert!(one != two && three != one && three != two);
    assert_eq!(e.log_segments().expect("segments are listed").len(), 3);
}

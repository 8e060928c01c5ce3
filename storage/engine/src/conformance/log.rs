//! Clauses about log segments.

use std::sync::Arc;

use super::{Clause, misuse, pattern};
use crate::{Engine, SegmentNo};

pub(super) const CLAUSES: &[Clause] = &[
    (
        "a new segment is large enough, listed, and full of zeros",
        new_segment,
    ),
    ("records come back, at any offset", records),
    ("what stands behind a record stays", behind),
    (
        "a record starts at a unit, inside the capacity, in a segment in use",
        outside,
    ),
    ("a released segment is recycled with its bytes", recycled),
    ("a wiped segment is zeros", wiped),
    (
        "released segments are wiped later, those in use are not",
        wiped_later,
    ),
    ("a segment that is too small is not lent", too_small),
    ("a prepared segment serves the next request", prepared),
    ("trim keeps segments in use", trim_keeps),
    ("counters count", counters),
    ("threads may write and sync at once", threads),
];

fn create(e: &dyn Engine, min_len: u64) -> (SegmentNo, u64) {
    let (no, capacity) = e.log_create(min_len).expect("a segment is made");
    assert!(
        capacity >= min_len && capacity % 4096 == 0,
        "{capacity} bytes for {min_len}"
    );
    assert!(
        e.log_segments()
            .expect("segments are listed")
            .contains(&(no, capacity))
    );
    (no, capacity)
}

fn all_zero(e: &dyn Engine, no: SegmentNo, capacity: u64) -> bool {
    let mut at = 0;
    while at < capacity {
        let len = (capacity - at).min(1 << 20) as u32;
        if e.log_read(no, at, len)
            .expect("a segment is read")
            .iter()
            .any(|b| *b != 0)
        {
            return false;
        }
        at += u64::from(len);
    }
    true
}

fn new_segment(e: Arc<dyn Engine>) {
    assert!(e.log_segments().expect("segments are listed").is_empty());
    let (first, capacity) = create(&*e, 0);
    assert!(all_zero(&*e, first, capacity));
    let (second, capacity) = create(&*e, 3 * capacity + 1);
    assert_ne!(first, second);
    assert!(all_zero(&*e, second, capacity));
    assert_eq!(e.stats().log_segments_in_use, 2);
}

fn records(e: Arc<dyn Engine>) {
    let (no, capacity) = create(&*e, 64 << 10);
    let record = pattern(1, 10_000);
    for offset in [0, 12_288, capacity - 12_288] {
        e.log_write(no, offset, &record)
            .expect("a record is written");
        assert_eq!(
            e.log_read(no, offset, 10_000).expect("a record is read"),
            record
        );
    }
    e.log_sync(no).expect("a segment is synced");
    assert_eq!(
        e.log_read(no, 12_288 + 77, 500).expect("a record is read"),
        record[77..577]
    );
    assert_eq!(e.log_read(no, capacity, 0).expect("nothing is read"), []);
    e.log_write(no, 0, &[]).expect("nothing is written");
    assert_eq!(e.log_read(no, 0, 10_000).expect("a record is read"), record);
}

fn behind(e: Arc<dyn Engine>) {
    let (no, _) = create(&*e, 16_384);
    let (old, new) = (pattern(1, 8192), pattern(2, 100));
    e.log_write(no, 0, &old).expect("a record is written");
    e.log_write(no, 0, &new).expect("a record is written");
    let bytes = e.log_read(no, 0, 8192).expect("a record is read");
    assert_eq!(bytes[..100], new);
    assert_eq!(bytes[100..], old[100..]);
}

fn outside(e: Arc<dyn Engine>) {
    let (no, capacity) = create(&*e, 16_384);
    misuse(e.log_write(no, 1, b"x"));
    misuse(e.log_write(no, 512, b"x"));
    misuse(e.log_write(no, capacity, b"x"));
    misuse(e.log_write(no, capacity - 4096, &[1; 4097]));
    misuse(e.log_write(no, u64::MAX - 4095, &[1; 4097]));
    misuse(e.log_read(no, capacity - 10, 11));
    misuse(e.log_read(no, u64::MAX, 2));
    let unknown = SegmentNo(no.0 + 17);
    misuse(e.log_write(unknown, 0, b"x"));
    misuse(e.log_sync(unknown));
    misuse(e.log_read(unknown, 0, 1));
    misuse(e.log_release(unknown, true));
    e.log_release(no, false).expect("a segment is released");
    misuse(e.log_write(no, 0, b"x"));
    misuse(e.log_sync(no));
    misuse(e.log_release(no, false));
    assert!(
        all_zero(&*e, no, capacity),
        "misuse does nothing, and a released segment can be read"
    );
}

fn recycled(e: Arc<dyn Engine>) {
    let (no, capacity) = create(&*e, 16_384);
    let record = pattern(1, 8192);
    e.log_write(no, 4096, &record).expect("a record is written");
    e.log_sync(no).expect("a segment is synced");
    let bytes = e.stats().log_segment_bytes;
    e.log_release(no, false).expect("a segment is released");
    assert_eq!(e.stats().log_segments_in_use, 0);
    assert!(
        e.log_segments()
            .expect("segments are listed")
            .contains(&(no, capacity))
    );
    assert_eq!(create(&*e, 4096), (no, capacity));
    assert_eq!(
        (e.stats().log_segments_recycled, e.stats().log_segment_bytes),
        (1, bytes)
    );
    assert_eq!(
        e.log_read(no, 4096, 8192).expect("a record is read"),
        record
    );
    assert_ne!(
        create(&*e, 4096).0,
        no,
        "a segment in use is not lent again"
    );
}

fn wiped(e: Arc<dyn Engine>) {
    let (no, capacity) = create(&*e, 16_384);
    e.log_write(no, 0, &pattern(1, capacity as usize))
        .expect("a record is written");
    let syncs = e.stats().syncs;
    e.log_release(no, true).expect("a segment is wiped");
    assert!(e.stats().syncs > syncs, "wiping is durable");
    assert!(all_zero(&*e, no, capacity));
}

fn wiped_later(e: Arc<dyn Engine>) {
    let (kept, _) = create(&*e, 16_384);
    let (no, capacity) = create(&*e, 16_384);
    for segment in [kept, no] {
        e.log_write(segment, 0, &pattern(1, 16_384))
            .expect("a record is written");
    }
    e.log_release(no, false).expect("a segment is released");
    let syncs = e.stats().syncs;
    e.log_wipe_released().expect("what is released is wiped");
    assert!(e.stats().syncs > syncs, "wiping is durable");
    assert!(all_zero(&*e, no, capacity));
    let bytes = e.log_read(kept, 0, 16_384).expect("a record is read");
    assert_eq!(bytes, pattern(1, 16_384), "what is in use stays");
    assert_eq!(e.stats().log_segments_in_use, 1);
    assert_eq!(create(&*e, 16_384).0, no, "and is lent again");
}

fn too_small(e: Arc<dyn Engine>) {
    let (small, capacity) = create(&*e, 4096);
    e.log_release(small, false).expect("a segment is released");
    let (large, _) = create(&*e, capacity + 1);
    assert_ne!(small, large);
}

fn prepared(e: Arc<dyn Engine>) {
    e.log_prepare(20_000).expect("a segment is prepared");
    let made = e.log_segments().expect("segments are listed");
    assert_eq!((made.len(), e.stats().log_segments_in_use), (1, 0));
    e.log_prepare(20_000).expect("one is enough");
    let syncs = e.stats().syncs;
    let lent = create(&*e, 20_000);
    assert_eq!(vec![lent], made);
    assert_eq!(e.stats().syncs, syncs, "no I/O is left to do");
    assert!(all_zero(&*e, lent.0, lent.1));
}

fn trim_keeps(e: Arc<dyn Engine>) {
    let (no, _) = create(&*e, 4096);
    let (other, _) = create(&*e, 4096);
    e.log_write(no, 0, b"record").expect("a record is written");
    e.log_release(other, false).expect("a segment is released");
    e.trim().expect("space is given back");
    assert_eq!(e.log_read(no, 0, 6).expect("a record is read"), b"record");
    e.log_sync(no).expect("a segment is synced");
    create(&*e, 4096);
}

fn counters(e: Arc<dyn Engine>) {
    let (no, capacity) = create(&*e, 16_384);
    let before = e.stats();
    assert_eq!(before.log_segment_bytes, capacity);
    e.log_write(no, 0, &pattern(1, 5000))
        .expect("a record is written");
    e.log_sync(no).expect("a segment is synced");
    let after = e.stats();
    assert_eq!(after.log_bytes_written - before.log_bytes_written, 5000);
    assert_eq!(
        (
            after.log_writes - before.log_writes,
            after.syncs - before.syncs
        ),
        (1, 1)
    );
}

fn threads(e: Arc<dyn Engine>) {
    std::thread::scope(|s| {
        for t in 0..4u64 {
            let e = &*e;
            s.spawn(move || {
                let (no, _) = create(e, 64 << 10);
                for i in 0..16 {
                    e.log_write(no, i * 4096, &pattern(t << 8 | i, 4096))
                        .expect("a record is written");
                    e.log_sync(no).expect("a segment is synced");
                }
                for i in 0..16 {
                    assert!(
                        e.log_read(no, i * 4096, 4096).expect("a record is read")
                            == pattern(t << 8 | i, 4096)
                    );
                }
                e.log_release(no, t % 2 == 0)
                    .expect("a segment is released");
            });
        }
    });
    assert_eq!(e.stats().log_segments_in_use, 0);
}

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{MemoryEngine, SegmentSizes};

const SPACE: SpaceId = SpaceId(1);
const SIZES: SegmentSizes = SegmentSizes {
    first: 16_384,
    max: 16_384,
    keep: 0,
};

fn engine() -> (FaultyEngine<MemoryEngine>, Faults) {
    let faults = Faults::new();
    (
        FaultyEngine::new(MemoryEngine::with_segments(SIZES), faults.clone()),
        faults,
    )
}

fn place(e: &dyn Engine) -> PageAddr {
    e.allocate(SPACE, 8192).unwrap()
}

#[test]
fn the_nth_call_fails_and_no_other() {
    let (e, faults) = engine();
    let (log, _) = e.log_create(1).unwrap();
    faults.fail_nth(FaultPoint::LogWrite, 3, Fault::Io);
    let failed: Vec<bool> = (0..5).map(|i| e.log_write(log, 0, &[i]).is_err()).collect();
    assert_eq!(failed, [false, false, true, false, false]);
    assert_eq!(
        (faults.struck(), faults.calls(FaultPoint::LogWrite)),
        (1, 5)
    );
}

#[test]
fn a_failed_sync_stays_failed_for_its_file_until_reopened() {
    let (e, faults) = engine();
    let (one, _) = e.log_create(1).unwrap();
    let (two, _) = e.log_create(1).unwrap();
    faults.fail_nth(FaultPoint::LogSync, 1, Fault::Sync);
    assert!(matches!(
        e.log_sync(one),
        Err(EngineError::SyncFailed { .. })
    ));
    assert!(matches!(
        e.log_sync(one),
        Err(EngineError::SyncFailed { .. })
    ));
    assert!(matches!(
        e.log_write(one, 0, b"x"),
        Err(EngineError::SyncFailed { .. })
    ));
    e.log_write(two, 0, b"x").unwrap();
    e.log_sync(two).unwrap();
    e.log_read(one, 0, 1).unwrap();
    faults.reopen();
    e.log_sync(one).unwrap();

    faults.fail_nth(FaultPoint::PageSync, 1, Fault::Sync);
    let addr = place(&e);
    e.write_pages(&[(addr, &[1; 8192])]).unwrap();
    assert!(
        e.sync_pages().is_err()
            && e.sync_pages().is_err()
            && e.write_pages(&[(addr, &[2; 8192])]).is_err()
    );
    assert_eq!(e.read_page_blocking(addr, 1).unwrap(), [1]);

    faults.fail_nth(FaultPoint::RootInstall, 1, Fault::Sync);
    assert!(e.install_root(b"r").is_err() && e.install_root(b"r").is_err());
}

#[test]
fn a_full_disk_takes_nothing_until_there_is_room() {
    let (e, faults) = engine();
    let (log, _) = e.log_create(1).unwrap();
    faults.room(Some(3 * 8192));
    let addrs: Vec<PageAddr> = (0..4).map(|_| place(&e)).collect();
    for addr in &addrs[..3] {
        e.write_pages(&[(*addr, &[1; 8192])]).unwrap();
    }
    assert!(matches!(
        e.write_pages(&[(addrs[3], &[1; 8192])]),
        Err(EngineError::Full { .. })
    ));
    assert!(matches!(e.log_create(1), Err(EngineError::Full { .. })));
    assert!(matches!(e.log_prepare(1), Err(EngineError::Full { .. })));
    assert_eq!(e.log_segments().unwrap().len(), 1);
    e.log_write(log, 0, b"needs no room").unwrap();
    e.log_release(log, false).unwrap();
    assert_eq!(
        e.log_create(1).unwrap().0,
        log,
        "nor does a recycled segment"
    );
    faults.room(None);
    e.write_pages(&[(addrs[3], &[1; 8192])]).unwrap();
    e.log_create(1).unwrap();
}

#[test]
fn a_short_write_leaves_a_part() {
    let (e, faults) = engine();
    let (log, _) = e.log_create(1).unwrap();
    faults.fail_nth(FaultPoint::LogWrite, 1, Fault::Short);
    assert!(e.log_write(log, 0, &[7; 1000]).is_err());
    let left = e.log_read(log, 0, 1000).unwrap();
    assert!(left[..500].iter().all(|b| *b == 7) && left[500..].iter().all(|b| *b == 0));
    faults.fail_nth(FaultPoint::PageWrite, 1, Fault::Short);
    let (one, two) = (place(&e), place(&e));
    assert!(
        e.write_pages(&[(one, &[1; 8192]), (two, &[2; 8192])])
            .is_err()
    );
    assert_eq!(e.read_page_blocking(one, 1).unwrap(), [1]);
    assert!(e.read_page_blocking(two, 1).is_err());
}

#[test]
fn reads_fail_come_late_and_come_back_changed() {
    let (e, faults) = engine();
    let addr = place(&e);
    e.write_pages(&[(addr, &[0; 8192])]).unwrap();
    faults.fail_nth(FaultPoint::PageRead, 1, Fault::Io);
    assert!(matches!(
        e.read_page(addr, 8192),
        PageRead::Ready(Err(EngineError::Io { .. }))
    ));
    faults.fail_nth(FaultPoint::PageRead, 1, Fault::FlipBit);
    assert_eq!(
        e.read_page_blocking(addr, 8192)
            .unwrap()
            .iter()
            .map(|b| b.count_ones())
            .sum::<u32>(),
        1
    );
    faults.reads_later(true);
    let PageRead::Later(read) = e.read_page(addr, 8192) else {
        panic!("it should come later")
    };
    assert_eq!(futures_lite::future::block_on(read).unwrap(), [0; 8192]);
}

#[test]
fn random_faults_replay_from_their_seed() {
    let run = |seed| -> Vec<bool> {
        let (e, faults) = engine();
        let (log, _) = e.log_create(1).unwrap();
        faults.fail_randomly(seed, 4, &[(FaultPoint::LogWrite, Fault::Io)]);
        (0..200)
            .map(|_| e.log_write(log, 0, b"x").is_err())
            .collect()
    };
    let failed = run(1).iter().filter(|f| **f).count();
    assert!((20..80).contains(&failed), "{failed} of 200");
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use super::*;
use crate::{Engine, FileEngine, FileOptions, SpaceId, database_exists};

fn options(mode: OpenMode) -> SledOptions {
    SledOptions {
        mode,
        ..SledOptions::default()
    }
}

fn open(dir: &Path) -> SledEngine {
    SledEngine::open(dir, options(OpenMode::OpenOrCreate)).unwrap()
}

fn refused(dir: &Path, mode: OpenMode) -> EngineError {
    match SledEngine::open(dir, options(mode)) {
        Err(e) => e,
        Ok(_) => panic!("it was opened"),
    }
}

#[test]
fn each_engine_refuses_the_others_directory_by_name() {
    let tmp = tempfile::tempdir().unwrap();
    let (sled, file) = (tmp.path().join("sled"), tmp.path().join("file"));
    drop(open(&sled));
    drop(FileEngine::open(&file, FileOptions::default()).unwrap());
    assert!(database_exists(&sled) && database_exists(&file));
    for mode in [OpenMode::OpenOrCreate, OpenMode::Create, OpenMode::Open] {
        let error = refused(&file, mode);
        let named = matches!(&error, EngineError::OtherEngine { engine: "file", .. });
        assert!(named, "{error}");
        let file_options = FileOptions {
            mode,
            ..FileOptions::default()
        };
        let Err(error) = FileEngine::open(&sled, file_options) else {
            panic!("it was opened")
        };
        assert!(error.to_string().ends_with("a database of the sled engine"));
    }
    assert_eq!(std::fs::read_dir(&sled).unwrap().count(), 2, "left alone");
}

#[test]
fn modes_and_foreign_files() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    let missing = |error| matches!(error, EngineError::NotFound { .. });
    assert!(missing(refused(&dir, OpenMode::Open)) && !dir.exists());
    let read_only = refused(&dir, OpenMode::ReadOnly);
    assert!(matches!(read_only, EngineError::Misuse { .. }));
    drop(SledEngine::open(&dir, options(OpenMode::Create)).unwrap());
    let exists = refused(&dir, OpenMode::Create);
    assert!(matches!(exists, EngineError::Exists { .. }), "{exists}");
    std::fs::write(tmp.path().join("letter.txt"), "dear").unwrap();
    let foreign = refused(tmp.path(), OpenMode::OpenOrCreate);
    assert!(foreign.to_string().contains("letter.txt"), "{foreign}");
}

#[test]
fn a_second_open_is_refused_until_the_first_is_closed_or_dropped() {
    let tmp = tempfile::tempdir().unwrap();
    let mut before = open(tmp.path());
    let place = before.allocate(SpaceId(1), 100).unwrap();
    before.write_pages(&[(place, &[7; 100])]).unwrap();
    for closes in [true, false, true] {
        let second = refused(tmp.path(), OpenMode::OpenOrCreate);
        assert!(matches!(second, EngineError::AlreadyOpen { .. }));
        if closes {
            before.close();
            let closed = |result| matches!(result, Err(EngineError::Closed));
            assert!(closed(before.sync_pages()));
            assert!(closed(before.read_page_blocking(place, 100).map(drop)));
            let later = open(tmp.path());
            drop(std::mem::replace(&mut before, later));
        } else {
            drop(before);
            before = open(tmp.path());
        }
        assert_eq!(before.read_page_blocking(place, 100).unwrap(), [7; 100]);
    }
}

#[test]
fn a_forked_child_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let mut e = open(tmp.path());
    let (log, _) = e.log_create(1).unwrap();
    e.core.medium.held.forked();
    for foreign in [
        e.log_write(log, 0, b"x"),
        e.sync_pages(),
        e.install_root(b"x"),
        e.allocate(SpaceId(1), 1).map(drop),
        e.log_read(log, 0, 1).map(drop),
    ] {
        let refused = matches!(foreign, Err(EngineError::ForeignProcess { .. }));
        assert!(refused, "{foreign:?}");
    }
}

#[test]
fn a_failed_sync_is_not_forgotten() {
    let tmp = tempfile::tempdir().unwrap();
    let e = open(tmp.path());
    let place = e.allocate(SpaceId(1), 100).unwrap();
    e.write_pages(&[(place, &[7; 100])]).unwrap();
    e.core
        .medium
        .shared
        .failed
        .get_or_init(|| EngineError::SyncFailed {
            place: SLED.into(),
            source: Arc::new(std::io::ErrorKind::Other.into()),
        });
    for failed in [
        e.sync_pages(),
        e.write_pages(&[(place, &[8; 100])]),
        e.install_root(b"root"),
    ] {
        let kept = matches!(failed, Err(EngineError::SyncFailed { .. }));
        assert!(kept, "{failed:?}");
    }
    let read = e.read_page_blocking(place, 100).unwrap();
    assert_eq!(read, [7; 100], "reads go on");
}

/// What a killed process leaves: the files as they are, while it still runs.
#[test]
fn what_was_synced_is_found_after_a_kill() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, copy) = (tmp.path().join("db"), tmp.path().join("copy"));
    let e = open(&dir);
    let place = e.allocate(SpaceId(1), 9000).unwrap();
    e.write_pages(&[(place, &[7; 9000])]).unwrap();
    e.sync_pages().unwrap();
    e.install_root(b"root").unwrap();
    let (log, capacity) = e.log_create(20_000).unwrap();
    e.log_write(log, 4096, b"record").unwrap();
    e.log_sync(log).unwrap();
    copy_all(&dir, &copy);
    let found = open(&copy);
    assert_eq!(found.read_page_blocking(place, 9000).unwrap(), [7; 9000]);
    assert_eq!(found.read_roots().unwrap(), [Some(b"root".to_vec()), None]);
    assert_eq!(found.log_segments().unwrap(), [(log, capacity)]);
    assert_eq!(found.log_read(log, 4095, 8).unwrap(), b"\0record\0");
}

fn copy_all(from: &Path, to: &PathBuf) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_all(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

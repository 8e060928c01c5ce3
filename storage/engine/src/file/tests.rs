#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::{CrashEngine, Engine, OpenMode, PageAddr, SpaceId, Survival, database_exists};

const SIZES: SegmentSizes = SegmentSizes {
    first: 16_384,
    max: 65_536,
    keep: 16_384,
};
const SPACE: SpaceId = SpaceId(1);

fn options(mode: OpenMode) -> FileOptions {
    FileOptions {
        mode,
        segments: SIZES,
    }
}

fn open(dir: impl AsRef<Path>) -> FileEngine {
    FileEngine::open(dir, options(OpenMode::OpenOrCreate)).unwrap()
}

fn refused(dir: impl AsRef<Path>, mode: OpenMode) -> EngineError {
    match FileEngine::open(dir, options(mode)) {
        Err(e) => e,
        Ok(_) => panic!("it was opened"),
    }
}

#[test]
fn everything_is_the_owners_only() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("a/db");
    let e = open(&dir);
    e.log_create(1).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    names.sort();
    assert_eq!(names, ["lock", "log.0000", "pages.seal", "root.seal"]);
}

#[test]
fn a_second_open_in_one_process_is_refused_until_the_first_is_dropped() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    let e = open(&dir);
    std::os::unix::fs::symlink(&dir, tmp.path().join("alias")).unwrap();
    for path in [
        dir.clone(),
        tmp.path().join("alias"),
        tmp.path().join("db/../db"),
    ] {
        let error = refused(&path, OpenMode::OpenOrCreate);
        assert!(matches!(error, EngineError::AlreadyOpen { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains(dir.canonicalize().unwrap().to_str().unwrap())
        );
    }
    assert!(matches!(
        refused(&dir, OpenMode::ReadOnly),
        EngineError::AlreadyOpen { .. }
    ));
    drop(e);
    open(&dir);
}

#[test]
fn a_closed_engine_lets_the_next_one_in_and_does_nothing_more() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    let first = open(&dir);
    let place = first.allocate(SpaceId(1), 100).unwrap();
    first.write_pages(&[(place, &[7; 100])]).unwrap();
    let (segment, _) = first.log_create(4096).unwrap();
    first.close();
    let closed = |result: Result<(), EngineError>| {
        assert!(matches!(result, Err(EngineError::Closed)), "{result:?}");
    };
    let second = open(&dir);
    closed(first.write_pages(&[(place, &[8; 100])]));
    closed(first.zero_pages(&[]));
    closed(first.sync_pages());
    closed(first.log_write(segment, 0, &[8; 100]));
    closed(first.log_sync(segment));
    closed(first.log_release(segment, true));
    closed(first.log_create(4096).map(drop));
    closed(first.log_prepare(1 << 20));
    closed(first.install_root(b"root"));
    closed(first.trim());
    closed(first.allocate(SpaceId(1), 100).map(drop));
    closed(first.read_page_blocking(place, 100).map(drop));
    assert_eq!(
        second.read_page_blocking(place, 100).unwrap(),
        [7; 100],
        "untouched"
    );
    // The first one's end does not unlock what the second holds.
    first.close();
    drop(first);
    let error = refused(&dir, OpenMode::OpenOrCreate);
    assert!(matches!(error, EngineError::AlreadyOpen { .. }), "{error}");
}

/// Not a test of its own: what the child process of the next test does.
#[test]
fn child_opens_what_its_parent_holds() {
    let Some(dir) = std::env::var_os("SEALDB_ENGINE_TEST_DIR") else {
        return;
    };
    let error = refused(PathBuf::from(dir), OpenMode::OpenOrCreate);
    let EngineError::Locked { holder, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        holder.unwrap().to_string(),
        std::env::var("SEALDB_ENGINE_TEST_HOLDER").unwrap()
    );
    assert!(error.to_string().contains("in use by another process"));
}

#[test]
fn a_second_process_is_refused_and_told_by_whom() {
    let tmp = tempfile::tempdir().unwrap();
    let e = open(tmp.path());
    let child = |name| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("SEALDB_ENGINE_TEST_DIR", tmp.path())
            .env("SEALDB_ENGINE_TEST_HOLDER", std::process::id().to_string())
            .output()
            .unwrap()
    };
    let name = "file::tests::child_opens_what_its_parent_holds";
    let output = child(name);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    drop(e);
    assert!(
        !child(name).status.success(),
        "once it is free the child gets it"
    );
}

#[test]
fn a_forked_child_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let mut e = open(tmp.path());
    let (log, _) = e.log_create(1).unwrap();
    e.core.medium.directory.held_mut().forked();
    let foreign = |result: Result<(), EngineError>| {
        assert!(
            matches!(result, Err(EngineError::ForeignProcess { .. })),
            "{result:?}"
        );
    };
    foreign(e.log_write(log, 0, b"x"));
    foreign(e.log_sync(log));
    foreign(e.sync_pages());
    foreign(e.install_root(b"x"));
    foreign(e.allocate(SPACE, 1).map(|_| ()));
    foreign(e.write_pages(&[]));
    foreign(e.read_page_blocking(PageAddr(0), 1).map(|_| ()));
    foreign(e.log_read(log, 0, 1).map(|_| ()));
    foreign(e.log_create(1).map(|_| ()));
    foreign(e.trim());
}

#[test]
fn modes_open_create_and_read_only() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    assert!(matches!(
        refused(&dir, OpenMode::Open),
        EngineError::NotFound { .. }
    ));
    assert!(matches!(
        refused(&dir, OpenMode::ReadOnly),
        EngineError::NotFound { .. }
    ));
    assert!(!dir.exists() && !database_exists(&dir));
    let e = FileEngine::open(&dir, options(OpenMode::Create)).unwrap();
    e.install_root(b"root").unwrap();
    let (log, _) = e.log_create(1).unwrap();
    drop(e);
    assert!(database_exists(&dir));
    assert!(matches!(
        refused(&dir, OpenMode::Create),
        EngineError::Exists { .. }
    ));
    let e = FileEngine::open(&dir, options(OpenMode::ReadOnly)).unwrap();
    assert_eq!(e.read_roots().unwrap(), [Some(b"root".to_vec()), None]);
    e.set_live_root_slot(0);
    for refused in [
        e.install_root(b"x"),
        e.log_write(log, 0, b"x"),
        e.sync_pages(),
        e.trim(),
        e.log_release(log, true),
        e.log_create(1).map(|_| ()),
        e.allocate(SPACE, 1).map(|_| ()),
    ] {
        assert!(matches!(refused, Err(EngineError::ReadOnly)), "{refused:?}");
    }
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    std::fs::write(tmp.path().join("letter.txt"), "dear").unwrap();
    let error = refused(tmp.path(), OpenMode::OpenOrCreate);
    assert!(error.to_string().contains("letter.txt"), "{error}");
    assert_eq!(std::fs::read_dir(tmp.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_file_is_refused_by_name() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path();
    let e = open(dir);
    e.log_create(1).unwrap();
    drop(e);
    std::fs::rename(dir.join("root.seal"), tmp.path().join("audit-kept")).unwrap();
    for mode in [OpenMode::OpenOrCreate, OpenMode::Open, OpenMode::ReadOnly] {
        let error = refused(dir, mode);
        assert!(
            matches!(&error, EngineError::MissingFile { path } if path.ends_with("root.seal")),
            "{error}"
        );
    }
    std::fs::rename(dir.join("audit-kept"), dir.join("root.seal")).unwrap();
    std::fs::remove_file(dir.join("pages.seal")).unwrap();
    let error = refused(dir, OpenMode::OpenOrCreate);
    assert!(
        matches!(&error, EngineError::MissingFile { path } if path.ends_with("pages.seal")),
        "{error}"
    );
}

#[test]
fn a_root_file_that_was_cut_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    drop(open(tmp.path()));
    std::fs::File::options()
        .write(true)
        .open(tmp.path().join("root.seal"))
        .unwrap()
        .set_len(5000)
        .unwrap();
    assert!(matches!(
        refused(tmp.path(), OpenMode::Open),
        EngineError::Truncated { .. }
    ));
}

#[test]
fn what_a_crash_left_half_made_is_removed() {
    let tmp = tempfile::tempdir().unwrap();
    for name in ["root.seal.new", "log.new"] {
        std::fs::write(tmp.path().join(name), "half").unwrap();
    }
    std::fs::write(tmp.path().join("pages.seal"), "").unwrap();
    let e = open(tmp.path());
    assert!(e.log_segments().unwrap().is_empty());
    assert!(!tmp.path().join("root.seal.new").exists() && !tmp.path().join("log.new").exists());
}

#[test]
fn names_of_segments_have_one_spelling() {
    let tmp = tempfile::tempdir().unwrap();
    drop(open(tmp.path()));
    for name in [
        "log.7",
        "log.00007",
        "log.+007",
        "log.0007",
        "log.12345",
        "log.x",
    ] {
        std::fs::write(tmp.path().join(name), [0; 5000]).unwrap();
    }
    let e = open(tmp.path());
    assert_eq!(
        e.log_segments().unwrap(),
        [(SegmentNo(7), 4096), (SegmentNo(12345), 4096)]
    );
}

#[test]
fn a_failed_sync_is_not_forgotten() {
    let tmp = tempfile::tempdir().unwrap();
    let e = open(tmp.path());
    let addr = e.allocate(SPACE, 8192).unwrap();
    e.write_pages(&[(addr, &[5; 8192])]).unwrap();
    e.core.medium.pages.fail_sync();
    for failed in [
        e.sync_pages(),
        e.sync_pages(),
        e.write_pages(&[(addr, &[6; 8192])]),
    ] {
        assert!(
            matches!(failed, Err(EngineError::SyncFailed { .. })),
            "{failed:?}"
        );
    }
    assert_eq!(e.read_page_blocking(addr, 1).unwrap(), [5], "reads go on");
    e.install_root(b"another file").unwrap();
    drop(e);
    open(tmp.path()).sync_pages().unwrap();
}

#[test]
fn trim_removes_released_segments_beyond_the_reserve() {
    let tmp = tempfile::tempdir().unwrap();
    let e = open(tmp.path());
    let made: Vec<(SegmentNo, u64)> = (0..4).map(|_| e.log_create(1).unwrap()).collect();
    assert_eq!(
        made.iter()
            .map(|(_, capacity)| *capacity)
            .collect::<Vec<_>>(),
        [16_384, 32_768, 65_536, 65_536]
    );
    made.iter()
        .take(3)
        .for_each(|(no, _)| e.log_release(*no, false).unwrap());
    e.trim().unwrap();
    assert_eq!(e.log_segments().unwrap(), [made[3]]);
    assert!(!tmp.path().join("log.0002").exists() && tmp.path().join("log.0003").exists());
}

/// `/dev/full` answers each write with ENOSPC, as a full disk does.
#[test]
fn a_full_disk_is_named_so() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let file = DurableFile::new(full, "pages.seal");
    let error = file.write_all_at(4096, &[1; 10]).unwrap_err();
    assert!(
        matches!(&error, EngineError::Full { place } if place == "pages.seal at byte 4096"),
        "{error}"
    );
    assert!(error.is_retryable());
}

#[test]
fn a_survivor_written_to_a_directory_opens() {
    let e = CrashEngine::new(SIZES);
    let addr = e.allocate(SPACE, 8192).unwrap();
    e.write_pages(&[(addr, &[7; 8192])]).unwrap();
    e.sync_pages().unwrap();
    e.install_root(b"root").unwrap();
    let (log, capacity) = e.log_create(1).unwrap();
    e.log_write(log, 4096, b"lost").unwrap();
    let tmp = tempfile::tempdir().unwrap();
    e.survivor(Survival::Nothing)
        .write_to_dir(tmp.path().join("db"))
        .unwrap();
    let e = open(tmp.path().join("db"));
    assert_eq!(e.read_page_blocking(addr, 8192).unwrap(), [7; 8192]);
    assert_eq!(e.read_roots().unwrap(), [Some(b"root".to_vec()), None]);
    assert_eq!(e.log_segments().unwrap(), [(log, capacity)]);
    assert_eq!(e.log_read(log, 4096, 4).unwrap(), [0; 4]);
}

/// Whatever the filesystem of the temporary directory: a page just written is read, at once or later.
#[test]
fn reads_work_on_disk_and_in_shared_memory() {
    let shm = Path::new("/dev/shm");
    let disk = tempfile::tempdir().unwrap();
    let memory = if shm.is_dir() {
        tempfile::tempdir_in(shm)
    } else {
        tempfile::tempdir()
    }
    .unwrap();
    for dir in [disk.path(), memory.path()] {
        let e = open(dir);
        let addr = e.allocate(SPACE, 8192).unwrap();
        e.write_pages(&[(addr, &[9; 8192])]).unwrap();
        for _ in 0..3 {
            assert_eq!(
                futures_lite::future::block_on(e.read_page(addr, 8192).bytes()).unwrap(),
                [9; 8192]
            );
        }
        let stats = e.stats();
        assert_eq!(stats.reads_cached + stats.reads_device, 3);
    }
}

#[test]
fn opening_makes_durable_what_a_killed_process_may_have_left_to_the_cache() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    drop(open(&dir));
    let again = open(&dir);
    assert_eq!(again.stats().syncs, 2, "roots, and names");
    drop(again);
    let reader = FileEngine::open(&dir, options(OpenMode::ReadOnly)).unwrap();
    assert_eq!(reader.stats().syncs, 0);
}

//! The tools over real files: damage in any file is found, and what it does not touch is still checked.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sealdb::model::ops::{
    BatchWriteItemInput, CreateTableInput, GetItemInput, PutItemInput, ScanInput, Select,
    WriteRequest,
};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::tools::{self, CheckReport, TableState};
use sealdb::{Error, RootKeySource, blocking};

fn root_key(dir: &Path) -> RootKeySource {
    let file = dir.join("root.key");
    if file.exists() {
        RootKeySource::File(file)
    } else {
        RootKeySource::create_file(file).unwrap()
    }
}

fn open(dir: &Path, data: &str) -> blocking::Database {
    sealdb::Database::builder(dir.join(data))
        .keyring(dir.join("keyring"), root_key(dir))
        .open_sync()
        .unwrap()
}

fn check(dir: &Path, data: &str) -> Result<CheckReport, Error> {
    tools::check(dir.join(data), dir.join("keyring"), root_key(dir))
}

fn item(n: usize, payload: usize) -> Item {
    Item::from([
        ("id", AttributeValue::from(format!("item {n:06}"))),
        ("payload", "p".repeat(payload).into()),
    ])
}

fn filled(dir: &Path, items: usize) {
    let db = open(dir, "data");
    for name in ["left", "right"] {
        db.create_table(CreateTableInput::new(name).partition_key("id", ScalarType::S))
            .unwrap();
        for n in 0..items {
            db.put_item(PutItemInput::new(name, item(n, 100 + n % 7 * 600)))
                .unwrap();
        }
    }
    db.close().unwrap();
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn every_flipped_bit_in_a_used_block_is_found_and_the_rest_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    filled(dir, 60);
    let data = dir.join("data");
    let before = contents(&data);
    let sound = check(dir, "data").unwrap();
    assert_eq!((&sound.damages[..], &sound.remarks[..]), (&[][..], &[][..]));
    assert!(sound.audit_records >= 4, "{sound:?}");
    assert_eq!(contents(&data), before, "check writes nothing");

    let mut hit = [0; 3];
    let pages = &before[&data.join("pages.seal")];
    let block = |unit: usize| &pages[unit * 4096..unit * 4096 + 36];
    for unit in 0..pages.len() / 4096 {
        // A block begins here; those given up earlier are not reachable any more.
        if block(unit)[..36].iter().all(|b| *b == 0) {
            continue;
        }
        flip(&data.join("pages.seal"), unit * 4096 + 40 + unit % 3000);
        match check(dir, "data") {
            Ok(report) => {
                let damaged: Vec<&str> = report
                    .tables
                    .iter()
                    .filter(|table| table.state == TableState::Damaged)
                    .map(|table| table.name.as_str())
                    .collect();
                assert!(damaged.len() <= 1, "one block belongs to one table");
                if !damaged.is_empty() {
                    assert!(!report.damages.is_empty());
                    let other = report
                        .tables
                        .iter()
                        .find(|table| table.name != damaged[0])
                        .unwrap();
                    assert_eq!((other.state, other.items), (TableState::Sound, 60));
                    hit[1] += 1;
                } else if report.damages.is_empty() {
                    hit[0] += 1;
                } else {
                    hit[2] += 1;
                }
            }
            Err(error) => panic!("{error}"),
        }
        flip(&data.join("pages.seal"), unit * 4096 + 40 + unit % 3000);
    }
    assert!(hit[1] >= 30 && hit[2] >= 2, "free, tables, system: {hit:?}");
    assert_eq!(contents(&data), before);
}

#[test]
fn damage_in_roots_log_and_trail_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    filled(dir, 20);
    let data = dir.join("data");
    let before = contents(&data);
    let restore = || {
        for (path, bytes) in &before {
            fs::write(path, bytes).unwrap();
        }
    };
    let slot = before[&data.join("root.seal")].len() / 2;
    for at in [20, 400, slot + 20, slot + 400] {
        flip(&data.join("root.seal"), at);
        match check(dir, "data") {
            Ok(report) => assert!(!report.damages.is_empty(), "root.seal at {at}"),
            Err(error) => panic!("root.seal at {at}: {error}"),
        }
        restore();
    }
    // The trail: its head, and a record in the middle.
    for at in [100, 4096 + 300] {
        flip(&data.join("audit.trail"), at);
        let report = check(dir, "data").unwrap();
        assert!(report.damages[0].starts_with("audit trail"), "{report:?}");
        assert!(report.tables.iter().all(|t| t.state == TableState::Sound));
        restore();
    }
    fs::remove_file(data.join("audit.trail")).unwrap();
    assert_eq!(check(dir, "data").unwrap().damages.len(), 1);
    restore();
    // A file that is cut.
    let len = before[&data.join("pages.seal")].len() as u64;
    let pages = fs::OpenOptions::new()
        .write(true)
        .open(data.join("pages.seal"))
        .unwrap();
    pages.set_len(len / 3).unwrap();
    match check(dir, "data") {
        Ok(report) => assert!(!report.damages.is_empty()),
        Err(error) => panic!("{error}"),
    }
    restore();

    // The log holds something while the database is not closed.
    let db = open(dir, "data");
    for n in 0..30 {
        db.put_item(PutItemInput::new("left", item(n, 5000)))
            .unwrap();
    }
    drop(db);
    let report = check(dir, "data").unwrap();
    assert_eq!(report.damages, Vec::<String>::new());
    assert!(report.log_records >= 30, "{report:?}");
    let crashed = contents(&data);
    let log = crashed
        .keys()
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("log.")
        })
        .filter(|path| before.get(*path) != crashed.get(*path))
        .max_by_key(|path| crashed[*path].iter().filter(|b| **b != 0).count())
        .unwrap();
    // A record begins with the length of its frame, of a few hundred bytes.
    let record = crashed[log]
        .chunks(4096)
        .enumerate()
        .filter(|(_, unit)| unit[..2] == [0, 0] && unit[2..4] != [0, 0])
        .map(|(no, _)| no * 4096)
        .nth(10)
        .unwrap();
    // A part, and a frame.
    for at in [record + 2000, record + 60] {
        flip(log, at);
        let report = check(dir, "data").unwrap();
        assert!(
            report.damages.iter().any(|what| what.starts_with("log")),
            "{report:?}"
        );
        fs::write(log, &crashed[log]).unwrap();
    }
    fs::remove_file(log).unwrap();
    let report = check(dir, "data").unwrap();
    assert!(report.damages.iter().any(|what| what.contains("missing")));
}

#[test]
fn refusals_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    filled(dir, 1);
    assert!(matches!(check(dir, "nothing"), Err(Error::NoDatabase(_))));
    let other = tempfile::tempdir().unwrap();
    filled(other.path(), 1);
    let wrong = tools::check(
        dir.join("data"),
        other.path().join("keyring"),
        root_key(other.path()),
    );
    assert!(matches!(wrong, Err(Error::Keyring(_))));
    let db = open(dir, "data");
    let error = check(dir, "data").unwrap_err().to_string();
    assert!(error.contains("open"), "{error}");
    drop(db);
}

fn bytes_in(dir: &Path) -> u64 {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn a_database_from_which_nine_tenths_were_deleted_shrinks_to_its_live_size() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let db = open(dir, "data");
    db.create_table(CreateTableInput::new("big").partition_key("id", ScalarType::S))
        .unwrap();
    let batches = |keep: &dyn Fn(usize) -> bool, write: &dyn Fn(usize) -> WriteRequest| {
        let chosen: Vec<usize> = (0..10_000).filter(|n| keep(*n)).collect();
        for chunk in chosen.chunks(25) {
            let input = chunk.iter().fold(BatchWriteItemInput::new(), |input, n| {
                input.request("big", write(*n))
            });
            let out = db.batch_write_item(input).unwrap();
            assert!(out.unprocessed_items.is_empty());
        }
    };
    batches(&|_| true, &|n| WriteRequest::Put(item(n, 1500 + n % 400)));
    batches(&|n| n % 10 != 0, &|n| {
        WriteRequest::Delete(Item::from([(
            "id",
            AttributeValue::from(format!("item {n:06}")),
        )]))
    });
    db.close().unwrap();
    drop(db);

    let place = || (dir.join("data"), dir.join("keyring"), root_key(dir));
    let (data, keyring, key) = place();
    let report = tools::compact(&data, &keyring, key).unwrap();
    assert_eq!(report.bytes_after, bytes_in(&data));
    assert!(report.bytes_before > 17 << 20, "{report:?}");
    // 1,000 items of 1.7 KiB, the log of 1 MiB, the trail's reserve of 1.25 MiB, and an extent for each of three spaces.
    assert!(report.bytes_after < 8 << 20, "{report:?}");
    let checked = check(dir, "data").unwrap();
    assert_eq!(checked.damages, Vec::<String>::new());
    assert_eq!(checked.tables[0].items, 1000);
    let again = tools::compact(&data, &keyring, root_key(dir)).unwrap();
    assert!(
        again.bytes_after <= report.bytes_after + (1 << 19),
        "{again:?}"
    );

    let db = open(dir, "data");
    let found = db
        .scan(ScanInput::new("big").select(Select::Count))
        .unwrap();
    assert!(found.count > 0);
    db.put_item(PutItemInput::new("big", item(1, 10))).unwrap();
    let (_, keyring, key) = place();
    assert!(tools::compact(&data, keyring, key).is_err(), "it is open");
    db.close().unwrap();
}

#[test]
fn a_copy_is_whole_owner_only_and_opens_with_the_same_keyring() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    filled(dir, 20);
    // With something in the log.
    let db = open(dir, "data");
    db.put_item(PutItemInput::new("left", item(999, 10)))
        .unwrap();
    assert!(tools::copy(dir.join("data"), dir.join("copy")).is_err());
    assert!(!dir.join("copy").exists());
    drop(db);

    let report = tools::copy(dir.join("data"), dir.join("a/copy")).unwrap();
    let mut original = contents(&dir.join("data"));
    original.remove(&dir.join("data/lock"));
    let copied = contents(&dir.join("a/copy"));
    assert_eq!(
        original.values().collect::<Vec<_>>(),
        copied.values().collect::<Vec<_>>()
    );
    assert_eq!(report.bytes, bytes_in(&dir.join("a/copy")));
    for path in copied.keys() {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let mode = fs::metadata(dir.join("a/copy"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(check(dir, "a/copy").unwrap().damages, Vec::<String>::new());

    // Not onto something, and not into itself; nothing is left of an attempt.
    assert!(tools::copy(dir.join("data"), dir.join("a/copy")).is_err());
    assert_eq!(contents(&dir.join("a/copy")), copied);
    assert!(tools::copy(dir.join("data"), dir.join("data/inside")).is_err());
    assert!(!dir.join("data/inside").exists());
    assert!(matches!(
        tools::copy(dir.join("a"), dir.join("b")),
        Err(Error::NoDatabase(_))
    ));

    // Copy and original go their own ways.
    let key = || Item::from([("id", AttributeValue::from("item 000999"))]);
    let copy = open(dir, "a/copy");
    let got = copy.get_item(GetItemInput::new("left", key())).unwrap();
    assert_eq!(got.item, Some(item(999, 10)));
    copy.put_item(PutItemInput::new("left", item(999, 20)))
        .unwrap();
    copy.close().unwrap();
    let db = open(dir, "data");
    let got = db.get_item(GetItemInput::new("left", key())).unwrap();
    assert_eq!(got.item, Some(item(999, 10)));
    db.close().unwrap();
}

#[test]
fn the_trail_can_be_read_while_the_database_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let db = open(dir, "data");
    let mut trail =
        tools::read_trail(dir.join("data"), dir.join("keyring"), root_key(dir)).unwrap();
    let names = |trail: &mut tools::TrailReader| -> Vec<String> {
        trail
            .map(|record| record.unwrap().event.event_name)
            .collect()
    };
    assert_eq!(
        names(&mut trail),
        ["GenerateDataKey"; 2],
        "trail and system"
    );
    db.create_table(CreateTableInput::new("table").partition_key("id", ScalarType::S))
        .unwrap();
    assert_eq!(
        names(&mut trail),
        ["GenerateDataKey", "CreateTable"],
        "goes on"
    );
    db.close().unwrap();
    assert_eq!(names(&mut trail), ["Checkpoint"]);
    drop(db);
    let other = tempfile::tempdir().unwrap();
    filled(other.path(), 1);
    let wrong = tools::read_trail(
        dir.join("data"),
        other.path().join("keyring"),
        root_key(other.path()),
    );
    assert!(matches!(wrong, Err(Error::Keyring(_))));
}

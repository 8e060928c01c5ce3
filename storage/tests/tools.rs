//! The tools over real files: damage in any file is found, and what it does not touch is still checked.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sealdb::model::ops::{CreateTableInput, PutItemInput};
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

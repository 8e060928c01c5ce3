//! A database over the sled engine: the same database, in a directory that the file engine refuses.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use sealdb::model::ops::{
    CreateTableInput, DeleteTableInput, GetItemInput, PutItemInput, ScanInput,
};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{Builder, EngineKind, Options, RootKeySource, tools};

const ITEMS: i64 = 300;

fn builder(dir: &Path, engine: EngineKind) -> Builder {
    let file = dir.join("root.key");
    let root_key = match file.exists() {
        true => RootKeySource::File(file),
        false => RootKeySource::create_file(file).unwrap(),
    };
    sealdb::Database::builder(dir.join("data"))
        .keyring(dir.join("keyring"), root_key)
        .options(Options {
            engine,
            cache_bytes: 64 << 10, // less than the items take, so that reads ask the engine
            ..Options::default()
        })
}

fn item(number: i64) -> Item {
    let payload = format!("PLAIN-{number}-").repeat(100);
    Item::from([
        ("id", AttributeValue::from(number)),
        ("payload", payload.into()),
    ])
}

fn get(number: i64) -> GetItemInput {
    GetItemInput::new("kept", Item::from([("id", AttributeValue::from(number))]))
}

#[test]
fn a_database_over_sled_keeps_what_was_acknowledged_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let db = builder(dir.path(), EngineKind::Sled).open_sync().unwrap();
    for table in ["kept", "gone"] {
        let input = CreateTableInput::new(table).partition_key("id", ScalarType::N);
        db.create_table(input).unwrap();
        for number in 0..ITEMS {
            db.put_item(PutItemInput::new(table, item(number))).unwrap();
        }
    }
    db.delete_table(DeleteTableInput::new("gone")).unwrap();
    db.close().unwrap();
    // A closed handle that still lives keeps nobody out.
    let again = builder(dir.path(), EngineKind::Sled).open_sync().unwrap();
    drop(db);
    again
        .put_item(PutItemInput::new("kept", item(ITEMS)))
        .unwrap();
    drop(again); // without closing: recovery has to find it

    let root_key = RootKeySource::File(dir.path().join("root.key"));
    let (data, keyring) = (dir.path().join("data"), dir.path().join("keyring"));
    let refused = tools::check(&data, &keyring, root_key).unwrap_err();
    assert!(refused.to_string().contains("sled engine"), "{refused}");
    let report = builder(dir.path(), EngineKind::Sled).check().unwrap();
    assert_eq!((report.damages, report.remarks), (vec![], vec![]));
    let db = builder(dir.path(), EngineKind::Sled).open_sync().unwrap();
    for number in 0..=ITEMS {
        assert_eq!(db.get_item(get(number)).unwrap().item, Some(item(number)));
    }
    assert_eq!(db.stats().items, ITEMS as u64 + 1);
    let page = db.scan(ScanInput::new("kept")).unwrap();
    assert_eq!(i64::from(page.count), ITEMS + 1);
    db.close().unwrap();
    assert!(!holds(&data, b"PLAIN-1"), "it is sealed");
}

fn holds(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, needle),
            false => {
                let bytes = std::fs::read(&path).unwrap();
                bytes.windows(needle.len()).any(|at| at == needle)
            }
        }
    })
}

#[test]
fn the_wrong_engine_is_refused_by_name_and_makes_no_keyring() {
    let dir = tempfile::tempdir().unwrap();
    for (made, other, name) in [
        (EngineKind::Sled, EngineKind::File, "sled"),
        (EngineKind::File, EngineKind::Sled, "file"),
    ] {
        let dir = dir.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        builder(&dir, made).open_sync().unwrap().close().unwrap();
        let refused = builder(&dir, other).open_sync().unwrap_err().to_string();
        let expected = format!("holds a database of the {name} engine");
        assert!(refused.contains(&expected), "{refused}");
        builder(&dir, made).open_sync().unwrap().close().unwrap();

        std::fs::remove_dir_all(dir.join("keyring")).unwrap();
        builder(&dir, other).open_sync().unwrap_err();
        assert!(!dir.join("keyring").exists());
    }
}

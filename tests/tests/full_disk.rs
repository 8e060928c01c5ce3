//! A disk that is full, for real: the write fails with a clear error, reads go on, and after space is back writing goes on.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use sealdb::model::ScalarType;
use sealdb::model::ops::{CreateTableInput, GetItemInput, PutItemInput};
use sealdb::{Error, ErrorCode, Options};
use sealdb_tests::disk::{Home, SmallDisk, small};
use sealdb_tests::judge::{State, item, judge, key_item};

#[test]
fn writing_stops_with_a_clear_error_reading_goes_on_and_nothing_is_lost() {
    for checkpoints_first in [false, true] {
        let Some(disk) = SmallDisk::new(12 << 20) else {
            return;
        };
        let home = Home::new();
        let data = disk.path().join("data");
        // Either the log finds no room, or the pages of a checkpoint do not.
        let options = Options {
            cache_bytes: if checkpoints_first {
                64 << 10
            } else {
                64 << 20
            },
            ..small()
        };
        let builder = || home.builder_at(&data).options(options.clone());
        let db = builder().open_sync().unwrap();
        let table = CreateTableInput::new("heap")
            .partition_key("pk", ScalarType::S)
            .sort_key("sk", ScalarType::N);
        db.create_table(table).unwrap();
        let mut state = State::default();
        let mut refused = 0;
        for n in 0..20_000 {
            let item = item(&format!("p{}", n % 7), n, &"full ".repeat(400));
            match db.put_item(PutItemInput::new("heap", item.clone())) {
                Ok(_) => {
                    let items = state.0.entry("heap".into()).or_default();
                    items.insert((format!("p{}", n % 7), n), item);
                }
                Err(error) => {
                    assert!(matches!(error, Error::StorageFull), "{error:?}");
                    assert_eq!(error.code(), ErrorCode::StorageFullException);
                    refused += 1;
                    if refused == 3 {
                        break;
                    }
                }
            }
        }
        assert_eq!(
            refused,
            3,
            "{} items went onto the small disk",
            state.0["heap"].len()
        );
        // Reads go on; what was refused is not there.
        for (key, item) in &state.0["heap"] {
            let got = db
                .get_item(GetItemInput::new("heap", key_item(key)))
                .unwrap();
            assert_eq!(got.item.as_ref(), Some(item));
        }
        // Whoever had the rest of the disk gives some back.
        disk.grow(32 << 20);
        state.put(&db, "heap", "after", 1, "space is back");
        db.checkpoint_now().unwrap();
        state.put(&db, "heap", "after", 2, "and writing goes on");
        drop(db);
        let verdict = judge(builder, std::slice::from_ref(&state), "after a full disk");
        assert!(!verdict.noticed(), "{verdict:?}");
    }
}

#[test]
fn a_crash_on_a_full_disk_loses_nothing() {
    let Some(disk) = SmallDisk::new(8 << 20) else {
        return;
    };
    let home = Home::new();
    let data = disk.path().join("data");
    let builder = || home.builder_at(&data);
    let db = builder().open_sync().unwrap();
    let table = CreateTableInput::new("heap")
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    db.create_table(table).unwrap();
    let mut state = State::default();
    for n in 0..200 {
        state.put(&db, "heap", &format!("p{}", n % 7), n, &"x".repeat(500));
    }
    disk.fill();
    for n in 200..2000 {
        let put = item("p1", n, &"y".repeat(500));
        match db.put_item(PutItemInput::new("heap", put.clone())) {
            Ok(_) => {
                state
                    .0
                    .get_mut("heap")
                    .unwrap()
                    .insert(("p1".into(), n), put);
            }
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::StorageFullException, "{error:?}");
                break;
            }
        }
    }
    drop(db);
    // It may open, or say that there is no space; once there is, everything is there.
    if let Err(error) = builder().open_sync() {
        assert_eq!(error.code(), ErrorCode::StorageFullException, "{error:?}");
    }
    disk.free();
    let verdict = judge(
        builder,
        std::slice::from_ref(&state),
        "after a crash on a full disk",
    );
    assert!(!verdict.noticed(), "{verdict:?}");
}

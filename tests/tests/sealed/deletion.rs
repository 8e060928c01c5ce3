//! What deletion leaves behind: no key record, and no space.
//!
//! The search for key records runs over databases of the null sealer too: there every remnant can be seen at any offset of any
//! file, also where no block stands any more. Both kinds of database go through exactly the same code of storage.

use std::sync::Arc;

use sealdb::model::ops::{
    BatchWriteItemInput, CreateTableInput, DeleteTableInput, PutItemInput, ScanInput, Select,
};
use sealdb::model::{AttributeValue, Item, ScalarType};
use sealdb::{Options, blocking};
use sealdb_benches::null::NullSealing;
use sealdb_tests::disk::{Files, Home, small};
use sealdb_tests::noting::Noting;

struct World {
    home: Home,
    kms: Arc<Noting>,
}

impl World {
    fn new() -> Self {
        let home = Home::new();
        let inner = Arc::new(home.keyring());
        let kms = Arc::new(Noting::new(inner));
        World { home, kms }
    }

    fn open(&self, options: Options) -> blocking::Database {
        sealdb::Database::builder(self.home.data())
            .kms(self.kms.clone())
            .options(options)
            .sealing(Arc::new(NullSealing))
            .open_sync()
            .unwrap()
    }

    /// The files in which the key record of a table, or a part of it, stands.
    fn holding(&self, wrapped: &[u8]) -> Vec<String> {
        let files = Files::read(&self.home.data()).unwrap();
        let mut found: Vec<String> = Vec::new();
        // The first bytes are the format and the KMS key's id and version, which tables share.
        for part in wrapped[21..].chunks_exact(12) {
            found.extend(files.holding(part).into_iter().map(str::to_owned));
        }
        found.sort();
        found.dedup();
        found
    }
}

fn table(name: &str) -> CreateTableInput {
    CreateTableInput::new(name).partition_key("pk", ScalarType::S)
}

fn fill(db: &blocking::Database, table: &str, items: std::ops::Range<u32>) {
    for n in items {
        let item = Item::from([
            ("pk", AttributeValue::from(format!("{n}"))),
            ("payload", "x".repeat(300).into()),
        ]);
        db.put_item(PutItemInput::new(table, item)).unwrap();
    }
}

fn delete(db: &blocking::Database, table: &str) {
    db.delete_table(DeleteTableInput::new(table)).unwrap();
    // What the deletion started may still be under way in the background; this waits for it.
    db.checkpoint_now().unwrap();
}

#[test]
fn a_deleted_tables_key_record_is_found_in_no_file() {
    let world = World::new();
    // A cache in which no checkpoint is due by itself: first the record stands in the log alone.
    let db = world.open(Options {
        cache_bytes: 16 << 20,
        ..small()
    });
    for name in ["first", "doomed", "third"] {
        db.create_table(table(name)).unwrap();
        fill(&db, name, 0..100);
    }
    let doomed = world.kms.of("doomed");
    let found = world.holding(&doomed);
    assert!(
        found.iter().any(|file| file.starts_with("log.")),
        "{found:?}"
    );
    db.checkpoint_now().unwrap();
    fill(&db, "doomed", 100..200);
    db.checkpoint_now().unwrap();
    let found = world.holding(&doomed);
    assert!(found.contains(&"pages.seal".into()), "{found:?}");

    delete(&db, "doomed");
    assert_eq!(world.holding(&doomed), [""; 0]);
    // The others' are where they belong.
    assert!(!world.holding(&world.kms.of("first")).is_empty());
    db.close().unwrap();
    assert_eq!(world.holding(&doomed), [""; 0]);
}

#[test]
fn after_nine_of_ten_items_are_deleted_live_pages_fall_below_a_fifth() {
    let items: i64 = std::env::var("SEALDB_TAMPER_ITEMS").map_or(100_000, |n| n.parse().unwrap());
    let home = Home::fast();
    let db = home
        .builder()
        .options(Options {
            cache_bytes: 64 << 20,
            ..Options::default()
        })
        .open_sync()
        .unwrap();
    db.create_table(
        CreateTableInput::new("many")
            .partition_key("pk", ScalarType::S)
            .sort_key("sk", ScalarType::N),
    )
    .unwrap();
    let key = |n: i64| {
        Item::from([
            ("pk", AttributeValue::from(format!("p{}", n % 1000))),
            ("sk", n.into()),
        ])
    };
    let batches = |all: Vec<i64>, put: bool| {
        for batch in all.chunks(25) {
            let input = batch.iter().fold(BatchWriteItemInput::new(), |input, n| {
                let mut item = key(*n);
                if !put {
                    return input.delete("many", item);
                }
                item.insert(
                    "payload",
                    AttributeValue::from(
                        "some hundred bytes or so, as many items have them. ".repeat(2),
                    ),
                );
                input.put("many", item)
            });
            assert!(
                db.batch_write_item(input)
                    .unwrap()
                    .unprocessed_items
                    .is_empty()
            );
        }
    };
    let used = || {
        for _ in 0..3 {
            db.checkpoint_now().unwrap();
        }
        db.stats().page_used_bytes
    };
    batches((0..items).collect(), true);
    let before = used();
    batches((0..items).filter(|n| n % 10 != 3).collect(), false);
    let after = used();
    println!("{items} items: {before} bytes of live pages, {after} after the deletion");
    assert!(after * 5 < before, "{before} before, {after} after");
    let mut left = 0;
    let mut input = ScanInput::new("many").select(Select::Count);
    loop {
        let page = db.scan(input.clone()).unwrap();
        left += i64::from(page.count);
        match page.last_evaluated_key {
            Some(last) => input = input.exclusive_start_key(last),
            None => break,
        }
    }
    assert_eq!(left, items / 10);
    assert_eq!(db.stats().rejected_frees, 0);
    db.close().unwrap();
}

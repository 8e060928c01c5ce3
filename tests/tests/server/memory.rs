//! After a table's KMS key is taken away, nothing of the table is in the memory of the server: neither its key, nor keys derived from it,
//! nor their schedules, nor pages.
//!
//! The test derives all these keys itself, from the keyring and the files, and must see them in the running server first. It reads the
//! server's memory as root may; who may not is told so, and nothing is tested.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealdb::crypto::keyring::KEYRING_FILE;
use sealdb::crypto::{Keyring, Provider, SecretBytes32, SystemClock};
use sealdb::{Database, RootKeySource};
use sealdb_client::model::{AttributeValue, Item, codec};
use sealdb_tests::aes::expand;
use sealdb_tests::memory::{Found, Needle, search};
use sealdb_tests::noting::Noting;
use sealdb_tests::server::{Home, Server};
use serde_json::json;

const VICTIM: &str = "victim";
const OTHER: &str = "other";
const PATIENCE: Duration = Duration::from_secs(40);
const SERVER: [&str; 4] = ["--key-max-age", "5s", "--key-coast", "0s"];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// The table's key, as whoever has keyring and root key gets it from a copy of the closed database.
fn table_key(home: &Home) -> SecretBytes32 {
    let (data, keyring) = (home.path().join("spied"), home.path().join("spied.keyring"));
    copy(&home.data_dir(), &data);
    copy(&home.keyring_dir(), &keyring);
    let root = RootKeySource::File(home.keyring_dir().join("root.key"));
    let kms = Keyring::open(keyring.join(KEYRING_FILE), root, Arc::new(SystemClock)).unwrap();
    let kms = Arc::new(Noting::new(Arc::new(kms)));
    let db = Database::builder(&data).kms(kms.clone()).existing_only();
    db.open_sync().unwrap().close().unwrap();
    SecretBytes32::copy_from(kms.unwrapped(VICTIM).last().unwrap()).unwrap()
}

/// The salts of all epochs, as they stand in the clear at the heads of blocks of generation 1.
fn salts(home: &Home) -> BTreeSet<[u8; 16]> {
    let mut salts = BTreeSet::new();
    for entry in std::fs::read_dir(home.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name != "pages.seal" && !name.starts_with("log.") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let heads = bytes.windows(24).filter(|head| {
            head[..3] == [0xDB, 1, 1] && (1..=5).contains(&head[3]) && head[4..8] == [0, 0, 0, 1]
        });
        salts.extend(heads.map(|head| <[u8; 16]>::try_from(&head[8..]).unwrap()));
    }
    salts
}

/// The key of the table, and everything that is derived from it.
fn key_needles(home: &Home, key: &SecretBytes32) -> Vec<Needle> {
    let provider = Provider::default_provider();
    let mut needles = vec![Needle::new("table key", key.expose())];
    for salt in salts(home) {
        // HKDF's first step, by hand: HMAC fills a short key up with zeros.
        let mut padded = [0; 32];
        padded[..16].copy_from_slice(&salt);
        let extracted = provider.hmac_sha256(&SecretBytes32::take(&mut padded), &[key.expose()]);
        needles.push(Needle::new("HKDF's inside", &extracted));
        for (what, purpose) in [("of pages", 1u8), ("of the log", 2)] {
            let info: [&[u8]; 3] = [b"sealdb block epoch v1", &[1, purpose], &[0; 4]];
            let derived = provider.derive(key, &salt, &info).unwrap();
            let schedule = expand(derived.expose());
            let (key, rounds) = match what {
                "of pages" => ("data key of pages", "schedule of pages"),
                _ => ("data key of the log", "schedule of the log"),
            };
            needles.push(Needle::new(key, derived.expose()));
            needles.push(Needle::new(rounds, &schedule[32..64]));
        }
    }
    needles
}

const KEYS: [&str; 6] = [
    "table key",
    "HKDF's inside",
    "data key of pages",
    "schedule of pages",
    "data key of the log",
    "schedule of the log",
];

fn status(home: &Home, table: &str) -> String {
    let described = home.sealdb(&["table", "describe", table, "--json"]).json();
    let table = described.get("Table").unwrap_or(&described);
    table["TableStatus"].as_str().unwrap().to_owned()
}

fn wait_for(home: &Home, table: &str, wanted: &str) {
    let begun = Instant::now();
    while status(home, table) != wanted {
        assert!(
            begun.elapsed() < PATIENCE,
            "{table} is not {wanted}:\n{}",
            home.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn key(home: &Home, args: &[&str]) {
    let keyring = home.keyring_dir();
    let mut all = vec!["key"];
    all.extend(args);
    all.extend(["--keyring", keyring.to_str().unwrap()]);
    home.sealdb(&all).ok();
}

fn canary(table: &str, round: &str, n: usize) -> String {
    format!("Kakapo-{table}-{round}-{n:04}-Kakapo")
}

fn item(table: &str, round: &str, n: usize) -> serde_json::Value {
    json!({"id": format!("{round}{n:04}"), "value": canary(table, round, n)})
}

/// The same as it is stored in pages and in the log.
fn stored(table: &str, round: &str, n: usize) -> Vec<u8> {
    let item = Item::from([
        ("id", AttributeValue::from(format!("{round}{n:04}"))),
        ("value", canary(table, round, n).into()),
    ]);
    let mut bytes = Vec::new();
    codec::encode_item(&item, &mut bytes).unwrap();
    bytes
}

fn write(home: &Home, table: &str, round: &str, count: usize) {
    let lines: String = (0..count)
        .map(|n| format!("{}\n", item(table, round, n)))
        .collect();
    home.sealdb_with_input(&["import", table, "-", "--format", "jsonl"], &lines)
        .ok();
}

/// Looks until none of these is there any more.
fn wait_until_gone(server: &Server, needles: &[Needle], gone: &[&str]) -> Found {
    let begun = Instant::now();
    loop {
        let found = search(server.pid(), needles).unwrap();
        if gone.iter().all(|what| found.count(what) == 0) {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "still there: {found:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

const ITEMS: usize = 300;

/// Two tables under keys of their own, full and closed; and the victim's key.
fn filled() -> (Home, SecretBytes32) {
    let home = Home::new();
    let server = home.start_with(&SERVER);
    for table in [VICTIM, OTHER] {
        let alias = format!("alias/{table}");
        key(&home, &["create", "--alias", &alias]);
        home.sealdb(&[
            "table",
            "create",
            table,
            "--pk",
            "id:S",
            "--kms-key",
            &alias,
        ])
        .ok();
        write(&home, table, "old", ITEMS);
    }
    assert!(server.terminate().success());
    let key = table_key(&home);
    (home, key)
}

#[test]
fn nothing_of_a_table_is_in_memory_once_its_key_is_taken_away() {
    let (home, victims) = filled();
    let server = home.start_with(&SERVER);
    if let Err(error) = search(server.pid(), &[]) {
        println!(
            "skipped: the memory of the server cannot be read by this user ({error}); run as root"
        );
        return;
    }
    // A count reads pages, and takes no item apart: what is found now lies in pages.
    for table in [VICTIM, OTHER] {
        assert_eq!(
            home.sealdb(&["scan", table, "--count"]).ok(),
            format!("{ITEMS}\n")
        );
    }
    let values = |table: &str, what| -> Vec<Needle> {
        let values = (0..ITEMS).map(|n| canary(table, "old", n));
        values
            .map(|value| Needle::new(what, value.as_bytes()))
            .collect()
    };
    let mut needles = key_needles(&home, &victims);
    needles.extend(values(VICTIM, "its pages"));
    needles.extend(values(OTHER, "pages of the other"));
    let before = search(server.pid(), &needles).unwrap();
    println!("in use: {before:?}");
    assert_eq!(before.places("table key"), ["locked"], "{before:?}");
    for what in ["schedule of pages", "its pages", "pages of the other"] {
        assert!(before.count(what) > 0, "{what} is not seen: {before:?}");
    }

    key(&home, &["disable", "alias/victim"]);
    wait_for(&home, VICTIM, "INACCESSIBLE_ENCRYPTION_CREDENTIALS");
    let mut gone = KEYS.to_vec();
    gone.push("its pages");
    let after = wait_until_gone(&server, &needles, &gone);
    println!("closed: {after:?}");
    // Other tables never notice.
    assert!(after.count("pages of the other") >= ITEMS, "{after:?}");
    assert_eq!(status(&home, OTHER), "ACTIVE");

    // And with pages that were never written to the disk, buffers of the log, and keys that sealed both.
    key(&home, &["enable", "alias/victim"]);
    wait_for(&home, VICTIM, "ACTIVE");
    write(&home, VICTIM, "new", ITEMS);
    let mut needles = key_needles(&home, &victims);
    for (round, what) in [("old", "its pages"), ("new", "its new pages")] {
        let items = (0..ITEMS).map(|n| stored(VICTIM, round, n));
        needles.extend(items.map(|item| Needle::new(what, &item)));
    }
    let before = search(server.pid(), &needles).unwrap();
    println!("in use again: {before:?}");
    for what in ["table key", "schedule of the log", "its new pages"] {
        assert!(before.count(what) > 0, "{what} is not seen: {before:?}");
    }
    key(&home, &["disable", "alias/victim"]);
    wait_for(&home, VICTIM, "INACCESSIBLE_ENCRYPTION_CREDENTIALS");
    gone.push("its new pages");
    let after = wait_until_gone(&server, &needles, &gone);
    println!("closed again: {after:?}");

    // Nothing was lost with it.
    key(&home, &["enable", "alias/victim"]);
    wait_for(&home, VICTIM, "ACTIVE");
    let all = format!("{}\n", 2 * ITEMS);
    assert_eq!(home.sealdb(&["scan", VICTIM, "--count"]).ok(), all);
    assert!(server.terminate().success());
}

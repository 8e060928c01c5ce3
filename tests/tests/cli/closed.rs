//! `check`, `compact` and `copy`: a closed database is verified, packed and copied, a running one is left alone.

use std::fs;
use std::path::Path;

use sealdb_tests::server::Home;
use serde_json::json;

const ITEMS: usize = 3_000;

/// A closed database with a table of [`ITEMS`] items in leaves of several levels.
fn filled() -> Home {
    let home = Home::new();
    let server = home.start();
    home.table("table", &["id:S"]);
    let lines: String = (0..ITEMS)
        .map(|id| format!("{}\n", json!({"id": id.to_string(), "x": "y".repeat(100)})))
        .collect();
    home.sealdb_with_input(&["import", "table", "-", "--format", "jsonl"], &lines)
        .ok();
    assert!(server.terminate().success());
    home
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Changes one byte of a leaf: the last one in the file, told by the walk's answer.
fn damage_a_leaf(home: &Home) {
    let pages = home.data_dir().join("pages.seal");
    let length = fs::metadata(&pages).unwrap().len() as usize;
    for unit in (0..length / 4096).rev() {
        flip(&pages, unit * 4096 + 100);
        if home
            .sealdb(&["check", "data"])
            .stdout
            .contains("table table: the Leaf block")
        {
            return;
        }
        flip(&pages, unit * 4096 + 100);
    }
    panic!("no byte of a leaf matters");
}

#[test]
fn a_good_database_passes() {
    let home = filled();
    let said = home.sealdb(&["check", "data"]);
    assert_eq!(said.stderr, "");
    let said = said.ok();
    for part in ["table", "sound", "3000", "no damage"] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    assert!(!said.contains("were not opened"), "{said}");
    let value = home.sealdb(&["check", "data", "--json"]).json();
    assert_eq!(value["damages"], json!([]));
    assert_eq!(value["tables"][0]["name"], "table");
    assert_eq!(value["tables"][0]["items"], ITEMS);
    assert_eq!(value["tables"][0]["state"], "sound");
    assert!(value["audit_records"].as_u64().unwrap() >= 3, "{value}");

    // Nothing was changed by looking: the server goes on.
    let server = home.start();
    assert_eq!(
        home.sealdb(&["scan", "table", "--count"]).ok(),
        format!("{ITEMS}\n")
    );
    assert!(server.terminate().success());
}

#[test]
fn a_database_without_tables_passes_without_an_empty_list() {
    let home = Home::new();
    assert!(home.start().terminate().success());
    let said = home.sealdb(&["check", "data"]).ok();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("no damage"), "{said}");
    let said = home.sealdb(&["check", "nowhere"]).refused(1);
    assert!(said.contains("no database in nowhere"), "{said}");
    fs::create_dir(home.path().join("empty")).unwrap();
    let said = home
        .sealdb(&["check", "empty", "--keyring", "data.keyring"])
        .refused(1);
    assert!(
        said.contains("no database in") && said.contains("empty"),
        "{said}"
    );
    let said = home.sealdb(&["check", "empty"]).refused(2);
    assert!(said.contains("no keyring in empty.keyring"), "{said}");
}

#[test]
fn damage_is_named_and_the_exit_code_tells() {
    let home = filled();
    damage_a_leaf(&home);
    for quiet in [&["check", "data"][..], &["check", "data", "--quiet"]] {
        let ran = home.sealdb(quiet);
        assert_eq!(ran.code, Some(1));
        assert!(
            ran.stdout
                .lines()
                .any(|line| line.starts_with("damaged: table table: ") && line.contains(" at ")),
            "{}",
            ran.stdout
        );
        assert!(
            ran.stderr.contains("damaged in 1 place, named above"),
            "{}",
            ran.stderr
        );
    }
    let ran = home.sealdb(&["check", "data", "--json"]);
    assert_eq!(ran.code, Some(1));
    let value: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(value["damages"].as_array().unwrap().len(), 1, "{value}");
    assert_eq!(value["tables"][0]["state"], "damaged");
    assert!(value["tables"][0]["items"].as_u64().unwrap() < ITEMS as u64);
}

#[test]
fn every_file_that_is_damaged_or_missing_is_named() {
    let home = filled();
    let whole = home.path().join("whole");
    copy_files(&home.data_dir(), &whole);
    let again = || {
        fs::remove_dir_all(home.data_dir()).unwrap();
        copy_files(&whole, &home.data_dir());
    };
    flip(&home.data_dir().join("audit.trail"), 4096 + 100);
    let ran = home.sealdb(&["check", "data"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("audit.trail"), "{}", ran.stdout);
    again();
    fs::remove_file(home.data_dir().join("pages.seal")).unwrap();
    let said = home.sealdb(&["check", "data"]).refused(1);
    assert!(said.contains("pages.seal is missing"), "{said}");
    again();
    fs::write(
        home.data_dir().join("root.seal"),
        vec![0; fs::metadata(whole.join("root.seal")).unwrap().len() as usize],
    )
    .unwrap();
    let said = home.sealdb(&["check", "data"]).refused(1);
    assert!(said.contains("root"), "{said}");
    again();
    home.sealdb(&["check", "data"]).ok();
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_running_database_is_left_alone() {
    let home = Home::new();
    let server = home.start();
    let pid = format!("pid {}", server.pid());
    for command in [
        &["check", "data"][..],
        &["compact", "data"],
        &["copy", "data", "copied"],
    ] {
        let said = home.sealdb(command).refused(1);
        assert!(
            said.contains("in use") && said.contains(&pid),
            "{command:?}: {said}"
        );
    }
    assert!(!home.path().join("copied").exists());
    assert!(server.terminate().success());
}

#[test]
fn compact_gives_back_what_is_free() {
    let home = filled();
    let server = home.start();
    home.table("kept", &["id:S"]);
    home.sealdb(&["item", "put", "kept", r#"{"id": "a"}"#]).ok();
    home.sealdb(&["table", "delete", "table", "--yes"]).ok();
    assert!(server.terminate().success());
    let size = || -> u64 {
        fs::read_dir(home.data_dir())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum()
    };
    let before = size();
    let value = home.sealdb(&["compact", "data", "--json"]).json();
    let bytes = |name: &str| value[name].as_u64().unwrap();
    // The lock file, a few digits, belongs to who holds it.
    assert!(
        before.abs_diff(bytes("bytes_before")) < 64,
        "{value}, {before}"
    );
    assert!(size().abs_diff(bytes("bytes_after")) < 64, "{value}");
    assert!(bytes("bytes_after") < bytes("bytes_before"), "{value}");
    let said = home.sealdb(&["compact", "data"]).ok();
    assert!(said.starts_with("nothing to give back: "), "{said}");
    home.sealdb(&["check", "data"]).ok();
    let _server = home.start();
    assert_eq!(home.sealdb(&["scan", "kept", "--count"]).ok(), "1\n");
}

#[test]
fn a_copy_opens_with_the_same_keyring_and_has_the_items() {
    let home = filled();
    let value = home.sealdb(&["copy", "data", "copied", "--json"]).json();
    assert!(value["bytes"].as_u64().unwrap() > 1 << 20, "{value}");
    home.sealdb(&["check", "copied", "--keyring", "data.keyring"])
        .ok();
    // What is there is never overwritten, and a copy does not go into its original.
    for to in ["copied", "data", "data/inside"] {
        let said = home.sealdb(&["copy", "data", to]).refused(1);
        assert!(said.contains("cannot copy to"), "{said}");
    }
    assert!(!home.data_dir().join("inside").exists());
    let said = home.sealdb(&["copy", "nowhere", "other"]).refused(1);
    assert!(said.contains("no database in nowhere"), "{said}");
    assert!(!home.path().join("other").exists());

    // The copy takes the original's place.
    fs::remove_dir_all(home.data_dir()).unwrap();
    let said = home.sealdb(&["copy", "copied", "data"]).ok();
    assert!(said.contains("same keyring"), "{said}");
    let server = home.start();
    assert_eq!(
        home.sealdb(&["scan", "table", "--count"]).ok(),
        format!("{ITEMS}\n")
    );
    assert_eq!(
        home.sealdb(&["item", "get", "table", "--pk", "17", "--json"])
            .json()["x"]["S"],
        "y".repeat(100)
    );
    assert!(server.terminate().success());
}

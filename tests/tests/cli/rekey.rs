//! Keys of tables that a server has open: rewrap, rekey with its proof, and what depends on a key.

use std::fs;

use sealdb_tests::server::{Home, Server};
use serde_json::{Value, json};

fn films() -> (Home, Server) {
    let home = Home::new();
    let server = home.start();
    home.sealdb(&[
        "table",
        "create",
        "films",
        "--pk",
        "id:N",
        "--stream",
        "keys-only",
    ])
    .ok();
    for id in 0..30 {
        let item = json!({"id": id, "text": "x".repeat(id * 100)});
        home.sealdb(&["item", "put", "films", &item.to_string()])
            .ok();
    }
    (home, server)
}

/// The events of this name in the trail.
fn recorded(home: &Home, event: &str) -> Vec<Value> {
    let search = [
        "audit",
        "search",
        "--data-dir",
        "data",
        "--json",
        "--event",
        event,
    ];
    let found = home.sealdb(&search).ok();
    let records = found.lines().map(serde_json::from_str::<Value>);
    records
        .map(|record| record.unwrap()["event"].take())
        .collect()
}

#[test]
fn a_table_is_rekeyed_and_the_proof_checked() {
    let (home, server) = films();
    let said = home.sealdb(&["key", "proof", "films"]).refused(2);
    assert!(said.contains("no rekey of table films has ended"), "{said}");
    let said = home.sealdb(&["key", "pause", "films"]).refused(1);
    assert!(said.contains("is not being rekeyed"), "{said}");
    let said = home
        .sealdb(&[
            "key", "rekey", "--table", "films", "--pace", "100", "--wait",
        ])
        .ok();
    assert!(said.contains("rekeyed 1 table"), "{said}");
    let status = home.sealdb(&["key", "status", "--json"]).json();
    assert_eq!(status["Rekeys"], json!([]));
    assert_eq!(home.sealdb(&["scan", "films", "--count"]).ok(), "30\n");

    let proof = home.sealdb(&["key", "proof", "films"]).ok();
    let file = home.path().join("proof.json");
    fs::write(&file, &proof).unwrap();
    let file = file.to_str().unwrap();
    drop(server);
    let told = home.sealdb(&["key", "verify-proof", file, "--json"]).json();
    assert_eq!(told["oldBlocks"], 0);
    assert_eq!(
        (&told["oldGeneration"], &told["generation"]),
        (&json!(1), &json!(2))
    );
    assert!(!told["cannotSee"].as_array().unwrap().is_empty());
    // With the key that the auditor keeps for the trail, and without the note that another could have signed.
    let kept = home
        .sealdb(&["audit", "public-key", "--data-dir", "data"])
        .ok();
    fs::write(home.path().join("trail.key"), kept).unwrap();
    for (key, noted) in [(&["--public-key", "trail.key"][..], false), (&[], true)] {
        let ran = home.sealdb(&[&["key", "verify-proof", file], key].concat());
        assert_eq!((ran.code, ran.stderr.contains("note:")), (Some(0), noted));
        // Line by line, as people read it.
        assert!(ran.stdout.contains("Cannot see") && !ran.stdout.contains("\\n"));
    }
    fs::write(file, proof.replace("films", "songs")).unwrap();
    let said = home.sealdb(&["key", "verify-proof", file]).refused(2);
    assert!(said.contains("its signature does not fit"), "{said}");
    fs::write(file, proof).unwrap();
    let other = "00".repeat(32);
    let said = home
        .sealdb(&["key", "verify-proof", file, "--public-key", &other])
        .refused(2);
    assert!(said.contains("not with the one expected"), "{said}");
}

#[test]
fn a_rekey_rests_over_a_restart_and_goes_on() {
    let (home, server) = films();
    // Two seconds at the slowest pace: it cannot have ended before it is told to rest.
    for id in 30..50 {
        let item = json!({"id": id, "text": "x".repeat(100_000)});
        home.sealdb(&["item", "put", "films", &item.to_string()])
            .ok();
    }
    let paced = ["key", "rekey", "--all", "--pace", "1", "--json"];
    let begun = home.sealdb(&paced).json();
    assert_eq!(begun["Rekeys"][0]["TableName"], "films");
    let paused = home.sealdb(&["key", "pause", "films", "--json"]).json();
    assert_eq!(paused["Rekeys"][0]["Step"], "paused");
    server.kill();
    let _server = home.start();
    let status = home.sealdb(&["key", "status", "--json"]).json();
    assert_eq!(status["Rekeys"][0]["Step"], "paused");
    home.sealdb(&["key", "resume", "films", "--pace", "100"])
        .ok();
    home.sealdb(&["key", "status", "--wait"]).ok();
    for event in ["RekeyTable", "PauseRekey", "ResumeRekey"] {
        let events = recorded(&home, event);
        assert_eq!(events.len(), 1, "{event}");
        assert!(
            events[0]["resources"].to_string().contains("table/films"),
            "{event}"
        );
    }
    assert_eq!(recorded(&home, "DestroyOldTableKey").len(), 1);
    assert!(
        home.sealdb(&["key", "proof", "films"])
            .ok()
            .contains("proof")
    );
    assert_eq!(home.sealdb(&["scan", "films", "--count"]).ok(), "50\n");
}

#[test]
fn keys_are_rewrapped_and_what_depends_on_one_is_shown() {
    let (home, server) = films();
    let done = home.sealdb(&["key", "rewrap", "--all", "--json"]).json();
    let rewrapped = done["Rewrapped"].as_array().unwrap();
    assert_eq!(rewrapped.len(), 2, "the table and the system");
    assert!(rewrapped.iter().all(|one| one["OldIsGone"] == true));
    for (event, key) in [
        ("RewrapTableKey", &rewrapped[0]["ToKmsKey"]),
        ("RewrapSystemKey", &rewrapped[1]["ToKmsKey"]),
    ] {
        let events = recorded(&home, event);
        assert_eq!(events.len(), 1, "{event}");
        assert_eq!(events[0]["responseElements"]["keyId"], *key, "{event}");
        assert_eq!(
            events[0]["userIdentity"]["principalId"], server.endpoint.access_key_id,
            "{event}: in the name of who asked for it"
        );
    }
    let tail = home
        .sealdb(&["audit", "tail", "--data-dir", "data", "--lines", "100"])
        .ok();
    let mut lines = tail.lines();
    let line = lines.find(|line| line.contains("RewrapTableKey")).unwrap();
    assert!(line.contains(" films "), "{line}");
    let impact = home
        .sealdb(&["key", "impact", "alias/sealdb/default", "--json"])
        .json();
    let films = &impact["Tables"][0];
    assert_eq!(
        (&films["TableName"], &films["ItemCount"]),
        (&json!("films"), &json!(30))
    );
    assert_eq!(films["Streams"].as_array().unwrap().len(), 1);
    let said = home.sealdb(&["key", "impact", "alias/none"]).refused(1);
    assert!(said.contains("alias/none"), "{said}");
    let to = ["key", "rewrap", "--table", "films", "--to", "alias/none"];
    assert!(home.sealdb(&to).refused(1).contains("alias/none"));
    let to = [
        "table",
        "update",
        "films",
        "--kms-key",
        "alias/sealdb/system",
    ];
    assert!(home.sealdb(&to).refused(1).contains("usage"));
}

#[test]
fn a_table_whose_key_says_no_does_not_hold_the_others_up() {
    let (home, _server) = films();
    let keyring = home.keyring_dir();
    let keyring = keyring.to_str().unwrap();
    let key = |args: &[&str]| {
        let all = [&["key"], args, &["--keyring", keyring]].concat();
        home.sealdb(&all).ok()
    };
    key(&["create", "--alias", "alias/albums"]);
    let create = ["table", "create", "albums", "--pk", "id:S"];
    home.sealdb(&[&create[..], &["--kms-key", "alias/albums"]].concat())
        .ok();
    key(&["disable", "alias/albums"]);
    for command in ["rewrap", "rekey"] {
        let ran = home.sealdb(&["key", command, "--all"]);
        let (said, done) = (ran.stderr, ran.stdout);
        assert_eq!(ran.code, Some(1), "{command}: {said}");
        assert!(done.contains("films"), "{command}: {done}");
        assert!(!done.contains("albums"), "{command}: {done}");
        assert!(said.contains("albums: Inaccessible"), "{command}: {said}");
        let said = home
            .sealdb(&["key", command, "--table", "albums"])
            .refused(1);
        assert!(said.contains("disabled"), "{command}: {said}");
    }
}

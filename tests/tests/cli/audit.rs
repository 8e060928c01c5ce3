//! `audit tail`: who asked the KMS for which key, read beside the server that writes it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use sealdb_tests::server::Home;
use serde_json::Value;

use crate::credentials;

fn events(home: &Home, more: &[&str]) -> Vec<Value> {
    let mut args = vec!["audit", "tail", "--data-dir", "data", "--json"];
    args.extend(more);
    home.sealdb(&args)
        .ok()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_events_of_a_new_table_are_shown() {
    let home = Home::new();
    let server = home.start();
    let before = events(&home, &["-n", "1000"]);
    home.table("airports", &["id:S"]);
    let all = events(&home, &["-n", "1000"]);
    assert!(all.len() > before.len());
    for (index, record) in all.iter().enumerate() {
        assert_eq!(record["sequence"], index + 1, "{record}");
    }
    let made: Vec<&Value> = all
        .iter()
        .skip(before.len())
        .map(|record| &record["event"])
        .filter(|event| {
            event["requestParameters"]["encryptionContext"]["sealdb:table-name"] == "airports"
        })
        .collect();
    let event = made
        .iter()
        .find(|event| event["eventName"] == "GenerateDataKey")
        .unwrap_or_else(|| panic!("no key for the table in {all:?}"));
    assert!(event.get("errorCode").is_none(), "{event}");
    assert_eq!(
        event["userIdentity"]["principalId"], server.endpoint.access_key_id,
        "in the name of who asked for the table"
    );
    // The same for people.
    let shown = home
        .sealdb(&["audit", "tail", "--data-dir", "data", "-n", "1000"])
        .ok();
    assert_eq!(shown.lines().count(), all.len());
    let line = shown
        .lines()
        .find(|line| line.contains("airports") && line.contains("GenerateDataKey"))
        .unwrap_or_else(|| panic!("{shown}"));
    for part in [" ok ", server.endpoint.access_key_id.as_str()] {
        assert!(line.contains(part), "{part} in {line}");
    }
    // A key that is refused leaves its event too, and its name.
    home.sealdb(&[
        "table",
        "create",
        "other",
        "--pk",
        "id:S",
        "--kms-key",
        "alias/nothing",
    ])
    .refused(1);
    let last = home
        .sealdb(&["audit", "tail", "--data-dir", "data", "-n", "1"])
        .ok();
    assert!(
        last.contains("alias/nothing") && !last.contains(" ok "),
        "{last}"
    );
}

#[test]
fn the_number_of_events_is_as_asked_for() {
    let home = Home::new();
    let server = home.start();
    for table in 0..25 {
        let name = format!("table{table}");
        home.sealdb(&["table", "create", &name, "--pk", "id:S"])
            .ok();
    }
    assert!(server.terminate().success());
    let all = events(&home, &["-n", "1000"]);
    assert!(all.len() > 25, "{}", all.len());
    assert_eq!(events(&home, &[]), all[all.len() - 20..], "20 by default");
    assert_eq!(events(&home, &["-n", "3"]), all[all.len() - 3..]);
    assert_eq!(events(&home, &["--lines", "0"]), [] as [Value; 0]);
    let said = home
        .sealdb(&["audit", "tail", "--data-dir", "data", "-n", "few"])
        .refused(2);
    assert!(said.contains("few"), "{said}");
    let said = home
        .sealdb(&["audit", "tail", "--data-dir", "nowhere"])
        .refused(1);
    assert!(said.contains("no database in nowhere"), "{said}");
}

#[test]
fn follow_shows_what_comes() {
    let home = Home::new();
    let _server = home.start();
    let mut command = home.command("sealdb");
    let file = home.path().join("followed");
    let mut child = command
        .args(["audit", "tail", "--data-dir", "data", "-n", "0", "--follow"])
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&file).unwrap())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let mut tables = 0;
    // The first events may lie before its start.
    while !std::fs::read_to_string(&file).unwrap().contains("followed") {
        let name = format!("followed{tables}");
        tables += 1;
        home.sealdb(&["table", "create", &name, "--pk", "id:S"])
            .ok();
        std::thread::sleep(Duration::from_millis(200));
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(begun.elapsed() < Duration::from_secs(20), "nothing came");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_changed_trail_is_not_shown_as_if_nothing_were() {
    let home = Home::new();
    let server = home.start();
    home.table("table", &["id:S"]);
    assert!(server.terminate().success());
    let path = home.data_dir().join("audit.trail");
    let mut bytes = std::fs::read(&path).unwrap();
    // Inside of the first record's block; the head takes 8192 bytes.
    bytes[8192 + 100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let said = home
        .sealdb(&["audit", "tail", "--data-dir", "data"])
        .refused(1);
    assert!(
        said.contains("audit.trail") && said.contains("record 1"),
        "{said}"
    );
}

#[test]
fn search_finds_by_each_condition() {
    let home = Home::new();
    let server = home.start();
    home.table("airports", &["id:S"]);
    home.table("flights", &["id:S"]);
    home.sealdb(&["table", "delete", "flights", "--yes"]).ok();
    let key = server.endpoint.access_key_id.clone();
    let search = |conditions: &[&str]| -> Vec<Value> {
        let mut args = vec!["audit", "search", "--data-dir", "data", "--json"];
        args.extend(conditions);
        let found = home.sealdb(&args).ok();
        let lines = found
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        lines.map(|record: Value| record["event"].clone()).collect()
    };
    let all = search(&[]);
    let count = |holds: &dyn Fn(&Value) -> bool| all.iter().filter(|event| holds(event)).count();
    let deleted = search(&["--event", "deletetable"]);
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0]["requestParameters"]["tableName"], "flights");
    assert_eq!(deleted[0]["userIdentity"]["accessKeyId"], key.as_str());
    assert_eq!(
        search(&["--principal", &key]).len(),
        count(&|event| event["userIdentity"]["principalId"] == key.as_str())
    );
    let on_table = search(&["--table", "flights"]);
    assert!(
        on_table.len() >= 3,
        "its key made, it made, it deleted: {on_table:?}"
    );
    assert!(
        on_table
            .iter()
            .all(|event| event.to_string().contains("flights"))
    );
    let kms_key = on_table[0]["responseElements"]["keyId"].as_str().unwrap();
    assert!(search(&["--key", kms_key]).len() > 1);
    assert_eq!(search(&["--outcome", "success"]).len(), all.len());
    assert!(search(&["--outcome", "failure"]).is_empty());
    assert_eq!(
        search(&["--source", "127.0.0.1", "--event", "CreateTable"]).len(),
        2
    );
    let at = all[all.len() - 1]["eventTime"].as_str().unwrap();
    let (before, from) = (search(&["--to", at]), search(&["--from", at]));
    assert_eq!(before.len() + from.len(), all.len());
    assert!(!from.is_empty() && !before.is_empty());
    let said = home
        .sealdb(&[
            "audit",
            "search",
            "--data-dir",
            "data",
            "--from",
            "yesterday",
        ])
        .refused(2);
    assert!(said.contains("2026-01-02"), "{said}");
}

/// Administration and refusals name a key by its id, requests by an alias; events name a user beside its access key.
#[test]
fn search_finds_a_key_by_its_alias_and_a_user_by_its_name() {
    let home = Home::new();
    let server = home.start();
    let key = |args: &[&str]| {
        let line = [&["key"], args, &["--keyring", "data.keyring"]].concat();
        home.sealdb(&line).ok()
    };
    key(&["create", "--alias", "alias/orders"]);
    let made = credentials::create(&home, ["--user", "app-1"]);
    let file = credentials::endpoint(&home, &server, &made);
    let file = file.to_str().unwrap();
    let line = "table create orders --pk id:S --kms-key alias/orders --endpoint-file";
    let line: Vec<&str> = line.split(' ').chain([file]).collect();
    let begun = Instant::now();
    // A running server follows within a second.
    while home.sealdb(&line).code != Some(0) {
        assert!(begun.elapsed() < Duration::from_secs(10), "never made");
        std::thread::sleep(Duration::from_millis(100));
    }
    key(&["policy", "alias/orders", "--users", "somebody-else"]);
    let delete = [
        "table",
        "delete",
        "orders",
        "--yes",
        "--endpoint-file",
        file,
    ];
    let said = home.sealdb(&delete).refused(1);
    assert!(said.contains("AccessDeniedException"), "{said}");
    // The server writes down what was done to keys before it next uses one.
    home.table("other", &["id:S"]);
    // A refusal is in the trail within a second, and when it is closed.
    assert!(server.terminate().success());
    let search = |conditions: &[&str]| {
        let line = [&["audit", "search", "--data-dir", "data"], conditions].concat();
        home.sealdb(&line)
    };
    let refused = search(&["--key", "alias/orders", "--outcome", "failure"]).ok();
    assert!(refused.contains("AccessDeniedException"), "{refused}");
    let administered = search(&["--key", "alias/orders", "--event", "PutKeyPolicy"]).ok();
    assert_eq!(administered.lines().count(), 1, "{administered}");
    // What was asked for by name, too.
    let requests = search(&["--key", "alias/orders", "--event", "CreateTable"]).ok();
    assert_eq!(requests.lines().count(), 1, "{requests}");
    let told = search(&["--key", "alias/nothing"]);
    assert!(told.stderr.contains("names no key"), "{}", told.stderr);
    assert_eq!(told.ok(), "");

    // Before the server knew the credential, the key was only claimed.
    let of_key = search(&["--principal", &made.id]).ok();
    let of_key = of_key.lines().filter(|line| !line.contains("unproven"));
    let of_user = search(&["--principal", "app-1"]).ok();
    assert!(of_user.lines().eq(of_key), "{of_user}");
    assert!(of_user.lines().count() >= 2, "{of_user}");
    for line in of_user.lines() {
        let who = format!("by {} (app-1)", made.id);
        assert!(line.contains(&who), "{line}");
    }
}

#[test]
fn an_export_verifies_offline_and_what_was_done_to_it_is_named() {
    let home = Home::new();
    let server = home.start();
    home.table("airports", &["id:S"]);
    let kept = home
        .sealdb(&["audit", "checkpoint", "--data-dir", "data"])
        .ok();
    std::fs::write(home.path().join("kept"), kept).unwrap();
    let public = home
        .sealdb(&["audit", "public-key", "--data-dir", "data"])
        .ok();
    std::fs::write(home.path().join("key"), public).unwrap();
    home.table("flights", &["id:S"]);
    home.sealdb(&["audit", "export", "trail.jsonl", "--data-dir", "data"])
        .ok();
    assert!(server.terminate().success());

    // Without the database and its keys.
    std::fs::rename(home.data_dir(), home.path().join("away")).unwrap();
    std::fs::rename(home.keyring_dir(), home.path().join("away.keyring")).unwrap();
    let verify = [
        "audit",
        "verify",
        "trail.jsonl",
        "--public-key",
        "key",
        "--checkpoint",
        "kept",
    ];
    let said = home.sealdb(&verify).ok();
    assert!(said.contains("2 signed checkpoints agree"), "{said}");
    let file = home.path().join("trail.jsonl");
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    for line in &lines {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["eventVersion"].is_string() && event["eventID"].is_string());
    }
    let with = |lines: &[&str], named: &str| {
        std::fs::write(&file, lines.join("\n")).unwrap();
        let shown = home.sealdb(&verify);
        assert_eq!(shown.code, Some(1));
        assert!(
            shown.stderr.contains("not as it was recorded"),
            "{}",
            shown.stderr
        );
        assert!(shown.stdout.contains(named), "{named} in {}", shown.stdout);
        let mut json = verify.to_vec();
        json.push("--json");
        let shown: Value = serde_json::from_str(&home.sealdb(&json).stdout).unwrap();
        assert!(shown["findings"].to_string().contains(named), "{shown}");
    };
    let mut removed = lines.clone();
    removed.remove(2);
    with(&removed, "event 3 is missing");
    let changed = lines[1].replace("\"requestID\":\"", "\"requestID\":\"0");
    let mut other = lines.clone();
    other[1] = &changed;
    with(&other, "event 2 was changed");
    let mut moved = lines.clone();
    moved.swap(1, 2);
    with(&moved, "event 2 stands where another should");
    with(&lines[..3], "it ends at event 3");

    // The trail itself, cut back to before the checkpoint was made.
    std::fs::rename(home.path().join("away"), home.data_dir()).unwrap();
    std::fs::rename(home.path().join("away.keyring"), home.keyring_dir()).unwrap();
    let itself = [
        "audit",
        "verify",
        "--data-dir",
        "data",
        "--checkpoint",
        "kept",
    ];
    home.sealdb(&itself).ok();
    let path = home.data_dir().join("audit.trail");
    let mut bytes = std::fs::read(&path).unwrap();
    let first = u32::from_be_bytes(bytes[8192..8196].try_into().unwrap()) as usize;
    let end = 8192 + (16 + first).next_multiple_of(16);
    bytes[end..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    home.sealdb(&["audit", "tail", "--data-dir", "data"]).ok();
    assert_eq!(home.sealdb(&itself).code, Some(1));
}

#[test]
fn who_holds_a_checkpoint_or_an_event_has_it_proven_without_the_trail() {
    let home = Home::new();
    let server = home.start();
    let to_file = |name: &str, args: &[&str]| {
        let said = home
            .sealdb(&[&["audit"], args, &["--data-dir", "data"]].concat())
            .ok();
        std::fs::write(home.path().join(name), &said).unwrap();
        said
    };
    to_file("key", &["public-key"]);
    to_file("first", &["checkpoint"]);
    home.table("airports", &["id:S"]);
    to_file("second", &["checkpoint"]);
    home.table("flights", &["id:S"]);
    home.sealdb(&["audit", "export", "trail.jsonl", "--data-dir", "data"])
        .ok();
    let export = std::fs::read_to_string(home.path().join("trail.jsonl")).unwrap();
    std::fs::write(
        home.path().join("held"),
        export.lines().nth(2).unwrap().to_owned() + "\n",
    )
    .unwrap();
    let grown = to_file("grown", &["prove", "--since", "first"]);
    to_file(
        "between",
        &["prove", "--since", "first", "--under", "second"],
    );
    let event = to_file("event", &["prove", "--event", "3"]);
    let other = to_file("other", &["prove", "--event", "4", "--under", "second"]);
    assert!(other.contains("inclusion") && grown.contains("consistency"));

    // A fork: the trail as it was goes on otherwise.
    assert!(server.terminate().success());
    let trail = home.data_dir().join("audit.trail");
    let whole = std::fs::read(&trail).unwrap();
    let first_end = |bytes: &[u8]| {
        let len = u32::from_be_bytes(bytes[8192..8196].try_into().unwrap()) as usize;
        8192 + (16 + len).next_multiple_of(16)
    };
    let mut cut = whole.clone();
    let end = first_end(&whole);
    cut[end..].fill(0);
    std::fs::write(&trail, &cut).unwrap();
    let prove = ["audit", "prove", "--data-dir", "data", "--since", "second"];
    let said = home.sealdb(&prove).refused(1);
    assert!(said.contains("cut off: it ends at event"), "{said}");
    let server = home.start();
    for n in 0..20 {
        home.table(&format!("other{n}"), &["id:S"]);
    }
    assert!(server.terminate().success());
    let said = home.sealdb(&prove).refused(1);
    assert!(said.contains("not the one that was signed"), "{said}");

    // Everything else without the database and its keys.
    std::fs::rename(home.data_dir(), home.path().join("away")).unwrap();
    std::fs::rename(home.keyring_dir(), home.path().join("away.keyring")).unwrap();
    let verify = |args: &[&str]| {
        home.sealdb(&[&["audit", "verify-proof", "--public-key", "key"], args].concat())
    };
    let said = verify(&["grown", "--checkpoint", "first"]).ok();
    assert!(said.contains("as they were"), "{said}");
    verify(&["between", "--checkpoint", "first", "--checkpoint", "second"]).ok();
    let said = verify(&["event", "--event", "held"]).ok();
    assert!(said.contains("event 3 is among the"), "{said}");
    let shown = verify(&["event", "--event", "held", "--json"]).json();
    assert_eq!(shown["event"]["sequence"], 3);
    verify(&["other", "--checkpoint", "second"]).ok();
    let said = verify(&["other", "--event", "held"]).refused(1);
    assert!(said.contains("about event 4"), "{said}");
    let said = verify(&["grown"]).refused(1);
    assert!(said.contains("hand in the checkpoint"), "{said}");
    let said = verify(&["grown", "--checkpoint", "second"]).refused(1);
    assert!(said.contains("says nothing"), "{said}");
    let said = verify(&["held"]).refused(1);
    assert!(said.contains("no proof"), "{said}");

    // Changed: a hash of the proof, the event.
    for (proof, args) in [
        (&grown, &["changed", "--checkpoint", "first"][..]),
        (&event, &["changed"]),
    ] {
        let mut changed: Value = serde_json::from_str(proof).unwrap();
        let hash = changed["hashes"][0].as_str().unwrap();
        let other = if hash.starts_with('0') { "1" } else { "0" };
        changed["hashes"][0] = format!("{other}{}", &hash[1..]).into();
        std::fs::write(home.path().join("changed"), changed.to_string()).unwrap();
        let said = verify(args).refused(1);
        assert!(said.contains("does not hold"), "{said}");
    }
    let changed = event.replace("us-east-1", "us-east-2");
    std::fs::write(home.path().join("changed"), changed).unwrap();
    let said = verify(&["changed"]).refused(1);
    assert!(said.contains("does not hold"), "{said}");
    let said = home
        .sealdb(&["audit", "prove", "--data-dir", "away"])
        .refused(2);
    assert!(said.contains("--since"), "{said}");
}

#[test]
fn an_item_is_found_by_its_key_and_nothing_of_it_stands_in_the_trail() {
    let home = Home::new();
    let server = home.start_with(&["--audit-data", "all:airports"]);
    home.table("airports", &["canaryName:S"]);
    for id in ["canary one", "canary two"] {
        let item = format!(r#"{{"canaryName": "{id}", "canaryOther": "canary value"}}"#);
        home.sealdb(&["item", "put", "airports", &item]).ok();
    }
    home.sealdb(&["item", "get", "airports", "--pk", "canary one"])
        .ok();
    assert!(server.terminate().success());
    let search = |id: &str| {
        let key = format!(r#"{{"canaryName": {{"S": "{id}"}}}}"#);
        let args = [
            "audit",
            "search",
            "--data-dir",
            "data",
            "--table",
            "airports",
            "--item",
            &key,
        ];
        let found = home.sealdb(&args).ok();
        found.lines().count()
    };
    assert_eq!(
        (search("canary one"), search("canary two"), search("other")),
        (2, 1, 0)
    );
    home.sealdb(&["audit", "export", "trail.jsonl", "--data-dir", "data"])
        .ok();
    let export = std::fs::read_to_string(home.path().join("trail.jsonl")).unwrap();
    assert!(export.contains("airports") && export.contains("keyHashes"));
    assert!(!export.contains("canary"), "{export}");
    let trail = std::fs::read(home.data_dir().join("audit.trail")).unwrap();
    let clear = String::from_utf8_lossy(&trail).into_owned();
    assert!(!clear.contains("airports") && !clear.contains("eventName"));
    let said = home
        .sealdb(&["audit", "search", "--data-dir", "data", "--item", "{}"])
        .refused(2);
    assert!(said.contains("--table"), "{said}");
}

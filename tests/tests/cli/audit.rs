//! `audit tail`: who asked the KMS for which key, read beside the server that writes it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use sealdb_tests::server::Home;
use serde_json::Value;

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
    assert_eq!(event["outcome"], "Success");
    assert_eq!(
        event["userIdentity"]["principal"], server.endpoint.access_key_id,
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
    // Inside of the first record's block; the head takes 4096 bytes.
    bytes[4096 + 100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let said = home
        .sealdb(&["audit", "tail", "--data-dir", "data"])
        .refused(1);
    assert!(
        said.contains("audit.trail") && said.contains("record 1"),
        "{said}"
    );
}

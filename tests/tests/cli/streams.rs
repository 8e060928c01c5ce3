//! Streams: enabled, followed, ended.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use sealdb_tests::server::Home;
use serde_json::{Value, json};

fn put(home: &Home, id: u32, title: &str) {
    let item = json!({"id": id, "title": title}).to_string();
    home.sealdb(&["item", "put", "films", &item]).ok();
}

fn records(lines: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap();
    lines.lines().map(parse).collect()
}

fn events(records: &[Value]) -> Vec<(&str, &str)> {
    records
        .iter()
        .map(|record| {
            (
                record["eventName"].as_str().unwrap(),
                record["dynamodb"]["Keys"]["id"]["N"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_stream_is_followed_from_its_start_from_a_record_and_from_now_on() {
    let home = Home::new();
    let _server = home.start();
    let with = ["--pk", "id:N", "--stream", "new-and-old-images"];
    home.sealdb(&[&["table", "create", "films"], &with[..]].concat())
        .ok();
    put(&home, 1, "Alien");
    put(&home, 1, "Aliens");
    put(&home, 2, "Brazil");
    let described = home.sealdb(&["table", "describe", "films"]).ok();
    assert!(
        described.contains("NEW_AND_OLD_IMAGES, arn:aws:dynamodb:"),
        "{described}"
    );

    let tail = |args: &[&str]| {
        let line = [&["stream", "tail", "films", "--no-follow", "--quiet"], args].concat();
        records(&home.sealdb(&line).ok())
    };
    let all = tail(&["--from-start"]);
    assert_eq!(
        events(&all),
        [("INSERT", "1"), ("MODIFY", "1"), ("INSERT", "2")]
    );
    assert_eq!(
        all[1]["dynamodb"]["OldImage"]["title"],
        json!({"S": "Alien"})
    );
    assert_eq!(
        all[1]["dynamodb"]["NewImage"]["title"],
        json!({"S": "Aliens"})
    );
    let first = all[0]["dynamodb"]["SequenceNumber"].as_str().unwrap();
    assert_eq!(tail(&["--after", first]), all[1..]);
    assert_eq!(tail(&["--from-start", "--limit", "2"]), all[..2]);
    assert_eq!(tail(&[]), [] as [Value; 0]);

    // One who follows sees what comes while he does, and ends when he has seen enough.
    let mut following = home.command("sealdb");
    following.args(["stream", "tail", "films", "--limit", "2"]);
    let mut following = following
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut remarks = BufReader::new(following.stderr.take().unwrap());
    let mut remark = String::new();
    remarks.read_line(&mut remark).unwrap();
    assert!(
        remark.starts_with("following arn:aws:dynamodb:"),
        "{remark}"
    );
    put(&home, 3, "Cube");
    home.sealdb(&["item", "delete", "films", "--pk", "2"]).ok();
    let followed = following.wait_with_output().unwrap();
    assert!(followed.status.success());
    let seen = records(&String::from_utf8(followed.stdout).unwrap());
    assert_eq!(events(&seen), [("INSERT", "3"), ("REMOVE", "2")]);
}

#[test]
fn a_stream_is_enabled_and_disabled_while_the_table_is_used() {
    let home = Home::new();
    let _server = home.start();
    home.table("films", &["id:N"]);
    let none = home.sealdb(&["stream", "tail", "films"]).refused(1);
    assert!(none.contains("the table films has no stream"), "{none}");
    put(&home, 1, "Alien");
    home.sealdb(&["stream", "enable", "films", "--view", "keys-only"])
        .ok();
    put(&home, 2, "Brazil");
    let twice = home.sealdb(&["stream", "enable", "films"]).refused(1);
    assert!(
        twice.contains("Table already has an enabled stream: TableName: films"),
        "{twice}"
    );
    let disabled = home.sealdb(&["stream", "disable", "films"]).ok();
    assert!(
        disabled.contains("it can be read for 24 hours"),
        "{disabled}"
    );
    put(&home, 3, "Cube");

    let listed = home.sealdb(&["stream", "list", "films", "--json"]).json();
    assert_eq!(listed["Streams"].as_array().unwrap().len(), 1);
    assert_eq!(listed["Streams"][0]["TableName"], "films");
    // A stream that is disabled ends by itself, also for one who follows.
    let all = home
        .sealdb(&["stream", "tail", "films", "--from-start", "--quiet"])
        .ok();
    let all = records(&all);
    assert_eq!(events(&all), [("INSERT", "2")]);
    assert_eq!(all[0]["dynamodb"].get("NewImage"), None);
}

#[test]
fn a_stream_is_a_setting_of_its_table_too() {
    let home = Home::new();
    let _server = home.start();
    home.table("films", &["id:N"]);
    let update = |stream| home.sealdb(&["table", "update", "films", "--stream", stream]);
    update("new-image").ok();
    put(&home, 4, "Dune");
    update("off").ok();
    let wrong = update("some").refused(2);
    assert!(wrong.contains("some"), "{wrong}");
    let last = home.sealdb(&["stream", "tail", "films", "--from-start", "--quiet"]);
    let last = records(&last.ok());
    assert_eq!(events(&last), [("INSERT", "4")]);
}

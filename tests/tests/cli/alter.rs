//! Tables that are altered: settings, indexes, time to live, tags.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sealdb_tests::server::{Home, Server};
use serde_json::{Value, json};

fn films() -> (Home, Server) {
    let home = Home::new();
    let server = home.start();
    home.sealdb(&["table", "create", "films", "--pk", "id:N"])
        .ok();
    for id in 0..30 {
        let item = json!({"id": id, "year": 1980 + id % 3});
        home.sealdb(&["item", "put", "films", &item.to_string()])
            .ok();
    }
    (home, server)
}

fn described(home: &Home) -> Value {
    home.sealdb(&["table", "describe", "films", "--json"])
        .json()
}

#[test]
fn an_index_is_added_read_and_dropped() {
    let (home, _server) = films();
    let said = home
        .sealdb(&["table", "update", "films", "--add-gsi", "by-year=year:N"])
        .ok();
    assert!(said.contains("its new index is being filled"), "{said}");
    let begun = Instant::now();
    while described(&home)["GlobalSecondaryIndexes"][0]["IndexStatus"] != "ACTIVE" {
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    let query = ["query", "films", "--index", "by-year", "--pk", "1981"];
    assert_eq!(
        home.sealdb(&[&query[..], &["--count"]].concat()).ok(),
        "10\n"
    );
    home.sealdb(&["table", "update", "films", "--drop-gsi", "by-year"])
        .ok();
    while described(&home).get("GlobalSecondaryIndexes").is_some() {
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn settings_are_changed_and_shown() {
    let home = Home::new();
    let _server = home.start();
    home.sealdb(&[
        "table",
        "create",
        "films",
        "--pk",
        "id:N",
        "--gsi",
        "by-year=year:N",
        "--protect",
        "--class",
        "infrequent-access",
        "--tag",
        "owner=me",
    ])
    .ok();
    let said = home
        .sealdb(&["table", "delete", "films", "--yes"])
        .refused(1);
    assert!(said.contains("protected against deletion"), "{said}");
    let table = described(&home);
    assert_eq!(
        table["TableClassSummary"]["TableClass"],
        "STANDARD_INFREQUENT_ACCESS"
    );
    let update = |args: &[&str]| {
        let line = [&["table", "update", "films"], args].concat();
        home.sealdb(&line)
    };
    update(&["--provisioned", "5,6", "--unprotect", "--class", "standard"]).ok();
    let table = described(&home);
    for of in [&table, &table["GlobalSecondaryIndexes"][0]] {
        assert_eq!(of["ProvisionedThroughput"]["ReadCapacityUnits"], 5);
        assert_eq!(of["ProvisionedThroughput"]["WriteCapacityUnits"], 6);
    }
    let shown = home.sealdb(&["table", "describe", "films"]).ok();
    assert!(
        shown.contains("5 read and 6 write units, STANDARD"),
        "{shown}"
    );
    update(&["--on-demand"]).ok();
    assert_eq!(
        described(&home)["BillingModeSummary"]["BillingMode"],
        "PAY_PER_REQUEST"
    );
    let said = update(&["--provisioned", "5"]).refused(2);
    assert!(said.contains("is not READ,WRITE"), "{said}");
    update(&[]).refused(2);
    update(&["--protect", "--unprotect"]).refused(2);
    home.sealdb(&["table", "delete", "films", "--yes"]).ok();
}

#[test]
fn time_to_live_is_switched_on_and_off() {
    let (home, _server) = films();
    let ttl = |args: &[&str]| home.sealdb(&[&["table", "ttl", "films"], args].concat());
    assert!(ttl(&[]).ok().contains("DISABLED"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let past = json!({"id": 100, "until": now.as_secs() - 10}).to_string();
    let said = ttl(&["--enable", "until"]).ok();
    assert!(said.contains("expire at the time in until"), "{said}");
    let shown = ttl(&["--json"]).json();
    assert_eq!(shown["TimeToLiveDescription"]["AttributeName"], "until");
    home.sealdb(&["item", "put", "films", &past]).ok();
    let begun = Instant::now();
    while home.sealdb(&["scan", "films", "--count"]).ok() != "30\n" {
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    let said = ttl(&["--enable", "other"]).refused(1);
    assert!(
        said.contains("active on a different AttributeName"),
        "{said}"
    );
    ttl(&["--disable"]).ok();
    assert!(ttl(&["--disable"]).stderr.contains("items do not expire"));
    ttl(&["--enable", "a", "--disable"]).refused(2);
}

#[test]
fn tags_are_set_removed_and_listed() {
    let (home, _server) = films();
    let tags = |args: &[&str]| home.sealdb(&[&["table", "tags", "films"], args].concat());
    assert!(tags(&[]).stderr.contains("no tags"));
    let shown = tags(&["--set", "owner=me", "--set", "cost=low"]).ok();
    assert!(shown.contains("owner") && shown.contains("low"), "{shown}");
    assert_eq!(
        tags(&["--remove", "cost", "--set", "owner=you", "--json"]).json(),
        json!({"Tags": [{"Key": "owner", "Value": "you"}]})
    );
    let said = tags(&["--set", "owner"]).refused(2);
    assert!(said.contains("is not KEY=VALUE"), "{said}");
}

//! Tables with indexes, and what is read through these.

use sealdb_tests::server::Home;
use serde_json::{Value, json};

fn names(value: &Value) -> Vec<&str> {
    let items = value["Items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["name"]["S"].as_str().unwrap())
        .collect()
}

#[test]
fn indexes_are_created_described_and_read() {
    let home = Home::new();
    let _server = home.start();
    home.sealdb(&[
        "table",
        "create",
        "airports",
        "--pk",
        "country:S",
        "--sk",
        "icao:S",
        "--gsi",
        "by_town=town:S,elevation:N",
        "--lsi",
        "by_name=name:S;keys-only",
    ])
    .ok();
    for (country, icao, name, town, elevation) in [
        ("AT", "LOWW", "Schwechat", "Vienna", 600),
        ("AT", "LOAV", "Bad Voeslau", "Vienna", 765),
        ("AT", "LOWG", "Thalerhof", "Graz", 1119),
    ] {
        let item = json!({"country": country, "icao": icao, "name": name, "town": town, "elevation": elevation});
        home.sealdb(&["item", "put", "airports", &item.to_string()])
            .ok();
    }
    let described = home.sealdb(&["table", "describe", "airports"]).ok();
    for part in [
        "by_town: town, elevation (ALL), 3 items, ACTIVE",
        "by_name: country, name (KEYS_ONLY), 3 items",
    ] {
        assert!(described.contains(part), "{part} in\n{described}");
    }
    let described = home
        .sealdb(&["table", "describe", "airports", "--json"])
        .json();
    assert_eq!(
        described["GlobalSecondaryIndexes"][0]["Projection"],
        json!({"ProjectionType": "ALL"})
    );

    let query = |args: &[&str]| {
        let line = [&["query", "airports", "--json"], args].concat();
        home.sealdb(&line).json()
    };
    let high = query(&["--index", "by_town", "--pk", "Vienna", "--sk-gt", "600"]);
    assert_eq!(names(&high), ["Bad Voeslau"]);
    let named = query(&[
        "--index",
        "by_name",
        "--pk",
        "AT",
        "--sk-begins-with",
        "Thal",
    ]);
    assert_eq!(
        named["Items"],
        json!([{"country": {"S": "AT"}, "icao": {"S": "LOWG"}, "name": {"S": "Thalerhof"}}])
    );
    let all = home
        .sealdb(&["scan", "airports", "--index", "by_town", "--count"])
        .ok();
    assert_eq!(all, "3\n");
    let nowhere = home
        .sealdb(&["query", "airports", "--index", "other", "--pk", "x"])
        .refused(2);
    assert!(nowhere.contains("has no index other"), "{nowhere}");
}

#[test]
fn an_index_that_is_typed_wrongly_is_refused() {
    let home = Home::new();
    for (option, wrong, why) in [
        ("--gsi", "by_town", "is not NAME=KEY:TYPE"),
        ("--gsi", "by_town=town", "is not NAME:TYPE"),
        (
            "--lsi",
            "by_name=country:S,name:S",
            "has one key of its own",
        ),
    ] {
        let said = home
            .sealdb(&["table", "create", "t01", "--pk", "id:S", option, wrong])
            .refused(2);
        assert!(said.contains(why), "{said}");
    }
}

//! Items, queries, scans.

use sealdb_tests::server::{Home, Server};
use serde_json::json;

/// Iceland's and Austria's airports, a few of each.
fn airports() -> (Home, Server) {
    let home = Home::new();
    let server = home.start();
    home.table("airports", &["country:S", "icao:S"]);
    for (country, icao, name, elevation) in [
        ("IS", "BIAR", "Akureyri", 6),
        ("IS", "BIEG", "Egilsstaðir", 76),
        ("IS", "BIKF", "Keflavík", 171),
        ("IS", "BIRK", "Reykjavík", 48),
        ("IS", "BVIK", "Vík", 20),
        ("AT", "LOWW", "Vienna", 600),
        ("AT", "LOWG", "Graz", 1119),
    ] {
        let item = json!({"country": country, "icao": icao, "name": name, "elevation": elevation});
        home.sealdb(&["item", "put", "airports", &item.to_string()])
            .ok();
    }
    (home, server)
}

fn codes(value: &serde_json::Value) -> Vec<String> {
    let items = value["Items"].as_array().unwrap();
    assert_eq!(value["Count"], items.len());
    items
        .iter()
        .map(|item| item["icao"]["S"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn many_items_are_got_at_once() {
    let (home, _server) = airports();
    let keys = "{\"country\": \"IS\", \"icao\": \"BIRK\"}\n\n{\"country\": \"AT\", \"icao\": \"LOWW\"}\n{\"country\": \"AT\", \"icao\": \"none\"}\n";
    let line = ["item", "batch-get", "airports", "-", "--json"];
    let mut got = codes(&home.sealdb_with_input(&line, keys).json());
    got.sort();
    assert_eq!(got, ["BIRK", "LOWW"]);
    let said = home.sealdb_with_input(&line, "{").refused(2);
    assert!(said.contains("not usable"), "{said}");
}

#[test]
fn items_are_put_got_and_deleted() {
    let (home, _server) = airports();
    let got = home
        .sealdb(&["item", "get", "airports", "--pk", "IS", "--sk", "BIRK"])
        .ok();
    let lines: Vec<Vec<&str>> = got
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines,
        [
            ["country", "IS"],
            ["icao", "BIRK"],
            ["elevation", "48"],
            ["name", "Reykjavík"]
        ]
    );
    let value = home
        .sealdb(&[
            "item", "get", "airports", "--pk", "IS", "--sk", "BIRK", "--json",
        ])
        .json();
    assert_eq!(
        value,
        json!({"country": {"S": "IS"}, "icao": {"S": "BIRK"}, "elevation": {"N": "48"}, "name": {"S": "Reykjavík"}})
    );
    let typed = r#"{"country": {"S": "IS"}, "icao": {"S": "BIRK"}, "runways": {"NS": ["1", "2"]}, "map": {"B": "AAEC"}}"#;
    let old = home
        .sealdb(&[
            "item",
            "put",
            "airports",
            "--typed",
            typed,
            "--return-old",
            "--json",
        ])
        .json();
    assert_eq!(old["name"]["S"], "Reykjavík");
    let value = home
        .sealdb(&[
            "item", "get", "airports", "--pk", "IS", "--sk", "BIRK", "--json",
        ])
        .json();
    assert_eq!(
        value,
        serde_json::from_str::<serde_json::Value>(typed).unwrap()
    );
    home.sealdb_with_input(
        &["item", "put", "airports", "-"],
        r#"{"country": "AT", "icao": "LOWS"}"#,
    )
    .ok();

    let old = home
        .sealdb(&[
            "item",
            "delete",
            "airports",
            "--pk",
            "AT",
            "--sk",
            "LOWS",
            "--return-old",
            "--json",
        ])
        .json();
    assert_eq!(old["icao"]["S"], "LOWS");
    let said = home
        .sealdb(&["item", "get", "airports", "--pk", "AT", "--sk", "LOWS"])
        .refused(1);
    assert!(said.contains("no item"), "{said}");
    home.sealdb(&["item", "delete", "airports", "--pk", "AT", "--sk", "LOWS"])
        .ok();
}

#[test]
fn every_form_of_query_finds_what_it_says() {
    let (home, _server) = airports();
    let query = |more: &[&str]| {
        codes(
            &home
                .sealdb(&[&["query", "airports", "--json"], more].concat())
                .json(),
        )
    };
    assert_eq!(
        query(&["--pk", "IS"]),
        ["BIAR", "BIEG", "BIKF", "BIRK", "BVIK"]
    );
    assert_eq!(
        query(&["--pk", "IS", "--reverse", "--limit", "2"]),
        ["BVIK", "BIRK"]
    );
    assert_eq!(query(&["--pk", "IS", "--sk", "BIRK"]), ["BIRK"]);
    assert_eq!(
        query(&["--pk", "IS", "--sk-begins-with", "BI", "--limit", "3"]),
        ["BIAR", "BIEG", "BIKF"]
    );
    assert_eq!(
        query(&["--pk", "IS", "--sk-between", "BIEG", "BIRK"]),
        ["BIEG", "BIKF", "BIRK"]
    );
    assert_eq!(query(&["--pk", "IS", "--sk-lt", "BIEG"]), ["BIAR"]);
    assert_eq!(query(&["--pk", "IS", "--sk-le", "BIEG"]), ["BIAR", "BIEG"]);
    assert_eq!(query(&["--pk", "IS", "--sk-gt", "BIRK"]), ["BVIK"]);
    assert_eq!(query(&["--pk", "IS", "--sk-ge", "BIRK"]), ["BIRK", "BVIK"]);
    assert_eq!(query(&["--pk", "XX"]), Vec::<String>::new());
    assert_eq!(
        query(&[
            "--expression",
            "#c = :c AND icao > :i",
            "--values",
            r#"{":c": {"S": "AT"}, ":i": {"S": "LOWG"}}"#,
            "--names",
            r##"{"#c": "country"}"##,
        ]),
        ["LOWW"]
    );
    let counted = home
        .sealdb(&["query", "airports", "--pk", "IS", "--count"])
        .ok();
    assert_eq!(counted, "5\n");
    let counted = home
        .sealdb(&["query", "airports", "--pk", "IS", "--count", "--json"])
        .json();
    assert_eq!(counted, json!({"Count": 5}));
    let none = home.sealdb(&["query", "airports", "--pk", "XX"]);
    assert!(none.stderr.contains("no items"), "{}", none.stderr);
    assert_eq!(none.ok(), "");
}

#[test]
fn a_table_for_people_has_the_key_first_and_a_count_aside() {
    let (home, _server) = airports();
    let ran = home.sealdb(&["query", "airports", "--pk", "IS", "--limit", "2"]);
    assert_eq!(ran.stderr, "2 items\n");
    let shown = ran.ok();
    let heading: Vec<&str> = shown
        .lines()
        .find(|line| line.contains("country"))
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(heading, ["country", "icao", "elevation", "name"]);
    assert!(shown.contains("Egilsstaðir"));
    let quiet = home.sealdb(&["query", "airports", "--pk", "IS", "--limit", "2", "--quiet"]);
    assert_eq!((quiet.stderr.as_str(), quiet.stdout), ("", shown));
}

#[test]
fn scans_read_everything_page_by_page() {
    let (home, _server) = airports();
    assert_eq!(home.sealdb(&["scan", "airports", "--count"]).ok(), "7\n");
    assert_eq!(
        codes(&home.sealdb(&["scan", "airports", "--json"]).json()).len(),
        7
    );
    assert_eq!(
        codes(
            &home
                .sealdb(&["scan", "airports", "--json", "--limit", "3"])
                .json()
        )
        .len(),
        3
    );
    // More than one page of 1 MB.
    home.table("large", &["id:N"]);
    let lines: String = (0..40)
        .map(|id| format!("{}\n", json!({"id": id, "text": "x".repeat(100_000)})))
        .collect();
    home.sealdb_with_input(&["import", "large", "-", "--format", "jsonl"], &lines)
        .ok();
    assert_eq!(home.sealdb(&["scan", "large", "--count"]).ok(), "40\n");
    assert_eq!(
        home.sealdb(&["scan", "large", "--count", "--limit", "33"])
            .ok(),
        "33\n"
    );
}

#[test]
fn keys_of_numbers_and_bytes_are_typed_as_the_schema_says() {
    let home = Home::new();
    let _server = home.start();
    home.table("numbers", &["id:N", "raw:B"]);
    home.sealdb(&[
        "item",
        "put",
        "numbers",
        "--typed",
        r#"{"id": {"N": "-5e-1"}, "raw": {"B": "AAEC"}}"#,
    ])
    .ok();
    let got = home
        .sealdb(&[
            "item", "get", "numbers", "--pk", "-0.5", "--sk", "AAEC", "--json",
        ])
        .json();
    assert_eq!(got["raw"]["B"], "AAEC");
    let found = home
        .sealdb(&[
            "query",
            "numbers",
            "--pk",
            "-0.50",
            "--sk-begins-with",
            "AAE=",
            "--json",
        ])
        .json();
    assert_eq!(found["Count"], 1);
}

#[test]
fn data_cannot_steer_the_terminal() {
    let home = Home::new();
    let _server = home.start();
    home.table("evil", &["id:S"]);
    let item = json!({"id": "a", "text": "\u{1b}[2J\u{7}", "\u{1b}[31mname": "x\r\ny"});
    home.sealdb(&["item", "put", "evil", &item.to_string()])
        .ok();
    for line in [
        &["scan", "evil"][..],
        &["item", "get", "evil", "--pk", "a"],
        &["scan", "evil", "--json"],
    ] {
        let shown = home.sealdb(line).ok();
        assert!(
            !shown.contains('\u{1b}') && !shown.contains('\r') && !shown.contains('\u{7}'),
            "{shown:?}"
        );
    }
}

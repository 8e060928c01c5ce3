//! Import and export.

use std::fs;

use sealdb_tests::server::Home;
use serde_json::json;

/// The first airports of the demo's file, header included.
fn airports(lines: usize) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/data/airports.csv");
    let text = fs::read_to_string(path).unwrap();
    text.split_inclusive('\n').take(lines + 1).collect()
}

#[test]
fn airports_go_in_as_csv_and_come_out_in_every_format() {
    let home = Home::new();
    let _server = home.start();
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    home.table("airports", &["country:S", "icao:S"]);
    let csv = path("airports.csv");
    fs::write(&csv, airports(500)).unwrap();
    let said = home
        .sealdb(&[
            "import",
            "airports",
            &csv,
            "--number",
            "elevation,lat,lon",
            "--skip-empty",
        ])
        .ok();
    assert!(
        said.starts_with("imported 500 items in ") && said.contains("/s)"),
        "{said}"
    );
    assert_eq!(home.sealdb(&["scan", "airports", "--count"]).ok(), "500\n");

    // JSON lines in DynamoDB's notation: nothing is lost.
    let lines = path("airports.jsonl");
    let said = home.sealdb(&["export", "airports", &lines]).ok();
    assert!(
        said.contains("exported 500 items") && said.contains("no longer sealed"),
        "{said}"
    );
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        fs::metadata(&lines).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let exported = fs::read_to_string(&lines).unwrap();
    assert_eq!(exported.lines().count(), 500);
    home.table("copy", &["country:S", "icao:S"]);
    let counted = home
        .sealdb(&["import", "copy", &lines, "--typed", "--json"])
        .json();
    assert_eq!(counted["Count"], 500);
    let out = home.sealdb(&["export", "copy", "-"]);
    assert!(out.stderr.contains("exported 500 items"), "{}", out.stderr);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&out.ok()), sorted(&exported));

    // Plain JSON, for people.
    let plain = home
        .sealdb(&["export", "airports", "-", "--plain", "--quiet"])
        .ok();
    let first: serde_json::Value = serde_json::from_str(plain.lines().next().unwrap()).unwrap();
    assert!(
        first["elevation"].is_number() && first["country"].is_string(),
        "{first}"
    );

    // CSV: the key first.
    let csv = path("again.csv");
    home.sealdb(&["export", "airports", &csv, "--json"]).json();
    let text = fs::read_to_string(&csv).unwrap();
    assert!(
        text.starts_with("country,icao,"),
        "{}",
        text.lines().next().unwrap()
    );
    home.table("third", &["country:S", "icao:S"]);
    home.sealdb(&[
        "import",
        "third",
        &csv,
        "--number",
        "elevation,lat,lon",
        "--skip-empty",
    ])
    .ok();
    assert_eq!(
        sorted(&home.sealdb(&["export", "third", "-"]).ok()),
        sorted(&exported)
    );

    // The file is a new one: what lay in the way of its temporary name is not followed.
    let (victim, another) = (path("victim"), path("another.jsonl"));
    fs::write(&victim, "theirs").unwrap();
    std::os::unix::fs::symlink(&victim, format!("{another}.partial")).unwrap();
    home.sealdb(&["export", "airports", &another]).ok();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs");
    let made = fs::symlink_metadata(&another).unwrap();
    assert!(made.is_file() && made.permissions().mode() & 0o777 == 0o600);

    // What is there is not overwritten.
    let said = home.sealdb(&["export", "airports", &csv]).refused(2);
    assert!(said.contains("exists"), "{said}");
    assert_eq!(fs::read_to_string(&csv).unwrap(), text);
}

#[test]
fn a_line_that_is_no_item_is_named_and_what_was_written_is_told() {
    let home = Home::new();
    let _server = home.start();
    home.table("table", &["id:S"]);
    let mut lines: String = (0..60)
        .map(|id| format!("{}\n", json!({"id": format!("{id}")})))
        .collect();
    lines.push_str("{\"id\": 7}\n");
    let said = home
        .sealdb_with_input(&["import", "table", "-", "--format", "jsonl"], &lines)
        .refused(1);
    assert!(said.contains("line 61") && said.contains("id"), "{said}");
    assert!(said.contains("items were written before this"), "{said}");
    let count = home.sealdb(&["scan", "table", "--count"]).ok();
    assert!(
        said.contains(&format!("{} items were written", count.trim())),
        "{said}, {count}"
    );
    for (input, part) in [
        ("id,n\na,b\n", "column n"),
        ("name,n\na,1\n", "no column id"),
        ("id,n\na,1,2\n", "line 2"),
        ("\u{1b}[2Jid,n\na,1\n", "it has \\u{1b}[2Jid, n"),
    ] {
        let said = home
            .sealdb_with_input(
                &["import", "table", "-", "--format", "csv", "--number", "n"],
                input,
            )
            .stderr;
        assert!(said.contains(part), "{input:?}: {said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
    let said = home.sealdb(&["import", "table", "nowhere.csv"]).refused(1);
    assert!(said.contains("nowhere.csv"), "{said}");
    let said = home
        .sealdb_with_input(&["import", "table", "-"], "")
        .refused(2);
    assert!(said.contains("--format"), "{said}");
}

/// What a worker had written counts, also if the server refuses the next of its batches.
#[test]
fn what_was_written_is_told_when_the_server_refuses_the_rest() {
    let home = Home::new();
    let _server = home.start();
    home.table("table", &["id:S"]);
    let mut lines: String = (0..50)
        .map(|id| format!("{}\n", json!({"id": format!("{id}")})))
        .collect();
    let too_large = json!({"id": "large", "text": "x".repeat(410 * 1024)});
    lines.push_str(&format!("{too_large}\n"));
    let line = "import table - --format jsonl --parallel 1";
    let line: Vec<&str> = line.split(' ').collect();
    let said = home.sealdb_with_input(&line, &lines).refused(1);
    assert!(said.contains("50 items were written before this"), "{said}");
    assert_eq!(home.sealdb(&["scan", "table", "--count"]).ok(), "50\n");
}

#[test]
fn the_last_of_equal_keys_wins() {
    let home = Home::new();
    let _server = home.start();
    home.table("table", &["id:S"]);
    let lines: String = (0..500)
        .map(|line| format!("{}\n", json!({"id": format!("{}", line % 7), "line": line})))
        .collect();
    home.sealdb_with_input(&["import", "table", "-", "--format", "jsonl"], &lines)
        .ok();
    for id in 0..7 {
        let last = (0..500).rev().find(|line| line % 7 == id).unwrap();
        let got = home
            .sealdb(&["item", "get", "table", "--pk", &id.to_string(), "--json"])
            .json();
        assert_eq!(got["line"]["N"], last.to_string());
    }
}

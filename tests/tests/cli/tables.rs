//! Tables, the endpoint, completions.

use sealdb_tests::server::Home;
use serde_json::json;

#[test]
fn tables_are_created_listed_described_and_deleted() {
    let home = Home::new();
    let _server = home.start();
    let nothing = home.sealdb(&["table", "list"]);
    assert!(nothing.stderr.contains("no tables"));
    assert_eq!(nothing.ok(), "");
    let said = home.table("airports", &["country:S", "icao:S"]);
    assert!(said.contains("created table airports"), "{said}");
    let created = home
        .sealdb(&["table", "create", "plain", "--pk", "id:N", "--json"])
        .json();
    assert_eq!(created["TableName"], "plain");
    assert_eq!(
        created["KeySchema"],
        json!([{"AttributeName": "id", "KeyType": "HASH"}])
    );
    assert_eq!(
        created["AttributeDefinitions"],
        json!([{"AttributeName": "id", "AttributeType": "N"}])
    );
    assert_eq!(created["TableStatus"], "ACTIVE");
    assert_eq!(created["SSEDescription"]["SSEType"], "KMS");

    assert_eq!(home.sealdb(&["table", "list"]).ok(), "airports\nplain\n");
    assert_eq!(
        home.sealdb(&["--json", "table", "list"]).json(),
        json!({"TableNames": ["airports", "plain"]})
    );

    home.sealdb(&[
        "item",
        "put",
        "airports",
        r#"{"country": "IS", "icao": "BIRK"}"#,
    ])
    .ok();
    let described = home.sealdb(&["table", "describe", "airports"]).ok();
    for part in [
        "airports",
        "ACTIVE",
        "country (S)",
        "icao (S)",
        "Items",
        "ENABLED",
        "KMS",
    ] {
        assert!(described.contains(part), "{part} in\n{described}");
    }
    let described = home
        .sealdb(&["table", "describe", "airports", "--json"])
        .json();
    assert_eq!(described["ItemCount"], 1);
    assert_eq!(
        described["TableSizeBytes"],
        "country".len() + "IS".len() + "icao".len() + "BIRK".len()
    );

    let said = home.sealdb(&["table", "delete", "airports"]).refused(2);
    assert!(said.contains("--yes"), "{said}");
    home.sealdb(&["table", "delete", "airports", "--yes"]).ok();
    assert_eq!(
        home.sealdb(&["table", "delete", "plain", "--yes", "--json"])
            .json()["TableName"],
        "plain"
    );
    assert_eq!(home.sealdb(&["table", "list", "--quiet"]).ok(), "");
}

#[test]
fn a_table_may_name_the_key_that_wraps_its_own() {
    let home = Home::new();
    let _server = home.start();
    home.sealdb(&[
        "table",
        "create",
        "first",
        "--pk",
        "id:S",
        "--kms-key",
        "alias/sealdb/default",
    ])
    .ok();
    let said = home
        .sealdb(&[
            "table",
            "create",
            "second",
            "--pk",
            "id:S",
            "--kms-key",
            "alias/nothing",
        ])
        .refused(1);
    assert!(said.contains("alias/nothing"), "{said}");
    assert_eq!(home.sealdb(&["table", "list"]).ok(), "first\n");
}

#[test]
fn the_endpoint_is_shown_without_its_secret_unless_asked_for() {
    let home = Home::new();
    let server = home.start();
    let secret = server.endpoint.secret_access_key.expose();
    let shown = home.sealdb(&["endpoint"]).ok();
    assert!(!shown.contains(secret));
    for part in [
        server.address(),
        &server.endpoint.access_key_id,
        &server.endpoint.certificate_pin,
        "grpcurl -insecure",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    assert!(
        home.sealdb(&["endpoint", "--show-secret"])
            .ok()
            .contains(secret)
    );
    let value = home.sealdb(&["endpoint", "--json"]).json();
    assert_eq!(value["address"], server.address());
    assert_eq!(value["pid"], server.pid());
    assert_eq!(value.get("secret_access_key"), None);
    let value = home.sealdb(&["endpoint", "--json", "--show-secret"]).json();
    assert_eq!(value["secret_access_key"], secret);
}

#[test]
fn servers_are_found_by_name_by_environment_and_by_the_last_start() {
    let (one, two) = (Home::new(), Home::new());
    let _first = one.start();
    // Two servers of one user: the second one's start moves the pointer.
    one.sealdb(&["table", "create", "one", "--pk", "id:S"]).ok();
    let mut command = two.server_command();
    command.env("XDG_RUNTIME_DIR", one.runtime_dir());
    let log = std::fs::File::create(two.log_file()).unwrap();
    let mut second = command
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while !one.sealdb(&["table", "list"]).stdout.is_empty() {
        assert!(begun.elapsed().as_secs() < 30, "{}", two.log());
    }
    let file = one.endpoint_file();
    let file = file.to_str().unwrap();
    assert_eq!(
        one.sealdb(&["table", "list", "--endpoint-file", file]).ok(),
        "one\n"
    );
    let mut command = one.command("sealdb");
    command
        .args(["table", "list"])
        .env("SEALDB_ENDPOINT_FILE", file);
    assert_eq!(sealdb_tests::server::run(command, "").ok(), "one\n");
    second.kill().unwrap();
    second.wait().unwrap();
}

#[test]
fn completions_are_scripts_of_their_shells() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = home.sealdb(&["completions", shell]).ok();
        assert!(
            script.contains("sealdb") && script.contains("describe"),
            "{shell}"
        );
    }
    let script = home.sealdb(&["completions", "bash"]).ok();
    let mut bash = std::process::Command::new("bash");
    bash.args(["-n"]);
    sealdb_tests::server::run(bash, &script).ok();
    let said = home.sealdb(&["completions", "sh"]).refused(2);
    assert!(said.contains("bash"), "{said}");
}

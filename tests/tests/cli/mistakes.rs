//! Mistakes: one sentence that helps, nothing on stdout, exit code 2 for a command that cannot mean anything and 1 for
//! one that failed.

use sealdb_tests::server::Home;

#[test]
fn without_a_server_the_way_to_one_is_told() {
    let home = Home::new();
    let said = home.sealdb(&["table", "list"]).refused(1);
    assert!(
        said.contains("no server found") && said.contains("sealdb-server"),
        "{said}"
    );
    let said = home
        .sealdb(&["table", "list", "--endpoint-file", "nowhere.json"])
        .refused(1);
    assert!(said.contains("nowhere.json"), "{said}");
    // One that was there and is gone.
    let server = home.start();
    let address = server.address().to_owned();
    server.kill();
    let said = home.sealdb(&["table", "list"]).refused(1);
    assert!(
        said.contains(&address) && said.contains("no server answers"),
        "{said}"
    );
    let server = home.start();
    assert!(server.terminate().success());
    let said = home.sealdb(&["table", "list"]).refused(1);
    assert!(
        said.contains("no server found") || said.contains("endpoint.json"),
        "{said}"
    );
}

#[test]
fn an_endpoint_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let _server = home.start();
    let file = home.endpoint_file();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = home.sealdb(&["table", "list"]).refused(1);
    assert!(said.contains("chmod 600"), "{said}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    home.sealdb(&["table", "list"]).ok();
    std::fs::write(&file, "{\"version\": 99}").unwrap();
    let said = home.sealdb(&["table", "list"]).refused(1);
    assert!(said.contains("version 99"), "{said}");
    std::fs::write(&file, "no json").unwrap();
    let said = home.sealdb(&["table", "list"]).refused(1);
    assert!(said.contains("not an endpoint file"), "{said}");
}

#[test]
fn what_does_not_fit_the_table_is_said_before_or_by_the_server() {
    let home = Home::new();
    let _server = home.start();
    home.table("table", &["id:S", "rank:N"]);
    home.table("flat", &["id:S"]);
    for (line, code, part) in [
        (&["scan", "nowhere"][..], 1, "nowhere"),
        (&["query", "nowhere", "--pk", "a"], 1, "nowhere"),
        (&["item", "get", "nowhere", "--pk", "a"], 1, "nowhere"),
        (
            &["item", "put", "nowhere", "{\"id\": \"a\"}"],
            1,
            "ResourceNotFoundException",
        ),
        (&["table", "describe", "nowhere"], 1, "nowhere"),
        (&["table", "delete", "nowhere", "--yes"], 1, "nowhere"),
        (&["export", "nowhere", "out.jsonl"], 1, "nowhere"),
        (
            &["table", "create", "table", "--pk", "id:S"],
            1,
            "already exists",
        ),
        (
            &["table", "create", "x", "--pk", "id:S"],
            1,
            "at least 3 characters",
        ),
        (&["table", "create", "new", "--pk", "id"], 2, "NAME:TYPE"),
        (&["table", "create", "new", "--pk", "id:X"], 2, "S, N or B"),
        (
            &["table", "create", "new", "--pk", "id:S", "--sk", "id:S"],
            1,
            "same name",
        ),
        (&["item", "get", "table", "--pk", "a"], 2, "--sk"),
        (
            &["item", "get", "flat", "--pk", "a", "--sk", "b"],
            2,
            "no sort key",
        ),
        (
            &["item", "get", "table", "--pk", "a", "--sk", "one"],
            2,
            "not a number",
        ),
        (
            &["item", "put", "table", "{\"id\": 1, \"rank\": 1}"],
            1,
            "Type mismatch for key id",
        ),
        (
            &["item", "put", "table", "{\"id\": \"a\"}"],
            1,
            "Missing the key rank",
        ),
        (&["item", "put", "table", "[1]"], 2, "item"),
        (&["item", "put", "table", "{\"id\": "], 2, "item"),
        (
            &["item", "put", "table", "--typed", "{\"id\": \"a\"}"],
            2,
            "id",
        ),
        (
            &["query", "table", "--pk", "a", "--sk-begins-with", "1"],
            2,
            "text or bytes",
        ),
        (
            &["query", "flat", "--pk", "a", "--sk", "1"],
            2,
            "no sort key",
        ),
        (
            &["query", "table", "--pk", "a", "--sk-between", "2", "1"],
            1,
            "BETWEEN",
        ),
        (
            &[
                "query",
                "table",
                "--expression",
                "id = :x",
                "--values",
                "{}",
            ],
            1,
            "ExpressionAttributeValues must not be empty",
        ),
        (
            &[
                "query",
                "table",
                "--expression",
                "id = :x",
                "--values",
                "no",
            ],
            2,
            "--values",
        ),
        (
            &["query", "table", "--pk", "a", "--expression", "x"],
            2,
            "cannot be used with",
        ),
        (&["query", "table"], 2, "--pk"),
        (
            &["query", "table", "--pk", "a", "--limit", "0"],
            2,
            "--limit",
        ),
        (&["scna", "table"], 2, "scan"),
        (&["table"], 2, "create"),
        (&[], 2, "Usage"),
    ] {
        let said = home.sealdb(line).refused(code);
        assert!(said.contains(part), "{line:?}: {part} in\n{said}");
        assert!(
            said.lines().count() < 60 && !said.contains("Error {"),
            "{line:?}:\n{said}"
        );
    }
}

#[test]
fn a_reader_that_goes_early_is_no_error() {
    let home = Home::new();
    let _server = home.start();
    home.table("table", &["id:S"]);
    let lines: String = (0..2000)
        .map(|id| format!("{{\"id\": \"{id}\", \"text\": \"{}\"}}\n", "x".repeat(200)))
        .collect();
    home.sealdb_with_input(&["import", "table", "-", "--format", "jsonl"], &lines)
        .ok();
    let sealdb = sealdb_tests::server::binary("sealdb");
    let mut shell = std::process::Command::new("bash");
    shell
        .args([
            "-c",
            &format!(
                "set -o pipefail; '{0}' scan table | head -n 1; '{0}' export table - | head -n 1",
                sealdb.display()
            ),
        ])
        .env("XDG_RUNTIME_DIR", home.runtime_dir())
        .env_remove("SEALDB_ENDPOINT_FILE");
    let ran = sealdb_tests::server::run(shell, "");
    assert!(
        !ran.stderr.contains("panicked") && !ran.stderr.contains("roken pipe"),
        "{}",
        ran.stderr
    );
    ran.ok();
}

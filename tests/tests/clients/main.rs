//! AWS's own clients against a real server: boto3, the AWS CLI and the JavaScript client, unchanged. `scripts/test` installs them.
// Tests of real processes wait on the real clock, and say what they could not run.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sealdb_tests::server::{Home, Ran, Server, binary, run_within};

/// A script may take so long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What `scripts/test` installed beside the profiles of the target directory; `None` if it did not, which CI does not accept.
fn tool(name: &str) -> Option<PathBuf> {
    let profile = binary("sealdb-server").parent().unwrap().to_owned();
    let path = profile.parent().unwrap().join(".tools").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{} is missing: scripts/test installs it",
        path.display()
    );
    println!(
        "NOT RUN: {} is missing; scripts/test installs it",
        path.display()
    );
    None
}

/// A server, and the address of its DynamoDB protocol.
fn serve(home: &Home, flags: &[&str]) -> (Server, String) {
    let mut all = vec!["--dynamodb", "127.0.0.1:0"];
    all.extend(flags);
    let server = home.start_with(&all);
    let begun = Instant::now();
    loop {
        let log = home.log();
        let address = log
            .lines()
            .find_map(|line| line.trim().strip_prefix("dynamodb "))
            .map(|address| address.trim().to_owned());
        if let Some(address) = address {
            return (server, address);
        }
        assert!(begun.elapsed() < PATIENCE, "no address in {log}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a client in an environment that leads it to the server.
fn client(program: &Path, server: &Server, address: &str, home: &Home, args: &[&str]) -> Ran {
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env("AWS_ENDPOINT_URL_DYNAMODB", address)
        .env("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", address)
        .env("AWS_DEFAULT_REGION", "eu-central-1")
        // The SDK for JavaScript knows this name only.
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", &server.endpoint.access_key_id)
        .env(
            "AWS_SECRET_ACCESS_KEY",
            server.endpoint.secret_access_key.expose(),
        )
        .env("AWS_CA_BUNDLE", home.run_dir().join("tls.crt"))
        .env("AWS_PAGER", "")
        .current_dir(home.path());
    run_within(command, "", PATIENCE)
}

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn boto3_finds_dynamodb() {
    let Some(python) = tool("aws/bin/python3") else {
        return;
    };
    let home = Home::new();
    let (server, address) = serve(&home, &["--dynamodb-plain-http"]);
    let ran = client(
        &python,
        &server,
        &address,
        &home,
        &[&script("boto3_client.py")],
    );
    assert_eq!(ran.ok().trim(), "all is well");
}

#[test]
fn boto3_checks_the_certificate_of_tls() {
    let Some(python) = tool("aws/bin/python3") else {
        return;
    };
    let home = Home::new();
    let (server, address) = serve(&home, &[]);
    assert!(address.starts_with("https://127.0.0.1:"), "{address}");
    let list = "import boto3; print(boto3.client('dynamodb').list_tables()['TableNames'])";
    let ran = client(&python, &server, &address, &home, &["-c", list]);
    assert_eq!(ran.ok().trim(), "[]");
}

#[test]
fn the_javascript_client_finds_dynamodb() {
    let Some(modules) = tool("javascript/node_modules") else {
        return;
    };
    let home = Home::new();
    let (server, address) = serve(&home, &["--dynamodb-plain-http"]);
    // Modules are looked for beside the script and above it.
    let here = modules.with_file_name("client.mjs");
    std::fs::copy(script("javascript/client.mjs"), &here).unwrap();
    let here = here.to_str().unwrap();
    let ran = client(Path::new("node"), &server, &address, &home, &[here]);
    assert_eq!(ran.ok().trim(), "all is well");
}

#[test]
fn the_aws_command_line_finds_dynamodb() {
    let Some(aws) = tool("aws/bin/aws") else {
        return;
    };
    let home = Home::new();
    let (server, address) = serve(&home, &["--dynamodb-plain-http"]);
    let dynamodb = |args: &[&str]| {
        let mut all = vec!["dynamodb"];
        all.extend(args);
        client(&aws, &server, &address, &home, &all)
    };
    let made = dynamodb(&[
        "create-table",
        "--table-name",
        "airports",
        "--attribute-definitions",
        "AttributeName=country,AttributeType=S",
        "AttributeName=icao,AttributeType=S",
        "--key-schema",
        "AttributeName=country,KeyType=HASH",
        "AttributeName=icao,KeyType=RANGE",
        "--billing-mode",
        "PAY_PER_REQUEST",
    ]);
    assert_eq!(made.json()["TableDescription"]["TableName"], "airports");
    dynamodb(&["wait", "table-exists", "--table-name", "airports"]).ok();
    for icao in ["BIRK", "BIKF"] {
        let item = format!("{{\"country\": {{\"S\": \"IS\"}}, \"icao\": {{\"S\": \"{icao}\"}}}}");
        dynamodb(&["put-item", "--table-name", "airports", "--item", &item]).ok();
    }
    let found = dynamodb(&[
        "query",
        "--table-name",
        "airports",
        "--key-condition-expression",
        "country = :c",
        "--expression-attribute-values",
        "{\":c\": {\"S\": \"IS\"}}",
        "--page-size",
        "1",
    ]);
    assert_eq!(found.json()["Count"], 2);
    let missing = dynamodb(&["describe-table", "--table-name", "nowhere"]);
    assert!(
        missing.stderr.contains("ResourceNotFoundException"),
        "{}",
        missing.stderr
    );
    dynamodb(&["delete-table", "--table-name", "airports"]).ok();
}

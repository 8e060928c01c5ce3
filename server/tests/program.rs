//! The program itself: what it refuses, what it prints, how it ends.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealdb-server"));
    command.env_clear().env("HOME", dir).current_dir(dir);
    command
}

fn output(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, text)
}

#[test]
fn a_new_database_without_a_root_key_is_refused_with_the_lines_to_paste() {
    let dir = tempfile::tempdir().unwrap();
    let (refused, text) = output(program(dir.path()).args(["--data-dir", "D"]));
    assert!(!refused.status.success());
    assert!(
        text.contains("sealdb-server --data-dir 'D' --init"),
        "{text}"
    );
    assert!(!dir.path().join("D").exists() && !dir.path().join("D.keyring").exists());
}

#[test]
fn bad_settings_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (refused, text) = output(&mut program(dir.path()));
    assert!(
        !refused.status.success() && text.contains("--data-dir"),
        "{text}"
    );
    let (refused, text) = output(
        program(dir.path())
            .args(["--data-dir", "D"])
            .env("SEALDB_CACHE_SIZE", "much"),
    );
    assert!(
        !refused.status.success() && text.contains("SEALDB_CACHE_SIZE"),
        "{text}"
    );
    std::fs::write(dir.path().join("f.toml"), "cash-size = \"1GiB\"").unwrap();
    let (refused, text) = output(program(dir.path()).args(["--config", "f.toml"]));
    assert!(
        !refused.status.success() && text.contains("`cash-size`"),
        "{text}"
    );
}

#[test]
fn settings_are_printed_without_the_passphrase() {
    let dir = tempfile::tempdir().unwrap();
    let (printed, _) = output(
        program(dir.path())
            .args(["--data-dir", "D", "--print-config"])
            .env("SEALDB_PASSPHRASE", "open sesame"),
    );
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed.status.success() && text.contains("data-dir = \"D\"") && !text.contains("sesame"),
        "{text}"
    );
    assert!(!dir.path().join("D").exists());
}

#[test]
fn it_says_where_it_listens_and_ends_in_order_on_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let mut child = program(dir.path())
            .args([
                "--data-dir",
                "D",
                "--listen",
                "127.0.0.1:0",
                "--init",
                "--log-format",
                "json",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let first = lines.next().unwrap_or_default();
        assert!(
            first.contains("serves gRPC over TLS 1.3 on 127.0.0.1:"),
            "{first}"
        );
        let endpoint = dir.path().join("D.run/endpoint.json");
        let pointer = dir.path().join(".local/state/sealdb/last-endpoint");
        assert!(endpoint.exists() && pointer.exists());
        let limits =
            std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap_or_default();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        assert!(
            core.is_none_or(|line| line.split_whitespace().nth(4) == Some("0")),
            "{core:?}"
        );
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        let ended = child.wait().unwrap();
        let mut log = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        assert!(ended.success(), "round {round}: {ended:?}\n{log}");
        assert!(!endpoint.exists() && !pointer.exists());
        assert!(log.contains("\"signal\":\"SIGTERM\""), "{log}");
        assert!(log.contains("lie on the same device"), "{log}");
    }
}

#[test]
fn the_most_talkative_log_holds_no_value_key_or_secret() {
    use sealdb_proto::endpoint::EndpointFile;
    use sealdb_proto::v1::attribute_value::Value;
    use sealdb_proto::v1::{
        AttributeValue, GetItemRequest, MapValue, PutItemRequest, QueryRequest,
    };

    let dir = tempfile::tempdir().unwrap();
    let mut child = program(dir.path())
        .args([
            "--data-dir",
            "D",
            "--listen",
            "127.0.0.1:0",
            "--init",
            "--log-level",
            "trace",
        ])
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(dir.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let endpoint = EndpointFile::read(&dir.path().join("D.run/endpoint.json")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let certificate = dir.path().join("D.run/tls.crt");
        let channel = support::channel_to(endpoint.address.parse().unwrap(), &certificate).await;
        let mut client = support::client_on(channel, support::Signed::from(&endpoint));
        let item = || MapValue {
            names: vec!["canaryname".to_owned()],
            values: vec![AttributeValue {
                value: Some(Value::S("canaryvalue".to_owned())),
            }],
        };
        let table_name = || "Loud".to_owned();
        let put = PutItemRequest {
            table_name: table_name(),
            item: Some(item()),
            return_values: 99,
            ..PutItemRequest::default()
        };
        client.put_item(put).await.unwrap_err();
        let get = GetItemRequest {
            table_name: table_name(),
            key: Some(item()),
            consistent_read: false,
            ..GetItemRequest::default()
        };
        client.get_item(get).await.unwrap_err();
        let query = QueryRequest {
            table_name: table_name(),
            key_condition_expression: Some("canaryname = :canaryvalue".to_owned()),
            expression_attribute_values: Some(item()),
            ..QueryRequest::default()
        };
        client.query(query).await.unwrap_err();
    });
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert!(child.wait().unwrap().success());
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(
        log.contains("Loud") && log.contains("PutItem"),
        "so that this search can fail: {log}"
    );
    for secret in ["canary", endpoint.secret_access_key.expose()] {
        assert!(!log.contains(secret), "{log}");
    }
}

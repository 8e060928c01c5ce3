//! `sealdb-bench` as people run it: options, files, and the processes that it starts itself.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use sealdb_bench_driver::protocol::{Answer, Outcome};
use sealdb_benches::process::Process;
use serde_json::Value;

/// Runs the program in a directory of its own: what it printed, and its JSON.
fn bench(args: &[&str]) -> (String, Value) {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("out.json");
    let stores = dir.path().join("stores");
    std::fs::create_dir(&stores).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sealdb-bench"))
        .args(args)
        .arg("--dir")
        .arg(&stores)
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(is_empty(&stores), "nothing is left behind");
    let json = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    (String::from_utf8(output.stdout).unwrap(), json)
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

fn row<'a>(json: &'a Value, section: usize, name: &str) -> &'a Value {
    let rows = json["sections"][section]["rows"].as_array().unwrap();
    let found = rows.iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("no row {name}"))
}

#[test]
fn the_demo_compares_single_calls() {
    let (text, json) = bench(&["--demo"]);
    for name in ["get warm", "query of 20", "scan", "put", "stored"] {
        assert!(
            text.lines().any(|line| line.starts_with(name)),
            "{name} in {text}"
        );
    }
    assert!(!text.contains("mixed"));
    assert_eq!(json["sections"].as_array().unwrap().len(), 1);
}

#[test]
fn one_size_and_grpc_are_measured_and_judged() {
    let dir = tempfile::tempdir().unwrap();
    let (html, svg) = (dir.path().join("report.html"), dir.path().join("plot.svg"));
    let args = [
        "--only", "sizes", "--only", "grpc", "--sizes", "1024", "--items", "1000",
    ];
    let mut args = args.to_vec();
    args.extend(["--seconds", "0.5", "--html", html.to_str().unwrap()]);
    args.extend(["--svg", svg.to_str().unwrap()]);
    let (text, json) = bench(&args);
    for line in ["== 1 KB", "== gRPC", "== Targets"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let get = row(&json, 1, "gRPC get p50");
    assert!(get["sealed"].as_f64().unwrap() > 1e3, "{get}");
    assert!(get["goals"][0]["reached"].is_boolean());
    let inside = row(&json, 1, "gRPC put: in the server");
    assert!(inside["plain"].as_f64().unwrap() > 1e3, "{inside}");
    let server = row(&json, 1, "server memory");
    assert!(server["sealed"].as_f64().unwrap() > 1e6, "{server}");
    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.contains("gRPC get") && html.contains("<svg"));
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg"));
}

#[test]
fn requests_go_through_both_doors_and_are_judged() {
    // The other servers are not part of this workspace: nobody else answers here.
    let (text, json) = bench(&["--only", "requests", "--items", "200", "--seconds", "1"]);
    for door in ["JSON", "gRPC"] {
        for operation in ["GetItem", "PutItem"] {
            let row = row(&json, 0, &format!("sealdb {door}: {operation} in a second"));
            assert!(row["sealed"].as_f64().unwrap() > 10.0, "{row}");
            assert!(row["goals"][0]["reached"].is_boolean(), "{row}");
        }
    }
    assert!(text.contains("GetItem: CPU of the server"), "{text}");
    assert!(text.contains("dynalite: is not there"), "{text}");
}

#[test]
fn what_takes_long_runs_small_in_its_processes() {
    let (text, json) = bench(&[
        "--only",
        "restart",
        "--only",
        "memory",
        "--only",
        "load",
        "--million",
        "2000",
        "--cache",
        "4",
        "--seconds",
        "0.2",
    ]);
    let restart = row(&json, 1, "restart after kill -9");
    assert!(restart["sealed"].as_f64().unwrap() > 1e5, "{restart}");
    let what = restart["what"].as_str().unwrap();
    assert!(what.contains("of log since the last checkpoint"), "{what}");
    let memory = row(&json, 2, "memory, mixed");
    assert!(memory["plain"].as_f64().unwrap() > 1e6, "{memory}");
    let load = row(&json, 0, "load, gRPC");
    assert!(load["sealed"].as_f64().unwrap() > 1e6, "{load}");
    // Reached or missed: that is for a release build to say.
    assert!(text.contains(" load, embedded: "), "{text}");
}

/// What SealDB, as a measured process, answers to lines.
fn peer(arguments: &[&str], lines: &[String]) -> Vec<Answer> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealdb-bench"));
    command.arg("peer").args(arguments);
    let mut process = Process::start(command).unwrap();
    let answers = lines
        .iter()
        .map(|line| {
            process.say(line).unwrap();
            process.line().unwrap().parse().unwrap()
        })
        .collect();
    process.stop().unwrap();
    answers
}

#[test]
fn sealdb_speaks_the_protocol_of_the_measured() {
    for (arguments, suite) in [(&[][..], "AES-256-GCM"), (&["--plain"], "the null sealer")] {
        let dir = tempfile::tempdir().unwrap();
        let open = format!("open 4194304 100 {}", dir.path().display());
        let lines = [
            "load 100",
            "load 2000",
            "scan",
            "get 2 0.1",
            "put 8 0.1",
            "settle",
        ];
        let mut all = vec![open];
        all.extend(lines.map(str::to_owned));
        let mut answers = peer(arguments, &all).into_iter();
        let Some(Answer::Opened { about }) = answers.next() else {
            panic!("it says nothing about itself");
        };
        assert!(about.contains(suite), "{about}");
        let outcomes: Vec<Outcome> = answers
            .map(|answer| match answer {
                Answer::Done(outcome) => outcome,
                other => panic!("{other:?}"),
            })
            .collect();
        let counts: Vec<u64> = outcomes.iter().map(|outcome| outcome.count).collect();
        assert_eq!(counts[..3], [100, 1_900, 2_000]);
        for calls in &outcomes[3..5] {
            assert!(calls.count > 0 && calls.p50 > 0 && calls.p50 <= calls.max);
        }
        let settled = &outcomes[5];
        assert!(
            settled.log > 0 && settled.disk > settled.log + 200_000,
            "{settled:?}"
        );
    }
}

#[test]
fn peers_are_compared_in_one_run() {
    // SealDB stands in for the others: their own builds are not part of this workspace.
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("peers");
    let text = format!(
        "#!/bin/sh\nexec {} peer\n",
        env!("CARGO_BIN_EXE_sealdb-bench")
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
    let html = dir.path().join("report.html");
    let peers = format!("--peers={}", program.display());
    let mut args = vec![
        "--only", "peers", "--sizes", "100", "--items", "1000", "--cache", "4",
    ];
    args.extend(["--seconds", "0.5", &peers, "--html", html.to_str().unwrap()]);
    let (text, json) = bench(&args);
    let names = [
        "fjall",
        "redb",
        "sqlcipher",
        "dynoxide",
        "dynoxide sqlcipher",
    ];
    for name in names {
        assert!(text.contains(name), "{name} in {text}");
    }
    let peers = &json["sections"][0]["peers"];
    let rows = peers["rows"].as_array().unwrap();
    for what in [
        "scan of 100, an item",
        "scan of 1000, an item",
        "gets, 2 threads",
        "put p99, 32 clients",
        "written per byte put, 32 clients",
        "disk per byte, log apart",
    ] {
        let row = rows.iter().find(|row| row["what"] == what);
        let row = row.unwrap_or_else(|| panic!("no {what}"));
        for name in ["sealdb", "sealdb plain"].into_iter().chain(names) {
            assert!(row["medians"][name].as_f64().unwrap() > 0.0, "{row}");
        }
    }
    let puts = row(&json, 0, "durable puts, 32 clients");
    assert!(puts["goals"][0]["reached"].is_boolean(), "{puts}");
    assert!(puts["bare_sync_ns"]["p50"].as_f64().unwrap() > 0.0);
    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.contains("dynoxide sqlcipher") && html.contains("put p99, 32 clients"));
}

#[test]
fn a_wrong_name_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_sealdb-bench"))
        .args(["--only", "nothing"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing"));
}

//! `sealdb-bench` as people run it: options, files, and the processes that it starts itself.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

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

#[test]
fn a_wrong_name_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_sealdb-bench"))
        .args(["--only", "nothing"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing"));
}

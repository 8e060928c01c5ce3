//! The program itself: help, completions, and exit codes of command lines that cannot be carried out.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn sealdb(args: &[&str]) -> Output {
    let home = std::env::temp_dir().join("sealdb-usage-test-without-any-server");
    Command::new(env!("CARGO_BIN_EXE_sealdb"))
        .args(args)
        .env_clear()
        .env("HOME", home)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_names_every_command_and_each_has_its_own() {
    let help = text(&sealdb(&["--help"]).stdout);
    for command in [
        "table",
        "item",
        "query",
        "scan",
        "sql",
        "import",
        "export",
        "key",
        "credential",
        "audit",
        "dev",
        "endpoint",
        "check",
        "compact",
        "copy",
        "completions",
    ] {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} is missing in:\n{help}"
        );
        let own = text(&sealdb(&[command, "--help"]).stdout);
        assert!(own.contains("Usage: sealdb"), "{own}");
    }
    let version = text(&sealdb(&["--version"]).stdout);
    assert!(version.starts_with("sealdb "), "{version}");
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = sealdb(&["completions", shell]);
        assert!(output.status.success());
        assert!(
            text(&output.stdout).contains("begins-with"),
            "{shell}: options of query are missing"
        );
    }
}

#[test]
fn a_wrong_command_line_exits_with_2_and_says_why() {
    let output = sealdb(&["query", "t", "--pk", "a", "--sk", "b", "--sk-lt", "c"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot be used with"));
    let output = sealdb(&["table", "create", "t", "--pk", "name"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("NAME:TYPE"));
}

#[test]
fn without_a_server_the_command_says_how_to_get_one() {
    let output = sealdb(&["table", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("start sealdb-server"),
        "{}",
        text(&output.stderr)
    );
}

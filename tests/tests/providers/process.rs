//! Tests whose provider takes its settings from environment variables: they run again in a process of their own that has them.

use std::ffi::OsStr;
use std::process::Command;

/// Runs an ignored test of this binary, which must pass.
pub(crate) fn run(test: &str, environment: &[(&str, &OsStr)]) {
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", test])
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

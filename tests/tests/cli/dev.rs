//! `sealdb dev`, the server that is the command line itself.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sealdb_tests::server::{Home, wait};

/// `sealdb dev | head -1`: the server goes on, and takes its endpoint's file, which holds a secret, along when it ends.
#[test]
fn a_reader_that_goes_early_does_not_end_the_server() {
    let home = Home::new();
    let mut child = home
        .command("sealdb")
        .args(["dev", "--data-dir", "data", "--port", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let begun = Instant::now();
    while !home.endpoint_file().exists() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it did not start"
        );
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    let early = wait(&mut child, Duration::from_secs(2));
    assert!(early.is_none(), "it ended with its reader: {early:?}");
    assert_eq!(
        home.sealdb(&["table", "list", "--json"]).json()["TableNames"],
        serde_json::json!([])
    );
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended = wait(&mut child, Duration::from_secs(60));
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    assert!(!home.endpoint_file().exists());
}

//! The DynamoDB protocol of a real server, and what installed programs are tested with it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::server::{Home, Server, binary};

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(30);

/// What `scripts/test` installed beside the profiles of the target directory; `None` if it did not, which a test says and CI does not
/// accept.
///
/// # Panics
/// It is missing in CI.
#[allow(clippy::print_stdout)]
pub fn tool(name: &str) -> Option<PathBuf> {
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

/// A server, and the address of its DynamoDB protocol with the scheme.
///
/// # Panics
/// It does not start in time.
pub fn serve(home: &Home, flags: &[&str]) -> (Server, String) {
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
        assert!(begun.elapsed() < START, "no address in {log}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

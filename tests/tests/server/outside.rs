//! The crate as a program outside of this workspace sees it: `tests/outside` has its own manifest and lock file.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sealdb_tests::server::{binary, run_within};

#[test]
fn a_program_outside_of_the_workspace_builds_and_runs() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("outside");
    let place = tempfile::tempdir().unwrap();
    // The same profile and target directory as ours: what is built already with the same features is not built again.
    let profile = binary("sealdb").parent().unwrap().to_owned();
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--offline", "--locked", "--manifest-path"])
        .arg(here.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(profile.parent().unwrap())
        .arg("--")
        .arg(place.path())
        .current_dir(&here);
    // A build from nothing takes minutes on a busy machine; more than this is a hang.
    let printed = run_within(command, "", Duration::from_secs(15 * 60)).ok();
    println!("built and run in {:.1} s", begun.elapsed().as_secs_f64());
    for part in ["LOWG\nLOWW\n", "2 airports in AT", "a second open: "] {
        assert!(printed.contains(part), "{part} in {printed}");
    }
}

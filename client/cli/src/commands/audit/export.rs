//! `audit export`: the trail for a SIEM and for an auditor, with what they verify it by.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sealdb::tools::TrailReader;
use serde_json::json;

use crate::error::CliError;
use crate::output::Output;

/// The file beside an export that has this ending.
pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Ending of the signed checkpoint's file.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// Ending of the public key's file.
pub(super) const PUBLIC_KEY: &str = "public-key";

pub(super) fn run(file: &Path, mut trail: TrailReader, output: Output) -> Result<(), CliError> {
    let to = create(file)?;
    if let Err(error) = fill(to, file, &mut trail) {
        // Half an export would verify as one that was cut off.
        let _ = std::fs::remove_file(file);
        return Err(error);
    }
    write(
        &beside(file, CHECKPOINT),
        &trail.checkpoint(super::now()).to_string(),
    )?;
    write(
        &beside(file, PUBLIC_KEY),
        &format!("{}\n", trail.verifier()),
    )?;
    if output.json {
        return output.value(&json!({ "events": trail.events() }));
    }
    output.done(&format!(
        "exported up to event {}; verify it with: sealdb audit verify {}",
        trail.events(),
        file.display()
    ))
}

/// Writes all events.
fn fill(to: File, file: &Path, trail: &mut TrailReader) -> Result<(), CliError> {
    let failed = |error| CliError::file(file, error);
    let mut to = BufWriter::new(to);
    if let Some(beginning) = trail.beginning() {
        let line = json!(beginning).to_string();
        writeln!(to, "{line}").map_err(failed)?;
    }
    for record in trail.by_ref() {
        writeln!(to, "{}", record?.line).map_err(failed)?;
    }
    let written = to
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    written.sync_all().map_err(failed)
}

/// Owner-only: it tells who did what.
fn create(path: &Path) -> Result<File, CliError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| CliError::file(path, error))
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    create(path)?
        .write_all(text.as_bytes())
        .map_err(|error| CliError::file(path, error))
}

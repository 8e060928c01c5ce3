//! `audit prove` and `audit verify-proof`: for who holds a checkpoint or an event, and not the trail.

use std::path::{Path, PathBuf};

use sealdb_crypto::audit::{Proven, SignedCheckpoint, TrailClaim, TrailProof};
use serde_json::{Value, json};

use super::read;
use crate::args::DatabaseArgs;
use crate::error::CliError;
use crate::output::{Output, print};

/// Prints a proof.
pub(super) fn run(
    claim: (Option<&Path>, Option<u64>),
    under: Option<&Path>,
    database: &DatabaseArgs,
) -> Result<(), CliError> {
    let claim = match claim {
        (Some(since), _) => TrailClaim::Since(read(since)?),
        (None, Some(event)) => TrailClaim::Event(event),
        (None, None) => return Err(CliError::usage("name --since or --event")),
    };
    let under = under.map(read::<SignedCheckpoint>).transpose()?;
    let proof = super::open(database)?.prove(&claim, under, super::now())?;
    print(&json!(proof).to_string())
}

/// Verifies one, against the public key and the checkpoints that were kept.
pub(super) fn verify(
    file: &Path,
    (public_key, checkpoints): (&Path, &[PathBuf]),
    event: Option<&Path>,
    output: Output,
) -> Result<(), CliError> {
    let kept: Result<Vec<SignedCheckpoint>, _> =
        checkpoints.iter().map(|path| read(path)).collect();
    let proof = TrailProof::from_json(&text(file)?)?;
    let proven = proof.verify(&read(public_key)?, &kept?)?;
    if let Some(path) = event {
        let held = text(path)?;
        match &proven {
            Proven::Holds { record, .. } if record.line == held.trim_end() => {}
            Proven::Holds { record, .. } => {
                let path = path.display();
                return Err(CliError::OtherEvent(format!(
                    "the proof is about event {}, which is not the one in {path}",
                    record.sequence
                )));
            }
            Proven::Extends { .. } => {
                return Err(CliError::usage("--event: the proof is about no event"));
            }
        }
    }
    tell(&proven, output)
}

fn text(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| CliError::file(path, error))
}

fn tell(proven: &Proven, output: Output) -> Result<(), CliError> {
    let (said, shown) = match proven {
        Proven::Extends { since, checkpoint } => {
            let (size, time) = (checkpoint.size, &checkpoint.time);
            let said = format!(
                "the {since} events of the checkpoint that was kept are the first of the {size} of {time}, as they were"
            );
            (
                said,
                json!({ "proven": "consistency", "since": since, "events": size, "time": time }),
            )
        }
        Proven::Holds { record, checkpoint } => {
            let (size, time) = (checkpoint.size, &checkpoint.time);
            let line = crate::output::escaped(&record.line);
            let said = format!(
                "event {} is among the {size} of the checkpoint of {time}:\n{line}",
                record.sequence
            );
            let event: Value = serde_json::from_str(&record.line).unwrap_or_default();
            (
                said,
                json!({ "proven": "inclusion", "event": event, "events": size, "time": time }),
            )
        }
    };
    match output.json {
        true => output.value(&shown),
        false => print(&said),
    }
}

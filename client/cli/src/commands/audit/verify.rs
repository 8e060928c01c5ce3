//! `audit verify`: an exported file, by anybody; or the trail itself, by who holds its keys.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use sealdb_crypto::audit::{SignedCheckpoint, Verification, Verified, Verifier};
use serde_json::json;

use super::export::{CHECKPOINT, PUBLIC_KEY, beside};
use super::read;
use crate::args::{DatabaseArgs, VerifyArgs};
use crate::error::CliError;
use crate::output::{Output, counted, print};

/// Longest line of an export; an event is far shorter.
const LINE_LEN: u64 = 1 << 20;

pub(super) fn run(args: &VerifyArgs, output: Output) -> Result<(), CliError> {
    let mut kept = Vec::new();
    for path in &args.checkpoint {
        kept.push(read::<SignedCheckpoint>(path)?);
    }
    let verified = match (&args.file, &args.data_dir) {
        (Some(file), _) => exported(file, args, kept, output)?,
        (None, Some(_)) => itself(args, kept)?,
        (None, None) => return Err(CliError::usage("name an exported file, or --data-dir")),
    };
    tell(&verified, output)
}

fn exported(
    file: &Path,
    args: &VerifyArgs,
    mut kept: Vec<SignedCheckpoint>,
    output: Output,
) -> Result<Verified, CliError> {
    let verifier = match &args.public_key {
        Some(path) => read::<Verifier>(path)?,
        None => {
            output.remark(
                "note: the public key is the one that lies beside the file; name the one that you kept with --public-key",
            )?;
            read::<Verifier>(&beside(file, PUBLIC_KEY))?
        }
    };
    let checkpoint = beside(file, CHECKPOINT);
    if checkpoint.exists() {
        kept.push(read(&checkpoint)?);
    }
    let mut verification = Verification::new(verifier, kept);
    let failed = |error| CliError::file(file, error);
    let mut lines = BufReader::new(File::open(file).map_err(failed)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = std::io::Read::take(&mut lines, LINE_LEN);
        if limited.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(verification.end());
        }
        let text = String::from_utf8_lossy(&line);
        verification.line(text.strip_suffix('\n').unwrap_or(&text));
    }
}

fn itself(args: &VerifyArgs, kept: Vec<SignedCheckpoint>) -> Result<Verified, CliError> {
    let mut trail = super::open(&args.database()?)?;
    let verifier = match &args.public_key {
        Some(path) => read::<Verifier>(path)?,
        None => trail.verifier(),
    };
    let mut verification = Verification::new(verifier, kept);
    if let Some(beginning) = trail.beginning() {
        verification.line(&json!(beginning).to_string());
    }
    for record in trail.by_ref() {
        verification.line(&record?.line);
    }
    Ok(verification.end())
}

fn tell(verified: &Verified, output: Output) -> Result<(), CliError> {
    let Verified {
        before,
        events,
        confirmed,
        checkpoints,
        unused,
        findings,
        more,
    } = verified;
    if output.json {
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        output.value(&json!({
            "before": before, "events": events, "confirmed": confirmed, "checkpoints": checkpoints, "unused": unused,
            "findings": findings, "more": more,
        }))?;
    } else {
        for finding in findings {
            print(&format!("found: {finding}"))?;
        }
        if *more > 0 {
            print(&format!("and {more} more"))?;
        }
    }
    match findings.len() {
        0 => {
            if confirmed < events {
                output.remark(&format!(
                    "note: no signature confirms the events after {confirmed}; a newer checkpoint would"
                ))?;
            }
            if *unused > 0 {
                let unused = counted_checkpoints(*unused);
                output.remark(&format!(
                    "note: {unused} handed in say nothing here: over fewer events than come before"
                ))?;
            }
            let agree = counted_checkpoints(*checkpoints);
            output.done(&match (*before, before == events) {
                (0, false) => {
                    format!("events up to {events} are as they were recorded; {agree} agree")
                }
                (_, true) => format!("there is no event to look at after the first {before}"),
                (_, false) => format!(
                    "events {} to {events} are as they were recorded; {agree} agree; the first {before} are not here",
                    before + 1
                ),
            })
        }
        found => Err(CliError::Tampered(
            found + usize::try_from(*more).unwrap_or(usize::MAX),
        )),
    }
}

fn counted_checkpoints(count: u64) -> String {
    counted(
        usize::try_from(count).unwrap_or(usize::MAX),
        "signed checkpoint",
    )
}

impl VerifyArgs {
    fn database(&self) -> Result<DatabaseArgs, CliError> {
        let data_dir = self.data_dir.clone();
        Ok(DatabaseArgs {
            data_dir: data_dir
                .ok_or_else(|| CliError::usage("name the database with --data-dir"))?,
            keyring: self.keyring.clone(),
        })
    }
}

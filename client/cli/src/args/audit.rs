//! Commands of the audit trail: their grammar.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueHint};

use super::DatabaseArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Print the newest events, oldest first.
    Tail {
        #[command(flatten)]
        database: DatabaseArgs,
        /// So many events.
        #[arg(long, short = 'n', default_value_t = 20, value_name = "N")]
        lines: usize,
        /// Go on with new events as they come, until interrupted.
        #[arg(long, short)]
        follow: bool,
    },
    /// Print the events that all given conditions hold for.
    Search {
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Write all events to a file, one JSON object a line, with a signed checkpoint (FILE.checkpoint) and the public key
    /// (FILE.public-key) beside it.
    Export {
        /// The new file; must not exist.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Print a checkpoint of this moment, signed with the trail's key. Keep it where nobody of this machine can change it: any later
    /// trail is verified against it.
    Checkpoint {
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Print the public key that the trail's checkpoints are verified with.
    PublicKey {
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Verify an exported file without any key but the public one, or the trail of a database itself.
    Verify(VerifyArgs),
    /// Print a proof for somebody who holds a checkpoint or an event, and not the trail: that the trail goes on from the checkpoint, or that the
    /// event is in it.
    #[command(group = ArgGroup::new("claim").required(true))]
    Prove {
        /// Prove that nothing this checkpoint was signed over has gone or changed since.
        #[arg(long, value_name = "CHECKPOINT", value_hint = ValueHint::FilePath, group = "claim")]
        since: Option<PathBuf>,
        /// Prove that the event of this number is in the trail.
        #[arg(long, value_name = "N", group = "claim")]
        event: Option<u64>,
        /// Under this checkpoint, which was kept, too [default: one of this moment, which the proof holds].
        #[arg(long, value_name = "CHECKPOINT", value_hint = ValueHint::FilePath)]
        under: Option<PathBuf>,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Verify what `audit prove` printed, without the trail and without any key but the public one.
    VerifyProof {
        /// The proof.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The public key that was kept.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        public_key: PathBuf,
        /// A checkpoint that was kept: the one that the trail was to go on from, or the one that the proof is under. May be given again.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        checkpoint: Vec<PathBuf>,
        /// The event that is held, a line as it was exported: it must be the one that the proof is about.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        event: Option<PathBuf>,
    },
}

/// What is looked for.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// From this time on, UTC: 2026-01-02, 2026-01-02T03:04 or longer.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) to: Option<String>,
    /// Of this access key, user or other principal.
    #[arg(long, value_name = "ID")]
    pub(crate) principal: Option<String>,
    /// From this address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Option<String>,
    /// On this table.
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// With this KMS key, by id, ARN or alias. An alias finds what named it, and what names the key that it stands for now.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Of this name: Decrypt, DeleteTable.
    #[arg(long, value_name = "NAME")]
    pub(crate) event: Option<String>,
    /// On the item with this key, in DynamoDB's notation: {"id": {"S": "x"}}. Finds what named the item; queries and scans name its
    /// table only.
    #[arg(long, value_name = "KEY", requires = "table")]
    pub(crate) item: Option<String>,
    /// success, failure, or the name of an exception.
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<String>,
}

/// What is verified, and against what.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// An exported file. Without one, the trail of the database in --data-dir.
    #[arg(value_hint = ValueHint::FilePath, required_unless_present = "data_dir", conflicts_with = "data_dir")]
    pub(crate) file: Option<PathBuf>,
    /// A checkpoint that was kept, from whatever time; may be given again. FILE.checkpoint is always looked at.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) checkpoint: Vec<PathBuf>,
    /// The public key that was kept [default: FILE.public-key].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) public_key: Option<PathBuf>,
    /// Directory of the database.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keyring: super::KeyringArgs,
}

/// The beginning of a time as events have it. Times of one form are ordered as texts are.
fn time(text: &str) -> Result<String, String> {
    const FORM: &str = "0000-00-00T00:00:00.000";
    let given = text.strip_suffix('Z').unwrap_or(text);
    let fits = FORM
        .chars()
        .zip(given.chars())
        .all(|(form, given)| match form {
            '0' => given.is_ascii_digit(),
            other => given == other,
        });
    match fits && [10, 16, 19, 23].contains(&given.len()) {
        true => Ok(given.to_owned()),
        false => Err("a time is 2026-01-02, 2026-01-02T03:04, …:05 or …:05.678, in UTC".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::time;

    #[test]
    fn times_are_read_as_far_as_they_go() {
        for good in [
            "2026-01-02",
            "2026-01-02T03:04",
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.678Z",
        ] {
            assert_eq!(time(good).unwrap(), good.trim_end_matches('Z'));
        }
        for bad in [
            "",
            "2026",
            "yesterday!",
            "2026-01-02 03:04",
            "2026-01-02T03:04:05+01:00",
            "2026-1-2",
        ] {
            assert!(time(bad).is_err(), "{bad}");
        }
        assert!("2026-01-02T03:04:05.678Z" >= time("2026-01-02").unwrap().as_str());
    }
}

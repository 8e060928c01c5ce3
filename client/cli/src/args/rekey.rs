//! `sealdb key rewrap`, `rekey` and what belongs to them: keys of tables that a server has open.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

#[derive(Debug, Subcommand)]
pub(crate) enum TableKeyCommand {
    /// Put tables under another KMS key, or under the newest version of theirs. Their data stays as it is.
    #[command(after_help = "\
Examples:
  sealdb key rewrap --table airports --to alias/airports
  sealdb key rewrap --key alias/old --to alias/new
  sealdb key rewrap --all")]
    Rewrap {
        #[command(flatten)]
        scope: ScopeArgs,
        /// The KMS key from now on: id, alias, arn:…, vault:… or pkcs11:…. Without it each table keeps its own, in its newest version.
        #[arg(long, value_name = "KEY")]
        to: Option<String>,
    },
    /// Give tables new keys, and seal all their data anew while they are in use.
    #[command(after_help = "\
Examples:
  sealdb key rekey --table airports
  sealdb key rekey --all --pace 8
  sealdb key rekey --table airports --wait && sealdb key proof airports > proof.json")]
    Rekey {
        #[command(flatten)]
        scope: ScopeArgs,
        /// The KMS key that wraps them: id, alias, arn:…, vault:… or pkcs11:…. Without it the one that each table has.
        #[arg(long, value_name = "KEY")]
        to: Option<String>,
        /// MB resealed in a second. Without it 32 MiB.
        #[arg(long, value_name = "MB/s", value_parser = clap::value_parser!(u64).range(1..=100_000))]
        pace: Option<u64>,
        /// Wait until it is done, with a bar.
        #[arg(long)]
        wait: bool,
    },
    /// Show how far rekeys have come.
    Status {
        /// Follow them to the end, with a bar.
        #[arg(long)]
        wait: bool,
    },
    /// Let a rekey rest, over restarts of the server too.
    Pause {
        /// Name of the table.
        table: String,
    },
    /// Go on with a rekey.
    Resume {
        /// Name of the table.
        table: String,
        /// MB resealed in a second from now on.
        #[arg(long, value_name = "MB/s", value_parser = clap::value_parser!(u64).range(1..=100_000))]
        pace: Option<u64>,
    },
    /// Print the signed proof of the last rekey of a table: what was walked, what that covers, what it cannot see.
    Proof {
        /// Name of the table.
        table: String,
    },
    /// Check a proof, without a server and without keys.
    VerifyProof {
        /// The file that "key proof" printed.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// The database's public key that was kept: what "audit public-key" printed, or its hexadecimal digits. Without it the key that the
        /// proof names is believed, which anybody can make.
        #[arg(long, value_name = "FILE|HEX", value_hint = ValueHint::FilePath)]
        public_key: Option<String>,
    },
    /// Show what stops if a KMS key goes: tables, indexes, streams, items, bytes.
    Impact {
        /// The KMS key: id, alias, arn:…, vault:… or pkcs11:….
        key: String,
    },
}

/// Which tables.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ScopeArgs {
    /// This table.
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Option<String>,
    /// All tables under this KMS key: id, alias, arn:…, vault:… or pkcs11:….
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// All tables.
    #[arg(long)]
    pub(crate) all: bool,
}

//! `sealdb key`: its grammar.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use sealdb_crypto::{Alias, DEFAULT_ACCOUNT, KeyOperation, KeyRef};
use uuid::Uuid;

use super::directories::account;
use super::{KeyringArgs, TableKeyCommand};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    #[command(flatten)]
    Tables(TableKeyCommand),
    /// List the keys.
    List(KeyringArgs),
    /// Describe one key.
    Describe(OneKey),
    /// Make a key. It is enabled at once, unless its material is to be imported.
    Create {
        /// A name for it: alias/orders.
        #[arg(long, value_name = "alias/NAME")]
        alias: Option<Alias>,
        /// A word on what it is for.
        #[arg(long, default_value = "")]
        description: String,
        /// Make no material: it is brought along with `sealdb key import`.
        #[arg(long)]
        external: bool,
        #[command(flatten)]
        keyring: KeyringArgs,
    },
    /// Enable a key that was disabled. Tables that closed open by themselves.
    Enable(OneKey),
    /// Disable a key. Tables under it close within minutes, and keep their data until it is enabled again.
    Disable {
        /// For alias/sealdb/system: close every database under this keyring.
        #[arg(long)]
        close_everything: bool,
        #[command(flatten)]
        key: OneKey,
    },
    /// Make new material for a key now. What was wrapped before opens still; `rewrap` moves it to the new material.
    Rotate(OneKey),
    /// Rotate a key by itself, once a period, or no longer.
    AutoRotate {
        /// Days between rotations, 90 to 2560.
        #[arg(long, value_name = "DAYS", default_value_t = 365)]
        days: u32,
        /// Rotate it by itself no longer.
        #[arg(long, conflicts_with = "days")]
        off: bool,
        #[command(flatten)]
        key: OneKey,
    },
    /// Disable a key, and destroy its material when the days are over. What is under it then is gone for ever.
    ScheduleDeletion {
        /// Days to change one's mind, 7 to 30.
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        days: u32,
        #[command(flatten)]
        key: OneKey,
    },
    /// Keep a key that was to be deleted. It stays disabled until it is enabled.
    CancelDeletion(OneKey),
    /// Say which principals of which account may administer and use a key, and for which tables, in place of what was said before. In names `*`
    /// stands for any characters. `describe` shows it.
    Policy {
        /// The account whose key it is.
        #[arg(long, value_name = "ACCOUNT", value_parser = account, default_value = DEFAULT_ACCOUNT)]
        account: String,
        /// Principals that may rewrap and rekey its tables [default: all of the account].
        #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
        administrators: Vec<String>,
        /// Principals that may use it [default: all of the account].
        #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
        users: Vec<String>,
        /// Tables that these may use it for [default: all].
        #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
        tables: Vec<String>,
        #[command(flatten)]
        key: OneKey,
    },
    /// Let a principal, of whatever account, use a key beyond its policy; or take that back.
    #[command(subcommand)]
    Grant(GrantCommand),
    /// Make, move and delete aliases.
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Import the material of a key that was made with --external: 32 bytes, from a file that only its owner may read.
    Import {
        /// The file: 32 bytes as they are, as hexadecimal digits or as base64.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        material: PathBuf,
        /// Destroy it after so many days. The same can be imported again.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36500))]
        valid_days: Option<u32>,
        #[command(flatten)]
        key: OneKey,
    },
    /// Destroy imported material now. The same can be imported again; without it what is under the key stays closed.
    DeleteMaterial(OneKey),
    /// Copy the sealed keyring file. The copy opens with the same root key.
    Backup {
        /// The new file; must not exist.
        #[arg(value_hint = ValueHint::FilePath)]
        to: PathBuf,
        #[command(flatten)]
        keyring: KeyringArgs,
    },
    /// Put a backup in place of a keyring that is missing.
    ///
    /// A server refuses a keyring that is older than what its database has seen, and any use of a key may change the keyring. With --for the
    /// backup counts as the newest, and the audit trail says so. Keys made, imported or rotated after the backup are missing; states and
    /// policies are as they were then.
    Restore {
        /// The backup.
        #[arg(value_hint = ValueHint::FilePath)]
        from: PathBuf,
        /// Directory of the database that is to take the backup though it has seen later changes of the keyring.
        #[arg(long = "for", value_name = "DATA_DIR", value_hint = ValueHint::DirPath)]
        database: Option<PathBuf>,
        #[command(flatten)]
        keyring: KeyringArgs,
    },
    /// Seal the keyring under a new root key in shares: any of them, as many as the threshold, open it.
    ///
    /// Writes one owner-only file a share, for different people to keep in different places. What opened the keyring before opens it no
    /// longer.
    Split {
        /// How many shares.
        #[arg(long, value_name = "N", default_value_t = 5)]
        shares: u8,
        /// How many of them are needed.
        #[arg(long, value_name = "M", default_value_t = 3)]
        threshold: u8,
        /// Directory for the files share-1, share-2, ...
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        to: PathBuf,
        #[command(flatten)]
        keyring: KeyringArgs,
    },
    /// Seal the keyring under another root key: a new file, credential or passphrase. Table keys do not change.
    Reroot {
        #[command(flatten)]
        keyring: KeyringArgs,
        #[command(flatten)]
        to: NewRootArgs,
    },
}

/// The new root key.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct NewRootArgs {
    /// A file with the new root key; made owner-only if it does not exist.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) new_root_key_file: Option<PathBuf>,
    /// A systemd credential with the new root key.
    #[arg(long, value_name = "NAME")]
    pub(crate) new_root_key_credential: Option<String>,
    /// Ask for a new passphrase, twice, on the terminal.
    #[arg(long)]
    pub(crate) new_passphrase: bool,
}

/// One key of a keyring.
#[derive(Debug, Args)]
pub(crate) struct OneKey {
    /// Id or alias.
    #[arg(value_name = "KEY")]
    pub(crate) key: KeyRef,
    #[command(flatten)]
    pub(crate) keyring: KeyringArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Grant; prints the id to revoke it with.
    Create {
        /// The grantee's account.
        #[arg(long, value_name = "ACCOUNT", value_parser = account, default_value = DEFAULT_ACCOUNT)]
        account: String,
        /// The grantee's name.
        #[arg(long, value_name = "NAME")]
        grantee: String,
        /// What it may do: Decrypt (read and write tables under the key), GenerateDataKey (make such tables).
        #[arg(long, value_name = "OPERATION,...", value_delimiter = ',', default_value = "Decrypt", value_parser = operation)]
        operations: Vec<KeyOperation>,
        /// Tables that it may be used for [default: all].
        #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
        tables: Vec<String>,
        #[command(flatten)]
        key: OneKey,
    },
    /// Take a grant back.
    Revoke {
        /// Its id.
        #[arg(long, value_name = "ID")]
        grant: Uuid,
        #[command(flatten)]
        key: OneKey,
    },
}

fn operation(name: &str) -> Result<KeyOperation, String> {
    KeyOperation::grantable(name).ok_or_else(|| "it is Decrypt or GenerateDataKey".to_owned())
}

#[derive(Debug, Subcommand)]
pub(crate) enum AliasCommand {
    /// Give a key one more alias.
    Create {
        /// The alias.
        #[arg(value_name = "alias/NAME")]
        alias: Alias,
        #[command(flatten)]
        key: OneKey,
    },
    /// Move an alias to another key. Tables that exist stay under the key that they have.
    Update {
        /// The alias.
        #[arg(value_name = "alias/NAME")]
        alias: Alias,
        #[command(flatten)]
        key: OneKey,
    },
    /// Delete an alias; its key stays.
    Delete {
        /// The alias.
        #[arg(value_name = "alias/NAME")]
        alias: Alias,
        #[command(flatten)]
        keyring: KeyringArgs,
    },
}

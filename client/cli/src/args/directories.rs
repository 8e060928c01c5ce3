//! Commands that work on directories: credentials and closed databases: their grammar; and how a keyring is named.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// Which keyring, and what opens it.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyringArgs {
    /// Directory of the keyring.
    #[arg(long, env = "SEALDB_KEYRING", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) keyring: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) root: RootArgs,
}

/// Where the root key comes from. Without any of them: `root.key` in the keyring's directory, if it stands there.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(crate) struct RootArgs {
    /// File that holds the root key, owner-only.
    #[arg(long, env = "SEALDB_ROOT_KEY_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) root_key_file: Option<PathBuf>,
    /// systemd credential that holds the root key.
    #[arg(long, env = "SEALDB_ROOT_KEY_CREDENTIAL", value_name = "NAME")]
    pub(crate) root_key_credential: Option<String>,
    /// Ask for the passphrase on the terminal.
    #[arg(long)]
    pub(crate) passphrase: bool,
    /// Files with shares of the root key, as many as are needed, each owner-only.
    #[arg(long, env = "SEALDB_ROOT_KEY_SHARES", value_name = "FILE,...", value_delimiter = ',', value_hint = ValueHint::FilePath)]
    pub(crate) root_key_shares: Vec<PathBuf>,
    /// Ask for shares of the root key on the terminal, one after the other.
    #[arg(long)]
    pub(crate) ask_shares: bool,
}

/// Which database's directories.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArgs {
    /// Directory of the database.
    #[arg(long, env = "SEALDB_DATA_DIR", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) keyring: KeyringArgs,
}

/// Which server's credentials.
#[derive(Debug, Args)]
pub(crate) struct CredentialArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Directory of the server's credentials [default: DATA_DIR.run].
    #[arg(long, env = "SEALDB_RUN_DIR", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) run_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Create an access key. Its secret is shown once.
    Create {
        /// A word on who uses it.
        #[arg(long, default_value = "")]
        description: String,
        /// Name of the principal, as key policies and grants name it [default: the access key id].
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Account of the principal, 12 digits [default: 000000000000].
        #[arg(long, value_name = "ACCOUNT", value_parser = account)]
        account: Option<String>,
        #[command(flatten)]
        server: CredentialArgs,
    },
    /// List access keys, without secrets.
    List {
        #[command(flatten)]
        server: CredentialArgs,
    },
    /// Revoke an access key. A running server refuses it within a second.
    Revoke {
        /// The access key id.
        access_key_id: String,
        #[command(flatten)]
        server: CredentialArgs,
    },
}

/// A closed database.
#[derive(Debug, Args)]
pub(crate) struct ClosedArgs {
    /// Directory of the database.
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) keyring: KeyringArgs,
}

/// No key is needed: the copy is as sealed as the original.
#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// Directory of the database.
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) data_dir: PathBuf,
    /// The new directory; must not exist or be empty.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) to: PathBuf,
}

pub(super) fn account(text: &str) -> Result<String, String> {
    match sealdb_crypto::is_account(text) {
        true => Ok(text.to_owned()),
        false => Err("an account has 12 digits".to_owned()),
    }
}

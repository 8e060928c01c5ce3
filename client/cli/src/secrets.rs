//! Where the root key comes from: the options of `RootArgs`, the default file, or a question on the terminal.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealdb_crypto::keyring::{KEYRING_FILE, ROOT_KEY_FILE, Share, gather_shares};
use sealdb_crypto::{Keyring, RootKeySource, SecretString, SystemClock};
use sealdb_server::Config;

use crate::args::{ClosedArgs, DatabaseArgs, KeyringArgs, NewRootArgs, RootArgs};
use crate::error::CliError;

/// Environment variable with a passphrase: for tests only.
const PASSPHRASE_ENV: &str = "SEALDB_PASSPHRASE";

/// A keyring's directory and what opens it.
pub(crate) struct KeyringPlace {
    pub(crate) directory: PathBuf,
    pub(crate) root: RootKeySource,
}

impl KeyringPlace {
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join(KEYRING_FILE)
    }

    /// Opens the keyring.
    pub(crate) fn open(self) -> Result<Keyring, CliError> {
        Ok(Keyring::open(
            self.file(),
            self.root,
            Arc::new(SystemClock),
        )?)
    }
}

impl KeyringArgs {
    /// The keyring that was named, or that of `data_dir`.
    pub(crate) fn place(&self, data_dir: Option<&Path>) -> Result<KeyringPlace, CliError> {
        let file = self.directory(data_dir)?.join(KEYRING_FILE);
        self.place_of(data_dir, &file)
    }

    /// The same for a keyring that is to be made of another file.
    pub(crate) fn place_of(
        &self,
        data_dir: Option<&Path>,
        file: &Path,
    ) -> Result<KeyringPlace, CliError> {
        let directory = self.directory(data_dir)?;
        let root = self.root.source(&directory, file)?;
        Ok(KeyringPlace { directory, root })
    }

    pub(crate) fn directory(&self, data_dir: Option<&Path>) -> Result<PathBuf, CliError> {
        match (&self.keyring, data_dir) {
            (Some(directory), _) => Ok(directory.clone()),
            (None, Some(data_dir)) => Ok(Config::new(data_dir).keyring),
            (None, None) => Err(CliError::usage(
                "which keyring? give --keyring DIR (a server's default is DATA_DIR.keyring)",
            )),
        }
    }
}

impl DatabaseArgs {
    pub(crate) fn place(&self) -> Result<KeyringPlace, CliError> {
        exists(&self.data_dir)?;
        self.keyring.place(Some(&self.data_dir))
    }
}

impl ClosedArgs {
    pub(crate) fn place(&self) -> Result<KeyringPlace, CliError> {
        exists(&self.data_dir)?;
        self.keyring.place(Some(&self.data_dir))
    }
}

/// A misspelt directory is no question about keys.
fn exists(data_dir: &Path) -> Result<(), CliError> {
    match data_dir.is_dir() {
        true => Ok(()),
        false => Err(sealdb::Error::NoDatabase(data_dir.to_owned()).into()),
    }
}

impl RootArgs {
    /// What opens the keyring in a directory; `file` is the keyring, or the backup that it is to be made of.
    fn source(&self, keyring: &Path, file: &Path) -> Result<RootKeySource, CliError> {
        if let Some(file) = &self.root_key_file {
            return Ok(RootKeySource::File(file.clone()));
        }
        if let Some(name) = &self.root_key_credential {
            return Ok(RootKeySource::Credential(name.clone()));
        }
        if self.passphrase {
            return Ok(RootKeySource::Passphrase(ask(
                "Passphrase of the keyring: ",
            )?));
        }
        if !self.root_key_shares.is_empty() {
            let shares = self.root_key_shares.iter().map(|file| Share::read(file));
            return Ok(RootKeySource::Shares(shares.collect::<Result<_, _>>()?));
        }
        if self.ask_shares {
            let keyring = Keyring::head_of(file)?.id;
            return Ok(RootKeySource::Shares(gather_shares(keyring, ask)?));
        }
        if let Some(passphrase) = from_environment() {
            return Ok(RootKeySource::Passphrase(passphrase));
        }
        if !keyring.is_dir() {
            return Err(CliError::usage(format!(
                "there is no keyring in {}: name its directory with --keyring, and what opens it with --root-key-file, \
                 --root-key-credential or --passphrase",
                keyring.display()
            )));
        }
        let default = keyring.join(ROOT_KEY_FILE);
        if default.exists() {
            return Ok(RootKeySource::File(default));
        }
        Err(CliError::usage(
            "what opens the keyring? give --root-key-file FILE, --root-key-credential NAME, --passphrase, --root-key-shares FILE,... or \
             --ask-shares",
        ))
    }
}

impl NewRootArgs {
    /// The new source; a key file that does not exist is made.
    pub(crate) fn source(&self) -> Result<RootKeySource, CliError> {
        match (&self.new_root_key_file, &self.new_root_key_credential) {
            (Some(file), _) if file.exists() => Ok(RootKeySource::File(file.clone())),
            (Some(file), _) => Ok(RootKeySource::create_file(file)?),
            (None, Some(name)) => Ok(RootKeySource::Credential(name.clone())),
            (None, None) => {
                let first = ask("New passphrase: ")?;
                let second = ask("New passphrase again: ")?;
                if first.expose() != second.expose() {
                    return Err(CliError::usage(
                        "the two passphrases differ; nothing was changed",
                    ));
                }
                Ok(RootKeySource::Passphrase(first))
            }
        }
    }
}

/// Asks on the terminal, without echo. Without a terminal the tests' environment variable is the only way.
fn ask(prompt: &str) -> Result<SecretString, CliError> {
    if !std::io::stdin().is_terminal() {
        return from_environment().ok_or_else(|| {
            CliError::usage("a passphrase is asked for on a terminal, and there is none")
        });
    }
    rpassword::prompt_password(prompt)
        .map(SecretString::new)
        .map_err(|source| CliError::usage(format!("cannot read a passphrase: {source}")))
}

fn from_environment() -> Option<SecretString> {
    std::env::var(PASSPHRASE_ENV).ok().map(SecretString::new)
}

//! The configuration of a server: plain data with defaults, read from [`crate::cli::Settings`] or made in code.
//!
//! # Where things lie
//! | place | default | holds | may be lost |
//! |---|---|---|---|
//! | data directory `D` | none, required | the sealed database | no |
//! | keyring directory | `D.keyring` | `keyring.seal`, the sealed keyring; `root.key` if `--init` made it | **no: without it the data is gone** |
//! | run directory | `D.run` | `endpoint.json`, `tls.crt`, `tls.key`, `credentials.seal` | yes: new ones are made |
//!
//! `--keyring` names a directory, not a file: the keyring is replaced by write, sync and rename, and its directory must be
//! owner-only. It lies outside the data directory, and better on another device or a removable one.

mod read;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::providers::ProviderSettings;
use crate::units::{format_duration, format_size};

/// Why a configuration was refused. The text names the setting as it was given.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A flag that does not exist, or a request for help or version: clap's own report.
    #[error("{0}")]
    CommandLine(clap::Error),
    /// The file named by `--config` cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    File {
        /// As given.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {path} is not valid TOML: {message}")]
    Toml {
        /// As given.
        path: String,
        /// The parser's message, with line and column.
        message: String,
    },
    /// The file has a key that is no setting.
    #[error("unknown key `{key}` in the configuration file {path}{hint}")]
    UnknownKey {
        /// As given.
        path: String,
        /// The key.
        key: String,
        /// "; did you mean ...?" or nothing.
        hint: String,
    },
    /// A value cannot be understood.
    #[error("{setting}: {message}")]
    Invalid {
        /// The setting, by the name under which it was given.
        setting: String,
        /// What is wrong.
        message: String,
    },
    /// Values that do not go together, or something required is missing.
    #[error("{0}")]
    Conflict(String),
}

/// Where the root key of the keyring comes from.
#[derive(Clone)]
pub enum RootKey {
    /// An owner-only file.
    File(PathBuf),
    /// A credential that systemd hands to the unit.
    Credential(String),
    /// To be asked for on the terminal: [`crate::keys`] refuses it until [`RootKey::Passphrase`] takes its place.
    AskPassphrase,
    /// The passphrase itself.
    Passphrase(Zeroizing<String>),
    /// Owner-only files with shares of the root key.
    ShareFiles(Vec<PathBuf>),
    /// Shares, to be asked for on the terminal: [`RootKey::Shares`] takes its place.
    AskShares,
    /// The lines of shares.
    Shares(Vec<Zeroizing<String>>),
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RootKey::File(path) => write!(f, "File({})", path.display()),
            RootKey::Credential(name) => write!(f, "Credential({name})"),
            RootKey::AskPassphrase => f.write_str("AskPassphrase"),
            RootKey::Passphrase(_) => f.write_str("Passphrase(..)"),
            RootKey::ShareFiles(files) => write!(f, "ShareFiles({files:?})"),
            RootKey::AskShares => f.write_str("AskShares"),
            RootKey::Shares(shares) => write!(f, "Shares({})", shares.len()),
        }
    }
}

/// A certificate that the operator gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM, the server's own certificate first.
    pub cert: PathBuf,
    /// PEM, PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
}

/// An access key that the operator chose, for the first start.
#[derive(Clone)]
pub struct FirstCredential {
    /// Its id.
    pub access_key_id: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
}

impl fmt::Debug for FirstCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FirstCredential({})", self.access_key_id)
    }
}

/// What a client may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once.
    pub max_connections: usize,
    /// Calls at once on one connection.
    pub max_streams: u32,
    /// Calls at once in the whole server.
    pub max_in_flight: usize,
    /// Largest request in bytes.
    pub max_message_size: usize,
    /// Bytes of memory for the requests of all calls, each counted as what it may grow to.
    pub max_request_memory: u64,
    /// Time for the TLS handshake.
    pub handshake_timeout: Duration,
    /// Time until the first authenticated call on a connection.
    pub login_timeout: Duration,
    /// Silence after which a connection is pinged.
    pub keepalive_interval: Duration,
    /// Time for the answer to the ping.
    pub keepalive_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 1024,
            max_streams: 256,
            max_in_flight: 1024,
            max_message_size: 17 << 20,
            max_request_memory: 256 << 20,
            handshake_timeout: Duration::from_secs(10),
            login_timeout: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
        }
    }
}

/// When a write is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once it is durable.
    Commit,
    /// At once; the log is synced every so often. A power loss takes up to this much with it.
    Interval(Duration),
}

/// What is handed to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// Bytes for decrypted pages.
    pub cache_size: u64,
    /// Log bytes at which a checkpoint starts.
    pub log_limit: u64,
    /// When a write is answered.
    pub durability: Durability,
    /// Age of an epoch.
    pub epoch_max_age: Duration,
    /// Blocks of an epoch.
    pub epoch_max_messages: u64,
    /// Bytes of an epoch.
    pub epoch_max_bytes: u64,
    /// Keys of earlier epochs kept.
    pub derived_key_cache: usize,
    /// Age of a table key.
    pub key_max_age: Duration,
    /// Coast of a table key.
    pub key_coast: Duration,
    /// How long tables are seen being created, updated and deleted.
    pub table_window: Duration,
    /// Which accesses to items are recorded.
    pub audit_data: sealdb::AuditData,
}

impl Default for DatabaseSettings {
    fn default() -> DatabaseSettings {
        DatabaseSettings {
            cache_size: 128 << 20,
            log_limit: 256 << 20,
            durability: Durability::Commit,
            epoch_max_age: Duration::from_secs(3600),
            epoch_max_messages: 1 << 24,
            epoch_max_bytes: 64 << 30,
            derived_key_cache: 256,
            key_max_age: Duration::from_secs(300),
            key_coast: Duration::from_secs(1800),
            table_window: Duration::ZERO,
            audit_data: sealdb::AuditData::default(),
        }
    }
}

/// Shape of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything a server needs to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Directory of the database.
    pub data_dir: PathBuf,
    /// Directory of the keyring.
    pub keyring: PathBuf,
    /// Directory of endpoint file, certificate and credentials.
    pub run_dir: PathBuf,
    /// Where the root key comes from. `None`: `root.key` in the keyring's directory, if `--init` made one there.
    pub root_key: Option<RootKey>,
    /// Make a root key file for a new database if there is none.
    pub init: bool,
    /// Which providers of keys there are beside the keyring.
    pub providers: ProviderSettings,
    /// Address for gRPC. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Address for the DynamoDB protocol; `None`: not served.
    pub dynamodb: Option<SocketAddr>,
    /// Serve it in plain HTTP, on loopback.
    pub dynamodb_plain_http: bool,
    /// An access key to accept beside those that are there.
    pub first_credential: Option<FirstCredential>,
    /// The operator's certificate. `None` on loopback: a self-signed one is made once and kept.
    pub tls: Option<TlsFiles>,
    /// Address for Prometheus; `None`: not served.
    pub metrics: Option<SocketAddr>,
    /// What clients may use up.
    pub limits: Limits,
    /// How long calls may take to end at shutdown.
    pub shutdown_deadline: Duration,
    /// What is handed to the database.
    pub database: DatabaseSettings,
    /// Shape of the log.
    pub log_format: LogFormat,
    /// Filter of the log, in the form of tracing-subscriber's `EnvFilter`.
    pub log_level: String,
    /// Also write the pointer by which command line and client find the server started last.
    pub publish_endpoint: bool,
}

impl Config {
    /// The defaults for a data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Config {
        let data_dir = data_dir.into();
        Config {
            keyring: beside(&data_dir, "keyring"),
            run_dir: beside(&data_dir, "run"),
            data_dir,
            root_key: None,
            init: false,
            providers: ProviderSettings::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7443)),
            dynamodb: None,
            dynamodb_plain_http: false,
            first_credential: None,
            tls: None,
            metrics: None,
            limits: Limits::default(),
            shutdown_deadline: Duration::from_secs(30),
            database: DatabaseSettings::default(),
            log_format: LogFormat::default(),
            log_level: "info".to_owned(),
            publish_endpoint: true,
        }
    }

    /// The root key file that `--init` makes when none is named, and that later starts find by themselves.
    pub fn default_root_key_file(&self) -> PathBuf {
        self.keyring.join(sealdb::crypto::keyring::ROOT_KEY_FILE)
    }

    /// The files of secrets that settings name.
    fn secret_files(&self) -> Vec<(&'static str, &Path)> {
        let mut files = Vec::new();
        if let Some(RootKey::File(path)) = &self.root_key {
            files.push(("root-key-file", path.as_path()));
        }
        if let Some(vault) = &self.providers.vault {
            files.push(("kms-vault-token-file", vault.token_file.as_path()));
        }
        if let Some(token) = &self.providers.pkcs11 {
            files.push(("kms-pkcs11: the PIN's file", token.pin_file.as_path()));
        }
        files
    }

    /// Checks what no single setting shows. Also done at start, for configurations made in code.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let listens = [("listen", Some(self.listen)), ("dynamodb", self.dynamodb)];
        for (name, address) in listens {
            if let Some(address) = address
                && !address.ip().is_loopback()
                && self.tls.is_none()
            {
                return Err(ConfigError::Conflict(format!(
                    "--{name} {address} is reachable from other machines and needs a certificate that they can check: \
                     give --tls-cert and --tls-key, or listen on 127.0.0.1"
                )));
            }
        }
        if let (true, Some(address)) = (self.dynamodb_plain_http, self.dynamodb)
            && !address.ip().is_loopback()
        {
            return Err(ConfigError::Conflict(format!(
                "--dynamodb-plain-http would show items to the network on {address}; it is for loopback only"
            )));
        }
        if self.dynamodb_plain_http && self.dynamodb.is_none() {
            return Err(ConfigError::Conflict(
                "--dynamodb-plain-http needs --dynamodb ADDRESS".to_owned(),
            ));
        }
        for (name, path) in [("keyring", &self.keyring), ("run-dir", &self.run_dir)] {
            if within(path, &self.data_dir) {
                return Err(ConfigError::Conflict(format!(
                    "--{name} {} lies inside the data directory {}; a copy of the data must not carry it along",
                    path.display(),
                    self.data_dir.display()
                )));
            }
        }
        for (name, path) in self.secret_files() {
            if within(path, &self.data_dir) {
                return Err(ConfigError::Conflict(format!(
                    "--{name} {} lies inside the data directory {}; a copy of the data must not carry it along",
                    path.display(),
                    self.data_dir.display()
                )));
            }
        }
        Ok(())
    }
}

/// `D` becomes `D.keyring`, also for `D/`.
fn beside(data_dir: &Path, suffix: &str) -> PathBuf {
    let trimmed: PathBuf = data_dir.components().collect();
    let mut name = trimmed.into_os_string();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether `path` is `directory` or below it, by names as far as they exist on disk.
fn within(path: &Path, directory: &Path) -> bool {
    resolve(path).starts_with(resolve(directory))
}

/// The absolute path with links followed as far as it exists.
fn resolve(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut missing = Vec::new();
    let mut existing = absolute.as_path();
    loop {
        if let Ok(found) = existing.canonicalize() {
            return missing
                .iter()
                .rev()
                .fold(found, |found, name| found.join(name));
        }
        match (existing.parent(), existing.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name);
                existing = parent;
            }
            _ => return absolute,
        }
    }
}

/// Writes a durability so that it is read the same.
impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Durability::Commit => f.write_str("commit"),
            Durability::Interval(interval) => f.write_str(&format_duration(*interval)),
        }
    }
}

/// One line for the log at start.
impl fmt::Display for DatabaseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cache {}, log {}, durability {}, key max age {} + coast {}",
            format_size(self.cache_size),
            format_size(self.log_limit),
            self.durability,
            format_duration(self.key_max_age),
            format_duration(self.key_coast)
        )
    }
}

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

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::cli::{Given, SETTINGS, Settings, Source};
use crate::units::{format_duration, format_size, parse_duration, parse_size};

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
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RootKey::File(path) => write!(f, "File({})", path.display()),
            RootKey::Credential(name) => write!(f, "Credential({name})"),
            RootKey::AskPassphrase => f.write_str("AskPassphrase"),
            RootKey::Passphrase(_) => f.write_str("Passphrase(..)"),
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

/// What a client may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once.
    pub max_connections: usize,
    /// Calls at once on one connection.
    pub max_streams: u32,
    /// Calls at once in the whole server.
    pub max_in_flight: usize,
    /// Largest message in bytes, either way.
    pub max_message_size: usize,
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
            derived_key_cache: 64,
            key_max_age: Duration::from_secs(300),
            key_coast: Duration::from_secs(1800),
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
    /// Address for gRPC. Port 0 takes a free one.
    pub listen: SocketAddr,
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
            listen: SocketAddr::from(([127, 0, 0, 1], 7443)),
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
        self.keyring.join("root.key")
    }

    /// Gives meaning to the collected settings and checks that they go together.
    pub fn from_settings(settings: &Settings) -> Result<Config, ConfigError> {
        let reader = Reader { settings };
        let Some(data_dir) = reader.path("data-dir") else {
            return Err(ConfigError::Conflict(
                "no data directory: give --data-dir DIR (or SEALDB_DATA_DIR, or data-dir in the file)".to_owned(),
            ));
        };
        let mut config = Config::new(data_dir);
        if let Some(path) = reader.path("keyring") {
            config.keyring = path;
        }
        if let Some(path) = reader.path("run-dir") {
            config.run_dir = path;
        }
        config.root_key = reader.root_key()?;
        config.init = reader.flag("init")?;
        config.listen = reader.required("listen", parse_address)?;
        config.tls = match (reader.path("tls-cert"), reader.path("tls-key")) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(ConfigError::Conflict(
                    "--tls-cert needs --tls-key".to_owned(),
                ));
            }
            (None, Some(_)) => {
                return Err(ConfigError::Conflict(
                    "--tls-key needs --tls-cert".to_owned(),
                ));
            }
        };
        config.metrics = reader.optional("metrics", parse_address)?;
        config.limits = Limits {
            max_connections: reader.required("max-connections", parse_count)?,
            max_streams: reader.required("max-streams", parse_count)?,
            max_in_flight: reader.required("max-in-flight", parse_count)?,
            max_message_size: reader.required("max-message-size", |text| match usize::try_from(
                parse_size(text)?,
            ) {
                Ok(size) if (1 << 20..=256 << 20).contains(&size) => Ok(size),
                _ => Err("must be from 1MiB to 256MiB".to_owned()),
            })?,
            handshake_timeout: reader.required("handshake-timeout", positive_duration)?,
            login_timeout: reader.required("login-timeout", positive_duration)?,
            keepalive_interval: reader.required("keepalive-interval", positive_duration)?,
            keepalive_timeout: reader.required("keepalive-timeout", positive_duration)?,
        };
        config.shutdown_deadline = reader.required("shutdown-deadline", parse_duration)?;
        config.database = DatabaseSettings {
            cache_size: reader.required("cache-size", |text| match parse_size(text)? {
                size if size >= 64 << 10 => Ok(size),
                _ => Err("must be at least 64KiB".to_owned()),
            })?,
            log_limit: reader.required("log-limit", |text| match parse_size(text)? {
                size if size >= 1 << 20 => Ok(size),
                _ => Err("must be at least 1MiB".to_owned()),
            })?,
            durability: reader.required("durability", parse_durability)?,
            epoch_max_age: reader.required("epoch-max-age", positive_duration)?,
            epoch_max_messages: reader.required(
                "epoch-max-messages",
                |text| match parse_count::<u64>(text)? {
                    // NIST SP 800-38D, 8.3: random 96-bit nonces.
                    count if count <= 1 << 32 => Ok(count),
                    _ => Err("must be at most 4294967296 (2^32)".to_owned()),
                },
            )?,
            epoch_max_bytes: reader.required("epoch-max-bytes", |text| {
                match parse_size(text)? {
                    size if size >= 1 << 20 => Ok(size),
                    _ => Err("must be at least 1MiB".to_owned()),
                }
            })?,
            derived_key_cache: reader.required("derived-key-cache", parse_count)?,
            key_max_age: reader.required("key-max-age", positive_duration)?,
            key_coast: reader.required("key-coast", parse_duration)?,
        };
        config.log_format = reader.required("log-format", |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            other => Err(format!("{other:?} is not a log format; it is text or json")),
        })?;
        config.log_level = reader.required("log-level", |text| {
            tracing_subscriber::EnvFilter::try_new(text)
                .map(|_| text.to_owned())
                .map_err(|error| format!("{text:?} is not a log level: {error}"))
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what no single setting shows. Also done at start, for configurations made in code.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() && self.tls.is_none() {
            return Err(ConfigError::Conflict(format!(
                "--listen {} is reachable from other machines and needs a certificate that they can check: \
                 give --tls-cert and --tls-key, or listen on 127.0.0.1",
                self.listen
            )));
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
        if let Some(RootKey::File(path)) = &self.root_key
            && within(path, &self.data_dir)
        {
            return Err(ConfigError::Conflict(format!(
                "--root-key-file {} lies inside the data directory {}; a copy of the data must not carry it along",
                path.display(),
                self.data_dir.display()
            )));
        }
        Ok(())
    }

    /// The settings in use, as a file for `--config`. A passphrase is left out.
    pub fn print(settings: &Settings) -> String {
        let mut text = String::new();
        for setting in SETTINGS {
            let Some(Given {
                text: value,
                source,
            }) = settings.get(setting.name)
            else {
                continue;
            };
            let value = match (setting.name, source) {
                ("passphrase", Source::Environment) => {
                    text.push_str("# passphrase: from SEALDB_PASSPHRASE\n");
                    continue;
                }
                _ => toml::Value::String(value),
            };
            let source = match source {
                Source::Default => "default",
                Source::File => "file",
                Source::Environment => "environment",
                Source::Flag => "flag",
            };
            text.push_str(&format!("{} = {value} # {source}\n", setting.name));
        }
        text
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

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let literal = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    literal.as_deref().unwrap_or(text).parse().map_err(|_| {
        format!("{text:?} is not an address; write it like 127.0.0.1:7443 or [::1]:7443")
    })
}

fn parse_count<T: std::str::FromStr + Default + PartialEq>(text: &str) -> Result<T, String> {
    match text.parse::<T>() {
        Ok(count) if count != T::default() => Ok(count),
        _ => Err(format!("{text:?} is not a positive number that fits")),
    }
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        duration => Ok(duration),
    }
}

fn parse_durability(text: &str) -> Result<Durability, String> {
    match text {
        "commit" => Ok(Durability::Commit),
        other => match parse_duration(other) {
            Ok(interval) if !interval.is_zero() => Ok(Durability::Interval(interval)),
            _ => Err(format!(
                "{other:?} is neither `commit` nor a duration such as 100ms"
            )),
        },
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

struct Reader<'a> {
    settings: &'a Settings,
}

impl Reader<'_> {
    fn path(&self, name: &str) -> Option<PathBuf> {
        self.settings
            .get(name)
            .map(|given| given.text)
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    }

    fn optional<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(given) = self.settings.get(name) else {
            return Ok(None);
        };
        parse(&given.text)
            .map(Some)
            .map_err(|message| ConfigError::Invalid {
                setting: self.settings.describe(name),
                message,
            })
    }

    fn required<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        self.optional(name, parse)?
            .ok_or_else(|| ConfigError::Conflict(format!("--{name} is required")))
    }

    fn flag(&self, name: &str) -> Result<bool, ConfigError> {
        let parsed = self.optional(name, |text| match text {
            "true" | "1" | "yes" => Ok(true),
            "false" | "0" | "no" | "" => Ok(false),
            other => Err(format!("{other:?} is neither true nor false")),
        })?;
        Ok(parsed.unwrap_or(false))
    }

    /// The strongest source that names a root key decides; two in one source are refused.
    fn root_key(&self) -> Result<Option<RootKey>, ConfigError> {
        let mut found: Vec<(Source, &str, RootKey)> = Vec::new();
        if let Some(given) = self.settings.get("root-key-file") {
            found.push((
                given.source,
                "root-key-file",
                RootKey::File(PathBuf::from(given.text)),
            ));
        }
        if let Some(given) = self.settings.get("root-key-credential") {
            if given.text.is_empty() || given.text.contains('/') || given.text.starts_with('.') {
                return Err(ConfigError::Invalid {
                    setting: self.settings.describe("root-key-credential"),
                    message: "must be the name of a credential, without a path".to_owned(),
                });
            }
            found.push((
                given.source,
                "root-key-credential",
                RootKey::Credential(given.text),
            ));
        }
        match self.settings.get("passphrase") {
            Some(Given {
                text,
                source: Source::Environment,
            }) => {
                if text.is_empty() {
                    return Err(ConfigError::Conflict(
                        "SEALDB_PASSPHRASE is empty".to_owned(),
                    ));
                }
                let passphrase = RootKey::Passphrase(Zeroizing::new(text));
                found.push((Source::Environment, "passphrase", passphrase));
            }
            Some(given) if self.flag("passphrase")? => {
                found.push((given.source, "passphrase", RootKey::AskPassphrase));
            }
            _ => {}
        }
        let Some(strongest) = found.iter().map(|(source, _, _)| *source).max() else {
            return Ok(None);
        };
        found.retain(|(source, _, _)| *source == strongest);
        if let [(_, first, _), (_, second, _), ..] = found.as_slice() {
            return Err(ConfigError::Conflict(format!(
                "{} and {} are both given; the keyring has one root key",
                self.settings.describe(first),
                self.settings.describe(second)
            )));
        }
        Ok(found.pop().map(|(_, _, key)| key))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(args: &[&str], environment: &[(&str, &str)]) -> Result<Config, String> {
        let args = ["sealdb-server", "--data-dir", "/data/d"]
            .iter()
            .chain(args)
            .map(|arg| (*arg).to_owned());
        let settings = Settings::collect(args, &|name| {
            environment
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .map_err(|error| error.to_string())?;
        Config::from_settings(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_of_the_table_are_the_defaults_of_the_types() {
        let read = config(&[], &[]).unwrap();
        let made = Config::new("/data/d");
        assert_eq!(format!("{read:?}"), format!("{made:?}"));
        assert_eq!(made.keyring, Path::new("/data/d.keyring"));
        assert_eq!(Config::new("d/").run_dir, Path::new("d.run"));
    }

    #[test]
    fn options_of_the_database_are_read() {
        let flags = [
            "--cache-size",
            "64MiB",
            "--durability",
            "100ms",
            "--key-max-age",
            "1m",
            "--key-coast",
            "0",
        ];
        let read = config(&flags, &[("SEALDB_EPOCH_MAX_MESSAGES", "1000")])
            .unwrap()
            .database;
        assert_eq!(read.cache_size, 64 << 20);
        assert_eq!(
            read.durability,
            Durability::Interval(Duration::from_millis(100))
        );
        assert_eq!(read.key_max_age, Duration::from_secs(60));
        assert_eq!(read.key_coast, Duration::ZERO);
        assert_eq!(read.epoch_max_messages, 1000);
    }

    #[test]
    fn bad_values_are_refused_under_the_name_they_were_given() {
        #[allow(clippy::type_complexity)] // flags, environment, what the error contains
        let cases: [(&[&str], &[(&str, &str)], &str); 10] = [
            (
                &["--cache-size", "lots"],
                &[],
                "--cache-size: \"lots\" is not a size",
            ),
            (
                &[],
                &[("SEALDB_CACHE_SIZE", "1")],
                "SEALDB_CACHE_SIZE: must be at least 64KiB",
            ),
            (
                &["--listen", "7443"],
                &[],
                "--listen: \"7443\" is not an address",
            ),
            (
                &["--durability", "never"],
                &[],
                "neither `commit` nor a duration",
            ),
            (
                &["--durability", "0"],
                &[],
                "neither `commit` nor a duration",
            ),
            (&["--epoch-max-messages", "4294967297"], &[], "2^32"),
            (&["--max-connections", "0"], &[], "--max-connections"),
            (&["--log-format", "xml"], &[], "text or json"),
            (&["--root-key-credential", "../x"], &[], "without a path"),
            (
                &[],
                &[("SEALDB_INIT", "maybe")],
                "SEALDB_INIT: \"maybe\" is neither true nor false",
            ),
        ];
        for (args, environment, expected) in cases {
            let error = config(args, environment).unwrap_err();
            assert!(
                error.contains(expected),
                "{error} does not contain {expected}"
            );
        }
    }

    #[test]
    fn a_data_directory_is_required() {
        let settings = Settings::collect(["x".to_owned()], &|_| None).unwrap();
        let error = Config::from_settings(&settings).unwrap_err().to_string();
        assert!(error.contains("--data-dir"), "{error}");
    }

    #[test]
    fn an_open_address_needs_a_certificate() {
        let error = config(&["--listen", "0.0.0.0:7443"], &[]).unwrap_err();
        assert!(error.contains("--tls-cert and --tls-key"), "{error}");
        let both = [
            "--listen",
            "0.0.0.0:7443",
            "--tls-cert",
            "c",
            "--tls-key",
            "k",
        ];
        assert!(config(&both, &[]).is_ok());
        assert!(config(&["--listen", "[::1]:7443"], &[]).is_ok());
        assert!(config(&["--listen", "localhost:7443"], &[]).is_ok());
        assert!(
            config(&["--tls-cert", "c"], &[])
                .unwrap_err()
                .contains("--tls-key")
        );
        assert!(
            config(&["--tls-key", "c"], &[])
                .unwrap_err()
                .contains("--tls-cert")
        );
    }

    #[test]
    fn one_root_key_and_the_strongest_source_names_it() {
        let file = config(&["--root-key-file", "/f"], &[("SEALDB_PASSPHRASE", "p")]).unwrap();
        assert!(matches!(file.root_key, Some(RootKey::File(path)) if path == Path::new("/f")));
        let asked = config(&["--passphrase"], &[("SEALDB_ROOT_KEY_FILE", "/f")]).unwrap();
        assert!(matches!(asked.root_key, Some(RootKey::AskPassphrase)));
        let given = config(&[], &[("SEALDB_PASSPHRASE", "p")]).unwrap();
        assert!(matches!(given.root_key, Some(RootKey::Passphrase(p)) if *p == "p"));
        let credential = config(&[], &[("SEALDB_ROOT_KEY_CREDENTIAL", "root")]).unwrap();
        assert!(matches!(credential.root_key, Some(RootKey::Credential(name)) if name == "root"));
        let error = config(&["--root-key-file", "/f", "--passphrase"], &[]).unwrap_err();
        assert!(
            error.contains("--root-key-file and --passphrase are both given"),
            "{error}"
        );
    }

    #[test]
    fn keys_inside_the_data_directory_are_refused() {
        for args in [
            ["--keyring", "/data/d/keyring"],
            ["--root-key-file", "/data/d/root.key"],
            ["--run-dir", "/data/d"],
        ] {
            let error = config(&args, &[]).unwrap_err();
            assert!(error.contains("inside the data directory"), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::os::unix::fs::symlink("d", dir.path().join("link")).unwrap();
        let mut config = Config::new(dir.path().join("d"));
        config.keyring = dir.path().join("link/keyring");
        assert!(config.validate().is_err());
    }

    #[test]
    fn a_passphrase_is_not_printed() {
        let settings = Settings::collect(["x", "--data-dir", "/d"].map(str::to_owned), &|name| {
            (name == "SEALDB_PASSPHRASE").then(|| "open sesame".to_owned())
        })
        .unwrap();
        let printed = Config::print(&settings);
        assert!(!printed.contains("sesame"), "{printed}");
        assert!(printed.contains("data-dir = \"/d\" # flag"), "{printed}");
        assert!(
            printed.contains("cache-size = \"128MiB\" # default"),
            "{printed}"
        );
        let config = Config::from_settings(&settings).unwrap();
        assert!(!format!("{config:?}").contains("sesame"));
    }

    #[test]
    fn what_is_printed_is_read_the_same() {
        let args = ["x", "--data-dir", "/d", "--cache-size", "1GiB", "--init"].map(str::to_owned);
        let settings = Settings::collect(args, &|_| None).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("printed.toml");
        std::fs::write(&file, Config::print(&settings)).unwrap();
        let again = Settings::collect(
            ["x".to_owned(), format!("--config={}", file.display())],
            &|_| None,
        )
        .unwrap();
        let (first, second) = (
            Config::from_settings(&settings).unwrap(),
            Config::from_settings(&again).unwrap(),
        );
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
    }
}

//! The settings of the server: one table of names, and the three places they are read from.
//!
//! Every setting is one row of [`SETTINGS`]. From the row come the flag (`--cache-size`), the environment name
//! (`SEALDB_CACHE_SIZE`) and the key in the file (`cache-size = "128MiB"`), so the three can never differ.
//! A flag beats the environment, the environment beats the file, the file beats the default.
//!
//! This file only collects text and remembers where each piece came from; [`crate::config`] gives it meaning.

use std::collections::BTreeMap;
use std::fmt;

use clap::{Arg, ArgAction, Command};
use zeroize::Zeroizing;

use crate::config::ConfigError;

/// What kind of argument a setting takes on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Takes a value; the text names it in the help.
    Value(&'static str),
    /// A switch: given or not. In the environment and the file it is `true` or `false`.
    Switch,
}

/// One row of the table of settings.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Name of the flag without dashes, and key in the file.
    pub name: &'static str,
    /// Takes a value, or is a switch.
    pub kind: Kind,
    /// The default as text; empty if there is none.
    pub default: &'static str,
    /// Heading in the help.
    pub heading: &'static str,
    /// One or two sentences for people.
    pub help: &'static str,
}

const fn value(
    heading: &'static str,
    name: &'static str,
    placeholder: &'static str,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting {
        name,
        kind: Kind::Value(placeholder),
        default,
        heading,
        help,
    }
}

const fn switch(heading: &'static str, name: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        kind: Kind::Switch,
        default: "",
        heading,
        help,
    }
}

const PLACES: &str = "Places";
const KEYS: &str = "Root key (one of them)";
const PROVIDERS: &str = "Keys that others keep";
const NETWORK: &str = "Network";
const LIMITS: &str = "Limits";
const DATABASE: &str = "Database";
const LOGS: &str = "Logs and metrics";

/// Every setting there is.
pub const SETTINGS: &[Setting] = &[
    value(
        PLACES,
        "data-dir",
        "DIR",
        "",
        "Directory of the database (required)",
    ),
    value(
        PLACES,
        "keyring",
        "DIR",
        "",
        "Directory of the keyring, outside the data's, better on another device [default: DATA_DIR.keyring]",
    ),
    value(
        PLACES,
        "run-dir",
        "DIR",
        "",
        "Directory of the endpoint file, the certificate and the credentials [default: DATA_DIR.run]",
    ),
    value(
        KEYS,
        "root-key-file",
        "FILE",
        "",
        "File that holds the root key of the keyring, owner-only",
    ),
    value(
        KEYS,
        "root-key-credential",
        "NAME",
        "",
        "systemd credential that holds the root key ($CREDENTIALS_DIRECTORY/NAME)",
    ),
    switch(
        KEYS,
        "passphrase",
        "Ask for the passphrase of the keyring on the terminal (SEALDB_PASSPHRASE holds the passphrase itself, for tests only)",
    ),
    value(
        KEYS,
        "root-key-shares",
        "FILE,...",
        "",
        "Files with shares of the root key (sealdb key split), as many as are needed, owner-only",
    ),
    switch(
        KEYS,
        "ask-shares",
        "Ask for shares of the root key on the terminal, one after the other",
    ),
    switch(
        KEYS,
        "init",
        "For a new database: make an owner-only root key file if none is given, in the keyring's directory",
    ),
    value(
        PROVIDERS,
        "kms-aws",
        "REGION[=URL],...",
        "",
        "AWS KMS: regions whose keys (arn:aws:kms:...) tables may name; credentials as for AWS's own tools",
    ),
    value(
        PROVIDERS,
        "kms-vault",
        "URL",
        "",
        "HashiCorp Vault or OpenBao, whose transit keys (vault:MOUNT/KEY) tables may name",
    ),
    value(
        PROVIDERS,
        "kms-vault-token-file",
        "FILE",
        "",
        "File that holds Vault's token; read for each call, so that an agent may renew it",
    ),
    value(
        PROVIDERS,
        "kms-vault-ca",
        "FILE",
        "",
        "Certificates in PEM that Vault's must chain to [default: those that the system trusts]",
    ),
    value(
        PROVIDERS,
        "kms-pkcs11",
        "URI",
        "",
        "Token whose AES keys (pkcs11:token=T;object=O) tables may name: pkcs11:token=T?module-path=FILE&pin-source=file:FILE",
    ),
    value(
        NETWORK,
        "listen",
        "ADDRESS",
        "127.0.0.1:7443",
        "Address for gRPC over TLS 1.3; another than loopback needs --tls-cert and --tls-key",
    ),
    value(
        NETWORK,
        "dynamodb",
        "ADDRESS",
        "",
        "Address for the DynamoDB protocol that AWS's SDKs speak, such as 127.0.0.1:8000 [default: off]; TLS as for --listen",
    ),
    switch(
        NETWORK,
        "dynamodb-plain-http",
        "Serve the DynamoDB protocol in plain HTTP, on loopback only: signatures carry no secret, items are readable",
    ),
    value(
        NETWORK,
        "tls-cert",
        "FILE",
        "",
        "Certificate chain in PEM, the server's own first",
    ),
    value(
        NETWORK,
        "tls-key",
        "FILE",
        "",
        "Private key of the certificate in PEM",
    ),
    value(
        LIMITS,
        "max-connections",
        "N",
        "1024",
        "Connections open at once; one more is closed at once",
    ),
    value(
        LIMITS,
        "max-streams",
        "N",
        "256",
        "Calls at once on one connection",
    ),
    value(
        LIMITS,
        "max-in-flight",
        "N",
        "1024",
        "Calls at once in the whole server; one more gets RESOURCE_EXHAUSTED",
    ),
    value(
        LIMITS,
        "max-message-size",
        "SIZE",
        "17MiB",
        "Largest request (16 MiB of a batch and what wraps it)",
    ),
    value(
        LIMITS,
        "max-request-memory",
        "SIZE",
        "256MiB",
        "Memory for all requests, each counted as 32 times its size, which is what tiny fields grow to; more wait, after 10s for RESOURCE_EXHAUSTED; beside it a quarter as much for requests of the DynamoDB protocol while they arrive",
    ),
    value(
        LIMITS,
        "handshake-timeout",
        "DURATION",
        "10s",
        "A TLS handshake that takes longer is cut off",
    ),
    value(
        LIMITS,
        "login-timeout",
        "DURATION",
        "30s",
        "A connection without one authenticated call after this time is closed",
    ),
    value(
        LIMITS,
        "keepalive-interval",
        "DURATION",
        "30s",
        "A connection silent for so long is asked whether it lives",
    ),
    value(
        LIMITS,
        "keepalive-timeout",
        "DURATION",
        "20s",
        "A connection that does not answer in this time is closed",
    ),
    value(
        LIMITS,
        "shutdown-deadline",
        "DURATION",
        "30s",
        "How long calls may take to end after SIGTERM or SIGINT",
    ),
    value(
        DATABASE,
        "cache-size",
        "SIZE",
        "128MiB",
        "Memory for decrypted pages, clean and dirty",
    ),
    value(
        DATABASE,
        "log-limit",
        "SIZE",
        "256MiB",
        "Log size at which a checkpoint starts",
    ),
    value(
        DATABASE,
        "durability",
        "commit|DURATION",
        "commit",
        "When a write is answered: once it is durable, or at once with a sync every DURATION",
    ),
    value(
        DATABASE,
        "epoch-max-age",
        "DURATION",
        "1h",
        "Age at which sealing moves on to a new data key (each derived from the table's)",
    ),
    value(
        DATABASE,
        "epoch-max-messages",
        "N",
        "16777216",
        "Messages (blocks) sealed under one data key (ceiling 2^32)",
    ),
    value(
        DATABASE,
        "epoch-max-bytes",
        "SIZE",
        "64GiB",
        "Bytes sealed under one data key",
    ),
    value(
        DATABASE,
        "derived-key-cache",
        "N",
        "256",
        "Capacity for data keys of earlier epochs, per tree and log",
    ),
    value(
        DATABASE,
        "key-max-age",
        "DURATION",
        "5m",
        "Greatest age of a plaintext table key; the KMS is asked again at 4/5 of it",
    ),
    value(
        DATABASE,
        "key-coast",
        "DURATION",
        "30m",
        "How much longer a table stays open while the KMS cannot be reached; 0 closes it at once",
    ),
    value(
        DATABASE,
        "table-window",
        "DURATION",
        "0",
        "How long tables are seen CREATING, UPDATING and DELETING. AWS's waiters look at once and then every 20 seconds: with 0 \
         nobody waits for what takes milliseconds here",
    ),
    value(
        DATABASE,
        "audit-data",
        "off|reads|writes|all[:TABLE,...]",
        "off",
        "Which accesses to items leave events in the audit trail, of all tables or of some. Keys of items stand in it as keyed hashes, values never",
    ),
    value(
        LOGS,
        "log-format",
        "text|json",
        "text",
        "Shape of the log on standard error",
    ),
    value(
        LOGS,
        "log-level",
        "LEVEL",
        "info",
        "error, warn, info, debug, trace, or a filter such as info,sealdb=debug",
    ),
    value(
        LOGS,
        "metrics",
        "ADDRESS",
        "",
        "Address for Prometheus at /metrics [default: off]; plain HTTP on loopback, elsewhere TLS and a credential as bearer token",
    ),
];

/// Where the text of a setting came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Nobody gave it.
    Default,
    /// The file named by `--config`.
    File,
    /// An environment variable.
    Environment,
    /// A flag of the command line.
    Flag,
}

/// The text of one setting and where it came from.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// As written.
    pub text: String,
    /// Where it was written.
    pub source: Source,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text may be a passphrase.
        write!(f, "Given({:?}, {} bytes)", self.source, self.text.len())
    }
}

/// All settings that somebody gave, the strongest source of each.
#[derive(Clone, Default)]
pub struct Settings {
    given: BTreeMap<&'static str, Given>,
    /// `--print-config`: print what would be used, and end.
    pub print_config: bool,
    /// `SEALDB_ACCESS_KEY_ID` and `SEALDB_SECRET_ACCESS_KEY`. No flags and no keys of the file: other users see those.
    pub(crate) first_credential: (Option<String>, Option<Zeroizing<String>>),
}

/// Without the secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("given", &self.given)
            .field("print_config", &self.print_config)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Collects from a command line (with the program's name first), an environment and the file they name.
    ///
    /// Help, version and misspelt flags come back as [`ConfigError::CommandLine`].
    pub fn collect(
        args: impl IntoIterator<Item = String>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Settings, ConfigError> {
        let matches = command()
            .try_get_matches_from(args)
            .map_err(ConfigError::CommandLine)?;
        let mut settings = Settings {
            given: BTreeMap::new(),
            print_config: matches.get_flag("print-config"),
            first_credential: (
                environment("SEALDB_ACCESS_KEY_ID"),
                environment("SEALDB_SECRET_ACCESS_KEY").map(Zeroizing::new),
            ),
        };
        let file = matches
            .get_one::<String>("config")
            .cloned()
            .or_else(|| environment("SEALDB_CONFIG"));
        if let Some(path) = file {
            let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::File {
                path: path.clone(),
                source,
            })?;
            settings.add_file(&path, &text)?;
        }
        for setting in SETTINGS {
            if let Some(text) = environment(&environment_name(setting.name)) {
                settings.put(setting.name, text, Source::Environment);
            }
        }
        for setting in SETTINGS {
            let text = match setting.kind {
                Kind::Value(_) => matches.get_one::<String>(setting.name).cloned(),
                Kind::Switch => matches.get_flag(setting.name).then(|| "true".to_owned()),
            };
            if let Some(text) = text {
                settings.put(setting.name, text, Source::Flag);
            }
        }
        Ok(settings)
    }

    /// Adds the keys of a file in TOML. An unknown key is refused by name.
    fn add_file(&mut self, path: &str, text: &str) -> Result<(), ConfigError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| ConfigError::Toml {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        for (key, value) in table {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == key) else {
                return Err(ConfigError::UnknownKey {
                    path: path.to_owned(),
                    hint: hint_for(&key),
                    key,
                });
            };
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                other => {
                    return Err(ConfigError::Invalid {
                        setting: format!("{key} in {path}"),
                        message: format!(
                            "must be a text, an integer or true/false, not a TOML {}",
                            other.type_str()
                        ),
                    });
                }
            };
            self.put(setting.name, text, Source::File);
        }
        Ok(())
    }

    fn put(&mut self, name: &'static str, text: String, source: Source) {
        self.given.insert(name, Given { text, source });
    }

    /// The text that counts for a setting: what was given, else the default, else nothing.
    pub fn get(&self, name: &str) -> Option<Given> {
        if let Some(given) = self.given.get(name) {
            return Some(given.clone());
        }
        let setting = SETTINGS.iter().find(|setting| setting.name == name)?;
        (!setting.default.is_empty()).then(|| Given {
            text: setting.default.to_owned(),
            source: Source::Default,
        })
    }

    /// How an error should call a setting: by the name under which it was given.
    pub fn describe(&self, name: &str) -> String {
        match self.given.get(name).map(|given| given.source) {
            Some(Source::Environment) => environment_name(name),
            Some(Source::File) => format!("{name} in the configuration file"),
            _ => format!("--{name}"),
        }
    }
}

/// `cache-size` becomes `SEALDB_CACHE_SIZE`.
pub fn environment_name(name: &str) -> String {
    format!("SEALDB_{}", name.replace('-', "_").to_uppercase())
}

/// The nearest known key, if one is near: same letters but for dashes, or an edit distance of two.
fn hint_for(key: &str) -> String {
    let folded = key.replace('_', "-").to_lowercase();
    SETTINGS
        .iter()
        .map(|setting| (distance(&folded, setting.name), setting.name))
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let next = (diagonal + usize::from(ca != *cb))
                .min(left + 1)
                .min(*cell + 1);
            diagonal = std::mem::replace(cell, next);
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The command line, made from the table.
pub fn command() -> Command {
    let mut command = Command::new("sealdb-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("SealDB: a DynamoDB-like table store whose data is sealed before it reaches any disk")
        .after_help(
            "Each setting may also be given as SEALDB_ and its name (SEALDB_DATA_DIR), or as a key of the file \
             named by --config. A flag beats the environment, the environment beats the file.\n\n\
             Without the keyring and its root key the data is gone. Keep a copy of both, apart from the data.",
        )
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .help_heading(PLACES)
                .help("File with settings in TOML, one key per flag: data-dir = \"/var/lib/sealdb\""),
        )
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Print the settings that would be used, as such a file, and end"),
        );
    for setting in SETTINGS {
        let help = match setting.default {
            "" => setting.help.to_owned(),
            default => format!("{} [default: {default}]", setting.help),
        };
        let arg = Arg::new(setting.name)
            .long(setting.name)
            .help_heading(setting.heading)
            .help(help);
        command = command.arg(match setting.kind {
            Kind::Value(placeholder) => arg.value_name(placeholder).action(ArgAction::Set),
            Kind::Switch => arg.action(ArgAction::SetTrue),
        });
    }
    command
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn collect(
        args: &[&str],
        environment: &[(&str, &str)],
        file: Option<&str>,
    ) -> Result<Settings, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let mut args: Vec<String> = std::iter::once("sealdb-server")
            .chain(args.iter().copied())
            .map(str::to_owned)
            .collect();
        if let Some(text) = file {
            let path = dir.path().join("sealdb.toml");
            std::fs::write(&path, text).unwrap();
            args.push("--config".to_owned());
            args.push(path.to_str().unwrap().to_owned());
        }
        Settings::collect(args, &|name| {
            environment
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn each_setting_takes_flag_over_environment_over_file_over_default() {
        for setting in SETTINGS {
            let name = setting.name;
            let flag = format!("--{name}");
            let (flags, from_flag): (Vec<&str>, &str) = match setting.kind {
                Kind::Value(_) => (vec![&flag, "from-flag"], "from-flag"),
                Kind::Switch => (vec![&flag], "true"),
            };
            let variable = environment_name(name);
            let environment = [(variable.as_str(), "from-environment")];
            let file = format!("{name} = \"from-file\"");
            #[allow(clippy::type_complexity)] // flags, environment, file, what is expected
            let cases: [(&[&str], &[(&str, &str)], Option<&str>, Option<&str>); 8] = [
                (&flags, &environment, Some(&file), Some(from_flag)),
                (&flags, &environment, None, Some(from_flag)),
                (&flags, &[], Some(&file), Some(from_flag)),
                (&flags, &[], None, Some(from_flag)),
                (&[], &environment, Some(&file), Some("from-environment")),
                (&[], &environment, None, Some("from-environment")),
                (&[], &[], Some(&file), Some("from-file")),
                (
                    &[],
                    &[],
                    None,
                    (!setting.default.is_empty()).then_some(setting.default),
                ),
            ];
            for (args, environment, file, expected) in cases {
                let settings = collect(args, environment, file).unwrap();
                assert_eq!(
                    settings.get(name).map(|given| given.text).as_deref(),
                    expected,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn the_file_may_be_named_by_the_environment_and_a_flag_wins() {
        let dir = tempfile::tempdir().unwrap();
        let one = dir.path().join("one.toml");
        let two = dir.path().join("two.toml");
        std::fs::write(&one, "listen = \"127.0.0.1:1\"").unwrap();
        std::fs::write(&two, "listen = \"127.0.0.1:2\"").unwrap();
        let environment =
            |name: &str| (name == "SEALDB_CONFIG").then(|| one.to_str().unwrap().to_owned());
        let by_environment = Settings::collect(["x".to_owned()], &environment).unwrap();
        assert_eq!(by_environment.get("listen").unwrap().text, "127.0.0.1:1");
        let args = ["x".to_owned(), format!("--config={}", two.display())];
        let by_flag = Settings::collect(args, &environment).unwrap();
        assert_eq!(by_flag.get("listen").unwrap().text, "127.0.0.1:2");
    }

    #[test]
    fn unknown_keys_in_the_file_are_refused_by_name() {
        let error = collect(&[], &[], Some("cache-sizes = 1"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`cache-sizes`") && error.contains("did you mean `cache-size`?"),
            "{error}"
        );
        let error = collect(&[], &[], Some("data_dir = \"x\""))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`data_dir`") && error.contains("did you mean `data-dir`?"),
            "{error}"
        );
        let error = collect(&[], &[], Some("colour = \"blue\""))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`colour`") && !error.contains("did you mean"),
            "{error}"
        );
        let error = collect(&[], &[], Some("[database]\ncache-size = 1"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("`database`"), "{error}");
    }

    #[test]
    fn values_of_other_shapes_are_refused_by_name() {
        let error = collect(&[], &[], Some("listen = [1]"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("listen") && error.contains("array"),
            "{error}"
        );
        let error = collect(&[], &[], Some("listen = "))
            .unwrap_err()
            .to_string();
        assert!(error.contains("sealdb.toml"), "{error}");
    }

    #[test]
    fn missing_files_are_named() {
        let error = collect(&["--config", "/nonexistent/sealdb.toml"], &[], None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nonexistent/sealdb.toml"), "{error}");
    }

    #[test]
    fn misspelt_flags_are_refused() {
        let error = collect(&["--data-dri", "x"], &[], None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("--data-dri"), "{error}");
    }

    #[test]
    fn a_passphrase_is_never_printed() {
        let settings = collect(&[], &[("SEALDB_PASSPHRASE", "open sesame")], None).unwrap();
        assert!(!format!("{settings:?}").contains("sesame"));
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }
}

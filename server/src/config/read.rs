//! From the text of settings to a [`Config`], and back for `--print-config`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sealdb_kms::aws::AwsSettings;
use sealdb_kms::pkcs11::Pkcs11Settings;
use sealdb_kms::vault::VaultSettings;
use zeroize::Zeroizing;

use super::{
    Config, ConfigError, DatabaseSettings, Durability, FirstCredential, Limits, LogFormat, RootKey,
    TlsFiles,
};
use crate::cli::{Given, SETTINGS, Settings, Source};
use crate::providers::ProviderSettings;
use crate::units::{parse_duration, parse_size};
use sealdb::AuditData;

impl Config {
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
        config.providers = reader.providers()?;
        config.listen = reader.required("listen", parse_address)?;
        config.dynamodb = reader.optional("dynamodb", parse_address)?;
        config.dynamodb_plain_http = reader.flag("dynamodb-plain-http")?;
        config.first_credential = first_credential(&settings.first_credential)?;
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
            max_request_memory: reader.required("max-request-memory", |text| match parse_size(
                text,
            )? {
                size if size >= 1 << 20 => Ok(size),
                _ => Err("must be at least 1MiB".to_owned()),
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
            derived_key_cache: reader.required("derived-key-cache", |text| {
                text.parse()
                    .map_err(|_| format!("{text:?} is not a number that fits"))
            })?,
            key_max_age: reader.required("key-max-age", positive_duration)?,
            key_coast: reader.required("key-coast", parse_duration)?,
            table_window: reader.required("table-window", parse_duration)?,
            audit_data: reader.required("audit-data", parse_audit_data)?,
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

/// Both or none; of characters that the protocols can carry.
fn first_credential(
    given: &(Option<String>, Option<Zeroizing<String>>),
) -> Result<Option<FirstCredential>, ConfigError> {
    let (id, secret) = match given {
        (None, None) => return Ok(None),
        (Some(id), Some(secret)) => (id, secret),
        _ => {
            return Err(ConfigError::Conflict(
                "SEALDB_ACCESS_KEY_ID and SEALDB_SECRET_ACCESS_KEY are given together or not at all".to_owned(),
            ));
        }
    };
    let fits = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !fits || !(3..=128).contains(&id.len()) {
        return Err(ConfigError::Invalid {
            setting: "SEALDB_ACCESS_KEY_ID".to_owned(),
            message: "must be 3 to 128 letters, digits and underscores".to_owned(),
        });
    }
    if id.eq_ignore_ascii_case("sealdb") {
        return Err(ConfigError::Invalid {
            setting: "SEALDB_ACCESS_KEY_ID".to_owned(),
            message: "must not be the name by which the audit trail calls the database itself"
                .to_owned(),
        });
    }
    if !(8..=256).contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ConfigError::Invalid {
            setting: "SEALDB_SECRET_ACCESS_KEY".to_owned(),
            message: "must be 8 to 256 printable characters without spaces".to_owned(),
        });
    }
    Ok(Some(FirstCredential {
        access_key_id: id.clone(),
        secret: secret.clone(),
    }))
}

/// Regions between commas, each with the address of its endpoint if that is not AWS's own.
fn parse_regions(text: &str) -> Result<Vec<AwsSettings>, String> {
    let region = |part: &str| {
        let (region, endpoint) = match part.trim().split_once('=') {
            Some((region, endpoint)) => (region, Some(endpoint.to_owned())),
            None => (part.trim(), None),
        };
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if region.is_empty() || !region.chars().all(fits) {
            return Err(format!("{part:?} is not a region such as eu-central-1"));
        }
        Ok(AwsSettings {
            endpoint,
            ..AwsSettings::new(region)
        })
    };
    text.split(',').map(region).collect()
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

fn parse_audit_data(text: &str) -> Result<AuditData, String> {
    let (kind, tables) = text.split_once(':').unwrap_or((text, ""));
    let (reads, writes) = match kind {
        "off" => (false, false),
        "reads" => (true, false),
        "writes" => (false, true),
        "all" => (true, true),
        _ => {
            return Err(format!(
                "{text:?} is none of off, reads, writes and all, maybe followed by `:` and tables"
            ));
        }
    };
    let tables = tables.split(',').filter(|table| !table.is_empty());
    Ok(AuditData {
        reads,
        writes,
        tables: tables.map(str::to_owned).collect(),
    })
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

    fn providers(&self) -> Result<ProviderSettings, ConfigError> {
        let url = self.optional("kms-vault", |text| Ok(text.to_owned()))?;
        let token_file = self.path("kms-vault-token-file");
        let ca_file = self.path("kms-vault-ca");
        let vault = match (url, token_file) {
            (Some(url), Some(token_file)) => Some(VaultSettings {
                ca_file,
                ..VaultSettings::new(url, token_file)
            }),
            (None, None) if ca_file.is_none() => None,
            _ => {
                return Err(ConfigError::Conflict(
                    "--kms-vault URL and --kms-vault-token-file FILE are given together, and --kms-vault-ca with them only"
                        .to_owned(),
                ));
            }
        };
        Ok(ProviderSettings {
            aws: self.optional("kms-aws", parse_regions)?.unwrap_or_default(),
            vault,
            pkcs11: self.optional("kms-pkcs11", |text| {
                text.parse::<Pkcs11Settings>()
                    .map_err(|error| error.to_string())
            })?,
        })
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
        if let Some(given) = self.settings.get("root-key-shares") {
            let files = given.text.split(',').map(PathBuf::from).collect();
            found.push((given.source, "root-key-shares", RootKey::ShareFiles(files)));
        }
        if let Some(given) = self.settings.get("ask-shares")
            && self.flag("ask-shares")?
        {
            found.push((given.source, "ask-shares", RootKey::AskShares));
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
    use std::path::Path;

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
    fn the_defaults_of_epochs_are_those_of_the_crypto_room() {
        let (ours, theirs) = (
            DatabaseSettings::default(),
            sealdb::crypto::EpochLimits::default(),
        );
        assert_eq!(ours.epoch_max_age, theirs.max_age);
        assert_eq!(ours.epoch_max_messages, theirs.max_messages);
        assert_eq!(ours.epoch_max_bytes, theirs.max_bytes);
        assert_eq!(ours.derived_key_cache, theirs.derived_key_cache);
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
            "--table-window",
            "2s",
            "--audit-data",
            "writes:films,songs",
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
        assert!(read.audit_data.writes && !read.audit_data.reads);
        assert_eq!(read.audit_data.tables.len(), 2);
        assert_eq!(read.table_window, Duration::from_secs(2));
        assert_eq!(read.epoch_max_messages, 1000);
    }

    #[test]
    fn providers_of_keys_are_read() {
        let flags = [
            "--kms-aws",
            "eu-central-1, us-east-1=https://vpce.example",
            "--kms-vault",
            "https://vault.example:8200",
            "--kms-vault-token-file",
            "/run/vault-token",
            "--kms-pkcs11",
            "pkcs11:token=t?module-path=/m.so&pin-source=file:/pin",
        ];
        let read = config(&flags, &[]).unwrap().providers;
        let regions: Vec<_> = read.aws.iter().map(|aws| aws.region.as_str()).collect();
        assert_eq!(regions, ["eu-central-1", "us-east-1"]);
        assert_eq!(read.aws[0].endpoint, None);
        assert_eq!(
            read.aws[1].endpoint.as_deref(),
            Some("https://vpce.example")
        );
        let vault = read.vault.unwrap();
        assert_eq!(vault.token_file, Path::new("/run/vault-token"));
        assert_eq!(read.pkcs11.unwrap().pin_file, Path::new("/pin"));
        for (flags, expected) in [
            (vec!["--kms-aws", "eu_central"], "is not a region"),
            (vec!["--kms-aws", ""], "is not a region"),
            (vec!["--kms-vault", "https://v"], "given together"),
            (vec!["--kms-vault-ca", "/ca"], "given together"),
            (vec!["--kms-pkcs11", "/m.so"], "is not of the form pkcs11:"),
            (
                vec![
                    "--kms-vault",
                    "https://v",
                    "--kms-vault-token-file",
                    "/data/d/token",
                ],
                "lies inside the data directory",
            ),
        ] {
            let error = config(&flags, &[]).unwrap_err().to_string();
            assert!(error.contains(expected), "{flags:?}: {error}");
        }
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

    #[test]
    fn an_access_key_of_ones_own_choice_is_checked() {
        let given = |id: &str, secret: &str| {
            let secret = Zeroizing::new(secret.to_owned());
            first_credential(&(Some(id.to_owned()), Some(secret))).is_ok()
        };
        assert!(given("local_key", "12345678"));
        for (id, secret) in [
            ("ab", "12345678"),
            ("with space", "12345678"),
            ("local_key", "1234567"),
            ("local_key", "1234 5678"),
            // It would pass for the database in the audit trail.
            ("sealdb", "12345678"),
            ("SealDB", "12345678"),
        ] {
            assert!(!given(id, secret), "{id} {secret}");
        }
        assert!(first_credential(&(Some("local_key".to_owned()), None)).is_err());
    }
}

//! HashiCorp Vault and OpenBao: keys of the transit engine, named `vault:MOUNT/KEY`.
//!
//! The canonical encryption context goes along twice: as the associated data of the AEAD, and as the context from which a key
//! with `derived: true` is derived. So either kind of key binds it; where neither does (an old Vault with a key that is not derived), the
//! router's trial refuses the key.
//!
//! A wrapped key is Vault's own text, `vault:v1:…`, which names the version of the key. Data keys are made here and wrapped by
//! `encrypt`: Vault's `datakey` takes no associated data.
//!
//! | what Vault says | is |
//! |---|---|
//! | 403; a ciphertext of a version below `min_decryption_version` | denied |
//! | no such key, or no such mount | denied: not found |
//! | a ciphertext that does not open | invalid |
//! | 429, 472, 473, 5xx (sealed, standby, overloaded), no connection, no answer | unavailable |
//!
//! The token is read from its file for each call, so that whoever renews it (Vault Agent, for one) need not tell us.

mod answer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sealdb_crypto::kms::KeyUsage;
use sealdb_crypto::{
    Access, Caller, DataKey, EncryptionContext, KeyDescription, KeyId, KeyRef, KeyState, Kms,
    KmsError, KmsIdentity, Wrapped,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use zeroize::Zeroizing;

use crate::error::{SetupError, invalid_ciphertext, read, unavailable};
use crate::local::data_key;
use crate::url;
use answer::{Data, Decrypted, Described, Encrypted};

/// As key records name it.
const PROVIDER: &str = "vault";
/// No answer of the transit engine is nearly as long.
const LONGEST_ANSWER: u64 = 1 << 20;

/// How to reach a Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultSettings {
    /// Such as `https://vault.example:8200`; plain `http://` on loopback only.
    pub url: String,
    /// File that holds a token which may `update` on `MOUNT/encrypt/KEY` and `MOUNT/decrypt/KEY`, and `read` `MOUNT/keys/KEY`.
    pub token_file: PathBuf,
    /// Certificates in PEM that Vault's own must chain to; `None`: those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// How long one call may take; below the time-out of [`crate::Patience`], so that its thread ends.
    pub timeout: Duration,
}

impl VaultSettings {
    /// The defaults for a Vault.
    pub fn new(url: impl Into<String>, token_file: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            token_file: token_file.into(),
            ca_file: None,
            timeout: Duration::from_millis(2_900),
        }
    }
}

/// One Vault.
pub struct Vault {
    agent: ureq::Agent,
    settings: VaultSettings,
}

impl Vault {
    /// Looks at the settings; Vault itself is not asked anything.
    ///
    /// # Errors
    /// If the URL would carry keys in the clear, or certificates cannot be read.
    pub fn new(settings: VaultSettings) -> Result<Self, SetupError> {
        url::check(&settings.url)?;
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .root_certs(trusted(&settings)?)
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            // A redirect would carry the token along, to wherever it says.
            .max_redirects(0)
            .proxy(None)
            .build();
        Ok(Self {
            agent: config.new_agent(),
            settings,
        })
    }

    fn describe(&self, key: &KeyRef) -> Result<Described, KmsError> {
        let at = Place::of(key)?;
        let request = self.agent.get(self.url(&at, "keys"));
        let request = request.header("X-Vault-Token", self.token()?.as_str());
        self.answer(key, request.call())
    }

    /// Posts to `MOUNT/verb/KEY`.
    fn post<D: DeserializeOwned>(
        &self,
        key: &KeyRef,
        verb: &str,
        body: &impl Serialize,
    ) -> Result<D, KmsError> {
        let at = Place::of(key)?;
        let body = serde_json::to_vec(body).map_err(|error| self.away(error))?;
        let body = Zeroizing::new(body);
        let request = self.agent.post(self.url(&at, verb));
        let request = request.header("X-Vault-Token", self.token()?.as_str());
        self.answer(key, request.send(body.as_slice()))
    }

    fn answer<D: DeserializeOwned>(
        &self,
        key: &KeyRef,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<D, KmsError> {
        let mut response = response.map_err(|error| self.away(error))?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER);
        let body = Zeroizing::new(body.read_to_string().map_err(|error| self.away(error))?);
        if status != 200 {
            return Err(answer::refusal(key, &self.settings.url, status, &body));
        }
        let answer: Data<D> = serde_json::from_str(&body).map_err(|error| self.away(error))?;
        Ok(answer.data)
    }

    fn wrap(
        &self,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        // To who may create keys, `encrypt` makes one of whatever name it is given: one that was misspelt, for example.
        self.describe(key)?;
        let plaintext = Zeroizing::new(BASE64.encode(plaintext));
        let context = BASE64.encode(context.canonical());
        let body = answer::Encrypt {
            plaintext: &plaintext,
            context: &context,
            associated_data: &context,
        };
        let encrypted: Encrypted = self.post(key, "encrypt", &body)?;
        Ok(Wrapped {
            ciphertext: encrypted.ciphertext.into_bytes(),
            key_id: id_of(key)?,
        })
    }

    fn token(&self) -> Result<Zeroizing<String>, KmsError> {
        let text = std::fs::read_to_string(&self.settings.token_file)
            .map(Zeroizing::new)
            .map_err(|error| self.away(error))?;
        Ok(Zeroizing::new(text.trim().to_owned()))
    }

    fn url(&self, at: &Place<'_>, verb: &str) -> String {
        let base = self.settings.url.trim_end_matches('/');
        format!("{base}/v1/{}/{verb}/{}", at.mount, at.key)
    }

    fn away(&self, error: impl std::error::Error + Send + Sync + 'static) -> KmsError {
        unavailable(self.name(), error)
    }

    fn name(&self) -> String {
        format!("{PROVIDER} {}", self.settings.url)
    }
}

impl Kms for Vault {
    fn identity(&self) -> KmsIdentity {
        KmsIdentity {
            provider: PROVIDER.to_owned(),
            instance: self.settings.url.clone(),
            counter: 0,
        }
    }

    fn provider_of(&self, _key: &KeyRef) -> String {
        PROVIDER.to_owned()
    }

    fn generate_data_key(
        &self,
        _caller: &Caller,
        key: &KeyRef,
        context: &EncryptionContext,
    ) -> Result<DataKey, KmsError> {
        data_key(self.name(), |plaintext| self.wrap(key, plaintext, context))
    }

    fn encrypt(
        &self,
        _caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        self.wrap(key, plaintext, context)
    }

    fn decrypt(
        &self,
        _caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let ciphertext = std::str::from_utf8(ciphertext).map_err(|_| invalid_ciphertext(key))?;
        let context = BASE64.encode(context.canonical());
        let body = answer::Decrypt {
            ciphertext,
            context: &context,
            associated_data: &context,
        };
        let decrypted: Decrypted = self.post(key, "decrypt", &body)?;
        let plaintext = BASE64.decode(decrypted.plaintext.as_bytes());
        plaintext
            .map(Zeroizing::new)
            .map_err(|error| self.away(error))
    }

    /// Vault's own `rewrap` keeps key and context; here both may change.
    fn re_encrypt(
        &self,
        caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        let plaintext = self.decrypt(caller, from.0, ciphertext, from.1)?;
        self.wrap(to.0, &plaintext, to.1)
    }

    fn describe_key(&self, _caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        let described = self.describe(key)?;
        Ok(KeyDescription {
            id: id_of(key)?,
            alias: None,
            description: described.kind.clone(),
            // What Vault has in place of disabling is its policies, which say no to a call.
            state: KeyState::Enabled,
            usage: KeyUsage::Table,
            versions: described.latest_version,
            created_ms: described.created_ms(),
        })
    }

    fn access(&self, _: &KeyRef) -> Result<Access, KmsError> {
        Ok(Access::of_default_account())
    }
}

/// What Vault's certificate must chain to.
fn trusted(settings: &VaultSettings) -> Result<RootCerts, SetupError> {
    let Some(path) = &settings.ca_file else {
        // Those that cannot be read are none; if none can, every connection fails and says why.
        let system = rustls_native_certs::load_native_certs().certs;
        let certificates = system
            .iter()
            .map(|der| Certificate::from_der(der).to_owned());
        return Ok(certificates.collect::<Vec<_>>().into());
    };
    let pem = read(path)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) =
            item.map_err(|error| SetupError::start(path.display().to_string(), error))?
        {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        let path = path.display();
        return Err(SetupError::Invalid(format!(
            "{path} holds no certificate in PEM"
        )));
    }
    Ok(certificates.into())
}

/// Where a key lies.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    mount: &'a str,
    key: &'a str,
}

impl<'a> Place<'a> {
    /// Parts of letters, digits, `_`, `-` and `.`: what follows goes into a URL as it is.
    fn of(key: &'a KeyRef) -> Result<Self, KmsError> {
        let bad = || KmsError::InvalidRequest(format!("{key} is not of the form vault:MOUNT/KEY"));
        let KeyRef::Id(id) = key else {
            return Err(bad());
        };
        let path = id.as_str().strip_prefix("vault:").ok_or_else(bad)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let part = |part: &str| part.chars().all(plain) && part.chars().any(|c| c != '.');
        let (mount, name) = path.rsplit_once('/').ok_or_else(bad)?;
        if !path.split('/').all(part) {
            return Err(bad());
        }
        Ok(Self { mount, key: name })
    }
}

fn id_of(key: &KeyRef) -> Result<KeyId, KmsError> {
    match key {
        KeyRef::Id(id) => Ok(id.clone()),
        KeyRef::Alias(_) => Err(KmsError::InvalidRequest(format!(
            "Vault has no alias {key}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_is_a_mount_and_a_key() {
        let of = |name: &str| {
            let key: KeyRef = name.parse().unwrap();
            Place::of(&key).map(|place| (place.mount.to_owned(), place.key.to_owned()))
        };
        assert_eq!(
            of("vault:team/a-b/films.1").unwrap(),
            ("team/a-b".to_owned(), "films.1".to_owned())
        );
        for bad in [
            "vault:films",
            "vault:/films",
            "vault:transit/",
            "vault:transit/../sys",
            "vault:transit/./x",
            "vault:transit/a%2fb",
            "vault:transit/a?b",
            "alias/films",
        ] {
            assert!(matches!(of(bad), Err(KmsError::InvalidRequest(_))), "{bad}");
        }
    }

    #[test]
    fn settings_that_would_show_keys_or_trust_nobody_are_refused() {
        let open = Vault::new(VaultSettings::new("http://vault.example:8200", "token"));
        assert!(open.err().unwrap().to_string().contains("https://"));
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        let with_ca = || {
            Vault::new(VaultSettings {
                ca_file: Some(ca.clone()),
                ..VaultSettings::new("https://vault.example:8200", "token")
            })
        };
        assert!(matches!(with_ca().err(), Some(SetupError::File { .. })));
        std::fs::write(&ca, "none").unwrap();
        assert!(matches!(with_ca().err(), Some(SetupError::Invalid(_))));
    }

    #[test]
    fn without_its_token_vault_is_unavailable() {
        let vault = Vault::new(VaultSettings::new(
            "http://127.0.0.1:1",
            "/nonexistent/token",
        ));
        let caller = Caller::new("test");
        let answer = vault
            .unwrap()
            .describe_key(&caller, &"vault:t/k".parse().unwrap());
        assert!(answer.unwrap_err().is_transient());
    }
}

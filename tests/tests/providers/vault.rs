//! HashiCorp Vault: a process with its own core and transit engine, made anew for each test.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use sealdb_crypto::{Caller, DenyReason, EncryptionContext, KeyRef, Kms, KmsError};
use sealdb_kms::Family;
use sealdb_kms::vault::{Vault, VaultSettings};
use sealdb_tests::dynamodb::tool;
use serde_json::{Value, json};

use crate::suite::{Subject, conforms, routed};

pub(crate) struct OfVault {
    process: Child,
    /// Closed, it ends the process.
    _input: ChildStdin,
    url: String,
    root_token: String,
    unseal_key: String,
    dir: tempfile::TempDir,
    kms: Arc<Vault>,
    derived: bool,
}

/// What our token may do, with the first key or without.
fn policy(with_first: bool) -> String {
    let names: &[&str] = match with_first {
        true => &["one", "two", "none", "rsa"],
        false => &["two"],
    };
    let mut text = String::new();
    for name in names {
        for (verb, may) in [
            ("encrypt", "update"),
            ("decrypt", "update"),
            ("keys", "read"),
        ] {
            text += &format!("path \"transit/{verb}/{name}\" {{ capabilities = [\"{may}\"] }}\n");
        }
    }
    text
}

impl OfVault {
    /// `None` if the program is not built.
    pub(crate) fn start(derived: bool) -> Option<Self> {
        let mut process = Command::new(tool("vault/vault")?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut address).unwrap();
        let url = format!("http://{}", address.trim());
        let dir = tempfile::tempdir().unwrap();
        let settings = VaultSettings::new(&url, dir.path().join("token"));
        let mut vault = OfVault {
            _input: process.stdin.take().unwrap(),
            process,
            url,
            root_token: String::new(),
            unseal_key: String::new(),
            dir,
            kms: Arc::new(Vault::new(settings).unwrap()),
            derived,
        };
        vault.prepare();
        Some(vault)
    }

    fn prepare(&mut self) {
        let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let made = self.put("sys/init", &shares);
        self.root_token = made["root_token"].as_str().unwrap().to_owned();
        self.unseal_key = made["keys_base64"][0].as_str().unwrap().to_owned();
        self.reach(true);
        self.put("sys/mounts/transit", &json!({ "type": "transit" }));
        for name in ["one", "two"] {
            let key = json!({ "derived": self.derived });
            self.put(&format!("transit/keys/{name}"), &key);
        }
        self.allow(true);
        let token = json!({ "policies": ["sealdb"] });
        let token = self.put("auth/token/create", &token);
        self.set_token(token["auth"]["client_token"].as_str().unwrap());
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn token_file(&self) -> String {
        self.dir.path().join("token").display().to_string()
    }

    fn set_token(&self, token: &str) {
        std::fs::write(self.token_file(), format!("{token}\n")).unwrap();
    }

    /// As the administrator.
    fn put(&self, path: &str, body: &Value) -> Value {
        let request = ureq::put(format!("{}/v1/{path}", self.url));
        let request = request.header("X-Vault-Token", &self.root_token);
        let mut response = request.send(body.to_string()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

impl Drop for OfVault {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Subject for OfVault {
    fn kms(&self) -> Arc<dyn Kms> {
        self.kms.clone()
    }

    fn name(&self) -> &'static str {
        "vault"
    }

    fn family(&self) -> Family {
        Family::Vault
    }

    fn keys(&self) -> [KeyRef; 2] {
        ["vault:transit/one", "vault:transit/two"].map(|name| name.parse().unwrap())
    }

    fn missing(&self) -> KeyRef {
        "vault:transit/none".parse().unwrap()
    }

    fn allow(&self, allowed: bool) {
        let policy = json!({ "policy": policy(allowed) });
        self.put("sys/policies/acl/sealdb", &policy);
    }

    fn refusal(&self) -> DenyReason {
        DenyReason::AccessDenied
    }

    fn reach(&self, reachable: bool) {
        match reachable {
            true => self.put("sys/unseal", &json!({ "key": self.unseal_key })),
            false => self.put("sys/seal", &Value::Null),
        };
    }
}

#[test]
fn vault_conforms_with_associated_data() {
    if let Some(vault) = OfVault::start(false) {
        conforms(&vault);
    }
}

#[test]
fn vault_conforms_with_derived_keys() {
    if let Some(vault) = OfVault::start(true) {
        conforms(&vault);
    }
}

#[test]
fn a_version_that_vault_no_longer_decrypts_is_denied() {
    let Some(vault) = OfVault::start(false) else {
        return;
    };
    let [key, _] = vault.keys();
    let (caller, context) = (Caller::new("test"), EncryptionContext::new());
    let old = vault
        .kms
        .generate_data_key(&caller, &key, &context)
        .unwrap();
    vault.put("transit/keys/one/rotate", &Value::Null);
    vault
        .kms
        .decrypt(&caller, &key, &old.wrapped, &context)
        .unwrap();
    assert_eq!(vault.kms.describe_key(&caller, &key).unwrap().versions, 2);
    vault.put(
        "transit/keys/one/config",
        &json!({ "min_decryption_version": 2 }),
    );
    let error = vault
        .kms
        .decrypt(&caller, &key, &old.wrapped, &context)
        .unwrap_err();
    assert!(matches!(error, KmsError::Denied { .. }), "{error}");
}

#[test]
fn a_key_that_cannot_bind_the_context_wraps_nothing() {
    let Some(vault) = OfVault::start(false) else {
        return;
    };
    vault.put("transit/keys/rsa", &json!({ "type": "rsa-2048" }));
    let router = routed(&vault, crate::keyring::OfKeyring::new().kms());
    let key: KeyRef = "vault:transit/rsa".parse().unwrap();
    let made = router.generate_data_key(&Caller::new("test"), &key, &EncryptionContext::new());
    assert!(!made.map(|_| ()).unwrap_err().is_transient());
}

#[test]
fn a_misspelt_name_makes_no_key_even_where_the_token_may() {
    let Some(vault) = OfVault::start(false) else {
        return;
    };
    vault.set_token(&vault.root_token);
    let caller = Caller::new("test");
    for _ in 0..2 {
        let made =
            vault
                .kms
                .generate_data_key(&caller, &vault.missing(), &EncryptionContext::new());
        let error = made.map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "NotFoundException");
    }
}

#[test]
fn a_token_is_read_anew_for_each_call() {
    let Some(vault) = OfVault::start(false) else {
        return;
    };
    let [key, _] = vault.keys();
    let describe = || vault.kms.describe_key(&Caller::new("test"), &key);
    vault.set_token("revoked");
    assert_eq!(describe().unwrap_err().code(), "AccessDeniedException");
    vault.set_token(&vault.root_token);
    describe().unwrap();
    std::fs::remove_file(vault.token_file()).unwrap();
    assert!(describe().unwrap_err().is_transient());
}

//! The local keyring.

use std::path::PathBuf;
use std::sync::Arc;

use sealdb_crypto::kms::{Alias, KeyUsage};
use sealdb_crypto::{DenyReason, KeyRef, KeyState, Keyring, Kms};
use sealdb_kms::Family;
use sealdb_tests::disk::Home;

use crate::suite::{Subject, conforms};

pub(crate) struct OfKeyring {
    /// Holds the files.
    _home: Home,
    keyring: Arc<Keyring>,
}

impl OfKeyring {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        let keyring = Arc::new(home.keyring());
        for name in ["one", "two"] {
            let alias = Alias::new(format!("alias/{name}")).unwrap();
            keyring
                .create_key(Some(alias), "", KeyUsage::Table)
                .unwrap();
        }
        Self {
            _home: home,
            keyring,
        }
    }

    fn elsewhere(&self) -> PathBuf {
        self.keyring.path().with_extension("elsewhere")
    }
}

impl Subject for OfKeyring {
    fn kms(&self) -> Arc<dyn Kms> {
        self.keyring.clone()
    }

    fn name(&self) -> &'static str {
        "keyring"
    }

    fn family(&self) -> Family {
        Family::Default
    }

    fn keys(&self) -> [KeyRef; 2] {
        ["alias/one", "alias/two"].map(|name| name.parse().unwrap())
    }

    fn missing(&self) -> KeyRef {
        "alias/none".parse().unwrap()
    }

    fn allow(&self, allowed: bool) {
        let [key, _] = self.keys();
        let state = match allowed {
            true => KeyState::Enabled,
            false => KeyState::Disabled,
        };
        self.keyring.set_state(&key, state).unwrap();
    }

    fn refusal(&self) -> DenyReason {
        DenyReason::Disabled
    }

    fn reach(&self, reachable: bool) {
        let (at, away) = (self.keyring.path().to_owned(), self.elsewhere());
        match reachable {
            true => std::fs::rename(away, at).unwrap(),
            false => std::fs::rename(at, away).unwrap(),
        }
    }
}

#[test]
fn the_keyring_conforms() {
    conforms(&OfKeyring::new());
}

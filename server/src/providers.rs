//! The providers of keys beside the keyring, as a configuration names them.

use std::sync::Arc;

use sealdb::crypto::{Keyring, Kms};
use sealdb_kms::aws::{Aws, AwsSettings};
use sealdb_kms::pkcs11::{Pkcs11, Pkcs11Settings};
use sealdb_kms::vault::{Vault, VaultSettings};
use sealdb_kms::{Family, FamilyTaken, Pace, Patience, Resilient, Router, SetupError};

/// Which providers there are beside the keyring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSettings {
    /// AWS KMS, each in a region of its own.
    pub aws: Vec<AwsSettings>,
    /// HashiCorp Vault or OpenBao.
    pub vault: Option<VaultSettings>,
    /// A token behind a PKCS#11 module.
    pub pkcs11: Option<Pkcs11Settings>,
}

/// Why a provider is not registered.
#[derive(Debug, thiserror::Error)]
pub enum ProvidersError {
    /// It cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Two settings name the same.
    #[error(transparent)]
    Taken(#[from] FamilyTaken),
}

/// The keyring together with the others. Asks none of them anything: a server starts while they are away. Blocks (files, modules).
pub fn registered(
    keyring: Arc<Keyring>,
    settings: &ProviderSettings,
) -> Result<Arc<dyn Kms>, ProvidersError> {
    let mut router = Router::new(keyring);
    let mut register = |family: Family, kms: Arc<dyn Kms>| {
        tracing::info!(%family, "a provider of keys is registered");
        let kms = Resilient::new(kms, Patience::default(), Pace::system());
        router.register(family, Arc::new(kms))
    };
    for settings in &settings.aws {
        let region = settings.region.clone();
        register(Family::Aws { region }, Arc::new(Aws::new(settings)?))?;
    }
    if let Some(settings) = &settings.vault {
        register(Family::Vault, Arc::new(Vault::new(settings.clone())?))?;
    }
    if let Some(settings) = &settings.pkcs11 {
        let token = settings.token.clone();
        register(
            Family::Pkcs11 { token },
            Arc::new(Pkcs11::new(settings.clone())?),
        )?;
    }
    Ok(Arc::new(router))
}

//! AWS KMS: symmetric keys of one region, named by their ARNs.
//!
//! The encryption context goes along as AWS's own, so it is bound by AWS KMS and shows in CloudTrail. Credentials come from where AWS's
//! tools take them: environment, profile, web identity, the container's or the instance's role.
//!
//! | what AWS says | is |
//! |---|---|
//! | AccessDenied, UnrecognizedClient, NotFound, Disabled, KMSInvalidState, InvalidKeyUsage | denied |
//! | InvalidCiphertext, IncorrectKey | invalid ciphertext |
//! | Validation, InvalidArn and other errors of the caller | invalid request |
//! | throttled, expired credentials, errors of the service, no connection, no answer | unavailable |
//!
//! The SDK's own retries are off: [`crate::Resilient`] is the same for all providers.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_kms::Client;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeyMetadata, KeyState as AwsKeyState};
use sealdb_crypto::kms::KeyUsage;
use sealdb_crypto::{
    Access, Caller, DataKey, DenyReason, EncryptionContext, KeyDescription, KeyId, KeyRef,
    KeyState, Kms, KmsError, KmsIdentity, SecretBytes32, Wrapped,
};
use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

use crate::error::{SetupError, denied, invalid_ciphertext, unavailable};
use crate::url;

/// As key records name it.
const PROVIDER: &str = "aws";

/// Which AWS KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsSettings {
    /// Such as `eu-central-1`.
    pub region: String,
    /// Another address than the region's own: a VPC endpoint, or a double. Plain `http://` on loopback only.
    pub endpoint: Option<String>,
    /// How long one call may take; below the time-out of [`crate::Patience`], so that its thread ends.
    pub timeout: Duration,
}

impl AwsSettings {
    /// The defaults for a region.
    pub fn new(region: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            endpoint: None,
            timeout: Duration::from_millis(2_900),
        }
    }
}

/// AWS KMS in one region.
pub struct Aws {
    client: Client,
    region: String,
    /// The SDK is async, our callers are threads that may block. `None` only while it is being dropped.
    runtime: Option<Runtime>,
}

impl Aws {
    /// Reads AWS's own configuration; AWS KMS itself is not asked anything. Blocks: not for a runtime's worker.
    ///
    /// # Errors
    /// If the endpoint would carry keys in the clear, or no thread can be started.
    pub fn new(settings: &AwsSettings) -> Result<Self, SetupError> {
        if let Some(endpoint) = &settings.endpoint {
            url::check(endpoint)?;
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("sealdb-aws")
            .enable_all()
            .build()
            .map_err(|error| SetupError::start("a thread for AWS KMS", error))?;
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(settings.timeout)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(endpoint) = &settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = runtime.block_on(loader.load());
        Ok(Self {
            client: Client::new(&config),
            region: settings.region.clone(),
            runtime: Some(runtime),
        })
    }

    fn wait<R>(&self, call: impl Future<Output = R>) -> R {
        let runtime = self.runtime.as_ref().expect("it is there until the drop");
        runtime.block_on(call)
    }

    fn failed<E>(&self, key: &KeyRef, error: SdkError<E>) -> KmsError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let service = error.as_service_error();
        let Some(code) = service.and_then(ProvideErrorMetadata::code) else {
            return self.away(error);
        };
        let code = code.strip_suffix("Exception").unwrap_or(code);
        match code {
            "AccessDenied" | "UnrecognizedClient" | "InvalidClientTokenId" => {
                denied(key, DenyReason::AccessDenied)
            }
            "NotFound" => denied(key, DenyReason::NotFound),
            "Disabled" => denied(key, DenyReason::Disabled),
            "KMSInvalidState" => denied(key, DenyReason::PendingDeletion),
            "InvalidKeyUsage" => denied(key, DenyReason::WrongUsage),
            "InvalidCiphertext" | "IncorrectKey" => invalid_ciphertext(key),
            "Validation" | "InvalidArn" | "InvalidGrantToken" | "UnsupportedOperation" => {
                let message = service.and_then(ProvideErrorMetadata::message);
                KmsError::InvalidRequest(format!("{code}: {}", message.unwrap_or_default()))
            }
            _ => self.away(error),
        }
    }

    fn away(&self, error: impl std::error::Error + Send + Sync + 'static) -> KmsError {
        unavailable(format!("{PROVIDER} {}", self.region), error)
    }

    /// What every answer holds, and this one does not.
    fn incomplete(&self) -> KmsError {
        KmsError::Unavailable {
            provider: format!("{PROVIDER} {}", self.region),
            reason: "its answer lacks a field".to_owned(),
            source: None,
        }
    }

    fn wrapped(&self, blob: Option<Blob>, id: Option<String>) -> Result<Wrapped, KmsError> {
        let (Some(blob), Some(id)) = (blob, id) else {
            return Err(self.incomplete());
        };
        Ok(Wrapped {
            ciphertext: blob.into_inner(),
            key_id: KeyId::new(id).map_err(|error| self.away(error))?,
        })
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        // To wait for its threads would panic on a runtime's worker, where a server may drop this.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn pairs(context: &EncryptionContext) -> Option<HashMap<String, String>> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Some(context.iter().map(owned).collect())
}

fn secret(blob: Option<Blob>) -> Option<Zeroizing<Vec<u8>>> {
    blob.map(|blob| Zeroizing::new(blob.into_inner()))
}

impl Kms for Aws {
    fn identity(&self) -> KmsIdentity {
        KmsIdentity {
            provider: PROVIDER.to_owned(),
            instance: self.region.clone(),
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
        let call = self.client.generate_data_key().key_id(key.to_string());
        let call = call
            .set_encryption_context(pairs(context))
            .number_of_bytes(32);
        let answer = self.wait(call.send());
        let answer = answer.map_err(|error| self.failed(key, error))?;
        let plaintext = secret(answer.plaintext).ok_or_else(|| self.incomplete())?;
        let wrapped = self.wrapped(answer.ciphertext_blob, answer.key_id)?;
        Ok(DataKey {
            plaintext: SecretBytes32::copy_from(&plaintext).ok_or_else(|| self.incomplete())?,
            wrapped: wrapped.ciphertext,
            key_id: wrapped.key_id,
        })
    }

    fn encrypt(
        &self,
        _caller: &Caller,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        let call = self.client.encrypt().key_id(key.to_string());
        let call = call
            .set_encryption_context(pairs(context))
            .plaintext(Blob::new(plaintext));
        let answer = self.wait(call.send());
        let answer = answer.map_err(|error| self.failed(key, error))?;
        self.wrapped(answer.ciphertext_blob, answer.key_id)
    }

    fn decrypt(
        &self,
        _caller: &Caller,
        key: &KeyRef,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        // With the key's name AWS refuses what another key has wrapped, which it would open without.
        let call = self.client.decrypt().key_id(key.to_string());
        let call = call
            .set_encryption_context(pairs(context))
            .ciphertext_blob(Blob::new(ciphertext));
        let answer = self.wait(call.send());
        let answer = answer.map_err(|error| self.failed(key, error))?;
        secret(answer.plaintext).ok_or_else(|| self.incomplete())
    }

    fn re_encrypt(
        &self,
        _caller: &Caller,
        ciphertext: &[u8],
        from: (&KeyRef, &EncryptionContext),
        to: (&KeyRef, &EncryptionContext),
    ) -> Result<Wrapped, KmsError> {
        let call = self
            .client
            .re_encrypt()
            .ciphertext_blob(Blob::new(ciphertext));
        let call = call
            .source_key_id(from.0.to_string())
            .set_source_encryption_context(pairs(from.1));
        let call = call.destination_key_id(to.0.to_string());
        let call = call.set_destination_encryption_context(pairs(to.1));
        let answer = self.wait(call.send());
        let answer = answer.map_err(|error| self.failed(from.0, error))?;
        self.wrapped(answer.ciphertext_blob, answer.key_id)
    }

    fn describe_key(&self, _caller: &Caller, key: &KeyRef) -> Result<KeyDescription, KmsError> {
        let call = self.client.describe_key().key_id(key.to_string());
        let answer = self.wait(call.send());
        let answer = answer.map_err(|error| self.failed(key, error))?;
        let metadata = answer.key_metadata.ok_or_else(|| self.incomplete())?;
        description(metadata).ok_or_else(|| self.incomplete())
    }

    fn access(&self, _: &KeyRef) -> Result<Access, KmsError> {
        Ok(Access::of_default_account())
    }
}

fn description(metadata: KeyMetadata) -> Option<KeyDescription> {
    let created = metadata.creation_date.and_then(|at| at.to_millis().ok());
    Some(KeyDescription {
        id: KeyId::new(metadata.arn?).ok()?,
        alias: None,
        description: metadata.description.unwrap_or_default(),
        state: match metadata.key_state? {
            AwsKeyState::Enabled | AwsKeyState::Updating => KeyState::Enabled,
            AwsKeyState::PendingDeletion | AwsKeyState::PendingReplicaDeletion => {
                KeyState::PendingDeletion
            }
            AwsKeyState::PendingImport => KeyState::PendingImport,
            _ => KeyState::Disabled,
        },
        usage: KeyUsage::Table,
        // AWS does not tell how often it has rotated a key.
        versions: 1,
        created_ms: created.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
    })
}

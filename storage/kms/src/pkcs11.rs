//! PKCS#11: AES keys that cannot leave a hardware module, named `pkcs11:token=LABEL;object=LABEL` (RFC 7512).
//!
//! A key wraps with CKM_AES_GCM, the canonical encryption context as its associated data. Only keys that the token calls sensitive and not
//! extractable wrap anything; what was wrapped before opens whatever has become of the key's attributes.
//!
//! | what the token says | is |
//! |---|---|
//! | no such object | denied: not found |
//! | the key may not encrypt, or decrypt (CKA_ENCRYPT, CKA_DECRYPT) | denied: disabled |
//! | the PIN is wrong, locked or expired | denied |
//! | the tag is wrong | invalid ciphertext |
//! | wrong mechanism, wrong kind of key | invalid request |
//! | no token, anything else | unavailable |
//!
//! A PIN that was refused is not tried again before its file holds another, because tokens lock themselves after a few tries.

mod settings;
mod wrapped;

use cryptoki::context::{CInitializeArgs, Pkcs11 as Module};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use parking_lot::Mutex;
use sealdb_crypto::kms::KeyUsage;
use sealdb_crypto::{
    Access, Caller, DataKey, DenyReason, EncryptionContext, KeyDescription, KeyId, KeyRef,
    KeyState, Kms, KmsError, KmsIdentity, Wrapped,
};
use zeroize::Zeroizing;

use crate::error::{SetupError, denied, invalid_ciphertext, unavailable};
use crate::local::data_key;
pub use settings::Pkcs11Settings;
use wrapped::{NONCE_LEN, TAG_BITS, join, split};

/// As key records name it.
const PROVIDER: &str = "pkcs11";

/// One token.
pub struct Pkcs11 {
    module: Module,
    settings: Pkcs11Settings,
    /// The last PIN that the token refused.
    refused: Mutex<Option<Zeroizing<String>>>,
}

impl Pkcs11 {
    /// Loads and starts the module; the token is looked for at each call. A process has one provider per module.
    ///
    /// # Errors
    /// If the module does not load or start.
    pub fn new(settings: Pkcs11Settings) -> Result<Self, SetupError> {
        let what = || format!("the PKCS#11 module {}", settings.module.display());
        let module = Module::new(&settings.module).map_err(|e| SetupError::start(what(), e))?;
        module
            .initialize(CInitializeArgs::OsThreads)
            .map_err(|error| SetupError::start(what(), error))?;
        Ok(Self {
            module,
            settings,
            refused: Mutex::default(),
        })
    }

    /// Finds the key in a session of its own: calls may come from several threads, and a session serves one.
    fn with_key<R>(
        &self,
        key: &KeyRef,
        work: impl FnOnce(&Session, ObjectHandle) -> Result<R, KmsError>,
    ) -> Result<R, KmsError> {
        let object = settings::object_of(key)?;
        let session = self.session(key)?;
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(object.into_bytes()),
        ];
        let found = session.find_objects(&template);
        match found.map_err(|error| self.failed(key, error))?.as_slice() {
            [one] => work(&session, *one),
            [] => Err(denied(key, DenyReason::NotFound)),
            several => Err(KmsError::InvalidRequest(format!(
                "{} AES keys of the token have the label of {key}",
                several.len()
            ))),
        }
    }

    fn session(&self, key: &KeyRef) -> Result<Session, KmsError> {
        let failed = |error| self.failed(key, error);
        for slot in self.module.get_slots_with_token().map_err(failed)? {
            let token = self.module.get_token_info(slot).map_err(failed)?;
            if token.label().trim_end() == self.settings.token {
                let session = self.module.open_ro_session(slot).map_err(failed)?;
                self.log_in(key, &session)?;
                return Ok(session);
            }
        }
        Err(self.away(format!("there is no token {}", self.settings.token)))
    }

    fn log_in(&self, key: &KeyRef, session: &Session) -> Result<(), KmsError> {
        let text = std::fs::read_to_string(&self.settings.pin_file).map(Zeroizing::new);
        let text = text.map_err(|error| unavailable(self.name(), error))?;
        let pin = text.trim();
        let mut refused = self.refused.lock();
        if refused
            .as_ref()
            .is_some_and(|refused| refused.as_str() == pin)
        {
            return Err(denied(key, DenyReason::AccessDenied));
        }
        match session.login(UserType::User, Some(&AuthPin::new(pin.to_owned()))) {
            // The whole process is logged in, as long as one session of it is open.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) => {
                let error = self.failed(key, error);
                if matches!(error, KmsError::Denied { .. }) {
                    *refused = Some(Zeroizing::new(pin.to_owned()));
                }
                Err(error)
            }
        }
    }

    fn failed(&self, key: &KeyRef, error: Error) -> KmsError {
        let Error::Pkcs11(code, _) = &error else {
            return unavailable(self.name(), error);
        };
        match code {
            RvError::KeyFunctionNotPermitted => denied(key, DenyReason::Disabled),
            RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked => denied(key, DenyReason::AccessDenied),
            RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange => {
                invalid_ciphertext(key)
            }
            RvError::MechanismInvalid
            | RvError::MechanismParamInvalid
            | RvError::KeySizeRange
            | RvError::KeyTypeInconsistent => KmsError::InvalidRequest(format!("{key}: {error}")),
            _ => unavailable(self.name(), error),
        }
    }

    fn away(&self, reason: String) -> KmsError {
        KmsError::Unavailable {
            provider: self.name(),
            reason,
            source: None,
        }
    }

    fn name(&self) -> String {
        format!("{PROVIDER} {}", self.settings.token)
    }

    fn wrap(
        &self,
        key: &KeyRef,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Wrapped, KmsError> {
        let ciphertext = self.with_key(key, |session, handle| {
            self.check_kept(key, session, handle)?;
            self.seal(session, handle, plaintext, context)
                .map_err(|error| self.failed(key, error))
        })?;
        Ok(Wrapped {
            ciphertext,
            key_id: KeyId::new(key.to_string())
                .map_err(|error| KmsError::InvalidRequest(error.to_string()))?,
        })
    }

    /// A key that could be read out of the token guards nothing.
    fn check_kept(
        &self,
        key: &KeyRef,
        session: &Session,
        handle: ObjectHandle,
    ) -> Result<(), KmsError> {
        let wanted = [AttributeType::Sensitive, AttributeType::Extractable];
        let found = session.get_attributes(handle, &wanted);
        let found = found.map_err(|error| self.failed(key, error))?;
        let kept = [Attribute::Sensitive(true), Attribute::Extractable(false)];
        if kept.iter().all(|attribute| found.contains(attribute)) {
            return Ok(());
        }
        Err(KmsError::InvalidRequest(format!(
            "{key} can be taken out of its token: make one with CKA_SENSITIVE and without CKA_EXTRACTABLE"
        )))
    }

    fn seal(
        &self,
        session: &Session,
        handle: ObjectHandle,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, Error> {
        let aad = context.canonical();
        let mut nonce = [0; NONCE_LEN];
        session.generate_random_slice(&mut nonce)?;
        // Some tokens make the nonce themselves and write it here.
        let params = GcmParams::new(&mut nonce, &aad, TAG_BITS.into())?;
        let sealed = session.encrypt(&Mechanism::AesGcm(params), handle, plaintext)?;
        Ok(join(&nonce, &sealed))
    }

    fn open(
        &self,
        session: &Session,
        handle: ObjectHandle,
        (nonce, sealed): (&[u8; NONCE_LEN], &[u8]),
        context: &EncryptionContext,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let aad = context.canonical();
        let mut nonce = *nonce;
        let params = GcmParams::new(&mut nonce, &aad, TAG_BITS.into())?;
        let opened = session.decrypt(&Mechanism::AesGcm(params), handle, sealed)?;
        Ok(Zeroizing::new(opened))
    }

    /// Some tokens call a wrong tag a general error, as they do what has nothing to do with it. If the key opens what it has just sealed,
    /// it was the tag.
    fn works(&self, session: &Session, handle: ObjectHandle) -> bool {
        let context = EncryptionContext::new();
        let sealed = self.seal(session, handle, b"a trial", &context);
        sealed.is_ok_and(|sealed| {
            split(&sealed).is_some_and(|parts| self.open(session, handle, parts, &context).is_ok())
        })
    }
}

impl Kms for Pkcs11 {
    fn identity(&self) -> KmsIdentity {
        KmsIdentity {
            provider: PROVIDER.to_owned(),
            instance: self.settings.token.clone(),
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
        let parts = split(ciphertext).ok_or_else(|| invalid_ciphertext(key))?;
        self.with_key(key, |session, handle| {
            self.open(session, handle, parts, context).map_err(|error| {
                let error = self.failed(key, error);
                if error.is_transient() && self.works(session, handle) {
                    return invalid_ciphertext(key);
                }
                error
            })
        })
    }

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
        let id = KeyId::new(key.to_string());
        let id = id.map_err(|error| KmsError::InvalidRequest(error.to_string()))?;
        let wanted = [AttributeType::Encrypt, AttributeType::Decrypt];
        let found = self.with_key(key, |session, handle| {
            let found = session.get_attributes(handle, &wanted);
            found.map_err(|error| self.failed(key, error))
        })?;
        let usable = [Attribute::Encrypt(true), Attribute::Decrypt(true)];
        Ok(KeyDescription {
            id,
            alias: None,
            description: format!("AES key of the token {}", self.settings.token),
            state: match usable.iter().all(|attribute| found.contains(attribute)) {
                true => KeyState::Enabled,
                false => KeyState::Disabled,
            },
            usage: KeyUsage::Table,
            // A token knows neither versions nor a time.
            versions: 1,
            created_ms: 0,
        })
    }

    fn access(&self, _: &KeyRef) -> Result<Access, KmsError> {
        Ok(Access::of_default_account())
    }
}

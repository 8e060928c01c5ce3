//! The credentials that a server accepts, in one small sealed file.
//!
//! `D.run/credentials.seal` holds access key ids *and secrets* (signatures of the DynamoDB protocol are made of the secret itself), so it is
//! sealed under a data key that the KMS wraps. A new data key is made at every write. The file is replaced whole, and
//! editors exclude each other by a lock on `credentials.lock`; a running server looks for a change every half second.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | magic `SEALCRED` |
//! | 1 | version, 1 |
//! | 4 | length of the wrapped key, big-endian |
//! | n | data key, wrapped by the KMS under `alias/sealdb/system` and the context `purpose = credentials` |
//! | 12 | nonce, random |
//! | m | AES-256-GCM of the content (JSON); AAD is all that stands before the nonce |
//! | 16 | tag |
//!
//! The content holds, beside the credentials, what was done to them and stands in no audit trail yet ([`acts`]).
//!
//! Not detected: the whole file replaced by an older copy of itself, by someone with the disk. Revoke again after a
//! restore of the run directory.

mod acts;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::fs::{FlockOperation, flock};
use sealdb::crypto::audit::AuditError;
use sealdb::crypto::{
    AuditEvent, AuditSink, Caller, Clock, DEFAULT_ACCOUNT, EncryptionContext, KeyRef, Kms,
    KmsError, SystemClock,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::files;

const MAGIC: &[u8; 8] = b"SEALCRED";
const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
/// Room for thousands of credentials.
const FILE_LIMIT: u64 = 4 << 20;
/// Whom the audit trail names for the store's calls of the KMS, and for what a server does to credentials by itself.
const PRINCIPAL: &str = "sealdb-credentials";
/// Description of the credential that stands in the endpoint file.
const LOCAL: &str = "clients on this machine, by the endpoint file";

/// Description of the one that the environment gave.
const ADOPTED: &str = "given by SEALDB_ACCESS_KEY_ID";

/// An access key and its secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credential {
    /// `SDBA` and 16 letters and digits, or what the operator chose. Public: it appears in logs.
    pub access_key_id: String,
    /// 32 random bytes in base64url: 43 characters; or what the operator chose.
    pub secret: Zeroizing<String>,
    /// What it is for, in the words of who made it.
    pub description: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// The one that the server puts into its endpoint file.
    pub local: bool,
    /// Whose it is, as policies of keys name principals; without a name it is the access key id.
    #[serde(default)]
    pub user: Option<String>,
    /// The account, 12 digits; the default account if none is named.
    #[serde(default)]
    pub account: Option<String>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Credential({}, local: {})",
            self.access_key_id, self.local
        )
    }
}

impl Credential {
    /// Makes a new one from the system's random generator.
    pub fn generate(
        description: &str,
        local: bool,
        now_ms: u64,
    ) -> Result<Credential, CredentialError> {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut id = [0u8; 16];
        let mut secret = Zeroizing::new([0u8; 32]);
        getrandom::fill(&mut id).map_err(|_| CredentialError::Random)?;
        getrandom::fill(secret.as_mut()).map_err(|_| CredentialError::Random)?;
        let letters = id
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
        Ok(Credential {
            access_key_id: "SDBA"
                .chars()
                .chain(letters.map(|letter| char::from(*letter)))
                .collect(),
            secret: Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_ref())),
            description: description.to_owned(),
            created_ms: now_ms,
            local,
            user: None,
            account: None,
        })
    }

    /// As policies of keys name the principal.
    pub fn name(&self) -> &str {
        self.user.as_deref().unwrap_or(&self.access_key_id)
    }

    /// The principal's account.
    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or(DEFAULT_ACCOUNT)
    }
}

/// Why the credentials cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file system said no.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The KMS said no or cannot be reached.
    #[error("the key of the credentials: {0}")]
    Kms(#[from] KmsError),
    /// The file is damaged, foreign, or was sealed under another keyring.
    #[error(
        "{path} does not open with this keyring; if the keyring was replaced on purpose, move the file away and new \
         credentials are made at the next start"
    )]
    Sealed {
        /// Which file.
        path: PathBuf,
    },
    /// The file is of a later version.
    #[error("{path} has version {found}; this program knows version {VERSION}")]
    Version {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u8,
    },
    /// There is no such access key.
    #[error("there is no access key {0}")]
    Unknown(String),
    /// The system's random generator failed.
    #[error("the system's random generator failed")]
    Random,
}

/// When the file was last replaced, as far as the file system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
    length: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Content {
    credentials: Vec<Credential>,
    /// What was done to them and no audit trail has yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    acts: Vec<AuditEvent>,
}

impl Content {
    /// Adds a credential, and the act that tells of it.
    fn add(&mut self, principal: &str, credential: Credential) {
        acts::made(&mut self.acts, principal, &credential);
        self.credentials.push(credential);
    }

    /// Takes a credential out, and leaves the act that tells of it.
    fn remove(&mut self, principal: &str, access_key_id: &str) -> Option<Credential> {
        let mut all = self.credentials.iter();
        let at = all.position(|one| one.access_key_id == access_key_id)?;
        let removed = self.credentials.remove(at);
        acts::revoked(&mut self.acts, principal, &removed);
        Some(removed)
    }

    fn local(&self) -> Option<&Credential> {
        self.credentials.iter().find(|one| one.local)
    }
}

/// What a server accepts from now on.
pub struct TakenOver {
    /// The credential of the endpoint file.
    pub local: Credential,
    /// All whose making the audit trail has.
    pub accepted: Vec<Credential>,
    /// Why the trail has not all that was done; to be taken over again.
    pub waiting: Option<AuditError>,
    /// Of the file that this was read from.
    pub stamp: Option<Stamp>,
}

/// The sealed file of one server. All its methods block (file system, KMS).
#[derive(Clone)]
pub struct Store {
    path: PathBuf,
    kms: Arc<dyn Kms>,
    /// In whose name credentials are made and revoked.
    principal: String,
}

impl Store {
    /// The store in a run directory, which must exist. Nothing is read yet. What is done, is done in the name of the process's user.
    pub fn new(run_dir: &Path, kms: Arc<dyn Kms>) -> Store {
        Store {
            path: run_dir.join("credentials.seal"),
            kms,
            principal: format!("uid:{}", rustix::process::geteuid().as_raw()),
        }
    }

    /// The same, of a server: what it does, it does on its own account.
    pub fn of_server(run_dir: &Path, kms: Arc<dyn Kms>) -> Store {
        Store {
            principal: PRINCIPAL.to_owned(),
            ..Store::new(run_dir, kms)
        }
    }

    /// All credentials, oldest first.
    pub fn list(&self) -> Result<Vec<Credential>, CredentialError> {
        Ok(self.read()?.credentials)
    }

    /// Makes a credential of nobody in particular and keeps it.
    pub fn create(&self, description: &str) -> Result<Credential, CredentialError> {
        self.create_for(description, None, None)
    }

    /// Makes a credential of a user and an account, and keeps it.
    pub fn create_for(
        &self,
        description: &str,
        user: Option<String>,
        account: Option<String>,
    ) -> Result<Credential, CredentialError> {
        self.change(|content| {
            let mut made = Credential::generate(description, false, SystemClock.wall_ms())?;
            (made.user, made.account) = (user, account);
            content.add(&self.principal, made.clone());
            Ok(made)
        })
    }

    /// Keeps an access key that the operator chose: with this secret, if it is there already. If no credential is the one of
    /// the endpoint file yet, it becomes that one.
    pub fn adopt(&self, access_key_id: &str, secret: &str) -> Result<(), CredentialError> {
        let same = |one: &Credential| one.access_key_id == access_key_id && *one.secret == secret;
        if self.list()?.iter().any(same) {
            return Ok(());
        }
        self.change(|content| {
            let replaced = content.remove(&self.principal, access_key_id);
            if replaced.is_some() {
                tracing::info!(
                    access_key_id,
                    "the access key of the environment has another secret now"
                );
            }
            let credential = Credential {
                access_key_id: access_key_id.to_owned(),
                secret: Zeroizing::new(secret.to_owned()),
                description: ADOPTED.to_owned(),
                created_ms: SystemClock.wall_ms(),
                // Also in the place of the one that was the endpoint file's.
                local: content.local().is_none(),
                user: None,
                account: None,
            };
            content.add(&self.principal, credential);
            Ok(())
        })
    }

    /// Takes a credential back. A running server refuses it within a second; calls that have begun go on.
    ///
    /// If it is the one of the endpoint file, the server makes another and writes the file anew.
    pub fn revoke(&self, access_key_id: &str) -> Result<(), CredentialError> {
        self.change(
            |content| match content.remove(&self.principal, access_key_id) {
                None => Err(CredentialError::Unknown(access_key_id.to_owned())),
                Some(_) => Ok(()),
            },
        )
    }

    /// Gives the audit trail what was done to credentials, and reads which a server accepts. The one of the endpoint file is made if
    /// there is none.
    ///
    /// A credential whose making the trail cannot take is not accepted before it can; one that was revoked is not accepted at all. Without
    /// a trail what was done stays in the file.
    pub fn take_over(&self, trail: Option<&dyn AuditSink>) -> Result<TakenOver, CredentialError> {
        let _lock = self.lock()?;
        let mut content = self.read()?;
        let mut changed = false;
        let local = match content.local() {
            Some(found) => found.clone(),
            None => {
                let made = Credential::generate(LOCAL, true, SystemClock.wall_ms())?;
                content.add(&self.principal, made.clone());
                changed = true;
                made
            }
        };
        let mut waiting = None;
        let mut recorded = 0;
        if let Some(trail) = trail {
            for act in &content.acts {
                match trail.append(act) {
                    Ok(()) => recorded += 1,
                    Err(error) => {
                        waiting = Some(error);
                        break;
                    }
                }
            }
        }
        // Crash here: they are recorded again at the next start, under the same ids.
        content.acts.drain(..recorded);
        if changed || recorded > 0 {
            self.write(&content)?;
        }
        let mut accepted = content.credentials;
        if trail.is_some() {
            accepted.retain(|one| !acts::tell_of_making(&content.acts, &one.access_key_id));
        }
        Ok(TakenOver {
            local,
            accepted,
            waiting,
            stamp: self.stamp(),
        })
    }

    /// Changes with every replacement of the file; `None` while there is none.
    pub fn stamp(&self) -> Option<Stamp> {
        let found = std::fs::metadata(&self.path).ok()?;
        Some(Stamp {
            inode: found.ino(),
            seconds: found.mtime(),
            nanoseconds: found.mtime_nsec(),
            length: found.len(),
        })
    }

    fn change<T>(
        &self,
        edit: impl FnOnce(&mut Content) -> Result<T, CredentialError>,
    ) -> Result<T, CredentialError> {
        let _lock = self.lock()?;
        let mut content = self.read()?;
        let result = edit(&mut content)?;
        self.write(&content)?;
        Ok(result)
    }

    fn write(&self, content: &Content) -> Result<(), CredentialError> {
        let sealed = self.seal(content)?;
        files::replace(&self.path, &sealed).map_err(|source| self.file_error(source))
    }

    /// Held until the answer is dropped; a process that dies lets go of it.
    fn lock(&self) -> Result<File, CredentialError> {
        let path = self.path.with_file_name("credentials.lock");
        let lock = || {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            Ok(file)
        };
        lock().map_err(|source| CredentialError::File {
            path: path.clone(),
            source,
        })
    }

    fn read(&self) -> Result<Content, CredentialError> {
        match files::read_private(&self.path, FILE_LIMIT) {
            Ok(sealed) => self.open(sealed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::default()),
            Err(source) => Err(self.file_error(source)),
        }
    }

    fn seal(&self, content: &Content) -> Result<Vec<u8>, CredentialError> {
        let caller = Caller::new(PRINCIPAL);
        let key = self
            .kms
            .generate_data_key(&caller, &KeyRef::system(), &context())?;
        let mut sealed = head(&key.wrapped);
        // The JSON is written where it is sealed in place, into a buffer that is wiped and never grows.
        let mut length = Length(0);
        let told = |error| self.file_error(io::Error::other(error));
        serde_json::to_writer(&mut length, content).map_err(told)?;
        let mut body = Zeroizing::new(Vec::with_capacity(length.0));
        serde_json::to_writer(&mut *body, content).map_err(told)?;
        let sealing = RandomizedNonceKey::new(&AES_256_GCM, key.plaintext.expose())
            .map_err(|_| CredentialError::Random)?;
        let (nonce, tag) = sealing
            .seal_in_place_separate_tag(Aad::from(sealed.as_slice()), &mut body)
            .map(|(nonce, tag)| (*nonce.as_ref(), tag))
            .map_err(|_| CredentialError::Random)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    fn open(&self, sealed: Vec<u8>) -> Result<Content, CredentialError> {
        let mut sealed = Zeroizing::new(sealed);
        let refused = || CredentialError::Sealed {
            path: self.path.clone(),
        };
        let parts = Parts::split(&sealed).map_err(|problem| match problem {
            Problem::Foreign => refused(),
            Problem::Version(found) => CredentialError::Version {
                path: self.path.clone(),
                found,
            },
        })?;
        let caller = Caller::new(PRINCIPAL);
        let key = match self
            .kms
            .decrypt(&caller, &KeyRef::system(), parts.wrapped, &context())
        {
            Err(KmsError::InvalidCiphertext { .. }) => return Err(refused()),
            other => other?,
        };
        let opening = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| refused())?;
        let nonce = Nonce::try_assume_unique_for_key(parts.nonce).map_err(|_| refused())?;
        let (head_len, body_at) = (parts.head_len, parts.head_len + NONCE_LEN);
        let (front, body) = sealed.split_at_mut(body_at);
        let (head, _) = front.split_at(head_len);
        let plain = opening
            .open_in_place(nonce, Aad::from(head), body)
            .map_err(|_| refused())?;
        serde_json::from_slice(plain).map_err(|_| refused())
    }

    fn file_error(&self, source: io::Error) -> CredentialError {
        CredentialError::File {
            path: self.path.clone(),
            source,
        }
    }
}

/// How long something is, once written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn context() -> EncryptionContext {
    EncryptionContext::for_credentials()
}

/// All that stands before the nonce.
fn head(wrapped: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(13 + wrapped.len());
    head.extend_from_slice(MAGIC);
    head.push(VERSION);
    // A wrapped key is some hundred bytes, in any KMS.
    head.extend_from_slice(
        &u32::try_from(wrapped.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes(),
    );
    head.extend_from_slice(wrapped);
    head
}

/// A sealed file taken apart; nothing in it is trusted yet.
struct Parts<'a> {
    head_len: usize,
    wrapped: &'a [u8],
    nonce: &'a [u8],
}

enum Problem {
    Foreign,
    Version(u8),
}

impl<'a> Parts<'a> {
    fn split(sealed: &'a [u8]) -> Result<Parts<'a>, Problem> {
        let rest = sealed.strip_prefix(MAGIC).ok_or(Problem::Foreign)?;
        let (version, rest) = rest.split_first().ok_or(Problem::Foreign)?;
        if *version != VERSION {
            return Err(Problem::Version(*version));
        }
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(Problem::Foreign)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Problem::Foreign)?;
        let (wrapped, rest) = rest.split_at_checked(length).ok_or(Problem::Foreign)?;
        let (nonce, rest) = rest.split_at_checked(NONCE_LEN).ok_or(Problem::Foreign)?;
        if rest.len() < TAG_LEN {
            return Err(Problem::Foreign);
        }
        Ok(Parts {
            head_len: MAGIC.len() + 5 + length,
            wrapped,
            nonce,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sealdb::crypto::testing::MemoryTrail;
    use sealdb::crypto::{Keyring, RootKeySource};

    fn keyring(dir: &Path, name: &str) -> Arc<dyn Kms> {
        let source = RootKeySource::create_file(dir.join(name).join("root.key")).unwrap();
        let path = dir.join(name).join("keyring.seal");
        Arc::new(Keyring::create(path, source, Arc::new(SystemClock)).unwrap())
    }

    fn ids(store: &Store) -> Vec<String> {
        store
            .list()
            .unwrap()
            .into_iter()
            .map(|credential| credential.access_key_id)
            .collect()
    }

    #[test]
    fn credentials_are_kept_sealed_and_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), keyring(dir.path(), "k"));
        assert_eq!(store.stamp(), None);
        let first = store.take_over(None).unwrap();
        let local = first.local;
        assert_eq!((first.accepted.len(), first.stamp), (1, store.stamp()));
        let stamp = store.stamp();
        assert_eq!(
            store.take_over(None).unwrap().local.access_key_id,
            local.access_key_id,
            "made once"
        );
        assert_eq!(store.stamp(), stamp);
        let made = store.create("for the canary").unwrap();
        assert_ne!(store.stamp(), stamp);
        assert_eq!(
            ids(&store),
            [local.access_key_id.clone(), made.access_key_id.clone()]
        );
        let sealed = std::fs::read(dir.path().join("credentials.seal")).unwrap();
        for plain in [
            made.secret.as_bytes(),
            made.access_key_id.as_bytes(),
            b"canary",
            b"credentials",
        ] {
            assert!(!sealed.windows(plain.len()).any(|window| window == plain));
        }
        store.revoke(&made.access_key_id).unwrap();
        assert!(matches!(
            store.revoke(&made.access_key_id),
            Err(CredentialError::Unknown(_))
        ));
        assert_eq!(ids(&store), std::slice::from_ref(&local.access_key_id));
        store.revoke(&local.access_key_id).unwrap();
        let renewed = store.take_over(None).unwrap().local;
        assert_ne!(renewed.access_key_id, local.access_key_id);
    }

    #[test]
    fn any_flipped_or_missing_byte_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), keyring(dir.path(), "k"));
        store.take_over(None).unwrap();
        let path = dir.path().join("credentials.seal");
        let sealed = std::fs::read(&path).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(
                store.open(changed).is_err(),
                "byte {at} of {}",
                sealed.len()
            );
        }
        for length in 0..sealed.len() {
            assert!(
                store.open(sealed[..length].to_vec()).is_err(),
                "{length} bytes"
            );
        }
        let mut newer = sealed.clone();
        newer[8] = 2;
        assert!(matches!(
            store.open(newer),
            Err(CredentialError::Version { found: 2, .. })
        ));
        assert_eq!(store.open(sealed).unwrap().credentials.len(), 1);
    }

    #[test]
    fn another_keyring_does_not_open_it() {
        let dir = tempfile::tempdir().unwrap();
        Store::new(dir.path(), keyring(dir.path(), "one"))
            .take_over(None)
            .unwrap();
        let other = Store::new(dir.path(), keyring(dir.path(), "two"));
        assert!(matches!(other.list(), Err(CredentialError::Sealed { .. })));
        assert!(other.create("x").is_err(), "and is not overwritten");
    }

    #[test]
    fn what_is_done_reaches_the_trail_before_a_new_key_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let keyring = keyring(dir.path(), "k");
        let (beside, server) = (
            Store::new(dir.path(), keyring.clone()),
            Store::of_server(dir.path(), keyring),
        );
        let trail = MemoryTrail::new();
        let names = || {
            let events = trail.events().into_iter();
            events
                .map(|event| format!("{} {}", event.event_name, event.user_identity.principal))
                .collect::<Vec<_>>()
        };
        let me = &beside.principal;
        let local = server.take_over(Some(&trail)).unwrap().local;
        assert_eq!(names(), ["CreateAccessKey sealdb-credentials"]);

        // The trail takes nothing: who was made waits, who was revoked is out.
        let made = beside.create("x").unwrap();
        trail.set_failing(true);
        let taken = server.take_over(Some(&trail)).unwrap();
        assert!(taken.waiting.is_some() && taken.accepted.len() == 1);
        beside.revoke(&local.access_key_id).unwrap();
        let taken = server.take_over(Some(&trail)).unwrap();
        assert!(taken.waiting.is_some() && taken.accepted.is_empty());
        assert_eq!(names().len(), 1);

        trail.set_failing(false);
        let taken = server.take_over(Some(&trail)).unwrap();
        assert!(taken.waiting.is_none());
        assert_eq!(
            taken.accepted.len(),
            2,
            "{} and the new local one",
            made.access_key_id
        );
        let expected = [
            "CreateAccessKey sealdb-credentials".to_owned(),
            format!("CreateAccessKey {me}"),
            format!("DeleteAccessKey {me}"),
            "CreateAccessKey sealdb-credentials".to_owned(),
        ];
        assert_eq!(names(), expected);
        // Nothing is recorded twice, and without news nothing is written.
        assert_eq!(server.take_over(Some(&trail)).unwrap().stamp, taken.stamp);
        assert_eq!(names(), expected);

        // A key of the environment that gets another secret is another key under the same id.
        server.adopt("AKIACHOSEN", "one").unwrap();
        server.adopt("AKIACHOSEN", "one").unwrap();
        server.adopt("AKIACHOSEN", "two").unwrap();
        server.take_over(Some(&trail)).unwrap();
        let expected = ["CreateAccessKey", "DeleteAccessKey", "CreateAccessKey"]
            .map(|name| format!("{name} sealdb-credentials"));
        assert_eq!(names()[4..], expected);
    }

    #[test]
    fn editors_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path(), keyring(dir.path(), "k"));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5).for_each(|_| drop(store.create("x").unwrap())));
            }
        });
        assert_eq!(store.list().unwrap().len(), 20);
    }

    #[test]
    fn debug_shows_no_secret() {
        let made = Credential::generate("x", false, 0).unwrap();
        assert_eq!(made.access_key_id.len(), 20);
        assert_eq!(made.secret.len(), 43);
        assert!(!format!("{made:?}").contains(made.secret.as_str()));
    }
}

//! The bytes of a keyring file, format 3. Format 2 is read, too: it lacks what begins with *policy*, and its keys get the default policy; the
//! next change writes format 3.
//!
//! | offset | bytes | field | |
//! |---|---|---|---|
//! | 0 | 8 | magic `SEALKEY\0` | clear |
//! | 8 | 2 | format version, 3 or 2 | clear |
//! | 10 | 1 | suite, 1 = AES-256-GCM with HKDF-SHA256 | clear |
//! | 11 | 1 | root key source: 1 file, 2 credential, 3 passphrase, 4 shares | clear |
//! | 12 | 16 | keyring id (UUID) | clear |
//! | 28 | 8 | change counter, 1 at first | clear |
//! | 36 | 16 | argon2id salt; zero without a passphrase | clear |
//! | 52 | 4 | argon2id memory in KiB; zero without a passphrase | clear |
//! | 56 | 4 | argon2id passes; likewise | clear |
//! | 60 | 4 | argon2id lanes; likewise | clear |
//! | 64 | 12 | nonce | clear |
//! | 76 | n | body | sealed |
//! | 76 + n | 16 | tag | |
//!
//! Bytes 0 to 63 are the additional data of the sealing; all numbers are big-endian. The sealing key is HKDF-SHA256(root key, salt
//! = keyring id, info = `sealdb keyring body 1`), so one root key may serve several keyrings. Each change seals the whole body
//! anew under a random nonce; nobody changes a keyring 2^32 times.
//!
//! Body: u32 count of keys, then each key; u32 count of entries of the journal, then each entry.
//!
//! | bytes | field of a key |
//! |---|---|
//! | 16 | key id (UUID) |
//! | 4, each 4 + n | aliases |
//! | 4 + n | description |
//! | 1 | state: 1 enabled, 2 disabled, 3 pending deletion, 4 pending import, 5 destroyed |
//! | 1 | usage: 1 system, 2 table |
//! | 8 | created, ms since 1970, as all times |
//! | 8 | pending deletion: when its time is over; destroyed: when it was; else zero |
//! | 8 | imported material: when it expires; zero for never |
//! | 8 | when a time of the two above was first seen to be over; zero for not yet |
//! | 4 | days between rotations; zero for none |
//! | 8 | when the days were last counted from; zero without rotation |
//! | 1 | origin: 1 made here, 2 imported |
//! | 32 | imported: fingerprint of the material, zeros before the first import; only for origin 2 |
//! | 4 + n | policy: account |
//! | 4, each 4 + n | policy: patterns of administrators |
//! | 4, each 4 + n | policy: patterns of users |
//! | 4, each 4 + n | policy: patterns of tables |
//! | 4 | policy: count of grants |
//! | per grant 16 | id (UUID) |
//! | 4 + n, 4 + n | account, pattern of the grantee |
//! | 1 | operations: 1 Decrypt, 2 GenerateDataKey, 3 both |
//! | 4, each 4 + n | patterns of tables |
//! | 4 | count of versions; zero exactly where there is no material (states 4 and 5, and 3 before an import) |
//! | per version 4 + 8 + 32 | version number, created, key material |
//!
//! | bytes | field of an entry |
//! |---|---|
//! | 16 | id of the event (UUID) |
//! | 8 | when |
//! | 4 + n | who |
//! | 4 + n | what: the name of the event |
//! | 16 | which key; zeros for none |
//! | 4 + n | in detail |

#![deny(clippy::indexing_slicing)]

use std::path::Path;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::KeyringError;
use super::policy_format;
use super::source::{Argon2Costs, RootKeyKind, Stretching};
use crate::kms::{Alias, KeyState, KeyUsage};
use crate::policy::KeyPolicy;
use crate::provider::Provider;
use crate::secret::SecretBytes32;
use crate::wire::{Put, Reader, WireError};

const MAGIC: &[u8; 8] = b"SEALKEY\0";
/// The format that this version writes.
pub(super) const FORMAT: u16 = 3;
/// The oldest that it reads: without policies.
const OLDEST: u16 = 2;
const SUITE: u8 = 1;
const HEAD_LEN: usize = 64;
/// Nobody needs more, and a damaged count must not reserve memory.
pub(super) const MAX_KEYS: usize = 100_000;

/// The clear head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// As which it was read, or is to be written.
    pub(super) format: u16,
    pub(super) kind: RootKeyKind,
    pub(super) id: Uuid,
    pub(super) counter: u64,
    pub(super) stretching: Stretching,
}

/// What is sealed.
#[derive(Default)]
pub(super) struct Body {
    /// In the order of their creation.
    pub(super) keys: Vec<Key>,
    /// What was done to the keys and is in no audit trail yet, the oldest first.
    pub(super) journal: Vec<Entry>,
}

/// One key with its material.
pub(super) struct Key {
    pub(super) id: Uuid,
    pub(super) aliases: Vec<Alias>,
    pub(super) description: String,
    pub(super) state: KeyState,
    pub(super) usage: KeyUsage,
    pub(super) created_ms: u64,
    pub(super) ends_ms: u64,
    pub(super) expires_ms: u64,
    pub(super) overdue_ms: u64,
    pub(super) rotation: Rotation,
    pub(super) origin: Origin,
    pub(super) policy: KeyPolicy,
    /// In ascending order of `number`.
    pub(super) versions: Vec<KeyVersion>,
}

/// Rotation by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rotation {
    pub(super) days: u32,
    pub(super) since_ms: u64,
}

/// Where the material comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Made,
    /// With the fingerprint of the material that was imported, zeros before.
    Imported([u8; 32]),
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: Uuid,
    pub(super) time_ms: u64,
    pub(super) principal: String,
    pub(super) name: String,
    pub(super) key: Option<Uuid>,
    pub(super) detail: String,
}

/// One version of a key's material.
pub(super) struct KeyVersion {
    pub(super) number: u32,
    pub(super) created_ms: u64,
    pub(super) material: SecretBytes32,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_LEN);
        out.extend_from_slice(MAGIC);
        out.put_u16(self.format);
        out.put_u8(SUITE);
        out.put_u8(self.kind.code());
        out.extend_from_slice(self.id.as_bytes());
        out.put_u64(self.counter);
        out.extend_from_slice(&self.stretching.salt);
        out.put_u32(self.stretching.costs.memory_kib);
        out.put_u32(self.stretching.costs.passes);
        out.put_u32(self.stretching.costs.lanes);
        debug_assert_eq!(out.len(), HEAD_LEN);
        out
    }

    /// Reads the head of a keyring file and gives it with the sealed rest. Refuses foreign files, other formats and costs
    /// outside the accepted range before any key is derived.
    pub(super) fn decode<'a>(
        path: &Path,
        file: &'a [u8],
    ) -> Result<(Self, &'a [u8]), KeyringError> {
        let damaged = |what| KeyringError::Damaged {
            path: path.to_owned(),
            what,
        };
        let mut reader = Reader::new(file);
        if reader.array::<8>().ok().as_ref() != Some(MAGIC) {
            return Err(KeyringError::NotAKeyring {
                path: path.to_owned(),
            });
        }
        let short = |_: WireError| damaged("it is too short");
        let format = reader.u16().map_err(short)?;
        if !(OLDEST..=FORMAT).contains(&format) {
            return Err(KeyringError::Format {
                path: path.to_owned(),
                found: format,
                supported: FORMAT,
            });
        }
        if reader.u8().map_err(short)? != SUITE {
            return Err(damaged("unknown suite"));
        }
        let kind = RootKeyKind::from_code(reader.u8().map_err(short)?)
            .ok_or_else(|| damaged("unknown kind of root key source"))?;
        let id = Uuid::from_bytes(reader.array().map_err(short)?);
        let counter = reader.u64().map_err(short)?;
        let salt = reader.array().map_err(short)?;
        let costs = Argon2Costs {
            memory_kib: reader.u32().map_err(short)?,
            passes: reader.u32().map_err(short)?,
            lanes: reader.u32().map_err(short)?,
        };
        let stretching = Stretching { salt, costs };
        match kind {
            RootKeyKind::Passphrase => costs.check()?,
            RootKeyKind::File | RootKeyKind::Credential | RootKeyKind::Shares => {
                if stretching != Stretching::NONE {
                    return Err(damaged("argon2id parameters without a passphrase"));
                }
            }
        }
        let sealed = file
            .get(HEAD_LEN..)
            .ok_or_else(|| damaged("it is too short"))?;
        Ok((
            Self {
                format,
                kind,
                id,
                counter,
                stretching,
            },
            sealed,
        ))
    }

    /// The key that seals the body.
    pub(super) fn body_key(&self, root: &SecretBytes32) -> Result<SecretBytes32, KeyringError> {
        Ok(Provider::default_provider().derive(
            root,
            self.id.as_bytes(),
            &[b"sealdb keyring body 1"],
        )?)
    }
}

/// The whole file.
pub(super) fn seal(
    head: &Head,
    body_key: &SecretBytes32,
    body: &Body,
) -> Result<Vec<u8>, KeyringError> {
    let mut file = head.encode();
    let body = body.encode();
    let sealed = Provider::default_provider().seal_blob(body_key, &file, &body)?;
    file.extend_from_slice(&sealed);
    Ok(file)
}

/// Opens the sealed rest of a file. `None` if it does not authenticate.
pub(super) fn open(
    head: &Head,
    body_key: &SecretBytes32,
    sealed: &[u8],
) -> Option<Result<Body, WireError>> {
    let body = Provider::default_provider()
        .open_blob(body_key, &head.encode(), sealed)
        .ok()?;
    Some(Body::decode(&body, head.format))
}

impl Body {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Reserved to the byte: a growing buffer would leave copies of key material behind.
        let keys = self.keys.iter().map(Key::encoded_len).sum::<usize>();
        let len = 4 + keys + 4 + self.journal.iter().map(Entry::encoded_len).sum::<usize>();
        let mut out = Zeroizing::new(Vec::with_capacity(len));
        out.put_u32(u32::try_from(self.keys.len()).expect("a keyring holds at most MAX_KEYS keys"));
        for key in &self.keys {
            key.encode(&mut out);
        }
        out.put_u32(u32::try_from(self.journal.len()).expect("a journal is cut far below"));
        for entry in &self.journal {
            entry.encode(&mut out);
        }
        debug_assert_eq!(out.len(), len);
        out
    }

    fn decode(body: &[u8], format: u16) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let count = reader.u32()?;
        if count as usize > MAX_KEYS {
            return Err(WireError("too many keys"));
        }
        let keys = (0..count)
            .map(|_| Key::decode(&mut reader, format))
            .collect::<Result<Vec<_>, _>>()?;
        let journal = (0..reader.u32()?)
            .map(|_| Entry::decode(&mut reader))
            .collect::<Result<Vec<_>, _>>()?;
        reader.end()?;
        Ok(Self { keys, journal })
    }
}

impl Entry {
    fn encoded_len(&self) -> usize {
        16 + 8 + 4 + self.principal.len() + 4 + self.name.len() + 16 + 4 + self.detail.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.put_u64(self.time_ms);
        out.put_bytes(self.principal.as_bytes());
        out.put_bytes(self.name.as_bytes());
        out.extend_from_slice(self.key.unwrap_or_default().as_bytes());
        out.put_bytes(self.detail.as_bytes());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            id: Uuid::from_bytes(reader.array()?),
            time_ms: reader.u64()?,
            principal: reader.string()?,
            name: reader.string()?,
            key: Some(Uuid::from_bytes(reader.array()?)).filter(|id| !id.is_nil()),
            detail: reader.string()?,
        })
    }
}

impl Key {
    fn encoded_len(&self) -> usize {
        let aliases = self.aliases.iter().map(|alias| 4 + alias.as_str().len());
        let origin = match self.origin {
            Origin::Made => 1,
            Origin::Imported(_) => 33,
        };
        let fixed = 16 + 4 + 4 + 1 + 1 + 8 + 8 + 8 + 8 + 4 + 8 + 4;
        let policy = policy_format::len(&self.policy);
        let texts = aliases.sum::<usize>() + self.description.len();
        fixed + policy + texts + origin + 44 * self.versions.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.put_u32(u32::try_from(self.aliases.len()).expect("aliases are counted in 32 bits"));
        for alias in &self.aliases {
            out.put_bytes(alias.as_str().as_bytes());
        }
        out.put_bytes(self.description.as_bytes());
        out.put_u8(match self.state {
            KeyState::Enabled => 1,
            KeyState::Disabled => 2,
            KeyState::PendingDeletion => 3,
            KeyState::PendingImport => 4,
            KeyState::Destroyed => 5,
        });
        out.put_u8(match self.usage {
            KeyUsage::System => 1,
            KeyUsage::Table => 2,
        });
        out.put_u64(self.created_ms);
        out.put_u64(self.ends_ms);
        out.put_u64(self.expires_ms);
        out.put_u64(self.overdue_ms);
        out.put_u32(self.rotation.days);
        out.put_u64(self.rotation.since_ms);
        match &self.origin {
            Origin::Made => out.put_u8(1),
            Origin::Imported(fingerprint) => {
                out.put_u8(2);
                out.extend_from_slice(fingerprint);
            }
        }
        policy_format::put(out, &self.policy);
        out.put_u32(u32::try_from(self.versions.len()).expect("versions are counted in 32 bits"));
        for version in &self.versions {
            out.put_u32(version.number);
            out.put_u64(version.created_ms);
            out.extend_from_slice(version.material.expose());
        }
    }

    fn decode(reader: &mut Reader<'_>, format: u16) -> Result<Self, WireError> {
        let id = Uuid::from_bytes(reader.array()?);
        let aliases = (0..reader.u32()?)
            .map(|_| Alias::new(reader.string()?).map_err(|_| WireError("not an alias")))
            .collect::<Result<Vec<_>, _>>()?;
        let description = reader.string()?;
        let state = match reader.u8()? {
            1 => KeyState::Enabled,
            2 => KeyState::Disabled,
            3 => KeyState::PendingDeletion,
            4 => KeyState::PendingImport,
            5 => KeyState::Destroyed,
            _ => return Err(WireError("unknown key state")),
        };
        let usage = match reader.u8()? {
            1 => KeyUsage::System,
            2 => KeyUsage::Table,
            _ => return Err(WireError("unknown key usage")),
        };
        let key = Self {
            id,
            aliases,
            description,
            state,
            usage,
            created_ms: reader.u64()?,
            ends_ms: reader.u64()?,
            expires_ms: reader.u64()?,
            overdue_ms: reader.u64()?,
            rotation: Rotation {
                days: reader.u32()?,
                since_ms: reader.u64()?,
            },
            origin: match reader.u8()? {
                1 => Origin::Made,
                2 => Origin::Imported(reader.array()?),
                _ => return Err(WireError("unknown origin of key material")),
            },
            policy: match format {
                OLDEST => KeyPolicy::default(),
                _ => policy_format::read(reader)?,
            },
            versions: decode_versions(reader)?,
        };
        let empty = key.versions.is_empty();
        match key.state {
            KeyState::Enabled | KeyState::Disabled if empty => {
                Err(WireError("a key without material"))
            }
            KeyState::PendingImport | KeyState::Destroyed if !empty => {
                Err(WireError("material where there is to be none"))
            }
            _ => Ok(key),
        }
    }

    /// The version that wraps.
    pub(super) fn newest(&self) -> Option<&KeyVersion> {
        self.versions.last()
    }

    pub(super) fn version(&self, number: u32) -> Option<&KeyVersion> {
        self.versions
            .iter()
            .find(|version| version.number == number)
    }
}

fn decode_versions(reader: &mut Reader<'_>) -> Result<Vec<KeyVersion>, WireError> {
    let mut versions: Vec<KeyVersion> = Vec::new();
    for _ in 0..reader.u32()? {
        let number = reader.u32()?;
        if versions.last().is_some_and(|last| last.number >= number) {
            return Err(WireError("key versions are not in order"));
        }
        versions.push(KeyVersion {
            number,
            created_ms: reader.u64()?,
            material: SecretBytes32::copy_from(reader.take(32)?).ok_or(WireError("too short"))?,
        });
    }
    Ok(versions)
}

/// For fuzzing. Any bytes, as a keyring file, as its sealed rest and as its body: foreign bytes never open, and what is read is
/// written back the same.
pub(crate) fn fuzz(key: &SecretBytes32, bytes: &[u8]) {
    let path = Path::new("k");
    if let Ok((head, sealed)) = Head::decode(path, bytes) {
        assert_eq!([&head.encode(), sealed].concat(), bytes, "another head");
        assert!(
            open(&head, key, sealed).is_none(),
            "nobody else holds the key"
        );
    }
    let Ok(body) = Body::decode(bytes, FORMAT) else {
        return;
    };
    assert_eq!(body.encode().as_slice(), bytes, "another body");
    let head = Head {
        format: FORMAT,
        kind: RootKeyKind::File,
        id: Uuid::from_bytes([4; 16]),
        counter: 1,
        stretching: Stretching::NONE,
    };
    let file = seal(&head, key, &body).expect("a keyring that was read can be written");
    let (read, sealed) = Head::decode(path, &file).expect("and its head read");
    assert_eq!(read, head);
    let opened = open(&read, key, sealed).and_then(Result::ok);
    let again = opened.expect("and opened").encode();
    assert_eq!(again.as_slice(), bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{Grant, KeyOperation};

    impl std::fmt::Debug for Key {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Key({})", self.id)
        }
    }

    impl std::fmt::Debug for Body {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Body({:?}, {:?})", self.keys, self.journal)
        }
    }

    fn versions() -> impl Strategy<Value = Vec<(u32, u64, [u8; 32])>> {
        let version = (any::<u32>(), any::<u64>(), any::<[u8; 32]>());
        proptest::collection::vec(version, 1..4).prop_map(|mut versions| {
            versions.sort_unstable();
            versions.dedup_by_key(|version| version.0);
            versions
        })
    }

    fn keys() -> impl Strategy<Value = Vec<Key>> {
        let state = prop_oneof![
            Just(KeyState::Enabled),
            Just(KeyState::Disabled),
            Just(KeyState::PendingDeletion),
            Just(KeyState::PendingImport),
            Just(KeyState::Destroyed)
        ];
        let origin = prop_oneof![
            Just(Origin::Made),
            any::<[u8; 32]>().prop_map(Origin::Imported)
        ];
        let key = (
            any::<[u8; 16]>(),
            proptest::collection::vec("alias/[a-z/_-]{1,20}", 0..3),
            ".{0,30}",
            state,
            prop_oneof![Just(KeyUsage::System), Just(KeyUsage::Table)],
            any::<[u64; 5]>(),
            any::<u32>(),
            origin,
            versions(),
        )
            .prop_map(
                |(id, aliases, description, state, usage, times, days, origin, versions)| Key {
                    id: Uuid::from_bytes(id),
                    aliases: aliases
                        .into_iter()
                        .map(|alias| Alias::new(alias).unwrap())
                        .collect(),
                    description,
                    state,
                    usage,
                    created_ms: times[0],
                    ends_ms: times[1],
                    expires_ms: times[2],
                    overdue_ms: times[3],
                    rotation: Rotation {
                        days,
                        since_ms: times[4],
                    },
                    origin,
                    policy: KeyPolicy {
                        administrators: vec![format!("a{days}")],
                        users: vec![format!("p{days}"), "*".to_owned()],
                        grants: vec![Grant {
                            id: Uuid::from_bytes(id),
                            account: days.to_string(),
                            grantee: "g".to_owned(),
                            operations: KeyOperation::GRANTABLE.to_vec(),
                            tables: vec!["t*".to_owned()],
                        }],
                        ..KeyPolicy::default()
                    },
                    versions: match state {
                        KeyState::PendingImport | KeyState::Destroyed => Vec::new(),
                        _ => versions
                            .into_iter()
                            .map(|(number, created_ms, mut material)| KeyVersion {
                                number,
                                created_ms,
                                material: SecretBytes32::take(&mut material),
                            })
                            .collect(),
                    },
                },
            );
        proptest::collection::vec(key, 0..5)
    }

    fn bodies() -> impl Strategy<Value = Body> {
        let entry = (
            any::<[u8; 16]>(),
            any::<u64>(),
            ".{0,9}",
            ".{0,9}",
            any::<u128>(),
            ".{0,9}",
        )
            .prop_map(|(id, time_ms, principal, name, key, detail)| Entry {
                id: Uuid::from_bytes(id),
                time_ms,
                principal,
                name,
                key: Some(Uuid::from_u128(key)).filter(|key| !key.is_nil()),
                detail,
            });
        let journal = proptest::collection::vec(entry, 0..3);
        (keys(), journal).prop_map(|(keys, journal)| Body { keys, journal })
    }

    fn head(kind: RootKeyKind, id: [u8; 16], counter: u64, salt: [u8; 16]) -> Head {
        let stretching = match kind {
            RootKeyKind::Passphrase => Stretching {
                salt,
                costs: Argon2Costs::FLOOR,
            },
            RootKeyKind::File | RootKeyKind::Credential | RootKeyKind::Shares => Stretching::NONE,
        };
        Head {
            format: FORMAT,
            kind,
            id: Uuid::from_bytes(id),
            counter,
            stretching,
        }
    }

    proptest! {
        #[test]
        fn a_file_opens_to_what_was_sealed(
            body in bodies(),
            kind in 1u8..=4,
            id: [u8; 16],
            counter: u64,
            salt: [u8; 16],
            mut root: [u8; 32],
        ) {
            let head = head(RootKeyKind::from_code(kind).unwrap(), id, counter, salt);
            let body_key = head.body_key(&SecretBytes32::take(&mut root)).unwrap();
            let file = seal(&head, &body_key, &body).unwrap();
            let (read, sealed) = Head::decode(Path::new("k"), &file).unwrap();
            prop_assert_eq!(read, head);
            let opened = open(&read, &body_key, sealed).unwrap().unwrap();
            // Keys do not compare; the encoding holds every field of them, each in its own place.
            prop_assert_eq!(opened.keys.len(), body.keys.len());
            for (read, written) in opened.keys.iter().zip(&body.keys) {
                prop_assert_eq!(&read.aliases, &written.aliases);
                prop_assert_eq!(&read.policy, &written.policy);
                prop_assert_eq!((read.state, read.usage, read.origin), (written.state, written.usage, written.origin));
                prop_assert_eq!((read.ends_ms, read.expires_ms), (written.ends_ms, written.expires_ms));
                prop_assert_eq!((read.overdue_ms, read.rotation), (written.overdue_ms, written.rotation));
            }
            prop_assert_eq!(&opened.journal, &body.journal);
            prop_assert!(*opened.encode() == *body.encode());
        }

        #[test]
        fn any_bytes_are_a_body_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(body) = Body::decode(&bytes, FORMAT) {
                let again = body.encode();
                prop_assert_eq!(again.as_slice(), bytes);
            }
        }

        #[test]
        fn any_bytes_are_a_head_or_refused(tail in proptest::collection::vec(any::<u8>(), 0..100)) {
            let file = [&MAGIC[..], &FORMAT.to_be_bytes(), &[SUITE], &tail].concat();
            if let Ok((head, sealed)) = Head::decode(Path::new("k"), &file) {
                prop_assert_eq!([&head.encode(), sealed].concat(), file);
            }
        }
    }
}

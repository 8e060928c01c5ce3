//! The bytes of a keyring file, format 1.
//!
//! | offset | bytes | field | |
//! |---|---|---|---|
//! | 0 | 8 | magic `SEALKEY\0` | clear |
//! | 8 | 2 | format version, 1 | clear |
//! | 10 | 1 | suite, 1 = AES-256-GCM with HKDF-SHA256 | clear |
//! | 11 | 1 | root key source: 1 file, 2 credential, 3 passphrase | clear |
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
//! Body: u32 count of keys, then for each:
//!
//! | bytes | field |
//! |---|---|
//! | 16 | key id (UUID) |
//! | 4 + n | alias, empty for none |
//! | 4 + n | description |
//! | 1 | state: 1 enabled, 2 disabled, 3 pending deletion |
//! | 1 | usage: 1 system, 2 table |
//! | 8 | created, ms since 1970 |
//! | 4 | count of versions, at least 1 |
//! | per version 4 + 8 + 32 | version number, created, key material |

#![deny(clippy::indexing_slicing)]

use std::path::Path;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::KeyringError;
use super::source::{Argon2Costs, RootKeyKind, Stretching};
use crate::kms::{Alias, KeyState, KeyUsage};
use crate::provider::Provider;
use crate::secret::SecretBytes32;
use crate::wire::{Put, Reader, WireError};

const MAGIC: &[u8; 8] = b"SEALKEY\0";
/// The format that this version reads and writes.
pub(super) const FORMAT: u16 = 1;
const SUITE: u8 = 1;
const HEAD_LEN: usize = 64;
/// Nobody needs more, and a damaged count must not reserve memory.
const MAX_KEYS: u32 = 100_000;

/// The clear head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: RootKeyKind,
    pub(super) id: Uuid,
    pub(super) counter: u64,
    pub(super) stretching: Stretching,
}

/// One key with its material.
pub(super) struct Key {
    pub(super) id: Uuid,
    pub(super) alias: Option<Alias>,
    pub(super) description: String,
    pub(super) state: KeyState,
    pub(super) usage: KeyUsage,
    pub(super) created_ms: u64,
    /// In ascending order of `number`; never empty.
    pub(super) versions: Vec<KeyVersion>,
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
        out.put_u16(FORMAT);
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
        let found = reader.u16().map_err(short)?;
        if found != FORMAT {
            return Err(KeyringError::Format {
                path: path.to_owned(),
                found,
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
            RootKeyKind::File | RootKeyKind::Credential if stretching != Stretching::NONE => {
                return Err(damaged("argon2id parameters without a passphrase"));
            }
            RootKeyKind::File | RootKeyKind::Credential => {}
        }
        let sealed = file
            .get(HEAD_LEN..)
            .ok_or_else(|| damaged("it is too short"))?;
        Ok((
            Self {
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
    keys: &[Key],
) -> Result<Vec<u8>, KeyringError> {
    let mut file = head.encode();
    let body = encode_body(keys);
    let sealed = Provider::default_provider().seal_blob(body_key, &file, &body)?;
    file.extend_from_slice(&sealed);
    Ok(file)
}

/// Opens the sealed rest of a file. `None` if it does not authenticate.
pub(super) fn open(
    head: &Head,
    body_key: &SecretBytes32,
    sealed: &[u8],
) -> Option<Result<Vec<Key>, WireError>> {
    let body = Provider::default_provider()
        .open_blob(body_key, &head.encode(), sealed)
        .ok()?;
    Some(decode_body(&body))
}

fn encode_body(keys: &[Key]) -> Zeroizing<Vec<u8>> {
    // Reserved to the byte: a growing buffer would leave copies of key material behind.
    let len = 4 + keys.iter().map(Key::encoded_len).sum::<usize>();
    let mut out = Zeroizing::new(Vec::with_capacity(len));
    out.put_u32(u32::try_from(keys.len()).expect("a keyring holds at most MAX_KEYS keys"));
    for key in keys {
        key.encode(&mut out);
    }
    debug_assert_eq!(out.len(), len);
    out
}

fn decode_body(body: &[u8]) -> Result<Vec<Key>, WireError> {
    let mut reader = Reader::new(body);
    let count = reader.u32()?;
    if count > MAX_KEYS {
        return Err(WireError("too many keys"));
    }
    let keys = (0..count)
        .map(|_| Key::decode(&mut reader))
        .collect::<Result<Vec<_>, _>>()?;
    reader.end()?;
    Ok(keys)
}

impl Key {
    fn encoded_len(&self) -> usize {
        let alias = self.alias.as_ref().map_or(0, |alias| alias.as_str().len());
        16 + 4 + alias + 4 + self.description.len() + 1 + 1 + 8 + 4 + 44 * self.versions.len()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_bytes());
        out.put_bytes(self.alias.as_ref().map_or("", Alias::as_str).as_bytes());
        out.put_bytes(self.description.as_bytes());
        out.put_u8(match self.state {
            KeyState::Enabled => 1,
            KeyState::Disabled => 2,
            KeyState::PendingDeletion => 3,
        });
        out.put_u8(match self.usage {
            KeyUsage::System => 1,
            KeyUsage::Table => 2,
        });
        out.put_u64(self.created_ms);
        out.put_u32(u32::try_from(self.versions.len()).expect("versions are counted in 32 bits"));
        for version in &self.versions {
            out.put_u32(version.number);
            out.put_u64(version.created_ms);
            out.extend_from_slice(version.material.expose());
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let id = Uuid::from_bytes(reader.array()?);
        let alias = match reader.string()? {
            none if none.is_empty() => None,
            alias => Some(Alias::new(alias).map_err(|_| WireError("not an alias"))?),
        };
        let description = reader.string()?;
        let state = match reader.u8()? {
            1 => KeyState::Enabled,
            2 => KeyState::Disabled,
            3 => KeyState::PendingDeletion,
            _ => return Err(WireError("unknown key state")),
        };
        let usage = match reader.u8()? {
            1 => KeyUsage::System,
            2 => KeyUsage::Table,
            _ => return Err(WireError("unknown key usage")),
        };
        let created_ms = reader.u64()?;
        let count = reader.u32()?;
        let mut versions: Vec<KeyVersion> = Vec::new();
        for _ in 0..count {
            let number = reader.u32()?;
            if versions.last().is_some_and(|last| last.number >= number) {
                return Err(WireError("key versions are not in order"));
            }
            let created_ms = reader.u64()?;
            let material =
                SecretBytes32::copy_from(reader.take(32)?).ok_or(WireError("too short"))?;
            versions.push(KeyVersion {
                number,
                created_ms,
                material,
            });
        }
        if versions.is_empty() {
            return Err(WireError("a key without material"));
        }
        Ok(Self {
            id,
            alias,
            description,
            state,
            usage,
            created_ms,
            versions,
        })
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
    let Ok(keys) = decode_body(bytes) else { return };
    assert_eq!(encode_body(&keys).as_slice(), bytes, "another body");
    let head = Head {
        kind: RootKeyKind::File,
        id: Uuid::from_bytes([4; 16]),
        counter: 1,
        stretching: Stretching::NONE,
    };
    let file = seal(&head, key, &keys).expect("a keyring that was read can be written");
    let (read, sealed) = Head::decode(path, &file).expect("and its head read");
    assert_eq!(read, head);
    let opened = open(&read, key, sealed).and_then(Result::ok);
    let again = encode_body(&opened.expect("and opened"));
    assert_eq!(again.as_slice(), bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl std::fmt::Debug for Key {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Key({})", self.id)
        }
    }

    /// A key as plain values, to compare: keys themselves do not compare.
    fn plain(key: &Key) -> impl PartialEq + std::fmt::Debug + use<> {
        let versions: Vec<_> = key
            .versions
            .iter()
            .map(|v| (v.number, v.created_ms, *v.material.expose()))
            .collect();
        (
            key.id,
            key.alias.clone(),
            key.description.clone(),
            key.state,
            key.usage,
            key.created_ms,
            versions,
        )
    }

    fn keys() -> impl Strategy<Value = Vec<Key>> {
        let version = (any::<u32>(), any::<u64>(), any::<[u8; 32]>());
        let key = (
            any::<[u8; 16]>(),
            proptest::option::of("alias/[a-z/_-]{1,20}"),
            ".{0,30}",
            prop_oneof![
                Just(KeyState::Enabled),
                Just(KeyState::Disabled),
                Just(KeyState::PendingDeletion)
            ],
            prop_oneof![Just(KeyUsage::System), Just(KeyUsage::Table)],
            any::<u64>(),
            proptest::collection::vec(version, 1..4),
        )
            .prop_map(
                |(id, alias, description, state, usage, created_ms, mut versions)| {
                    versions.sort_unstable();
                    versions.dedup_by_key(|version| version.0);
                    Key {
                        id: Uuid::from_bytes(id),
                        alias: alias.map(|alias| Alias::new(alias).unwrap()),
                        description,
                        state,
                        usage,
                        created_ms,
                        versions: versions
                            .into_iter()
                            .map(|(number, created_ms, mut material)| KeyVersion {
                                number,
                                created_ms,
                                material: SecretBytes32::take(&mut material),
                            })
                            .collect(),
                    }
                },
            );
        proptest::collection::vec(key, 0..5)
    }

    fn head(kind: RootKeyKind, id: [u8; 16], counter: u64, salt: [u8; 16]) -> Head {
        let stretching = match kind {
            RootKeyKind::Passphrase => Stretching {
                salt,
                costs: Argon2Costs::FLOOR,
            },
            RootKeyKind::File | RootKeyKind::Credential => Stretching::NONE,
        };
        Head {
            kind,
            id: Uuid::from_bytes(id),
            counter,
            stretching,
        }
    }

    proptest! {
        #[test]
        fn a_file_opens_to_what_was_sealed(
            keys in keys(),
            kind in 1u8..=3,
            id: [u8; 16],
            counter: u64,
            salt: [u8; 16],
            mut root: [u8; 32],
        ) {
            let head = head(RootKeyKind::from_code(kind).unwrap(), id, counter, salt);
            let body_key = head.body_key(&SecretBytes32::take(&mut root)).unwrap();
            let file = seal(&head, &body_key, &keys).unwrap();
            let (read, sealed) = Head::decode(Path::new("k"), &file).unwrap();
            prop_assert_eq!(read, head);
            let opened = open(&read, &body_key, sealed).unwrap().unwrap();
            let expected: Vec<_> = keys.iter().map(plain).collect();
            prop_assert_eq!(opened.iter().map(plain).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn any_bytes_are_a_body_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(keys) = decode_body(&bytes) {
                let again = encode_body(&keys);
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

//! The head of a trail file: which trail, the wrapped audit key, and where the file goes on from.

#![deny(clippy::indexing_slicing)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::chain::Chain;
use super::checkpoint::Verifier;
use super::error::AuditError;
use super::merkle::{Hash, Peaks};
use super::trail::TrailAccess;
use crate::block::{BlockTag, Purpose, Scope};
use crate::ids::{DatabaseId, SegmentId, TableId};
use crate::key_record::{KeyRecord, KeyRecordError};
use crate::kms::EncryptionContext;
use crate::provider::Provider;
use crate::sealer::Sealer;
use crate::secret::{SecretBytes32, TableKey};
use crate::signing::SigningKey;
use crate::wire::{Put, Reader, WireError, hex};

pub(super) const MAGIC: &[u8; 8] = b"SEALAUD\0";
pub(super) const FORMAT: u16 = 2;
/// Where the records begin.
pub(super) const HEAD_LEN: usize = 8192;
const MAC_AT: usize = HEAD_LEN - 32;
/// Magic, format, suite, database and trail.
const NAMES_LEN: usize = 44;

/// What the audit key gives.
pub(super) struct Keys {
    pub(super) record: KeyRecord,
    audit: Arc<TableKey>,
    pub(super) sealer: Arc<dyn Sealer>,
    /// Signs checkpoints.
    pub(super) signing: SigningKey,
    /// Hashes the keys of items.
    pub(super) items: Arc<ItemKey>,
    database: DatabaseId,
    pub(super) trail: SegmentId,
}

/// Where a file begins.
pub(super) struct Start {
    /// Of the file, from 1.
    pub(super) number: u64,
    /// Of the first record.
    pub(super) sequence: u64,
    /// Of the record before.
    pub(super) previous: BlockTag,
    pub(super) chain: Chain,
}

impl Keys {
    pub(super) fn new(
        access: &TrailAccess,
        trail: SegmentId,
        (record, key): (KeyRecord, TableKey),
        signing: SigningKey,
    ) -> Result<Self, AuditError> {
        let audit = Arc::new(key);
        let scope = Scope {
            database: access.database,
            table: TableId::SYSTEM,
            purpose: Purpose::Audit,
        };
        Ok(Self {
            sealer: access.sealing.sealer(&audit, scope),
            record,
            items: Arc::new(ItemKey(derive(&audit, trail, b"audit item keys")?)),
            audit,
            signing,
            database: access.database,
            trail,
        })
    }

    /// What others check the trail's checkpoints with.
    pub(super) fn verifier(&self) -> Verifier {
        Verifier::new(self.trail, self.signing.public())
    }

    /// The head of a file that begins here.
    pub(super) fn head(&self, path: &Path, start: &Start) -> Result<Vec<u8>, AuditError> {
        let mut head = Vec::with_capacity(HEAD_LEN);
        head.extend_from_slice(MAGIC);
        head.put_u16(FORMAT);
        head.put_u8(self.record.suite);
        head.put_u8(0);
        head.extend_from_slice(self.database.as_bytes());
        head.extend_from_slice(self.trail.as_bytes());
        let body = start.encode(&self.signing);
        let key = start_key(&self.audit, self.trail)?;
        let sealed = Provider::default_provider().seal_blob(&key, &head, &body)?;
        head.put_bytes(&self.record.encode());
        head.put_bytes(&sealed);
        if head.len() > MAC_AT {
            return Err(damaged(path, "the wrapped audit key is too long"));
        }
        head.resize(MAC_AT, 0);
        let mac = mac(&self.audit, &head);
        head.extend_from_slice(&mac);
        Ok(head)
    }

    /// Opens the head of another file of this trail.
    pub(super) fn open(&self, path: &Path, file: &File) -> Result<Start, AuditError> {
        let head = read(path, file)?;
        let parsed = Parsed::of(path, &head)?;
        if parsed.trail != self.trail || parsed.database != self.database {
            return Err(AuditError::OtherTrail {
                path: path.to_owned(),
            });
        }
        Ok(parsed.open(path, &self.audit)?.1)
    }
}

/// Reads the head of a trail file, has the KMS unwrap the audit key, and authenticates the head with it.
pub(super) fn unlock(
    path: &Path,
    file: &File,
    access: &TrailAccess,
) -> Result<(Keys, Start), AuditError> {
    let head = read(path, file)?;
    let parsed = Parsed::of(path, &head)?;
    if parsed.suite != access.sealing.suite() {
        return Err(damaged(path, "unknown suite"));
    }
    if parsed.database != access.database {
        return Err(AuditError::OtherDatabase {
            path: path.to_owned(),
        });
    }
    let record = KeyRecord::decode(parsed.record).map_err(|error| match error {
        KeyRecordError::Malformed(error) => damaged(path, error.0),
        other => AuditError::Key(other),
    })?;
    let context = EncryptionContext::for_audit(access.database, record.generation);
    let key = record.unwrap(access.kms.as_ref(), &access.caller, &context)?;
    let (signing, start) = parsed.open(path, &key)?;
    let keys = Keys::new(access, parsed.trail, (record, key), signing)?;
    Ok((keys, start))
}

/// Makes hashes of the keys of items: equal keys have equal ones, and nobody without the audit key can try keys out.
pub(super) struct ItemKey(SecretBytes32);

impl ItemKey {
    /// 128 bits of HMAC-SHA256(name of the table ‖ 0 ‖ the key's attributes as an item is encoded), in hexadecimal.
    pub(super) fn hash(&self, table: &str, key: &[u8]) -> String {
        let provider = Provider::default_provider();
        let hash = provider.hmac_sha256(&self.0, &[table.as_bytes(), &[0], key]);
        hex(hash.get(..16).unwrap_or_default())
    }
}

/// A key of the trail's own for one purpose.
fn derive(audit: &TableKey, trail: SegmentId, label: &[u8]) -> Result<SecretBytes32, AuditError> {
    let provider = Provider::default_provider();
    Ok(provider.derive(audit.secret(), trail.as_bytes(), &[label])?)
}

/// Seals where a file begins.
fn start_key(audit: &TableKey, trail: SegmentId) -> Result<SecretBytes32, AuditError> {
    derive(audit, trail, b"audit start")
}

fn mac(audit: &TableKey, head: &[u8]) -> [u8; 32] {
    Provider::default_provider().hmac_sha256(audit.secret(), &[b"audit head", head])
}

fn damaged(path: &Path, what: &'static str) -> AuditError {
    AuditError::Damaged {
        path: path.to_owned(),
        what,
    }
}

fn read(path: &Path, file: &File) -> Result<Vec<u8>, AuditError> {
    let mut head = vec![0; HEAD_LEN];
    file.read_exact_at(&mut head, 0)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => AuditError::NotATrail {
                path: path.to_owned(),
            },
            _ => AuditError::io("read", path, error),
        })?;
    Ok(head)
}

/// The fields that stand in the clear.
struct Parsed<'a> {
    authenticated: &'a [u8],
    mac: &'a [u8],
    suite: u8,
    database: DatabaseId,
    trail: SegmentId,
    record: &'a [u8],
    start: &'a [u8],
}

impl<'a> Parsed<'a> {
    fn of(path: &Path, head: &'a [u8]) -> Result<Self, AuditError> {
        let short = |error: WireError| damaged(path, error.0);
        let (authenticated, mac) = head
            .split_at_checked(MAC_AT)
            .ok_or_else(|| damaged(path, "it is too short"))?;
        let mut reader = Reader::new(authenticated);
        if reader.array::<8>().as_ref() != Ok(MAGIC) {
            return Err(AuditError::NotATrail {
                path: path.to_owned(),
            });
        }
        let found = reader.u16().map_err(short)?;
        if found != FORMAT {
            return Err(AuditError::Format {
                path: path.to_owned(),
                found,
                supported: FORMAT,
            });
        }
        let suite = reader.u8().map_err(short)?;
        let _zero = reader.u8().map_err(short)?;
        Ok(Self {
            authenticated,
            mac,
            suite,
            database: DatabaseId::from_bytes(reader.array().map_err(short)?),
            trail: SegmentId::from_bytes(reader.array().map_err(short)?),
            record: reader.bytes().map_err(short)?,
            start: reader.bytes().map_err(short)?,
        })
    }

    fn open(&self, path: &Path, audit: &TableKey) -> Result<(SigningKey, Start), AuditError> {
        let names = self.authenticated.get(..NAMES_LEN).unwrap_or_default();
        let key = start_key(audit, self.trail)?;
        let opened = Provider::default_provider().open_blob(&key, names, self.start);
        match opened {
            Ok(body) if bool::from(mac(audit, self.authenticated).ct_eq(self.mac)) => {
                Start::decode(&body).map_err(|error| damaged(path, error.0))
            }
            _ => Err(damaged(path, "it does not authenticate")),
        }
    }
}

impl Start {
    /// Of a new trail.
    pub(super) fn first() -> Self {
        Self {
            number: 1,
            sequence: 1,
            previous: BlockTag::from_bytes([0; 16]),
            chain: Chain::default(),
        }
    }

    fn encode(&self, signing: &SigningKey) -> Zeroizing<Vec<u8>> {
        let Chain {
            last,
            tree,
            checkpoint: (size, root),
        } = &self.chain;
        let mut out = Zeroizing::new(Vec::with_capacity(4096));
        out.extend_from_slice(signing.seed().expose());
        out.put_u64(self.number);
        out.put_u64(self.sequence);
        out.extend_from_slice(self.previous.as_bytes());
        out.extend_from_slice(last);
        out.put_u64(*size);
        out.extend_from_slice(root);
        out.put_u64(tree.size());
        for hash in tree.hashes() {
            out.extend_from_slice(hash);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<(SigningKey, Self), WireError> {
        let mut reader = Reader::new(bytes);
        let mut seed: Zeroizing<[u8; 32]> = Zeroizing::new(reader.array()?);
        let signing = SigningKey::from_seed(SecretBytes32::take(&mut seed))
            .map_err(|_| WireError("the signing key is refused"))?;
        let (number, sequence) = (reader.u64()?, reader.u64()?);
        let previous = BlockTag::from_bytes(reader.array()?);
        let last: Hash = reader.array()?;
        let checkpoint = (reader.u64()?, reader.array()?);
        let size = reader.u64()?;
        let peaks = (0..size.count_ones()).map(|_| reader.array());
        let peaks = peaks.collect::<Result<Vec<Hash>, _>>()?;
        reader.end()?;
        let tree = Peaks::from_parts(size, peaks).ok_or(WireError("the tree's size is another"))?;
        let chain = Chain {
            last,
            tree,
            checkpoint,
        };
        let start = Self {
            number,
            sequence,
            previous,
            chain,
        };
        Ok((signing, start))
    }
}

//! Making, opening and appending to the trail. Its bytes and promises stand at the top of the room, `audit/mod.rs`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::FlockOperation;
use subtle::ConstantTimeEq;

use super::AuditSink;
use super::error::AuditError;
use super::event::{AuditEvent, RequestParameters};
use super::reader::{MAX_RECORD, Step, TrailReader, Walk};
use crate::block::{Purpose, Scope};
use crate::clock::Clock;
use crate::ids::{DatabaseId, Generation, SegmentId, TableId};
use crate::key_record::{KeyRecord, KeyRecordError};
use crate::kms::{Caller, EncryptionContext, KeyRef, Kms};
use crate::provider::Provider;
use crate::sealer::Sealing;
use crate::secret::TableKey;
use crate::wire::{Put, Reader, WireError};

const MAGIC: &[u8; 8] = b"SEALAUD\0";
const FORMAT: u16 = 1;
/// Where the records begin.
pub(super) const HEAD_LEN: usize = 4096;
const MAC_AT: usize = HEAD_LEN - 32;
/// Written zeros ahead of the last record, for key events on a full disk.
const RESERVE: u64 = 1 << 20;
/// How much the file grows at a time.
const GROWTH: u64 = 256 << 10;

/// What opening a trail needs besides its path.
#[derive(Clone)]
pub struct TrailAccess {
    /// Gives the audit key. Not an [`AuditedKms`](super::AuditedKms): the trail records these calls itself.
    pub kms: Arc<dyn Kms>,
    /// Seals the records.
    pub sealing: Arc<dyn Sealing>,
    /// Dates the events.
    pub clock: Arc<dyn Clock>,
    /// The database that the trail belongs to.
    pub database: DatabaseId,
    /// Who opens it.
    pub caller: Caller,
}

/// The trail, open for appending. One process at a time; shared between its threads.
pub struct AuditTrail {
    path: PathBuf,
    /// `None` once it is closed.
    writer: Mutex<Option<Writer>>,
}

struct Writer {
    disk: Disk,
    /// Where the next record goes, its number, and the tag before it.
    walk: Walk,
    /// Bytes that are written, zeros included.
    len: u64,
    broken: bool,
}

impl AuditTrail {
    /// Makes a new trail with a new audit key under `alias/sealdb/system`. Its first record is the making of that key.
    ///
    /// # Errors
    /// [`AuditError::Exists`] if anything stands at `path`; [`AuditError::Key`] if the KMS gives no key; I/O errors.
    pub fn create(path: impl Into<PathBuf>, access: &TrailAccess) -> Result<Self, AuditError> {
        let path = path.into();
        if path.exists() {
            return Err(AuditError::Exists { path });
        }
        let context = EncryptionContext::for_audit(access.database, Generation::FIRST);
        let system = KeyRef::system();
        let (record, key) = KeyRecord::create(
            access.kms.as_ref(),
            &access.caller,
            &system,
            context.clone(),
            Generation::FIRST,
            access.sealing.suite(),
        )?;
        let mut trail_id = [0; 16];
        Provider::default_provider().random(&mut trail_id)?;
        let trail_id = SegmentId::from_bytes(trail_id);
        let head = encode_head(&path, access.database, trail_id, &record, &key)?;

        // Made whole under a temporary name, so that no crash leaves half a trail.
        let temporary = path.with_extension("trail.tmp");
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(AuditError::io("remove", &temporary, error));
            }
            _ => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|error| AuditError::io("create", &path, error))?;
        lock(&file, &path)?;
        file.write_all_at(&head, 0)
            .map_err(|error| AuditError::io("write", &path, error))?;
        let walk = Walk::new(&path, access.sealer(key), trail_id);
        let mut writer = Writer {
            disk: Disk::new(file),
            walk,
            len: HEAD_LEN as u64,
            broken: false,
        };
        writer
            .grow(RESERVE + GROWTH)
            .map_err(|error| AuditError::io("write", &path, error))?;
        let request = RequestParameters {
            key_id: Some(system.to_string()),
            encryption_context: Some(context),
            ..RequestParameters::default()
        };
        let event = AuditEvent::key(
            access.clock.as_ref(),
            "GenerateDataKey",
            &access.caller,
            request,
        )
        .used_key(record.key_id.as_str());
        writer.append(&path, &event)?;
        writer
            .disk
            .file
            .sync_all()
            .map_err(|error| AuditError::io("sync", &path, error))?;
        std::fs::rename(&temporary, &path).map_err(|error| AuditError::io("name", &path, error))?;
        sync_directory(&path)?;
        Ok(Self {
            path,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Opens the trail for appending: verifies every record, ends a torn one, and records the use of the audit key.
    ///
    /// # Errors
    /// [`AuditError::NotFound`], [`AuditError::NotATrail`], [`AuditError::Format`], [`AuditError::OtherDatabase`],
    /// [`AuditError::Key`], [`AuditError::Corrupt`], [`AuditError::Locked`], I/O errors.
    pub fn open(path: impl Into<PathBuf>, access: &TrailAccess) -> Result<Self, AuditError> {
        let path = path.into();
        let file = open_file(&path, true)?;
        lock(&file, &path)?;
        let (record, mut walk) = open_head(&path, &file, access)?;
        let torn = loop {
            match walk.step(&file)? {
                Step::Record(_) => {}
                Step::End { torn } => break torn,
            }
        };
        let len = file
            .metadata()
            .map_err(|error| AuditError::io("stat", &path, error))?
            .len();
        let mut writer = Writer {
            disk: Disk::new(file),
            walk,
            len,
            broken: false,
        };
        if torn {
            writer.end_torn(&path)?;
            tracing::warn!(
                path = %path.display(),
                sequence = writer.walk.sequence,
                "the last audit record was unfinished after a crash; its key was not handed out"
            );
            let event = AuditEvent::new(
                access.clock.as_ref(),
                "trail.sealdb",
                "EndTornRecord",
                &access.caller,
            );
            writer.append(&path, &event)?;
        }
        let request = RequestParameters {
            key_id: Some(record.key_id.to_string()),
            encryption_context: Some(record.context.clone()),
            ..RequestParameters::default()
        };
        let event = AuditEvent::key(access.clock.as_ref(), "Decrypt", &access.caller, request)
            .used_key(record.key_id.as_str());
        writer.append(&path, &event)?;
        Ok(Self {
            path,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Opens the trail for reading only, also while another process appends to it. Leaves no record of itself.
    ///
    /// # Errors
    /// Those of [`AuditTrail::open`], without [`AuditError::Locked`]; a corrupt record is told by the iterator.
    pub fn open_read_only(path: &Path, access: &TrailAccess) -> Result<TrailReader, AuditError> {
        let file = open_file(path, false)?;
        let (_, walk) = open_head(path, &file, access)?;
        Ok(TrailReader { file, walk })
    }

    /// Reads the records from the first on, beside the appending.
    ///
    /// # Errors
    /// [`AuditError::Closed`]; an I/O error if the file cannot be opened a second time.
    pub fn iter(&self) -> Result<TrailReader, AuditError> {
        let writer = self.writer.lock();
        let writer = writer.as_ref().ok_or_else(|| self.closed())?;
        let file = open_file(&self.path, false)?;
        let walk = Walk::new(
            &self.path,
            Arc::clone(&writer.walk.sealer),
            writer.walk.trail,
        );
        Ok(TrailReader { file, walk })
    }

    /// Where its file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets its lock go: another may open the trail. Whoever asks this one to record an event is refused from now on.
    pub fn close(&self) {
        *self.writer.lock() = None;
    }

    fn closed(&self) -> AuditError {
        AuditError::Closed {
            path: self.path.clone(),
        }
    }
}

impl AuditSink for AuditTrail {
    fn append(&self, event: &AuditEvent) -> Result<(), AuditError> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(|| self.closed())?;
        writer.append(&self.path, event)
    }
}

impl TrailAccess {
    fn sealer(&self, key: TableKey) -> Arc<dyn crate::sealer::Sealer> {
        let scope = Scope {
            database: self.database,
            table: TableId::SYSTEM,
            purpose: Purpose::Audit,
        };
        self.sealing.sealer(&Arc::new(key), scope)
    }
}

impl Writer {
    fn append(&mut self, path: &Path, event: &AuditEvent) -> Result<(), AuditError> {
        if self.broken {
            return Err(AuditError::Broken {
                path: path.to_owned(),
            });
        }
        let json = serde_json::to_vec(event).map_err(AuditError::Encode)?;
        let (record, tag) = self.walk.seal(&json)?;
        self.make_room(path, record.len() as u64, event.is_key_event())?;

        // Crash here or in the write: the record is absent or torn after recovery, and its key was not handed out.
        let written = self
            .disk
            .write_at(&record, self.walk.offset)
            .and_then(|()| self.disk.sync());
        if let Err(error) = written {
            // What is on the disk is unknown now, and a later sync would not tell (fsync reports an error once).
            self.broken = true;
            return Err(AuditError::io("write", path, error));
        }
        self.walk.offset += record.len() as u64;
        self.len = self.len.max(self.walk.offset);
        self.walk.sequence += 1;
        self.walk.previous = tag;
        Ok(())
    }

    /// Keeps the reserve ahead of the record. On a full disk a key event eats into it, any other event is refused.
    fn make_room(
        &mut self,
        path: &Path,
        record_len: u64,
        key_event: bool,
    ) -> Result<(), AuditError> {
        let end = self.walk.offset + record_len;
        if end + RESERVE <= self.len {
            return Ok(());
        }
        match self.grow(end + RESERVE + GROWTH - self.len) {
            Ok(()) => Ok(()),
            Err(_) if end + RESERVE <= self.len => Ok(()),
            Err(error) if key_event && end <= self.len => {
                tracing::warn!(path = %path.display(), left = self.len - end, %error,
                    "the disk is full; the audit trail uses its reserve");
                Ok(())
            }
            Err(_) => Err(AuditError::Full {
                path: path.to_owned(),
            }),
        }
    }

    /// Writes zeros at the end. What could be written counts even if not all could. Durable with the next sync; until then a
    /// crash at worst shortens the file.
    fn grow(&mut self, by: u64) -> io::Result<()> {
        let zeros = vec![0; 64 << 10];
        let target = self.len + by;
        while self.len < target {
            let take = usize::try_from(target - self.len)
                .unwrap_or(usize::MAX)
                .min(zeros.len());
            self.disk
                .write_at(zeros.get(..take).unwrap_or_default(), self.len)?;
            self.len += take as u64;
        }
        Ok(())
    }

    /// Overwrites an unfinished record with zeros.
    fn end_torn(&mut self, path: &Path) -> Result<(), AuditError> {
        let len = usize::try_from(self.len.saturating_sub(self.walk.offset))
            .unwrap_or(usize::MAX)
            .min(MAX_RECORD);
        let zeros = vec![0; len];
        self.disk
            .write_at(&zeros, self.walk.offset)
            .and_then(|()| self.disk.sync())
            .map_err(|error| AuditError::io("write", path, error))
    }
}

/// The file; in tests, one that can be told to be full or to fail.
struct Disk {
    file: File,
    #[cfg(test)]
    faults: super::tests::Faults,
}

impl Disk {
    fn new(file: File) -> Self {
        Self {
            file,
            #[cfg(test)]
            faults: super::tests::Faults::default(),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        #[cfg(test)]
        self.faults.on_write(offset + bytes.len() as u64)?;
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        self.faults.on_sync()?;
        self.file.sync_data()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
impl AuditTrail {
    /// Changes the faults of the file under the trail.
    pub(super) fn faults<R>(&self, change: impl FnOnce(&mut super::tests::Faults) -> R) -> R {
        change(&mut self.writer.lock().as_mut().unwrap().disk.faults)
    }

    pub(super) fn ahead(&self) -> u64 {
        let writer = self.writer.lock();
        let writer = writer.as_ref().unwrap();
        writer.len - writer.walk.offset
    }
}

fn encode_head(
    path: &Path,
    database: DatabaseId,
    trail: SegmentId,
    record: &KeyRecord,
    key: &TableKey,
) -> Result<Vec<u8>, AuditError> {
    let mut head = Vec::with_capacity(HEAD_LEN);
    head.extend_from_slice(MAGIC);
    head.put_u16(FORMAT);
    head.put_u8(record.suite);
    head.put_u8(0);
    head.extend_from_slice(database.as_bytes());
    head.extend_from_slice(trail.as_bytes());
    head.put_bytes(&record.encode());
    if head.len() > MAC_AT {
        return Err(AuditError::Damaged {
            path: path.to_owned(),
            what: "the wrapped audit key is too long",
        });
    }
    head.resize(MAC_AT, 0);
    let mac = head_mac(key, &head);
    head.extend_from_slice(&mac);
    Ok(head)
}

/// Reads the head, has the KMS unwrap the audit key, and authenticates the head with it.
fn open_head(
    path: &Path,
    file: &File,
    access: &TrailAccess,
) -> Result<(KeyRecord, Walk), AuditError> {
    let damaged = |what| AuditError::Damaged {
        path: path.to_owned(),
        what,
    };
    let mut head = [0; HEAD_LEN];
    file.read_exact_at(&mut head, 0)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => AuditError::NotATrail {
                path: path.to_owned(),
            },
            _ => AuditError::io("read", path, error),
        })?;
    let (authenticated, mac) = head
        .split_at_checked(MAC_AT)
        .ok_or_else(|| damaged("it is too short"))?;
    let mut reader = Reader::new(authenticated);
    if reader.array::<8>().as_ref() != Ok(MAGIC) {
        return Err(AuditError::NotATrail {
            path: path.to_owned(),
        });
    }
    let short = |error: WireError| damaged(error.0);
    let found = reader.u16().map_err(short)?;
    if found != FORMAT {
        return Err(AuditError::Format {
            path: path.to_owned(),
            found,
            supported: FORMAT,
        });
    }
    if reader.u8().map_err(short)? != access.sealing.suite() {
        return Err(damaged("unknown suite"));
    }
    let _zero = reader.u8().map_err(short)?;
    if reader.array().map_err(short)? != *access.database.as_bytes() {
        return Err(AuditError::OtherDatabase {
            path: path.to_owned(),
        });
    }
    let trail = SegmentId::from_bytes(reader.array().map_err(short)?);
    let record =
        KeyRecord::decode(reader.bytes().map_err(short)?).map_err(|error| match error {
            KeyRecordError::Malformed(error) => damaged(error.0),
            other => AuditError::Key(other),
        })?;
    let context = EncryptionContext::for_audit(access.database, record.generation);
    let key = record.unwrap(access.kms.as_ref(), &access.caller, &context)?;
    if !bool::from(head_mac(&key, authenticated).ct_eq(mac)) {
        return Err(damaged("it does not authenticate"));
    }
    let walk = Walk::new(path, access.sealer(key), trail);
    Ok((record, walk))
}

fn head_mac(key: &TableKey, head: &[u8]) -> [u8; 32] {
    Provider::default_provider().hmac_sha256(key.secret(), &[b"audit head", head])
}

fn open_file(path: &Path, write: bool) -> Result<File, AuditError> {
    OpenOptions::new()
        .read(true)
        .write(write)
        .open(path)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => AuditError::NotFound {
                path: path.to_owned(),
            },
            _ => AuditError::io("open", path, error),
        })
}

fn lock(file: &File, path: &Path) -> Result<(), AuditError> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(AuditError::Locked {
            path: path.to_owned(),
        }),
        Err(error) => Err(AuditError::io("lock", path, error)),
    }
}

fn sync_directory(path: &Path) -> Result<(), AuditError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| AuditError::io("sync the directory of", path, error))
}

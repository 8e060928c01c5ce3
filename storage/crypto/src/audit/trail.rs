//! Making, opening and appending to the trail. Its bytes and promises stand at the top of the room, `audit/mod.rs`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::fs::FlockOperation;

use super::AuditSink;
use super::chain::checkpoint_event;
use super::error::AuditError;
use super::event::{AuditEvent, RequestParameters, rfc3339};
use super::head::{HEAD_LEN, ItemKey, Keys, Start, unlock};
use super::pending::{Batch, Pending};
use super::reader::{MAX_RECORD, Step, TrailReader, Walk};
use crate::clock::Clock;
use crate::ids::{DatabaseId, Generation, SegmentId};
use crate::key_record::KeyRecord;
use crate::kms::{Caller, EncryptionContext, KeyRef, Kms};
use crate::provider::Provider;
use crate::sealer::Sealing;
use crate::signing::{PublicKey, SIGNATURE_LEN, SigningKey};
use crate::wire::hex;

/// Written zeros ahead of the last record, for key events on a full disk.
const RESERVE: u64 = 1 << 20;
/// How much the file grows at a time.
const GROWTH: u64 = 256 << 10;
/// Room for any one event of administration.
const READY: u64 = 48 << 10;
/// After so many events, or so much time since the last one, comes a checkpoint.
const CHECKPOINT_EVENTS: u64 = 1024;
const CHECKPOINT_AGE_MS: u64 = 10 * 60 * 1000;
/// A file that is longer is put aside, and a new one begun.
const FILE_LEN: u64 = 64 << 20;

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
    clock: Arc<dyn Clock>,
    items: Arc<ItemKey>,
    /// `None` once it is closed.
    writer: Mutex<Option<Writer>>,
    pending: Mutex<Pending>,
    /// Told when much is pending.
    much: Condvar,
}

struct Writer {
    disk: Disk,
    keys: Arc<Keys>,
    /// Where the next record goes, its number, and what comes before it.
    walk: Walk,
    /// Bytes that are written, zeros included.
    len: u64,
    /// Of the file, from 1.
    number: u64,
    /// A new file is begun when this one is so long.
    full_at: u64,
    /// When the last checkpoint was made, or the trail was opened.
    checkpoint_ms: u64,
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
        let provider = Provider::default_provider();
        let (trail, signing) = (
            SegmentId::generate(provider)?,
            SigningKey::generate(provider)?,
        );
        let used = record.key_id.clone();
        let keys = Arc::new(Keys::new(access, trail, (record, key), signing)?);

        // Made whole under a temporary name, so that no crash leaves half a trail.
        let mut writer = Writer::begin(&path, keys, Start::first(), access.clock.wall_ms())?;
        let request = RequestParameters {
            key_id: Some(system.to_string()),
            encryption_context: Some(context),
            ..RequestParameters::default()
        };
        let clock = access.clock.as_ref();
        let event = AuditEvent::key(clock, "GenerateDataKey", &access.caller, request);
        let event = encode(&event.used_key(used.as_str()))?;
        writer.append(&path, clock, &[event], Kind::Key)?;
        writer.install(&path)?;
        Ok(Self::of(path, writer, access))
    }

    /// Opens the trail for appending: verifies every record of its newest file, ends a torn one, and records the use of the audit key.
    ///
    /// # Errors
    /// [`AuditError::NotFound`], [`AuditError::NotATrail`], [`AuditError::Format`], [`AuditError::OtherDatabase`],
    /// [`AuditError::Key`], [`AuditError::Corrupt`], [`AuditError::Locked`], I/O errors.
    pub fn open(path: impl Into<PathBuf>, access: &TrailAccess) -> Result<Self, AuditError> {
        let path = path.into();
        let file = open_file(&path, true)?;
        lock(&file, &path)?;
        let (keys, start) = unlock(&path, &file, access)?;
        let number = start.number;
        let mut walk = Walk::new(&path, (keys.sealer.clone(), keys.trail), start);
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
        let request = RequestParameters {
            key_id: Some(keys.record.key_id.to_string()),
            encryption_context: Some(keys.record.context.clone()),
            ..RequestParameters::default()
        };
        let clock = access.clock.as_ref();
        let event = AuditEvent::key(clock, "Decrypt", &access.caller, request)
            .used_key(keys.record.key_id.as_str());
        let mut writer = Writer {
            disk: Disk::new(file),
            keys: Arc::new(keys),
            walk,
            len,
            number,
            full_at: FILE_LEN,
            checkpoint_ms: clock.wall_ms(),
            broken: false,
        };
        if torn {
            writer.end_torn(&path)?;
            tracing::warn!(
                path = %path.display(),
                sequence = writer.walk.sequence,
                "the last audit record was unfinished after a crash; its key was not handed out"
            );
            let ended = AuditEvent::of_trail(clock, "EndTornRecord", &access.caller);
            writer.append(&path, clock, &[encode(&ended)?], Kind::Management)?;
        }
        writer.append(&path, clock, &[encode(&event)?], Kind::Key)?;
        Ok(Self::of(path, writer, access))
    }

    fn of(path: PathBuf, writer: Writer, access: &TrailAccess) -> Self {
        Self {
            path,
            clock: access.clock.clone(),
            items: writer.keys.items.clone(),
            writer: Mutex::new(Some(writer)),
            pending: Mutex::default(),
            much: Condvar::new(),
        }
    }

    /// Opens the trail for reading only, also while another process appends to it. Leaves no record of itself.
    ///
    /// # Errors
    /// Those of [`AuditTrail::open`], without [`AuditError::Locked`]; a corrupt record is told by the iterator.
    pub fn open_read_only(path: &Path, access: &TrailAccess) -> Result<TrailReader, AuditError> {
        TrailReader::open(path, access)
    }

    /// Reads the records from the first on, beside the appending.
    ///
    /// # Errors
    /// [`AuditError::Closed`]; an I/O error if the file cannot be opened a second time.
    pub fn iter(&self) -> Result<TrailReader, AuditError> {
        let writer = self.writer.lock();
        let writer = writer.as_ref().ok_or_else(|| self.closed())?;
        TrailReader::of(&self.path, Arc::clone(&writer.keys), writer.number)
    }

    /// Where its newest file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Signs a report of the database's with the key that signs the trail's checkpoints. The message begins with what it is.
    ///
    /// # Errors
    /// [`AuditError::Closed`].
    pub fn sign(&self, message: &[u8]) -> Result<(PublicKey, [u8; SIGNATURE_LEN]), AuditError> {
        let writer = self.writer.lock();
        let writer = writer.as_ref().ok_or_else(|| self.closed())?;
        let signing = &writer.keys.signing;
        Ok((signing.public(), signing.sign(message)))
    }

    /// The hash by which events name the key of an item: `key` is the item of its key attributes alone, encoded.
    pub fn item_hash(&self, table: &str, key: &[u8]) -> String {
        self.items.hash(table, key)
    }

    /// Notes an event that nothing waits for. It is written with others, by the next [`AuditTrail::flush`]; a crash before loses it. If too
    /// many wait, it is counted instead, and the number written.
    pub fn note(&self, event: &AuditEvent) {
        let Ok(json) = encode(event) else {
            return;
        };
        if self.pending.lock().push(json) {
            self.much.notify_one();
        }
    }

    /// Whether an event of administration could be recorded now. **Blocking.**
    ///
    /// # Errors
    /// Those that recording one would have.
    pub fn ready(&self) -> Result<(), AuditError> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(|| self.closed())?;
        writer.ready(&self.path)
    }

    /// Waits until much is pending, at most so long.
    pub fn wait(&self, at_most: Duration) {
        let mut pending = self.pending.lock();
        if !pending.is_much() {
            self.much.wait_for(&mut pending, at_most);
        }
    }

    /// Ends a wait.
    pub fn wake(&self) {
        self.much.notify_all();
    }

    /// Writes what was noted, and makes it durable. **Blocking.**
    ///
    /// # Errors
    /// What was not written is kept, up to a bound.
    pub fn flush(&self) -> Result<(), AuditError> {
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(|| self.closed())?;
        self.flush_into(writer)
    }

    fn flush_into(&self, writer: &mut Writer) -> Result<(), AuditError> {
        loop {
            let Batch {
                mut events,
                left_out,
            } = self.pending.lock().take();
            let count = events.len();
            if left_out > 0 {
                events.push(encode(&self.left_out(left_out))?);
            }
            if events.is_empty() {
                return Ok(());
            }
            if let Err(error) = writer.append(&self.path, &*self.clock, &events, Kind::Noted) {
                events.truncate(count);
                self.pending.lock().put_back(Batch { events, left_out });
                return Err(error);
            }
        }
    }

    fn left_out(&self, count: u64) -> AuditEvent {
        let mut event = AuditEvent::of_trail(&*self.clock, "EventsLeftOut", &Caller::database());
        let count = count.into();
        event
            .additional_event_data
            .insert("count".to_owned(), count);
        event
    }

    /// Lets its lock go: another may open the trail. Whoever asks this one to record an event is refused from now on. What was noted is
    /// written before, and a checkpoint, unless the disk refuses.
    pub fn close(&self) {
        if let Some(mut writer) = self.writer.lock().take() {
            let ended = self
                .flush_into(&mut writer)
                .and_then(|()| writer.append(&self.path, &*self.clock, &[], Kind::Last));
            if let Err(error) = ended {
                tracing::warn!(%error, "the audit trail was closed without a last checkpoint");
            }
        }
    }

    fn closed(&self) -> AuditError {
        AuditError::Closed {
            path: self.path.clone(),
        }
    }
}

impl AuditSink for AuditTrail {
    fn append(&self, event: &AuditEvent) -> Result<(), AuditError> {
        let json = encode(event)?;
        let mut writer = self.writer.lock();
        let writer = writer.as_mut().ok_or_else(|| self.closed())?;
        let kind = match event.may_take_the_reserve() {
            true => Kind::Key,
            false => Kind::Management,
        };
        writer.append(&self.path, &*self.clock, &[json], kind)
    }
}

/// What is appended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A key event, which may use the reserve.
    Key,
    /// Any other that somebody waits for: half of the reserve.
    Management,
    /// What was noted.
    Noted,
    /// Nothing more: a checkpoint over all events, if any came after the one before.
    Last,
}

impl Kind {
    /// What it leaves of the reserve of a full disk.
    fn keeps(self) -> u64 {
        match self {
            Kind::Key => 0,
            Kind::Management => RESERVE / 2,
            Kind::Noted | Kind::Last => RESERVE,
        }
    }
}

fn encode(event: &AuditEvent) -> Result<String, AuditError> {
    serde_json::to_string(event).map_err(AuditError::Encode)
}

impl Writer {
    /// Begins a file under a temporary name, and locks it.
    fn begin(path: &Path, keys: Arc<Keys>, start: Start, now_ms: u64) -> Result<Self, AuditError> {
        let head = keys.head(path, &start)?;
        let temporary = temporary(path);
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
            .map_err(|error| AuditError::io("create", path, error))?;
        lock(&file, path)?;
        let disk = Disk::new(file);
        let written = |error| AuditError::io("write", path, error);
        disk.write_at(&head, 0).map_err(written)?;
        let number = start.number;
        let mut writer = Self {
            disk,
            walk: Walk::new(path, (keys.sealer.clone(), keys.trail), start),
            keys,
            len: HEAD_LEN as u64,
            number,
            full_at: FILE_LEN,
            checkpoint_ms: now_ms,
            broken: false,
        };
        writer.grow(RESERVE + GROWTH).map_err(written)?;
        Ok(writer)
    }

    /// Gives the file its name, durably.
    fn install(&self, path: &Path) -> Result<(), AuditError> {
        let file = &self.disk.file;
        file.sync_all()
            .map_err(|error| AuditError::io("sync", path, error))?;
        std::fs::rename(temporary(path), path)
            .map_err(|error| AuditError::io("name", path, error))?;
        sync_directory(path)
    }

    fn ready(&mut self, path: &Path) -> Result<(), AuditError> {
        if self.broken {
            return Err(AuditError::Broken {
                path: path.to_owned(),
            });
        }
        self.make_room(path, READY, Kind::Management)
    }

    /// Appends events as one record, behind a checkpoint if one is due.
    fn append(
        &mut self,
        path: &Path,
        clock: &dyn Clock,
        events: &[String],
        kind: Kind,
    ) -> Result<(), AuditError> {
        if self.broken {
            return Err(AuditError::Broken {
                path: path.to_owned(),
            });
        }
        if self.walk.offset >= self.full_at {
            self.begin_next(path, clock);
        }
        let checkpoint = match self.is_checkpoint_due(clock, kind) {
            true => Some(self.checkpoint(clock)?),
            false if events.is_empty() => return Ok(()),
            false => None,
        };
        let events = checkpoint.iter().chain(events).map(String::as_str);
        let record = self.walk.seal(events)?;
        self.make_room(path, record.bytes.len() as u64, kind)?;

        // Crash here or in the write: the record is absent or torn after recovery, and its key was not handed out.
        let written = self
            .disk
            .write_at(&record.bytes, self.walk.offset)
            .and_then(|()| self.disk.sync());
        if let Err(error) = written {
            // What is on the disk is unknown now, and a later sync would not tell (fsync reports an error once).
            self.broken = true;
            return Err(AuditError::io("write", path, error));
        }
        let before = (self.walk.chain.tree.size(), self.walk.chain.tree.root());
        self.walk.wrote(record);
        if checkpoint.is_some() {
            self.walk.chain.checkpoint = before;
            self.checkpoint_ms = clock.wall_ms();
        }
        self.len = self.len.max(self.walk.offset);
        Ok(())
    }

    /// Whether enough events, or time, lie behind the last checkpoint. What is left of a full disk is for events.
    fn is_checkpoint_due(&self, clock: &dyn Clock, kind: Kind) -> bool {
        let (last, _) = self.walk.chain.checkpoint;
        // The first of them is that checkpoint itself.
        let events = self.walk.chain.tree.size().saturating_sub(last);
        let age = clock.wall_ms().saturating_sub(self.checkpoint_ms);
        let by_now = events >= CHECKPOINT_EVENTS || age >= CHECKPOINT_AGE_MS || kind == Kind::Last;
        by_now && events > 1 && self.walk.offset + RESERVE <= self.len
    }

    /// The event with a checkpoint over all events so far.
    fn checkpoint(&self, clock: &dyn Clock) -> Result<String, AuditError> {
        let time = rfc3339(clock.wall_ms());
        let checkpoint = self.walk.chain.checkpoint(self.keys.trail, time);
        let event = AuditEvent::of_trail(clock, super::chain::CHECKPOINT, &Caller::database());
        encode(&checkpoint_event(
            event,
            &checkpoint.sign(&self.keys.signing),
        ))
    }

    /// Puts the file aside and begins the next one. If that fails, this one grows on.
    fn begin_next(&mut self, path: &Path, clock: &dyn Clock) {
        let start = Start {
            number: self.number + 1,
            sequence: self.walk.sequence,
            previous: self.walk.previous,
            chain: self.walk.chain.clone(),
        };
        let aside = file_of(path, self.keys.trail, self.number);
        let next = Self::begin(path, self.keys.clone(), start, clock.wall_ms()).and_then(|next| {
            // Crash between the two: one file has both names, and is appended to until the next attempt.
            match std::fs::hard_link(path, &aside) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(AuditError::io("link", &aside, error));
                }
                _ => {}
            }
            next.install(path)?;
            Ok(next)
        });
        match next {
            Ok(next) => {
                tracing::info!(path = %aside.display(), "the audit trail goes on in a new file");
                let checkpoint_ms = self.checkpoint_ms;
                *self = next;
                self.checkpoint_ms = checkpoint_ms;
            }
            Err(error) => {
                tracing::warn!(%error, "the audit trail cannot go on in a new file yet");
                // Half a file would take what is left of a full disk.
                let _ = std::fs::remove_file(temporary(path));
                self.full_at = self.walk.offset + GROWTH;
            }
        }
    }

    /// Keeps the reserve ahead of the record. On a full disk a key event eats into it, administration into half of it.
    fn make_room(&mut self, path: &Path, record_len: u64, kind: Kind) -> Result<(), AuditError> {
        let end = self.walk.offset + record_len;
        if end + RESERVE <= self.len {
            return Ok(());
        }
        match self.grow(end + RESERVE + GROWTH - self.len) {
            Ok(()) => Ok(()),
            Err(_) if end + RESERVE <= self.len => Ok(()),
            Err(error) if end + kind.keeps() <= self.len => {
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

    /// A new file is begun once this one has so many bytes of records.
    pub(super) fn set_full_at(&self, len: u64) {
        self.writer.lock().as_mut().unwrap().full_at = HEAD_LEN as u64 + len;
    }
}

/// The name of a file that was put aside. It holds the id of its trail, so that what is left of another does not stand in the way.
pub(super) fn file_of(newest: &Path, trail: SegmentId, number: u64) -> PathBuf {
    let id = hex(trail.as_bytes());
    let id = id.get(..8).unwrap_or_default();
    let stem = newest.file_stem().unwrap_or_default().to_string_lossy();
    newest.with_file_name(format!("{stem}-{id}-{number:06}.trail"))
}

fn temporary(path: &Path) -> PathBuf {
    path.with_extension("trail.tmp")
}

pub(super) fn open_file(path: &Path, write: bool) -> Result<File, AuditError> {
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

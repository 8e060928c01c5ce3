use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tempfile::TempDir;
use tracing::{Event, Level, Metadata, Subscriber, span};

use super::head::HEAD_LEN;
use super::reader::{ALIGN, MAX_RECORD, PREFIX_LEN};
use super::*;
use crate::clock::{Clock, ManualClock};
use crate::epoch::EpochLimits;
use crate::ids::DatabaseId;
use crate::keyring::{Keyring, RootKeySource};
use crate::kms::{Caller, EncryptionContext, KeyRef, KeyState, Kms, KmsError};
use crate::provider::Provider;
use crate::sealer::Aes256Gcm;
use crate::testing::{MemoryTrail, ScriptedKms};

/// Faults of the file under a trail.
#[derive(Default)]
pub(super) struct Faults {
    /// No byte beyond this offset can be written.
    pub(super) full_at: Option<u64>,
    /// Syncs fail.
    pub(super) fail_sync: bool,
}

impl Faults {
    pub(super) fn on_write(&self, end: u64) -> io::Result<()> {
        match self.full_at {
            Some(limit) if end > limit => Err(io::Error::from(io::ErrorKind::StorageFull)),
            _ => Ok(()),
        }
    }

    pub(super) fn on_sync(&self) -> io::Result<()> {
        if self.fail_sync {
            Err(io::Error::other("scripted"))
        } else {
            Ok(())
        }
    }
}

mod files;
mod history;
mod proofs;

const MIB: u64 = 1 << 20;

pub(super) struct Place {
    dir: TempDir,
    clock: Arc<ManualClock>,
    keyring: Arc<Keyring>,
    access: TrailAccess,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let manual = Arc::new(ManualClock::new());
        let clock: Arc<dyn Clock> = manual.clone();
        let source = RootKeySource::create_file(dir.path().join("root.key")).unwrap();
        let keyring =
            Arc::new(Keyring::create(dir.path().join("k"), source, Arc::clone(&clock)).unwrap());
        let access = TrailAccess {
            kms: Arc::clone(&keyring) as Arc<dyn Kms>,
            sealing: Arc::new(Aes256Gcm::new(
                Provider::default_provider(),
                EpochLimits::default(),
                Arc::clone(&clock),
            )),
            clock,
            database: DatabaseId::from_bytes([7; 16]),
            caller: Caller::with_request("tester", "request-0"),
        };
        Self {
            dir,
            clock: manual,
            keyring,
            access,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit.trail")
    }

    fn create(&self) -> AuditTrail {
        AuditTrail::create(self.path(), &self.access).unwrap()
    }

    fn open(&self) -> Result<AuditTrail, AuditError> {
        AuditTrail::open(self.path(), &self.access)
    }

    fn read(&self) -> Result<Vec<AuditRecord>, AuditError> {
        AuditTrail::open_read_only(&self.path(), &self.access)?.collect()
    }

    fn names(&self) -> Vec<String> {
        self.read()
            .unwrap()
            .into_iter()
            .map(|record| record.event.event_name)
            .collect()
    }

    fn event(&self, name: &str) -> AuditEvent {
        let request = RequestParameters {
            key_id: Some("canary-key".to_owned()),
            encryption_context: Some(EncryptionContext::new().with("table", "canary-table")),
            ..RequestParameters::default()
        };
        AuditEvent::key(
            self.access.clock.as_ref(),
            name,
            &self.access.caller,
            request,
        )
    }

    /// Start of each record in the file, and the end of the last.
    fn bounds(&self) -> Vec<usize> {
        let bytes = fs::read(self.path()).unwrap();
        let mut at = HEAD_LEN;
        let mut bounds = vec![at];
        loop {
            let len = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            if len == 0 {
                return bounds;
            }
            at += (PREFIX_LEN + len).next_multiple_of(ALIGN);
            bounds.push(at);
        }
    }

    /// A trail with records: GenerateDataKey, A, B, C.
    fn filled() -> (Self, Vec<u8>, Vec<usize>) {
        let place = Self::new();
        let trail = place.create();
        for name in ["A", "B", "C"] {
            trail.append(&place.event(name)).unwrap();
        }
        drop(trail);
        let bytes = fs::read(place.path()).unwrap();
        let bounds = place.bounds();
        (place, bytes, bounds)
    }
}

#[test]
fn events_are_read_back_in_order_and_opening_leaves_one() {
    let place = Place::new();
    let trail = place.create();
    let event = place.event("Decrypt");
    trail.append(&event).unwrap();
    let read: Vec<_> = trail.iter().unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].event.event_name, "GenerateDataKey");
    assert_eq!((read[1].sequence, &read[1].event), (2, &event));
    drop(trail);
    let trail = place.open().unwrap();
    trail.append(&place.event("Encrypt")).unwrap();
    assert_eq!(
        place.names(),
        ["GenerateDataKey", "Decrypt", "Decrypt", "Encrypt"]
    );
    let sequences: Vec<_> = place
        .read()
        .unwrap()
        .iter()
        .map(|record| record.sequence)
        .collect();
    assert_eq!(sequences, [1, 2, 3, 4]);
    assert!(matches!(
        AuditTrail::create(place.path(), &place.access),
        Err(AuditError::Exists { .. })
    ));
    assert!(matches!(place.open(), Err(AuditError::Locked { .. })));
}

#[test]
fn nothing_readable_stands_in_the_file() {
    let (place, bytes, _) = Place::filled();
    for word in ["canary", "tester", "request-0", "eventName"] {
        assert!(
            !bytes
                .windows(word.len())
                .any(|window| window == word.as_bytes()),
            "{word}"
        );
    }
    // The search can find: the events do hold the words.
    assert!(format!("{:?}", place.read().unwrap()).contains("canary-table"));
}

#[test]
fn a_flipped_bit_in_head_or_middle_is_refused() {
    let (place, bytes, bounds) = Place::filled();
    let last = bounds[3];
    for at in 0..last {
        // Every byte of the head that means something, some of its padding, and every byte of the records.
        if (1000..HEAD_LEN - 32).contains(&at) && at % 97 != 0 {
            continue;
        }
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        fs::write(place.path(), &changed).unwrap();
        let answer = place.read();
        // The zeros after a block are the one thing that means nothing; no record ends up changed through them.
        if let Ok(records) = &answer {
            let padding = bounds.windows(2).any(|pair| {
                let len =
                    u32::from_be_bytes(bytes[pair[0]..pair[0] + 4].try_into().unwrap()) as usize;
                (pair[0] + PREFIX_LEN + len..pair[1]).contains(&at)
            });
            assert!(padding, "byte {at} changed and nobody noticed");
            assert_eq!(records.len(), 4);
        }
    }
    // Told by the record's number.
    let mut changed = bytes.clone();
    changed[bounds[1] + 60] ^= 1;
    fs::write(place.path(), &changed).unwrap();
    assert!(matches!(
        place.read(),
        Err(AuditError::Corrupt { sequence: 2, .. })
    ));
    assert!(matches!(
        place.open(),
        Err(AuditError::Corrupt { sequence: 2, .. })
    ));
}

#[test]
fn cutting_from_the_middle_and_reordering_are_refused() {
    let (place, bytes, bounds) = Place::filled();
    let part = |n: usize| bytes[bounds[n]..bounds[n + 1]].to_vec();
    let with = |records: Vec<Vec<u8>>| {
        let mut file = bytes[..HEAD_LEN].to_vec();
        file.extend(records.concat());
        file.resize(bytes.len(), 0);
        file
    };
    let blank = vec![0; bounds[2] - bounds[1]];
    for (what, file) in [
        ("cut", with(vec![part(0), part(2), part(3)])),
        ("zeroed", with(vec![part(0), blank, part(2), part(3)])),
        ("swapped", with(vec![part(0), part(2), part(1), part(3)])),
        (
            "doubled",
            with(vec![part(0), part(1), part(1), part(2), part(3)]),
        ),
        ("first cut", with(vec![part(1), part(2), part(3)])),
    ] {
        fs::write(place.path(), &file).unwrap();
        assert!(
            matches!(place.read(), Err(AuditError::Corrupt { .. })),
            "{what}: {:?}",
            place.read()
        );
        assert!(
            matches!(place.open(), Err(AuditError::Corrupt { .. })),
            "{what}"
        );
        assert_eq!(
            fs::read(place.path()).unwrap(),
            file,
            "{what}: a refused trail is left as it is"
        );
    }
    // Cutting the end is not noticed, as the documentation says.
    fs::write(place.path(), with(vec![part(0), part(1)])).unwrap();
    assert_eq!(place.names(), ["GenerateDataKey", "A"]);
}

#[test]
fn garbage_far_behind_the_end_is_corruption() {
    let (place, mut bytes, bounds) = Place::filled();
    let far = bounds[4] + 300 * 1024;
    bytes[far] = 1;
    fs::write(place.path(), &bytes).unwrap();
    assert!(matches!(
        place.read(),
        Err(AuditError::Corrupt { sequence: 5, .. })
    ));
}

#[test]
fn a_torn_last_record_is_ended_cleanly() {
    let (place, bytes, bounds) = Place::filled();
    let (start, end) = (bounds[3], bounds[4]);
    let body_end = {
        let len = u32::from_be_bytes(bytes[start..start + 4].try_into().unwrap()) as usize;
        start + PREFIX_LEN + len
    };
    for kept in (0..body_end - start)
        .step_by(7)
        .chain([1, 4, 12, 16, body_end - start - 1])
    {
        // The first `kept` bytes reached the disk; or all but them did.
        for first_half in [true, false] {
            let mut torn = bytes.clone();
            if first_half {
                torn[start + kept..end].fill(0)
            } else {
                torn[start..start + kept].fill(0)
            }
            if torn == bytes {
                continue;
            }
            fs::write(place.path(), &torn).unwrap();
            assert_eq!(place.names(), ["GenerateDataKey", "A", "B"], "kept {kept}");
            place.open().unwrap().append(&place.event("D")).unwrap();
            let names = place.names();
            let nothing_was_left = torn[start..end].iter().all(|&byte| byte == 0);
            let expected: &[&str] = if nothing_was_left {
                &["GenerateDataKey", "A", "B", "Decrypt", "D"]
            } else {
                &["GenerateDataKey", "A", "B", "EndTornRecord", "Decrypt", "D"]
            };
            assert_eq!(names, expected, "kept {kept}");
        }
    }
    // A file cut short in the last record, and right behind the head.
    fs::write(place.path(), &bytes[..start + 50]).unwrap();
    place.open().unwrap();
    assert_eq!(
        place.names(),
        ["GenerateDataKey", "A", "B", "EndTornRecord", "Decrypt"]
    );
    fs::write(place.path(), &bytes[..HEAD_LEN]).unwrap();
    place.open().unwrap();
    assert_eq!(place.names(), ["Decrypt"]);
}

#[test]
fn a_full_disk_takes_key_events_from_the_reserve_and_no_others() {
    let place = Place::new();
    let trail = place.create();
    assert!(trail.ahead() >= MIB);
    let len = fs::metadata(place.path()).unwrap().len();
    trail.faults(|faults| faults.full_at = Some(len));
    let long = "x".repeat(40_000);
    let key_event = || {
        let mut event = place.event("Decrypt");
        event.request_parameters.key_id = Some(long.clone());
        event
    };
    let other_event = || {
        let mut event = key_event();
        event.event_source = "admin.sealdb".to_owned();
        event
    };
    // Other events are taken until half of the reserve is used.
    let mut others = 0;
    let refused = loop {
        match trail.append(&other_event()) {
            Ok(()) => others += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AuditError::Full { .. }), "{refused}");
    assert!(others >= 1 && trail.ahead() >= MIB / 2 && trail.ahead() < MIB / 2 + 42_000);
    assert!(
        matches!(trail.ready(), Err(AuditError::Full { .. })) || trail.ahead() > MIB / 2 + 16_000
    );
    let mut keys = 0_usize;
    let refused = loop {
        match trail.append(&key_event()) {
            Ok(()) => keys += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AuditError::Full { .. }), "{refused}");
    assert!(
        keys > 10 && trail.ahead() < 42_000,
        "the whole reserve was used"
    );
    // Space is back: goes on, with the reserve restored; nothing was lost.
    trail.faults(|faults| faults.full_at = None);
    trail.append(&other_event()).unwrap();
    assert!(trail.ahead() >= MIB);
    assert_eq!(place.read().unwrap().len(), 1 + others + keys + 1);
    drop(trail);
    place.open().unwrap();
}

#[test]
fn after_a_failed_sync_the_trail_is_closed_until_reopened() {
    let place = Place::new();
    let trail = place.create();
    trail.faults(|faults| faults.fail_sync = true);
    assert!(matches!(
        trail.append(&place.event("A")),
        Err(AuditError::Io { .. })
    ));
    trail.faults(|faults| faults.fail_sync = false);
    assert!(matches!(
        trail.append(&place.event("B")),
        Err(AuditError::Broken { .. })
    ));
    drop(trail);
    place.open().unwrap().append(&place.event("C")).unwrap();
    assert_eq!(place.names().last().unwrap(), "C");
}

#[test]
fn a_reader_follows_a_writer() {
    let place = Place::new();
    let trail = place.create();
    const EVENTS: u64 = 150;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..EVENTS {
                trail.append(&place.event(&n.to_string())).unwrap();
            }
        });
        let mut reader = AuditTrail::open_read_only(&place.path(), &place.access).unwrap();
        let mut next = 1;
        while next <= EVENTS + 1 {
            for record in reader.by_ref() {
                let record = record.unwrap();
                assert_eq!(record.sequence, next);
                next += 1;
            }
        }
    });
}

#[test]
fn a_trail_of_another_database_or_behind_a_refused_key_does_not_open() {
    let place = Place::new();
    drop(place.create());
    let other = TrailAccess {
        database: DatabaseId::from_bytes([8; 16]),
        ..place.access.clone()
    };
    assert!(matches!(
        AuditTrail::open(place.path(), &other),
        Err(AuditError::OtherDatabase { .. })
    ));
    place.keyring.disable_system_key().unwrap();
    assert!(matches!(
        place.open(),
        Err(AuditError::Key(crate::key_record::KeyRecordError::Kms(
            KmsError::Denied { .. }
        )))
    ));
    place
        .keyring
        .set_state(&KeyRef::system(), KeyState::Enabled)
        .unwrap();
    let mut bytes = fs::read(place.path()).unwrap();
    bytes[9] = 3;
    fs::write(place.path(), &bytes).unwrap();
    let error = place.open().err().unwrap();
    assert!(error.to_string().contains("format 3"), "{error}");
    fs::write(place.path(), b"something else").unwrap();
    assert!(matches!(place.open(), Err(AuditError::NotATrail { .. })));
    fs::remove_file(place.path()).unwrap();
    assert!(matches!(place.open(), Err(AuditError::NotFound { .. })));
}

#[test]
fn an_event_that_is_too_large_changes_nothing() {
    let place = Place::new();
    let trail = place.create();
    let mut event = place.event("A");
    event.error_message = Some("x".repeat(MAX_RECORD));
    assert!(matches!(
        trail.append(&event),
        Err(AuditError::TooLarge { .. })
    ));
    trail.append(&place.event("B")).unwrap();
    assert_eq!(place.names(), ["GenerateDataKey", "B"]);
}

#[test]
fn every_call_leaves_an_event_before_its_answer() {
    let place = Place::new();
    let trail = Arc::new(place.create());
    let scripted = Arc::new(ScriptedKms::new(Arc::clone(&place.keyring) as Arc<dyn Kms>));
    let kms = AuditedKms::new(
        Arc::clone(&scripted) as Arc<dyn Kms>,
        Arc::clone(&trail) as Arc<dyn AuditSink>,
        Arc::clone(&place.access.clock),
    );
    let caller = Caller::with_request("alice", "request-1");
    let key = KeyRef::default_key();
    let context = EncryptionContext::new().with("sealdb:table-name", "airports");
    let made = kms.generate_data_key(&caller, &key, &context).unwrap();
    let wrapped = kms.encrypt(&caller, &key, b"x", &context).unwrap();
    kms.decrypt(&caller, &key, &made.wrapped, &context).unwrap();
    kms.re_encrypt(
        &caller,
        &wrapped.ciphertext,
        (&key, &context),
        (&key, &context),
    )
    .unwrap();
    kms.describe_key(&caller, &key).unwrap();
    scripted.deny(&key);
    // Denied by its id too.
    let by_id = KeyRef::Id(made.key_id.clone());
    assert!(matches!(
        kms.decrypt(&caller, &by_id, &made.wrapped, &context),
        Err(KmsError::Denied { .. })
    ));
    scripted.allow(&key);
    scripted.set_unavailable(true);
    assert!(
        kms.decrypt(&caller, &key, &made.wrapped, &context)
            .is_err_and(|error| error.is_transient())
    );
    assert_eq!((scripted.calls(), scripted.decrypts()), (7, 3));

    let events: Vec<_> = place
        .read()
        .unwrap()
        .into_iter()
        .skip(1)
        .map(|record| record.event)
        .collect();
    let told: Vec<_> = events
        .iter()
        .map(|e| (e.event_name.as_str(), e.error_code.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("GenerateDataKey", None),
            ("Encrypt", None),
            ("Decrypt", None),
            ("ReEncrypt", None),
            ("DescribeKey", None),
            ("Decrypt", Some("AccessDeniedException")),
            ("Decrypt", Some("DependencyTimeoutException")),
        ]
    );
    assert_eq!(events[0].user_identity.principal, "alice");
    assert_eq!(
        events[0].request_parameters.encryption_context.as_ref(),
        Some(&context)
    );
    let arn = &events[0].resources[0].arn;
    assert!(arn.ends_with(&format!("key/{}", made.key_id)), "{arn}");
    assert!(events.iter().all(|event| event.request_id == "request-1"));
}

/// A keyring whose calls are recorded, and the trail that takes them.
fn audited() -> (Place, Arc<MemoryTrail>, AuditedKms) {
    let place = Place::new();
    let trail = Arc::new(MemoryTrail::new());
    let kms = AuditedKms::new(
        Arc::clone(&place.keyring) as Arc<dyn Kms>,
        Arc::clone(&trail) as Arc<dyn AuditSink>,
        Arc::clone(&place.access.clock),
    );
    (place, trail, kms)
}

#[test]
fn without_a_trail_no_key_is_handed_out() {
    let (_place, trail, kms) = audited();
    let (caller, key, context) = (
        Caller::database(),
        KeyRef::default_key(),
        EncryptionContext::new(),
    );
    let made = kms.generate_data_key(&caller, &key, &context).unwrap();
    assert_eq!(trail.events().len(), 1);
    trail.set_failing(true);
    let answer = kms.generate_data_key(&caller, &key, &context).map(|_| ());
    assert!(
        matches!(&answer, Err(error @ KmsError::AuditTrail(_)) if error.is_transient()),
        "{answer:?}"
    );
    assert!(matches!(
        kms.decrypt(&caller, &key, &made.wrapped, &context),
        Err(KmsError::AuditTrail(_))
    ));
    trail.set_failing(false);
    assert!(kms.decrypt(&caller, &key, &made.wrapped, &context).is_ok());
    assert_eq!(trail.events().len(), 2);
}

/// The levels of what [`AuditedKms`] logs.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<Level>>>);

impl Subscriber for Logged {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().ends_with("::audited")
    }

    fn event(&self, event: &Event<'_>) {
        self.0.lock().push(*event.metadata().level());
    }

    fn new_span(&self, _span: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

#[test]
fn acts_that_cannot_be_taken_over_are_told_once_and_so_is_their_end() {
    let (place, trail, kms) = audited();
    let key = KeyRef::default_key();
    place.keyring.rotate(&key).unwrap();
    let logged = Logged::default();
    tracing::subscriber::with_default(logged.clone(), || {
        for failing in [true, false, true] {
            trail.set_failing(failing);
            for _ in 0..3 {
                let _ = kms.describe_key(&Caller::database(), &key);
            }
            place.keyring.rotate(&key).unwrap();
        }
    });
    assert_eq!(*logged.0.lock(), [Level::WARN, Level::INFO, Level::WARN]);
}

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::kms::{Caller, DenyReason, EncryptionContext, Kms, KmsError};
use crate::secret::SecretString;

pub(super) struct Place {
    dir: TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn keyring_path(&self) -> PathBuf {
        self.path("my.keyring")
    }

    pub(super) fn source(&self) -> RootKeySource {
        RootKeySource::File(self.path("root.key"))
    }

    pub(super) fn create(&self) -> Keyring {
        let source = RootKeySource::create_file(self.path("root.key")).unwrap();
        Keyring::create(self.keyring_path(), source, clock()).unwrap()
    }

    pub(super) fn open(&self) -> Result<Keyring, KeyringError> {
        Keyring::open(self.keyring_path(), self.source(), clock())
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new())
}

pub(super) fn passphrase(text: &str) -> RootKeySource {
    RootKeySource::Passphrase(SecretString::new(text.to_owned()))
}

pub(super) fn caller() -> Caller {
    Caller::with_request("test", "request")
}

pub(super) fn context() -> EncryptionContext {
    EncryptionContext::new()
        .with("sealdb:table-name", "t")
        .with("sealdb:generation", "1")
}

pub(super) fn reason(answer: Result<impl Sized, KmsError>) -> DenyReason {
    match answer.map(|_| ()) {
        Err(KmsError::Denied { reason, .. }) => reason,
        other => panic!("expected a denial, got {other:?}"),
    }
}

#[test]
fn a_new_keyring_holds_the_system_and_the_default_key() {
    let place = Place::new();
    let keyring = place.create();
    let keys = keyring.list().unwrap();
    let named: Vec<_> = keys
        .iter()
        .map(|k| (k.alias.as_ref().unwrap().as_str(), k.usage))
        .collect();
    assert_eq!(
        named,
        [
            (ALIAS_SYSTEM, KeyUsage::System),
            (ALIAS_DEFAULT, KeyUsage::Table)
        ]
    );
    assert_eq!(keys[0].versions, 1);
    assert_eq!(keys[0].created_ms, 1_735_689_600_000);
    assert_eq!(place.open().unwrap().list().unwrap(), keys);
    assert_eq!(keyring.identity().counter, 1);
    let head = Keyring::head_of(&place.keyring_path()).unwrap();
    assert_eq!(
        (head.id, head.counter, head.root_key),
        (keyring.id(), 1, RootKeyKind::File)
    );
}

#[test]
fn what_is_wrapped_unwraps_with_its_context_only() {
    let place = Place::new();
    let keyring = place.create();
    let key = KeyRef::default_key();
    let data_key = keyring
        .generate_data_key(&caller(), &key, &context())
        .unwrap();
    let plain = keyring
        .decrypt(&caller(), &key, &data_key.wrapped, &context())
        .unwrap();
    assert_eq!(plain.as_slice(), data_key.plaintext.expose());
    // Also by id, and after reopening.
    let by_id = KeyRef::Id(data_key.key_id.clone());
    let reopened = place.open().unwrap();
    assert!(
        reopened
            .decrypt(&caller(), &by_id, &data_key.wrapped, &context())
            .is_ok()
    );
    for other in [
        context().with("sealdb:table-name", "u"),
        context().with("sealdb:generation", "2"),
        context().with("", ""),
        EncryptionContext::new(),
    ] {
        let answer = keyring.decrypt(&caller(), &key, &data_key.wrapped, &other);
        assert!(
            matches!(answer, Err(KmsError::InvalidCiphertext { .. })),
            "{other:?}"
        );
    }
}

#[test]
fn a_changed_wrapped_key_does_not_unwrap() {
    let place = Place::new();
    let keyring = place.create();
    let key = KeyRef::default_key();
    let wrapped = keyring
        .encrypt(&caller(), &key, b"thirty-two", &context())
        .unwrap()
        .ciphertext;
    for at in 0..wrapped.len() {
        for bit in 0..8 {
            let mut changed = wrapped.clone();
            changed[at] ^= 1 << bit;
            let answer = keyring.decrypt(&caller(), &key, &changed, &context());
            assert!(
                matches!(answer, Err(KmsError::InvalidCiphertext { .. })),
                "byte {at}, bit {bit}"
            );
        }
    }
    for len in 0..wrapped.len() {
        assert!(
            keyring
                .decrypt(&caller(), &key, &wrapped[..len], &context())
                .is_err()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One byte of one name or value changed, added or removed: does not unwrap.
    #[test]
    fn a_context_that_differs_in_one_byte_fails(
        pairs in proptest::collection::btree_map("[a-c]{1,4}", "[a-c]{1,4}", 1..5),
        pick: proptest::sample::Index,
        at: proptest::sample::Index,
        edit in 0u8..3,
        in_name: bool,
    ) {
        let place = Place::new();
        let keyring = place.create();
        let key = KeyRef::default_key();
        let build = |pairs: &std::collections::BTreeMap<String, String>| {
            pairs.iter().fold(EncryptionContext::new(), |all, (k, v)| all.with(k, v))
        };
        let wrapped = keyring.encrypt(&caller(), &key, b"key", &build(&pairs)).unwrap().ciphertext;
        let mut changed = pairs.clone();
        let name = changed.keys().nth(pick.index(changed.len())).unwrap().clone();
        let value = changed.remove(&name).unwrap();
        let mutate = |text: &str| {
            let mut text = text.to_owned();
            let at = at.index(text.len());
            match edit {
                0 => text.replace_range(at..=at, "x"),
                1 => text.insert(at, 'x'),
                _ => { text.remove(at); }
            }
            text
        };
        if in_name { changed.insert(mutate(&name), value) } else { changed.insert(name, mutate(&value)) };
        prop_assume!(changed != pairs);
        prop_assert!(keyring.decrypt(&caller(), &key, &wrapped, &build(&pairs)).is_ok());
        let answer = keyring.decrypt(&caller(), &key, &wrapped, &build(&changed));
        let refused = matches!(answer, Err(KmsError::InvalidCiphertext { .. }));
        prop_assert!(refused);
    }
}

#[test]
fn re_encrypt_moves_a_key_to_another_key_and_context() {
    let place = Place::new();
    let keyring = place.create();
    let from = KeyRef::default_key();
    let to = KeyRef::Id(
        keyring
            .create_key(None, "of the table", KeyUsage::Table)
            .unwrap()
            .id,
    );
    let wrapped = keyring
        .encrypt(&caller(), &from, b"key", &context())
        .unwrap()
        .ciphertext;
    let moved = context().with("sealdb:generation", "2");
    let again = keyring
        .re_encrypt(&caller(), &wrapped, (&from, &context()), (&to, &moved))
        .unwrap();
    assert_eq!(
        keyring
            .decrypt(&caller(), &to, &again.ciphertext, &moved)
            .unwrap()
            .as_slice(),
        b"key"
    );
    assert!(
        keyring
            .decrypt(&caller(), &to, &again.ciphertext, &context())
            .is_err()
    );
    assert!(
        keyring
            .decrypt(&caller(), &from, &again.ciphertext, &moved)
            .is_err()
    );
}

#[test]
fn a_rotated_key_wraps_anew_and_still_unwraps_the_old() {
    let place = Place::new();
    let keyring = place.create();
    let key = KeyRef::default_key();
    let old = keyring
        .encrypt(&caller(), &key, b"old", &context())
        .unwrap()
        .ciphertext;
    assert_eq!(keyring.rotate(&key).unwrap().versions, 2);
    let new = keyring
        .encrypt(&caller(), &key, b"new", &context())
        .unwrap()
        .ciphertext;
    let reopened = place.open().unwrap();
    assert_eq!(
        reopened
            .decrypt(&caller(), &key, &old, &context())
            .unwrap()
            .as_slice(),
        b"old"
    );
    assert_eq!(
        reopened
            .decrypt(&caller(), &key, &new, &context())
            .unwrap()
            .as_slice(),
        b"new"
    );
    assert_eq!(
        (&old[17..21], &new[17..21]),
        (&[0, 0, 0, 1][..], &[0, 0, 0, 2][..])
    );
}

#[test]
fn keys_that_are_not_enabled_deny() {
    let place = Place::new();
    let keyring = place.create();
    let key = KeyRef::from(&keyring.create_key(None, "", KeyUsage::Table).unwrap());
    let wrapped = keyring
        .encrypt(&caller(), &key, b"key", &context())
        .unwrap()
        .ciphertext;
    for (state, expected) in [
        (KeyState::Disabled, DenyReason::Disabled),
        (KeyState::PendingDeletion, DenyReason::PendingDeletion),
    ] {
        let told = match state {
            KeyState::Disabled => keyring.set_state(&key, state),
            _ => keyring.schedule_deletion(&key, 7),
        };
        assert_eq!(told.unwrap().state, state);
        assert_eq!(
            reason(keyring.decrypt(&caller(), &key, &wrapped, &context())),
            expected
        );
        assert_eq!(
            reason(keyring.encrypt(&caller(), &key, b"key", &context())),
            expected
        );
        assert_eq!(
            reason(keyring.generate_data_key(&caller(), &key, &context())),
            expected
        );
        let from = (&key, &context());
        assert_eq!(
            reason(keyring.re_encrypt(&caller(), &wrapped, from, from)),
            expected
        );
        // Described all the same.
        assert_eq!(keyring.describe_key(&caller(), &key).unwrap().state, state);
    }
    keyring.cancel_deletion(&key).unwrap();
    keyring.set_state(&key, KeyState::Enabled).unwrap();
    assert!(
        keyring
            .decrypt(&caller(), &key, &wrapped, &context())
            .is_ok()
    );
    let nobody: KeyRef = "alias/nobody".parse().unwrap();
    assert_eq!(
        reason(keyring.encrypt(&caller(), &nobody, b"key", &context())),
        DenyReason::NotFound
    );
    assert_eq!(
        reason(keyring.describe_key(&caller(), &nobody)),
        DenyReason::NotFound
    );
}

#[test]
fn the_system_key_may_not_guard_a_table() {
    let place = Place::new();
    let keyring = place.create();
    let database = crate::ids::DatabaseId::from_bytes([1; 16]);
    let system = EncryptionContext::for_system(database, crate::ids::Generation::FIRST);
    assert!(
        keyring
            .generate_data_key(&caller(), &KeyRef::system(), &system)
            .is_ok()
    );
    let answer = keyring.generate_data_key(&caller(), &KeyRef::system(), &context());
    assert!(
        answer
            .as_ref()
            .err()
            .unwrap()
            .to_string()
            .contains("alias/sealdb/system")
    );
    assert_eq!(reason(answer), DenyReason::WrongUsage);
    let answer = keyring.generate_data_key(&caller(), &KeyRef::default_key(), &system);
    assert_eq!(reason(answer), DenyReason::WrongUsage);
}

#[test]
fn a_flipped_bit_anywhere_in_the_file_is_refused() {
    let place = Place::new();
    drop(place.create());
    let bytes = fs::read(place.keyring_path()).unwrap();
    let source = place.source();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(
                open_with(&place.keyring_path(), &changed, &source).is_err(),
                "byte {at}, bit {bit}"
            );
        }
    }
    for len in 0..bytes.len() {
        assert!(
            open_with(&place.keyring_path(), &bytes[..len], &source).is_err(),
            "cut to {len}"
        );
    }
    assert!(open_with(&place.keyring_path(), &[&bytes[..], &[0]].concat(), &source).is_err());
    assert!(open_with(&place.keyring_path(), &bytes, &source).is_ok());
}

#[test]
fn other_formats_and_foreign_files_are_refused_by_name() {
    let place = Place::new();
    drop(place.create());
    let bytes = fs::read(place.keyring_path()).unwrap();
    for version in [0u16, 1, 4, 700] {
        let mut changed = bytes.clone();
        changed[8..10].copy_from_slice(&version.to_be_bytes());
        fs::write(place.keyring_path(), &changed).unwrap();
        let error = place.open().unwrap_err();
        assert!(matches!(error, KeyringError::Format { found, .. } if found == version));
        assert!(
            error.to_string().contains(&format!("format {version}")),
            "{error}"
        );
    }
    fs::write(place.keyring_path(), b"-----BEGIN PRIVATE KEY-----").unwrap();
    assert!(matches!(
        place.open(),
        Err(KeyringError::NotAKeyring { .. })
    ));
    fs::remove_file(place.keyring_path()).unwrap();
    assert!(matches!(place.open(), Err(KeyringError::NotFound { .. })));
}

#[test]
fn the_wrong_root_key_is_told_with_the_source_that_was_tried() {
    let place = Place::new();
    drop(place.create());
    let other = RootKeySource::create_file(place.path("other.key")).unwrap();
    let error = Keyring::open(place.keyring_path(), other, clock()).unwrap_err();
    assert!(matches!(error, KeyringError::DoesNotOpen { .. }));
    assert!(error.to_string().contains("other.key"), "{error}");
    fs::write(place.path("root.key"), "not a key").unwrap();
    let error = place.open().unwrap_err();
    assert!(matches!(error, KeyringError::Source { .. }), "{error}");
    fs::remove_file(place.path("root.key")).unwrap();
    assert!(matches!(place.open(), Err(KeyringError::Source { .. })));
}

/// Everything about passphrases in one test: argon2id at its floor is slow in a debug build.
#[test]
fn passphrases_open_and_reroot() {
    let place = Place::new();
    let path = place.keyring_path();
    let keyring = Keyring::create(&path, passphrase("correct horse"), clock()).unwrap();
    let key = KeyRef::default_key();
    let wrapped = keyring
        .encrypt(&caller(), &key, b"key", &context())
        .unwrap()
        .ciphertext;
    assert_eq!(
        Keyring::head_of(&path).unwrap().root_key,
        RootKeyKind::Passphrase
    );

    let error = Keyring::open(&path, passphrase("wrong horse"), clock()).unwrap_err();
    assert!(matches!(error, KeyringError::DoesNotOpen { .. }));
    assert!(
        error.to_string().contains("passphrase") && !error.to_string().contains("horse"),
        "{error}"
    );
    assert!(matches!(
        Keyring::open(&path, passphrase(""), clock()),
        Err(KeyringError::Source { .. })
    ));
    let file = RootKeySource::create_file(place.path("root.key")).unwrap();
    let error = Keyring::open(&path, file, clock()).unwrap_err();
    assert!(matches!(error, KeyringError::OtherSource { .. }), "{error}");

    // Costs below the floor and above the ceiling are refused before anything is computed.
    let bytes = fs::read(&path).unwrap();
    for (at, value) in [
        (52, 64 * 1024 - 1),
        (56, 2u32),
        (60, 0),
        (52, u32::MAX),
        (56, 1000),
        (60, 1000),
    ] {
        let mut changed = bytes.clone();
        changed[at..at + 4].copy_from_slice(&value.to_be_bytes());
        let answer = open_with(&path, &changed, &passphrase("correct horse")).map(|_| ());
        assert!(
            matches!(answer, Err(KeyringError::Argon2 { .. })),
            "{at}: {value}"
        );
    }

    // Another process reroots to a file: the running one cannot follow and is unavailable.
    let other = Keyring::open(&path, passphrase("correct horse"), clock()).unwrap();
    other.reroot(place.source()).unwrap();
    assert_eq!(
        other
            .decrypt(&caller(), &key, &wrapped, &context())
            .unwrap()
            .as_slice(),
        b"key"
    );
    let answer = keyring.decrypt(&caller(), &key, &wrapped, &context());
    assert!(
        matches!(answer, Err(KmsError::Unavailable { .. })),
        "{:?}",
        answer.map(|_| ())
    );

    // The old passphrase fails, the file opens.
    let error = Keyring::open(&path, passphrase("correct horse"), clock()).unwrap_err();
    assert!(matches!(error, KeyringError::OtherSource { .. }), "{error}");
    let reopened = place.open().unwrap();
    assert_eq!(reopened.identity().counter, 2);
    assert_eq!(
        reopened
            .decrypt(&caller(), &key, &wrapped, &context())
            .unwrap()
            .as_slice(),
        b"key"
    );
    reopened.reroot(passphrase("battery staple")).unwrap();
    assert!(matches!(
        place.open(),
        Err(KeyringError::OtherSource { .. })
    ));
    let error = Keyring::open(&path, passphrase("correct horse"), clock()).unwrap_err();
    assert!(matches!(error, KeyringError::DoesNotOpen { .. }), "{error}");
}

#[test]
fn reroot_to_another_file_shuts_the_old_one_out() {
    let place = Place::new();
    let keyring = place.create();
    let running = place.open().unwrap();
    let new = RootKeySource::create_file(place.path("new.key")).unwrap();
    keyring.reroot(new).unwrap();
    assert!(matches!(
        place.open(),
        Err(KeyringError::DoesNotOpen { .. })
    ));
    assert!(running.list().is_err());
    // Where the new key is put in the old file's place, a running keyring follows.
    fs::copy(place.path("new.key"), place.path("root.key")).unwrap();
    assert_eq!(running.list().unwrap().len(), 2);
}

#[test]
fn a_crash_between_write_and_rename_leaves_the_old_file() {
    let place = Place::new();
    let keyring = place.create();
    let before = fs::read(place.keyring_path()).unwrap();
    // The temporary file of a process that died, half written.
    fs::write(place.path("my.keyring.tmp"), &before[..40]).unwrap();
    fs::set_permissions(
        place.path("my.keyring.tmp"),
        fs::Permissions::from_mode(0o666),
    )
    .unwrap();
    assert_eq!(
        place.open().unwrap().list().unwrap(),
        keyring.list().unwrap()
    );
    keyring
        .create_key(None, "after the crash", KeyUsage::Table)
        .unwrap();
    assert!(!place.path("my.keyring.tmp").exists());
    let mode = fs::metadata(place.keyring_path())
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode, 0o600);
    assert_eq!(place.open().unwrap().list().unwrap().len(), 3);
}

#[test]
fn a_change_that_cannot_be_written_is_not_seen_in_memory() {
    let place = Place::new();
    let keyring = place.create();
    let before = keyring.list().unwrap();
    // A directory in the temporary file's place cannot be removed as a file.
    fs::create_dir(place.path("my.keyring.tmp")).unwrap();
    assert!(keyring.create_key(None, "lost", KeyUsage::Table).is_err());
    assert!(
        keyring
            .set_state(&KeyRef::default_key(), KeyState::Disabled)
            .is_err()
    );
    let source = RootKeySource::create_file(place.path("new.key")).unwrap();
    assert!(keyring.reroot(source).is_err());
    assert_eq!(keyring.list().unwrap(), before);
    assert_eq!(keyring.identity().counter, 1);
    fs::remove_dir(place.path("my.keyring.tmp")).unwrap();
    keyring.create_key(None, "kept", KeyUsage::Table).unwrap();
    assert_eq!(place.open().unwrap().list().unwrap().len(), 3);
}

#[test]
fn two_handles_do_not_lose_each_others_changes() {
    let place = Place::new();
    let (one, two) = (place.create(), place.open().unwrap());
    const EACH: usize = 12;
    std::thread::scope(|scope| {
        for (name, keyring) in [("one", &one), ("two", &two)] {
            scope.spawn(move || {
                for n in 0..EACH {
                    let alias = Alias::new(format!("alias/{name}-{n}")).unwrap();
                    keyring
                        .create_key(Some(alias), name, KeyUsage::Table)
                        .unwrap();
                }
            });
        }
    });
    let keys = one.list().unwrap();
    assert_eq!(keys.len(), 2 + 2 * EACH);
    assert_eq!(two.list().unwrap(), keys);
    assert_eq!(
        place.open().unwrap().identity().counter,
        1 + 2 * EACH as u64
    );
}

#[test]
fn a_running_keyring_notices_changes_by_others() {
    let place = Place::new();
    let running = place.create();
    let key = KeyRef::default_key();
    let wrapped = running
        .encrypt(&caller(), &key, b"key", &context())
        .unwrap()
        .ciphertext;
    place
        .open()
        .unwrap()
        .set_state(&key, KeyState::Disabled)
        .unwrap();
    assert_eq!(
        reason(running.decrypt(&caller(), &key, &wrapped, &context())),
        DenyReason::Disabled
    );
    assert_eq!(running.identity().counter, 2);
}

#[test]
fn a_missing_file_is_unavailable_until_it_is_back() {
    let place = Place::new();
    let keyring = place.create();
    let key = KeyRef::default_key();
    fs::rename(place.keyring_path(), place.path("away")).unwrap();
    let answer = keyring
        .generate_data_key(&caller(), &key, &context())
        .map(|_| ());
    assert!(
        matches!(answer, Err(KmsError::Unavailable { .. })),
        "{answer:?}"
    );
    assert!(answer.unwrap_err().is_transient());
    // Not even a change brings it back from memory.
    assert!(keyring.create_key(None, "", KeyUsage::Table).is_err());
    assert!(!place.keyring_path().exists());
    fs::rename(place.path("away"), place.keyring_path()).unwrap();
    assert!(
        keyring
            .generate_data_key(&caller(), &key, &context())
            .is_ok()
    );
}

#[test]
fn an_older_copy_or_another_keyring_put_in_its_place_is_refused() {
    let place = Place::new();
    let keyring = place.create();
    keyring.backup(&place.path("older")).unwrap();
    keyring
        .set_state(&KeyRef::default_key(), KeyState::Disabled)
        .unwrap();
    fs::rename(place.keyring_path(), place.path("newer")).unwrap();
    fs::copy(place.path("older"), place.keyring_path()).unwrap();
    let error = keyring.list().unwrap_err();
    assert!(
        matches!(&error, KeyringError::Replaced { .. }) && error.to_string().contains("older"),
        "{error}"
    );
    fs::remove_file(place.keyring_path()).unwrap();
    drop(Keyring::create(place.keyring_path(), place.source(), clock()).unwrap());
    assert!(matches!(keyring.list(), Err(KeyringError::Replaced { .. })));
    fs::rename(place.path("newer"), place.keyring_path()).unwrap();
    assert_eq!(keyring.list().unwrap().len(), 2);
}

#[test]
fn backup_and_restore_keep_every_key_and_overwrite_nothing() {
    let place = Place::new();
    let keyring = place.create();
    let key = KeyRef::default_key();
    let wrapped = keyring
        .encrypt(&caller(), &key, b"key", &context())
        .unwrap()
        .ciphertext;
    let copy = place.path("backups/copy.keyring");
    keyring.backup(&copy).unwrap();
    assert!(matches!(
        keyring.backup(&copy),
        Err(KeyringError::Exists { .. })
    ));
    let to = place.keyring_path();
    let answer = Keyring::restore(&copy, &to, place.source(), clock());
    assert!(matches!(answer, Err(KeyringError::Exists { .. })));
    fs::remove_file(&to).unwrap();
    let other = RootKeySource::create_file(place.path("other.key")).unwrap();
    assert!(Keyring::restore(&copy, &to, other, clock()).is_err());
    assert!(!to.exists(), "nothing is put in place that does not open");
    let restored = Keyring::restore(&copy, &to, place.source(), clock()).unwrap();
    assert_eq!(restored.id(), keyring.id());
    assert_eq!(
        restored
            .decrypt(&caller(), &key, &wrapped, &context())
            .unwrap()
            .as_slice(),
        b"key"
    );
}

#[test]
fn files_are_for_their_owner_only() {
    let place = Place::new();
    let deep = place.path("a/b/my.keyring");
    let source = RootKeySource::create_file(place.path("keys/root.key")).unwrap();
    let root_key = place.path("keys/root.key");
    drop(Keyring::create(&deep, source, clock()).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&deep), mode(&root_key)), (0o600, 0o600));
    assert_eq!(
        (
            mode(&place.path("a")),
            mode(&place.path("a/b")),
            mode(&place.path("keys"))
        ),
        (0o700, 0o700, 0o700)
    );
    for file in [&deep, &root_key] {
        for open in [0o640, 0o604, 0o660, 0o644, 0o610] {
            fs::set_permissions(file, fs::Permissions::from_mode(open)).unwrap();
            let error =
                Keyring::open(&deep, RootKeySource::File(root_key.clone()), clock()).unwrap_err();
            assert!(matches!(error, KeyringError::Permissions { .. }), "{error}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(file, fs::Permissions::from_mode(0o400)).unwrap();
        Keyring::open(&deep, RootKeySource::File(root_key.clone()), clock()).unwrap();
    }
}

#[test]
fn nothing_is_overwritten() {
    let place = Place::new();
    drop(place.create());
    let before = fs::read(place.keyring_path()).unwrap();
    assert!(matches!(
        Keyring::create(place.keyring_path(), place.source(), clock()),
        Err(KeyringError::Exists { .. })
    ));
    assert!(matches!(
        RootKeySource::create_file(place.path("root.key")),
        Err(KeyringError::Exists { .. })
    ));
    assert_eq!(fs::read(place.keyring_path()).unwrap(), before);
}

#[test]
fn reserved_and_taken_aliases_are_refused() {
    let place = Place::new();
    let keyring = place.create();
    let alias = |name: &str| Some(Alias::new(name).unwrap());
    assert!(matches!(
        keyring.create_key(alias("alias/sealdb/mine"), "", KeyUsage::Table),
        Err(KeyringError::Refused(_))
    ));
    keyring
        .create_key(alias("alias/mine"), "", KeyUsage::Table)
        .unwrap();
    assert!(matches!(
        keyring.create_key(alias("alias/mine"), "", KeyUsage::Table),
        Err(KeyringError::AliasTaken { .. })
    ));
    assert_eq!(keyring.list().unwrap().len(), 3);
    assert!(matches!(
        keyring.describe(&"alias/none".parse().unwrap()),
        Err(KeyringError::NoSuchKey { .. })
    ));
}

#[test]
fn nothing_readable_stands_in_the_file() {
    let place = Place::new();
    let keyring = place.create();
    keyring
        .create_key(
            Some(Alias::new("alias/canary-alias").unwrap()),
            "canary-text",
            KeyUsage::Table,
        )
        .unwrap();
    let bytes = fs::read(place.keyring_path()).unwrap();
    for word in ["canary", "alias/", "sealdb/"] {
        assert!(
            !bytes
                .windows(word.len())
                .any(|window| window == word.as_bytes()),
            "{word}"
        );
    }
}

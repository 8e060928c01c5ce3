//! The life of keys: rotation, deletion, import, aliases, and clocks that jump.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::tests::{Place, caller, context, reason};
use super::*;
use crate::administration::Administration;
use crate::clock::ManualClock;
use crate::kms::{DenyReason, Kms, KmsError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A keyring whose time the test moves, with a key for tables beside those of every keyring.
struct World {
    place: Place,
    clock: Arc<ManualClock>,
    keyring: Keyring,
    key: KeyRef,
}

impl World {
    fn new() -> Self {
        let place = Place::new();
        let clock = Arc::new(ManualClock::new());
        drop(place.create());
        let keyring = Keyring::open(place.keyring_path(), place.source(), clock.clone()).unwrap();
        let alias = Some(Alias::new("alias/orders").unwrap());
        let key = keyring.create_key(alias, "", KeyUsage::Table).unwrap();
        let key = KeyRef::from(&key);
        Self {
            place,
            clock,
            keyring,
            key,
        }
    }

    /// Another process.
    fn other(&self) -> Keyring {
        Keyring::open(
            self.place.keyring_path(),
            self.place.source(),
            self.clock.clone(),
        )
        .unwrap()
    }

    fn wrapped(&self) -> Vec<u8> {
        self.keyring
            .encrypt(&caller(), &self.key, b"key", &context())
            .unwrap()
            .ciphertext
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<(), KmsError> {
        self.keyring
            .decrypt(&caller(), &self.key, wrapped, &context())
            .map(|_| ())
    }

    fn details(&self) -> KeyDetails {
        self.keyring.details_of(&self.key).unwrap()
    }

    fn state(&self) -> KeyState {
        self.details().description.state
    }

    fn events(&self) -> Vec<Administration> {
        let mut events = Vec::new();
        self.keyring
            .administration(&mut |act| {
                events.push(act.clone());
                Ok(())
            })
            .unwrap();
        events
    }

    fn material(&self, name: &str, content: impl AsRef<[u8]>) -> std::path::PathBuf {
        let path = self.place.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

fn refused(answer: Result<impl Sized, KeyringError>) -> String {
    match answer.map(|_| ()) {
        Err(KeyringError::Refused(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn wrong_state(answer: Result<impl Sized, KeyringError>) -> KeyState {
    match answer.map(|_| ()) {
        Err(KeyringError::State { state, .. }) => state,
        other => panic!("expected another state, got {other:?}"),
    }
}

#[test]
fn a_deletion_waits_for_its_days_and_can_be_cancelled() {
    let world = World::new();
    let wrapped = world.wrapped();
    for days in [0, 6, 31, u32::MAX] {
        let why = refused(world.keyring.schedule_deletion(&world.key, days));
        assert!(why.contains("7 to 30"), "{why}");
    }
    world.keyring.schedule_deletion(&world.key, 7).unwrap();
    assert_eq!(
        world.details().deletion_ms,
        Some(world.clock.wall_ms() + 7 * 24 * 60 * 60 * 1000)
    );
    assert_eq!(reason(world.unwrap(&wrapped)), DenyReason::PendingDeletion);
    for again in [
        world.keyring.schedule_deletion(&world.key, 30),
        world.keyring.set_state(&world.key, KeyState::Enabled),
        world.keyring.set_state(&world.key, KeyState::Disabled),
        world.keyring.rotate(&world.key),
        world.keyring.set_rotation(&world.key, Some(90)),
    ] {
        assert_eq!(wrong_state(again), KeyState::PendingDeletion);
    }
    world.clock.advance(7 * DAY - Duration::from_millis(1));
    let key = world.keyring.cancel_deletion(&world.key).unwrap();
    assert_eq!(key.state, KeyState::Disabled);
    assert_eq!(reason(world.unwrap(&wrapped)), DenyReason::Disabled);
    world.clock.advance(60 * DAY);
    world
        .keyring
        .set_state(&world.key, KeyState::Enabled)
        .unwrap();
    world.unwrap(&wrapped).unwrap();
    assert_eq!(
        wrong_state(world.keyring.cancel_deletion(&world.key)),
        KeyState::Enabled
    );
}

#[test]
fn when_the_time_is_over_the_material_is_destroyed_and_a_tombstone_stays() {
    let world = World::new();
    let wrapped = world.wrapped();
    world.keyring.schedule_deletion(&world.key, 30).unwrap();
    world.clock.advance(30 * DAY);
    // The first look notes that the time is over, one an hour later destroys.
    assert_eq!(world.state(), KeyState::PendingDeletion);
    world.clock.advance(HOUR);
    // Opening is enough.
    drop(world.other());
    assert_eq!(
        world.keyring.identity().counter,
        4,
        "nothing of it by the one that was open"
    );
    let details = world.details();
    assert_eq!(details.description.state, KeyState::Destroyed);
    assert_eq!(details.description.versions, 0);
    assert_eq!(details.deletion_ms, Some(world.clock.wall_ms()));
    assert!(details.aliases.is_empty());
    assert_eq!(reason(world.unwrap(&wrapped)), DenyReason::Destroyed);
    for late in [
        world.keyring.cancel_deletion(&world.key),
        world.keyring.schedule_deletion(&world.key, 7),
        world.keyring.set_state(&world.key, KeyState::Enabled),
        world.keyring.rotate(&world.key),
    ] {
        assert_eq!(wrong_state(late), KeyState::Destroyed);
    }
    // The alias is free again, and nothing came back with it.
    let alias = Alias::new("alias/orders").unwrap();
    let new = world
        .keyring
        .create_key(Some(alias.clone()), "", KeyUsage::Table)
        .unwrap();
    assert_ne!(KeyRef::from(&new), world.key);
    let by_alias = KeyRef::Alias(alias);
    let answer = world
        .keyring
        .decrypt(&caller(), &by_alias, &wrapped, &context());
    assert!(matches!(answer, Err(KmsError::InvalidCiphertext { .. })));
}

/// Mended before it was one: a wall clock that ran ahead for a moment destroyed what nobody could bring back.
#[test]
fn a_clock_that_runs_ahead_for_less_than_an_hour_destroys_nothing() {
    let world = World::new();
    let wrapped = world.wrapped();
    world.keyring.schedule_deletion(&world.key, 7).unwrap();
    let right = world.clock.wall_ms();
    for minute in [0, 59] {
        world
            .clock
            .set_wall_ms(right + 3_650 * 86_400_000 + minute * 60_000);
        assert_eq!(reason(world.unwrap(&wrapped)), DenyReason::PendingDeletion);
    }
    world.clock.set_wall_ms(right + 60_000);
    assert_eq!(world.state(), KeyState::PendingDeletion);
    // What was noted is forgotten: the real end is confirmed anew.
    world.clock.set_wall_ms(right + 7 * 86_400_000);
    assert_eq!(world.state(), KeyState::PendingDeletion);
    world.keyring.cancel_deletion(&world.key).unwrap();
    world
        .keyring
        .set_state(&world.key, KeyState::Enabled)
        .unwrap();
    world.unwrap(&wrapped).unwrap();
}

#[test]
fn a_clock_that_is_set_back_only_delays() {
    let world = World::new();
    world.keyring.schedule_deletion(&world.key, 7).unwrap();
    let right = world.clock.wall_ms();
    world.clock.set_wall_ms(right + 8 * 86_400_000);
    assert_eq!(world.state(), KeyState::PendingDeletion);
    // Noted on the eighth day; back to the seventh, where it is over as well.
    world.clock.set_wall_ms(right + 7 * 86_400_000);
    assert_eq!(world.state(), KeyState::PendingDeletion);
    world.clock.set_wall_ms(0);
    assert_eq!(world.state(), KeyState::PendingDeletion);
    world.clock.set_wall_ms(right + 8 * 86_400_000);
    assert_eq!(world.state(), KeyState::PendingDeletion);
    world.clock.advance(HOUR);
    assert_eq!(world.state(), KeyState::Destroyed);
}

#[test]
fn a_keyring_that_cannot_be_written_refuses_what_is_over_and_serves_the_rest() {
    let world = World::new();
    let wrapped = world.wrapped();
    world
        .keyring
        .set_rotation(&KeyRef::default_key(), Some(90))
        .unwrap();
    world.keyring.schedule_deletion(&world.key, 7).unwrap();
    world.clock.advance(91 * DAY);
    fs::create_dir(world.place.path("my.keyring.tmp")).unwrap();
    assert_eq!(reason(world.unwrap(&wrapped)), DenyReason::PendingDeletion);
    let default = KeyRef::default_key();
    world
        .keyring
        .encrypt(&caller(), &default, b"key", &context())
        .unwrap();
    assert_eq!(world.keyring.describe(&default).unwrap().versions, 1);
    fs::remove_dir(world.place.path("my.keyring.tmp")).unwrap();
    assert_eq!(world.keyring.describe(&default).unwrap().versions, 2);
}

#[test]
fn the_keys_of_the_keyring_itself_cannot_be_lost_by_accident() {
    let world = World::new();
    for own in [KeyRef::system(), KeyRef::default_key()] {
        let why = refused(world.keyring.schedule_deletion(&own, 30));
        assert!(why.contains("cannot be deleted"), "{why}");
    }
    let second = world
        .keyring
        .create_key(None, "", KeyUsage::System)
        .unwrap();
    refused(world.keyring.schedule_deletion(&KeyRef::from(&second), 30));
    let why = refused(
        world
            .keyring
            .set_state(&KeyRef::system(), KeyState::Disabled),
    );
    assert!(why.contains("every table"), "{why}");
    for other in [
        KeyState::PendingDeletion,
        KeyState::Destroyed,
        KeyState::PendingImport,
    ] {
        refused(world.keyring.set_state(&world.key, other));
    }
    world.keyring.disable_system_key().unwrap();
    assert_eq!(
        world.keyring.describe(&KeyRef::system()).unwrap().state,
        KeyState::Disabled
    );
    world
        .keyring
        .set_state(&KeyRef::system(), KeyState::Enabled)
        .unwrap();
}

#[test]
fn a_key_rotates_by_itself_once_a_period_while_it_is_enabled() {
    let world = World::new();
    let old = world.wrapped();
    for days in [0, 89, 2561] {
        let why = refused(world.keyring.set_rotation(&world.key, Some(days)));
        assert!(why.contains("90 to 2560"), "{why}");
    }
    world.keyring.set_rotation(&world.key, Some(365)).unwrap();
    world.clock.advance(364 * DAY);
    assert_eq!(world.details().versions.len(), 1);
    assert_eq!(
        world.details().next_rotation_ms,
        Some(world.clock.wall_ms() + 86_400_000)
    );
    world.clock.advance(DAY);
    // Whoever wraps first after the year wraps under the new version already.
    let new = world.wrapped();
    assert_eq!(new[17..21], [0, 0, 0, 2]);
    // Nobody looked for three years: one rotation, not three.
    world.clock.advance(3 * 365 * DAY);
    assert_eq!(world.details().versions.len(), 3);
    world
        .keyring
        .set_state(&world.key, KeyState::Disabled)
        .unwrap();
    world.clock.advance(366 * DAY);
    assert_eq!(world.details().versions.len(), 3);
    world
        .keyring
        .set_state(&world.key, KeyState::Enabled)
        .unwrap();
    assert_eq!(world.details().versions.len(), 4, "made up for");
    world.keyring.set_rotation(&world.key, None).unwrap();
    world.clock.advance(800 * DAY);
    assert_eq!(world.details().versions.len(), 4);
    assert_eq!(world.details().rotation_days, None);
    world.unwrap(&old).unwrap();
    world.unwrap(&new).unwrap();
}

#[test]
fn a_clock_that_ran_ahead_does_not_stop_rotation() {
    let world = World::new();
    world.keyring.set_rotation(&world.key, Some(90)).unwrap();
    let right = world.clock.wall_ms();
    world.clock.set_wall_ms(right + 20 * 365 * 86_400_000);
    assert_eq!(world.details().versions.len(), 2);
    world.clock.set_wall_ms(right + 86_400_000);
    assert_eq!(world.details().versions.len(), 2);
    assert_eq!(
        world.details().next_rotation_ms,
        Some(right + 91 * 86_400_000),
        "counted from now, not from a time in twenty years"
    );
    world.clock.advance(90 * DAY);
    assert_eq!(world.details().versions.len(), 3);
}

#[test]
fn imported_material_wraps_expires_and_comes_back_only_as_the_same() {
    let world = World::new();
    let key = world.keyring.create_external_key(None, "our own").unwrap();
    let key = KeyRef::from(&key);
    let encrypt = || world.keyring.encrypt(&caller(), &key, b"key", &context());
    assert_eq!(reason(encrypt()), DenyReason::PendingImport);
    assert_eq!(
        wrong_state(world.keyring.delete_material(&key)),
        KeyState::PendingImport
    );
    assert_eq!(
        wrong_state(world.keyring.set_state(&key, KeyState::Enabled)),
        KeyState::PendingImport
    );

    let mine = world.material("mine", [7; 32]);
    let hex = world.material("hex", "07".repeat(32));
    let other = world.material("other", [8; 32]);
    let short = world.material("short", [7; 31]);
    let import =
        |from: &std::path::Path, expires| world.keyring.import_material(&key, from, expires);
    assert!(matches!(
        import(&short, None),
        Err(KeyringError::Source { .. })
    ));
    fs::set_permissions(&mine, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        import(&mine, None),
        Err(KeyringError::Permissions { .. })
    ));
    fs::set_permissions(&mine, fs::Permissions::from_mode(0o600)).unwrap();
    let now = world.clock.wall_ms();
    refused(import(&mine, Some(now)));
    let why = refused(world.keyring.import_material(&world.key, &mine, None));
    assert!(why.contains("made here"), "{why}");

    let expires = now + 10 * 86_400_000;
    import(&mine, Some(expires)).unwrap();
    let wrapped = encrypt().unwrap().ciphertext;
    let unwrap = || {
        world
            .keyring
            .decrypt(&caller(), &key, &wrapped, &context())
            .map(|_| ())
    };
    unwrap().unwrap();
    let why = refused(world.keyring.rotate(&key));
    assert!(why.contains("imported"), "{why}");
    refused(world.keyring.set_rotation(&key, Some(90)));
    assert_eq!(
        world.keyring.details_of(&key).unwrap().expires_ms,
        Some(expires)
    );

    // Refused from the moment on; destroyed an hour later, and not by a clock that was wrong.
    world.clock.set_wall_ms(expires);
    assert_eq!(reason(unwrap()), DenyReason::PendingImport);
    world.clock.set_wall_ms(expires - 1);
    unwrap().unwrap();
    world.clock.set_wall_ms(expires);
    assert_eq!(reason(unwrap()), DenyReason::PendingImport);
    world.clock.advance(HOUR);
    assert_eq!(reason(unwrap()), DenyReason::PendingImport);
    let details = world.keyring.details_of(&key).unwrap();
    assert_eq!(
        (details.description.state, details.versions.len()),
        (KeyState::PendingImport, 0)
    );

    let why = refused(import(&other, None));
    assert!(why.contains("other material"), "{why}");
    import(&hex, None).unwrap();
    unwrap().unwrap();
    world.keyring.delete_material(&key).unwrap();
    assert_eq!(reason(unwrap()), DenyReason::PendingImport);
    world.keyring.schedule_deletion(&key, 7).unwrap();
    let cancelled = world.keyring.cancel_deletion(&key).unwrap();
    assert_eq!(cancelled.state, KeyState::PendingImport);
    import(&mine, None).unwrap();
    unwrap().unwrap();
}

#[test]
fn aliases_are_made_moved_and_deleted_and_the_keyrings_own_are_not() {
    let world = World::new();
    let keyring = &world.keyring;
    let alias = |name: &str| Alias::new(name).unwrap();
    let (orders, more) = (alias("alias/orders"), alias("alias/more"));
    let wrapped = world.wrapped();
    keyring.create_alias(&more, &world.key).unwrap();
    assert_eq!(world.details().aliases, [orders.clone(), more.clone()]);
    assert!(matches!(
        keyring.create_alias(&more, &KeyRef::default_key()),
        Err(KeyringError::AliasTaken { .. })
    ));
    let second = KeyRef::from(&keyring.create_key(None, "", KeyUsage::Table).unwrap());
    keyring.update_alias(&orders, &second).unwrap();
    assert_eq!(world.details().aliases, *std::slice::from_ref(&more));
    assert_eq!(
        keyring.details_of(&second).unwrap().aliases,
        *std::slice::from_ref(&orders)
    );
    // What was wrapped under the key is under the key still.
    world.unwrap(&wrapped).unwrap();
    keyring.delete_alias(&more).unwrap();
    assert!(world.details().aliases.is_empty());
    for missing in [
        keyring.delete_alias(&more),
        keyring.update_alias(&more, &second),
    ] {
        assert!(matches!(missing, Err(KeyringError::NoSuchKey { .. })));
    }
    let why = refused(keyring.update_alias(&orders, &KeyRef::system()));
    assert!(why.contains("one usage"), "{why}");
    assert_eq!(
        keyring.details_of(&second).unwrap().aliases,
        *std::slice::from_ref(&orders),
        "not half moved"
    );

    let own = alias("alias/sealdb/default");
    refused(keyring.create_alias(&alias("alias/sealdb/mine"), &second));
    refused(keyring.update_alias(&own, &second));
    refused(keyring.delete_alias(&own));
    keyring.schedule_deletion(&second, 7).unwrap();
    assert_eq!(
        wrong_state(keyring.create_alias(&more, &second)),
        KeyState::PendingDeletion
    );
}

#[test]
fn every_act_leaves_one_entry_until_a_trail_has_it() {
    let world = World::new();
    let keyring = &world.keyring;
    keyring.rotate(&world.key).unwrap();
    keyring.schedule_deletion(&world.key, 7).unwrap();
    assert!(
        keyring.schedule_deletion(&world.key, 7).is_err(),
        "leaves none"
    );
    let id = keyring.describe(&world.key).unwrap().id;

    // A trail that fails at the second one.
    let mut seen = Vec::new();
    let away = || KmsError::InvalidRequest("the disk is full".to_owned());
    let failed = keyring.administration(&mut |act| {
        seen.push(act.clone());
        if seen.len() == 2 { Err(away()) } else { Ok(()) }
    });
    assert!(failed.is_err());
    let rest = world.events();
    assert_eq!(rest.first(), seen.last(), "given again, under the same id");
    let names: Vec<_> = seen
        .iter()
        .take(1)
        .chain(&rest)
        .map(|act| act.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["CreateKey", "RotateKeyOnDemand", "ScheduleKeyDeletion"]
    );
    assert!(rest.iter().all(|act| act.key.as_ref() == Some(&id)));
    assert!(rest.iter().all(|act| act.principal.starts_with("uid:")));
    assert_eq!(world.events(), []);

    world.clock.advance(7 * DAY);
    assert_eq!(world.events(), [], "noted, not done");
    world.clock.advance(HOUR);
    let events = world.events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].name.as_str(), events[0].principal.as_str()),
        ("DeleteKey", "sealdb-keyring")
    );
}

#[test]
fn a_keyring_that_no_trail_empties_keeps_the_newest_entries() {
    let mut journal = Vec::new();
    for n in 0..4100u64 {
        super::journal::note(&mut journal, n, "p", "e", None, String::new());
    }
    assert_eq!(journal.len(), 4096);
    assert_eq!((journal[0].time_ms, journal[4095].time_ms), (4, 4099));
}

#[test]
fn a_backup_that_takes_over_counts_as_newer_and_says_so() {
    let place = Place::new();
    let keyring = place.create();
    let copy = place.path("copy.keyring");
    keyring.backup(&copy).unwrap();
    for _ in 0..3 {
        keyring.rotate(&KeyRef::default_key()).unwrap();
    }
    let seen = keyring.identity();
    fs::remove_file(place.keyring_path()).unwrap();
    let clock = Arc::new(ManualClock::new());
    let restored = Keyring::restore(&copy, place.keyring_path(), place.source(), clock).unwrap();
    assert!(seen.accepts(&restored.identity()).is_err());
    restored.take_over(seen.counter).unwrap();
    for keyring in [restored, place.open().unwrap()] {
        assert_eq!(keyring.identity().counter, seen.counter + 1);
    }
    // One that was in use when the file was lost takes it, too.
    assert_eq!(keyring.list().unwrap().len(), 2);
    let mut told = Vec::new();
    let taken = keyring.administration(&mut |act| {
        told.push((act.name.clone(), act.detail.clone()));
        Ok(())
    });
    taken.unwrap();
    let detail = "the keyring's change 1 in the place of change 4";
    assert_eq!(told, [("RestoreKeyring".to_owned(), detail.to_owned())]);
}

//! No key is used without a durable event, whatever happens to the disk or the process.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use sealdb::crypto::audit::{AuditEvent, KEY_EVENTS, Outcome};
use sealdb::crypto::keyring::KEYRING_FILE;
use sealdb::crypto::testing::ScriptedKms;
use sealdb::crypto::{Keyring, SystemClock};
use sealdb::model::ScalarType;
use sealdb::model::ops::{CreateTableInput, SseSpecification};
use sealdb::{Background, Database, Error, ErrorCode, KeyScope, Options};
use sealdb_tests::disk::{Home, SmallDisk, small};
use sealdb_tests::judge::{State, judge};

use super::world::*;

#[test]
fn every_call_of_the_kms_leaves_an_event() {
    let mut world = World::new();
    let db = world.filled();
    world.tick(&db, 4 * MINUTE);
    world.kms.deny(&key_of(TABLES[0]));
    world.tick(&db, 4 * MINUTE);
    closed(&db, TABLES[0]);
    world.tick(&db, MINUTE);
    world.kms.set_unavailable(true);
    world.tick(&db, 3 * MINUTE);
    let taken = CreateTableInput::new("refused").partition_key("pk", ScalarType::S);
    let error = db.create_table(taken).unwrap_err();
    assert_eq!(
        error.code(),
        ErrorCode::InaccessibleEncryptionCredentialsException
    );
    world.kms.set_unavailable(false);
    world.kms.allow(&key_of(TABLES[0]));
    drop(db);
    let db = world.open();
    db.close().unwrap();
    drop(db);

    let calls = world.kms.calls();
    let events = world.events();
    let of_keys: Vec<&AuditEvent> = events
        .iter()
        // The making of the two keys was told by the keyring, not asked for by a call.
        .filter(|event| event.event_source == KEY_EVENTS && event.event_name != "CreateKey")
        .collect();
    assert_eq!(
        of_keys.len() as u64,
        calls,
        "{:?}",
        of_keys
            .iter()
            .map(|event| &event.event_name)
            .collect::<Vec<_>>()
    );
    let failed = |event: &&&AuditEvent| event.outcome() == Outcome::Failure;
    assert!(of_keys.iter().filter(failed).count() >= 4);
    let denied = of_keys
        .iter()
        .find(|event| event.error_code.as_deref() == Some("AccessDeniedException"))
        .unwrap();
    let context = denied
        .request_parameters
        .encryption_context
        .as_ref()
        .unwrap();
    assert_eq!(context.get("sealdb:table-name"), Some(TABLES[0]));
    for event in &of_keys {
        assert!(!event.user_identity.principal.is_empty() && !event.request_id.is_empty());
        assert!(event.request_parameters.key_id.is_some(), "{event:?}");
    }
    // Who asked: the program for its tables, the database for itself.
    let creation = |event: &&&AuditEvent| {
        let context = event.request_parameters.encryption_context.as_ref();
        event.event_name == "GenerateDataKey"
            && context.is_some_and(|c| c.get("sealdb:table-name") == Some(TABLES[1]))
    };
    let created = of_keys.iter().find(creation).unwrap();
    assert!(
        created.user_identity.principal.starts_with("process:"),
        "{created:?}"
    );
}

#[test]
fn no_key_is_handed_out_while_the_trail_cannot_be_written() {
    let Some(disk) = SmallDisk::new(6 << 20) else {
        return;
    };
    let mut world = World::new();
    let data = disk.path().join("data");
    let builder = || {
        Database::builder(&data)
            .kms(world.kms.clone())
            .clock(world.clock.clone())
            .options(Options {
                background: Background::Inline,
                ..small()
            })
    };
    let db = builder().open_sync().unwrap();
    let table = CreateTableInput::new(TABLES[0])
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    db.create_table(table).unwrap();
    let mut state = State::default();
    state.put(&db, TABLES[0], "p1", 1, "before");
    db.checkpoint_now().unwrap();
    disk.fill();
    // The reserve lasts for many refreshes, and no table closes while it does.
    let mut refreshes = 0;
    loop {
        world.clock.advance(4 * MINUTE);
        let before = world.kms.calls();
        db.keeper_tick();
        readable(&db, TABLES[0]).unwrap();
        let asked = world.kms.calls() - before;
        if asked == 0 {
            continue;
        }
        refreshes += 1;
        assert!(refreshes < 5000, "the trail grows on a full disk");
        let events = trail_len(&data);
        if events == 0 {
            break;
        }
    }
    println!("{refreshes} refreshes on a full disk");
    assert!(refreshes > 200, "{refreshes}");
    // Nothing left: the KMS says yes, but nobody gets the key. Coasting, then closed.
    for _ in 0..40 {
        world.clock.advance(MINUTE);
        db.keeper_tick();
    }
    let error = readable(&db, TABLES[0]).unwrap_err();
    assert_eq!(
        error.code(),
        ErrorCode::InaccessibleEncryptionCredentialsException,
        "{error}"
    );
    assert!(error.to_string().contains("audit trail"), "{error}");
    drop(db);
    let refused = builder().open_sync().unwrap_err();
    assert!(matches!(refused, Error::Trail(_)), "{refused:?}");

    disk.free();
    world.state = state;
    let verdict = judge(builder, std::slice::from_ref(&world.state), "space is back");
    assert!(!verdict.noticed(), "{verdict:?}");
}

#[test]
fn nobody_uses_up_what_a_full_disk_leaves_for_the_refreshes_of_keys() {
    let Some(disk) = SmallDisk::new(6 << 20) else {
        return;
    };
    let mut world = World::new();
    let db = Database::builder(disk.path().join("data"))
        .kms(world.kms.clone())
        .clock(world.clock.clone())
        .options(Options {
            background: Background::Inline,
            ..small()
        })
        .open_sync()
        .unwrap();
    let mut table = CreateTableInput::new(TABLES[0])
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::N);
    table.sse_specification = Some(SseSpecification::kms(format!("alias/{}", TABLES[0])));
    db.create_table(table).unwrap();
    world.put(&db, TABLES[0], 1);
    db.checkpoint_now().unwrap();
    disk.fill();
    // Whoever may administer a key asks what depends on it, has tables wrapped again, makes tables, again and again.
    let scope = || KeyScope::Table(TABLES[0].to_owned());
    let asks: [&dyn Fn() -> Result<(), Error>; 5] = [
        &|| db.key_impact(key_of(TABLES[0])).map(drop),
        &|| db.rewrap(KeyScope::Key(key_of(TABLES[0])), None).map(drop),
        &|| db.rewrap(scope(), None).map(drop),
        &|| db.rekey(scope(), None, None).map(drop),
        &|| {
            let mut none = CreateTableInput::new("none").partition_key("pk", ScalarType::S);
            none.sse_specification = Some(SseSpecification::kms("alias/none"));
            db.create_table(none).map(drop)
        },
    ];
    for (at, ask) in asks.into_iter().enumerate() {
        let full = (0..5000).find_map(|_| ask().err().filter(|e| matches!(e, Error::Trail(_))));
        assert!(full.is_some(), "{at} goes on for ever on a full disk");
    }
    let calls = world.kms.calls();
    for ask in asks {
        assert!(ask().is_err());
    }
    assert_eq!(
        world.kms.calls(),
        calls,
        "nobody is asked for them any more"
    );
    for _ in 0..60 {
        world.tick(&db, 4 * MINUTE);
        readable(&db, TABLES[0]).unwrap();
    }
    assert!(world.kms.calls() >= calls + 60);
}

/// How many bytes of zeros are left at the end of the trail, if they are enough for another record.
fn trail_len(data: &Path) -> usize {
    let bytes = std::fs::read(data.join("audit.trail")).unwrap();
    let left = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    if left < 3000 { 0 } else { left }
}

const CHILD: &str = "SEALDB_TESTS_KEYS_CHILD";

#[test]
fn the_trail_survives_a_kill() {
    let home = Home::new();
    home.keyring();
    home.root_key();
    let mut told = 0;
    for round in 0..5 {
        // This test's program again, in the part of the one that is killed.
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["the_one_that_is_killed", "--nocapture", "--include-ignored"])
            .env(CHILD, home.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines =
            std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let mut calls = 0;
        for _ in 0..20 + round * 7 {
            let line = lines
                .by_ref()
                .map(Result::unwrap)
                .find_map(|line| line.rsplit_once("calls ").map(|(_, n)| n.to_owned()));
            calls = line
                .expect("the child goes on until it is killed")
                .parse()
                .unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        told += calls;
        let events = events(&home.data(), Arc::new(home.keyring()));
        let of_keys = events
            .iter()
            // The making of the two keys was told by the keyring, not asked for by a call.
            .filter(|event| event.event_source == KEY_EVENTS && event.event_name != "CreateKey")
            .count() as u64;
        assert!(of_keys >= told, "{of_keys} events of at least {told} calls");
        // What was not told yet may be there, too.
        told = of_keys;
    }
}

/// Not a test: a process that uses keys until it is killed, and tells how many calls have returned.
#[test]
#[ignore = "the other half of the_trail_survives_a_kill"]
#[allow(clippy::infinite_loop)]
fn the_one_that_is_killed() {
    let Some(root) = std::env::var_os(CHILD) else {
        return;
    };
    let root = Path::new(&root);
    let source = sealdb::RootKeySource::File(root.join("root.key"));
    let keyring = Keyring::open(
        root.join("keyring").join(KEYRING_FILE),
        source,
        Arc::new(SystemClock),
    )
    .unwrap();
    let kms = Arc::new(ScriptedKms::new(Arc::new(keyring)));
    let db = Database::builder(root.join("data"))
        .kms(kms.clone())
        .options(small())
        .open_sync()
        .unwrap();
    for n in 0.. {
        let name = format!("table-{}-{n}", std::process::id());
        db.create_table(CreateTableInput::new(name).partition_key("pk", ScalarType::S))
            .unwrap();
        println!("calls {}", kms.calls());
    }
}

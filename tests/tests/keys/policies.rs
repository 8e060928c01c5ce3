//! Policies of keys in an embedded database that works in the name of principals: how soon they are in force, and what a closed table tells.

use std::sync::Arc;

use sealdb::crypto::kms::KeyState;
use sealdb::crypto::{Caller, DEFAULT_ACCOUNT, Identity, KeyPolicy};
use sealdb::model::ops::DeleteTableInput;
use sealdb::{ErrorCode, KeyScope, blocking};

use super::world::*;

fn named(db: &blocking::Database, account: &str, name: &str) -> blocking::Database {
    db.for_caller(Caller::new("AKIA").with_identity(Arc::new(Identity {
        account: account.to_owned(),
        name: name.to_owned(),
    })))
}

fn users(names: &[&str]) -> KeyPolicy {
    KeyPolicy {
        users: names.iter().map(|name| (*name).to_owned()).collect(),
        ..KeyPolicy::default()
    }
}

fn refused(db: &blocking::Database, table: &str) -> bool {
    match readable(db, table) {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.code(), ErrorCode::AccessDeniedException, "{error}");
            true
        }
    }
}

#[test]
fn a_policy_is_in_force_with_the_next_refresh_and_after_a_restart() {
    let mut world = World::new();
    let db = world.filled();
    let (ann, bob) = (
        named(&db, DEFAULT_ACCOUNT, "ann"),
        named(&db, "111111111111", "bob"),
    );
    assert!(!refused(&ann, "films") && refused(&bob, "films"));
    world
        .keyring
        .put_policy(&key_of("films"), users(&["eve"]))
        .unwrap();
    assert!(!refused(&ann, "films"), "as of the last unwrapping");
    for _ in 0..5 {
        world.tick(&db, MINUTE);
    }
    assert!(refused(&ann, "films"), "within the max age");
    assert!(!refused(&ann, "songs") && !refused(&named(&db, DEFAULT_ACCOUNT, "eve"), "films"));
    readable(&db, "films").unwrap();
    db.close().unwrap();
    let db = world.open();
    assert!(refused(&named(&db, DEFAULT_ACCOUNT, "ann"), "films"));
    db.close().unwrap();
    world.all_is_there("policies");
}

#[test]
fn a_rewrapped_or_rekeyed_table_is_at_once_under_its_new_keys_policy() {
    let mut world = World::new();
    let db = world.filled();
    world
        .keyring
        .put_policy(&key_of("songs"), users(&["eve"]))
        .unwrap();
    let (ann, eve) = (
        named(&db, DEFAULT_ACCOUNT, "ann"),
        named(&db, DEFAULT_ACCOUNT, "eve"),
    );
    let films = || KeyScope::Table("films".to_owned());
    let error = ann.rewrap(films(), Some(key_of("songs"))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDeniedException, "{error}");
    assert!(!refused(&ann, "films"));
    eve.rewrap(films(), Some(key_of("songs"))).unwrap();
    assert!(refused(&ann, "films") && !refused(&eve, "films"));
    eve.rekey(films(), Some(key_of("films")), None).unwrap();
    assert!(!refused(&ann, "films"));
    // Both keys are needed as long as the old one retires.
    let error = ann.rewrap(films(), None).unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDeniedException, "{error}");
    db.close().unwrap();
    world.all_is_there("policies");
}

#[test]
fn a_closed_table_says_so_and_is_deleted_only_by_who_might_use_it() {
    let mut world = World::new();
    world.filled().close().unwrap();
    world
        .keyring
        .set_state(&key_of("films"), KeyState::Disabled)
        .unwrap();
    let db = world.open();
    let (ann, bob) = (
        named(&db, DEFAULT_ACCOUNT, "ann"),
        named(&db, "111111111111", "bob"),
    );
    closed(&ann, "films");
    closed(&bob, "films");
    let delete = || DeleteTableInput::new("films");
    let error = bob.delete_table(delete()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDeniedException, "{error}");
    ann.delete_table(delete()).unwrap();
    db.close().unwrap();
}

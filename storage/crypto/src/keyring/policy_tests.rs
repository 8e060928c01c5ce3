//! Policies and grants, tried by calling the keyring as one principal or another.

use std::fs;

use super::tests::{Place, context, reason};
use super::*;
use crate::kms::{Caller, DenyReason, EncryptionContext, Kms};
use crate::policy::{DEFAULT_ACCOUNT, Identity, KeyOperation, KeyPolicy};

const OTHER: &str = "111111111111";

fn caller(account: &str, name: &str) -> Caller {
    Caller::new("AKIA").with_identity(Arc::new(Identity {
        account: account.to_owned(),
        name: name.to_owned(),
    }))
}

fn ann() -> Caller {
    caller(DEFAULT_ACCOUNT, "ann")
}

fn bob() -> Caller {
    caller(OTHER, "bob")
}

fn of_table(name: &str) -> EncryptionContext {
    context().with("sealdb:table-name", name)
}

#[test]
fn every_call_is_refused_to_whom_the_policy_does_not_name() {
    let place = Place::new();
    let keyring = place.create();
    let key = KeyRef::from(&keyring.create_key(None, "", KeyUsage::Table).unwrap());
    let (orders, users) = (of_table("orders"), of_table("users"));
    let wrapped = keyring
        .encrypt(&ann(), &key, b"key", &orders)
        .unwrap()
        .ciphertext;
    let policy = KeyPolicy {
        users: vec!["ann".to_owned()],
        tables: vec!["ord*".to_owned()],
        ..KeyPolicy::default()
    };
    keyring.put_policy(&key, policy).unwrap();
    let keyring = place.open().unwrap();
    keyring.decrypt(&ann(), &key, &wrapped, &orders).unwrap();
    keyring.generate_data_key(&ann(), &key, &orders).unwrap();
    let eve = caller(DEFAULT_ACCOUNT, "eve");
    for (caller, context) in [(&ann(), &users), (&eve, &orders), (&bob(), &orders)] {
        let denied = DenyReason::AccessDenied;
        assert_eq!(
            reason(keyring.generate_data_key(caller, &key, context)),
            denied
        );
        assert_eq!(
            reason(keyring.encrypt(caller, &key, b"key", context)),
            denied
        );
        assert_eq!(
            reason(keyring.decrypt(caller, &key, &wrapped, context)),
            denied
        );
        let (from, to) = ((&key, context), (&key, context));
        assert_eq!(
            reason(keyring.re_encrypt(caller, &wrapped, from, to)),
            denied
        );
    }
    // Before anything else is told about the key.
    keyring.set_state(&key, KeyState::Disabled).unwrap();
    let answer = keyring.decrypt(&bob(), &key, &wrapped, &orders);
    assert_eq!(reason(answer), DenyReason::AccessDenied);
    keyring.set_state(&key, KeyState::Enabled).unwrap();
    // The database refreshes its own keys whatever the policy says.
    keyring
        .decrypt(&Caller::database(), &key, &wrapped, &orders)
        .unwrap();
    let access = keyring.access(&key).unwrap();
    assert!(!access.allows(&eve, KeyOperation::Decrypt, "orders"));
    assert!(access.allows(&ann(), KeyOperation::Decrypt, "orders"));
}

#[test]
fn another_account_uses_a_key_by_a_grant_until_that_is_taken_back() {
    let place = Place::new();
    let keyring = place.create();
    let key = KeyRef::from(&keyring.create_key(None, "", KeyUsage::Table).unwrap());
    let orders = of_table("orders");
    let wrapped = keyring
        .encrypt(&ann(), &key, b"key", &orders)
        .unwrap()
        .ciphertext;
    let decrypt = || keyring.decrypt(&bob(), &key, &wrapped, &orders).map(|_| ());
    assert_eq!(reason(decrypt()), DenyReason::AccessDenied);
    let grant = keyring
        .create_grant(
            &key,
            (OTHER, "bob"),
            vec![KeyOperation::Decrypt],
            Vec::new(),
        )
        .unwrap();
    decrypt().unwrap();
    let made = keyring.generate_data_key(&bob(), &key, &orders);
    assert_eq!(reason(made), DenyReason::AccessDenied);
    assert_eq!(keyring.details_of(&key).unwrap().policy.grants.len(), 1);
    keyring.revoke_grant(&key, grant).unwrap();
    assert_eq!(reason(decrypt()), DenyReason::AccessDenied);
    assert!(keyring.revoke_grant(&key, grant).is_err());
}

#[test]
fn a_new_policy_keeps_the_grants() {
    let place = Place::new();
    let keyring = place.create();
    let key = KeyRef::from(&keyring.create_key(None, "", KeyUsage::Table).unwrap());
    let all = KeyOperation::GRANTABLE.to_vec();
    keyring
        .create_grant(&key, (OTHER, "bob"), all, Vec::new())
        .unwrap();
    keyring.put_policy(&key, KeyPolicy::default()).unwrap();
    assert_eq!(keyring.details_of(&key).unwrap().policy.grants.len(), 1);
}

#[test]
fn a_policy_of_the_system_key_and_one_that_nobody_can_fit_are_refused() {
    let place = Place::new();
    let keyring = place.create();
    let (none, key) = (Vec::new, KeyRef::default_key());
    assert!(
        keyring
            .put_policy(&KeyRef::system(), KeyPolicy::default())
            .is_err()
    );
    for account in ["", "1234", "12345678901x", "1234567890123"] {
        let policy = KeyPolicy {
            account: account.to_owned(),
            ..KeyPolicy::default()
        };
        assert!(keyring.put_policy(&key, policy).is_err(), "{account}");
        let all = KeyOperation::GRANTABLE.to_vec();
        assert!(
            keyring
                .create_grant(&key, (account, "bob"), all, none())
                .is_err()
        );
    }
    let too_long = "x".repeat(256);
    for wrong in ["", "a b", "a\n", &too_long] {
        let list = || vec!["ann".to_owned(), wrong.to_owned()];
        let base = KeyPolicy::default;
        for policy in [
            KeyPolicy {
                administrators: list(),
                ..base()
            },
            KeyPolicy {
                users: list(),
                ..base()
            },
            KeyPolicy {
                tables: list(),
                ..base()
            },
        ] {
            assert!(keyring.put_policy(&key, policy).is_err(), "{wrong:?}");
        }
        let all = KeyOperation::GRANTABLE.to_vec();
        assert!(
            keyring
                .create_grant(&key, (OTHER, wrong), all, none())
                .is_err()
        );
    }
    for operations in [Vec::new(), vec![KeyOperation::Administer]] {
        assert!(
            keyring
                .create_grant(&key, (OTHER, "bob"), operations, none())
                .is_err()
        );
    }
    assert_eq!(
        keyring.details_of(&key).unwrap().policy,
        KeyPolicy::default()
    );
}

/// Written by the last version that knew no policies: the two keys of a new keyring, and one more of two versions.
#[test]
fn a_keyring_of_format_2_opens_with_default_policies_and_becomes_format_3() {
    let place = Place::new();
    drop(place.create());
    let old = include_bytes!("../../testdata/keyring-v2.seal");
    let root_key = include_bytes!("../../testdata/keyring-v2.root.key");
    fs::write(place.keyring_path(), old).unwrap();
    fs::write(place.path("root.key"), root_key).unwrap();
    let format = || fs::read(place.keyring_path()).unwrap()[8..10].to_vec();
    let keyring = place.open().unwrap();
    let keys = keyring.list().unwrap();
    assert_eq!(keys.len(), 3);
    for key in &keys {
        let policy = keyring.details_of(&KeyRef::from(key)).unwrap().policy;
        assert_eq!(policy, KeyPolicy::default());
    }
    assert_eq!(format(), [0, 2], "reading changes nothing");
    let key: KeyRef = "alias/orders".parse().unwrap();
    let orders = of_table("orders");
    let wrapped = keyring.encrypt(&ann(), &key, b"key", &orders).unwrap();
    let policy = KeyPolicy {
        users: vec!["eve".to_owned()],
        ..KeyPolicy::default()
    };
    keyring.put_policy(&key, policy.clone()).unwrap();
    assert_eq!(format(), [0, 3]);
    let keyring = place.open().unwrap();
    assert_eq!(keyring.details_of(&key).unwrap().policy, policy);
    let opened = keyring.decrypt(&Caller::database(), &key, &wrapped.ciphertext, &orders);
    assert_eq!(*opened.unwrap(), b"key");
    let denied = keyring.decrypt(&ann(), &key, &wrapped.ciphertext, &orders);
    assert_eq!(reason(denied), DenyReason::AccessDenied);
}

/// A policy of some 750 KB, about the longest that there can be.
fn longest() -> KeyPolicy {
    let names = |list: &str| {
        (0..1000)
            .map(|n| format!("{list}{n:0>250}"))
            .collect::<Vec<_>>()
    };
    KeyPolicy {
        administrators: names("a"),
        users: names("u"),
        tables: names("t"),
        ..KeyPolicy::default()
    }
}

#[test]
fn a_keyring_that_would_be_too_long_to_be_read_is_not_written() {
    let place = Place::new();
    let keyring = place.create();
    let mut kept = 0;
    let refused = loop {
        let key = KeyRef::from(&keyring.create_key(None, "", KeyUsage::Table).unwrap());
        match keyring.put_policy(&key, longest()) {
            Ok(_) => kept += 1,
            Err(error) => break error.to_string(),
        }
        assert!(kept < 100);
    };
    assert!(refused.contains("too long"), "{refused}");
    assert!(kept > 15, "{kept}");
    // Both the keyring that refused and the file are as before.
    for keyring in [keyring, place.open().unwrap()] {
        assert_eq!(keyring.list().unwrap().len(), 2 + kept + 1);
    }
}

#[test]
fn an_entry_of_a_long_policy_fits_the_trail() {
    let place = Place::new();
    let keyring = place.create();
    let key = KeyRef::from(&keyring.create_key(None, "", KeyUsage::Table).unwrap());
    keyring.put_policy(&key, longest()).unwrap();
    let mut told = Vec::new();
    let taken = keyring.administration(&mut |act| {
        told.push((act.name.clone(), act.detail.clone()));
        Ok(())
    });
    taken.unwrap();
    let (name, detail) = told.last().unwrap();
    assert_eq!(name, "PutKeyPolicy");
    assert!(detail.len() < 9_000 && detail.ends_with("bytes more"));
}

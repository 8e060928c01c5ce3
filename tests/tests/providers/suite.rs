//! What every provider must do, whoever it is.

use std::sync::Arc;

use sealdb_crypto::{
    Caller, DatabaseId, DenyReason, EncryptionContext, Generation, KeyRecord, KeyRecordError,
    KeyRef, KeyState, Kms, KmsError, TableId,
};
use sealdb_kms::{Family, Pace, Patience, Resilient, Router, check_binding};

use crate::keyring::OfKeyring;
use crate::life;

/// A provider, and what its administrator does to it.
pub(crate) trait Subject {
    fn kms(&self) -> Arc<dyn Kms>;

    /// As key records name it.
    fn name(&self) -> &'static str;

    /// What it is registered for; the default if it is that.
    fn family(&self) -> Family;

    /// Two keys that there are.
    fn keys(&self) -> [KeyRef; 2];

    /// A well-formed name of none.
    fn missing(&self) -> KeyRef;

    /// Takes the first key away, or gives it back.
    fn allow(&self, allowed: bool);

    /// Why a call is refused while the key is taken away.
    fn refusal(&self) -> DenyReason;

    /// Makes the provider unreachable, or reachable again.
    fn reach(&self, reachable: bool);
}

/// The keyring, and the subject beside it if that is another.
pub(crate) fn routed(subject: &dyn Subject, keyring: Arc<dyn Kms>) -> Arc<dyn Kms> {
    let mut router = Router::new(keyring);
    if subject.family() != Family::Default {
        let patience = Patience {
            attempts: 1,
            failures: u32::MAX,
            ..Patience::default()
        };
        let kms = Resilient::new(subject.kms(), patience, Pace::system());
        router.register(subject.family(), Arc::new(kms)).unwrap();
    }
    Arc::new(router)
}

/// All of it.
pub(crate) fn conforms(subject: &dyn Subject) {
    a_key_comes_back(subject);
    the_context_is_bound(subject);
    what_was_changed_does_not_open(subject);
    keys_are_told_apart_and_described(subject);
    a_key_moves_to_the_keyring_and_back(subject);
    a_no_is_told_from_no_answer(subject);
    life::of_a_table(subject);
}

fn context(database: u8, table: u8, generation: u32) -> EncryptionContext {
    EncryptionContext::for_table(
        DatabaseId::from_bytes([database; 16]),
        TableId::from_bytes([table; 16]),
        "films",
        "000000000000",
        Generation::new(generation),
    )
}

fn caller() -> Caller {
    Caller::new("test")
}

fn a_key_comes_back(subject: &dyn Subject) {
    let (kms, context) = (subject.kms(), context(1, 1, 1));
    let [key, _] = subject.keys();
    let made = kms.generate_data_key(&caller(), &key, &context).unwrap();
    let other = kms.generate_data_key(&caller(), &key, &context).unwrap();
    assert!(!made.plaintext.ct_eq(&other.plaintext));
    let by_id = KeyRef::Id(made.key_id);
    let again = kms
        .decrypt(&caller(), &by_id, &made.wrapped, &context)
        .unwrap();
    assert_eq!(again.as_slice(), made.plaintext.expose());
    let plain = made.plaintext.expose().as_slice();
    let holds = made.wrapped.windows(plain.len()).any(|part| part == plain);
    assert!(!holds, "a wrapped key does not show the key");
    let wrapped = kms.encrypt(&caller(), &key, b"short", &context).unwrap();
    let again = kms
        .decrypt(&caller(), &by_id, &wrapped.ciphertext, &context)
        .unwrap();
    assert_eq!(again.as_slice(), b"short");
    assert_eq!(kms.provider_of(&by_id), subject.name());
    assert_eq!(kms.identity().provider, subject.name());
}

fn the_context_is_bound(subject: &dyn Subject) {
    let (kms, at_home) = (subject.kms(), context(1, 1, 2));
    let [key, _] = subject.keys();
    check_binding(&*kms, &caller(), &key, &at_home).unwrap();
    let made = kms.generate_data_key(&caller(), &key, &at_home).unwrap();
    for (what, elsewhere) in [
        ("another table", context(1, 2, 2)),
        ("another database", context(2, 1, 2)),
        ("an older generation", context(1, 1, 1)),
        (
            "another name",
            at_home.clone().with("sealdb:table-name", "songs"),
        ),
        ("more", at_home.clone().with("more", "of it")),
        ("none", EncryptionContext::new()),
    ] {
        let answer = kms.decrypt(&caller(), &key, &made.wrapped, &elsewhere);
        let invalid = matches!(answer, Err(KmsError::InvalidCiphertext { .. }));
        assert!(invalid, "{what}: {answer:?}");
    }
}

fn what_was_changed_does_not_open(subject: &dyn Subject) {
    let (kms, context) = (subject.kms(), context(1, 1, 1));
    let [key, other] = subject.keys();
    let wrapped = kms
        .encrypt(&caller(), &key, &[7; 32], &context)
        .unwrap()
        .ciphertext;
    let opens = |key: &KeyRef, bytes: &[u8]| {
        let answer = kms.decrypt(&caller(), key, bytes, &context);
        if let Err(error) = &answer {
            assert!(
                !error.is_transient(),
                "what is wrong with the bytes does not pass: {error}"
            );
        }
        answer.is_ok_and(|plain| plain.as_slice() == [7; 32])
    };
    assert!(opens(&key, &wrapped));
    assert!(!opens(&other, &wrapped), "under another key");
    for length in [0, 1, wrapped.len() / 2, wrapped.len() - 1] {
        assert!(!opens(&key, &wrapped[..length]), "{length} bytes of it");
    }
    // Not each byte of Vault's: it takes version 0 for version 1.
    for at in (0..wrapped.len()).step_by(5) {
        let mut changed = wrapped.clone();
        changed[at] ^= 1;
        assert!(!opens(&key, &changed), "byte {at} changed");
    }
}

fn keys_are_told_apart_and_described(subject: &dyn Subject) {
    let kms = subject.kms();
    let [one, two] = subject
        .keys()
        .map(|key| kms.describe_key(&caller(), &key).unwrap());
    assert_ne!(one.id, two.id);
    assert_eq!(one.state, KeyState::Enabled);
    assert!(one.versions >= 1);
    let missing = subject.missing();
    for answer in [
        kms.describe_key(&caller(), &missing).map(|_| ()),
        kms.generate_data_key(&caller(), &missing, &context(1, 1, 1))
            .map(|_| ()),
    ] {
        let reason = DenyReason::NotFound;
        let not_found =
            matches!(answer, Err(KmsError::Denied { reason: found, .. }) if found == reason);
        assert!(not_found, "{answer:?}");
    }
}

fn a_key_moves_to_the_keyring_and_back(subject: &dyn Subject) {
    let keyring = OfKeyring::new();
    let router = routed(subject, keyring.kms());
    let [key, other] = match subject.family() {
        Family::Default => keyring.keys(),
        _ => subject.keys(),
    };
    let (context, generation) = (context(1, 1, 1), Generation::FIRST);
    let made = KeyRecord::create(&*router, &caller(), &key, context.clone(), generation, 1);
    let (here, _) = made.unwrap();
    let there = here
        .rewrapped(&*router, &caller(), &KeyRef::default_key())
        .unwrap();
    assert_eq!(there.provider, "keyring");
    let back = there.rewrapped(&*router, &caller(), &other).unwrap();
    assert_eq!(back.provider, subject.name());
    // The commitment, compared at each step, is the proof that it is the same key.
    for record in [&here, &there, &back] {
        record.unwrap(&*router, &caller(), &context).unwrap();
    }
    // What one provider wrapped is nothing to the other.
    let mut mixed = here;
    mixed.wrapped = there.wrapped;
    let answer = mixed.unwrap(&*router, &caller(), &context).map(|_| ());
    let invalid = matches!(
        answer,
        Err(KeyRecordError::Kms(KmsError::InvalidCiphertext { .. }))
    );
    assert!(invalid, "{answer:?}");
}

fn a_no_is_told_from_no_answer(subject: &dyn Subject) {
    let (kms, context) = (subject.kms(), context(1, 1, 1));
    let [key, other] = subject.keys();
    let made = kms.generate_data_key(&caller(), &key, &context).unwrap();
    let open = || kms.decrypt(&caller(), &key, &made.wrapped, &context);

    subject.allow(false);
    let refused = open().unwrap_err();
    let expected = subject.refusal();
    assert!(
        matches!(&refused, KmsError::Denied { reason, .. } if *reason == expected),
        "{refused:?}"
    );
    kms.generate_data_key(&caller(), &key, &context)
        .map(|_| ())
        .unwrap_err();
    kms.generate_data_key(&caller(), &other, &context).unwrap();
    subject.allow(true);
    open().unwrap();

    subject.reach(false);
    let away = open().unwrap_err();
    assert!(away.is_transient(), "{away:?}");
    subject.reach(true);
    open().unwrap();
}

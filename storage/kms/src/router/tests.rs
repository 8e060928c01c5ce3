#![allow(clippy::unwrap_used)]

use sealdb_crypto::{DatabaseId, Generation, KeyRecord, TableId};

use super::*;
use crate::testing::{MemoryKms, unavailable};

const VAULT: &str = "vault:transit/films";
const AWS: &str = "arn:aws:kms:eu-central-1:111122223333:key/films";

struct World {
    keyring: Arc<MemoryKms>,
    vault: Arc<MemoryKms>,
    aws: Arc<MemoryKms>,
    router: Router,
}

fn world() -> World {
    let [keyring, vault, aws] = ["keyring", "vault", "aws"].map(MemoryKms::new);
    let mut router = Router::new(keyring.clone());
    router.register(Family::Vault, vault.clone()).unwrap();
    router
        .register(aws_in("eu-central-1"), aws.clone())
        .unwrap();
    World {
        keyring,
        vault,
        aws,
        router,
    }
}

fn aws_in(region: &str) -> Family {
    Family::Aws {
        region: region.to_owned(),
    }
}

fn key(name: &str) -> KeyRef {
    name.parse().unwrap()
}

fn context() -> EncryptionContext {
    let (database, table) = (
        DatabaseId::from_bytes([1; 16]),
        TableId::from_bytes([2; 16]),
    );
    EncryptionContext::for_table(database, table, "films", "000000000000", Generation::FIRST)
}

fn record(kms: &dyn Kms, name: &str) -> Result<KeyRecord, KmsError> {
    let caller = Caller::database();
    let made = KeyRecord::create(kms, &caller, &key(name), context(), Generation::FIRST, 1);
    match made {
        Ok((record, _)) => Ok(record),
        Err(sealdb_crypto::KeyRecordError::Kms(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_record_remembers_the_provider_of_its_own_key() {
    let world = world();
    assert_eq!(world.router.identity().provider, "keyring");
    for (name, provider) in [
        ("alias/sealdb/default", "keyring"),
        (VAULT, "vault"),
        (AWS, "aws"),
    ] {
        let record = record(&world.router, name).unwrap();
        assert_eq!(record.provider, provider, "{name}");
        let caller = Caller::database();
        record.unwrap(&world.router, &caller, &context()).unwrap();
    }
}

#[test]
fn each_call_reaches_the_provider_of_its_key_only() {
    let world = world();
    let calls = || [&world.keyring, &world.vault, &world.aws].map(|kms| kms.calls());
    world
        .router
        .describe_key(&Caller::database(), &key(AWS))
        .unwrap();
    assert_eq!(calls(), [0, 0, 1]);
    world
        .router
        .describe_key(&Caller::database(), &key("alias/x"))
        .unwrap();
    assert_eq!(calls(), [1, 0, 1]);
    world.vault.fail_next([unavailable()]);
    assert!(record(&world.router, VAULT).unwrap_err().is_transient());
    record(&world.router, AWS).unwrap();
}

#[test]
fn a_key_of_no_registered_provider_is_denied_without_asking() {
    let world = world();
    for name in [
        "arn:aws:kms:us-east-1:111122223333:key/films",
        "pkcs11:token=t;object=o",
    ] {
        let denied = |answer: Result<(), KmsError>| {
            let reason = DenyReason::NoProvider;
            matches!(answer, Err(KmsError::Denied { reason: found, .. }) if found == reason)
        };
        let caller = Caller::database();
        let (router, key) = (&world.router, key(name));
        assert!(denied(
            router.decrypt(&caller, &key, b"x", &context()).map(|_| ())
        ));
        assert!(denied(router.describe_key(&caller, &key).map(|_| ())));
        assert!(denied(record(router, name).map(|_| ())));
    }
    assert_eq!(world.keyring.calls(), 0);
}

#[test]
fn a_family_has_one_provider() {
    let mut world = world();
    for family in [Family::Vault, Family::Default, aws_in("eu-central-1")] {
        let kms = MemoryKms::new("other");
        assert_eq!(
            world.router.register(family.clone(), kms),
            Err(FamilyTaken(family))
        );
    }
    let kms = MemoryKms::new("other");
    world.router.register(aws_in("us-east-1"), kms).unwrap();
}

#[test]
fn a_provider_that_does_not_bind_the_context_wraps_nothing() {
    let world = world();
    world.vault.unbind();
    let error = record(&world.router, VAULT).unwrap_err();
    let unbound = DenyReason::UnboundContext;
    assert!(
        matches!(&error, KmsError::Denied { reason, key } if *reason == unbound && key == VAULT),
        "{error}"
    );
    let caller = Caller::database();
    let kept = record(&world.router, "alias/films").unwrap();
    let moved = kept.rewrapped(&world.router, &caller, &key(VAULT));
    assert!(moved.unwrap_err().to_string().contains("does not bind"));
}

#[test]
fn a_key_is_tried_once_and_again_only_if_it_could_not_be() {
    let world = world();
    world.vault.fail_next([unavailable()]);
    record(&world.router, VAULT).unwrap_err();
    record(&world.router, VAULT).unwrap();
    let calls = world.vault.calls();
    record(&world.router, VAULT).unwrap();
    assert_eq!(world.vault.calls(), calls + 1);
    record(&world.router, "vault:transit/songs").unwrap();
    assert_eq!(
        world.vault.calls(),
        calls + 1 + 4,
        "another key is tried, too"
    );
}

#[test]
fn a_key_moves_between_providers() {
    let world = world();
    let caller = Caller::database();
    let at_home = record(&world.router, "alias/films").unwrap();
    let key_at_home = at_home.unwrap(&world.router, &caller, &context()).unwrap();
    let mut now = at_home;
    for (name, provider) in [(VAULT, "vault"), (AWS, "aws"), ("alias/films", "keyring")] {
        now = now.rewrapped(&world.router, &caller, &key(name)).unwrap();
        assert_eq!(now.provider, provider);
        // The commitment is the proof that it is the same key.
        let again = now.unwrap(&world.router, &caller, &context()).unwrap();
        assert_eq!(again.generation(), key_at_home.generation());
    }
}

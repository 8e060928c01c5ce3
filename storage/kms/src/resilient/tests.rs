#![allow(clippy::unwrap_used)]

use sealdb_crypto::testing::{SEEDED_PROVIDER, seed_this_thread};
use sealdb_crypto::{DenyReason, ManualClock};

use super::*;
use crate::testing::{MemoryKms, unavailable};

const SECOND: Duration = Duration::from_secs(1);

struct World {
    inner: Arc<MemoryKms>,
    clock: Arc<ManualClock>,
    pauses: Arc<Mutex<Vec<Duration>>>,
    kms: Resilient,
}

/// A provider behind this patience, on a clock that only pauses move.
fn world(patience: Patience) -> World {
    seed_this_thread(7);
    let (inner, clock) = (MemoryKms::new("memory"), Arc::new(ManualClock::new()));
    let pauses: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let (of_sleep, noted) = (clock.clone(), pauses.clone());
    let pace = Pace {
        clock: clock.clone(),
        sleep: Arc::new(move |pause| {
            of_sleep.advance(pause);
            noted.lock().push(pause);
        }),
        chance: &SEEDED_PROVIDER,
    };
    let kms = Resilient::new(inner.clone(), patience, pace);
    World {
        inner,
        clock,
        pauses,
        kms,
    }
}

fn ask(kms: &Resilient) -> Result<KeyDescription, KmsError> {
    kms.describe_key(&Caller::database(), &"alias/x".parse().unwrap())
}

fn denied() -> KmsError {
    KmsError::Denied {
        key: "alias/x".to_owned(),
        reason: DenyReason::Disabled,
    }
}

#[test]
fn what_is_unavailable_is_tried_again_after_growing_pauses() {
    let patience = Patience {
        attempts: 6,
        failures: 100,
        ..Patience::default()
    };
    let world = world(patience.clone());
    world.inner.fail_next((0..5).map(|_| unavailable()));
    ask(&world.kms).unwrap();
    assert_eq!(world.inner.calls(), 6);
    let pauses = world.pauses.lock().clone();
    assert_eq!(pauses.len(), 5);
    for (n, pause) in pauses.iter().enumerate() {
        let longest = patience.pause * 2_u32.pow(n as u32);
        assert!(
            *pause <= longest.min(patience.longest_pause),
            "{n}: {pause:?}"
        );
    }
    assert!(
        pauses.iter().any(|pause| *pause > patience.pause),
        "they grow"
    );
    assert!(pauses.windows(2).any(|two| two[0] > two[1]), "by chance");
}

#[test]
fn after_the_last_attempt_the_failure_is_the_answer() {
    let world = world(Patience::default());
    world.inner.fail_next((0..3).map(|_| unavailable()));
    assert!(ask(&world.kms).unwrap_err().is_transient());
    assert_eq!(world.inner.calls(), 3);
    ask(&world.kms).unwrap();
}

#[test]
fn a_no_is_an_answer() {
    let world = world(Patience::default());
    for error in [
        denied(),
        KmsError::InvalidRequest("no".to_owned()),
        KmsError::InvalidCiphertext {
            key: "alias/x".to_owned(),
        },
    ] {
        let code = error.code();
        let before = world.inner.calls();
        world.inner.fail_next([error]);
        assert_eq!(ask(&world.kms).unwrap_err().code(), code);
        assert_eq!(world.inner.calls(), before + 1);
    }
    assert!(world.pauses.lock().is_empty());
}

#[test]
fn a_provider_that_keeps_failing_is_left_alone_and_then_asked_by_one() {
    let world = world(Patience::default());
    world.inner.fail_next((0..7).map(|_| unavailable()));
    ask(&world.kms).unwrap_err();
    ask(&world.kms).unwrap_err();
    assert_eq!(world.inner.calls(), 6);
    let error = ask(&world.kms).unwrap_err().to_string();
    assert!(
        error.contains("left alone") && error.contains("the test made it so"),
        "{error}"
    );
    assert_eq!(world.inner.calls(), 6, "it was not asked");
    // One finds out that it is still away; the others wait again.
    world.clock.advance(Patience::default().rest);
    ask(&world.kms).unwrap_err();
    assert_eq!(world.inner.calls(), 7);
    world.clock.advance(Patience::default().rest - SECOND);
    ask(&world.kms).unwrap_err();
    assert_eq!(world.inner.calls(), 7);
    // And that it is back: all are let through.
    world.clock.advance(SECOND);
    ask(&world.kms).unwrap();
    ask(&world.kms).unwrap();
    assert_eq!(world.inner.calls(), 9);
}

#[test]
fn a_no_between_failures_shows_that_the_provider_is_there() {
    let world = world(Patience {
        attempts: 1,
        failures: 2,
        ..Patience::default()
    });
    for _ in 0..3 {
        world.inner.fail_next([unavailable(), denied()]);
        ask(&world.kms).unwrap_err();
        assert_eq!(ask(&world.kms).unwrap_err().code(), denied().code());
    }
    assert_eq!(world.inner.calls(), 6);
}

#[test]
fn a_call_that_hangs_is_given_up_and_no_more_than_so_many_hang() {
    let world = world(Patience {
        timeout: Duration::from_millis(20),
        attempts: 1,
        threads: 2,
        failures: 100,
        ..Patience::default()
    });
    world.inner.hang(true);
    for _ in 0..2 {
        let error = ask(&world.kms).unwrap_err().to_string();
        assert!(error.contains("no answer within 20ms"), "{error}");
    }
    let error = ask(&world.kms).unwrap_err().to_string();
    assert!(error.contains("too many calls"), "{error}");
    assert_eq!(world.inner.calls(), 2);
    world.inner.hang(false);
    while world.kms.under_way.load(Ordering::Acquire) > 0 {
        std::thread::yield_now();
    }
    let at_leisure = Resilient {
        patience: Patience::default(),
        ..world.kms
    };
    ask(&at_leisure).unwrap();
}

#[test]
fn by_default_a_call_ends_before_the_database_gives_it_up() {
    let patience = Patience::default();
    let pauses = (1..patience.attempts).map(|n| patience.pause * 2_u32.pow(n - 1));
    let longest = patience.timeout * patience.attempts + pauses.sum::<Duration>();
    assert!(longest < Duration::from_secs(10), "{longest:?}");
}

//! How long a plaintext table key may be used: a pure state machine over two clocks.
//!
//! ```text
//!            refresh_after          max_age                      max_age + coast
//!  |-- Fresh --|---- RefreshDue ----|-- Coasting (KMS away) ------|-- Expired
//!                                   |-- Overdue (nobody asked) -------|
//!  Denied from anywhere, at once, when the KMS says no
//! ```
//!
//! - The age of a key is the **larger** of the elapsed boot time and the elapsed wall time. Boot time runs on while the
//!   machine sleeps, so a suspend counts; a wall clock set back does not prolong a lease, one set forward shortens it.
//! - Coasting needs a cause: a refresh that was answered "unavailable". A lease that passes `max_age` without having been asked about
//!   (the machine slept, the wall clock jumped) is overdue: its holder asks at once, and the answer decides.
//! - Nothing lasts beyond `max_age + coast`. A lease that has run out stays so until [`KeyLease::renew`], whatever the clocks say later.
//! - `Moment`s of a renewal are to be taken **before** the call to the KMS, so that a slow answer does not lengthen the life of
//!   the key.
//!
//! The machine owns no key and no timer; who holds the key asks [`KeyLease::state`] and drops the key when it says so.

use std::time::Duration;

use crate::clock::Clock;

/// How long keys live. Plain data; the defaults are those of the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeasePolicy {
    /// Age at which a key must have been unwrapped again. Default 5 min.
    pub max_age: Duration,
    /// Age from which a refresh is due. Default 4/5 of `max_age`; capped at `max_age`.
    pub refresh_after: Duration,
    /// How much longer a key is used while the KMS cannot be reached. Default 30 min, may be zero.
    pub coast: Duration,
}

impl LeasePolicy {
    /// A policy with the refresh due at 4/5 of `max_age`.
    pub fn new(max_age: Duration, coast: Duration) -> Self {
        Self {
            max_age,
            refresh_after: max_age / 5 * 4,
            coast,
        }
    }
}

impl Default for LeasePolicy {
    fn default() -> Self {
        Self::new(Duration::from_secs(5 * 60), Duration::from_secs(30 * 60))
    }
}

/// A reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Time since boot, suspends included.
    pub boot: Duration,
    /// Milliseconds since 1970.
    pub wall_ms: u64,
}

impl Moment {
    /// Reads both clocks.
    pub fn now(clock: &dyn Clock) -> Self {
        Self {
            boot: clock.boot(),
            wall_ms: clock.wall_ms(),
        }
    }

    /// The larger of the two times elapsed since `earlier`; a clock that went back counts as zero.
    fn since(self, earlier: Moment) -> Duration {
        let boot = self.boot.saturating_sub(earlier.boot);
        let wall = Duration::from_millis(self.wall_ms.saturating_sub(earlier.wall_ms));
        boot.max(wall)
    }
}

/// What the holder of a key has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseState {
    /// Use it.
    Fresh,
    /// Use it, and ask the KMS again.
    RefreshDue,
    /// Use it, keep asking: the KMS cannot be reached.
    Coasting,
    /// Ask the KMS now: past its age, but nobody has asked yet. Usable for no longer than that takes.
    Overdue,
    /// Drop it: too old.
    Expired,
    /// Drop it: the KMS said no.
    Denied,
}

impl LeaseState {
    /// Whether the key may be used.
    pub fn usable(self) -> bool {
        match self {
            Self::Fresh | Self::RefreshDue | Self::Coasting | Self::Overdue => true,
            Self::Expired | Self::Denied => false,
        }
    }

    /// Whether the KMS should be asked now.
    pub fn wants_refresh(self) -> bool {
        match self {
            Self::RefreshDue | Self::Coasting | Self::Overdue => true,
            Self::Fresh | Self::Expired | Self::Denied => false,
        }
    }
}

/// The life of one unwrapped key.
#[derive(Debug, Clone)]
pub struct KeyLease {
    policy: LeasePolicy,
    obtained: Moment,
    grace: Grace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grace {
    /// Until `max_age`.
    None,
    /// The KMS was away when asked: until `max_age + coast`.
    Coast,
    /// Seen to have run out.
    Over,
    /// The KMS said no.
    Denied,
}

impl KeyLease {
    /// A lease on a key whose unwrapping was begun at `now`.
    pub fn new(policy: LeasePolicy, now: Moment) -> Self {
        Self {
            policy,
            obtained: now,
            grace: Grace::None,
        }
    }

    /// The KMS gave the key again; `asked` was read before the call.
    pub fn renew(&mut self, asked: Moment) {
        self.obtained = asked;
        self.grace = Grace::None;
    }

    /// A refresh failed because the KMS cannot be reached. A lease that has run out already stays so.
    pub fn unavailable(&mut self, now: Moment) -> LeaseState {
        let state = self.observe(now);
        if state.usable() {
            self.grace = Grace::Coast;
        }
        self.observe(now)
    }

    /// The KMS said no: over at once.
    pub fn deny(&mut self) {
        self.grace = Grace::Denied;
    }

    /// The state at `now`, remembering an expiry, so that a clock set back later does not revive the key.
    pub fn observe(&mut self, now: Moment) -> LeaseState {
        let state = self.state(now);
        if state == LeaseState::Expired {
            self.grace = Grace::Over;
        }
        state
    }

    /// The state at `now`.
    pub fn state(&self, now: Moment) -> LeaseState {
        let age = now.since(self.obtained);
        match self.grace {
            Grace::Denied => LeaseState::Denied,
            Grace::Over => LeaseState::Expired,
            Grace::None | Grace::Coast
                if age < self.policy.refresh_after.min(self.policy.max_age) =>
            {
                LeaseState::Fresh
            }
            Grace::None | Grace::Coast if age < self.policy.max_age => LeaseState::RefreshDue,
            Grace::Coast if age < self.policy.max_age.saturating_add(self.policy.coast) => {
                LeaseState::Coasting
            }
            Grace::None if age < self.policy.max_age.saturating_add(self.policy.coast) => {
                LeaseState::Overdue
            }
            Grace::None | Grace::Coast => LeaseState::Expired,
        }
    }

    /// How long until the state changes by itself: when to look again. `None` once it is over.
    pub fn until_change(&self, now: Moment) -> Option<Duration> {
        let edge = match self.state(now) {
            LeaseState::Fresh => self.policy.refresh_after.min(self.policy.max_age),
            LeaseState::RefreshDue => self.policy.max_age,
            LeaseState::Coasting | LeaseState::Overdue => {
                self.policy.max_age.saturating_add(self.policy.coast)
            }
            LeaseState::Expired | LeaseState::Denied => return None,
        };
        Some(edge.saturating_sub(now.since(self.obtained)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(boot_s: u64, wall_s: u64) -> Moment {
        Moment {
            boot: Duration::from_secs(boot_s),
            wall_ms: wall_s * 1000,
        }
    }

    fn lease() -> KeyLease {
        KeyLease::new(LeasePolicy::default(), at(1000, 5000))
    }

    #[test]
    fn a_lease_is_fresh_then_due_then_overdue_then_over_without_a_failure_told() {
        let lease = lease();
        assert_eq!(lease.state(at(1000, 5000)), LeaseState::Fresh);
        assert_eq!(lease.state(at(1239, 5239)), LeaseState::Fresh);
        assert_eq!(lease.state(at(1240, 5240)), LeaseState::RefreshDue);
        assert_eq!(lease.state(at(1299, 5299)), LeaseState::RefreshDue);
        assert_eq!(lease.state(at(1300, 5300)), LeaseState::Overdue);
        assert!(LeaseState::Overdue.wants_refresh());
        assert_eq!(lease.state(at(3099, 5300)), LeaseState::Overdue);
        assert_eq!(lease.state(at(3100, 5300)), LeaseState::Expired);
        assert_eq!(
            lease.until_change(at(1100, 5000)),
            Some(Duration::from_secs(140))
        );
        assert_eq!(lease.until_change(at(3100, 5300)), None);
    }

    #[test]
    fn it_coasts_while_the_kms_is_away_and_then_closes() {
        let mut lease = lease();
        assert_eq!(lease.unavailable(at(1250, 5250)), LeaseState::RefreshDue);
        assert_eq!(lease.state(at(1300, 5300)), LeaseState::Coasting);
        assert_eq!(lease.state(at(1000 + 2099, 5000)), LeaseState::Coasting);
        assert_eq!(lease.observe(at(1000 + 2100, 5000)), LeaseState::Expired);
        // An answer that comes after the end does not revive it.
        assert_eq!(
            lease.unavailable(at(1000 + 2101, 5000)),
            LeaseState::Expired
        );
        lease.renew(at(9000, 9000));
        assert_eq!(lease.state(at(9000, 9000)), LeaseState::Fresh);
    }

    #[test]
    fn a_failure_told_late_gives_what_is_left_of_the_grace_and_none_after_the_end() {
        let mut late = lease();
        assert_eq!(late.unavailable(at(1301, 5301)), LeaseState::Coasting);
        assert_eq!(late.state(at(3100, 5301)), LeaseState::Expired);
        assert_eq!(lease().unavailable(at(3100, 5301)), LeaseState::Expired);
    }

    #[test]
    fn a_renewal_ends_the_grace() {
        let mut lease = lease();
        lease.unavailable(at(1250, 5250));
        lease.renew(at(1260, 5260));
        assert_eq!(lease.state(at(1560, 5560)), LeaseState::Overdue);
    }

    #[test]
    fn no_coast_closes_at_max_age() {
        let policy = LeasePolicy::new(Duration::from_secs(300), Duration::ZERO);
        let mut lease = KeyLease::new(policy, at(0, 0));
        lease.unavailable(at(250, 250));
        assert_eq!(lease.state(at(299, 299)), LeaseState::RefreshDue);
        assert_eq!(lease.state(at(300, 300)), LeaseState::Expired);
    }

    #[test]
    fn denied_closes_at_once() {
        let mut lease = lease();
        lease.deny();
        assert_eq!(lease.state(at(1000, 5000)), LeaseState::Denied);
        assert_eq!(lease.unavailable(at(1001, 5001)), LeaseState::Denied);
    }

    #[test]
    fn the_slower_clock_does_not_prolong() {
        // Wall clock set back: boot time rules. Machine slept without boot time counting it: wall time rules.
        assert_eq!(lease().state(at(1300, 10)), LeaseState::Overdue);
        assert_eq!(lease().state(at(1001, 5300)), LeaseState::Overdue);
        assert_eq!(lease().state(at(3100, 10)), LeaseState::Expired);
        let mut seen = lease();
        assert_eq!(seen.observe(at(1001, 7100)), LeaseState::Expired);
        assert_eq!(
            seen.state(at(1002, 5002)),
            LeaseState::Expired,
            "an expiry once seen is final"
        );
    }

    proptest! {
        /// Without a renewal the key is never used past max_age + coast of either clock, whatever happens in between.
        #[test]
        fn never_usable_past_the_end(
            events in proptest::collection::vec((0u64..600, -300i64..600, 0u8..3), 1..40)
        ) {
            let start = at(1_000, 1_000_000);
            let policy = LeasePolicy::default();
            let mut lease = KeyLease::new(policy, start);
            let (mut boot, mut wall) = (1_000u64, 1_000_000i64);
            let mut over = false;
            for (boot_step, wall_step, event) in events {
                boot += boot_step;
                wall += wall_step;
                let now = at(boot, u64::try_from(wall).unwrap());
                let state = match event {
                    0 => lease.unavailable(now),
                    1 => lease.observe(now),
                    _ => lease.state(now),
                };
                let age = now.since(start);
                prop_assert!(!(state.usable() && age >= policy.max_age + policy.coast));
                prop_assert!(!(state.usable() && over), "revived");
                over |= event != 2 && !state.usable();
            }
        }
    }
}

//! When a request is sent again.

use std::time::Duration;

/// How often and when the client sends a request again by itself: with exponential backoff and full jitter, that is
/// after a random time between 0 and `base × 2^(tries − 1)`, at most `cap`.
///
/// It does so only
///
/// - after an error that the server named and that [`ErrorCode::retryable`](sealdb_model::ErrorCode::retryable) says was
///   not carried out (throttling, a full disk, a server that shuts down),
/// - where no connection came about, so that nothing was sent (but not where the server's certificate is wrong),
/// - where the answer is lost (broken connection, time limit), *if* carrying the request out twice is as carrying it
///   out once: reads; PutItem and DeleteItem, unless they have a condition or ask for the old item; BatchWriteItem;
///   TransactWriteItems, for its token.
///
/// A PutItem that is sent again may undo a put of somebody else's that came in between, as with DynamoDB's own SDKs. Who
/// minds sets [`RetryPolicy::none`] and decides by [`Error::code`](crate::Error::code).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries altogether, at least 1. Default: 5.
    pub max_tries: u32,
    /// Longest wait before the second try. Default: 50 ms.
    pub base: Duration,
    /// Longest wait at all. Default: 2 s.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_tries: 5,
            base: Duration::from_millis(50),
            cap: Duration::from_secs(2),
        }
    }
}

impl RetryPolicy {
    /// Every request is sent once.
    pub fn none() -> Self {
        Self {
            max_tries: 1,
            ..Self::default()
        }
    }

    /// The longest wait after this many tries, from 1.
    fn ceiling(&self, tries: u32) -> Duration {
        let factor = 2u32
            .checked_pow(tries.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// The wait after this many tries, from 1; `None` when these were all.
    pub(crate) fn wait(&self, tries: u32) -> Option<Duration> {
        (tries < self.max_tries).then(|| self.ceiling(tries).mul_f64(random_fraction()))
    }
}

/// From 0 to 1. Jitter needs no more than that it differs between clients; without randomness it is 1.
fn random_fraction() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_end() {
        let policy = RetryPolicy {
            max_tries: 40,
            base: Duration::from_millis(10),
            cap: Duration::from_millis(100),
        };
        let ceilings: Vec<_> = (1..=6)
            .map(|tries| policy.ceiling(tries).as_millis())
            .collect();
        assert_eq!(ceilings, [10, 20, 40, 80, 100, 100]);
        for tries in 1..40 {
            assert!(
                policy
                    .wait(tries)
                    .is_some_and(|wait| wait <= policy.ceiling(tries)),
                "{tries}"
            );
        }
        assert_eq!(policy.wait(40), None);
        assert_eq!(RetryPolicy::none().wait(1), None);
    }

    #[test]
    fn waits_are_spread() {
        let waits: std::collections::HashSet<_> = (0..20)
            .filter_map(|_| RetryPolicy::default().wait(3))
            .collect();
        assert!(waits.len() > 10);
    }
}

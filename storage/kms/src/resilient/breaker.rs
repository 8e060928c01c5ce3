//! A circuit breaker: after so many failures in a row nobody is let through for a while, then one at a time.

use std::time::Duration;

use sealdb_crypto::KmsError;

pub(super) struct Breaker {
    failures: u32,
    rest: Duration,
    /// In a row, up to now.
    failed: u32,
    /// What the last of them said.
    last: String,
    /// Nobody is let through before this time; grows with each one that is let through after it.
    closed_until: Duration,
}

impl Breaker {
    pub(super) fn new(failures: u32, rest: Duration) -> Self {
        Self {
            failures,
            rest,
            failed: 0,
            last: String::new(),
            closed_until: Duration::ZERO,
        }
    }

    /// Whether an attempt may be made now; else why not.
    pub(super) fn admit(&mut self, now: Duration) -> Result<(), String> {
        if self.failed < self.failures {
            return Ok(());
        }
        let left = self.closed_until.saturating_sub(now);
        if left > Duration::ZERO {
            return Err(format!(
                "left alone for {left:.1?} more after {} failures in a row, the last one: {}",
                self.failed, self.last
            ));
        }
        // This one finds out; until it has, or has taken too long, the others wait.
        self.closed_until = now + self.rest;
        Ok(())
    }

    /// What became of an attempt: `failed` if the provider could not be reached.
    pub(super) fn note(&mut self, now: Duration, failed: Option<&KmsError>) {
        let Some(error) = failed else {
            self.failed = 0;
            return;
        };
        self.failed = self.failed.saturating_add(1);
        self.last = match error {
            KmsError::Unavailable { reason, .. } => reason.clone(),
            other => other.to_string(),
        };
        if self.failed >= self.failures {
            self.closed_until = now + self.rest;
        }
    }
}

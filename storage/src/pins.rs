//! Readers that hold places on the disk: who may still follow a pointer that the newest tree no longer has.
//!
//! A pin names a sequence: its reader sees trees at that sequence or later. Places that were given up at sequence G are freed
//! only when no pin below G is left. A pin counts for a limited time, so that no reader holds disk space for ever; a
//! reader that outlives its pin may meet a place that was used again, which its tag shows, and gets an error that tells it to read anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sealdb_crypto::Clock;

/// All pins of a database.
pub(crate) struct Pins {
    inner: Mutex<Inner>,
    clock: Arc<dyn Clock>,
    max_age: Duration,
}

#[derive(Default)]
struct Inner {
    next: u64,
    held: BTreeMap<u64, Held>,
}

struct Held {
    sequence: u64,
    since: Duration,
}

/// Held by a reader; falls when dropped.
pub(crate) struct Pin {
    pins: Arc<Pins>,
    number: u64,
    since: Duration,
}

impl Pins {
    pub(crate) fn new(clock: Arc<dyn Clock>, max_age: Duration) -> Arc<Self> {
        Arc::new(Pins {
            inner: Mutex::default(),
            clock,
            max_age,
        })
    }

    /// Pins what is published at `sequence` or later. To be called before the tree is taken.
    pub(crate) fn pin(self: &Arc<Self>, sequence: u64) -> Pin {
        let since = self.clock.boot();
        let mut inner = self.inner.lock();
        inner.next += 1;
        let number = inner.next;
        inner.held.insert(number, Held { sequence, since });
        Pin {
            pins: self.clone(),
            number,
            since,
        }
    }

    /// The lowest sequence that a pin which still counts holds; `u64::MAX` if there is none.
    pub(crate) fn oldest(&self) -> u64 {
        let now = self.clock.boot();
        let mut inner = self.inner.lock();
        inner
            .held
            .retain(|_, held| now.saturating_sub(held.since) <= self.max_age);
        inner
            .held
            .values()
            .map(|held| held.sequence)
            .min()
            .unwrap_or(u64::MAX)
    }
}

impl Pin {
    /// Whether the pin is too old to hold anything.
    pub(crate) fn expired(&self) -> bool {
        self.pins.clock.boot().saturating_sub(self.since) > self.pins.max_age
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.pins.inner.lock().held.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealdb_crypto::ManualClock;

    #[test]
    fn a_pin_holds_until_it_falls_or_is_too_old() {
        let clock = Arc::new(ManualClock::new());
        let pins = Pins::new(clock.clone(), Duration::from_secs(60));
        assert_eq!(pins.oldest(), u64::MAX);
        let old = pins.pin(5);
        clock.advance(Duration::from_secs(30));
        let young = pins.pin(9);
        assert_eq!(pins.oldest(), 5);
        clock.advance(Duration::from_secs(31));
        assert!(old.expired() && !young.expired());
        assert_eq!(pins.oldest(), 9, "the old one counts no more");
        drop(young);
        assert_eq!(pins.oldest(), u64::MAX);
        drop(old);
    }
}

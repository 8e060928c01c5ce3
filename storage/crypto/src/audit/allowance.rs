//! How many refusals are noted: whoever is refused must not be able to fill the disk, nor slow others.

use std::time::Duration;

/// Refusals that are noted at once.
const BURST: u64 = 100;
/// Then one in this time: at most some ten megabytes a day.
const EVERY: Duration = Duration::from_secs(10);

/// How many may still be noted: a hundred, and one more every ten seconds. Of those beyond, the next one that is noted tells the number.
#[derive(Debug)]
pub struct Allowance {
    left: u64,
    /// Up to when time was turned into allowance.
    since: Duration,
    left_out: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            left: BURST,
            since: Duration::ZERO,
            left_out: 0,
        }
    }
}

impl Allowance {
    /// Whether one more may be noted at this boot time; and the number of those that were not, since the last one that was.
    pub fn take(&mut self, now: Duration) -> Option<u64> {
        let earned = now.saturating_sub(self.since).as_secs() / EVERY.as_secs();
        self.since += Duration::from_secs(earned.saturating_mul(EVERY.as_secs()));
        self.left = self.left.saturating_add(earned).min(BURST);
        if self.left == 0 {
            self.left_out += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_noted_and_then_one_in_a_while_with_the_number_of_the_others() {
        let mut allowance = Allowance::default();
        let at = Duration::from_secs;
        for _ in 0..BURST {
            assert_eq!(allowance.take(at(9)), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(allowance.take(at(9)), None);
        }
        assert_eq!(allowance.take(at(10)), Some(1000));
        assert_eq!(allowance.take(at(19)), None);
        assert_eq!(allowance.take(at(20)), Some(1));
        // A quiet day gives no more than a burst.
        for _ in 0..BURST {
            assert_eq!(allowance.take(at(86_400)), Some(0));
        }
        assert_eq!(allowance.take(at(86_400)), None);
    }
}

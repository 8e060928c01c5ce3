//! Time, as a value that is handed in.
//!
//! Two readings, because each alone can be fooled: wall-clock time can be set back by whoever administers the machine, boot time
//! stops existing at a reboot. Rules that must not be stretched (the life of a plaintext key) take the larger of the two.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A source of time. Shared by everything in one database.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z. May jump in either direction.
    fn wall_ms(&self) -> u64;

    /// Time since the machine started, time spent suspended included. Never goes back.
    fn boot(&self) -> Duration;

    /// A cheap reading for rough ages, taken with each seal: never goes back, some milliseconds coarse, may stand still while
    /// the machine is suspended. Compares only with other readings of its own.
    fn coarse(&self) -> Duration {
        self.boot()
    }
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0); // before 1970
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
        seconds
            .saturating_mul(1_000)
            .saturating_add(nanos / 1_000_000)
    }

    fn boot(&self) -> Duration {
        duration(rustix::time::clock_gettime(BOOT))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[inline]
    fn coarse(&self) -> Duration {
        duration(rustix::time::clock_gettime(
            rustix::time::ClockId::MonotonicCoarse,
        ))
    }
}

#[inline]
fn duration(time: rustix::time::Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

// Apple's monotonic clock counts sleep; Linux's does not.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "openbsd"))]
const BOOT: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "openbsd")))]
const BOOT: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// A clock that stands still until it is told otherwise. For tests and replayed runs; shared between threads.
///
/// ```
/// use std::time::Duration;
/// use sealdb_crypto::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let (wall, boot) = (clock.wall_ms(), clock.boot());
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.wall_ms(), wall + 60_000);
/// assert_eq!(clock.boot(), boot + Duration::from_secs(60));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicU64,
    boot_nanos: AtomicU64,
}

impl ManualClock {
    /// 2025-01-01T00:00:00Z, on a machine that started 1,000 seconds ago.
    pub fn new() -> Self {
        Self {
            wall_ms: AtomicU64::new(1_735_689_600_000),
            boot_nanos: AtomicU64::new(1_000 * 1_000_000_000),
        }
    }

    /// Sets the wall clock, forward or back; boot time stays.
    pub fn set_wall_ms(&self, wall_ms: u64) {
        self.wall_ms.store(wall_ms, Ordering::SeqCst);
    }

    /// Sets boot time; the wall clock stays. Setting it back plays a reboot.
    pub fn set_boot(&self, boot: Duration) {
        self.boot_nanos.store(nanos(boot), Ordering::SeqCst);
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.wall_ms.fetch_add(millis, Ordering::SeqCst);
        self.boot_nanos.fetch_add(nanos(by), Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn boot(&self) -> Duration {
        Duration::from_nanos(self.boot_nanos.load(Ordering::SeqCst))
    }
}

/// Whole nanoseconds; 584 years at most.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_runs() {
        let clock = SystemClock;
        assert!(clock.wall_ms() > 1_700_000_000_000, "after 2023");
        let before = clock.boot();
        assert!(before > Duration::ZERO);
        assert!(clock.boot() >= before);
        let before = clock.coarse();
        assert!(before > Duration::ZERO && clock.coarse() >= before);
    }

    #[test]
    fn the_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new();
        let boot = clock.boot();
        clock.set_wall_ms(5);
        assert_eq!((clock.wall_ms(), clock.boot()), (5, boot));
        clock.set_boot(Duration::from_secs(3));
        assert_eq!((clock.wall_ms(), clock.boot()), (5, Duration::from_secs(3)));
        clock.advance(Duration::from_micros(2_500));
        assert_eq!(
            (clock.wall_ms(), clock.boot()),
            (7, Duration::from_micros(3_002_500))
        );
    }
}

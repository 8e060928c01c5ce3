//! How long calls took.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies in nanoseconds, to three digits.
pub type Latencies = Histogram<u64>;

/// An empty histogram.
pub fn latencies() -> Latencies {
    Histogram::new(3).expect("three digits are allowed")
}

/// A duration in nanoseconds, at least one.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1)
}

//! What the server measures, in the text format of Prometheus (OpenMetrics).
//!
//! Labels are operation names and exception names: no table, no key, no value ever becomes a label.
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | `sealdb_operation_duration_seconds` | histogram | `operation`, `outcome` |
//! | `sealdb_request_bytes_total`, `sealdb_response_bytes_total` | counter | `operation` |
//! | `sealdb_calls_in_flight` | gauge | |
//! | `sealdb_calls_rejected_total` | counter | `reason` |
//! | `sealdb_connections_open` | gauge | |
//! | `sealdb_connections_total` | counter | `outcome` |
//! | `sealdb_credentials` | gauge | |
//! | `sealdb_database_...` | gauge and counter | see [`crate::database`] |
//! | `sealdb_build_info` | info | `version` |

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// 25 µs to 6.5 s in factors of two, and what is longer: a warm get lies in the first, a checkpoint's stall in the last.
const BUCKETS: [f64; 19] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_2, 0.000_4, 0.000_8, 0.001_6, 0.003_2, 0.006_4, 0.012_8,
    0.025_6, 0.051_2, 0.102_4, 0.204_8, 0.409_6, 0.819_2, 1.638_4, 3.276_8, 6.553_6,
];

/// How a call ended: `ok`, or an exception's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

/// Why a call is turned away before an operation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Nobody knows who calls.
    Unauthenticated,
    /// The server has no room for it.
    Overloaded,
    /// It is none.
    Malformed,
}

impl Rejected {
    fn label(self) -> &'static str {
        match self {
            Rejected::Unauthenticated => "unauthenticated",
            Rejected::Overloaded => "overloaded",
            Rejected::Malformed => "malformed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The server's instruments. A clone counts into the same.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    durations: Family<Ended, Histogram, fn() -> Histogram>,
    requests: Family<Operation, Counter>,
    responses: Family<Operation, Counter>,
    in_flight: Gauge,
    rejected: Family<Reason, Counter>,
    connections: Gauge,
    connection_outcomes: Family<Outcome, Counter>,
    credentials: Gauge,
}

/// Counts something open for as long as it lives.
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    /// Makes the instruments; `more` registers those of others (the database) beside them.
    pub fn new(more: impl FnOnce(&mut Registry)) -> Metrics {
        let mut registry = Registry::with_prefix("sealdb");
        let durations = Family::new_with_constructor(histogram as fn() -> Histogram);
        let requests = Family::<Operation, Counter>::default();
        let responses = Family::<Operation, Counter>::default();
        let in_flight = Gauge::default();
        let rejected = Family::<Reason, Counter>::default();
        let connections = Gauge::default();
        let connection_outcomes = Family::<Outcome, Counter>::default();
        let credentials = Gauge::default();
        registry.register(
            "operation_duration_seconds",
            "Time from the request's last byte to the answer, by operation and outcome",
            durations.clone(),
        );
        registry.register(
            "request_bytes",
            "Encoded size of requests",
            requests.clone(),
        );
        registry.register(
            "response_bytes",
            "Encoded size of answers",
            responses.clone(),
        );
        registry.register(
            "calls_in_flight",
            "Calls being worked on or answered",
            in_flight.clone(),
        );
        registry.register(
            "calls_rejected",
            "Calls refused before they reached the database",
            rejected.clone(),
        );
        registry.register(
            "connections_open",
            "Connections open, handshakes included",
            connections.clone(),
        );
        registry.register(
            "connections",
            "Connections by how they began",
            connection_outcomes.clone(),
        );
        registry.register(
            "credentials",
            "Credentials that are accepted",
            credentials.clone(),
        );
        registry.register(
            "build",
            "The program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        more(&mut registry);
        Metrics {
            registry: Arc::new(registry),
            durations,
            requests,
            responses,
            in_flight,
            rejected,
            connections,
            connection_outcomes,
            credentials,
        }
    }

    /// Counts a call that ended.
    pub fn ended(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        self.durations
            .get_or_create(&Ended { operation, outcome })
            .observe(took.as_secs_f64());
    }

    /// Counts the bytes of a call.
    pub fn bytes(&self, operation: &'static str, request: usize, response: usize) {
        let label = Operation { operation };
        self.requests.get_or_create(&label).inc_by(request as u64);
        self.responses.get_or_create(&label).inc_by(response as u64);
    }

    /// Counts a call in flight for as long as the answer is alive.
    pub fn call(&self) -> Open {
        self.in_flight.inc();
        Open(self.in_flight.clone())
    }

    /// Counts a call that was turned away.
    pub fn rejected(&self, why: Rejected) {
        let reason = why.label();
        self.rejected.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a connection for as long as the answer is alive.
    pub fn connection(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }

    /// Counts how a connection began: `accepted`, `refused` (too many), `handshake_failed`, `handshake_timeout`.
    pub fn connection_began(&self, outcome: &'static str) {
        self.connection_outcomes
            .get_or_create(&Outcome { outcome })
            .inc();
    }

    /// Notes how many credentials are accepted.
    pub fn credentials(&self, count: usize) {
        self.credentials
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The page for Prometheus.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::with_capacity(16 << 10);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_page_shows_what_was_counted() {
        let metrics = Metrics::new(|_| {});
        metrics.ended("PutItem", "ok", Duration::from_micros(90));
        metrics.ended("PutItem", "ValidationException", Duration::from_micros(10));
        metrics.bytes("PutItem", 100, 20);
        metrics.rejected(Rejected::Unauthenticated);
        metrics.connection_began("accepted");
        metrics.credentials(2);
        let open = metrics.connection();
        let page = metrics.encode().unwrap();
        for line in [
            "sealdb_operation_duration_seconds_bucket{le=\"0.0001\",operation=\"PutItem\",outcome=\"ok\"} 1",
            "sealdb_operation_duration_seconds_count{operation=\"PutItem\",outcome=\"ValidationException\"} 1",
            "sealdb_request_bytes_total{operation=\"PutItem\"} 100",
            "sealdb_response_bytes_total{operation=\"PutItem\"} 20",
            "sealdb_calls_rejected_total{reason=\"unauthenticated\"} 1",
            "sealdb_connections_open 1",
            "sealdb_connections_total{outcome=\"accepted\"} 1",
            "sealdb_credentials 2",
            "sealdb_calls_in_flight 0",
        ] {
            assert!(page.contains(line), "{line} is missing in:\n{page}");
        }
        drop(open);
        assert!(
            metrics
                .encode()
                .unwrap()
                .contains("sealdb_connections_open 0")
        );
    }
}

//! What the project has to reach, one line each, and where each is measured. Rows that are judged name one of these.

use crate::rows::{Goal, Row};

/// One line of the list.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What rows call it.
    pub id: &'static str,
    /// What is looked at.
    pub what: &'static str,
    /// What it has to be.
    pub bound: &'static str,
    /// What measures it: a size, or the name of a long measurement.
    pub from: &'static str,
}

const fn target(
    id: &'static str,
    from: &'static str,
    what: &'static str,
    bound: &'static str,
) -> Target {
    Target {
        id,
        what,
        bound,
        from,
    }
}

/// The list. KB = 1,024 bytes.
#[rustfmt::skip]
pub const TARGETS: &[Target] = &[
    target("warm", "each size", "sealed/plain p50 and p99 of warm get, query of 20 items, scan", "at most 1.03 and 1.10"),
    target("put", "each size", "sealed/plain p50 of durable put, median over at least 20 interleaved rounds", "at most 1.03 + the spread of plain against plain"),
    target("device-cold", "each size", "sealed/plain p50 of a get that reads from the device", "at most 1.05"),
    target("os-warm", "each size", "sealed/plain p50 of a get that reads from the system's cache", "at most 1.25"),
    target("stored", "stored", "stored bytes sealed/plain, 1,000,000 items of 1 KB; of 100 B; log-uniform sizes", "at most 1.01"),
    target("stored-worst", "stored", "the same for the worst size between 4,000 and 4,100 B", "reported"),
    target("gets", "100 B", "embedded warm gets, decoded to an owned item, 100 B, 1 thread / 2 threads", "1.0 M/s / 1.9 M/s"),
    target("fjall", "peers", "durable puts, 32 clients, 100 B / 1 KB, against plain fjall's beside it", "at least 1.0 / 0.9 times"),
    target("clients", "100 B, 1 KB", "durable puts, 32 clients against 1 client, 100 B / 1 KB", "at least 8 / 4 times"),
    target("put-latency", "each size", "durable put, 1 client, p50: blocking facade; async API", "one bare write + fdatasync of the same bytes beside it + 40 µs; + 150 µs"),
    target("stalls", "stalls", "puts while checkpoints run: p99.9; the longest stall", "2 times that of a bare write + fdatasync loop with the same background writes; 500 ms"),
    target("written", "written", "bytes written per byte put, 1,000,000 random durable puts of 32 clients, 100 B / 1 KB", "at most 6 / 9 with 1 GiB of cache; reported with the usual one"),
    target("disk", "written", "disk per payload byte after the same and a checkpoint, 1 KB, pre-filled log apart", "at most 1.6"),
    target("load", "load", "load of 1,000,000 items of 1 KB by BatchWriteItem, embedded, durable, 4 writers", "under 30 s"),
    target("load-grpc", "load", "the same over gRPC", "reported"),
    target("scan", "scan", "scan of 200,000 and of 2,000,000 items of 1 KB, embedded", "time grows with the items, memory by at most 16 MiB"),
    target("beside", "beside", "p99 of gets (one reader) while a full scan, a checkpoint or a bulk load runs", "at most 2 times that of quiet"),
    target("rekey", "rekey", "p99 of gets and of durable puts while a table of 1,000,000 items of 1 KB is rekeyed", "at most 2 times that of before"),
    target("audit", "audit", "p50 and p99 of gets and of durable puts of 1 KB with every access recorded in the audit trail", "reported"),
    target("restart", "restart", "restart after kill -9 with a full log, 1,000,000 items", "3 s"),
    target("clean-start", "restart", "clean start with a key file", "50 ms"),
    target("idle", "server", "idle memory of the server", "30 MB"),
    target("binary", "server", "size of the stripped server binary", "25 MB"),
    target("memory", "memory", "resident memory, data ten times the budget (128 MiB), mixed load", "budget + 20 %"),
    target("requests", "requests", "requests of 1 KB items on 32 connections, durable, 2 cores: GetItem / PutItem, through JSON and through gRPC", "20,000/s / 10,000/s (puts: or 0.8 × 32 / the bare sync's p50, where that is lower)"),
    target("requests-peers", "requests", "the same beside dynoxide (plain and SQLCipher) and dynalite in the same run", "ahead of the best of them"),
    target("indexed", "indexes", "sealed/plain of every ratio of this list that items of 1 KB are measured by, two indexes and a stream on the table", "as without"),
    target("grpc", "gRPC", "gRPC on loopback, 32 connections, 1 KB: get, durable put, sealed/plain p50", "at most 1.03"),
];

/// The line of this id.
pub fn of(id: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.id == id)
}

/// Each line with what rows say of it, and the name of the row.
pub fn judged<'a>(rows: &[(&'a str, &'a Row)]) -> Vec<(&'static Target, Vec<(String, &'a Goal)>)> {
    TARGETS
        .iter()
        .map(|target| {
            let mut found = Vec::new();
            for (section, row) in rows {
                for goal in row.goals.iter().filter(|goal| goal.target == target.id) {
                    let name = match row.workload.starts_with(section) {
                        true => row.name(),
                        false => format!("{section}, {}", row.name()),
                    };
                    found.push((name, goal));
                }
            }
            (target, found)
        })
        .collect()
}

/// The sign of a goal: reached, missed, or without a bound.
pub fn sign(goal: &Goal) -> &'static str {
    match goal.reached {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "·",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Bound, Unit};

    #[test]
    fn a_row_is_found_under_its_target_and_nowhere_else() {
        let mut row = Row::value("binary", Unit::Bytes, 30e6, "");
        row.judge("binary", Bound::AtMost(25e6));
        let judged = judged(&[("server", &row)]);
        assert_eq!(judged.len(), TARGETS.len());
        for (target, found) in judged {
            assert_eq!(found.len(), usize::from(target.id == "binary"));
            for (name, goal) in found {
                assert_eq!((&*name, sign(goal)), ("server, binary", "✗"));
            }
        }
    }

    #[test]
    fn ids_are_not_used_twice() {
        for target in TARGETS {
            let same = TARGETS.iter().filter(|other| other.id == target.id);
            assert_eq!(same.count(), 1, "{}", target.id);
        }
    }
}

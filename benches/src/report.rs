//! The table for people and the JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::compare::Outcome;
use crate::load::Bare;
use crate::machine::Machine;
use crate::rows::{Row, Unit};

/// The table.
pub fn table(machine: &Machine, outcome: &Outcome) -> String {
    let settings = &outcome.plan.settings;
    let (reads, writes) = outcome.rounds;
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(machine.line());
    line(format!(
        "{} items of {} B (partition key, sort key, one string), embedded, real files, {} MiB of cache, every commit durable; \
         medians of {reads} rounds of reads and {writes} of writes",
        settings.items,
        settings.item_bytes,
        settings.options.cache_bytes >> 20,
    ));
    line(String::new());
    line(format!(
        "{:<18}{:>11}{:>11}{:>14}{:>13}",
        "", "sealed", "plain", "sealed/plain", "plain/plain"
    ));
    for row in &outcome.rows {
        let [sealed, plain, _] = row.medians();
        line(format!(
            "{:<18}{:>11}{:>11}{:>14.3}{:>13.3}  {}",
            row.name,
            show(row.unit, sealed),
            show(row.unit, plain),
            row.ratio(),
            row.spread(),
            row.what
        ));
    }
    let (p50, p99) = outcome.bare;
    line(format!(
        "{:<18}{:>11}{:>11}{:>27}  a bare {} B write and fdatasync into a zero-filled file, beside the puts (p99 {})",
        "bare sync p50",
        "",
        show(Unit::Nanos, p50),
        "",
        Bare::WRITE,
        show(Unit::Nanos, p99)
    ));
    out
}

fn show(unit: Unit, value: f64) -> String {
    let mut out = String::new();
    let _ = match unit {
        Unit::Nanos if value < 1e3 => write!(out, "{value:.0} ns"),
        Unit::Nanos if value < 1e5 => write!(out, "{:.2} µs", value / 1e3),
        Unit::Nanos if value < 1e6 => write!(out, "{:.0} µs", value / 1e3),
        Unit::Nanos => write!(out, "{:.2} ms", value / 1e6),
        Unit::PerSecond if value < 1e5 => write!(out, "{value:.0}/s"),
        Unit::PerSecond => write!(out, "{:.0} k/s", value / 1e3),
        Unit::Bytes => write!(out, "{value:.1} B"),
        Unit::Times => write!(out, "{value:.2}"),
    };
    out
}

/// Machine, commit, settings and every round of every row.
pub fn json(machine: &Machine, outcomes: &[Outcome]) -> Value {
    let runs: Vec<Value> = outcomes.iter().map(run).collect();
    json!({ "machine": machine.json(), "runs": runs })
}

fn run(outcome: &Outcome) -> Value {
    let settings = &outcome.plan.settings;
    let rows: Vec<Value> = outcome.rows.iter().map(row).collect();
    json!({
        "settings": {
            "items": settings.items,
            "item_bytes": settings.item_bytes,
            "seconds": outcome.plan.time.as_secs_f64(),
            "options": format!("{:?}", settings.options),
        },
        "rounds": { "reads": outcome.rounds.0, "writes": outcome.rounds.1 },
        "bare_sync_ns": { "bytes": Bare::WRITE, "p50": outcome.bare.0, "p99": outcome.bare.1 },
        "rows": rows,
    })
}

fn row(row: &Row) -> Value {
    let [sealed, plain, again] = row.medians();
    let [sealed_rounds, plain_rounds, again_rounds] = &row.values;
    json!({
        "name": row.name,
        "what": row.what,
        "unit": match row.unit {
            Unit::Nanos => "ns",
            Unit::PerSecond => "1/s",
            Unit::Bytes => "B",
            Unit::Times => "B/B",
        },
        "sealed": sealed,
        "plain": plain,
        "plain_again": again,
        "sealed_to_plain": row.ratio(),
        "plain_to_plain": row.spread(),
        "rounds": { "sealed": sealed_rounds, "plain": plain_rounds, "plain_again": again_rounds },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short() {
        for (unit, value, text) in [
            (Unit::Nanos, 912.4, "912 ns"),
            (Unit::Nanos, 15_300.0, "15.30 µs"),
            (Unit::Nanos, 312_000.0, "312 µs"),
            (Unit::Nanos, 4_120_000.0, "4.12 ms"),
            (Unit::PerSecond, 2_812.3, "2812/s"),
            (Unit::PerSecond, 1_150_000.0, "1150 k/s"),
            (Unit::Bytes, 118.25, "118.2 B"),
            (Unit::Times, 4.108, "4.11"),
        ] {
            assert_eq!(show(unit, value), text);
        }
    }
}

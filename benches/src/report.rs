//! The table for people and the JSON for programs.

use serde_json::{Value, json};

use crate::compare::Section;
use crate::machine::Machine;
use crate::peers::{Engine, PeerRow, Peers};
use crate::rows::{Goal, Metric, Row, Unit, show};
use crate::targets::{self, judged, sign};

/// The table of a section: a line for each workload, then one for each single quantity.
pub fn table(section: &Section) -> String {
    let mut out = Text::default();
    out.line(format!("== {}", section.name));
    for line in &section.about {
        out.line(line.clone());
    }
    let (calls, values): (Vec<&Row>, Vec<&Row>) = section
        .rows
        .iter()
        .partition(|row| row.metric != Metric::Value);
    let three = values.iter().any(|row| !row.values[1].is_empty());
    if !calls.is_empty() {
        out.line(format!(
            "{:<26}{:<34}{:<27}{:<20}{:<20}{}",
            "", "p50", "p99", "p99.9", "calls in a second", "processor time of a call"
        ));
        out.line(format!(
            "{:<24}{:>10}{:>10}{:>7}{:>7}{:>10}{:>10}{:>7}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "",
            "sealed",
            "plain",
            "s/p",
            "p/p",
            "sealed",
            "plain",
            "s/p",
            "sealed",
            "plain",
            "sealed",
            "plain",
            "sealed",
            "plain"
        ));
    }
    for workload in calls.chunk_by(|a, b| a.workload == b.workload) {
        out.line(calls_line(workload));
    }
    if !values.is_empty() {
        out.line(match three {
            true => format!(
                "{:<24}{:>11}{:>11}{:>7}{:>7}",
                "", "sealed", "plain", "s/p", "p/p"
            ),
            false => String::new(),
        });
    }
    for row in values {
        out.line(value_line(row, three));
    }
    peers(&mut out, &section.peers);
    out.0
}

/// A column for each engine.
fn peers(out: &mut Text, peers: &Peers) {
    let width = |name: &str| name.len().max(9) + 2;
    let cells = |texts: Vec<String>| -> String {
        let cell = |(engine, text): (&Engine, String)| {
            let width = width(&engine.name);
            format!("{text:>width$}")
        };
        peers.engines.iter().zip(texts).map(cell).collect()
    };
    if !peers.rows.is_empty() {
        let names = peers.engines.iter().map(|engine| engine.name.clone());
        out.line(format!("{:<32}{}", "", cells(names.collect())));
    }
    for row in &peers.rows {
        let values = row.medians().into_iter().map(|value| show(row.unit, value));
        out.line(format!("{:<32}{}", row.what, cells(values.collect())));
    }
}

/// The targets with what this run says of them. What it did not measure is said too.
pub fn goals(sections: &[Section]) -> String {
    let rows: Vec<(&str, &Row)> = sections
        .iter()
        .flat_map(|section| section.rows.iter().map(|row| (&*section.name, row)))
        .collect();
    let mut out = Text::default();
    out.line("== Targets: ✓ reached, ✗ missed, · reported, - not measured in this run".to_owned());
    for (target, found) in judged(&rows) {
        let missing = if found.is_empty() { "- " } else { "" };
        out.line(format!("{missing}{}: {}", target.what, target.bound));
        if found.is_empty() {
            out.line(format!("    measured by: {}", target.from));
        }
        for (name, goal) in found {
            let Goal {
                measured, bound, ..
            } = goal;
            out.line(format!("    {} {name}: {measured} ({bound})", sign(goal)));
        }
    }
    out.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: String) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }
}

fn calls_line(rows: &[&Row]) -> String {
    let find = |metric| rows.iter().find(|row| row.metric == metric);
    let pair = |metric, width: usize| match find(metric) {
        None => format!("{:>width$}{:>width$}", "-", "-"),
        Some(row) => {
            let [sealed, plain, _] = row.medians();
            let (sealed, plain) = (show(row.unit, sealed), show(row.unit, plain));
            format!("{sealed:>width$}{plain:>width$}")
        }
    };
    let ratio = |metric| find(metric).map_or(f64::NAN, |row| row.ratio());
    let spread = find(Metric::P50).map_or(f64::NAN, |row| row.spread());
    let name = rows.first().map_or("", |row| &*row.workload);
    let mut line = format!(
        "{name:<24}{}{:>7}{:>7}{}{:>7}{}{}{}",
        pair(Metric::P50, 10),
        factor(ratio(Metric::P50)),
        factor(spread),
        pair(Metric::P99, 10),
        factor(ratio(Metric::P99)),
        pair(Metric::P999, 10),
        pair(Metric::Rate, 10),
        pair(Metric::Cpu, 10),
    );
    for row in rows {
        for goal in &row.goals {
            line.push_str(&format!(
                "  {} {} {}",
                sign(goal),
                row.metric.name(),
                goal.bound
            ));
        }
    }
    if let Some((p50, p999)) = rows.iter().find_map(|row| row.bare) {
        let (p50, p999) = (show(Unit::Nanos, p50), show(Unit::Nanos, p999));
        line.push_str(&format!("  bare sync {p50}, p99.9 {p999}"));
    }
    line
}

fn value_line(row: &Row, three: bool) -> String {
    let [sealed, plain, _] = row.medians().map(|value| show(row.unit, value));
    let mut line = match three {
        true => format!(
            "{:<24}{sealed:>11}{plain:>11}{:>7}{:>7}",
            row.workload,
            factor(row.ratio()),
            factor(row.spread())
        ),
        false => format!("{:<40}{sealed:>11}", row.workload),
    };
    for goal in &row.goals {
        line.push_str(&format!("  {} {}", sign(goal), goal.bound));
    }
    line.push_str("  ");
    line.push_str(&row.what);
    line
}

fn factor(value: f64) -> String {
    match value.is_finite() {
        true => format!("{value:.3}"),
        false => "-".to_owned(),
    }
}

/// Machine, commit, settings and every round of every row.
pub fn json(machine: &Machine, sections: &[Section]) -> Value {
    let sections: Vec<Value> = sections
        .iter()
        .map(|section| {
            json!({
                "name": section.name,
                "about": section.about,
                "settings": section.settings,
                "rows": section.rows.iter().map(row).collect::<Vec<_>>(),
                "peers": peers_json(&section.peers),
            })
        })
        .collect();
    json!({ "machine": machine.json(), "sections": sections })
}

fn row(row: &Row) -> Value {
    let [sealed, plain, again] = row.medians();
    let [sealed_rounds, plain_rounds, again_rounds] = &row.values;
    let goals: Vec<Value> = row.goals.iter().map(goal).collect();
    json!({
        "name": row.name(),
        "workload": row.workload,
        "metric": row.metric.name(),
        "what": row.what,
        "unit": unit(row.unit),
        "sealed": sealed,
        "plain": plain,
        "plain_again": again,
        "sealed_to_plain": row.ratio(),
        "plain_to_plain": row.spread(),
        "bare_sync_ns": row.bare.map(|(p50, p999)| json!({ "p50": p50, "p99.9": p999 })),
        "goals": goals,
        "rounds": { "sealed": sealed_rounds, "plain": plain_rounds, "plain_again": again_rounds },
    })
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Nanos => "ns",
        Unit::PerSecond => "1/s",
        Unit::Bytes => "B",
        Unit::Times => "B/B",
    }
}

fn peers_json(peers: &Peers) -> Value {
    let row = |row: &PeerRow| {
        let by_engine = |values: Vec<Value>| -> Value {
            let names = peers.engines.iter().map(|engine| engine.name.clone());
            names.zip(values).collect::<serde_json::Map<_, _>>().into()
        };
        json!({
            "what": row.what,
            "unit": unit(row.unit),
            "medians": by_engine(row.medians().into_iter().map(Value::from).collect()),
            "rounds": by_engine(row.rounds.iter().map(|rounds| json!(rounds)).collect()),
        })
    };
    let engine = |engine: &Engine| json!({ "name": engine.name, "about": engine.about });
    json!({
        "engines": peers.engines.iter().map(engine).collect::<Vec<_>>(),
        "rows": peers.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn goal(goal: &Goal) -> Value {
    json!({
        "target": targets::of(goal.target).map(|target| target.what),
        "bound": goal.bound,
        "measured": goal.measured,
        "reached": goal.reached,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Bound;

    fn section() -> Section {
        let mut p50 = Row::new("get", Unit::Nanos, "a get");
        p50.metric = Metric::P50;
        p50.values = [vec![1_060.0], vec![1_000.0], vec![990.0]];
        p50.bare = Some((2e5, 3e6));
        p50.judge("warm", Bound::Ratio(1.03));
        let mut size = Row::value("binary", Unit::Bytes, 15e6, "stripped");
        size.judge("binary", Bound::AtMost(25e6));
        Section {
            name: "100 B".into(),
            about: vec!["7 items".into()],
            settings: Value::Null,
            rows: vec![p50, size],
            peers: two_peers(),
        }
    }

    /// Two engines and one quantity, of which the second has no value.
    fn two_peers() -> Peers {
        let engine = |name: &str| Engine {
            name: name.to_owned(),
            about: "a version".to_owned(),
        };
        let mut peers = Peers {
            engines: vec![engine("sealdb"), engine("a long other")],
            rows: Vec::new(),
        };
        peers.push("gets, 1 thread", Unit::PerSecond, 0, 5e3);
        peers.push("gets, 1 thread", Unit::PerSecond, 0, 7e3);
        peers
    }

    #[test]
    fn each_peer_has_its_column() {
        let table = table(&section());
        let at = table.find("  a long other\n").unwrap_or_default();
        assert!(table[at..].contains("gets, 1 thread"), "{table}");
        let gets = table.lines().last().unwrap_or_default();
        assert!(gets.contains(" 6000/s ") && gets.ends_with(" -"), "{gets}");
        let json = peers_json(&two_peers());
        assert_eq!(json["engines"][1]["name"], "a long other");
        assert_eq!(json["rows"][0]["medians"]["sealdb"], 6e3);
        assert_eq!(json["rows"][0]["rounds"]["sealdb"][1], 7e3);
        assert_eq!(json["rows"][0]["unit"], "1/s");
    }

    #[test]
    fn a_miss_stands_beside_its_row_and_in_the_list() {
        let table = table(&section());
        let get = table
            .lines()
            .find(|line| line.starts_with("get "))
            .unwrap_or("");
        for text in [
            "1.06 µs",
            "1.000",
            "0.990",
            "✗ p50 ≤ 1.03",
            "bare sync 200 µs, p99.9 3.00 ms",
        ] {
            assert_eq!(get.contains(text), text != "1.000", "{text} in {get}");
        }
        assert!(table.contains("✓ ≤ 23.8 MiB  stripped"), "{table}");
        let goals = goals(&[section()]);
        assert!(
            goals.contains("    ✗ 100 B, get p50: 1.060 (≤ 1.03)"),
            "{goals}"
        );
        assert!(goals.contains("- idle memory of the server: 30 MB\n    measured by: server"));
    }

    #[test]
    fn programs_get_every_round_and_the_verdict() {
        let machine = Machine::look(&std::env::temp_dir());
        let json = json(&machine, &[section()]);
        let row = &json["sections"][0]["rows"][0];
        assert_eq!(row["name"], "get p50");
        assert_eq!(row["rounds"]["plain_again"][0], 990.0);
        assert_eq!(row["goals"][0]["reached"], false);
        assert_eq!(row["bare_sync_ns"]["p99.9"], 3e6);
        assert!(json["machine"]["commit"].is_string());
    }
}

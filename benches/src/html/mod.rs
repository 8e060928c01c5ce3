//! The report as one HTML file: targets, plots, every row. Nothing in it comes from elsewhere, and no script runs in it.

use std::fmt::Write as _;

use crate::compare::Section;
use crate::machine::Machine;
use crate::peers::Peers;
use crate::rows::{Metric, Row, Unit, show};
use crate::targets::{judged, sign};

mod plots;
mod svg;

pub use plots::overview;

/// The file's text.
pub fn report(machine: &Machine, sections: &[Section]) -> String {
    let mut out = String::from(HEAD);
    let _ = write!(out, "<p>{}</p>", escape(&machine.line()));
    out.push_str(
        "<p>Sealed is AES-256-GCM; plain is the same code with a block transform that seals nothing and keeps an 8-byte checksum. \
         Each round visits a sealed store, a plain one and a second plain one: what the two plain ones differ by (p/p), a ratio of \
         sealed to plain (s/p) cannot say.</p>",
    );
    targets(&mut out, sections);
    out.push_str("<h2>Sealed against plain</h2>");
    for section in sections {
        out.push_str(&plots::ratios(section).unwrap_or_default());
    }
    out.push_str("<h2>Over size</h2><div class=plots>");
    for plot in plots::over_size(sections) {
        out.push_str(&plot);
    }
    out.push_str("</div>");
    let clients = plots::over_clients(sections);
    if !clients.is_empty() {
        out.push_str("<h2>Over clients: durable puts</h2><div class=plots>");
        out.push_str(&clients.concat());
        out.push_str("</div>");
    }
    for section in sections {
        rows(&mut out, section);
        peers(&mut out, &section.peers);
    }
    out.push_str("</main></body></html>\n");
    out
}

const HEAD: &str = "<!doctype html><html lang=en><head><meta charset=utf-8><title>SealDB, measured</title><style>\
body{font:15px/1.45 system-ui,sans-serif;color:#1a1f26;background:#fff;margin:0}\
main{max-width:1180px;margin:0 auto;padding:24px}\
table{border-collapse:collapse;font-size:13px;margin:8px 0 24px}\
td,th{padding:3px 10px;border-bottom:1px solid #e3e7ec;text-align:left;vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
.ok{color:#12703a}.no{color:#b3261e;font-weight:600}.dim{color:#69737f}\
.plots{display:flex;flex-wrap:wrap;gap:12px}svg{max-width:100%;height:auto}\
</style></head><body><main><h1>SealDB, measured</h1>";

fn targets(out: &mut String, sections: &[Section]) {
    let rows: Vec<(&str, &Row)> = sections
        .iter()
        .flat_map(|section| section.rows.iter().map(|row| (&*section.name, row)))
        .collect();
    out.push_str("<h2>Targets</h2><table><tr><th>what<th>target<th>measured</tr>");
    for (target, found) in judged(&rows) {
        let _ = write!(
            out,
            "<tr><td>{}<td>{}<td>",
            escape(target.what),
            escape(target.bound)
        );
        if found.is_empty() {
            out.push_str("<span class=dim>not in this run</span>");
        }
        for (name, goal) in found {
            let class = match goal.reached {
                Some(true) => "ok",
                Some(false) => "no",
                None => "dim",
            };
            let _ = write!(
                out,
                "<div class={class}>{} {}: {} ({})</div>",
                sign(goal),
                escape(&name),
                escape(&goal.measured),
                escape(&goal.bound)
            );
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
}

fn rows(out: &mut String, section: &Section) {
    let _ = write!(out, "<h2>{}</h2>", escape(&section.name));
    for line in &section.about {
        let _ = write!(out, "<p class=dim>{}</p>", escape(line));
    }
    out.push_str(
        "<table><tr><th>what<th class=n>sealed<th class=n>plain<th class=n>s/p<th class=n>p/p<th>target<th class=n>bare sync<th></tr>",
    );
    for row in &section.rows {
        let [sealed, plain, _] = row.medians().map(|value| show(row.unit, value));
        let _ = write!(
            out,
            "<tr><td>{}<td class=n>{sealed}<td class=n>{plain}<td class=n>{}<td class=n>{}<td>",
            escape(&row.name()),
            factor(row.ratio()),
            factor(row.spread()),
        );
        for goal in &row.goals {
            let class = if goal.reached == Some(false) {
                "no"
            } else {
                "ok"
            };
            let _ = write!(
                out,
                "<span class={class}>{} {}</span> ",
                sign(goal),
                escape(&goal.bound)
            );
        }
        out.push_str("<td class=n>");
        if let Some((p50, p999)) = row.bare {
            let (p50, p999) = (show(Unit::Nanos, p50), show(Unit::Nanos, p999));
            let _ = write!(out, "{p50}, p99.9 {p999}");
        }
        // The words of a workload stand at its first row only.
        let first = matches!(row.metric, Metric::P50 | Metric::Value);
        let what = if first { &*row.what } else { "" };
        let _ = write!(out, "<td class=dim>{}</tr>", escape(what));
    }
    out.push_str("</table>");
}

/// Bars for each quantity, and all of them in a table.
fn peers(out: &mut String, peers: &Peers) {
    if peers.rows.is_empty() {
        return;
    }
    out.push_str("<div class=plots>");
    for row in &peers.rows {
        out.push_str(&plots::bars(&peers.engines, row));
    }
    out.push_str("</div><table><tr><th>what");
    for engine in &peers.engines {
        let _ = write!(out, "<th class=n>{}", escape(&engine.name));
    }
    out.push_str("</tr>");
    for row in &peers.rows {
        let _ = write!(out, "<tr><td>{}", escape(&row.what));
        for value in row.medians() {
            let _ = write!(out, "<td class=n>{}", show(row.unit, value));
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
}

fn factor(value: f64) -> String {
    match value.is_finite() {
        true => format!("{value:.3}"),
        false => String::new(),
    }
}

/// Text as HTML and SVG have it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::peers::Engine;
    use crate::rows::Bound;

    pub(super) fn section(name: &str, scale: f64) -> Section {
        let mut rows = Vec::new();
        for (workload, metric, unit) in [
            ("get warm", Metric::P50, Unit::Nanos),
            ("get warm", Metric::P99, Unit::Nanos),
            ("put, 1 client", Metric::Rate, Unit::PerSecond),
            ("put, 32 clients", Metric::Rate, Unit::PerSecond),
        ] {
            let mut row = Row::new(workload, unit, "a <b> & c");
            row.metric = metric;
            row.values = [vec![1.06 * scale], vec![scale], vec![0.99 * scale]];
            rows.push(row);
        }
        rows[0].judge("warm", Bound::Ratio(1.03));
        Section {
            name: name.into(),
            about: vec!["7 items".into()],
            settings: Value::Null,
            rows,
            peers: Peers::default(),
        }
    }

    #[test]
    fn the_report_is_whole_and_takes_nothing_from_elsewhere() {
        let machine = Machine::look(&std::env::temp_dir());
        let mut sections = [section("100 B", 1e3), section("1 KB", 2e3)];
        let peers = &mut sections[1].peers;
        peers.engines = vec![Engine {
            name: "<other>".into(),
            about: String::new(),
        }];
        peers.push("get p50", Unit::Nanos, 0, 2e3);
        let html = report(&machine, &sections);
        for text in [
            "✗ 100 B, get warm p50: 1.060 (≤ 1.03)",
            "a &lt;b&gt; &amp; c",
            "&lt;other&gt;",
            "<svg",
            "not in this run",
        ] {
            assert!(html.contains(text), "{text}");
        }
        for text in ["<script", "src=", "href=", "url(", "<other>", "NaN"] {
            assert!(!html.contains(text), "{text}");
        }
        assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
        // Two sections, one workload over size, one over clients for each metric, one quantity of peers.
        assert!(html.matches("<svg").count() >= 5);
    }
}

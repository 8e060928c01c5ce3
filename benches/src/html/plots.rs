//! The plots.

use super::svg::{Anchor, DIM, GRID, INK, MISS, PLAIN, Picture, SEALED};
use crate::compare::Section;
use crate::peers::{Engine, PeerRow};
use crate::rows::{Metric, Row, Unit, show};

/// What is plotted over size: workload, metric, and the axis.
const OVER_SIZE: [(&str, Metric, Unit); 9] = [
    ("get warm", Metric::P50, Unit::Nanos),
    ("get OS-warm", Metric::P50, Unit::Nanos),
    ("get device-cold", Metric::P50, Unit::Nanos),
    ("query of 20", Metric::P50, Unit::Nanos),
    ("scan an item", Metric::Value, Unit::Nanos),
    ("put blocking", Metric::P50, Unit::Nanos),
    ("put, 32 clients", Metric::Rate, Unit::PerSecond),
    ("bulk load", Metric::Value, Unit::PerSecond),
    ("pages per byte", Metric::Value, Unit::Times),
];
/// Rows of the overview.
const OVERVIEW: [&str; 7] = [
    "get warm",
    "query of 20",
    "scan",
    "get OS-warm",
    "get device-cold",
    "put blocking",
    "put, 32 clients",
];
/// Ratios outside are drawn at the edge, and written.
const LOW: f64 = 0.85;
const HIGH: f64 = 1.35;
const LEFT: f64 = 190.0;
const WIDTH: f64 = 760.0;
const STEP: f64 = 19.0;

fn find<'a>(section: &'a Section, workload: &str, metric: Metric) -> Option<&'a Row> {
    let is = |row: &&Row| row.workload == workload && row.metric == metric;
    section.rows.iter().find(is)
}

/// Sealed to plain, and plain to plain, of time or bytes: more in a second is less time.
fn cost(row: &Row) -> (f64, f64) {
    match row.unit {
        Unit::PerSecond => (1.0 / row.ratio(), 1.0 / row.spread()),
        _ => (row.ratio(), row.spread()),
    }
}

fn compared(row: &&Row) -> bool {
    row.ratio().is_finite() && row.spread().is_finite()
}

/// One picture for all sizes: what sealing costs of the usual call. For a README.
pub fn overview(sections: &[Section]) -> String {
    let mut lines = Vec::new();
    for workload in OVERVIEW {
        for section in sections {
            let p50 = find(section, workload, Metric::P50).filter(compared);
            if let Some(p50) = p50 {
                lines.push((format!("{workload}, {}", short(&section.name)), p50, None));
            }
        }
    }
    dots("Sealed / plain, p50, lower is better", &lines)
}

/// A section's ratios: p50 and p99 of each workload, and other quantities.
pub(super) fn ratios(section: &Section) -> Option<String> {
    let mut lines = Vec::new();
    for row in section.rows.iter().filter(compared) {
        match row.metric {
            Metric::P50 => {
                let p99 = find(section, &row.workload, Metric::P99).filter(compared);
                lines.push((row.workload.clone(), row, p99));
            }
            Metric::Value => lines.push((row.workload.clone(), row, None)),
            _ => {}
        }
    }
    (!lines.is_empty()).then(|| {
        dots(
            &format!("{}: sealed / plain, time or bytes", section.name),
            &lines,
        )
    })
}

fn short(size: &str) -> &str {
    match size.starts_with("100 B to") {
        true => "log-uniform",
        false => size,
    }
}

/// A line for each: filled dot p50, ring p99, grey stroke plain against plain.
fn dots(title: &str, lines: &[(String, &Row, Option<&Row>)]) -> String {
    let height = 62.0 + STEP * lines.len() as f64;
    let mut picture = Picture::new(WIDTH, height, title);
    let at =
        |ratio: f64| LEFT + (ratio.clamp(LOW, HIGH) - LOW) / (HIGH - LOW) * (WIDTH - LEFT - 90.0);
    let (top, bottom) = (46.0, height - 14.0);
    for tick in [0.9, 1.0, 1.03, 1.1, 1.2, 1.3] {
        let special = tick == 1.03;
        let colour = if special { MISS } else { GRID };
        picture.line((at(tick), top), (at(tick), bottom), colour, special);
        let y = if special { top - 16.0 } else { top - 4.0 };
        picture.text(at(tick), y, Anchor::Middle, &format!("{tick}"), DIM);
    }
    picture.text(
        WIDTH - 8.0,
        20.0,
        Anchor::End,
        "● p50 or value   ○ p99   grey: plain / plain",
        DIM,
    );
    for (line, (name, row, p99)) in lines.iter().enumerate() {
        let y = top + STEP * (line as f64 + 0.6);
        picture.text(LEFT - 10.0, y + 4.0, Anchor::End, name, INK);
        let (ratio, spread) = cost(row);
        picture.line((at(1.0), y), (at(spread), y), "#9aa4b0", false);
        picture.line(
            (at(spread), y - 4.0),
            (at(spread), y + 4.0),
            "#9aa4b0",
            false,
        );
        if let Some(p99) = p99 {
            picture.dot((at(p99.ratio()), y), 3.5, SEALED, false);
        }
        let missed = row.goals.iter().any(|goal| goal.reached == Some(false));
        let colour = if missed { MISS } else { SEALED };
        picture.dot((at(ratio), y), 4.0, colour, true);
        let text = match p99 {
            Some(p99) => format!("{ratio:.3} / {:.3}", p99.ratio()),
            None => format!("{ratio:.3}"),
        };
        picture.text(WIDTH - 8.0, y + 4.0, Anchor::End, &text, DIM);
    }
    picture.finish()
}

/// A plot for each workload, sealed and plain over the sizes.
pub(super) fn over_size(sections: &[Section]) -> Vec<String> {
    let mut plots = Vec::new();
    for (workload, metric, unit) in OVER_SIZE {
        let mut names = Vec::new();
        let mut series = [Vec::new(), Vec::new()];
        for section in sections {
            if let Some(row) = find(section, workload, metric).filter(compared) {
                let [sealed, plain, _] = row.medians();
                names.push(short(&section.name).to_owned());
                series[0].push(sealed);
                series[1].push(plain);
            }
        }
        if names.len() > 1 {
            let title = format!("{workload} {}", metric.name());
            plots.push(curves(title.trim_end(), unit, &names, &series));
        }
    }
    plots
}

/// Durable puts of 1, 8, 32, 64 clients: their rate and their p99, a pair for each size.
pub(super) fn over_clients(sections: &[Section]) -> Vec<String> {
    let mut plots = Vec::new();
    for section in sections {
        for (metric, unit) in [(Metric::Rate, Unit::PerSecond), (Metric::P99, Unit::Nanos)] {
            let mut names = Vec::new();
            let mut series = [Vec::new(), Vec::new()];
            for clients in [1, 8, 32, 64] {
                let s = if clients == 1 { "" } else { "s" };
                let workload = format!("put, {clients} client{s}");
                if let Some(row) = find(section, &workload, metric).filter(compared) {
                    let [sealed, plain, _] = row.medians();
                    names.push(format!("{clients}"));
                    series[0].push(sealed);
                    series[1].push(plain);
                }
            }
            if names.len() > 1 {
                let title = format!("{}: {}", short(&section.name), metric.name());
                plots.push(curves(&title, unit, &names, &series));
            }
        }
    }
    plots
}

/// Sealed and plain over named places, the values on a logarithmic axis.
fn curves(title: &str, unit: Unit, names: &[String], series: &[Vec<f64>; 2]) -> String {
    let (width, height) = (370.0, 240.0);
    let (left, right, top, bottom) = (70.0, width - 20.0, 46.0, height - 34.0);
    let mut picture = Picture::new(width, height, title);
    let all = || {
        series
            .iter()
            .flatten()
            .copied()
            .filter(|value| *value > 0.0)
    };
    let low = 10f64.powf(all().fold(f64::INFINITY, f64::min).log10().floor());
    let high = 10f64
        .powf(all().fold(0.0, f64::max).log10().ceil())
        .max(low * 10.0);
    let y = |value: f64| {
        bottom - (value.max(low) / low).log10() / (high / low).log10() * (bottom - top)
    };
    let x = |place: usize| {
        let places = (names.len() - 1).max(1) as f64;
        left + 20.0 + place as f64 / places * (right - left - 40.0)
    };
    let mut tick = low;
    while tick <= high * 1.001 {
        picture.line((left, y(tick)), (right, y(tick)), GRID, false);
        picture.text(
            left - 6.0,
            y(tick) + 4.0,
            Anchor::End,
            &show(unit, tick),
            DIM,
        );
        tick *= 10.0;
    }
    for (place, name) in names.iter().enumerate() {
        picture.text(x(place), bottom + 18.0, Anchor::Middle, name, INK);
    }
    // Plain first, so that sealed lies above it.
    for (values, colour, dashed) in [(&series[1], PLAIN, true), (&series[0], SEALED, false)] {
        let points: Vec<(f64, f64)> = values
            .iter()
            .enumerate()
            .map(|(place, value)| (x(place), y(*value)))
            .collect();
        picture.path(&points, colour, dashed);
        for point in points {
            picture.dot(point, 3.0, colour, !dashed);
        }
    }
    for (place, value) in series[0].iter().enumerate() {
        let above = y(*value) - 8.0;
        picture.text(x(place), above, Anchor::Middle, &show(unit, *value), SEALED);
    }
    picture.text(right, 20.0, Anchor::End, "sealed", SEALED);
    picture.text(right - 44.0, 20.0, Anchor::End, "plain", PLAIN);
    picture.finish()
}

/// A bar for each engine, the best first.
pub(super) fn bars(engines: &[Engine], row: &PeerRow) -> String {
    let values = engines.iter().zip(row.medians());
    let mut lines: Vec<(&Engine, f64)> = values.filter(|(_, value)| value.is_finite()).collect();
    lines.sort_by(|(_, a), (_, b)| match row.unit {
        Unit::PerSecond => b.total_cmp(a),
        _ => a.total_cmp(b),
    });
    let (width, left) = (560.0, 150.0);
    let height = 46.0 + 22.0 * lines.len() as f64;
    let mut picture = Picture::new(width, height, &row.what);
    let most = lines
        .iter()
        .map(|(_, value)| *value)
        .fold(f64::MIN_POSITIVE, f64::max);
    for (line, (engine, value)) in lines.into_iter().enumerate() {
        let y = 38.0 + 22.0 * line as f64;
        let colour = match &*engine.name {
            name if name.starts_with("sealdb") && name.contains("plain") => PLAIN,
            name if name.starts_with("sealdb") => SEALED,
            _ => "#8d99a8",
        };
        picture.text(left - 8.0, y + 11.0, Anchor::End, &engine.name, INK);
        let length = value / most * (width - left - 100.0);
        picture.bar((left, y), (length, 15.0), colour);
        let text = show(row.unit, value);
        picture.text(left + length + 6.0, y + 11.0, Anchor::Start, &text, DIM);
    }
    picture.finish()
}

//! Quantities of the three stores over all rounds, and what they have to reach.

use crate::load::{Latencies, Sample, latencies};

/// The unit of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds; less is better.
    Nanos,
    /// In a second; more is better.
    PerSecond,
    /// Bytes; less is better.
    Bytes,
    /// Bytes for each byte; less is better.
    Times,
}

/// Which quantity of a workload a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Half of the calls took at most this long.
    P50,
    /// 90 % of them.
    P90,
    /// 99 %.
    P99,
    /// 99.9 %.
    P999,
    /// The longest.
    Max,
    /// Calls in a second.
    Rate,
    /// Processor time of a call, user and system.
    Cpu,
    /// The workload is one quantity.
    Value,
}

impl Metric {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Metric::P50 => "p50",
            Metric::P90 => "p90",
            Metric::P99 => "p99",
            Metric::P999 => "p99.9",
            Metric::Max => "max",
            Metric::Rate => "calls/s",
            Metric::Cpu => "CPU",
            Metric::Value => "",
        }
    }

    /// Those of [`Calls`], in their order.
    pub const OF_CALLS: [Metric; 7] = [
        Metric::P50,
        Metric::P90,
        Metric::P99,
        Metric::P999,
        Metric::Max,
        Metric::Rate,
        Metric::Cpu,
    ];

    fn quantile(self) -> Option<f64> {
        match self {
            Metric::P50 => Some(0.5),
            Metric::P90 => Some(0.9),
            Metric::P99 => Some(0.99),
            Metric::P999 => Some(0.999),
            _ => None,
        }
    }
}

/// What a row has to reach, and whether it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// Which of [`crate::targets::TARGETS`].
    pub target: &'static str,
    /// The bound, in words.
    pub bound: String,
    /// What was measured, in words.
    pub measured: String,
    /// Whether it is reached. `None`: there is no bound, the number is the answer.
    pub reached: Option<bool>,
}

/// A bound of a row.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// Sealed to plain at most this.
    Ratio(f64),
    /// The same, and what two plain stores differ by may come on top.
    RatioAndSpread(f64),
    /// The sealed value at most this.
    AtMost(f64),
    /// The sealed value at least this.
    AtLeast(f64),
    /// The sealed value at least so many times that of somebody else.
    Times(f64, f64),
    /// None: the number is the answer.
    Reported,
}

/// One quantity of each store: a value a round.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was done, in few words.
    pub workload: String,
    /// Which quantity of it.
    pub metric: Metric,
    /// What it is, in words.
    pub what: String,
    /// Of its values.
    pub unit: Unit,
    /// Of the sealed store, the plain one, and the other plain one.
    pub values: [Vec<f64>; 3],
    /// p50 and p99.9 of a bare write and fdatasync in the same rounds, in nanoseconds, for what is durable.
    pub bare: Option<(f64, f64)>,
    /// What it has to reach.
    pub goals: Vec<Goal>,
}

impl Row {
    /// A row without values yet.
    pub fn new(workload: impl Into<String>, unit: Unit, what: impl Into<String>) -> Self {
        Self {
            workload: workload.into(),
            metric: Metric::Value,
            what: what.into(),
            unit,
            values: Default::default(),
            bare: None,
            goals: Vec::new(),
        }
    }

    /// A row of one value of the sealed store.
    pub fn value(
        workload: impl Into<String>,
        unit: Unit,
        value: f64,
        what: impl Into<String>,
    ) -> Self {
        let mut row = Row::new(workload, unit, what);
        row.push(0, value);
        row
    }

    /// Its name: workload and metric.
    pub fn name(&self) -> String {
        format!("{} {}", self.workload, self.metric.name())
            .trim_end()
            .to_owned()
    }

    /// A value of a store (0 sealed, 1 plain, 2 plain again).
    pub fn push(&mut self, store: usize, value: f64) {
        if let Some(values) = self.values.get_mut(store) {
            values.push(value);
        }
    }

    /// The median over rounds of each store; NaN where there is none.
    pub fn medians(&self) -> [f64; 3] {
        self.values.each_ref().map(|values| median(values))
    }

    /// The median over rounds of the sealed store.
    pub fn sealed(&self) -> f64 {
        self.medians()[0]
    }

    /// Sealed to plain.
    pub fn ratio(&self) -> f64 {
        let [sealed, plain, _] = self.medians();
        sealed / plain
    }

    /// Plain to plain: what two equal stores differ by.
    pub fn spread(&self) -> f64 {
        let [_, plain, again] = self.medians();
        again / plain
    }

    /// Judges the row by a bound.
    pub fn judge(&mut self, target: &'static str, bound: Bound) {
        let (ratio, sealed) = (self.ratio(), self.sealed());
        let spread = (self.spread() - 1.0).abs();
        let show = |value| show(self.unit, value);
        let (bound, measured, reached) = match bound {
            Bound::Ratio(most) => (
                format!("≤ {most:.2}"),
                format!("{ratio:.3}"),
                Some(ratio <= most),
            ),
            Bound::RatioAndSpread(most) => (
                format!("≤ {most:.2} + {spread:.3}"),
                format!("{ratio:.3}"),
                Some(ratio <= most + spread),
            ),
            Bound::AtMost(most) => (
                format!("≤ {}", show(most)),
                show(sealed),
                Some(sealed <= most),
            ),
            Bound::AtLeast(least) => (
                format!("≥ {}", show(least)),
                show(sealed),
                Some(sealed >= least),
            ),
            Bound::Times(least, other) => (
                format!("≥ {least:.2} times"),
                format!("{:.2} times {}", sealed / other, show(other)),
                Some(sealed >= least * other),
            ),
            Bound::Reported if ratio.is_finite() => (
                "reported".into(),
                format!("{} ({ratio:.3} of plain)", show(sealed)),
                None,
            ),
            Bound::Reported => ("reported".into(), show(sealed), None),
        };
        self.goals.push(Goal {
            target,
            bound,
            measured,
            reached,
        });
    }
}

/// The row of a workload and metric.
pub fn find<'a>(rows: &'a mut [Row], workload: &str, metric: Metric) -> Option<&'a mut Row> {
    rows.iter_mut()
        .find(|row| row.workload == workload && row.metric == metric)
}

/// Calls of one workload by store and round.
#[derive(Debug, Clone)]
pub struct Calls {
    workload: String,
    what: String,
    rounds: [Vec<Sample>; 3],
}

impl Calls {
    /// Calls of nobody yet.
    pub fn new(workload: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            workload: workload.into(),
            what: what.into(),
            rounds: Default::default(),
        }
    }

    /// Says more of what it is.
    pub fn note(&mut self, text: &str) {
        self.what.push_str(text);
    }

    /// The calls of a store in a round.
    pub fn push(&mut self, store: usize, sample: Sample) {
        if let Some(rounds) = self.rounds.get_mut(store)
            && !sample.latencies.is_empty()
        {
            rounds.push(sample);
        }
    }

    /// All calls of a store.
    pub fn all(&self, store: usize) -> Latencies {
        let mut all = latencies();
        for sample in self.rounds.get(store).into_iter().flatten() {
            all += &sample.latencies;
        }
        all
    }

    /// A row for each metric that the calls were enough for. A quantile is that of each round, or, where no round has ten calls
    /// beyond it, that of all rounds.
    pub fn into_rows(self) -> Vec<Row> {
        let mut rows: Vec<Row> = Metric::OF_CALLS
            .into_iter()
            .map(|metric| {
                let unit = match metric {
                    Metric::Rate => Unit::PerSecond,
                    _ => Unit::Nanos,
                };
                let mut row = Row::new(&*self.workload, unit, &*self.what);
                row.metric = metric;
                for store in 0..self.rounds.len() {
                    row.values[store] = self.values(store, metric);
                }
                row
            })
            .collect();
        rows.retain(|row| !row.values[0].is_empty());
        rows
    }

    fn values(&self, store: usize, metric: Metric) -> Vec<f64> {
        let samples = self.rounds.get(store).map_or(&[][..], Vec::as_slice);
        let count = |sample: &Sample| sample.latencies.len() as f64;
        match (metric, metric.quantile()) {
            (_, Some(at)) => {
                let mut values: Vec<f64> = samples
                    .iter()
                    .filter(|sample| at < 0.6 || count(sample) * (1.0 - at) > 9.99)
                    .map(|sample| quantile(&sample.latencies, at))
                    .collect();
                let all = self.all(store);
                if values.is_empty() && all.len() as f64 * (1.0 - at) > 0.99 {
                    values.push(quantile(&all, at));
                }
                values
            }
            (Metric::Max, _) => {
                let max = |sample: &Sample| sample.latencies.max() as f64;
                // The longest of all, not the usual longest.
                let all = samples.iter().map(max).reduce(f64::max);
                all.into_iter().collect()
            }
            (Metric::Rate, _) => {
                let rate = |sample: &Sample| count(sample) / sample.took.as_secs_f64();
                samples.iter().map(rate).collect()
            }
            _ => {
                let cpu = |sample: &Sample| sample.cpu.as_nanos() as f64 / count(sample);
                samples.iter().map(cpu).collect()
            }
        }
    }
}

/// Bare syncs beside what is durable, over the rounds.
#[derive(Debug, Clone)]
pub struct Beside {
    rounds: Vec<f64>,
    all: Latencies,
}

impl Default for Beside {
    fn default() -> Self {
        Self {
            rounds: Vec::new(),
            all: latencies(),
        }
    }
}

impl Beside {
    /// Those of a round.
    pub fn push(&mut self, latencies: &Latencies) {
        self.rounds.push(quantile(latencies, 0.5));
        self.all += latencies;
    }

    /// The median over rounds of p50, and p99.9 of all.
    pub fn bare(&self) -> (f64, f64) {
        (median(&self.rounds), quantile(&self.all, 0.999))
    }

    /// Puts it beside rows.
    pub fn mark(&self, rows: &mut [Row]) {
        for row in rows {
            row.bare = Some(self.bare());
        }
    }
}

/// A quantile in nanoseconds.
pub fn quantile(latencies: &Latencies, quantile: f64) -> f64 {
    latencies.value_at_quantile(quantile) as f64
}

/// The middle value; of none, NaN.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (
        middle.checked_sub(1).and_then(|low| sorted.get(low)),
        sorted.get(middle),
    ) {
        (Some(low), Some(high)) if sorted.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(value)) => *value,
        _ => f64::NAN,
    }
}

/// A value for people; "-" where there is none.
pub fn show(unit: Unit, value: f64) -> String {
    match unit {
        _ if value.is_nan() => "-".to_owned(),
        Unit::Nanos if value < 1e3 => format!("{value:.0} ns"),
        Unit::Nanos if value < 1e5 => format!("{:.2} µs", value / 1e3),
        Unit::Nanos if value < 1e6 => format!("{:.0} µs", value / 1e3),
        Unit::Nanos if value < 1e9 => format!("{:.2} ms", value / 1e6),
        Unit::Nanos => format!("{:.2} s", value / 1e9),
        Unit::PerSecond if value < 1e5 => format!("{value:.0}/s"),
        Unit::PerSecond => format!("{:.0} k/s", value / 1e3),
        Unit::Bytes if value < 1e5 => format!("{value:.1} B"),
        Unit::Bytes => format!("{:.1} MiB", value / f64::from(1 << 20)),
        Unit::Times => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn medians_and_ratios() {
        assert!(median(&[]).is_nan());
        let mut row = Row::new("r", Unit::Bytes, "");
        for value in [3.0, 9.0, 1.0] {
            row.push(0, value);
        }
        row.push(1, 2.0);
        for value in [1.0, 2.0] {
            row.push(2, value);
        }
        assert_eq!(row.medians(), [3.0, 2.0, 1.5]);
        assert_eq!((row.ratio(), row.spread()), (1.5, 0.75));
    }

    fn calls(rounds: u64, each: u64) -> Vec<Row> {
        let mut calls = Calls::new("a", "");
        for store in 0..3 {
            for round in 0..rounds {
                let mut sample = Sample::none();
                for value in 1..=each {
                    let value = round * each + value;
                    sample.latencies.record(value).expect("small");
                }
                sample.took = Duration::from_millis(each);
                sample.cpu = Duration::from_nanos(3 * each);
                calls.push(store, sample);
            }
        }
        calls.into_rows()
    }

    #[test]
    fn short_rounds_share_their_quantiles_if_they_are_enough_together() {
        let names = |rows: Vec<Row>| rows.iter().map(Row::name).collect::<Vec<_>>();
        assert_eq!(names(calls(5, 1)), ["a p50", "a max", "a calls/s", "a CPU"]);
        let mut rows = calls(1_000, 1);
        assert_eq!(rows.len(), Metric::OF_CALLS.len());
        let medians = |rows: &mut [Row], metric| {
            find(rows, "a", metric).map(|row| (row.medians(), row.values[0].len()))
        };
        assert_eq!(medians(&mut rows, Metric::P50), Some(([500.5; 3], 1_000)));
        assert_eq!(medians(&mut rows, Metric::P99), Some(([990.0; 3], 1)));
        assert_eq!(medians(&mut rows, Metric::P999), Some(([999.0; 3], 1)));
        assert_eq!(medians(&mut rows, Metric::Max), Some(([1_000.0; 3], 1)));
        assert_eq!(
            medians(&mut rows, Metric::Rate),
            Some(([1_000.0; 3], 1_000))
        );
        assert_eq!(medians(&mut rows, Metric::Cpu), Some(([3.0; 3], 1_000)));
        let mut rows = calls(2, 1_000);
        assert_eq!(
            medians(&mut rows, Metric::P99).map(|(_, rounds)| rounds),
            Some(2)
        );
        assert_eq!(
            medians(&mut rows, Metric::P999).map(|(_, rounds)| rounds),
            Some(1)
        );
    }

    #[test]
    fn bounds_are_judged() {
        let mut row = Row::new("r", Unit::Nanos, "");
        row.values = [vec![106.0], vec![100.0], vec![96.0]];
        for (bound, reached) in [
            (Bound::Ratio(1.05), Some(false)),
            (Bound::Ratio(1.06), Some(true)),
            (Bound::RatioAndSpread(1.03), Some(true)),
            (Bound::RatioAndSpread(1.01), Some(false)),
            (Bound::AtMost(105.0), Some(false)),
            (Bound::AtLeast(105.0), Some(true)),
            (Bound::Reported, None),
        ] {
            row.judge("t", bound);
            assert_eq!(row.goals.pop().map(|goal| goal.reached), Some(reached));
        }
        row.values[1].clear();
        row.judge("t", Bound::Ratio(9.0));
        // What cannot be compared does not pass.
        assert_eq!(row.goals[0].reached, Some(false));
    }

    #[test]
    fn values_are_short() {
        for (unit, value, text) in [
            (Unit::Nanos, 912.4, "912 ns"),
            (Unit::Nanos, 15_300.0, "15.30 µs"),
            (Unit::Nanos, 312_000.0, "312 µs"),
            (Unit::Nanos, 4_120_000.0, "4.12 ms"),
            (Unit::Nanos, 21.5e9, "21.50 s"),
            (Unit::PerSecond, 2_812.3, "2812/s"),
            (Unit::PerSecond, 1_150_000.0, "1150 k/s"),
            (Unit::Bytes, 118.25, "118.2 B"),
            (Unit::Bytes, 31_457_280.0, "30.0 MiB"),
            (Unit::Times, 4.108, "4.11"),
            (Unit::Times, f64::NAN, "-"),
        ] {
            assert_eq!(show(unit, value), text);
        }
    }
}

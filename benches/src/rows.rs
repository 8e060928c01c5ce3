//! Quantities of the three stores over all rounds.

use crate::load::Latencies;

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

/// One quantity of each store: a value a round.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// What it is, in words.
    pub what: &'static str,
    /// Of its values.
    pub unit: Unit,
    /// Of the sealed store, the plain one, and the other plain one.
    pub values: [Vec<f64>; 3],
}

impl Row {
    /// A row without values yet.
    pub fn new(name: &'static str, unit: Unit, what: &'static str) -> Self {
        Self {
            name,
            what,
            unit,
            values: Default::default(),
        }
    }

    /// A value of a store (0 sealed, 1 plain, 2 plain again).
    pub fn push(&mut self, store: usize, value: f64) {
        if let Some(values) = self.values.get_mut(store) {
            values.push(value);
        }
    }

    /// The median over rounds of each store.
    pub fn medians(&self) -> [f64; 3] {
        self.values.each_ref().map(|values| median(values))
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
}

/// Latencies of single calls: their p50 of each round, and their p99.
#[derive(Debug, Clone)]
pub struct Calls {
    p50: Row,
    p99: Row,
    all: [Option<Latencies>; 3],
}

/// Fewer calls have no p99 worth the name.
const ENOUGH: u64 = 1_000;

impl Calls {
    /// Calls without latencies yet.
    pub fn new(p50: &'static str, p99: &'static str, what: &'static str) -> Self {
        Self {
            p50: Row::new(p50, Unit::Nanos, what),
            p99: Row::new(p99, Unit::Nanos, "the same"),
            all: Default::default(),
        }
    }

    /// The latencies of a store in a round.
    pub fn push(&mut self, store: usize, latencies: Latencies) {
        self.p50.push(store, quantile(&latencies, 0.5));
        if latencies.len() >= ENOUGH {
            self.p99.push(store, quantile(&latencies, 0.99));
        }
        match self.all.get_mut(store) {
            Some(Some(all)) => *all += latencies,
            Some(all) => *all = Some(latencies),
            None => {}
        }
    }

    /// Both rows. If rounds were too short to have a p99, that row has the one of all rounds, or is left out.
    pub fn into_rows(mut self) -> Vec<Row> {
        for (store, all) in self.all.iter().enumerate() {
            if let Some(all) = all
                && all.len() >= ENOUGH
                && self.p99.values.get(store).is_some_and(Vec::is_empty)
            {
                self.p99.push(store, quantile(all, 0.99));
            }
        }
        let mut rows = vec![self.p50];
        if self.p99.values.iter().all(|values| !values.is_empty()) {
            rows.push(self.p99);
        }
        rows
    }
}

/// A quantile in nanoseconds.
#[allow(clippy::cast_precision_loss)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::latencies;

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

    #[test]
    fn short_rounds_share_a_p99_if_they_are_enough_together() {
        let calls = |rounds: u64| {
            let mut calls = Calls::new("a", "b", "");
            for store in 0..3 {
                for value in 1..=rounds {
                    let mut round = latencies();
                    round.record(value).expect("small");
                    calls.push(store, round);
                }
            }
            calls.into_rows()
        };
        assert_eq!(calls(999).len(), 1);
        let rows = calls(1_000);
        assert_eq!(rows[0].medians(), [500.5; 3]);
        assert_eq!(rows[1].medians(), [990.0; 3]);
    }
}

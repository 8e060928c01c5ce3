//! What the histories of a run have been through. A run that never evicted a page has not tested eviction.

use std::collections::BTreeMap;
use std::fmt;

use sealdb::Stats;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    pub fn add(&mut self, name: &'static str, n: u64) {
        *self.0.entry(name).or_default() += n;
    }

    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// What a database did since it was opened.
    pub fn add_stats(&mut self, stats: &Stats) {
        self.add("evictions", stats.cache_evictions);
        self.add("page misses", stats.cache_misses);
        self.add("splits", stats.splits);
        self.add("merges", stats.merges);
        self.add("out-of-line items", stats.out_of_line);
        self.add("segment reuses", stats.log_segments_recycled);
        self.add("torn tails", stats.log_torn_tails);
    }

    pub fn merge(&mut self, other: &Counters) {
        for (name, n) in &other.0 {
            self.add(name, *n);
        }
    }

    /// # Panics
    /// If one of these is 0 after as many seeds as a suite has at least.
    pub fn require(&self, seeds: u64, names: &[&str]) {
        if self.get("seeds") < seeds {
            return;
        }
        let missing: Vec<_> = names.iter().filter(|name| self.get(name) == 0).collect();
        assert!(missing.is_empty(), "never happened: {missing:?}; {self}");
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self
            .0
            .iter()
            .map(|(name, n)| format!("{n} {name}"))
            .collect();
        f.write_str(&all.join(", "))
    }
}

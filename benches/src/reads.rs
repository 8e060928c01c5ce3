//! Warm and cold reads of the three stores.

use std::time::Duration;

use crate::compare::Bench;
use crate::load::{calls, clients};
use crate::rows::{Bound, Calls, Metric, Row, Unit, find};
use crate::size::ItemSize;
use crate::store::Failure;
use crate::usage;

/// Single calls of one round.
const GETS: usize = 2_000;
const QUERIES: usize = 300;
const COLD_GETS: usize = 300;
/// Gets after each dropping of the system's cache.
const DEVICE_GETS: usize = 25;
/// So often the databases are opened anew for warm reads. Where pages happen to lie in memory makes one of two like databases up to a
/// quarter faster than the other for as long as both are open: that is chance, and only opening them again throws the dice again.
const LIVES: u32 = 6;
/// How long a rate is looked at in one round.
const RATE_TIME: Duration = Duration::from_millis(100);

impl Bench {
    /// Everything lies in the database's cache.
    pub(crate) fn reads(&mut self, time: Duration) -> Result<(), Failure> {
        let mut get = Calls::new("get warm", "GetItem of a cached item, decoded");
        let mut query = Calls::new("query of 20", "Query of 20 neighbours, cached, decoded");
        let mut scan = Calls::new(
            "scan",
            "a page of 1 MB of a Scan of all items, cached, decoded",
        );
        let mut each = Row::new("scan an item", Unit::Nanos, "the same: an item");
        let threads = [1, 2];
        let mut rates = threads.map(|threads| {
            let name = match threads {
                1 => "gets, 1 thread".to_owned(),
                more => format!("gets, {more} threads"),
            };
            Row::new(
                name,
                Unit::PerSecond,
                "GetItem in a second, inputs made anew for each",
            )
        });
        let lives = if self.plan.demo { 1 } else { LIVES };
        let options = self.plan.settings.options.clone();
        let mut rounds = 0;
        let mut round = |bench: &mut Bench, at: usize| {
            let (store, random) = (&bench.stores[at], &mut bench.random[at]);
            get.push(at, calls::gets(store, random, GETS)?);
            query.push(at, calls::queries(store, random, QUERIES)?);
            let all = calls::scan(store)?;
            let items = store.settings.items.count as f64;
            each.push(at, all.took.as_nanos() as f64 / items);
            scan.push(at, all);
            if !bench.plan.demo {
                // The other stores have had the processor's caches meanwhile.
                store.warm()?;
                for (threads, row) in threads.iter().zip(&mut rates) {
                    let rate = clients::gets_per_second(store, random, *threads, RATE_TIME)?;
                    row.push(at, rate);
                }
            }
            Ok(())
        };
        for life in 0..lives {
            self.reopen(&options, life as usize)?;
            for store in &self.stores {
                store.warm()?;
            }
            rounds += self.rounds(time / lives, 1, &mut round)?;
        }
        self.tell(format!(
            "medians of {rounds} rounds of warm reads, the databases opened {lives} times"
        ));
        for calls in [get, query, scan] {
            let mut rows = calls.into_rows();
            for row in &mut rows {
                match row.metric {
                    Metric::P50 => row.judge("warm", Bound::Ratio(1.03)),
                    Metric::P99 => row.judge("warm", Bound::Ratio(1.10)),
                    _ => {}
                }
            }
            self.rows.extend(rows);
        }
        self.rows.push(each);
        if !self.plan.demo {
            if self.plan.settings.items.size == ItemSize::Fixed(100) {
                rates[0].judge("gets", Bound::AtLeast(1.0e6));
                rates[1].judge("gets", Bound::AtLeast(1.9e6));
            }
            self.rows.extend(rates);
        }
        Ok(())
    }

    /// The databases are opened again with a cache of a 20th of their pages, so that nearly every get reads a leaf (and, above
    /// 2 KiB, the value's block): from the system's cache, or, dropped before each few gets, from the device.
    pub(crate) fn cold_reads(&mut self, time: Duration) -> Result<(), Failure> {
        let pages = self.stores[0].db.stats().page_used_bytes;
        let cache = usize::try_from(pages / 20)?.max(256 << 10);
        let mut options = self.plan.settings.options.clone();
        options.cache_bytes = cache;
        self.reopen(&options, 0)?;
        for store in &self.stores {
            store.warm()?;
        }
        let mut warm = Calls::new(
            "get OS-warm",
            "GetItem of a database whose cache is small, its file in the system's cache",
        );
        let mut misses = [0, 0];
        self.rounds(time / 2, 5, |bench, at| {
            let (store, random) = (&bench.stores[at], &mut bench.random[at]);
            let before = store.db.stats().cache_misses;
            warm.push(at, calls::gets(store, random, COLD_GETS)?);
            misses[0] += store.db.stats().cache_misses - before;
            misses[1] += COLD_GETS as u64;
            Ok(())
        })?;
        warm.note(&format!(
            ": {:.2} blocks read for a get",
            misses[0] as f64 / misses[1] as f64
        ));
        let mut cold = Calls::new(
            "get device-cold",
            "the same, the system's cache of the files dropped (fadvise) before each 25 gets",
        );
        let before = usage::read_from_device();
        let mut gets = 0;
        self.rounds(time / 2, 5, |bench, at| {
            let (store, random) = (&bench.stores[at], &mut bench.random[at]);
            usage::forget(&store.data())?;
            cold.push(at, calls::gets(store, random, DEVICE_GETS)?);
            gets += DEVICE_GETS;
            Ok(())
        })?;
        let read = (usage::read_from_device() - before) as f64 / gets as f64;
        cold.note(&match read < 1024.0 {
            true => "; NOTHING WAS READ FROM A DEVICE".to_owned(),
            false => format!(": {:.1} KiB read from the device for a get", read / 1024.0),
        });
        self.tell(format!(
            "cold: opened again with {:.1} MiB of cache; what the host of a virtual machine caches is not dropped",
            cache as f64 / f64::from(1 << 20)
        ));
        self.rows.extend(warm.into_rows());
        self.rows.extend(cold.into_rows());
        if let Some(row) = find(&mut self.rows, "get OS-warm", Metric::P50) {
            row.judge("os-warm", Bound::Ratio(1.25));
        }
        if let Some(row) = find(&mut self.rows, "get device-cold", Metric::P50)
            && read >= 1024.0
        {
            row.judge("device-cold", Bound::Ratio(1.05));
        }
        Ok(())
    }
}

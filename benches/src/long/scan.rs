//! Scans of few and of ten times as many items: an item takes the same time, and memory does not grow.

use super::{Context, KB};
use crate::compare::temporary;
use crate::load::calls;
use crate::rows::{Bound, Goal, Row, Unit};
use crate::store::Failure;
use crate::usage;

/// An item of the larger scan may take so much longer.
const LINEAR: f64 = 1.5;

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let mut times: Vec<Row> = Vec::new();
    let mut rows = Vec::new();
    for millions in [0.2, 2.0] {
        let items = context.items(millions, KB);
        let dir = temporary(context.dir)?;
        let stores = context.filled(dir.path(), items)?;
        let name = format!("scan of {}", items.count);
        let mut each = Row::new(
            &*name,
            Unit::Nanos,
            "time of an item, decoded, the second scan after the opening",
        );
        let mut grown = Row::new(
            format!("{name}: memory"),
            Unit::Bytes,
            "by how much resident memory rose above what it was before, at most",
        );
        for (at, store) in stores.iter().enumerate() {
            context.say(&name);
            // The first fills the cache.
            calls::scan(store)?;
            usage::reset_peak()?;
            let before = usage::memory(None)?.now;
            let sample = calls::scan(store)?;
            let peak = usage::memory(None)?.peak;
            each.push(at, sample.took.as_nanos() as f64 / items.count as f64);
            grown.push(at, peak.saturating_sub(before) as f64);
            store.db.close()?;
        }
        grown.judge("scan", Bound::AtMost(f64::from(16 << 20)));
        times.push(each);
        rows.push(grown);
    }
    if let [few, many] = &mut times[..] {
        let times = many.sealed() / few.sealed();
        many.goals.push(Goal {
            target: "scan",
            bound: format!("≤ {LINEAR} times an item of the smaller scan"),
            measured: format!("{times:.2} times"),
            reached: Some(times <= LINEAR),
        });
    }
    times.extend(rows);
    Ok(times)
}

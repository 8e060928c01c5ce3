//! Bytes of pages in use, sealed against plain.

use super::{Context, KB};
use crate::compare::{KINDS, temporary};
use crate::rows::{Bound, Row, Unit};
use crate::size::ItemSize;
use crate::store::{Failure, Items};

/// Sizes of which the worst is looked for: around the end of a block of 4 KiB.
const SIZES: std::ops::RangeInclusive<usize> = 4_000..=4_100;
/// Items of each of them.
const OF_EACH: u64 = 1_000;

pub(super) fn run(context: &mut Context<'_>) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    // Log-uniform items are ten times as large: a fifth of them is 2 GB.
    for (millions, size) in [
        (1.0, KB),
        (1.0, ItemSize::Fixed(100)),
        (0.2, ItemSize::LogUniform),
    ] {
        let items = context.items(millions, size);
        let mut row = stored(context, items)?;
        row.judge("stored", Bound::Ratio(1.01));
        rows.push(row);
    }
    let mut worst: Option<Row> = None;
    for bytes in SIZES {
        let items = Items::new(OF_EACH.min(context.million), ItemSize::Fixed(bytes));
        let mut row = stored(context, items)?;
        if worst
            .as_ref()
            .is_none_or(|worst| row.ratio() > worst.ratio())
        {
            row.workload = format!("stored, worst of 4,000 to 4,100 B: {bytes} B");
            worst = Some(row);
        }
    }
    if let Some(mut row) = worst {
        row.judge("stored-worst", Bound::Reported);
        rows.push(row);
    }
    Ok(rows)
}

fn stored(context: &mut Context<'_>, items: Items) -> Result<Row, Failure> {
    let mut row = Row::new(
        format!("stored, {}", items.size),
        Unit::Times,
        format!(
            "bytes of pages in use for each byte of {} items",
            items.count
        ),
    );
    for (at, (kind, _)) in KINDS.into_iter().take(2).enumerate() {
        let dir = temporary(context.dir)?;
        let store = context.filled_one(dir.path(), kind, items)?;
        row.push(at, store.footprint()?.pages);
        store.db.close()?;
    }
    Ok(row)
}

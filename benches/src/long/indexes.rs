//! The usual comparison, over a table with two indexes and a stream: a put changes four trees, each sealed under keys of its own.

use super::{Context, KB};
use crate::compare::{self, Plan, Section};
use crate::rows::{Bound, Metric, find};
use crate::store::{Failure, Items};

/// Targets that compare sealed with plain. What rates and times have to be is said of tables without indexes.
const RATIOS: [&str; 4] = ["warm", "put", "device-cold", "os-warm"];
/// Where these judge what is indexed.
const TARGET: &str = "indexed";
/// 20 MB of items, as for each size of the usual run.
const ITEMS: u64 = 20_000;

pub(super) fn run(context: &mut Context<'_>) -> Result<Section, Failure> {
    let items = Items::new(ITEMS.min(context.million), KB).indexed();
    let plan = Plan {
        settings: context.settings(items),
        time: context.time,
        demo: false,
    };
    let mut section = compare::run(context.dir, &plan, context.progress)?;
    for row in &mut section.rows {
        row.goals.retain(|goal| RATIOS.contains(&goal.target));
        for goal in &mut row.goals {
            goal.target = TARGET;
        }
    }
    if let Some(stored) = find(&mut section.rows, "stored", Metric::Value) {
        stored.judge(TARGET, Bound::Ratio(1.01));
    }
    Ok(section)
}

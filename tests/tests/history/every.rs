//! Short histories that crash once, at each of their writes and syncs in turn.
//!
//! A history is run once without a crash, to count its operations: those of creation, opening, commits, checkpoints and closing. Then it
//! is run again for each of them and each fate of what was not synced, up to the crash; what is found afterwards must be what was
//! acknowledged, and of the write under way all or nothing.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use sealdb::Durability;
use sealdb_engine::Survival;

use crate::counters::Counters;
use crate::draw::{Draw, Kind};
use crate::recover::Crashes;
use crate::rng::Rng;
use crate::run::Run;
use crate::suite::variable;
use crate::trace::Trace;
use crate::world::Keys;

/// All runs of the history of a seed.
pub fn crash_everywhere(keys: &Keys, seed: u64, print: bool) -> Counters {
    let mut rng = Rng::new(seed);
    let mut draw = Draw::new(&mut rng);
    draw.kind = Kind::Crash;
    draw.faults = false;
    draw.steps = rng.between(8, 20);
    draw.bytes = 200 << 10;
    draw.options.durability = if rng.one_in(4) {
        Durability::Interval(Duration::from_secs(1))
    } else {
        Durability::Commit
    };
    let begin = rng.clone();
    let run_with = |crash: Option<(u64, Survival)>, trace: Trace| {
        let mut run = Run::new(keys, seed, draw.clone(), begin.clone(), trace);
        run.crashes = Crashes::Never;
        if let Some((at, survival)) = crash {
            run.crashes = Crashes::Once(survival);
            run.world.crash_at(at);
        }
        run.go();
        run
    };
    let whole = run_with(None, Trace::printing(print));
    let only = variable("SEALDB_HISTORY_CRASH");
    let mut counters = Counters::default();
    for at in 1..=whole.operations {
        let fates = [
            Survival::Nothing,
            Survival::Everything,
            Survival::Seeded(rng.next()),
            Survival::Seeded(rng.next()),
        ];
        if only.is_some_and(|only| only != at) {
            continue;
        }
        for survival in fates {
            let once = || run_with(Some((at, survival)), Trace::printing(only.is_some()));
            match catch_unwind(AssertUnwindSafe(once)) {
                Ok(run) => {
                    assert_eq!(run.counters.get("crashes"), 1, "a crash at {at}");
                    counters.merge(&run.counters);
                }
                Err(panic) => {
                    eprintln!(
                        "operation {at} of {} crashed, {survival:?}: add SEALDB_HISTORY_CRASH={at} to replay that",
                        whole.operations
                    );
                    resume_unwind(panic);
                }
            }
        }
        counters.add("operations crashed at", 1);
    }
    counters
}

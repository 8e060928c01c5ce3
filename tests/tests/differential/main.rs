//! The same requests to SealDB and to dynoxide, another local DynamoDB that is itself compared with the real one: results, errors and
//! messages must be the same, but for the classes of differences that `classes.rs` lists with the reason why ours is right.
//!
//! `scripts/test` installs dynoxide, as a program with SQLite alone.
//!
//! | variable | meaning |
//! |---|---|
//! | `SEALDB_DIFFERENTIAL_SEEDS=n` | run n histories (100) |
//! | `SEALDB_DIFFERENTIAL_FIRST=n` | begin with seed n |
//! | `SEALDB_DIFFERENTIAL_SHOW=1` | show the known differences as well, each kind once |
// Tests of real processes wait on the real clock.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    unreachable_pub
)]

mod classes;
mod compare;
mod draw;
mod expressions;
mod servers;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::classes::CLASSES;
use crate::compare::{Difference, normal};
use crate::draw::Draw;
use crate::servers::Servers;

/// Requests of one history.
const REQUESTS: usize = 60;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What all histories came to.
#[derive(Default)]
struct Tally {
    requests: u64,
    succeeded: u64,
    /// Histories that ended with an update that [`parts`].
    parted: u64,
    /// By the name of the class.
    known: BTreeMap<&'static str, Kinds>,
    unknown: Kinds,
}

/// Differences by what both said: how many, and the first.
type Kinds = BTreeMap<String, (u64, Difference)>;

impl Tally {
    fn add(&mut self, difference: Difference) {
        let kinds = match CLASSES.iter().find(|class| (class.is)(&difference)) {
            Some(class) => self.known.entry(class.name).or_default(),
            None => &mut self.unknown,
        };
        let entry = kinds.entry(difference.summary());
        entry.or_insert((0, difference)).0 += 1;
    }

    fn print(&self, shows_known: bool) {
        println!(
            "{} requests, {} succeeded at both, {} that part silently",
            self.requests, self.succeeded, self.parted
        );
        for (class, kinds) in &self.known {
            let times: u64 = kinds.values().map(|(times, _)| times).sum();
            println!("{times} times: {class}");
            for (times, difference) in kinds.values().filter(|_| shows_known) {
                println!("    {times} times: {difference}");
            }
        }
        for (times, difference) in self.unknown.values() {
            println!("unknown, {times} times: {difference}");
        }
    }
}

/// Whether a request has an update of which the answers are the same and the items maybe not, where there was none: dynoxide begins
/// with an item of the key. So it makes one if nothing but REMOVE or DELETE follows, which the service does not, as documented for
/// the actions of AttributeUpdates; and there if_not_exists finds a key attribute.
fn parts(request: &Value) -> bool {
    let finds_key = |text: &str| {
        let mut paths = text.split("if_not_exists(").skip(1);
        paths.any(|path| path.trim_start_matches('#').starts_with(['p', 's']))
    };
    match request {
        Value::Object(members) => members.iter().any(|(name, member)| match member {
            Value::String(text) if name == "UpdateExpression" => {
                !text.contains("SET ") && !text.contains("ADD ") || finds_key(text)
            }
            member => parts(member),
        }),
        Value::Array(elements) => elements.iter().any(parts),
        _ => false,
    }
}

/// One history: requests until they are enough, or until the two hold different items.
async fn history(servers: &mut Servers, seed: u64, tally: &mut Tally) {
    servers.begin(&Draw::tables()).await;
    let mut draw = Draw::new(seed);
    for _ in 0..REQUESTS {
        let (operation, request) = draw.request();
        let (mut ours, mut theirs) = servers.call(operation, &request).await;
        normal(operation, &request, &mut ours.body);
        normal(operation, &request, &mut theirs.body);
        tally.requests += 1;
        tally.succeeded += u64::from(ours.status == 200 && theirs.status == 200);
        if parts(&request) && (ours.status, theirs.status) == (200, 200) {
            tally.parted += 1;
            return;
        }
        if ours == theirs {
            continue;
        }
        let difference = Difference {
            seed,
            operation,
            request,
            ours,
            theirs,
        };
        let parted = difference.parted();
        tally.add(difference);
        if parted {
            return;
        }
    }
}

#[tokio::test]
async fn seeded_requests_are_answered_as_dynoxide_answers_them() {
    let Some(mut servers) = Servers::start().await else {
        return;
    };
    let first = variable("SEALDB_DIFFERENTIAL_FIRST", 0);
    let seeds = variable("SEALDB_DIFFERENTIAL_SEEDS", 100);
    let mut tally = Tally::default();
    for seed in first..first + seeds {
        history(&mut servers, seed, &mut tally).await;
    }
    tally.print(variable("SEALDB_DIFFERENTIAL_SHOW", 0) != 0);
    let groups: Vec<&String> = tally.unknown.keys().collect();
    assert!(
        groups.is_empty(),
        "{} differences: {groups:#?}",
        groups.len()
    );
    assert!(
        tally.succeeded * 4 > tally.requests && tally.succeeded < tally.requests,
        "both must do something, and refuse something"
    );
}

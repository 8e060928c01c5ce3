//! The measured process: it reads commands, does them, and answers.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::items::{Items, PER_PARTITION, scattered};
use crate::latency::{Latencies, latencies};
use crate::measure::{self, Call};
use crate::peer::{Client, Peer};
use crate::protocol::{Answer, Clients, Command, Opening, Outcome};
use crate::random::Random;
use crate::{Failure, disk};

/// Counts what calls of write are given. `write_bytes` does not serve: it counts what gets dirty of the system's cache, and that goes by
/// folios of up to 1 MiB, however little of one is written in place.
const WRITTEN: &str = "wchar";
/// Items that are loaded by one call.
const LOADED_AT_ONCE: usize = 1_000;

/// Does what the lines of standard input say, with a database that `open` makes, and answers on standard output.
///
/// # Errors
/// Those of the database, which were answered too; and those of the two streams.
pub fn run(open: impl Fn(&Opening) -> Result<Box<dyn Peer>, Failure>) -> Result<(), Failure> {
    serve(open, std::io::stdin().lock(), std::io::stdout().lock())
}

/// The same with other streams.
///
/// # Errors
/// The same.
pub fn serve(
    open: impl Fn(&Opening) -> Result<Box<dyn Peer>, Failure>,
    input: impl BufRead,
    mut output: impl Write,
) -> Result<(), Failure> {
    let mut session: Option<Session> = None;
    for line in input.lines() {
        let done = answer(&open, &mut session, &line?);
        let answer = match &done {
            Ok(answer) => answer,
            Err(error) => &Answer::Failed {
                error: error.to_string(),
            },
        };
        writeln!(output, "{}", serde_json::to_string(answer)?)?;
        output.flush()?;
        done?;
    }
    Ok(())
}

fn answer(
    open: &impl Fn(&Opening) -> Result<Box<dyn Peer>, Failure>,
    session: &mut Option<Session>,
    line: &str,
) -> Result<Answer, Failure> {
    match (line.parse()?, session.as_mut()) {
        (Command::Open(opening), None) => {
            let peer = open(&opening)?;
            let about = peer.about();
            *session = Some(Session::new(peer, opening));
            Ok(Answer::Opened { about })
        }
        (Command::Open(_), Some(_)) => Err("a database is open".into()),
        (_, None) => Err("no database is open".into()),
        (command, Some(session)) => Ok(Answer::Done(session.outcome(&command)?)),
    }
}

/// An open database, and what was done to it.
struct Session {
    // Before the database: a connection is closed before what it is of.
    clients: Vec<Box<dyn Client>>,
    peer: Box<dyn Peer>,
    dir: PathBuf,
    /// Those that are loaded.
    items: Items,
    random: Random,
}

/// What a command did: how many items, in what time, and, where it was many calls, each one's.
type Did = (u64, Duration, Latencies);

impl Session {
    fn new(peer: Box<dyn Peer>, opening: Opening) -> Self {
        Self {
            clients: Vec::new(),
            peer,
            dir: opening.dir,
            items: Items {
                count: 0,
                size: opening.size,
                indexed: false,
            },
            random: Random(1),
        }
    }

    fn outcome(&mut self, command: &Command) -> Result<Outcome, Failure> {
        let before = disk::counter(WRITTEN);
        let (count, took, latencies) = match command {
            Command::Load(items) => self.load(*items)?,
            Command::Get(clients) => self.call(*clients, measure::get)?,
            Command::Put(clients) => self.call(*clients, measure::put)?,
            Command::Scan => self.scan()?,
            Command::Settle => single(|| self.peer.settle().map(|()| 0))?,
            Command::Open(_) => return Err("a database is open".into()),
        };
        let taken = disk::taken(&self.dir, &|file| self.peer.is_log(file))?;
        Ok(Outcome {
            count,
            seconds: took.as_secs_f64(),
            p50: latencies.value_at_quantile(0.5),
            p99: latencies.value_at_quantile(0.99),
            p999: latencies.value_at_quantile(0.999),
            max: latencies.max(),
            disk: taken.all,
            log: taken.log,
            written: disk::counter(WRITTEN).saturating_sub(before),
        })
    }

    fn load(&mut self, count: u64) -> Result<Did, Failure> {
        if !count.is_multiple_of(PER_PARTITION) {
            return Err(format!("{count} items are no whole partitions").into());
        }
        let (items, first) = (self.items, self.items.count);
        let more = count.saturating_sub(first);
        let numbers: Vec<u64> = scattered(more).map(|number| first + number).collect();
        let did = single(|| {
            for some in numbers.chunks(LOADED_AT_ONCE) {
                let item = |number: &u64| (*number, items.item(*number, 0));
                self.peer.load(some.iter().map(item).collect())?;
            }
            Ok(more)
        })?;
        self.items.count = count.max(first);
        Ok(did)
    }

    fn scan(&self) -> Result<Did, Failure> {
        let did = single(|| self.peer.scan())?;
        match did.0 == self.items.count {
            true => Ok(did),
            false => Err(format!("a scan found {} of {} items", did.0, self.items.count).into()),
        }
    }

    fn call(&mut self, of: Clients, call: Call) -> Result<Did, Failure> {
        if self.items.count == 0 {
            return Err("nothing is loaded".into());
        }
        while self.clients.len() < of.count {
            self.clients.push(self.peer.client()?);
        }
        let clients = &mut self.clients[..of.count];
        let time = Duration::from_secs_f64(of.seconds);
        let (latencies, took) =
            measure::clients(clients, &self.items, &mut self.random, time, call)?;
        Ok((latencies.len(), took, latencies))
    }
}

fn single(call: impl FnOnce() -> Result<u64, Failure>) -> Result<Did, Failure> {
    let begun = Instant::now();
    let count = call()?;
    Ok((count, begun.elapsed(), latencies()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use sealdb_model::Item;

    use super::*;
    use crate::size::ItemSize;

    type Map = Arc<Mutex<BTreeMap<u64, Item>>>;

    /// A map; it forgets the items of every `forgets`-th number.
    struct Memory {
        map: Map,
        forgets: u64,
    }

    impl Peer for Memory {
        fn about(&self) -> String {
            "a map".into()
        }

        fn client(&self) -> Result<Box<dyn Client>, Failure> {
            Ok(Box::new(self.map.clone()))
        }

        fn load(&self, items: Vec<(u64, Item)>) -> Result<(), Failure> {
            let kept = items
                .into_iter()
                .filter(|(number, _)| self.forgets == 0 || !number.is_multiple_of(self.forgets));
            self.map.lock().unwrap().extend(kept);
            Ok(())
        }

        fn scan(&self) -> Result<u64, Failure> {
            Ok(self.map.lock().unwrap().len() as u64)
        }

        fn settle(&self) -> Result<(), Failure> {
            Ok(())
        }

        fn is_log(&self, _file: &str) -> bool {
            false
        }
    }

    impl Client for Map {
        fn get(&mut self, number: u64) -> Result<Option<Item>, Failure> {
            Ok(self.lock().unwrap().get(&number).cloned())
        }

        fn put(&mut self, number: u64, item: Item) -> Result<(), Failure> {
            let old = self.lock().unwrap().insert(number, item);
            old.map(drop).ok_or_else(|| "a put is over an item".into())
        }
    }

    /// Answers to lines, and the items at the end.
    fn say(forgets: u64, lines: &[&str]) -> (Vec<Answer>, Map) {
        let dir = tempfile::tempdir().unwrap();
        let map = Map::default();
        let open = |_: &Opening| -> Result<Box<dyn Peer>, Failure> {
            let map = map.clone();
            Ok(Box::new(Memory { map, forgets }))
        };
        let input = format!(
            "open 1 200 {}\n{}\n",
            dir.path().display(),
            lines.join("\n")
        );
        let mut output = Vec::new();
        let done = serve(open, input.as_bytes(), &mut output);
        let answers: Vec<Answer> = String::from_utf8(output)
            .unwrap()
            .lines()
            .map(|line| line.parse().unwrap())
            .collect();
        let failed = matches!(answers.last(), Some(Answer::Failed { .. }));
        assert_eq!(done.is_err(), failed, "{answers:?}");
        (answers, map)
    }

    #[test]
    fn a_map_passes_and_the_counts_are_right() {
        let lines = [
            "load 100",
            "load 300",
            "scan",
            "get 3 0.05",
            "put 4 0.05",
            "settle",
        ];
        let (answers, map) = say(0, &lines);
        assert!(matches!(&answers[0], Answer::Opened { about } if about == "a map"));
        let outcomes: Vec<&Outcome> = answers[1..]
            .iter()
            .map(|answer| match answer {
                Answer::Done(outcome) => outcome,
                other => panic!("{other:?}"),
            })
            .collect();
        let counts: Vec<u64> = outcomes.iter().map(|outcome| outcome.count).collect();
        assert_eq!(counts[..3], [100, 200, 300]);
        for outcome in &outcomes[3..5] {
            assert!(outcome.count > 100 && outcome.seconds >= 0.05);
            let quantiles = [outcome.p50, outcome.p99, outcome.p999, outcome.max];
            assert!(outcome.p50 > 0 && quantiles.is_sorted(), "{outcome:?}");
        }
        let items = Items::new(300, ItemSize::Fixed(200));
        let map = map.lock().unwrap();
        assert!(map.keys().copied().eq(0..300));
        let changed = |(number, item): &(&u64, &Item)| **item != items.item(**number, 0);
        assert!(map.iter().filter(changed).count() > 100);
        assert!(map.iter().all(|(number, item)| {
            items
                .key(*number)
                .iter()
                .all(|(name, key)| item.get(name) == Some(key))
        }));
    }

    #[test]
    fn lost_items_and_wrong_lines_are_answered_with_an_error() {
        let lost = |lines: &[&str]| say(7, lines).0;
        let wrong = |lines: &[&str]| say(0, lines).0;
        for (answers, text) in [
            (lost(&["load 100", "scan"]), "a scan found 85 of 100 items"),
            (lost(&["load 100", "get 1 0.2"]), "is not what was stored"),
            (lost(&["load 100", "put 1 0.2"]), "a put is over an item"),
            (wrong(&["get 1 1"]), "nothing is loaded"),
            (wrong(&["load 150"]), "no whole partitions"),
            (wrong(&["open 1 200 /"]), "a database is open"),
            (wrong(&["jump"]), "there is no command \"jump\""),
        ] {
            let Some(Answer::Failed { error }) = answers.last() else {
                panic!("{text}: {answers:?}");
            };
            assert!(error.contains(text), "{error}");
        }
    }
}

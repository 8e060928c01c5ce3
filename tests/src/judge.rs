//! Opens a directory that somebody may have changed, and judges what the database says about it.
//!
//! The rule: it is refused as a whole with one clear error; or each operation on each table either gives exactly what was written or
//! fails with a clear error, and tables that do not fail go on. Nothing is ever silently different or absent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sealdb::model::ops::{DescribeTableInput, GetItemInput, PutItemInput, QueryInput, ScanInput};
use sealdb::model::{AttributeValue, Item};
use sealdb::{Builder, Error, ErrorCode, blocking};

/// Partition and sort key of an item.
pub type Key = (String, i64);

/// What a database must hold: per table, every item. Keys are `pk` (S) and `sk` (N) everywhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State(pub BTreeMap<String, BTreeMap<Key, Item>>);

/// A state, the tables that are damaged, and what they said; or why nothing opened.
#[derive(Debug)]
pub enum Verdict {
    /// The database did not open.
    Refused(Error),
    /// It opened.
    Open {
        /// Which of the states it holds.
        state: usize,
        /// Tables of which something cannot be read, and the first error of each.
        damaged: BTreeMap<String, Error>,
    },
}

impl Verdict {
    /// Whether anything was noticed.
    pub fn noticed(&self) -> bool {
        match self {
            Verdict::Refused(_) => true,
            Verdict::Open { damaged, .. } => !damaged.is_empty(),
        }
    }

    /// In few words, for counting.
    pub fn summary(&self) -> String {
        match self {
            Verdict::Refused(error) => format!("refused: {}", kind_of(error)),
            Verdict::Open { state, damaged } if damaged.is_empty() => format!("as state {state}"),
            Verdict::Open { damaged, .. } => {
                let tables: Vec<&str> = damaged.keys().map(String::as_str).collect();
                format!("damaged: {}", tables.join(", "))
            }
        }
    }
}

/// The name of an error's variant.
pub fn kind_of(error: &Error) -> String {
    let debug = format!("{error:?}");
    let end = debug.find(|c: char| !c.is_alphanumeric());
    debug[..end.unwrap_or(debug.len())].to_owned()
}

/// The item that tests write under a key.
pub fn item(pk: &str, sk: i64, payload: &str) -> Item {
    Item::from([
        ("pk", AttributeValue::from(pk)),
        ("sk", sk.into()),
        ("payload", payload.into()),
        (EXPIRES, (4_000_000_000 + sk).into()),
    ])
}

/// The attribute of items that holds a time, long from now, at which they would expire.
pub const EXPIRES: &str = "expires";

/// The global index that tables may have: of whole items, by their sort key.
pub const INDEX: &str = "by-sk";

/// A key as operations take it.
pub fn key_item((pk, sk): &Key) -> Item {
    Item::from([
        ("pk", AttributeValue::from(pk.as_str())),
        ("sk", (*sk).into()),
    ])
}

impl State {
    /// Puts an item into a table, and notes it.
    ///
    /// # Panics
    /// If the database refuses.
    pub fn put(&mut self, db: &blocking::Database, table: &str, pk: &str, sk: i64, payload: &str) {
        let item = item(pk, sk, payload);
        db.put_item(PutItemInput::new(table, item.clone()))
            .expect("a put that succeeds");
        let items = self.0.entry(table.to_owned()).or_default();
        items.insert((pk.to_owned(), sk), item);
    }
}

/// Opens a database and compares everything readable with the states that it may be in.
///
/// # Panics
/// If something is silently wrong: an item that differs or is absent, an error that says nothing, a table that does not go on.
pub fn judge(open: impl FnOnce() -> Builder, states: &[State], what: &str) -> Verdict {
    let db = match open().open_sync() {
        Ok(db) => db,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{what}");
            return Verdict::Refused(error);
        }
    };
    let mut court = Court {
        db: &db,
        states,
        possible: (0..states.len()).collect(),
        damaged: BTreeMap::new(),
        what,
    };
    let tables: BTreeSet<&String> = states.iter().flat_map(|state| state.0.keys()).collect();
    for table in &tables {
        court.gets(table);
        court.scan(table, None);
        court.queries(table);
        if court.has_index(table) {
            court.scan(table, Some(INDEX));
        }
    }
    let Court {
        possible,
        mut damaged,
        ..
    } = court;
    let Some(state) = possible.first().copied() else {
        panic!("{what}: no state has all that was read");
    };
    for table in tables {
        if !damaged.contains_key(table)
            && let Err(error) = goes_on(&db, table, what)
        {
            // Of trees that no read needs, only a write notices.
            clear(&error, what);
            damaged.insert(table.clone(), error);
        }
    }
    if let Err(error) = db.checkpoint_now() {
        clear(&error, what);
        assert!(!damaged.is_empty(), "{what}: a checkpoint failed: {error}");
    }
    Verdict::Open { state, damaged }
}

struct Court<'a> {
    db: &'a blocking::Database,
    states: &'a [State],
    possible: Vec<usize>,
    damaged: BTreeMap<String, Error>,
    what: &'a str,
}

impl Court<'_> {
    fn failed(&mut self, table: &str, error: Error) {
        clear(&error, self.what);
        self.damaged.entry(table.to_owned()).or_insert(error);
    }

    /// Keeps the states that agree with what was read.
    fn read(&mut self, agrees: impl Fn(&State) -> bool, read: impl Fn() -> String) {
        self.possible.retain(|at| agrees(&self.states[*at]));
        assert!(
            !self.possible.is_empty(),
            "{}: silently wrong: {}",
            self.what,
            read()
        );
    }

    fn gets(&mut self, table: &str) {
        let of = |state: &State| state.0.get(table).cloned().unwrap_or_default();
        let mut keys: BTreeSet<Key> = self
            .states
            .iter()
            .flat_map(|state| of(state).into_keys())
            .collect();
        keys.insert(("never written".into(), 7));
        for key in keys {
            match self.db.get_item(GetItemInput::new(table, key_item(&key))) {
                Ok(got) => self.read(
                    |state| {
                        state.0.get(table).and_then(|items| items.get(&key)) == got.item.as_ref()
                    },
                    || format!("{table} {key:?} is {:?}", got.item),
                ),
                Err(error) => self.failed(table, error),
            }
        }
    }

    fn has_index(&mut self, table: &str) -> bool {
        match self.db.describe_table(DescribeTableInput::new(table)) {
            Ok(output) => !output.table.global_secondary_indexes.is_empty(),
            Err(error) => {
                self.failed(table, error);
                false
            }
        }
    }

    fn scan(&mut self, table: &str, index: Option<&str>) {
        let mut found = Vec::new();
        let mut input = ScanInput::new(table);
        input.index_name = index.map(str::to_owned);
        loop {
            match self.db.scan(input.clone()) {
                Ok(page) => {
                    found.extend(page.items);
                    match page.last_evaluated_key {
                        Some(last) => input = input.exclusive_start_key(last),
                        None => break,
                    }
                }
                Err(error) => return self.failed(table, error),
            }
        }
        self.read(
            |state| {
                let items = state.0.get(table);
                items.map_or(0, BTreeMap::len) == found.len()
                    && items.is_none_or(|items| {
                        found.iter().all(|item| items.values().any(|i| i == item))
                    })
            },
            || {
                format!(
                    "a scan of {table}, index {index:?}, gives {} items",
                    found.len()
                )
            },
        );
    }

    fn queries(&mut self, table: &str) {
        let partitions: BTreeSet<String> = self
            .states
            .iter()
            .filter_map(|state| state.0.get(table))
            .flat_map(|items| items.keys().map(|(pk, _)| pk.clone()))
            .collect();
        for pk in partitions {
            let input = QueryInput::new(table, "pk = :p").value(":p", pk.as_str());
            match self.db.query(input) {
                Ok(page) => self.read(
                    |state| {
                        let items = state.0.get(table).into_iter().flatten();
                        let expected = items.filter(|((p, _), _)| *p == pk).map(|(_, item)| item);
                        page.last_evaluated_key.is_some() || expected.eq(&page.items)
                    },
                    || format!("a query of {table} for {pk} gives {} items", page.count),
                ),
                Err(error) => self.failed(table, error),
            }
        }
    }
}

/// An error by which an operator knows that data is damaged, and where.
fn clear(error: &Error, what: &str) {
    assert!(
        error.code() == ErrorCode::DataCorruptionException,
        "{what}: {error} ({error:?})"
    );
    assert!(error.to_string().len() > 15, "{what}: {error}");
}

fn goes_on(db: &blocking::Database, table: &str, what: &str) -> Result<(), Error> {
    let item = item("goes on", 1, "as if nothing had happened");
    db.put_item(PutItemInput::new(table, item.clone()))?;
    let key = key_item(&("goes on".into(), 1));
    let got = db.get_item(GetItemInput::new(table, key));
    assert_eq!(got.expect("a get").item, Some(item), "{what}");
    Ok(())
}

/// Counts verdicts by their summaries; printed, so that a run shows what it did.
#[derive(Debug, Default)]
pub struct Tally(pub BTreeMap<String, u64>);

impl Tally {
    /// Counts one.
    pub fn add(&mut self, verdict: &Verdict) {
        *self.0.entry(verdict.summary()).or_default() += 1;
    }

    /// How many summaries begin so.
    pub fn count(&self, prefix: &str) -> u64 {
        let begins = |(summary, _): &(&String, &u64)| summary.starts_with(prefix);
        self.0.iter().filter(begins).map(|(_, n)| n).sum()
    }
}

/// A directory for one trial after another: holds given files, then changed ones.
pub fn lay_out(files: &crate::disk::Files, dir: &Path) {
    files.write(dir).expect("a directory that can be written");
}

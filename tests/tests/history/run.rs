//! One history: what is done to the database and to the model, step by step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sealdb::model::ops::{
    BatchWriteItemInput, DeleteItemInput, DeleteTableInput, GetItemInput, PutItemInput,
    ReturnValue, WriteRequest,
};
use sealdb::{Error, ErrorCode, blocking};

use crate::check::everything;
use crate::counters::Counters;
use crate::draw::Draw;
use crate::model::{Change, Key, Model, Shape};
use crate::recover::Crashes;
use crate::rng::Rng;
use crate::trace::Trace;
use crate::transactions::Sent;
use crate::world::{Keys, World};

/// Bytes of one piece of a batch, which is written whole or not at all.
const PIECE_BYTES: usize = 512 << 10;

/// A history under way.
pub struct Run<'k> {
    pub draw: Draw,
    pub rng: Rng,
    pub world: World<'k>,
    pub db: Option<blocking::Database>,
    /// What was acknowledged.
    pub model: Model,
    /// What of it survives a loss of power, if durability is an interval.
    pub durable: Model,
    /// Acknowledged after that, in order, in pieces that are each whole or absent.
    pub unsynced: Vec<Vec<Change>>,
    /// Since then the power was lost.
    pub power_lost: bool,
    pub crashes: Crashes,
    /// Faults that struck before the database was opened.
    pub struck_before: u64,
    /// Faults that struck before the step.
    pub struck_before_step: u64,
    pub counters: Counters,
    /// Every decision.
    pub trace: Trace,
    /// Numbers items.
    pub written: u64,
    /// The last transaction.
    pub sent: Option<Sent>,
    pub bytes: usize,
    /// Of the engine, until the end of the history.
    pub operations: u64,
}

impl<'k> Run<'k> {
    pub fn new(keys: &'k Keys, seed: u64, draw: Draw, rng: Rng, trace: Trace) -> Self {
        trace.note(|| format!("seed {seed}: {draw:?}"));
        let world = World::new(keys, seed, draw.clone());
        Run {
            draw,
            rng,
            world,
            db: None,
            model: Model::default(),
            durable: Model::default(),
            unsynced: Vec::new(),
            power_lost: false,
            crashes: Crashes::AtRandom,
            struck_before: 0,
            struck_before_step: 0,
            counters: Counters::default(),
            trace,
            written: 0,
            sent: None,
            bytes: 0,
            operations: 0,
        }
    }

    /// The whole history.
    pub fn go(&mut self) {
        let once = matches!(self.crashes, Crashes::Once(_));
        let early = self.rng.one_in(4);
        if self.world.can_crash() && matches!(self.crashes, Crashes::AtRandom) && early {
            // In the first moments of a new database.
            self.arm(12);
        }
        self.reopen(Vec::new());
        for step in 0..self.draw.steps {
            let done = self.world.operations();
            self.note(|| format!("step {step}, after {done} operations"));
            self.step();
            if self.draw.interval() && self.rng.one_in(8) {
                self.sync();
                self.power_cut();
            }
            if self.bytes > self.draw.bytes || (once && self.counters.get("crashes") > 0) {
                break;
            }
        }
        self.close();
        self.finish();
    }

    /// No more trouble: what is there is whole, and nothing is there that nobody needs.
    fn finish(&mut self) {
        self.crashes = Crashes::Never;
        self.draw.faults = false;
        self.operations = self.world.operations();
        self.world.no_crash();
        self.world.process_died();
        self.reopen(Vec::new());
        assert!(self.tend(), "nothing comes between any more");
        self.verify("at the end");
        self.db().checkpoint_now().unwrap();
        let used = self.db().stats().page_used_bytes;
        self.drop_and_reopen();
        let reopened = self.db().stats().page_used_bytes;
        assert_eq!(
            used, reopened,
            "bytes in use, by the allocator and by its map"
        );
        self.close();
        let report = self.world.check().unwrap();
        assert!(report.damages.is_empty(), "{:?}", report.damages);
        assert!(report.remarks.is_empty(), "{:?}", report.remarks);
        let expected = self.model.tables.iter();
        let expected: Vec<_> = expected
            .map(|(name, table)| (name.clone(), table.items.len() as u64))
            .collect();
        let found = report.tables.into_iter();
        let found: Vec<_> = found.map(|table| (table.name, table.items)).collect();
        assert_eq!(found, expected, "items that the check counts");
        self.counters.add("checked pages", used / 4096);
    }

    pub fn db(&self) -> &blocking::Database {
        self.db.as_ref().expect("open between steps")
    }

    pub fn note(&self, what: impl FnOnce() -> String) {
        self.trace.note(what);
    }

    pub fn step(&mut self) {
        self.struck_before_step = self.world.faults.struck();
        if self.model.tables.is_empty() {
            return self.create_table();
        }
        match self.rng.below(126) {
            0..33 => self.put_or_delete(),
            33..42 => self.update(),
            42..52 => self.batch(),
            52..59 => self.get(),
            59..71 => self.query(),
            71..75 => self.scan(),
            75..77 => self.create_table(),
            77 => self.delete_table(),
            78..83 => self.checkpoint(),
            83..85 => self.tick(),
            85..87 => self.close_and_reopen(),
            87..89 => self.drop_and_reopen(),
            89 => self.verify_step(),
            90..100 => self.plan_trouble(),
            100..108 => self.transact(),
            108..110 => self.send_again(),
            110..112 => self.alter_index(),
            112..115 => self.tend_once(),
            115..120 => self.query_index(),
            120..122 => self.change_key(),
            _ => self.rekey_steps(),
        }
    }

    // ---- writes

    /// Applies pieces that are each whole or absent, in order, by one call.
    pub fn write<T>(
        &mut self,
        pieces: &[Vec<Change>],
        call: impl FnOnce(&blocking::Database) -> Result<T, Error>,
    ) -> Option<T> {
        match call(self.db()) {
            Ok(answer) => {
                for piece in pieces {
                    self.acknowledged(piece);
                }
                Some(answer)
            }
            Err(error) => {
                self.recover(&error, after_each(&self.model, pieces));
                None
            }
        }
    }

    pub fn any_table(&mut self) -> (String, Shape) {
        let n = self.rng.below(self.model.tables.len());
        let (name, table) = self
            .model
            .tables
            .iter()
            .nth(n)
            .expect("n is below their count");
        (name.clone(), table.shape)
    }

    /// A key of the table, of an item that exists or of any.
    pub fn any_key(&mut self, table: &str, shape: Shape) -> Key {
        let items = &self.model.tables[table].items;
        if !items.is_empty() && self.rng.one_in(2) {
            let n = self.rng.below(items.len());
            return items.keys().nth(n).expect("n is below their count").clone();
        }
        self.draw.key(&mut self.rng, shape)
    }

    fn any_change(&mut self, table: &str, shape: Shape) -> Change {
        let key = self.any_key(table, shape);
        if self.rng.one_in(self.draw.delete_one_in) {
            return Change::Delete(table.to_owned(), key);
        }
        self.written += 1;
        let item = self.draw.item(&mut self.rng, &key, self.written);
        self.bytes += sealdb::model::item_size(&item);
        Change::Put(table.to_owned(), key, item)
    }

    pub fn put_or_delete(&mut self) {
        let (table, shape) = self.any_table();
        let change = self.any_change(&table, shape);
        let want_old = self.rng.one_in(3);
        let returns = if want_old {
            ReturnValue::AllOld
        } else {
            ReturnValue::None
        };
        let (key, answer) = match &change {
            Change::Put(_, key, item) => {
                self.note(|| format!("put {table} {key:?} {}", sealdb::model::item_size(item)));
                let input = PutItemInput::new(&table, (**item).clone()).return_values(returns);
                let call = |db: &blocking::Database| Ok(db.put_item(input)?.attributes);
                (key.clone(), self.old_of(&change, key, call))
            }
            Change::Delete(_, key) => {
                self.note(|| format!("delete {table} {key:?}"));
                let input =
                    DeleteItemInput::new(&table, Shape::key_map(key)).return_values(returns);
                let call = |db: &blocking::Database| Ok(db.delete_item(input)?.attributes);
                (key.clone(), self.old_of(&change, key, call))
            }
            _ => unreachable!("any_change changes an item"),
        };
        if let Some((old, expected)) = answer {
            let expected = expected.filter(|_| want_old);
            assert_eq!(old.as_ref(), expected.as_deref(), "the old item of {key:?}");
        }
    }

    /// Makes the change by the call; what the call and what the model gives as the former item.
    #[allow(clippy::type_complexity)]
    fn old_of(
        &mut self,
        change: &Change,
        key: &Key,
        call: impl FnOnce(&blocking::Database) -> Result<Option<sealdb::model::Item>, Error>,
    ) -> Option<(
        Option<sealdb::model::Item>,
        Option<Arc<sealdb::model::Item>>,
    )> {
        let (Change::Put(table, ..) | Change::Delete(table, _)) = change else {
            unreachable!("a change of an item")
        };
        let before = self.model.tables[table].items.get(key).cloned();
        let old = self.write(&[vec![change.clone()]], call)?;
        Some((old, before))
    }

    fn batch(&mut self) {
        let many = self.rng.between(1, 25);
        let mut changes: Vec<Change> = Vec::new();
        for _ in 0..many {
            let (table, shape) = self.any_table();
            let change = self.any_change(&table, shape);
            let place = place_of(&change);
            // One request per key.
            if !changes.iter().any(|other| place_of(other) == place) {
                changes.push(change);
            }
        }
        // As the request keeps them: by table.
        changes.sort_by(|a, b| place_of(a).0.cmp(place_of(b).0));
        let mut input = BatchWriteItemInput::new();
        let mut pieces: Vec<Vec<Change>> = Vec::new();
        let mut bytes = usize::MAX;
        for change in &changes {
            let (table, request) = change.request();
            input = input.request(table, request);
            let shape = self.model.tables[table].shape;
            let size = match change {
                Change::Put(_, key, item) => shape.stored_bytes(key, Some(item)),
                Change::Delete(_, key) => shape.stored_bytes(key, None),
                _ => 0,
            };
            bytes = bytes.saturating_add(size);
            if bytes > PIECE_BYTES {
                bytes = size;
                pieces.push(Vec::new());
            }
            if let Some(piece) = pieces.last_mut() {
                piece.push(change.clone());
            }
        }
        self.note(|| format!("batch of {} in {} pieces", changes.len(), pieces.len()));
        self.counters.add("batches", 1);
        self.counters
            .add("batches in pieces", u64::from(pieces.len() > 1));
        let unprocessed = match self.db().batch_write_item(input) {
            Ok(answer) => answer.unprocessed_items,
            Err(error) => return self.recover(&error, after_each(&self.model, &pieces)),
        };
        // What is named as unprocessed are the last pieces, whole; the others are done.
        let done = (0..=pieces.len()).find(|done| requests_of(&pieces[*done..]) == unprocessed);
        let Some(done) = done else {
            panic!("{} pieces, but others are unprocessed", pieces.len());
        };
        if done < pieces.len() {
            assert!(
                done > 0 && (self.world.crashed() || self.struck()),
                "unprocessed for no reason"
            );
            self.counters.add("batches with unprocessed items", 1);
        }
        for piece in &pieces[..done] {
            self.acknowledged(piece);
        }
    }

    fn create_table(&mut self) {
        let name = format!("table-{}", self.rng.below(self.draw.tables));
        let shape = Shape::draw(&mut self.rng);
        self.note(|| format!("create {name} {shape:?}"));
        if self.model.tables.contains_key(&name) {
            let error = self.db().create_table(shape.create(&name)).unwrap_err();
            if error.code() != ErrorCode::ResourceInUseException {
                self.recover(&error, Vec::new());
            }
            return;
        }
        self.counters.add("tables created", 1);
        self.write(&[vec![Change::Create(name.clone(), shape)]], |db| {
            db.create_table(shape.create(&name))
        });
    }

    fn delete_table(&mut self) {
        let (name, _) = self.any_table();
        self.note(|| format!("delete table {name}"));
        self.sent = None;
        self.counters.add("tables deleted", 1);
        self.write(&[vec![Change::Drop(name.clone())]], |db| {
            db.delete_table(DeleteTableInput::new(&name))
        });
    }

    // ---- the rest

    fn get(&mut self) {
        let (table, shape) = self.any_table();
        let key = self.any_key(&table, shape);
        let input = GetItemInput::new(&table, Shape::key_map(&key));
        self.note(|| format!("get {table} {key:?}"));
        match self.db().get_item(input) {
            Ok(got) => {
                let expected = self.model.tables[&table].items.get(&key);
                assert_eq!(got.item.as_ref(), expected.map(|i| &**i), "{table} {key:?}");
            }
            Err(error) => self.recover(&error, Vec::new()),
        }
    }

    fn checkpoint(&mut self) {
        self.note(|| "checkpoint".into());
        self.counters.add("checkpoints asked for", 1);
        match self.db().checkpoint_now() {
            Ok(()) => self.durable_now(),
            Err(error) => self.recover(&error, Vec::new()),
        }
    }

    fn tick(&mut self) {
        // Little of a key's life: the next look at the keys comes before its end.
        let seconds = self.rng.pick(&[1, 20, 50]);
        self.note(|| format!("{seconds} seconds pass"));
        self.world.clock.advance(Duration::from_secs(seconds));
        self.db().keeper_tick();
    }

    /// What the log thread does once in an interval.
    fn sync(&mut self) {
        self.note(|| "sync".into());
        match self.db().sync_now() {
            Ok(()) => self.durable_now(),
            Err(error) => self.recover(&error, Vec::new()),
        }
    }

    pub fn verify_step(&mut self) {
        self.note(|| "verify everything".into());
        match everything(self.db()) {
            Ok(found) => self.compare(&found, "in the middle"),
            Err(error) => self.recover(&error, Vec::new()),
        }
    }

    /// Reads everything and compares.
    pub fn verify(&mut self, when: &str) {
        match everything(self.db()) {
            Ok(found) => self.compare(&found, when),
            Err(error) => panic!("cannot read everything {when}: {error}"),
        }
    }

    fn compare(&self, found: &Model, when: &str) {
        let difference = || self.model.difference(found);
        assert!(*found == self.model, "{when}:\n  {}", difference());
    }

    /// A read failed, which only a crash or a fault explains.
    pub fn read_failed(&mut self, error: &Error) {
        self.recover(error, Vec::new());
    }

    pub fn say(&self, what: impl FnOnce() -> String) {
        self.note(what);
    }

    pub fn some_table(&mut self) -> (String, Shape) {
        self.any_table()
    }
}

/// Which item a change changes.
fn place_of(change: &Change) -> (&str, &Key) {
    match change {
        Change::Put(table, key, _) | Change::Delete(table, key) => (table, key),
        _ => unreachable!("a change of an item"),
    }
}

/// The states after each of some pieces.
fn after_each(before: &Model, pieces: &[Vec<Change>]) -> Vec<Model> {
    let mut model = before.clone();
    let states = pieces.iter().map(|piece| {
        model = model.with(piece);
        model.clone()
    });
    states.collect()
}

/// Pieces as the requests of a batch.
fn requests_of(pieces: &[Vec<Change>]) -> BTreeMap<String, Vec<WriteRequest>> {
    let mut requests: BTreeMap<String, Vec<WriteRequest>> = BTreeMap::new();
    for change in pieces.iter().flatten() {
        let (table, request) = change.request();
        requests.entry(table.to_owned()).or_default().push(request);
    }
    requests
}

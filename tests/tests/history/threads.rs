//! Many threads write at once, images of the disk are taken meanwhile, and in the end the power fails.
//!
//! Each thread writes to keys of its own, one call after the other, and puts to a few keys that all threads share. For every image, what
//! is found in it must be:
//! - of each thread's own keys: the state after some number of its calls, at least those acknowledged before the image was taken and at most
//!   those begun until it was: none is missing, none halved, none out of order;
//! - of each shared key: the newest of a chain, in which every acknowledged put names the one that it replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sealdb::model::ops::{
    BatchWriteItemInput, CreateTableInput, DeleteItemInput, GetItemInput, PutItemInput,
    ReturnValue, ScanInput, WriteRequest,
};
use sealdb::model::{AttributeValue, Item, Number, ScalarType};
use sealdb::{Database, Error, Options, blocking};
use sealdb_engine::{CrashEngine, Engine, Image, MemoryEngine, SegmentSizes, Survival};

use crate::check::everything;
use crate::counters::Counters;
use crate::indexes;
use crate::rng::Rng;
use crate::world::Keys;

const TABLE: &str = "shared";
const OWN_KEYS: usize = 40;
const SHARED_KEYS: usize = 3;

/// Changes of one call to own keys: a key's number, and the number and length of the value it gets, or none.
type Call = Vec<(usize, Option<(u64, usize)>)>;

/// The calls that a thread will make. A put to a shared key follows each.
fn calls(rng: &mut Rng, many: usize) -> Vec<Call> {
    let mut number = 0;
    let mut one = |rng: &mut Rng| {
        let changes = if rng.one_in(4) { rng.between(2, 6) } else { 1 };
        let mut keys: BTreeMap<usize, Option<(u64, usize)>> = BTreeMap::new();
        for _ in 0..changes {
            number += 1;
            let len = match rng.below(30) {
                0 => rng.below(60 << 10),
                1..6 => rng.below(4000),
                _ => rng.below(300),
            };
            let value = (!rng.one_in(5)).then_some((number, len));
            keys.insert(rng.below(OWN_KEYS), value);
        }
        keys.into_iter().collect()
    };
    (0..many).map(|_| one(rng)).collect()
}

/// What a thread's own keys hold: the number of the value by the key's.
type Own = BTreeMap<usize, u64>;

/// The states of a thread's keys after 0, 1, … calls.
fn states(calls: &[Call]) -> Vec<Own> {
    let mut state = Own::new();
    let mut all = vec![state.clone()];
    for call in calls {
        for (key, value) in call {
            match value {
                Some((number, _)) => state.insert(*key, *number),
                None => state.remove(key),
            };
        }
        all.push(state.clone());
    }
    all
}

fn own_key(thread: usize, key: usize) -> Item {
    Item::from([
        ("pk", AttributeValue::from(format!("thread {thread}"))),
        ("sk", format!("{key:02}").into()),
    ])
}

fn shared_key(key: usize) -> Item {
    Item::from([
        ("pk", AttributeValue::from("everybody")),
        ("sk", format!("{key:02}").into()),
    ])
}

fn with_value(mut item: Item, number: u64, len: usize) -> Item {
    item.insert("n", AttributeValue::N(number.into()));
    item.insert("v", AttributeValue::S("v".repeat(len)));
    item
}

fn number_of(item: &Item) -> u64 {
    match item.get("n") {
        Some(AttributeValue::N(number)) => {
            let text = Number::to_string(number);
            text.parse().expect("a small number")
        }
        other => panic!("{other:?} is no number"),
    }
}

/// How far a thread has come.
#[derive(Default)]
struct Progress {
    begun: AtomicU64,
    done: AtomicU64,
    shared: parking_lot::Mutex<Vec<Put>>,
}

/// A put to a shared key. Every put has a number of its own.
#[derive(Clone, Copy)]
struct Put {
    key: usize,
    number: u64,
    /// Acknowledged: with the number of the put that it replaced, if there was one.
    replaced: Option<Option<u64>>,
}

/// One thread's work. Ends with the first call that fails, which only the crash explains.
fn work(db: &blocking::Database, thread: usize, calls: &[Call], progress: &Progress) {
    for (i, call) in calls.iter().enumerate() {
        progress.begun.store(i as u64 + 1, Ordering::SeqCst);
        if write(db, thread, call).is_err() {
            return;
        }
        progress.done.store(i as u64 + 1, Ordering::SeqCst);
        let key = i % SHARED_KEYS;
        let number = (thread as u64 + 1) << 32 | i as u64;
        let put = Put {
            key,
            number,
            replaced: None,
        };
        progress.shared.lock().push(put);
        let input = PutItemInput::new(TABLE, with_value(shared_key(key), number, 50))
            .return_values(ReturnValue::AllOld);
        let Ok(answer) = db.put_item(input) else {
            return;
        };
        let replaced = answer.attributes.as_ref().map(number_of);
        if let Some(put) = progress.shared.lock().last_mut() {
            put.replaced = Some(replaced);
        }
        if i.is_multiple_of(3) {
            let (key, value) = &call[0];
            match db.get_item(GetItemInput::new(TABLE, own_key(thread, *key))) {
                Ok(got) => assert_eq!(
                    got.item.as_ref().map(number_of),
                    value.map(|(number, _)| number),
                    "thread {thread} reads what it wrote"
                ),
                Err(_) => return,
            }
        }
    }
}

fn write(db: &blocking::Database, thread: usize, call: &Call) -> Result<(), Error> {
    let item = |key: usize, value: Option<(u64, usize)>| {
        value.map(|(number, len)| with_value(own_key(thread, key), number, len))
    };
    if let [(key, value)] = call[..] {
        return match item(key, value) {
            Some(item) => db.put_item(PutItemInput::new(TABLE, item)).map(drop),
            None => {
                let input = DeleteItemInput::new(TABLE, own_key(thread, key));
                db.delete_item(input).map(drop)
            }
        };
    }
    let mut input = BatchWriteItemInput::new();
    for (key, value) in call {
        let request = match item(*key, *value) {
            Some(item) => WriteRequest::Put(item),
            None => WriteRequest::Delete(own_key(thread, *key)),
        };
        input = input.request(TABLE, request);
    }
    let answer = db.batch_write_item(input)?;
    assert!(
        answer.unprocessed_items.is_empty(),
        "one piece: all or none"
    );
    Ok(())
}

/// An image of the disk, and what may be in it.
struct Taken {
    image: Image,
    /// Per thread: calls acknowledged before, calls begun until after.
    calls: Vec<(u64, u64)>,
    /// Puts to shared keys: those begun until after; acknowledged ones only if they were before.
    puts: Vec<Put>,
}

fn take(engine: &CrashEngine, progress: &[Progress], survival: Survival) -> Taken {
    let done: Vec<u64> = progress
        .iter()
        .map(|p| p.done.load(Ordering::SeqCst))
        .collect();
    let acknowledged: BTreeSet<u64> = progress
        .iter()
        .flat_map(|p| p.shared.lock().clone())
        .filter(|put| put.replaced.is_some())
        .map(|put| put.number)
        .collect();
    let image = engine.survivor(survival);
    let begun = progress.iter().map(|p| p.begun.load(Ordering::SeqCst));
    let calls = done.into_iter().zip(begun).collect();
    let mut puts: Vec<Put> = progress
        .iter()
        .flat_map(|p| p.shared.lock().clone())
        .collect();
    for put in &mut puts {
        put.replaced = put.replaced.filter(|_| acknowledged.contains(&put.number));
    }
    Taken { image, calls, puts }
}

/// What is found for a shared key ends the chain of acknowledged puts.
fn check_chain(puts: &[Put], found: Option<u64>) {
    let mut after: BTreeMap<Option<u64>, u64> = BTreeMap::new();
    for put in puts {
        if let Some(replaced) = put.replaced {
            let twice = after.insert(replaced, put.number);
            assert_eq!(twice, None, "two puts replaced {replaced:?}");
        }
    }
    let known = |number: u64| puts.iter().find(|put| put.number == number);
    if let Some(found) = found {
        assert!(known(found).is_some(), "{found} was never put");
    }
    assert_eq!(
        after.get(&found),
        None,
        "{found:?} was replaced by an acknowledged put, and is there again"
    );
    // A chain may have gaps only where a put was under way that nobody was told of.
    let unknown = puts.iter().filter(|put| put.replaced.is_none()).count();
    let ends = puts
        .iter()
        .filter(|put| put.replaced.is_some() && !after.contains_key(&Some(put.number)))
        .filter(|put| Some(put.number) != found)
        .count();
    assert!(
        ends <= unknown,
        "{ends} acknowledged puts were followed by none, {unknown} were under way"
    );
}

struct Threads<'k> {
    keys: &'k Keys,
    options: Options,
    sizes: SegmentSizes,
}

impl Threads<'_> {
    fn open(&self, engine: Arc<dyn Engine>) -> Result<blocking::Database, Error> {
        Database::builder("nowhere")
            .kms(self.keys.kms.clone())
            .options(self.options.clone())
            .engine(engine)
            .open_sync()
    }

    fn check(&self, taken: Taken, states: &[Vec<Own>]) -> Result<u64, Error> {
        let engine = Arc::new(MemoryEngine::from_image(taken.image, self.sizes));
        let db = self.open(engine.clone())?;
        let mut own = vec![Own::new(); states.len()];
        let mut shared: BTreeMap<usize, u64> = BTreeMap::new();
        let mut input = ScanInput::new(TABLE);
        loop {
            let page = db.scan(input.clone())?;
            for item in page.items {
                let text = |name| match item.get(name) {
                    Some(AttributeValue::S(text)) => text.clone(),
                    other => panic!("{other:?}"),
                };
                let key: usize = text("sk").parse().unwrap();
                match text("pk").strip_prefix("thread ") {
                    Some(no) => own[no.parse::<usize>().unwrap()].insert(key, number_of(&item)),
                    None => shared.insert(key, number_of(&item)),
                };
            }
            match page.last_evaluated_key {
                Some(last) => input = input.exclusive_start_key(last),
                None => break,
            }
        }
        for (thread, found) in own.iter().enumerate() {
            let (done, begun) = taken.calls[thread];
            assert!(
                (done..=begun).any(|calls| states[thread][calls as usize] == *found),
                "thread {thread}: not what {done} to {begun} calls give: {found:?}, expected {:?}",
                states[thread][done as usize]
            );
        }
        for key in 0..SHARED_KEYS {
            let puts: Vec<Put> = taken
                .puts
                .iter()
                .filter(|p| p.key == key)
                .copied()
                .collect();
            check_chain(&puts, shared.get(&key).copied());
        }
        // The index follows the items.
        everything(&db)?;
        let torn = db.stats().log_torn_tails;
        db.close()?;
        drop(db);
        let report = Database::builder("nowhere")
            .kms(self.keys.kms.clone())
            .engine(engine)
            .check()?;
        assert!(report.damages.is_empty(), "{:?}", report.damages);
        Ok(torn)
    }
}

/// One run. Its calls come from the seed, their order in time does not.
pub fn run(keys: &Keys, seed: u64) -> Counters {
    let mut rng = Rng::new(seed);
    let first = rng.pick(&[64u64 << 10, 256 << 10]);
    let sizes = SegmentSizes {
        first,
        max: first << rng.below(3),
        keep: 1 << 20,
    };
    let options = Options {
        cache_bytes: rng.pick(&[64 << 10, 256 << 10, 8 << 20]),
        log_limit: rng.pick(&[64u64 << 10, 512 << 10, 4 << 20]),
        group_bytes: rng.pick(&[1 << 10, 1 << 20]),
        ..Options::default()
    };
    let threads = rng.between(2, 6);
    let many = rng.between(40, 160);
    let calls: Vec<Vec<Call>> = (0..threads).map(|_| calls(&mut rng, many)).collect();
    let states: Vec<Vec<Own>> = calls.iter().map(|calls| states(calls)).collect();
    let this = Threads {
        keys,
        options,
        sizes,
    };
    let mut counters = Counters::default();
    let engine = Arc::new(CrashEngine::new(sizes));
    let db = this.open(engine.clone()).unwrap();
    let table = CreateTableInput::new(TABLE)
        .partition_key("pk", ScalarType::S)
        .sort_key("sk", ScalarType::S)
        .attribute("n", ScalarType::N)
        .local_index(indexes::local());
    db.create_table(table).unwrap();
    let progress: Vec<Progress> = (0..threads).map(|_| Progress::default()).collect();
    engine.crash_at(engine.operations() + rng.between(20, threads * many) as u64);
    let mut taken = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = calls
            .iter()
            .zip(&progress)
            .enumerate()
            .map(|(thread, (calls, progress))| {
                let db = &db;
                scope.spawn(move || work(db, thread, calls, progress))
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            if taken.len() < 6 {
                taken.push(take(&engine, &progress, Survival::Seeded(rng.next())));
            }
            std::thread::sleep(Duration::from_millis(rng.between(1, 6) as u64));
        }
    });
    let crashed = engine.crashed();
    engine.crash();
    for survival in [
        Survival::Nothing,
        Survival::Everything,
        Survival::Seeded(rng.next()),
    ] {
        taken.push(take(&engine, &progress, survival));
    }
    counters.add_stats(&db.stats());
    drop(db);
    counters.add("threads", threads as u64);
    counters.add("crashes under way", u64::from(crashed));
    counters.add("images", taken.len() as u64);
    for taken in taken {
        counters.add("acknowledged calls", taken.calls.iter().map(|c| c.0).sum());
        let under_way = taken.calls.iter().any(|(done, begun)| done < begun);
        counters.add("images with calls under way", u64::from(under_way));
        counters.add("torn tails", this.check(taken, &states).unwrap());
    }
    counters
}

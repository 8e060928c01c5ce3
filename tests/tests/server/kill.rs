//! A loaded server is killed again and again: every acknowledged write is found, and none is found by half.
//!
//! Each round starts the server, looks at what the round before left, writes from several connections at once, and
//! kills the process after a few milliseconds. What a writer may find again is known exactly: its last acknowledged
//! state of a place, or that of the one write whose answer it did not get.
//!
//! `SEALDB_KILL_ROUNDS` sets the number of rounds, `SEALDB_KILL_SEED` the times and sizes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sealdb_client::model::ops::{
    BatchWriteItemInput, CreateTableInput, DeleteItemInput, PutItemInput, QueryInput, ScanInput,
};
use sealdb_client::model::{AttributeValue, Item, Map, Number, ScalarType};
use sealdb_client::{Client, Error, RetryPolicy};
use sealdb_tests::server::Home;

const DEFAULT_ROUNDS: u32 = 200;
const WRITERS: u32 = 4;
/// Places that a writer overwrites and deletes, over all rounds.
const SLOTS: u32 = 12;
/// Items of the batch that a writer writes again and again, all with one version.
const BATCH: u32 = 5;
/// Small, so that checkpoints run in many rounds.
const FLAGS: &[&str] = &[
    "--log-limit",
    "1MiB",
    "--cache-size",
    "256KiB",
    "--log-level",
    "warn",
];

/// A place in a table: partition and sort key.
type Place = (String, u32);
/// What stands in a place: a version, or nothing.
type Content = Option<u64>;

/// What a writer knows of its places.
struct Writer {
    id: u32,
    random: Random,
    version: u64,
    acknowledged: BTreeMap<Place, Content>,
    /// The write that was under way when the server was killed.
    open: Vec<(Place, Content)>,
    writes: u64,
}

impl Writer {
    fn hot(&self) -> String {
        format!("hot-{}", self.id)
    }

    /// Writes until the server is gone.
    async fn run(mut self, client: Client, round: u32) -> Writer {
        for step in 0.. {
            self.version += 1;
            let outcome = match step % 8 {
                0 | 4 => self.batch(&client).await,
                3 => self.delete(&client).await,
                5 => {
                    // A place of this round alone: the table grows.
                    let place = (format!("round-{round}-{}", self.id), step);
                    self.put(&client, place).await
                }
                _ => {
                    let place = (self.hot(), self.random.below(SLOTS));
                    self.put(&client, place).await
                }
            };
            if let Err(error) = outcome {
                // The kill may come between the head of an answer, which names the request, and its body.
                let cut = error
                    .to_string()
                    .contains("the connection failed before the answer came");
                assert!(
                    error.request_id().is_none() || cut,
                    "a write failed before the server was killed: {error}"
                );
                break;
            }
            self.writes += 1;
            self.acknowledged.extend(std::mem::take(&mut self.open));
        }
        self
    }

    async fn put(&mut self, client: &Client, place: Place) -> Result<(), Error> {
        let item = item(&place, self.version);
        self.open = vec![(place, Some(self.version))];
        client.put_item(PutItemInput::new("table", item)).await?;
        Ok(())
    }

    async fn delete(&mut self, client: &Client) -> Result<(), Error> {
        let place = (self.hot(), self.random.below(SLOTS));
        let input = DeleteItemInput::new("table", key(&place));
        self.open = vec![(place, None)];
        client.delete_item(input).await?;
        Ok(())
    }

    /// Small enough to be one piece: it stands whole or not at all.
    async fn batch(&mut self, client: &Client) -> Result<(), Error> {
        let places = (0..BATCH).map(|number| (format!("batch-{}", self.id), number));
        self.open = places.map(|place| (place, Some(self.version))).collect();
        let mut input = BatchWriteItemInput::new();
        for (place, _) in &self.open {
            input = input.put("table", item(place, self.version));
        }
        let output = client.batch_write_item(input).await?;
        assert!(output.unprocessed_items.is_empty());
        Ok(())
    }

    /// Compares what stands in the table with what this writer knows, and learns how its open write ended.
    fn check(&mut self, found: &BTreeMap<Place, Content>) {
        let stands = |place: &Place| found.get(place).copied().flatten();
        let done = self
            .open
            .iter()
            .filter(|(place, content)| stands(place) == *content)
            .count();
        let undone = self
            .open
            .iter()
            .filter(|(place, _)| stands(place) == self.acknowledged.get(place).copied().flatten())
            .count();
        assert!(
            done == self.open.len() || undone == self.open.len(),
            "half of a write: {done} of {} items, writer {}",
            self.open.len(),
            self.id
        );
        if done == self.open.len() {
            self.acknowledged.extend(std::mem::take(&mut self.open));
        }
        self.open.clear();
        for (place, content) in found {
            assert_eq!(
                *content,
                self.acknowledged.get(place).copied().flatten(),
                "{place:?}: an acknowledged write is lost, or one that never was is there"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_servers_lose_nothing_that_was_acknowledged() {
    let rounds = number_from("SEALDB_KILL_ROUNDS").unwrap_or(DEFAULT_ROUNDS);
    let seed = number_from("SEALDB_KILL_SEED").unwrap_or(u32::from_be_bytes(*b"seal"));
    let mut random = Random(u64::from(seed) << 8 | 1);
    let begun = Instant::now();
    let home = Home::new();
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|id| Writer {
            id,
            random: Random(random.next()),
            version: 0,
            acknowledged: BTreeMap::new(),
            open: Vec::new(),
            writes: 0,
        })
        .collect();
    let mut killed_at_start = 0;
    let mut completed = 0;
    for round in 0..rounds {
        if round % 8 == 7 {
            // Killed while it recovers.
            let mut child = home.spawn(FLAGS);
            tokio::time::sleep(Duration::from_millis(u64::from(random.below(60)))).await;
            child.kill().unwrap();
            child.wait().unwrap();
            killed_at_start += 1;
        }
        let server = home.start_with(FLAGS);
        let endpoint = server.client_endpoint().retry(RetryPolicy::none());
        let one = Client::connect(endpoint.clone()).await.unwrap();
        let two = Client::connect(endpoint).await.unwrap();
        if round == 0 {
            let input = CreateTableInput::new("table")
                .partition_key("pk", ScalarType::S)
                .sort_key("sk", ScalarType::N);
            one.create_table(input).await.unwrap();
        }
        for writer in &mut writers {
            let mut found = BTreeMap::new();
            let before = round.wrapping_sub(1);
            for partition in [
                writer.hot(),
                format!("batch-{}", writer.id),
                format!("round-{before}-{}", writer.id),
            ] {
                // Places that stand empty are to be looked at, too.
                let known = writer
                    .acknowledged
                    .range((partition.clone(), 0)..=(partition.clone(), u32::MAX));
                found.extend(known.map(|(place, _)| (place.clone(), None)));
                let input = QueryInput::new("table", "pk = :p").value(":p", partition);
                let mut pages = one.query_pages(input).items();
                while let Some(item) = pages.next().await {
                    let (place, version) = version_of(&item.unwrap());
                    found.insert(place, Some(version));
                }
            }
            writer.check(&found);
        }
        let running: Vec<_> = writers
            .drain(..)
            .map(|writer| {
                let client = if writer.id % 2 == 0 {
                    one.clone()
                } else {
                    two.clone()
                };
                tokio::spawn(writer.run(client, round))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(u64::from(2 + random.below(60)))).await;
        server.kill();
        for writer in running {
            writers.push(writer.await.unwrap());
        }
        completed += 1;
    }

    // At the end, everything, in one scan and after a clean stop as well.
    for _ in 0..2 {
        let server = home.start_with(FLAGS);
        let client = server.client().await;
        let mut found: BTreeMap<Place, Content> = writers
            .iter()
            .flat_map(|writer| {
                writer
                    .acknowledged
                    .keys()
                    .map(|place| (place.clone(), None))
            })
            .collect();
        let mut all = client.scan_pages(ScanInput::new("table")).items();
        while let Some(item) = all.next().await {
            let (place, version) = version_of(&item.unwrap());
            found.insert(place, Some(version));
        }
        for writer in &mut writers {
            let own = |place: &Place| place.0.ends_with(&format!("-{}", writer.id));
            let found = found.iter().filter(|(place, _)| own(place));
            let found = found
                .map(|(place, content)| (place.clone(), *content))
                .collect();
            writer.check(&found);
        }
        assert!(server.terminate().success(), "{}", home.log());
    }
    let writes: u64 = writers.iter().map(|writer| writer.writes).sum();
    let places: usize = writers.iter().map(|writer| writer.acknowledged.len()).sum();
    println!(
        "{completed} kill -9 rounds and {killed_at_start} while it started, seed {seed}: {writes} acknowledged writes, {places} places, in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(completed, rounds);
    assert!(
        std::env::var_os("SEALDB_KILL_ROUNDS").is_some() || completed >= 200,
        "only {completed} rounds"
    );
    assert!(
        writes > u64::from(rounds) * u64::from(WRITERS),
        "the server was hardly loaded: {writes} writes"
    );
}

fn key((pk, sk): &Place) -> Map {
    Map::from([
        ("pk", AttributeValue::from(pk.as_str())),
        ("sk", Number::from(*sk).into()),
    ])
}

/// An item whose attributes all follow from its version; some are longer than a page.
fn item(place: &Place, version: u64) -> Item {
    let mut item = key(place);
    item.insert("first", Number::from(version));
    item.insert("text", filler(version));
    item.insert("zlast", Number::from(version));
    item
}

fn filler(version: u64) -> String {
    let mut random = Random(version << 1 | 1);
    let length = match version % 32 {
        0 => 30_000,
        1..4 => 3_000,
        _ => random.below(300),
    };
    (0..length)
        .map(|_| char::from(b'a' + random.below(26) as u8))
        .collect()
}

/// Where an item stands and its version; every attribute must be of that version.
fn version_of(found: &Item) -> (Place, u64) {
    let text = |name: &str| match found.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        Some(AttributeValue::N(number)) => number.to_string(),
        other => panic!("{name}: {other:?}"),
    };
    let place = (text("pk"), text("sk").parse().unwrap());
    let version = text("first").parse().unwrap();
    assert!(
        *found == item(&place, version),
        "half of an item in {place:?}, version {version}"
    );
    (place, version)
}

fn number_from(variable: &str) -> Option<u32> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap())
}

/// Marsaglia's xorshift64*: a seed repeats all times and sizes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u32) -> u32 {
        ((self.next() >> 33) % u64::from(limit)) as u32
    }
}

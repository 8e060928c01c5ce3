//! Random histories against a plain map: puts, removals, reads, ranges, snapshots, checkpoints that run while writers go
//! on, checkpoints that fail, reopenings; tiny and large caches. A seed replays its decisions.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealdb_crypto::{BlockKind, BlockTag, LogPlace, OpenError, SealError, Sealer};
use sealdb_engine::{Engine, Fault, FaultPoint, Faults, FaultyEngine, Freed, MemoryEngine};

use super::super::io::Layout;
use super::super::{Cursor, MAX_KEY, PageCache, PagePtr, Retired, Tree, TreeError, TreeIo};
use super::{get, put, remove, until, world};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A small generator (splitmix64), so that a seed is all that a failure needs.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Seals so many blocks, then fails.
struct FailingSealer {
    inner: Arc<dyn Sealer>,
    left: AtomicU64,
}

impl Sealer for FailingSealer {
    fn head_len(&self) -> usize {
        self.inner.head_len()
    }

    fn tail_len(&self) -> usize {
        self.inner.tail_len()
    }

    fn seal(
        &self,
        kind: BlockKind,
        at: Option<LogPlace>,
        block: &mut [u8],
    ) -> Result<BlockTag, SealError> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(SealError::TooShort);
        }
        self.inner.seal(kind, at, block)
    }

    fn open(
        &self,
        kind: BlockKind,
        at: Option<LogPlace>,
        block: &mut [u8],
        expected: Option<&BlockTag>,
    ) -> Result<(), OpenError> {
        self.inner.open(kind, at, block, expected)
    }

    fn tag_of(&self, block: &[u8]) -> Option<BlockTag> {
        self.inner.tag_of(block)
    }
}

struct History {
    dice: Dice,
    engine: Arc<FaultyEngine<MemoryEngine>>,
    faults: Faults,
    sealer: Arc<FailingSealer>,
    io: TreeIo,
    tree: Tree,
    map: Map,
    retired: Retired,
    /// Places that wait for readers of older versions.
    waiting: Vec<Freed>,
    /// Older versions that somebody reads, each with a cursor half way.
    readers: Vec<(Tree, Map)>,
    key_space: usize,
    long_keys: usize,
    large_values: usize,
    failed_flushes: u32,
}

/// One write of the newest version.
struct Writer<'a> {
    tree: &'a mut Tree,
    map: &'a mut Map,
    retired: &'a mut Retired,
    io: &'a TreeIo,
}

impl Writer<'_> {
    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match value {
            Some(value) => {
                let old = put(self.tree, self.io, &key, &value, self.retired);
                let known = self.map.insert(key, value);
                assert_eq!(old.as_deref(), known.as_deref());
            }
            None => {
                let old = remove(self.tree, self.io, &key, self.retired);
                assert_eq!(old.as_deref(), self.map.remove(&key).as_deref());
            }
        }
    }
}

impl History {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let budget = [64 << 10, 64 << 10, 256 << 10, 8 << 20][dice.below(4)];
        let faults = Faults::new();
        let engine = Arc::new(FaultyEngine::new(MemoryEngine::new(), faults.clone()));
        let layout = Layout {
            run: 8192 << dice.below(4),
            ..Layout::default()
        };
        let mut io = world(engine.clone(), PageCache::new(budget)).with_layout(layout);
        let sealer = Arc::new(FailingSealer {
            inner: io.sealer.clone(),
            left: AtomicU64::new(u64::MAX),
        });
        io.sealer = sealer.clone();
        Self {
            sealer,
            key_space: [30, 500, 5000][dice.below(3)],
            long_keys: [0, 5, 60][dice.below(3)],
            large_values: [0, 1, 5][dice.below(3)],
            dice,
            engine,
            faults,
            io,
            tree: Tree::empty(),
            map: Map::new(),
            retired: Retired::new(),
            waiting: Vec::new(),
            readers: Vec::new(),
            failed_flushes: 0,
        }
    }

    fn key(&mut self) -> Vec<u8> {
        let n = self.dice.below(self.key_space) as u64;
        // Derived from n alone, so that keys recur.
        let mut own = Dice(n);
        let mut key = match own.below(4) {
            0 => own.next().to_be_bytes().to_vec(),
            1 => [b"partition".as_slice(), &n.to_be_bytes()].concat(),
            2 => n.to_string().into_bytes(),
            _ => vec![0; (n % 7) as usize],
        };
        if own.chance(self.long_keys) {
            // Long, and sharing nearly all or nothing with others.
            let fill = if own.chance(50) {
                b'x'
            } else {
                own.next() as u8
            };
            let mut long = vec![fill; MAX_KEY - key.len() - own.below(50).min(MAX_KEY - key.len())];
            long.extend_from_slice(&key);
            key = long;
        }
        key
    }

    fn value(&mut self) -> Vec<u8> {
        let len = match self.dice.below(100) {
            n if n < self.large_values => self.dice.below(400 << 10),
            n if n < 30 => self.dice.below(2100),
            n if n < 40 => 0,
            _ => self.dice.below(150),
        };
        let fill = self.dice.next();
        (0..len)
            .map(|i| (fill >> (i % 8 * 8)) as u8 ^ (i >> 3) as u8)
            .collect()
    }

    fn random_write(&mut self, removals: usize) {
        let key = self.key();
        let value = if self.dice.chance(removals) {
            None
        } else {
            Some(self.value())
        };
        let Self {
            tree,
            map,
            retired,
            io,
            ..
        } = self;
        Writer {
            tree,
            map,
            retired,
            io,
        }
        .write(key, value);
    }

    /// Writes a version while the newest one goes on.
    fn checkpoint(&mut self, fail_after: Option<u64>) -> Result<Option<PagePtr>, TreeError> {
        let version = self.tree.clone();
        let model = self.map.clone();
        let cut = mem::take(&mut self.retired);
        let mut meanwhile: Vec<_> = (0..20)
            .map(|_| {
                (
                    self.key(),
                    if self.dice.chance(30) {
                        None
                    } else {
                        Some(self.value())
                    },
                )
            })
            .collect();
        if let Some(n) = fail_after {
            match n % 3 {
                0 => self.sealer.left.store(n, Ordering::Relaxed),
                1 => self
                    .faults
                    .fail_nth(FaultPoint::PageWrite, 1 + n / 3, Fault::Full),
                _ => self
                    .faults
                    .fail_nth(FaultPoint::PageWrite, 1 + n / 3, Fault::Short),
            }
        }
        let Self {
            tree,
            map,
            retired,
            io,
            dice,
            ..
        } = self;
        let done = version.flush(io, &mut |_| {
            for _ in 0..dice.below(3) {
                if let Some((key, value)) = meanwhile.pop() {
                    Writer {
                        tree,
                        map,
                        retired,
                        io,
                    }
                    .write(key, value);
                }
            }
        });
        self.sealer.left.store(u64::MAX, Ordering::Relaxed);
        self.faults.clear();
        let ptr = match done {
            Ok(ptr) => ptr,
            Err(error) => {
                // The root in use still needs what was cut off.
                let mut cut = cut;
                cut.append(mem::take(&mut self.retired));
                self.retired = cut;
                self.failed_flushes += 1;
                return Err(error);
            }
        };
        self.waiting.extend(cut.into_freed(self.io.space));
        if self.readers.is_empty() {
            self.engine.free(&mem::take(&mut self.waiting));
            let report = version.verify(&self.io, &mut |_, _| {}).unwrap();
            assert_eq!(report.unwritten, 0);
            assert_eq!(report.entries, model.len() as u64);
            let stats = self.engine.stats();
            assert_eq!(stats.rejected_frees, 0, "a place was freed twice");
            assert_eq!(stats.used_units * 4096, report.disk_bytes, "places leak");
        }
        Ok(ptr)
    }

    fn bound(&mut self) -> Bound<Vec<u8>> {
        match self.dice.below(3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(self.key()),
            _ => Bound::Excluded(self.key()),
        }
    }

    fn range(&mut self) {
        let (lower, upper) = (self.bound(), self.bound());
        let reverse = self.dice.chance(50);
        let limit = self.dice.below(200);
        let cursor = self.tree.cursor(lower.clone(), upper.clone(), reverse);
        let cursor = if self.dice.chance(50) {
            cursor.scanning()
        } else {
            cursor
        };
        assert_range(&self.io, cursor, &self.map, lower, upper, reverse, limit);
    }

    fn step(&mut self) {
        match self.dice.below(1000) {
            n if n < 700 => {
                // Phases in which the tree grows and shrinks.
                let removals = if (self.dice.0 >> 40).is_multiple_of(3) {
                    70
                } else {
                    25
                };
                self.random_write(removals);
            }
            n if n < 850 => {
                let key = self.key();
                assert_eq!(get(&self.tree, &self.io, &key).as_ref(), self.map.get(&key));
            }
            n if n < 900 => self.range(),
            n if n < 915 => self.readers.push((self.tree.clone(), self.map.clone())),
            n if n < 930 => {
                if let Some((tree, map)) = self.readers.pop() {
                    let cursor = tree.cursor(Bound::Unbounded, Bound::Unbounded, false);
                    let (l, u) = (Bound::Unbounded, Bound::Unbounded);
                    assert_range(&self.io, cursor, &map, l, u, false, usize::MAX);
                }
                if self.dice.chance(50) {
                    self.readers.clear();
                }
            }
            n if n < 960 => {
                self.checkpoint(None).unwrap();
            }
            n if n < 980 => {
                let after = self.dice.below(20) as u64;
                let _may_fit = self.checkpoint(Some(after));
            }
            n if n < 990 => {
                let report = self.tree.verify(&self.io, &mut |_, _| {}).unwrap();
                assert_eq!(report.entries, self.map.len() as u64);
            }
            _ => self.reopen(),
        }
    }

    fn reopen(&mut self) {
        self.readers.clear();
        // Whatever was written during the checkpoint is lost here: it was never logged.
        let model = self.map.clone();
        let ptr = self.checkpoint(None).unwrap();
        self.tree = Tree::empty();
        self.retired = Retired::new();
        assert_eq!(self.io.cache.dirty_bytes(), 0, "dropped pages still count");
        assert_eq!(self.io.cache.clean_bytes(), 0, "dropped pages still count");
        self.tree = Tree::open(ptr);
        self.map = model;
    }
}

fn assert_range(
    io: &TreeIo,
    mut cursor: Cursor,
    map: &Map,
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    reverse: bool,
    limit: usize,
) {
    let within = |key: &Vec<u8>| {
        (match &lower {
            Bound::Unbounded => true,
            Bound::Included(l) => key >= l,
            Bound::Excluded(l) => key > l,
        }) && (match &upper {
            Bound::Unbounded => true,
            Bound::Included(u) => key <= u,
            Bound::Excluded(u) => key < u,
        })
    };
    let mut expected: Vec<_> = map.iter().filter(|(key, _)| within(key)).collect();
    if reverse {
        expected.reverse();
    }
    let at_end = expected.len() < limit;
    for (key, value) in expected.into_iter().take(limit) {
        let mut tries = 0;
        loop {
            match cursor.next(io) {
                Ok(found) => {
                    let (k, v) = found.expect("the cursor ends early");
                    assert_eq!(*k, **key);
                    assert_eq!(*v, **value);
                    break;
                }
                Err(super::super::Need::Load(cell)) => io.load_blocking(&cell).unwrap(),
                Err(super::super::Need::Fail(error)) => panic!("{error}"),
            }
            tries += 1;
            assert!(tries < 100, "a cursor makes no progress");
        }
    }
    if at_end {
        assert!(until(io, || cursor.next(io).map(|found| found.is_none())));
        assert!(
            until(io, || cursor.next(io).map(|found| found.is_none())),
            "an end stays an end"
        );
    }
}

fn run(seeds: std::ops::Range<u64>, steps: usize) {
    let mut total = super::super::CacheStats::default();
    let mut failed = 0;
    for seed in seeds {
        let guard = SeedOnPanic(seed);
        let mut history = History::new(seed);
        for _ in 0..steps {
            history.step();
        }
        history.readers.clear();
        let _ = history.checkpoint(None).unwrap();
        let stats = history.io.cache.stats();
        total.evictions += stats.evictions;
        total.splits += stats.splits;
        total.shifts += stats.shifts;
        total.merges += stats.merges;
        total.out_of_line += stats.out_of_line;
        failed += u64::from(history.failed_flushes);
        drop(guard);
    }
    for (what, n) in [
        ("evictions", total.evictions),
        ("splits", total.splits),
        ("shifts", total.shifts),
        ("merges", total.merges),
        ("values out of line", total.out_of_line),
        ("failed flushes", failed),
    ] {
        assert!(n > 0, "the histories had no {what}");
    }
}

struct SeedOnPanic(u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr)]
            {
                eprintln!("history of seed {}", self.0);
            }
        }
    }
}

#[test]
fn random_histories_agree_with_a_map() {
    run(0..40, 1500);
}

/// More of the same: `cargo test --release -p sealdb tree -- --ignored`.
#[test]
#[ignore = "minutes"]
fn many_random_histories_agree_with_a_map() {
    run(1000..3000, 3000);
}

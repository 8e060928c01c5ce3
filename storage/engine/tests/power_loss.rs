//! Engines in directories, after a simulated loss of power: what was synced is there.
//!
//! Copies of the directory stand for the disk: one of the moment of the last sync, one of later. Of each sector in which they differ the
//! survivor has the old or the new bytes, as a seed says; of each file's length and name likewise, where it was not synced.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealdb_engine::{
    Engine, FileEngine, FileOptions, Freed, PageAddr, SegmentNo, SegmentSizes, SpaceId,
};

const SECTOR: usize = 512;
const PAGE: usize = 8192;
const SPACE: SpaceId = SpaceId(1);
const SIZES: SegmentSizes = SegmentSizes {
    first: 1 << 20,
    max: 1 << 20,
    keep: 1 << 20,
};

/// `SEALDB_SEEDS`, or 20.
fn seeds() -> u64 {
    let count = std::env::var("SEALDB_SEEDS").ok();
    count.map_or(20, |count| count.parse().unwrap())
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 8);
        while out.len() < len {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(len);
        out
    }
}

/// What must be found again.
#[derive(Clone, Default)]
struct Synced {
    root: Vec<u8>,
    pages: Vec<(PageAddr, Vec<u8>)>,
    records: Vec<(SegmentNo, u64, Vec<u8>)>,
}

impl Synced {
    /// The first thing that is not as it was.
    fn missing_in(&self, e: &dyn Engine) -> Option<String> {
        match e.read_roots() {
            Ok(roots) if roots.contains(&Some(self.root.clone())) => {}
            _ => return Some("the root".into()),
        }
        for (addr, bytes) in &self.pages {
            if e.read_page_blocking(*addr, PAGE as u32).ok().as_ref() != Some(bytes) {
                return Some(format!("the page at {}", addr.0));
            }
        }
        for (no, offset, bytes) in &self.records {
            let read = e.log_read(*no, *offset, bytes.len() as u32);
            if read.ok().as_ref() != Some(bytes) {
                return Some(format!("the record at {offset} of segment {}", no.0));
            }
        }
        None
    }
}

/// Pages, a root, records, as a database writes them: new pages in places that no root needs, old ones freed after the root.
struct Load<'e> {
    e: &'e dyn Engine,
    rng: Rng,
    log: SegmentNo,
    offset: u64,
    synced: Synced,
}

impl Load<'_> {
    fn pages(&mut self, count: usize) -> Vec<(PageAddr, Vec<u8>)> {
        let made = (0..count).map(|_| {
            let addr = self.e.allocate(SPACE, PAGE as u32).unwrap();
            (addr, self.rng.bytes(PAGE))
        });
        let made: Vec<_> = made.collect();
        let batch: Vec<(PageAddr, &[u8])> = made.iter().map(|(at, b)| (*at, &b[..])).collect();
        self.e.write_pages(&batch).unwrap();
        made
    }

    fn record(&mut self) -> (SegmentNo, u64, Vec<u8>) {
        let bytes = self.rng.bytes(3000);
        let at = self.offset;
        self.e.log_write(self.log, at, &bytes).unwrap();
        self.offset += 4096;
        (self.log, at, bytes)
    }

    fn checkpoint(&mut self) {
        // Half of the pages are written anew.
        let half = self.synced.pages.len() / 2;
        let old: Vec<_> = self.synced.pages.drain(..half).collect();
        let new = self.pages(half + 40);
        self.e.sync_pages().unwrap();
        self.synced.root = self.rng.bytes(500);
        self.e.install_root(&self.synced.root).unwrap();
        let freed = old.iter().map(|(addr, _)| Freed {
            space: SPACE,
            addr: *addr,
            len: PAGE as u32,
        });
        self.e.free(&freed.collect::<Vec<_>>());
        self.synced.pages.extend(new);
        for _ in 0..10 {
            let record = self.record();
            self.e.log_sync(self.log).unwrap();
            self.synced.records.push(record);
        }
    }
}

/// What an engine finds after a loss of power; `None`: all that was synced.
fn power_loss(seed: u64, open: fn(&Path) -> Arc<dyn Engine>) -> Option<String> {
    let tmp = tempfile::tempdir().unwrap();
    let place = |name: &str| tmp.path().join(name);
    let e = open(&place("db"));
    let (log, _) = e.log_create(1 << 20).unwrap();
    let mut rng = Rng(seed);
    let checkpoints = 2 + rng.next() % 6;
    let unsynced = 20 + (rng.next() % 200) as usize;
    let mut load = Load {
        e: &*e,
        rng,
        log,
        offset: 0,
        synced: Synced::default(),
    };
    for _ in 0..checkpoints {
        load.checkpoint();
    }
    copy(&place("db"), &place("then"));
    load.pages(unsynced);
    load.record();
    copy(&place("db"), &place("now"));
    let Load {
        synced, mut rng, ..
    } = load;
    mix(&place("then"), &place("now"), &place("left"), &mut rng);
    drop(e);
    // A panic is an answer, too.
    let found = std::panic::catch_unwind(|| synced.missing_in(&*open(&place("left"))));
    found.unwrap_or_else(|_| Some("it does not open".into()))
}

fn names(dir: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|e| e.unwrap().file_name().into()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(fs::copy(from, to).unwrap()),
        }
    }
}

fn mix(then: &Path, now: &Path, to: &Path, rng: &mut Rng) {
    fs::create_dir(to).unwrap();
    for name in names(then).union(&names(now)) {
        let (then, now, to) = (then.join(name), now.join(name), to.join(name));
        if then.is_dir() && now.is_dir() {
            mix(&then, &now, &to, rng);
            continue;
        }
        match (fs::read(&then), fs::read(&now)) {
            (Ok(old), Ok(new)) => fs::write(to, mixed(&old, &new, rng)).unwrap(),
            (Ok(bytes), Err(_)) | (Err(_), Ok(bytes)) if rng.next().is_multiple_of(2) => {
                fs::write(to, bytes).unwrap();
            }
            _ => {}
        }
    }
}

fn mixed(old: &[u8], new: &[u8], rng: &mut Rng) -> Vec<u8> {
    let longer = rng.next().is_multiple_of(2);
    let mut out = new[..old.len().min(new.len())].to_vec();
    for (to, old) in out.chunks_mut(SECTOR).zip(old.chunks(SECTOR)) {
        if rng.next().is_multiple_of(2) {
            to.copy_from_slice(&old[..to.len()]);
        }
    }
    if longer && new.len() > out.len() {
        out.extend_from_slice(&new[out.len()..]);
    }
    out
}

fn open_files(path: &Path) -> Arc<dyn Engine> {
    let options = FileOptions {
        segments: SIZES,
        ..FileOptions::default()
    };
    Arc::new(FileEngine::open(path, options).unwrap())
}

#[test]
fn files_have_what_was_synced() {
    for seed in 0..seeds() {
        assert_eq!(power_loss(seed, open_files), None, "seed {seed}");
    }
}

/// Not a promise of ours: sled is what it is, and the module of its engine says what came out here.
#[cfg(feature = "sled")]
#[test]
#[ignore = "a measurement: run it with --nocapture"]
#[allow(clippy::print_stdout)]
fn sled_has_it_or_not() {
    use sealdb_engine::{SledEngine, SledOptions};

    let open = |path: &Path| -> Arc<dyn Engine> {
        let options = SledOptions {
            segments: SIZES,
            ..SledOptions::default()
        };
        Arc::new(SledEngine::open(path, options).unwrap())
    };
    let lost = (0..seeds()).filter_map(|seed| Some((seed, power_loss(seed, open)?)));
    let lost: Vec<_> = lost.collect();
    println!("{} of {} losses of power: {lost:?}", lost.len(), seeds());
}

//! Somebody with write access to the disk, while the database is closed. Each test changes files in one way, opens the database, and
//! lets `judge` compare everything that can be read with what was written.
//!
//! `SEALDB_TAMPER_FLIPS` sets the number of flipped bits (600).

use std::collections::BTreeSet;
use std::sync::OnceLock;

use sealdb::crypto::{BlockHead, BlockKind};
use sealdb::model::ScalarType;
use sealdb::model::ops::{
    BatchWriteItemInput, CreateTableInput, GlobalSecondaryIndex, UpdateTimeToLiveInput,
};
use sealdb::{Error, Options};
use sealdb_tests::disk::{Files, Home, UNIT, small};
use sealdb_tests::judge::{EXPIRES, INDEX, State, Tally, Verdict, item, judge, lay_out};

const TABLES: [&str; 3] = ["left", "right", "third"];
/// Has an index and a tree of expiry times.
pub(crate) const INDEXED: &str = "left";

/// A database at three moments.
pub(crate) struct Victim {
    /// What opens all of them.
    keys: Keys,
    /// Closed in good order.
    older: Files,
    /// Opened again, all items of `left` and `right` replaced, closed in good order.
    pub(crate) newer: Files,
    newer_state: State,
    /// Opened again, and killed after writes that no checkpoint holds.
    killed: Files,
    /// The states after each of these writes, the last one first.
    killed_states: Vec<State>,
    /// The state of `older`.
    older_state: State,
    /// Another database with the same keyring and the same tables.
    other: Files,
}

/// The bytes of a keyring and its root key. A static value is never dropped, so no directory may be held by one: each trial has
/// its own, with these in it.
struct Keys([(&'static str, Vec<u8>); 2]);

impl Keys {
    fn read(home: &Home) -> Self {
        Keys(["keyring/keyring.seal", "root.key"].map(|name| {
            let bytes = std::fs::read(home.path().join(name)).unwrap();
            (name, bytes)
        }))
    }

    fn home(&self) -> Home {
        let home = Home::fast();
        // Made with the right modes, then filled.
        drop(home.keyring());
        for (name, bytes) in &self.0 {
            std::fs::write(home.path().join(name), bytes).unwrap();
        }
        home
    }
}

fn payload(version: &str, n: i64) -> String {
    let length = if n == 7 { 6000 } else { 330 };
    format!("{version} {n} ").repeat(length / 8)
}

fn build(home: &Home, data: &std::path::Path) -> (Files, State) {
    let db = home.builder_at(data).open_sync().unwrap();
    let mut state = State::default();
    for table in TABLES {
        let mut input = CreateTableInput::new(table)
            .partition_key("pk", ScalarType::S)
            .sort_key("sk", ScalarType::N);
        if table == INDEXED {
            input = input.global_index(GlobalSecondaryIndex::new(INDEX, &["sk"], &["pk"]));
        }
        db.create_table(input).unwrap();
        if table == INDEXED {
            db.update_time_to_live(UpdateTimeToLiveInput::new(table, EXPIRES, true))
                .unwrap();
        }
        let items = if table == "third" { 5 } else { 60 };
        for n in 0..items {
            state.put(&db, table, &format!("p{}", n % 3), n, &payload("one", n));
        }
    }
    db.close().unwrap();
    drop(db);
    (Files::read(data).unwrap(), state)
}

fn victim() -> &'static Victim {
    static VICTIM: OnceLock<Victim> = OnceLock::new();
    VICTIM.get_or_init(|| {
        let home = Home::fast();
        let data = home.data();
        let (older, older_state) = build(&home, &data);
        let (other, _) = build(&home, &home.path().join("other"));
        let mut state = older_state.clone();

        let db = home.builder().open_sync().unwrap();
        for table in &TABLES[..2] {
            for n in 0..60 {
                state.put(&db, table, &format!("p{}", n % 3), n, &payload("two", n));
            }
        }
        db.close().unwrap();
        drop(db);
        let newer = Files::read(&data).unwrap();
        let newer_state = state.clone();

        // A cache in which no checkpoint is due: the writes stand in the log alone.
        let options = Options {
            cache_bytes: 16 << 20,
            ..small()
        };
        let db = home.builder().options(options).open_sync().unwrap();
        let mut killed_states = vec![state.clone()];
        for n in 0..10 {
            state.put(
                &db,
                TABLES[n % 2],
                "p1",
                100 + n as i64,
                &payload("six", n as i64),
            );
            killed_states.push(state.clone());
        }
        let mut batch = BatchWriteItemInput::new();
        for table in TABLES {
            let item = item("batch", 1, &payload("ten", 1));
            let items = state.0.get_mut(table).unwrap();
            items.insert(("batch".into(), 1), item.clone());
            batch = batch.put(table, item);
        }
        assert!(
            db.batch_write_item(batch)
                .unwrap()
                .unprocessed_items
                .is_empty()
        );
        killed_states.push(state.clone());
        killed_states.reverse();
        // What a kill leaves: everything that was written, and nothing that was not.
        let killed = Files::read(&data).unwrap();
        drop(db);
        Victim {
            keys: Keys::read(&home),
            older,
            newer,
            newer_state,
            killed,
            killed_states,
            older_state,
            other,
        }
    })
}

/// A place where changed copies are opened, one after the other.
pub(crate) struct Trial {
    pub(crate) home: Home,
    pub(crate) data: std::path::PathBuf,
    pub(crate) victim: &'static Victim,
    tally: Tally,
}

impl Trial {
    pub(crate) fn new() -> Self {
        let victim = victim();
        let home = victim.keys.home();
        Trial {
            data: home.data(),
            home,
            victim,
            tally: Tally::default(),
        }
    }

    /// Opens these files, which may only be in one of these states.
    fn judge(&mut self, files: &Files, states: &[State], what: &str) -> Verdict {
        lay_out(files, &self.data);
        let verdict = judge(|| self.home.builder_at(&self.data), states, what);
        self.tally.add(&verdict);
        verdict
    }

    pub(crate) fn newer(&mut self, files: &Files, what: &str) -> Verdict {
        self.judge(files, std::slice::from_ref(&self.victim.newer_state), what)
    }

    fn killed(&mut self, files: &Files, what: &str) -> Verdict {
        self.judge(files, &self.victim.killed_states[..1], what)
    }

    /// Shows what happened (with `--nocapture`).
    pub(crate) fn report(&self, name: &str) {
        #[allow(clippy::print_stdout)]
        for (summary, count) in &self.tally.0 {
            println!("{name}: {count} {summary}");
        }
    }
}

/// The blocks that begin in the page file: unit and kind.
fn blocks(files: &Files) -> Vec<(usize, BlockKind)> {
    files.0["pages.seal"]
        .chunks(UNIT)
        .enumerate()
        .filter_map(|(unit, bytes)| Some((unit, BlockHead::parse(bytes).ok()?.kind)))
        .collect()
}

/// The first units of blocks of `newer` that are in use: those of which a flipped bit is noticed.
pub(crate) fn live(kind: BlockKind) -> Vec<usize> {
    static LIVE: OnceLock<Vec<(usize, BlockKind)>> = OnceLock::new();
    let live = LIVE.get_or_init(|| {
        let mut trial = Trial::new();
        let found = blocks(&trial.victim.newer);
        let mut live = Vec::new();
        for (unit, kind) in found {
            let mut files = trial.victim.newer.clone();
            files.file("pages.seal")[unit * UNIT + 50] ^= 4;
            if trial
                .newer(&files, &format!("a bit of unit {unit}"))
                .noticed()
            {
                live.push((unit, kind));
            }
        }
        trial.report("live blocks");
        live
    });
    live.iter()
        .filter(|(_, k)| *k == kind)
        .map(|(unit, _)| *unit)
        .collect()
}

pub(crate) fn unit(files: &Files, unit: usize, units: usize) -> Vec<u8> {
    files.0["pages.seal"][unit * UNIT..(unit + units) * UNIT].to_vec()
}

pub(crate) fn place(files: &mut Files, unit: usize, bytes: &[u8]) {
    files.file("pages.seal")[unit * UNIT..unit * UNIT + bytes.len()].copy_from_slice(bytes);
}

/// Where log records stand in the segment that was written last: offset and sequence, in order.
fn records(files: &Files) -> (String, Vec<(usize, u64)>) {
    let of = |name: &String| {
        let mut found: Vec<(usize, u64)> = Vec::new();
        for (at, bytes) in files.0[name].chunks(UNIT).enumerate() {
            let number = |at: usize, len: usize| {
                bytes[at..at + len]
                    .iter()
                    .fold(0, |n, byte| n << 8 | u64::from(*byte))
            };
            let (frame, total, sequence) = (number(0, 4), number(4, 4), number(24, 8));
            let follows = found.last().is_none_or(|(_, last)| sequence == last + 1);
            if frame > 52 && total > frame && total < 100_000 && follows {
                found.push((at * UNIT, sequence));
            }
        }
        found
    };
    let segments = files.segments();
    let newest = segments
        .iter()
        .max_by_key(|name| of(name).last().map(|(_, sequence)| *sequence));
    let newest = newest.unwrap().clone();
    let found = of(&newest);
    (newest, found)
}

#[test]
fn untouched_copies_open_with_everything() {
    let mut trial = Trial::new();
    let victim = trial.victim;
    assert!(!trial.newer(&victim.newer, "closed").noticed());
    assert!(!trial.killed(&victim.killed, "killed").noticed());
    let kinds: BTreeSet<u8> = blocks(&victim.newer)
        .iter()
        .map(|(_, kind)| *kind as u8)
        .collect();
    assert!(
        kinds.is_superset(&BTreeSet::from([1, 2, 3, 7])),
        "leaves, inner pages, values, a map: {kinds:?}"
    );
    let (segment, found) = records(&victim.killed);
    assert!(found.len() >= 11, "{segment}: {found:?}");
}

#[test]
fn a_flipped_bit_is_noticed_or_lies_where_nothing_is_read() {
    let flips: u64 = std::env::var("SEALDB_TAMPER_FLIPS").map_or(600, |n| n.parse().unwrap());
    let mut trial = Trial::new();
    let mut seed = 0x5ea1_db00_u64;
    let mut random = move |below: usize| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for n in 0..flips {
        let closed = n % 2 == 0;
        let mut files = if closed {
            &trial.victim.newer
        } else {
            &trial.victim.killed
        }
        .clone();
        // Files in turn, and of each mostly such bytes as mean something.
        let names: Vec<String> = files
            .0
            .keys()
            .filter(|name| *name != "lock")
            .cloned()
            .collect();
        let name = &names[n as usize / 2 % names.len()];
        let bytes = files.file(name);
        let mut at = random(bytes.len());
        if name == "pages.seal" && closed {
            // Few of the places are in use.
            let kind = [BlockKind::Leaf, BlockKind::Inner, BlockKind::Value][random(3)];
            let live = live(kind);
            at = live[random(live.len())] * UNIT + random(UNIT);
        }
        for _ in 0..60 {
            if bytes[at] != 0 {
                break;
            }
            at = random(bytes.len());
        }
        let bit = random(8);
        bytes[at] ^= 1 << bit;
        let what = format!("flip {n}: bit {bit} of byte {at} of {name}, closed {closed}");
        if closed {
            trial.newer(&files, &what);
        } else {
            // The last record may be lost: it looks like one that a crash tore.
            let states = &trial.victim.killed_states[..2];
            trial.judge(&files, states, &what);
        }
    }
    trial.report("flips");
    assert!(trial.tally.count("refused: Corruption") > 0);
    assert!(trial.tally.count("refused: Trail") > 0);
    assert!(trial.tally.count("damaged") > 10);
    assert!(trial.tally.count("as state 0") > 0);
}

#[test]
fn every_block_in_use_is_guarded() {
    let victim = victim();
    let in_use: usize = [
        BlockKind::Leaf,
        BlockKind::Inner,
        BlockKind::Value,
        BlockKind::FreeMap,
    ]
    .map(|kind| live(kind).len())
    .iter()
    .sum();
    // Three trees of 1 + 5, 1 + 5 and 1 pages or so, two values, catalog and map.
    assert!(
        live(BlockKind::Leaf).len() >= 8,
        "{:?}",
        live(BlockKind::Leaf)
    );
    assert!(live(BlockKind::Inner).len() >= 2 && live(BlockKind::Value).len() >= 2);
    assert_eq!(live(BlockKind::FreeMap).len(), 1);
    assert!(in_use <= blocks(&victim.newer).len());
    // A bit at the end of a page matters as much as one at its beginning.
    let mut trial = Trial::new();
    for leaf in live(BlockKind::Leaf) {
        for at in [0, 3, 4, 8, 24, 35, 36, 4095, 4096, 8175, 8176, 8191] {
            let mut files = victim.newer.clone();
            files.file("pages.seal")[leaf * UNIT + at] ^= 0x80;
            assert!(
                trial
                    .newer(&files, &format!("byte {at} of leaf {leaf}"))
                    .noticed()
            );
        }
    }
}

#[test]
fn swapped_and_copied_pages_are_refused() {
    let mut trial = Trial::new();
    let victim = trial.victim;
    for kind in [BlockKind::Leaf, BlockKind::Inner, BlockKind::Value] {
        let units = if kind == BlockKind::Inner { 1 } else { 2 };
        let live = live(kind);
        for (i, a) in live.iter().enumerate() {
            for b in live.iter().skip(i + 1).take(4) {
                let (first, second) = (
                    unit(&victim.newer, *a, units),
                    unit(&victim.newer, *b, units),
                );
                let mut swapped = victim.newer.clone();
                place(&mut swapped, *a, &second);
                place(&mut swapped, *b, &first);
                let what = format!("{kind:?} pages at {a} and {b} swapped");
                assert!(trial.newer(&swapped, &what).noticed(), "{what}");
                let mut copied = victim.newer.clone();
                place(&mut copied, *a, &second);
                let what = format!("{kind:?} page at {b} copied to {a}");
                assert!(trial.newer(&copied, &what).noticed(), "{what}");
            }
        }
    }
    trial.report("swapped");
}

#[test]
fn pages_of_another_database_or_of_an_older_time_are_refused() {
    let mut trial = Trial::new();
    let victim = trial.victim;
    let mut differing = 0;
    for kind in [
        BlockKind::Leaf,
        BlockKind::Inner,
        BlockKind::Value,
        BlockKind::FreeMap,
    ] {
        let units = if matches!(kind, BlockKind::Leaf | BlockKind::Value) {
            2
        } else {
            1
        };
        for at in live(kind) {
            // The same place of the other database, of the same keyring and with the same tables; and of the older time.
            for (source, from) in [
                ("another database", &victim.other),
                ("an older time", &victim.older),
            ] {
                let of_kind = blocks(from)
                    .into_iter()
                    .filter(|(_, k)| *k == kind)
                    .map(|(unit, _)| unit);
                for block in of_kind.take(3).chain([at]) {
                    let end = (block + units) * UNIT;
                    if end > from.0["pages.seal"].len() {
                        continue;
                    }
                    let bytes = unit(from, block, units);
                    if bytes == unit(&victim.newer, at, units) {
                        continue; // It has not changed since.
                    }
                    let mut files = victim.newer.clone();
                    place(&mut files, at, &bytes);
                    let what = format!("{kind:?} page at {at} replaced by {block} of {source}");
                    assert!(trial.newer(&files, &what).noticed(), "{what}");
                    differing += 1;
                }
            }
        }
    }
    assert!(differing > 30, "{differing}");
    for (source, from) in [
        ("another database", &victim.other),
        ("an older time", &victim.older),
    ] {
        for name in ["pages.seal", "root.seal"] {
            let mut files = victim.newer.clone();
            *files.file(name) = from.0[name].clone();
            let what = format!("{name} of {source}");
            assert!(trial.newer(&files, &what).noticed(), "{what}");
        }
    }
    trial.report("foreign");
}

#[test]
fn an_older_root_is_refused() {
    let mut trial = Trial::new();
    let victim = trial.victim;
    let slot = victim.newer.0["root.seal"].len() / 2;
    let slots = |files: &Files| {
        let bytes = &files.0["root.seal"];
        [bytes[..slot].to_vec(), bytes[slot..].to_vec()]
    };
    let mut old_slots: Vec<Vec<u8>> = Vec::new();
    old_slots.extend(slots(&victim.older));
    old_slots.extend(slots(&victim.newer));
    old_slots.push(vec![0; slot]);
    for (i, first) in old_slots.iter().enumerate() {
        for (j, second) in old_slots.iter().enumerate() {
            let root: Vec<u8> = [first.clone(), second.clone()].concat();
            let what = format!("roots {i} and {j}");
            let mut files = victim.newer.clone();
            *files.file("root.seal") = root.clone();
            let whole = files == victim.newer;
            let verdict = trial.newer(&files, &what);
            assert!(!whole || !verdict.noticed());
            let mut files = victim.killed.clone();
            *files.file("root.seal") = root;
            // Nothing older than what was acknowledged, whichever root is put in.
            trial.killed(&files, &what);
        }
    }
    trial.report("roots");
    assert!(trial.tally.count("refused") > 20);
}

#[test]
fn a_root_file_of_zeros_does_not_begin_a_new_database() {
    let mut trial = Trial::new();
    for files in [&trial.victim.newer, &trial.victim.killed] {
        let mut wiped = files.clone();
        wiped.file("root.seal").fill(0);
        lay_out(&wiped, &trial.data);
        let error = trial.home.builder_at(&trial.data).open_sync().unwrap_err();
        assert!(matches!(error, Error::NoRoot(_)), "{error:?}");
        let mut after = Files::read(&trial.data).unwrap();
        after.0.insert("lock".into(), wiped.0["lock"].clone());
        assert!(after == wiped, "what is left is not touched");
        // Nothing but the log.
        wiped.file("pages.seal").clear();
        lay_out(&wiped, &trial.data);
        let error = trial.home.builder_at(&trial.data).open_sync().unwrap_err();
        assert!(matches!(error, Error::NoRoot(_)), "{error:?}");
    }
    let mut gone = trial.victim.newer.clone();
    gone.0.remove("root.seal");
    let verdict = trial.newer(&gone, "no root file");
    assert!(
        matches!(&verdict, Verdict::Refused(error) if error.to_string().contains("root.seal")),
        "{verdict:?}"
    );
    let mut gone = trial.victim.newer.clone();
    gone.0.remove("pages.seal");
    let verdict = trial.newer(&gone, "no page file");
    assert!(
        matches!(&verdict, Verdict::Refused(error) if error.to_string().contains("pages.seal")),
        "{verdict:?}"
    );
}

#[test]
fn cut_and_reordered_log_records_are_refused() {
    let mut trial = Trial::new();
    let victim = trial.victim;
    let (segment, found) = records(&victim.killed);
    let (last, rest) = found.split_last().unwrap();
    let end = |i: usize| {
        found
            .get(i + 1)
            .map_or(last.0 + UNIT, |(offset, _)| *offset)
    };
    let record = |i: usize| victim.killed.0[&segment][found[i].0..end(i)].to_vec();
    for (i, (offset, sequence)) in rest.iter().enumerate() {
        let mut files = victim.killed.clone();
        files.file(&segment)[*offset..end(i)].fill(0);
        let what = format!("record {sequence} cut");
        assert!(trial.killed(&files, &what).noticed(), "{what}");

        let mut files = victim.killed.clone();
        let (one, other) = (record(i), record(i + 1));
        if one.len() == other.len() {
            files.file(&segment)[*offset..end(i)].copy_from_slice(&other);
            files.file(&segment)[end(i)..end(i + 1)].copy_from_slice(&one);
            let what = format!("records {sequence} and the next swapped");
            assert!(trial.killed(&files, &what).noticed(), "{what}");
        }

        // The next one moved up, as if this one had never been.
        let mut files = victim.killed.clone();
        let tail = files.file(&segment)[end(i)..].to_vec();
        files.file(&segment)[*offset..*offset + tail.len()].copy_from_slice(&tail);
        let what = format!("record {sequence} cut and the rest moved up");
        assert!(trial.killed(&files, &what).noticed(), "{what}");
    }
    trial.report("records");
}

#[test]
fn only_the_end_of_the_log_can_be_cut_and_only_as_a_crash_would() {
    // The exception that SECURITY.md names: without an anchor outside the store, the end of a log looks like the place of a crash.
    let mut trial = Trial::new();
    let victim = trial.victim;
    let (segment, found) = records(&victim.killed);
    for (i, (offset, sequence)) in found.iter().enumerate().rev().take(4) {
        let mut files = victim.killed.clone();
        files.file(&segment)[*offset..].fill(0);
        let what = format!("everything from record {sequence} on cut");
        let lost = found.len() - i;
        // It is a state that was: whole groups are gone, from the end, and nothing else.
        let verdict = trial.judge(&files, &victim.killed_states[lost..=lost], &what);
        assert!(!verdict.noticed(), "{verdict:?}");
    }
}

#[test]
fn missing_foreign_and_older_segments_are_refused() {
    let mut trial = Trial::new();
    let victim = trial.victim;
    let (newest, _) = records(&victim.killed);
    let mut missing = victim.killed.clone();
    missing.0.remove(&newest);
    let verdict = trial.killed(&missing, "the segment in use is deleted");
    assert!(
        matches!(verdict, Verdict::Refused(Error::MissingSegment(_))),
        "{verdict:?}"
    );
    for name in victim.killed.segments() {
        let mut files = victim.killed.clone();
        files.0.remove(&name);
        trial.killed(&files, &format!("{name} deleted"));
        let mut files = victim.killed.clone();
        let whole = files.file(&name).clone();
        files.file(&name).truncate(whole.len() / 2);
        // What was in the second half may be nothing.
        trial.judge(
            &files,
            &victim.killed_states[..1],
            &format!("{name} cut in half"),
        );
        for (source, from) in [
            ("another database", &victim.other),
            ("an older time", &victim.newer),
        ] {
            for other in from.segments() {
                if from.0[&other] == whole {
                    continue;
                }
                let mut files = victim.killed.clone();
                *files.file(&name) = from.0[&other].clone();
                // The end of the log may go with the segment: then it is the state of the last checkpoint.
                let at_checkpoint = victim.killed_states.len() - 1;
                let states = [
                    victim.killed_states[0].clone(),
                    victim.killed_states[at_checkpoint].clone(),
                ];
                trial.judge(
                    &files,
                    &states,
                    &format!("{name} replaced by {other} of {source}"),
                );
            }
        }
    }
    trial.report("segments");
}

#[test]
fn a_page_file_cut_short_is_refused_or_its_tables_say_so() {
    let mut trial = Trial::new();
    let victim = trial.victim;
    let len = victim.newer.0["pages.seal"].len();
    let mut noticed = 0;
    for part in [0, 1, 3, 5, 7] {
        let mut files = victim.newer.clone();
        files
            .file("pages.seal")
            .truncate(len / UNIT * part / 8 * UNIT);
        noticed += u32::from(
            trial
                .newer(&files, &format!("{part} eighths of the page file"))
                .noticed(),
        );
    }
    assert!(noticed >= 4);
    trial.report("short");
}

#[test]
fn a_whole_directory_replaced_by_an_older_copy_opens() {
    // The exception that SECURITY.md names: nothing inside the directory can tell.
    let mut trial = Trial::new();
    let victim = trial.victim;
    let verdict = trial.judge(
        &victim.older,
        std::slice::from_ref(&victim.older_state),
        "an older copy",
    );
    assert!(!verdict.noticed(), "{verdict:?}");
    // But not a mixture of two times.
    for name in victim
        .older
        .0
        .keys()
        .filter(|name| !matches!(name.as_str(), "lock" | "audit.trail"))
    {
        let mut files = victim.newer.clone();
        let before = files.0.insert(name.clone(), victim.older.0[name].clone());
        if before.as_ref() != victim.older.0.get(name) {
            trial.newer(&files, &format!("an older {name}"));
        }
    }
    trial.report("older files");
}

#[test]
fn damage_in_one_table_does_not_keep_the_log_of_the_others_from_being_read() {
    // Found by this test: a page of one table that does not open kept the whole database closed, if the log held writes to it.
    let mut trial = Trial::new();
    let victim = trial.victim;
    let mut damaged = 0;
    for (unit, kind) in blocks(&victim.killed) {
        if kind == BlockKind::FreeMap {
            continue;
        }
        let mut files = victim.killed.clone();
        files.file("pages.seal")[unit * UNIT + 60] ^= 1;
        if let Verdict::Open {
            damaged: tables, ..
        } = trial.killed(&files, &format!("unit {unit} after a kill"))
        {
            assert!(tables.len() <= 1, "a page belongs to one table: {tables:?}");
            damaged += tables.len();
        }
    }
    trial.report("one table");
    assert!(damaged >= 8, "{damaged}");
}

//! Rekey: a table gets a new key, and in the end nothing in the database opens with the old one.
//!
//! 1. **The switch.** The KMS makes a key of the next generation; one log record tells of it. From its publication on every page, log
//!    part, index and stream record is sealed under it. The old key opens what is left.
//! 2. **The sweep.** Page by page, what is older is written again as it is, through ordinary commits; checkpoints seal it anew. See
//!    `tree::census` for how it is found. It rests in between, as its pace says, and while checkpoints have not caught up.
//! 3. **The walk.** The same walk once more, which finds nothing older, or the sweep goes on.
//! 4. **The purge.** The log from before is released and wiped, both roots are rewritten, the last reader that could follow an old pointer has
//!    ended, free places are zeroed; see `checkpoint::purge`.
//! 5. **The end.** One log record takes the old key record away and keeps the proof; two checkpoints overwrite the record wherever it
//!    stood.
//!
//! | crash | after recovery |
//! |---|---|
//! | before 1 is durable | the old key; the new one is on no disk |
//! | until 5 is durable | both keys; the sweep begins anew, and passes over what is sealed under the new one |
//! | after it | the new key; its old record goes on to be overwritten |
//!
//! One rekey of a table at a time, and one table after the other. What is asked for (pace, pause) stands in the table's key records and is
//! durable; how far it has come is found again. A table that closes meanwhile waits until it opens.

mod proof;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use sealdb_crypto::{
    Caller, KeyOperation, KeyRecord, KeyRecordState, KeyRef, Moment, TableId, TreeId,
};

use crate::catalog::keys::{KeyRecords, Rekey, table_context};
use crate::checkpoint::Purge;
use crate::error::Error;
use crate::rewrap::NewKey;
use crate::shared::Shared;
use crate::table::{KeyStep, Table, View};
use crate::tree::Census;
use crate::trees::Role;

pub use proof::{ProofError, RekeyProof, SignedProof, WalkedTree};
pub(crate) use work::{Tick, run};

/// How fast a table is resealed unless it is said otherwise: bytes read in a second, and written again where they are of the old key.
pub const DEFAULT_PACE: u64 = 32 << 20;
/// The slowest.
pub const MIN_PACE: u64 = 64 << 10;

/// What a rekey is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RekeyStep {
    /// What is of the old key is written again.
    Resealing,
    /// All blocks are looked at once more.
    Verifying,
    /// Log, roots, readers and free places let the old key go.
    Purging,
}

/// A rekey that goes on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RekeyStatus {
    /// The table.
    pub table: String,
    /// The generation that goes.
    pub from_generation: u32,
    /// The generation that everything new is sealed under.
    pub to_generation: u32,
    /// The KMS key that guards it.
    pub kms_key: String,
    /// When it was begun, in milliseconds since 1970.
    pub since_ms: u64,
    /// Whether it was told to rest.
    pub paused: bool,
    /// Why the table is closed, if it is: it rests until it opens.
    pub closed: Option<String>,
    /// Bytes read in a second.
    pub pace: u64,
    /// What it is at.
    pub step: RekeyStep,
    /// How much of all is done, from 0 to 1. Exact for trees that are ordered by hashes, 0 of a stream until it is done.
    pub done: f64,
    /// Blocks looked at in this process.
    pub blocks: u64,
    /// Blocks of them that were of the old key.
    pub resealed: u64,
    /// How long it will take at the speed of this process so far, if there is one.
    pub eta: Option<Duration>,
}

/// All rekeys that this process has worked at.
#[derive(Default)]
pub(crate) struct Rekeys {
    jobs: Mutex<HashMap<TableId, Job>>,
    /// One step at a time.
    turn: Mutex<()>,
    woken: Mutex<bool>,
    changed: Condvar,
    /// Blocks looked at, and those of them that were of an old key, of rekeys that have ended too.
    blocks: AtomicU64,
    resealed: AtomicU64,
}

/// All rekeys in numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RekeyCounts {
    pub(crate) going_on: u64,
    /// How much of those is done, from 0 to 1.
    pub(crate) done: f64,
    pub(crate) blocks: u64,
    pub(crate) resealed: u64,
}

/// How far a rekey has come.
#[derive(Default)]
struct Job {
    step: Step,
    /// Passes over the table that have ended.
    passes: u32,
    /// What this pass has met, by tree.
    met: BTreeMap<TreeId, Walked>,
    blocks: u64,
    resealed: u64,
    /// When this process began, in boot time, and how much was done after the first piece.
    began: Option<(Duration, f64)>,
}

#[derive(Default, Clone, PartialEq)]
enum Step {
    /// A checkpoint first: what is being sealed under the old key right now is on the disk after it.
    #[default]
    Settle,
    /// From this key of this tree on.
    Walk(TreeId, Vec<u8>),
    Purge(Option<Purge>),
}

/// What a pass has met in a tree.
#[derive(Clone)]
struct Walked {
    name: String,
    census: Census,
}

impl Rekeys {
    pub(crate) fn wake(&self) {
        *self.woken.lock() = true;
        self.changed.notify_all();
    }

    fn wait(&self, at_most: Duration) {
        let mut woken = self.woken.lock();
        if !*woken {
            self.changed.wait_for(&mut woken, at_most);
        }
        *woken = false;
    }
}

impl Shared {
    /// Begins to rekey a table: from the return on everything is sealed under a new key. Blocks.
    ///
    /// # Errors
    /// [`Error::TableNotFound`], [`Error::TableInUse`] if it is being rekeyed, [`Error::TableInaccessible`], [`Error::Key`], and those of a
    /// commit: nothing has changed then.
    pub(crate) fn begin_rekey(
        self: &Arc<Self>,
        name: &str,
        key: &NewKey,
        pace: Option<u64>,
        caller: &Caller,
    ) -> Result<RekeyStatus, Error> {
        self.writable()?;
        self.trail.ready()?;
        let table = self
            .table(name)
            .ok_or_else(|| Error::TableNotFound(name.to_owned()))?;
        table.check_settled(self.clock.wall_ms())?;
        if let Some(reason) = table.closed_reason() {
            return Err(table.inaccessible(&reason));
        }
        let before = table.record.lock().record.keys.clone();
        if before.rekey.is_some() {
            return Err(Error::TableInUse(table.name.clone(), "rekeyed"));
        }
        // What the new key seals is what the old one opens.
        self.check_keys_of(caller, KeyOperation::Decrypt, &table)?;
        let asked = Moment::now(&*self.clock);
        let (record, next) = self.next_key(&table, &before, key, caller)?;
        let kms_key = record.key_id.clone();
        let access = self.access(&KeyRef::Id(kms_key.clone()))?;
        let mut retiring = before.active.clone();
        retiring.state = KeyRecordState::Retiring;
        let after = KeyRecords {
            name: match key {
                NewKey::Same => before.name.clone(),
                NewKey::Default => String::new(),
                NewKey::Named(key) => key.to_string(),
            },
            active: record,
            rekey: Some(Rekey {
                retiring,
                since_ms: self.clock.wall_ms(),
                pace: pace.unwrap_or(DEFAULT_PACE).max(MIN_PACE),
                paused: false,
            }),
            proof: before.proof.clone(),
        };
        {
            let _ddl = self.ddl.lock();
            self.still_there(&table)?;
            if table.record.lock().record.keys != before {
                return Err(Error::TableInUse(table.name.clone(), "updated"));
            }
            // Closed meanwhile, it would not have the new key in memory: it gets it when it opens.
            self.commit_keys(&table, after, KeyStep::Succeed(Arc::new(next)))?;
        }
        self.keeper.replaced(table.id, Some(asked));
        table.set_access(access);
        let what = (Some(&table.name), &kms_key);
        self.trail
            .keys_changed(&*self.clock, caller, "RekeyTable", what);
        tracing::info!(table = %table.name, "table gets a new key");
        self.rekeys.wake();
        self.rekey_status(&table)
            .ok_or_else(|| Error::TableNotFound(name.to_owned()))
    }

    /// A key of the next generation, under the KMS key that is asked for. It is unwrapped once and compared before anything is sealed
    /// under it.
    fn next_key(
        &self,
        table: &Table,
        before: &KeyRecords,
        key: &NewKey,
        caller: &Caller,
    ) -> Result<(KeyRecord, sealdb_crypto::TableKey), Error> {
        let old = &before.active;
        let generation = old.generation.next();
        let generation =
            generation.ok_or_else(|| Error::System("the table has had all its keys".into()))?;
        let key = key.instead_of(&old.key_id);
        self.check_wrapping(caller, &key, &table.name)?;
        let context = table_context(self.database, table.id, table.name.as_str(), generation);
        let suite = self.sealing.suite();
        let kms = &*self.kms;
        let (record, made) =
            KeyRecord::create(kms, caller, &key, context.clone(), generation, suite)?;
        let unwrapped = record.unwrap(kms, caller, &context)?;
        drop(made);
        Ok((record, unwrapped))
    }

    /// Changes what is asked of a rekey that goes on, and records it under this event.
    ///
    /// # Errors
    /// [`Error::TableNotFound`], [`Error::NotRekeyed`], and those of a commit.
    pub(crate) fn change_rekey(
        self: &Arc<Self>,
        name: &str,
        (event, caller): (&str, &Caller),
        change: impl FnOnce(&mut Rekey),
    ) -> Result<RekeyStatus, Error> {
        self.writable()?;
        self.trail.ready()?;
        let table = self
            .table(name)
            .ok_or_else(|| Error::TableNotFound(name.to_owned()))?;
        let kms_key = {
            let _ddl = self.ddl.lock();
            self.still_there(&table)?;
            let mut records = table.record.lock().record.keys.clone();
            let rekey = records.rekey.as_mut();
            change(rekey.ok_or_else(|| Error::NotRekeyed(table.name.clone()))?);
            let kms_key = records.active.key_id.clone();
            self.commit_keys(&table, records, KeyStep::None)?;
            kms_key
        };
        let what = (Some(&table.name), &kms_key);
        self.trail.keys_changed(&*self.clock, caller, event, what);
        self.rekeys.wake();
        self.rekey_status(&table)
            .ok_or_else(|| Error::NotRekeyed(table.name.clone()))
    }

    /// How far the rekey of a table has come, if one goes on.
    pub(crate) fn rekey_status(&self, table: &Table) -> Option<RekeyStatus> {
        let (rekey, active) = {
            let keys = &table.record.lock().record.keys;
            (keys.rekey.clone()?, keys.active.clone())
        };
        let jobs = self.rekeys.jobs.lock();
        let job = jobs.get(&table.id);
        let done = job.map_or(0.0, |job| job.done(table));
        let eta = job.and_then(|job| {
            let (began, at_first) = job.began?;
            let elapsed = self.clock.boot().saturating_sub(began).as_secs_f64();
            let speed = (done - at_first) / elapsed.max(0.001);
            (speed > 0.0).then(|| Duration::from_secs_f64(((1.0 - done) / speed).min(1e9)))
        });
        Some(RekeyStatus {
            table: table.name.to_string(),
            from_generation: rekey.retiring.generation.get(),
            to_generation: active.generation.get(),
            kms_key: active.key_id.to_string(),
            since_ms: rekey.since_ms,
            paused: rekey.paused,
            closed: table.closed_reason().map(|reason| reason.to_string()),
            pace: rekey.pace,
            step: match job.map(|job| (&job.step, job.passes)) {
                Some((Step::Purge(_), _)) => RekeyStep::Purging,
                Some((_, passes)) if passes > 0 => RekeyStep::Verifying,
                _ => RekeyStep::Resealing,
            },
            done,
            blocks: job.map_or(0, |job| job.blocks),
            resealed: job.map_or(0, |job| job.resealed),
            eta: eta.filter(|_| !rekey.paused),
        })
    }

    /// All rekeys in numbers.
    #[allow(clippy::cast_precision_loss)] // a share for people
    pub(crate) fn rekey_counts(&self) -> RekeyCounts {
        let tables = self.tables();
        let going_on: Vec<f64> = tables
            .values()
            .filter_map(|table| Some(self.rekey_status(table)?.done))
            .collect();
        RekeyCounts {
            going_on: going_on.len() as u64,
            done: match going_on.len() {
                0 => 1.0,
                count => going_on.iter().sum::<f64>() / count as f64,
            },
            blocks: self.rekeys.blocks.load(Relaxed),
            resealed: self.rekeys.resealed.load(Relaxed),
        }
    }

    /// What the last rekey of a table that ended has proved.
    pub(crate) fn rekey_proof(&self, name: &str) -> Result<Option<SignedProof>, Error> {
        let table = self
            .table(name)
            .ok_or_else(|| Error::TableNotFound(name.to_owned()))?;
        let proof = table.record.lock().record.keys.proof.clone();
        match proof.is_empty() {
            true => Ok(None),
            false => SignedProof::decode(&proof)
                .map(Some)
                .map_err(|what| Error::corrupt(format!("a proof: {what}"))),
        }
    }
}

impl Job {
    /// How much of all is done: half of it is the sweep, half the walk after it.
    fn done(&self, table: &Table) -> f64 {
        let passed = f64::from(self.passes.min(1));
        let share = match &self.step {
            Step::Settle => 0.0,
            Step::Purge(_) => return 0.99,
            Step::Walk(tree, from) => share_walked(table, *tree, from),
        };
        (0.5 * (passed + share)).min(0.99)
    }
}

/// How much of a table's bytes lies before this key of this tree.
#[allow(clippy::cast_precision_loss)] // a share for people
fn share_walked(table: &Table, tree: TreeId, from: &[u8]) -> f64 {
    let view = table.view();
    let View::Open(open) = &*view else {
        return 0.0;
    };
    let (mut before, mut all) = (0.0, 1.0);
    for branch in open.trees.iter() {
        let size = branch.counters.size_bytes as f64;
        all += size;
        if branch.def.id < tree {
            before += size;
        } else if branch.def.id == tree {
            // Their keys begin with a hash: any share of them is the same share of the hashes.
            let hashed = matches!(branch.def.role, Role::Items | Role::Index(_));
            let first = from.first_chunk::<8>().filter(|_| hashed);
            let first = first.map_or(0, |first| u64::from_be_bytes(*first));
            before += size * (first as f64 / u64::MAX as f64);
        }
    }
    before / all
}

/// Whether nothing is to be done for a table: it is not rekeyed, told to rest, or closed.
fn rests(table: &Table) -> bool {
    let keys = &table.record.lock().record.keys;
    let paused = |rekey: &Rekey| rekey.paused;
    keys.rekey.as_ref().is_none_or(paused) || table.closed_reason().is_some()
}

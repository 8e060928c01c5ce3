//! The work of a rekey, in small steps: none holds anything that a reader or a writer waits for.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use sealdb_crypto::{Caller, Generation, TreeId};

use super::{Job, SignedProof, Step, Walked, rests};
use crate::catalog::keys::KeyRecords;
use crate::checkpoint::Purge;
use crate::error::Error;
use crate::options::Background;
use crate::shared::Shared;
use crate::table::{KeyStep, Table};
use crate::tree::Census;
use crate::trees::{Role, TreeDef};

/// Bytes of blocks that are looked at, and at most written again, in one step: some sixteen leaves.
const PIECE: u64 = 128 << 10;
/// How often the thread looks when there is nothing to do.
const LOOK: Duration = Duration::from_millis(500);
/// How often it asks whether the last reader has ended.
const ASK: Duration = Duration::from_millis(50);

/// What a step leaves to do.
pub(crate) enum Tick {
    /// Nothing, now.
    Idle,
    /// More, not before this has passed.
    After(Duration),
}

/// Runs until the database stops.
pub(crate) fn run(shared: &Arc<Shared>) {
    while !shared.stopping() {
        #[allow(clippy::disallowed_methods)]
        // how long to rest decides nothing that a test could replay
        let began = Instant::now();
        let rest = match shared.rekey_tick() {
            Ok(Tick::After(rest)) => rest.saturating_sub(began.elapsed()),
            Ok(Tick::Idle) => LOOK,
            Err(error) => {
                tracing::warn!(%error, "a rekey could not go on; it will be tried again");
                LOOK
            }
        };
        if !rest.is_zero() {
            shared.rekeys.wait(rest);
        }
    }
}

impl Shared {
    /// Does one step of the first rekey that there is something to do for.
    ///
    /// # Errors
    /// It may be tried again.
    pub(crate) fn rekey_tick(self: &Arc<Self>) -> Result<Tick, Error> {
        let _turn = self.rekeys.turn.lock();
        if self.accepts_writes().is_err() {
            return Ok(Tick::Idle);
        }
        let tables = self.tables();
        self.rekeys
            .jobs
            .lock()
            .retain(|id, _| tables.values().any(|table| table.id == *id));
        let mut tables: Vec<&Arc<Table>> = tables.values().filter(|table| !rests(table)).collect();
        // In an order that does not depend on the map's, so that a seeded history replays exactly.
        tables.sort_by_cached_key(|table| table.definition().items.space);
        match tables.first() {
            None => Ok(Tick::Idle),
            Some(table) => self.rekey_step(table),
        }
    }

    fn rekey_step(self: &Arc<Self>, table: &Arc<Table>) -> Result<Tick, Error> {
        let keys = table.record.lock().record.keys.clone();
        let step = {
            let mut jobs = self.rekeys.jobs.lock();
            jobs.entry(table.id).or_default().step.clone()
        };
        let (next, tick) = match step {
            Step::Settle => {
                self.checkpoint_now()?;
                self.with_job(table, |job| job.met.clear());
                let first = Step::Walk(TreeId::BASE, Vec::new());
                (first, Tick::After(Duration::ZERO))
            }
            Step::Walk(tree, from) => self.walk_piece(table, &keys, tree, &from)?,
            Step::Purge(purge) => return self.purge_for(table, keys, purge),
        };
        self.with_job(table, |job| job.step = next);
        Ok(tick)
    }

    fn with_job<T>(&self, table: &Table, change: impl FnOnce(&mut Job) -> T) -> T {
        change(self.rekeys.jobs.lock().entry(table.id).or_default())
    }

    /// Looks at a piece of a tree, and has what is older written again.
    fn walk_piece(
        self: &Arc<Self>,
        table: &Arc<Table>,
        keys: &KeyRecords,
        tree: TreeId,
        from: &[u8],
    ) -> Result<(Step, Tick), Error> {
        self.let_checkpoints_catch_up();
        let newest = keys.active.generation;
        let snapshot = table.read()?;
        let rest = snapshot.trees().iter().filter(|b| b.def.id >= tree);
        let Some(branch) = rest.min_by_key(|branch| branch.def.id) else {
            return Ok((self.pass_ended(table, newest), Tick::After(Duration::ZERO)));
        };
        let from = if branch.def.id == tree { from } else { &[] };
        let piece = branch.tree.census(&branch.io, from, newest, PIECE)?;
        let def = branch.def.clone();
        drop(snapshot);
        let bytes = piece.census.bytes();
        self.count(table, &def, &piece.census, newest);
        if !piece.keys.is_empty() {
            let (target, space) = (table.clone(), def.space);
            self.commit_blocking(move |txn| {
                let mut keys = piece.keys.iter();
                keys.try_for_each(|key| txn.rewrite(&target, space, key))
            })?;
        }
        let next = match piece.next {
            Some(next) => Step::Walk(def.id, next),
            None => Step::Walk(TreeId::new(def.id.get() + 1), Vec::new()),
        };
        let pace = keys.rekey.as_ref().map_or(u64::MAX, |rekey| rekey.pace);
        let rest = Duration::from_micros(bytes.saturating_mul(1_000_000) / pace.max(1));
        Ok((next, Tick::After(rest)))
    }

    fn count(&self, table: &Table, def: &TreeDef, census: &Census, newest: Generation) {
        let now = self.clock.boot();
        let (blocks, older) = (census.count(), census.older_than(newest));
        self.with_job(table, |job| {
            let walked = job.met.entry(def.id).or_insert_with(|| Walked {
                name: name_of(def),
                census: Census::default(),
            });
            walked.census.add(census);
            job.blocks += blocks;
            job.resealed += older;
        });
        self.rekeys.blocks.fetch_add(blocks, Relaxed);
        self.rekeys.resealed.fetch_add(older, Relaxed);
        let began = |job: &mut Job| {
            if job.began.is_none() {
                job.began = Some((now, job.done(table)));
            }
        };
        self.with_job(table, began);
    }

    /// What comes after all trees: nothing older was met, or the walk begins anew.
    fn pass_ended(&self, table: &Table, newest: Generation) -> Step {
        self.with_job(table, |job| {
            let met = job.met.values();
            let older: u64 = met.map(|walked| walked.census.older_than(newest)).sum();
            job.passes += 1;
            match older {
                0 => Step::Purge(None),
                _ => Step::Settle,
            }
        })
    }

    /// Holds the sweep back while pages wait to be written: what it makes dirty must not slow writers down.
    fn let_checkpoints_catch_up(self: &Arc<Self>) {
        if self.options.background == Background::Inline {
            return;
        }
        while self.cache.dirty_bytes() >= self.options.dirty_checkpoint_bytes()
            && !self.stopping()
            && self.writable().is_ok()
        {
            self.request_checkpoint();
            self.checkpoints.wait_progress(ASK);
        }
    }

    /// Purges, and then lets the old key go.
    fn purge_for(
        self: &Arc<Self>,
        table: &Arc<Table>,
        keys: KeyRecords,
        purge: Option<Purge>,
    ) -> Result<Tick, Error> {
        let Some(purge) = purge else {
            let begun = self.begin_purge()?;
            self.with_job(table, |job| job.step = Step::Purge(Some(begun)));
            return Ok(Tick::After(Duration::ZERO));
        };
        if !self.end_purge(purge)? {
            return Ok(Tick::After(ASK));
        }
        if table.record.lock().record.carried_to != 0 {
            // It was closed meanwhile, and what was carried along for it is still there.
            self.with_job(table, |job| job.step = Step::Settle);
            return Ok(Tick::After(ASK));
        }
        self.end_rekey(table, keys, purge)?;
        Ok(Tick::After(Duration::ZERO))
    }

    fn end_rekey(
        self: &Arc<Self>,
        table: &Arc<Table>,
        keys: KeyRecords,
        purge: Purge,
    ) -> Result<(), Error> {
        // The old key does not go without its event.
        self.trail.ready()?;
        // If the commit fails it is tried again, and the job still has what it met.
        let walked = self.with_job(table, |job| job.met.clone());
        let proof = self.prove(table, &keys, &walked, purge);
        let proof = SignedProof::sign(&proof, &self.trail).encode();
        {
            let _ddl = self.ddl.lock();
            self.still_there(table)?;
            let mut records = table.record.lock().record.keys.clone();
            if records.active.generation != keys.active.generation {
                return Err(Error::TableInUse(table.name.clone(), "updated"));
            }
            records.rekey = None;
            records.proof = proof;
            self.commit_keys(table, records, KeyStep::Alone)?;
        }
        self.rekeys.jobs.lock().remove(&table.id);
        self.keys_replaced(table, None);
        self.trail.keys_changed(
            &*self.clock,
            &Caller::database(),
            "DestroyOldTableKey",
            (Some(&table.name), &keys.active.key_id),
        );
        tracing::info!(table = %table.name, "nothing in the database opens with the table's old key");
        Ok(())
    }
}

/// What a tree of a table is called in a proof.
fn name_of(def: &TreeDef) -> String {
    match &def.role {
        Role::Items => "items".into(),
        Role::Index(index) => format!("index {}", index.name.as_str()),
        Role::Expiry(_) => "times of expiry".into(),
        Role::Stream(stream) => format!("stream {}", stream.label()),
    }
}

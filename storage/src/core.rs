//! The database's inside: opening, tables, closing, and the threads in between.
//!
//! A [`Core`] that is dropped without [`Core::close_blocking`] stops as a crash would, in good order: threads end, nothing is written any
//! more, and the next open recovers.
//!
//! Never on an async worker: KMS calls, syncs, blocking reads. The async methods here hop to the blocking pool where they must.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use sealdb_crypto::{Caller, KeyOperation};
use sealdb_engine::Engine;

use crate::catalog::definition::Definition;
use crate::commit::log_thread;
use crate::commit::txn::{Txn, TxnError};
use crate::ddl::NewTable;
use crate::error::Error;
use crate::keeper;
use crate::options::{Background, Durability};
use crate::rewrap::NewKey;
use crate::shared::{Parts, Shared, Tables, TablesGuard};
use crate::stats::DatabaseState;
use crate::table::Table;
use crate::tokens::Token;
use crate::tree::CacheStats;
use crate::trees::Counters;
use crate::{audit, checkpoint, recovery, rekey, tend};

/// An open database.
pub(crate) struct Core {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Core {
    /// Opens the database of an engine, or makes one in an engine that holds none. Blocks: on the disk, and on the KMS.
    ///
    /// # Errors
    /// Every refusal names what is wrong.
    pub(crate) fn open(parts: Parts) -> Result<Self, Error> {
        let shared = recovery::open(parts)?;
        let core = Core {
            shared,
            threads: Mutex::new(Vec::new()),
        };
        if core.shared.options.background == Background::Threads {
            core.spawn("sealdb-log", log_thread::run)?;
            core.spawn("sealdb-syncs", log_thread::run_syncs)?;
            core.spawn("sealdb-checkpoint", checkpoint::run)?;
            core.spawn("sealdb-keys", keeper::run)?;
            core.spawn("sealdb-log-room", crate::log::room::run)?;
            core.spawn("sealdb-tables", tend::run)?;
            core.spawn("sealdb-trail", audit::run)?;
            core.spawn("sealdb-rekey", rekey::run)?;
        }
        Ok(core)
    }

    fn spawn(&self, name: &str, run: fn(&Arc<Shared>)) -> Result<(), Error> {
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                if catch_unwind(AssertUnwindSafe(|| run(&shared))).is_err() {
                    shared.thread_panicked();
                }
            });
        self.threads
            .lock()
            .push(thread.map_err(|error| Error::System(error.to_string()))?);
        Ok(())
    }

    /// The table of this name, if it serves requests.
    ///
    /// # Errors
    /// [`Error::TableNotFound`], also while it is being created or deleted; [`Error::Closed`] and [`Error::SystemKeyLost`] of the whole database.
    pub(crate) fn table(&self, name: &str) -> Result<Arc<Table>, Error> {
        let table = self.any_table(name)?;
        table.check_serving()?;
        Ok(table)
    }

    /// The table of this name, also while it is being created or deleted.
    ///
    /// # Errors
    /// As [`Core::table`].
    pub(crate) fn any_table(&self, name: &str) -> Result<Arc<Table>, Error> {
        self.shared.readable()?;
        self.shared.table(name).ok_or_else(|| not_found(name))
    }

    /// All tables of this moment, without a write to memory that other readers share: a counted reference to a table would be one.
    /// To be held for a moment only.
    ///
    /// # Errors
    /// [`Error::Closed`] and [`Error::SystemKeyLost`] of the whole database.
    #[inline]
    pub(crate) fn tables_now(&self) -> Result<TablesGuard, Error> {
        self.shared.readable()?;
        Ok(self.shared.tables_now())
    }

    /// All tables, by name.
    ///
    /// # Errors
    /// Of the whole database.
    pub(crate) fn tables(&self) -> Result<Arc<Tables>, Error> {
        self.shared.readable()?;
        Ok(self.shared.tables())
    }

    /// The sequence that all readers see. A reader of several tables asks for it first, and takes its snapshots again if one of them is
    /// newer: groups are published table by table.
    pub(crate) fn sequence(&self) -> u64 {
        self.shared.published.sequence()
    }

    /// A token that comes now, with this request.
    pub(crate) fn new_token(&self, token: &str, request: &[u8]) -> Token {
        let shared = &self.shared;
        Token::new(shared.database, token, request, shared.clock.wall_ms())
    }

    /// Commits a mutation; see [`Txn`]. Answers once its group is durable, failed conditions included. If the future is
    /// dropped the mutation still happens as a whole, or not at all.
    ///
    /// # Errors
    /// What the mutation failed with; [`Error::StorageFull`] and [`Error::ReadOnly`] with nothing applied;
    /// [`Error::UnknownOutcome`].
    pub(crate) async fn commit<F, R>(&self, f: F) -> Result<R, Error>
    where
        F: FnMut(&mut Txn) -> Result<R, TxnError> + Send + 'static,
        R: Send + 'static,
    {
        self.shared.commit(f).await
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`Core::commit`].
    pub(crate) fn commit_blocking<F, R>(&self, f: F) -> Result<R, Error>
    where
        F: FnMut(&mut Txn) -> Result<R, TxnError> + Send + 'static,
        R: Send + 'static,
    {
        self.shared.commit_blocking(f)
    }

    /// Creates a table under a key of its own, wrapped by the KMS.
    ///
    /// # Errors
    /// [`Error::TableExists`], [`Error::Key`], and those of a commit.
    pub(crate) async fn create_table(
        &self,
        new: NewTable,
        caller: Caller,
    ) -> Result<Arc<Table>, Error> {
        let shared = self.shared.clone();
        blocking::unblock(move || shared.create_table(new, &caller)).await
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`Core::create_table`].
    pub(crate) fn create_table_blocking(
        &self,
        new: NewTable,
        caller: &Caller,
    ) -> Result<Arc<Table>, Error> {
        self.shared.create_table(new, caller)
    }

    /// Deletes a table. Its record leaves the catalog with the next checkpoint; the two checkpoints that this starts overwrite
    /// what is left of its key record.
    ///
    /// # Errors
    /// [`Error::TableNotFound`], and those of a commit.
    pub(crate) async fn delete_table(&self, name: String) -> Result<Arc<Table>, Error> {
        let shared = self.shared.clone();
        blocking::unblock(move || shared.delete_table(&name)).await
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`Core::delete_table`].
    pub(crate) fn delete_table_blocking(&self, name: &str) -> Result<Arc<Table>, Error> {
        self.shared.delete_table(name)
    }

    /// Gives a table another definition; see [`Shared::alter_table`].
    ///
    /// # Errors
    /// Those of `change`, [`Error::TableInUse`], and those of a commit.
    pub(crate) async fn alter_table<F>(&self, name: String, change: F) -> Result<Arc<Table>, Error>
    where
        F: FnOnce(&Table, Definition) -> Result<Definition, Error> + Send + 'static,
    {
        let shared = self.shared.clone();
        blocking::unblock(move || shared.alter_table(&name, change)).await
    }

    /// The same for a thread that may block.
    ///
    /// # Errors
    /// As [`Core::alter_table`].
    pub(crate) fn alter_table_blocking(
        &self,
        name: &str,
        change: impl FnOnce(&Table, Definition) -> Result<Definition, Error>,
    ) -> Result<Arc<Table>, Error> {
        self.shared.alter_table(name, change)
    }

    /// Gives a table another definition, and its keys another wrapping if that is asked for; see [`Shared::update_table`]. Blocks.
    ///
    /// # Errors
    /// As [`Core::alter_table`], and [`Error::Key`].
    pub(crate) fn update_table_blocking(
        &self,
        name: &str,
        change: impl FnOnce(&Table, Definition) -> Result<Definition, Error>,
        key: Option<(NewKey, Caller)>,
    ) -> Result<Arc<Table>, Error> {
        let wrapping = key.map(|(key, caller)| {
            let table = self.any_table(name)?;
            self.shared
                .check_keys_of(&caller, KeyOperation::Administer, &table)?;
            self.shared.new_wrapping(&table, &key, &caller)
        });
        self.shared
            .update_table(name, change, wrapping.transpose()?)
    }

    /// The same from a task.
    ///
    /// # Errors
    /// As [`Core::update_table_blocking`].
    pub(crate) async fn update_table<F>(
        self: &Arc<Self>,
        name: String,
        change: F,
        key: Option<(NewKey, Caller)>,
    ) -> Result<Arc<Table>, Error>
    where
        F: FnOnce(&Table, Definition) -> Result<Definition, Error> + Send + 'static,
    {
        let core = self.clone();
        blocking::unblock(move || core.update_table_blocking(&name, change, key)).await
    }

    /// Does one step of a rekey. True if there is more to do.
    ///
    /// # Errors
    /// It may be tried again.
    pub(crate) fn rekey_tick(&self) -> Result<bool, Error> {
        let tick = self.shared.rekey_tick()?;
        Ok(matches!(tick, rekey::Tick::After(_)))
    }

    /// Does one piece of what is due to tables: fills trees, expires items, ends states that do not last. True if there is more.
    pub(crate) fn tend_tables(&self) -> Result<bool, Error> {
        self.shared.tend_tables()
    }

    /// Makes a checkpoint now. Blocks.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub(crate) fn checkpoint_now(&self) -> Result<(), Error> {
        self.shared.checkpoint_now()
    }

    /// Makes all that was acknowledged durable, as the log thread does when durability is an interval.
    ///
    /// # Errors
    /// The database is read-only then.
    pub(crate) fn sync_now(&self) -> Result<(), Error> {
        self.shared.sync_log()
    }

    /// Looks at every key once: refreshes, closes, opens. Blocks on the KMS. For tests; otherwise the keeper's thread does it.
    pub(crate) fn keeper_tick(&self) {
        self.shared.keeper_tick();
    }

    /// Ends in good order: what is queued is committed, a checkpoint is made, an end record written, threads end.
    ///
    /// # Errors
    /// The database is closed all the same; the next open recovers what was acknowledged.
    pub(crate) fn close_blocking(&self) -> Result<(), Error> {
        self.close_after(|| Ok(()))
    }

    /// The same, and what is free at the end goes back to the system.
    ///
    /// # Errors
    /// As [`Core::close_blocking`].
    pub(crate) fn close_and_trim(&self) -> Result<(), Error> {
        self.close_after(|| self.shared.engine.trim().map_err(Error::from_engine))
    }

    /// Closes; `last` is done when nobody uses the engine any more, if all went well.
    fn close_after(&self, last: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let result = match self.shared.writable() {
            Ok(()) => self.shared.close(),
            // What was acknowledged is not durable yet, and nobody will sync it after us.
            Err(Error::ReadOnly(_)) if self.shared.options.durability != Durability::Commit => {
                self.shared.sync_log()
            }
            Err(_) => Ok(()),
        };
        self.shared.set_closed();
        self.stop();
        let result = result.and_then(|()| last());
        self.shared.close_engine();
        result
    }

    /// The same from a task.
    ///
    /// # Errors
    /// As [`Core::close_blocking`].
    pub(crate) async fn close(self: &Arc<Self>) -> Result<(), Error> {
        let core = self.clone();
        blocking::unblock(move || core.close_blocking()).await
    }

    fn stop(&self) {
        self.shared.set_stopping();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // A thread that panicked has said so; and none of them drops a Core.
            let _ = thread.join();
        }
        self.shared.fail_queued(&Error::Closed);
    }

    /// What it does with requests.
    pub(crate) fn state(&self) -> DatabaseState {
        match self.shared.writable() {
            Ok(()) => DatabaseState::Open,
            Err(Error::ReadOnly(_)) => DatabaseState::ReadOnly,
            Err(_) => DatabaseState::Closed,
        }
    }

    /// Page cache, engine and table counters.
    pub(crate) fn stats(&self) -> Stats {
        let tables = self.shared.tables();
        let mut counters = Counters::default();
        let mut closed = 0;
        for table in tables.values() {
            closed += usize::from(table.closed_reason().is_some());
            counters.item_count += table.counters().item_count;
            counters.size_bytes += table.counters().size_bytes;
        }
        Stats {
            cache: self.shared.cache.stats(),
            engine: self.shared.engine.stats(),
            sequence: self.sequence(),
            state: self.state(),
            tables: tables.len(),
            tables_closed: closed,
            counters,
            torn_tails: self.shared.torn_tails,
            keys: self.shared.sealing.key_uses(),
            rekeys: self.shared.rekey_counts(),
        }
    }

    /// For the tools of a closed directory.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn not_found(name: &str) -> Error {
    Error::TableNotFound(name.to_owned())
}

/// Counters of an open database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stats {
    pub(crate) cache: CacheStats,
    pub(crate) engine: sealdb_engine::EngineStats,
    pub(crate) sequence: u64,
    pub(crate) state: DatabaseState,
    pub(crate) tables: usize,
    pub(crate) tables_closed: usize,
    pub(crate) counters: Counters,
    pub(crate) torn_tails: u64,
    pub(crate) keys: sealdb_crypto::KeyUses,
    pub(crate) rekeys: rekey::RekeyCounts,
}

impl Shared {
    /// One of the threads is gone: what it did, checkpoints or syncs, will not be done any more, and nobody is to wait for it.
    fn thread_panicked(self: &Arc<Self>) {
        self.set_read_only(Error::System(
            "a thread of the database panicked; it is to be opened again".into(),
        ));
        self.checkpoints.wake();
        self.lead_if_free();
    }

    /// Lets the next one open the database, once nobody of ours can write any more.
    fn close_engine(self: &Arc<Self>) {
        // Nobody leads and no checkpoint is under way; who comes later finds the engine closed.
        let _ = self.lead_to_the_end(|| {
            let _none = self.checkpoints.none_under_way();
            self.trail.close();
            self.engine.close();
            Ok(())
        });
    }

    fn close(self: &Arc<Self>) -> Result<(), Error> {
        self.refuse_new();
        let ended = self.lead_to_the_end(|| {
            self.checkpoint_now()?;
            self.end_log()?;
            self.install_last_root()
        });
        self.set_closed();
        ended
    }
}

//! The key keeper: how long plaintext table keys live.
//!
//! Each key has a lease. The keeper refreshes it ahead of its end by having the KMS unwrap the key again; one call at a time, on its own
//! thread. A KMS that says no closes the table at once; one that cannot be reached lets it coast, then it closes, always. Closed
//! tables are tried again and open when the KMS says yes. The system's key is kept the same way; without it the whole
//! database is closed until it is opened anew.
//!
//! | lease | KMS | the table |
//! |---|---|---|
//! | fresh | not asked | open |
//! | due | yes | open, lease renewed |
//! | due | away | open, coasting until `key_max_age + key_coast` |
//! | any | no | closes |
//! | run out | | closes |

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use sealdb_crypto::{
    Caller, EncryptionContext, KeyLease, KeyRecord, KeyRecordError, LeasePolicy, Moment, TableId,
    TableKey,
};

use crate::error::{ClosedReason, Error};
use crate::options::{Background, Options};
use crate::shared::{RetiredPlaces, Shared};
use crate::table::Table;

/// The account that encryption contexts name.
pub(crate) const ACCOUNT: &str = "000000000000";

/// The leases of all keys in memory.
pub(crate) struct Keeper {
    leases: Mutex<HashMap<TableId, Lease>>,
    /// When closed tables were last tried, in boot time.
    tried: Mutex<HashMap<TableId, Duration>>,
    wake: Condvar,
    waker: Mutex<()>,
    policy: LeasePolicy,
}

struct Lease {
    lease: KeyLease,
    /// What the KMS last failed with.
    failure: Option<KeyRecordError>,
}

impl Keeper {
    pub(crate) fn new(options: &Options) -> Self {
        Keeper {
            leases: Mutex::default(),
            tried: Mutex::default(),
            wake: Condvar::new(),
            waker: Mutex::new(()),
            policy: LeasePolicy::new(options.key_max_age, options.key_coast),
        }
    }

    /// A key was unwrapped; `asked` was read before the call.
    pub(crate) fn insert(&self, table: TableId, asked: Moment) {
        let lease = Lease {
            lease: KeyLease::new(self.policy, asked),
            failure: None,
        };
        self.leases.lock().insert(table, lease);
    }

    pub(crate) fn remove(&self, table: TableId) {
        self.leases.lock().remove(&table);
        self.tried.lock().remove(&table);
    }

    pub(crate) fn wake(&self) {
        drop(self.waker.lock());
        self.wake.notify_all();
    }
}

/// The encryption context that a table's key record must have.
pub(crate) fn table_context(
    shared_database: sealdb_crypto::DatabaseId,
    table: TableId,
    name: &str,
    key: &KeyRecord,
) -> EncryptionContext {
    EncryptionContext::for_table(shared_database, table, name, ACCOUNT, key.generation)
}

/// Why a table whose key could not be unwrapped is closed.
pub(crate) fn closed_reason(error: KeyRecordError) -> ClosedReason {
    if error.is_transient() {
        ClosedReason::Expired(error)
    } else {
        ClosedReason::Denied(error)
    }
}

/// Runs until the database stops.
pub(crate) fn run(shared: &Arc<Shared>) {
    // Looks at both clocks once a second: a suspended machine may have slept through any longer wait.
    let pause = Duration::from_secs(1);
    while !shared.stopping() {
        shared.keeper_tick();
        let mut guard = shared.keeper.waker.lock();
        if !shared.stopping() {
            shared.keeper.wake.wait_for(&mut guard, pause);
        }
    }
}

/// What to do about one key.
enum Due {
    Nothing,
    Refresh,
    Close(ClosedReason),
}

impl Shared {
    /// Looks at every key once: refreshes, closes, opens. Blocks on the KMS; never on an async worker.
    pub(crate) fn keeper_tick(self: &Arc<Self>) {
        if self.readable().is_err() {
            return;
        }
        let record = self.root().head.system_key.clone();
        let context = EncryptionContext::for_system(self.database, record.generation);
        if let Some(reason) = self.tend(TableId::SYSTEM, &record, &context) {
            self.lose_system_key(reason);
            return;
        }
        for table in self.tables().values() {
            if self.stopping() {
                return;
            }
            let key = table.record.lock().record.key.clone();
            let context = table_context(self.database, table.id, table.name.as_str(), &key);
            match table.closed_reason() {
                None => {
                    if let Some(reason) = self.tend(table.id, &key, &context) {
                        self.close_table(table, reason);
                    }
                }
                Some(ClosedReason::Deleted) => {}
                Some(_) => self.try_open_table(table, &key, &context),
            }
        }
    }

    /// Keeps one key; gives a reason if it must be dropped.
    fn tend(
        &self,
        id: TableId,
        record: &KeyRecord,
        context: &EncryptionContext,
    ) -> Option<ClosedReason> {
        let now = Moment::now(&*self.clock);
        let due = match self.keeper.leases.lock().get_mut(&id) {
            None => Due::Nothing,
            Some(held) => {
                let state = held.lease.observe(now);
                if state.wants_refresh() {
                    Due::Refresh
                } else if state.usable() {
                    Due::Nothing
                } else {
                    Due::Close(run_out(held.failure.take()))
                }
            }
        };
        match due {
            Due::Nothing => None,
            Due::Close(reason) => Some(reason),
            Due::Refresh => {
                // The lease runs from before the call: a slow answer does not lengthen the key's life.
                let unwrapped = record.unwrap(&*self.kms, &Caller::database(), context);
                let mut leases = self.keeper.leases.lock();
                let held = leases.get_mut(&id)?;
                match unwrapped {
                    Ok(_) => {
                        held.lease.renew(now);
                        held.failure = None;
                        None
                    }
                    Err(error) if error.is_transient() => {
                        let state = held.lease.unavailable(Moment::now(&*self.clock));
                        tracing::warn!(table = %id, %error, "the key provider cannot be reached; the key is used on for a while");
                        held.failure = Some(error.clone());
                        (!state.usable()).then_some(ClosedReason::Expired(error))
                    }
                    Err(error) => {
                        held.lease.deny();
                        Some(ClosedReason::Denied(error))
                    }
                }
            }
        }
    }

    /// Drops a table's key, pages and unpublished state. What it has in the log is carried along, sealed.
    pub(crate) fn close_table(self: &Arc<Self>, table: &Arc<Table>, reason: ClosedReason) {
        tracing::warn!(table = %table.name, %reason, "table closed");
        table.begin_closing(reason.clone());
        let _ddl = self.ddl.lock();
        let mut checkpoint = loop {
            // A running checkpoint may still be sealing pages under the key.
            let checkpoint = self.checkpoints.hold();
            let seat = self.seat.lock();
            if !seat.touches(table.id) {
                table.set_closed(reason);
                break checkpoint;
            }
            drop(seat);
            // Who leads may be waiting for one.
            drop(checkpoint);
            // The open group was applied before: it goes its way first.
            self.lead_if_free();
            if self.options.background == Background::Threads {
                std::thread::sleep(Duration::from_micros(200));
            }
        };
        checkpoint.forget_retired(table.id);
        self.published
            .lock()
            .retired
            .retain(|places| places.table != table.id);
        self.keeper.remove(table.id);
    }

    fn try_open_table(
        self: &Arc<Self>,
        table: &Arc<Table>,
        record: &KeyRecord,
        context: &EncryptionContext,
    ) {
        let now = Moment::now(&*self.clock);
        {
            let mut tried = self.keeper.tried.lock();
            let last = tried.entry(table.id).or_insert(Duration::ZERO);
            if now.boot.saturating_sub(*last) < self.options.key_retry && !last.is_zero() {
                return;
            }
            *last = now.boot;
        }
        match record.unwrap(&*self.kms, &Caller::database(), context) {
            Ok(key) => match self.reopen_table(table, key) {
                Ok(true) => {
                    self.keeper.insert(table.id, now);
                    tracing::info!(table = %table.name, "table opened");
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(table = %table.name, %error, "what was carried along for the table cannot be applied");
                    table.begin_closing(ClosedReason::Damaged(Arc::new(error)));
                }
            },
            Err(error) => table.begin_closing(closed_reason(error)),
        }
    }

    /// False if the table has been deleted meanwhile.
    fn reopen_table(self: &Arc<Self>, table: &Arc<Table>, key: TableKey) -> Result<bool, Error> {
        let _ddl = self.ddl.lock();
        if self
            .table(table.name.as_str())
            .is_none_or(|other| other.id != table.id)
        {
            return Ok(false);
        }
        // A record that touches the table may still be on its way. Before checkpoints are kept away: who leads may wait for one.
        while self.published.sequence() < table.logged_to.load(Ordering::Acquire) {
            self.writable()?;
            std::thread::yield_now();
        }
        let checkpoint = self.checkpoints.hold();
        let system = self.system_sealers()?;
        let space = table.record.lock().record.space;
        let open = self.open_table(table.id, space, key);
        let replayed = self.replay_closed(&checkpoint, &system, table, &open)?;
        let _seat = self.seat.lock();
        self.published.lock().retired.push(RetiredPlaces {
            table: table.id,
            space,
            retired: replayed.retired,
        });
        table.set_open(open, replayed.tree, replayed.counters, replayed.sequence);
        Ok(true)
    }

    fn lose_system_key(self: &Arc<Self>, reason: ClosedReason) {
        tracing::error!(%reason, "the system key is lost: the database is closed");
        self.set_system_key_lost(reason.clone());
        // In the seat: a leader that found the database writable closes its group there, with the parts of all its tables.
        let _seat = self.seat.lock();
        for table in self.tables().values() {
            table.begin_closing(reason.clone());
            table.set_closed(reason.clone());
        }
        self.keeper.leases.lock().clear();
    }
}

fn run_out(failure: Option<KeyRecordError>) -> ClosedReason {
    let never_asked = || {
        KeyRecordError::Kms(sealdb_crypto::KmsError::Unavailable {
            provider: "unknown".into(),
            reason: "the key was not refreshed in time".into(),
            source: None,
        })
    };
    ClosedReason::Expired(failure.unwrap_or_else(never_asked))
}

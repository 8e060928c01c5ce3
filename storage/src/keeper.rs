//! The key keeper: how long plaintext table keys live.
//!
//! Each key has a lease. The keeper looks at all of them once a second and refreshes each ahead of its end by having the KMS unwrap the key
//! again. It waits for no call (see [`calls`]): what has run out closes on time, whatever the KMS does. A KMS that says no closes the table at
//! once; one that cannot be reached, or gives no answer, lets it coast, then it closes, always. Closed tables are tried again and open
//! when the KMS says yes. The system's key is kept the same way; without it the whole database is closed until it is opened anew.
//!
//! | lease | KMS | the table |
//! |---|---|---|
//! | fresh | not asked | open |
//! | due | yes | open, lease renewed |
//! | due | away | open, coasting until `key_max_age + key_coast` |
//! | past `key_max_age` unasked (the machine slept) | as above | asked at once; the answer decides |
//! | any | no | closes |
//! | run out | | closes |

mod calls;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use sealdb_crypto::audit::Allowance;
use sealdb_crypto::{
    EncryptionContext, KeyLease, KeyRecordError, LeasePolicy, Moment, TableId, TableKeys,
};

use self::calls::{Answer, Calls};
use crate::catalog::keys::BoundKeys;
use crate::error::{ClosedReason, Error};
use crate::options::{Background, Options};
use crate::shared::Shared;
use crate::table::Table;

/// The leases of all keys in memory.
pub(crate) struct Keeper {
    leases: Mutex<HashMap<TableId, Lease>>,
    /// When closed tables were last tried, in boot time.
    tried: Mutex<HashMap<TableId, Duration>>,
    calls: Arc<Calls>,
    /// One look at a time.
    turn: Mutex<()>,
    policy: LeasePolicy,
    /// How many callers who may not use a key may still be noted.
    pub(crate) refused: Mutex<Allowance>,
}

struct Lease {
    lease: KeyLease,
    /// What the KMS last failed with.
    failure: Option<KeyRecordError>,
    /// When the KMS was last asked, in boot time.
    asked: Option<Duration>,
    /// How often in a row it could not be reached.
    failures: u32,
}

/// How often the keeper looks, and at most asks for one key.
const LOOK: Duration = Duration::from_secs(1);
/// The longest that it lets a KMS be that could not be reached, or a 60th of the time for which keys are used on.
const LONGEST: Duration = Duration::from_secs(30);

impl Keeper {
    pub(crate) fn new(options: &Options) -> Self {
        Keeper {
            leases: Mutex::default(),
            tried: Mutex::default(),
            calls: Arc::default(),
            turn: Mutex::new(()),
            policy: LeasePolicy::new(options.key_max_age, options.key_coast),
            refused: Mutex::default(),
        }
    }

    /// A key was unwrapped; `asked` was read before the call.
    pub(crate) fn insert(&self, table: TableId, asked: Moment) {
        let lease = Lease {
            lease: KeyLease::new(self.policy, asked),
            failure: None,
            asked: None,
            failures: 0,
        };
        self.leases.lock().insert(table, lease);
    }

    pub(crate) fn remove(&self, table: TableId) {
        self.leases.lock().remove(&table);
        self.tried.lock().remove(&table);
        self.calls.forget(table);
    }

    /// How long to wait between two calls for a key. Each call leaves an event, and a trail without room lets no key be refreshed.
    fn pause(&self, failures: u32) -> Duration {
        let longest = LONGEST.min(self.policy.coast / 60).max(LOOK);
        LOOK.saturating_mul(1 << failures.min(5)).min(longest)
    }

    /// A table has other key records: what is still said about the ones before counts no more. `asked`: they were unwrapped, and this was
    /// read before.
    pub(crate) fn replaced(&self, table: TableId, asked: Option<Moment>) {
        self.calls.forget(table);
        if let Some(asked) = asked
            && let Some(held) = self.leases.lock().get_mut(&table)
        {
            held.lease.renew(asked);
            held.failure = None;
        }
    }

    pub(crate) fn wake(&self) {
        self.calls.wake();
    }
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
    while !shared.stopping() {
        if catch_unwind(AssertUnwindSafe(|| shared.keeper_look())).is_err() {
            // No key outlives whoever looks after it.
            shared.lose_system_key(run_out(None));
            return;
        }
        // A suspended machine may have slept through any longer wait.
        shared.keeper.calls.wait(LOOK);
    }
}

impl Shared {
    /// Looks at every key, and waits a while for what the KMS says: refreshes, closes, opens. For callers that drive the keeper.
    pub(crate) fn keeper_tick(self: &Arc<Self>) {
        self.trail.flush();
        self.keeper_look();
        for _ in 0..200 {
            if !self.keeper.calls.waiting() {
                return;
            }
            self.keeper.calls.wait(Duration::from_millis(50));
            self.keeper_look();
        }
    }

    /// Looks at every key once: takes answers, closes what has run out, asks for what is due. Waits for no KMS.
    pub(crate) fn keeper_look(self: &Arc<Self>) {
        let _turn = self.keeper.turn.lock();
        self.take_answers();
        if self.readable().is_err() {
            return;
        }
        let system = || {
            let record = self.root().head.system_key.clone();
            let context = EncryptionContext::for_system(self.database, record.generation);
            BoundKeys::one(record, context)
        };
        if let Some(reason) = self.tend(TableId::SYSTEM, system) {
            self.lose_system_key(reason);
            return;
        }
        self.take_answers();
        for table in self.tables().values() {
            if self.stopping() || self.readable().is_err() {
                return;
            }
            let key = || {
                let records = &table.record.lock().record.keys;
                records.bound(self.database, table.id, table.name.as_str())
            };
            match table.closed_reason() {
                None => {
                    if let Some(reason) = self.tend(table.id, key) {
                        self.close_table(table, reason);
                    }
                }
                Some(ClosedReason::Deleted) => {}
                Some(_) => self.try_open_table(table, key),
            }
            // What was asked inline.
            self.take_answers();
        }
    }

    fn take_answers(self: &Arc<Self>) {
        for Answer { table, asked, key } in self.keeper.calls.answers() {
            if self.readable().is_err() {
                // Keys that came too late are wiped.
                return;
            }
            if table == TableId::SYSTEM {
                if let Some(reason) = self.refreshed(table, asked, key) {
                    self.lose_system_key(reason);
                }
                continue;
            }
            let tables = self.tables();
            let Some(table) = tables.values().find(|other| other.id == table) else {
                continue;
            };
            match table.closed_reason() {
                None => {
                    if let Some(reason) = self.refreshed(table.id, asked, key) {
                        self.close_table(table, reason);
                    }
                }
                Some(ClosedReason::Deleted) => {}
                Some(_) => self.opened(table, asked, key),
            }
        }
    }

    /// Keeps one key; gives a reason if it must be dropped.
    fn tend(&self, id: TableId, key: impl FnOnce() -> BoundKeys) -> Option<ClosedReason> {
        let now = Moment::now(&*self.clock);
        {
            let mut leases = self.keeper.leases.lock();
            let held = leases.get_mut(&id)?;
            let state = held.lease.observe(now);
            if !state.usable() {
                return Some(run_out(held.failure.take()));
            }
            let pause = self.keeper.pause(held.failures);
            let just_asked = |asked| now.boot.saturating_sub(asked) < pause;
            if !state.wants_refresh() || held.asked.is_some_and(just_asked) {
                return None;
            }
        }
        match self.ask(id, key(), now) {
            Ok(asked) => {
                if asked && let Some(held) = self.keeper.leases.lock().get_mut(&id) {
                    held.asked = Some(now.boot);
                }
                None
            }
            Err(error) => self.refreshed(id, now, Err(error)),
        }
    }

    fn ask(&self, id: TableId, keys: BoundKeys, now: Moment) -> Result<bool, KeyRecordError> {
        let inline = self.options.background == Background::Inline;
        self.keeper.calls.ask(&self.kms, (id, keys), now, inline)
    }

    /// What the KMS said about a key in use; gives a reason if it must be dropped.
    fn refreshed(
        &self,
        id: TableId,
        asked: Moment,
        unwrapped: Result<TableKeys, KeyRecordError>,
    ) -> Option<ClosedReason> {
        let mut leases = self.keeper.leases.lock();
        let held = leases.get_mut(&id)?;
        match unwrapped {
            Ok(keys) => {
                if let Some(table) = self.tables().values().find(|table| table.id == id) {
                    table.set_access(keys.access().clone());
                }
                held.lease.renew(asked);
                held.failure = None;
                held.failures = 0;
                None
            }
            Err(error) if error.is_transient() => {
                held.failures = held.failures.saturating_add(1);
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

    /// Drops a table's key, pages and unpublished state. What it has in the log is carried along, sealed.
    pub(crate) fn close_table(self: &Arc<Self>, table: &Arc<Table>, reason: ClosedReason) {
        tracing::warn!(table = %table.name, %reason, "table closed");
        table.note_closed(self.clock.wall_ms());
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

    fn try_open_table(self: &Arc<Self>, table: &Arc<Table>, key: impl FnOnce() -> BoundKeys) {
        let now = Moment::now(&*self.clock);
        let last = self.keeper.tried.lock().get(&table.id).copied();
        if last.is_some_and(|last| now.boot.saturating_sub(last) < self.options.key_retry) {
            return;
        }
        match self.ask(table.id, key(), now) {
            Ok(true) => {
                self.keeper.tried.lock().insert(table.id, now.boot);
            }
            Ok(false) => {}
            Err(error) => table.begin_closing(closed_reason(error)),
        }
    }

    /// What the KMS said about a closed table's key.
    fn opened(
        self: &Arc<Self>,
        table: &Arc<Table>,
        asked: Moment,
        unwrapped: Result<TableKeys, KeyRecordError>,
    ) {
        match unwrapped {
            Ok(keys) => match self.reopen_table(table, keys) {
                Ok(true) => {
                    self.keeper.insert(table.id, asked);
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

    /// False if the table has been deleted meanwhile, or has other keys now.
    fn reopen_table(self: &Arc<Self>, table: &Arc<Table>, keys: TableKeys) -> Result<bool, Error> {
        let _ddl = self.ddl.lock();
        if self
            .table(table.name.as_str())
            .is_none_or(|other| other.id != table.id)
        {
            return Ok(false);
        }
        if !table.record.lock().record.keys.are(&keys) {
            return Ok(false);
        }
        // A record that touches the table may still be on its way. Before checkpoints are kept away: who leads may wait for one.
        while self.published.sequence() < table.logged_to.load(Ordering::Acquire) {
            self.writable()?;
            std::thread::yield_now();
        }
        let checkpoint = self.checkpoints.hold();
        let system = self.system_sealers()?;
        let sealers = self.table_sealers(table.id, keys);
        let replayed = self.replay_closed(&checkpoint, &system, table, sealers)?;
        let _seat = self.seat.lock();
        self.published.lock().retire(table.id, replayed.retired);
        table.set_open(replayed.sealers, replayed.trees, replayed.sequence);
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

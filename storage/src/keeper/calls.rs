//! Calls of the KMS that unwrap keys, each on a thread of its own: one that hangs holds up nobody.
//!
//! One call per key at a time, and no second one while another is younger than [`SLOW`]: a KMS that answers promptly is asked one thing
//! after the other. A call that takes longer than [`PATIENCE`] is given up and counts as "cannot be reached"; what it answers later is
//! dropped, its key wiped. At most [`STUCK`] calls for one key and [`THREADS`] in all are waited for or given up and still under way.
//!
//! The threads hold the KMS and nothing of the database: closing it waits for none of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use sealdb_crypto::{Caller, KeyRecordError, Kms, KmsError, Moment, TableId, TableKeys};

use crate::catalog::keys::BoundKeys;

/// A call that is older does not keep others from being made.
const SLOW: Duration = Duration::from_secs(1);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Calls under way for one key.
const STUCK: usize = 3;
/// Calls under way for all keys.
const THREADS: usize = 64;

/// What the KMS said.
pub(super) struct Answer {
    pub(super) table: TableId,
    /// Read before the call: a slow answer does not lengthen the key's life.
    pub(super) asked: Moment,
    pub(super) key: Result<TableKeys, KeyRecordError>,
}

/// The calls under way, and the answers that were not looked at yet.
#[derive(Default)]
pub(super) struct Calls {
    state: Mutex<State>,
    /// An answer came, or the keeper is to look for another reason.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    number: u64,
    waited_for: HashMap<TableId, Call>,
    /// Threads under way, given up or not.
    under_way: HashMap<TableId, usize>,
    answers: Vec<Answer>,
    woken: bool,
}

struct Call {
    number: u64,
    begun: Duration,
}

impl Calls {
    /// Asks the KMS to unwrap a key, unless that is being asked or must wait. With `inline` it is asked here and now.
    ///
    /// True if it was asked. An error if the last call has taken too long, or too many have.
    pub(super) fn ask(
        self: &Arc<Self>,
        kms: &Arc<dyn Kms>,
        (table, keys): (TableId, BoundKeys),
        now: Moment,
        inline: bool,
    ) -> Result<bool, KeyRecordError> {
        let number = {
            let mut state = self.state.lock();
            if let Some(call) = state.waited_for.get(&table) {
                if now.boot.saturating_sub(call.begun) < PATIENCE {
                    return Ok(false);
                }
                state.waited_for.remove(&table);
                return Err(no_answer(&keys));
            }
            let begun_just_now = |call: &Call| now.boot.saturating_sub(call.begun) < SLOW;
            let stuck = state.under_way.get(&table).copied().unwrap_or(0);
            if state.waited_for.values().any(begun_just_now) {
                return Ok(false);
            }
            if stuck >= STUCK || state.under_way.values().sum::<usize>() >= THREADS {
                return Err(no_answer(&keys));
            }
            state.number += 1;
            let number = state.number;
            let begun = now.boot;
            state.waited_for.insert(table, Call { number, begun });
            *state.under_way.entry(table).or_default() += 1;
            number
        };
        let (calls, kms) = (self.clone(), kms.clone());
        let call = move || {
            // Whatever becomes of the call, it is not under way any more.
            let _ended = Ended(&calls, table);
            let key = keys.unwrap(&*kms, &Caller::database());
            calls.answered(
                number,
                Answer {
                    table,
                    asked: now,
                    key,
                },
            );
        };
        if inline {
            call();
            return Ok(true);
        }
        let thread = std::thread::Builder::new().name("sealdb-kms".into());
        if let Err(error) = thread.spawn(call) {
            tracing::warn!(%error, "no thread to ask the key provider with");
            self.forget(table);
            self.ended(table);
        }
        Ok(true)
    }

    fn answered(&self, number: u64, answer: Answer) {
        let mut state = self.state.lock();
        let current = state.waited_for.get(&answer.table);
        if current.is_some_and(|call| call.number == number) {
            state.waited_for.remove(&answer.table);
            state.answers.push(answer);
        }
    }

    fn ended(&self, table: TableId) {
        let mut state = self.state.lock();
        if let Some(under_way) = state.under_way.get_mut(&table) {
            *under_way -= 1;
            if *under_way == 0 {
                state.under_way.remove(&table);
            }
        }
        state.woken = true;
        drop(state);
        self.changed.notify_all();
    }

    /// Nobody waits for an answer about this key any more.
    pub(super) fn forget(&self, table: TableId) {
        let mut state = self.state.lock();
        state.waited_for.remove(&table);
        state.answers.retain(|answer| answer.table != table);
    }

    /// What was answered since.
    pub(super) fn answers(&self) -> Vec<Answer> {
        std::mem::take(&mut self.state.lock().answers)
    }

    /// Whether an answer is waited for.
    pub(super) fn waiting(&self) -> bool {
        let state = self.state.lock();
        !state.waited_for.is_empty() || !state.answers.is_empty()
    }

    pub(super) fn wake(&self) {
        self.state.lock().woken = true;
        self.changed.notify_all();
    }

    /// Waits for an answer or [`Calls::wake`], at most this long.
    pub(super) fn wait(&self, at_most: Duration) {
        let mut state = self.state.lock();
        if !state.woken {
            self.changed.wait_for(&mut state, at_most);
        }
        state.woken = false;
    }
}

/// Counts a call as ended when dropped, also after a panic.
struct Ended<'a>(&'a Calls, TableId);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.ended(self.1);
    }
}

fn no_answer(keys: &BoundKeys) -> KeyRecordError {
    KeyRecordError::Kms(KmsError::Unavailable {
        provider: keys.provider().to_owned(),
        reason: format!("no answer within {} seconds", PATIENCE.as_secs()),
        source: None,
    })
}

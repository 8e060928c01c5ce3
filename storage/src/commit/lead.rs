//! Making groups durable: one leader at a time.
//!
//! The leader makes room in the log, closes the open group, seals and writes its record, syncs, publishes the new trees and only then
//! answers. While it writes and syncs, others apply their mutations to the next group. So record N + 1 is written only after N is
//! durable, and a group holds what arrived during one sync.
//!
//! A thread that commits leads if nobody does; it goes on for a few groups if there is more to do, and then calls one of those who wait,
//! or the log thread. Tasks never lead: the log thread does it for them.
//!
//! | crash | after recovery |
//! |---|---|
//! | before the record is written, or while it is | the group is absent |
//! | after the write, before the sync has returned | the group is there or absent, whole; nobody was told |
//! | after the sync | the group is there |
//!
//! Errors: no room in the log takes the open group back, and its callers get [`Error::StorageFull`]. A failed write or sync of a record gives its
//! callers [`Error::UnknownOutcome`] and makes the database read-only until it is opened again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::queue::{Pending, Sleeper};
use super::seat::ClosedGroup;
use super::txn::Effect;
use crate::error::{ClosedReason, Error};
use crate::log::writer::Written;
use crate::options::{Background, Durability};
use crate::shared::Shared;

/// How many groups a thread leads beyond its own before it hands over: a hand-over costs about half a sync.
const LEAD_AT_MOST: usize = 4;

/// The longest that a group is held back because dirty pages grow faster than checkpoints clean them.
const SLOWEST: Duration = Duration::from_millis(20);

/// Who leads.
#[derive(Default)]
pub(crate) struct Pipeline {
    state: Mutex<State>,
    log_thread: Condvar,
    stopped: Condvar,
}

#[derive(Default)]
struct State {
    leading: bool,
    /// The log thread is asked to lead.
    called: bool,
    stop: bool,
    sleepers: VecDeque<Arc<dyn Sleeper>>,
    /// When there are so many, those who have their answers are looked for: nobody does while the log thread leads on and on.
    sweep_at: usize,
}

impl Pipeline {
    /// Takes the lead if nobody has it; otherwise notes who can be called.
    pub(super) fn begin_or_sleep(&self, sleeper: Arc<dyn Sleeper>) -> bool {
        let mut state = self.state.lock();
        if state.leading {
            if state.sleepers.len() >= state.sweep_at.max(64) {
                state.sleepers.retain(|sleeper| sleeper.waits());
                state.sweep_at = 2 * state.sleepers.len();
            }
            state.sleepers.push_back(sleeper);
            return false;
        }
        state.leading = true;
        true
    }

    fn begin(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().leading, true)
    }

    /// Gives the lead up. If there is more to do, calls a thread that waits, or else the log thread.
    fn end(&self, more: impl FnOnce() -> bool) {
        let mut state = self.state.lock();
        state.leading = false;
        if !more() {
            // Those who wait have their answers, or are about to queue again: they will lead themselves.
            state.sleepers.clear();
            return;
        }
        while let Some(sleeper) = state.sleepers.pop_front() {
            if sleeper.promote() {
                return;
            }
        }
        state.called = true;
        self.log_thread.notify_one();
    }

    fn call_log_thread(&self) {
        let mut state = self.state.lock();
        if !state.leading {
            state.called = true;
            self.log_thread.notify_one();
        }
    }

    /// Waits until the log thread is called; false if it is told to stop.
    pub(super) fn log_thread_waits(&self) -> bool {
        let mut state = self.state.lock();
        while !state.stop && !std::mem::take(&mut state.called) {
            self.log_thread.wait(&mut state);
        }
        !state.stop
    }

    /// Waits so long; false if it is told to stop.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.stop {
            self.stopped.wait_for(&mut state, time);
        }
        !state.stop
    }

    pub(crate) fn stop(&self) {
        self.state.lock().stop = true;
        self.log_thread.notify_all();
        self.stopped.notify_all();
    }
}

/// Dropped only if a panic passes by while its thread leads. What the log holds is not known then: the database is read-only until it
/// is opened again, who waits is told, and the lead is free.
struct LeaderPanicked<'s>(&'s Arc<Shared>);

impl Drop for LeaderPanicked<'_> {
    fn drop(&mut self) {
        let error = Error::System("a thread panicked while it made a group durable".into());
        tracing::error!(%error, "read-only until opened again");
        self.0.set_read_only(error);
        if let Err(error) = self.0.writable() {
            self.0.refuse(&error);
        }
        self.0.pipeline.end(|| false);
    }
}

/// Whether the group went.
enum Led {
    /// There was one, or callers to answer.
    Group,
    Nothing,
}

impl Shared {
    /// Sees to it that somebody leads, if there is something to do.
    pub(super) fn kick(self: &Arc<Self>) {
        match self.options.background {
            // A closed database has no log thread. Refusing does not block.
            Background::Threads if self.writable().is_err() => self.lead_if_free(),
            Background::Threads => {
                let seat_idle = self.seat.try_lock().is_some_and(|seat| seat.is_idle());
                if !self.queue.is_empty() || !seat_idle || !self.orphans.lock().is_empty() {
                    self.pipeline.call_log_thread();
                }
            }
            Background::Inline => {
                if self.pipeline.begin() {
                    self.lead(&|| false);
                }
            }
        }
    }

    fn has_pending(&self) -> bool {
        // In this order: what leaves the queue is in the group before its holder leaves the seat.
        !self.queue.is_empty() || !self.seat.lock().is_idle() || !self.orphans.lock().is_empty()
    }

    /// Leads until there is nothing to do; stops earlier if `done` and a few groups have passed. The caller has the lead.
    pub(super) fn lead(self: &Arc<Self>, done: &dyn Fn() -> bool) {
        let panicked = LeaderPanicked(self);
        let mut groups = 0;
        while let Led::Group = self.lead_one() {
            groups += 1;
            if groups >= LEAD_AT_MOST && done() {
                break;
            }
        }
        std::mem::forget(panicked);
        self.pipeline.end(|| self.has_pending());
        self.after_group();
    }

    /// The log thread's turn.
    pub(crate) fn lead_if_free(self: &Arc<Self>) {
        if self.pipeline.begin() {
            self.lead(&|| false);
        }
    }

    fn lead_one(self: &Arc<Self>) -> Led {
        let group = loop {
            if let Err(error) = self.back_pressure() {
                return self.refuse(&error);
            }
            let mut seat = self.seat.lock();
            self.drain(&mut seat);
            if seat.is_idle() {
                return Led::Nothing;
            }
            if let Err(error) = self.writable() {
                drop(seat);
                return self.refuse(&error);
            }
            let need = seat.record_bytes() as u64;
            if self.log.lock().promise_room(need) {
                break seat.close();
            }
            // Room may mean a new file: not while holding the seat.
            drop(seat);
            if let Err(error) = self.make_room_somehow(need) {
                return self.refuse(&error);
            }
        };
        self.finish(group);
        Led::Group
    }

    /// Makes room in the log. Where it fills the disk itself, a checkpoint lets it go.
    fn make_room_somehow(self: &Arc<Self>, need: u64) -> Result<(), Error> {
        match self.make_room(need) {
            Err(Error::StorageFull) if self.log.lock().bytes_since_checkpoint() > 0 => {}
            other => return other,
        }
        match self.options.background {
            // What it fails with says less than what there is no room for.
            Background::Inline => drop(self.checkpoint_now()),
            Background::Threads => {
                let (before, _) = self.checkpoints.ended();
                // One that is under way may have begun before what fills the disk.
                while self.checkpoints.ended().0 < before + 2 && !self.stopping() {
                    self.writable()?;
                    self.request_checkpoint();
                    self.checkpoints.wait_progress(Duration::from_millis(100));
                }
            }
        }
        self.make_room(need)
    }

    /// Takes the open group back and tells its callers why.
    fn refuse(self: &Arc<Self>, error: &Error) -> Led {
        let (waiting, queued) = {
            let mut seat = self.seat.lock();
            // Those who are queued have not run; they would meet the same.
            (seat.rollback(), self.queue.take_all())
        };
        let any = !waiting.is_empty() || !queued.is_empty();
        for pending in waiting.into_iter().chain(queued) {
            pending.answer(Err(error));
        }
        if any { Led::Group } else { Led::Nothing }
    }

    fn finish(self: &Arc<Self>, mut group: ClosedGroup) {
        let waiting = std::mem::take(&mut group.waiting);
        let durable = if group.is_empty() {
            Ok(())
        } else {
            self.make_durable(group)
        };
        answer(waiting, durable.as_ref().copied());
    }

    fn make_durable(self: &Arc<Self>, group: ClosedGroup) -> Result<(), Error> {
        let written = {
            let mut log = self.log.lock();
            log.append(self, &group)
        };
        let written = match written {
            Ok(written) => written,
            Err(error) => return Err(self.fail_writes(error)),
        };
        if self.options.durability == Durability::Commit {
            // Crash here: the record may or may not be found; nobody was told.
            if let Err(error) = self.engine.log_sync(written.segment) {
                return Err(self.fail_writes(error.into()));
            }
            self.log.lock().synced(written.sequence);
        }
        self.publish(group, written);
        Ok(())
    }

    /// The state of the log on the device is not known any more.
    fn fail_writes(&self, error: Error) -> Error {
        tracing::error!(%error, "the log cannot be written: read-only until opened again");
        self.set_read_only(error.clone());
        match error {
            Error::Engine(engine) => Error::UnknownOutcome(engine),
            other => other,
        }
    }

    fn publish(self: &Arc<Self>, group: ClosedGroup, written: Written) {
        let mut published = self.published.lock();
        for part in group.parts {
            // A table that is closing goes back to its last checkpoint: what the group gave up is needed there.
            if part.table.publish(part.view) {
                published.retire(part.table.id, part.retired);
            }
        }
        for effect in group.effects {
            match effect {
                Effect::Create(table) => {
                    published.tables.insert(table.id, table.clone());
                    self.insert_table(&table);
                }
                Effect::Alter(table, definition) => {
                    published.dropped.extend(table.redefine(*definition));
                }
                Effect::Keys(table, records, step) => {
                    table.set_keys(*records, step, group.sequence);
                }
                // Known since it was applied.
                Effect::Token(..) => {}
                Effect::Delete(table) => {
                    published.tables.remove(&table.id);
                    published.dropped.extend(table.definition().spaces());
                    published.deleted.push(table.clone());
                    published.retired.retain(|places| places.table != table.id);
                    self.remove_table(&table);
                    table.set_closed(ClosedReason::Deleted);
                }
            }
        }
        published.tag = written.tag;
        published.position = written.next;
        self.published.advance(group.sequence);
    }

    /// Holds the leader back while dirty pages grow faster than they are cleaned.
    fn back_pressure(self: &Arc<Self>) -> Result<(), Error> {
        let mut before = None;
        loop {
            let dirty = self.cache.dirty_bytes();
            let (slow, stop) = (
                self.options.dirty_slow_bytes(),
                self.options.dirty_stop_bytes(),
            );
            let log = self.log.lock().bytes_since_checkpoint();
            let log_stop = 2 * self.options.log_limit;
            if dirty < slow && log < log_stop {
                return Ok(());
            }
            if self.options.background == Background::Inline {
                // The test drives: what would be waited for is done here.
                return match self.checkpoint_now() {
                    Err(error @ (Error::StorageFull | Error::ReadOnly(_)))
                        if dirty >= stop || log >= log_stop =>
                    {
                        Err(error)
                    }
                    _ => Ok(()),
                };
            }
            self.request_checkpoint();
            if dirty < stop && log < log_stop {
                // In proportion: from nothing at `slow` to the most at `stop`.
                let over = u32::try_from((dirty - slow) * 64 / (stop - slow)).unwrap_or(64);
                self.checkpoints.wait_progress(SLOWEST * over / 64);
                return Ok(());
            }
            self.writable()?;
            // The second one began after this leader came. If it failed, so does the write: that an earlier one failed says nothing
            // about the disk as it is now. Else what is dirty still belongs to the open group, which no checkpoint can clean, or to
            // readers.
            let (ended, failed) = self.checkpoints.ended();
            if ended >= *before.get_or_insert(ended) + 2 {
                return failed.map_or(Ok(()), Err);
            }
            self.checkpoints.wait_progress(Duration::from_millis(100));
        }
    }

    /// What is due after a group: never done while leading.
    fn after_group(self: &Arc<Self>) {
        if self.serve_orphans() {
            self.kick();
        }
        let due = self.checkpoint_due();
        if self.options.background == Background::Threads && self.log.lock().wants_spare() {
            self.room.wake();
        }
        if !due {
            return;
        }
        match self.options.background {
            Background::Threads => self.request_checkpoint(),
            Background::Inline => {
                // A failure stays with the checkpoint: it is tried again by the next group.
                let _ = self.checkpoint_now();
            }
        }
    }
}

impl Shared {
    /// Makes everything that was queued durable, does `last` while nobody else can lead, and refuses what comes later.
    pub(crate) fn lead_to_the_end(
        self: &Arc<Self>,
        last: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        while !self.pipeline.begin() {
            std::thread::sleep(Duration::from_micros(100));
        }
        let panicked = LeaderPanicked(self);
        while let Led::Group = self.lead_one() {}
        let ended = last();
        self.refuse(&Error::Closed);
        std::mem::forget(panicked);
        self.pipeline.end(|| false);
        ended
    }

    /// Answers everybody who still waits for the seat. After the threads have ended.
    pub(crate) fn fail_queued(self: &Arc<Self>, error: &Error) {
        if self.pipeline.begin() {
            self.refuse(error);
            self.pipeline.end(|| false);
        }
    }

    /// Writes the record that tells a clean close.
    pub(crate) fn end_log(self: &Arc<Self>) -> Result<(), Error> {
        self.make_room(4096)?;
        let mut log = self.log.lock();
        let written = log.append_end(self)?;
        self.engine.log_sync(written.segment)?;
        log.synced(written.sequence);
        Ok(())
    }
}

fn answer(waiting: Vec<Box<dyn Pending>>, durable: Result<(), &Error>) {
    for pending in waiting {
        pending.answer(durable);
    }
}

//! The way into the writer's seat, and back with an answer.
//!
//! A caller puts its mutation into the queue and tries the seat. Who gets the seat applies everything that is queued, its own
//! and others'; who does not get it need not wait for it: the holder looks again before and after it leaves. The caller then waits
//! for its answer: a task through a channel, a thread on its [`Slot`], where it may also be asked to lead (see `lead`).
//!
//! Guaranteed: a mutation that was queued runs, whether or not its caller is still there, and is answered once. Order between
//! mutations that overlap in time is the queue's.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::seat::{Applied, Seat};
use super::txn::{PageNeed, Txn, TxnError};
use crate::error::Error;
use crate::shared::Shared;
use crate::tree::PageHold;

/// A mutation that waits for the seat, or for its group to be durable.
pub(crate) trait Pending: Send {
    /// Runs in the seat. Answers by itself only if a page is missing.
    fn run(self: Box<Self>, seat: &mut Seat) -> Ran;
    /// Keeps a page that it needs in memory until it has run.
    fn hold(&mut self, page: Option<PageHold>);
    /// The group is durable (`Ok`), or it is not.
    fn answer(self: Box<Self>, durable: Result<(), &Error>);
}

/// What became of a mutation in the seat.
pub(crate) enum Ran {
    /// It waits for the group, with its result.
    Waits(Box<dyn Pending>),
    /// It was handed back to its caller, who loads a page and queues it again.
    HandedBack,
    /// The same, but its caller is gone: someone else has to load the page.
    Orphan(Orphan),
}

/// A mutation without a caller, and the page that it needs.
pub(crate) struct Orphan {
    pub(crate) need: PageNeed,
    pub(crate) mutation: Box<dyn Pending>,
}

/// What a caller gets back.
pub(super) enum Reply<F, R> {
    Done(Result<R, Error>),
    Load(F, Vec<PageHold>, PageNeed),
}

enum To<F, R> {
    Task(oneshot::Sender<Reply<F, R>>),
    Thread(Asleep<F, R>),
    Nobody,
}

/// A thread that waits. If this is dropped without a reply, because of a panic, the thread is told so instead of sleeping for ever; a
/// task learns it from its channel.
struct Asleep<F, R>(Arc<Slot<Reply<F, R>>>);

impl<F, R> Drop for Asleep<F, R> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if state.reply.is_none() && !state.left {
            state.reply = Some(Reply::Done(Err(panicked())));
            drop(state);
            self.0.changed.notify_one();
        }
    }
}

/// What becomes of a mutation whose answer was lost in a panic.
fn panicked() -> Error {
    Error::System("a thread panicked before it answered; the outcome is not known".into())
}

impl<F, R> To<F, R> {
    /// Gives the reply back if nobody is there to take it.
    fn send(self, reply: Reply<F, R>) -> Result<(), Reply<F, R>> {
        match self {
            To::Task(sender) => sender.send(reply),
            To::Thread(thread) => {
                thread.0.fill(reply);
                Ok(())
            }
            To::Nobody => Err(reply),
        }
    }
}

struct Mutation<F, R> {
    f: F,
    /// The pages that were loaded for it so far.
    held: Vec<PageHold>,
    to: To<F, R>,
}

struct Waiting<F, R> {
    result: Result<R, Error>,
    to: To<F, R>,
}

impl<F, R> Pending for Mutation<F, R>
where
    F: FnMut(&mut Txn) -> Result<R, TxnError> + Send + 'static,
    R: Send + 'static,
{
    fn run(mut self: Box<Self>, seat: &mut Seat) -> Ran {
        let result = match seat.run(&mut self.f) {
            Applied::Yes(result) => Ok(result),
            Applied::No(error) => Err(error),
            Applied::Load(need) => {
                return match self.to.send(Reply::Load(self.f, self.held, need)) {
                    Err(Reply::Load(f, held, need)) => Ran::Orphan(Orphan {
                        need,
                        mutation: Box::new(Mutation {
                            f,
                            held,
                            to: To::Nobody,
                        }),
                    }),
                    _ => Ran::HandedBack,
                };
            }
        };
        Ran::Waits(Box::new(Waiting {
            result,
            to: self.to,
        }))
    }

    fn hold(&mut self, page: Option<PageHold>) {
        self.held.extend(page);
    }

    fn answer(self: Box<Self>, durable: Result<(), &Error>) {
        // Never ran: only an error can be told.
        if let Err(error) = durable {
            let _ = self.to.send(Reply::Done(Err(error.clone())));
        }
    }
}

impl<F, R> Pending for Waiting<F, R>
where
    F: Send + 'static,
    R: Send + 'static,
{
    fn run(self: Box<Self>, _: &mut Seat) -> Ran {
        Ran::Waits(self)
    }

    fn hold(&mut self, _: Option<PageHold>) {}

    fn answer(self: Box<Self>, durable: Result<(), &Error>) {
        let result = match durable {
            Ok(()) => self.result,
            Err(error) => Err(error.clone()),
        };
        // The caller may be gone; its mutation is done all the same.
        let _ = self.to.send(Reply::Done(result));
    }
}

/// Where a thread waits for its answer, or for a call to lead.
pub(super) struct Slot<T> {
    state: Mutex<SlotState<T>>,
    changed: Condvar,
}

struct SlotState<T> {
    reply: Option<T>,
    lead: bool,
    /// The reply was taken: its thread does not wait here any more.
    left: bool,
}

/// A waiting thread that can be asked to lead.
pub(super) trait Sleeper: Send + Sync {
    /// False if it has its answer already, taken or not.
    fn promote(&self) -> bool;
    /// Whether it has no answer yet.
    fn waits(&self) -> bool;
}

impl<T> Slot<T> {
    fn new() -> Arc<Self> {
        Arc::new(Slot {
            state: Mutex::new(SlotState {
                reply: None,
                lead: false,
                left: false,
            }),
            changed: Condvar::new(),
        })
    }

    fn fill(&self, reply: T) {
        self.state.lock().reply = Some(reply);
        self.changed.notify_one();
    }

    fn take(&self) -> Option<T> {
        self.state.lock().take()
    }

    /// Waits for an answer or a call to lead. The flag tells that a call came.
    fn wait(&self) -> (Option<T>, bool) {
        let mut state = self.state.lock();
        while state.reply.is_none() && !state.lead {
            self.changed.wait(&mut state);
        }
        (state.take(), std::mem::take(&mut state.lead))
    }
}

impl<T> SlotState<T> {
    fn take(&mut self) -> Option<T> {
        let reply = self.reply.take();
        self.left |= reply.is_some();
        reply
    }
}

impl<T: Send> Sleeper for Slot<T> {
    fn waits(&self) -> bool {
        let state = self.state.lock();
        state.reply.is_none() && !state.left
    }

    fn promote(&self) -> bool {
        let mut state = self.state.lock();
        if state.reply.is_some() || state.left {
            return false;
        }
        state.lead = true;
        drop(state);
        self.changed.notify_one();
        true
    }
}

/// Mutations on their way to the seat.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<VecDeque<Box<dyn Pending>>>,
}

impl Queue {
    fn push(&self, mutation: Box<dyn Pending>) {
        self.waiting.lock().push_back(mutation);
    }

    fn pop(&self) -> Option<Box<dyn Pending>> {
        self.waiting.lock().pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().is_empty()
    }

    pub(super) fn take_all(&self) -> VecDeque<Box<dyn Pending>> {
        std::mem::take(&mut *self.waiting.lock())
    }
}

impl Shared {
    /// Commits a mutation; the answer comes when its group is durable.
    ///
    /// # Errors
    /// What the mutation failed with; [`Error::StorageFull`] and [`Error::ReadOnly`] with nothing applied;
    /// [`Error::UnknownOutcome`].
    pub(crate) async fn commit<F, R>(self: &Arc<Self>, mut f: F) -> Result<R, Error>
    where
        F: FnMut(&mut Txn) -> Result<R, TxnError> + Send + 'static,
        R: Send + 'static,
    {
        let (mut held, mut failed) = (Vec::new(), None);
        loop {
            self.accepts_writes()?;
            let (sender, receiver) = oneshot::channel();
            self.queue.push(Box::new(Mutation {
                f,
                held,
                to: To::Task(sender),
            }));
            self.combine();
            self.kick();
            match receiver.await {
                Ok(Reply::Done(result)) => return result,
                Ok(Reply::Load(back, pages, need)) => {
                    (f, held) = (back, pages);
                    need.unless_failed(failed.take())?;
                    match need.load().await {
                        Ok(page) => held.extend(page),
                        Err(error) => failed = Some((need, error)),
                    }
                }
                Err(_) => return Err(self.readable().err().unwrap_or_else(panicked)),
            }
        }
    }

    /// The same for a thread that may block: if nobody leads, it makes its group durable itself.
    ///
    /// # Errors
    /// As [`Shared::commit`].
    pub(crate) fn commit_blocking<F, R>(self: &Arc<Self>, mut f: F) -> Result<R, Error>
    where
        F: FnMut(&mut Txn) -> Result<R, TxnError> + Send + 'static,
        R: Send + 'static,
    {
        let (mut held, mut failed) = (Vec::new(), None);
        loop {
            self.accepts_writes()?;
            let slot = Slot::new();
            self.queue.push(Box::new(Mutation {
                f,
                held,
                to: To::Thread(Asleep(slot.clone())),
            }));
            self.combine();
            match self.await_slot(&slot) {
                Reply::Done(result) => return result,
                Reply::Load(back, pages, need) => {
                    (f, held) = (back, pages);
                    need.unless_failed(failed.take())?;
                    match need.load_blocking() {
                        Ok(page) => held.extend(page),
                        Err(error) => failed = Some((need, error)),
                    }
                }
            }
        }
    }

    fn await_slot<T: Send + 'static>(self: &Arc<Self>, slot: &Arc<Slot<T>>) -> T {
        loop {
            if let Some(reply) = slot.take() {
                return reply;
            }
            if self.pipeline.begin_or_sleep(slot.clone()) {
                self.lead(&|| slot.state.lock().reply.is_some());
                continue;
            }
            let (reply, called) = slot.wait();
            if let Some(reply) = reply {
                if called {
                    // Someone counted on this thread to lead.
                    self.kick();
                }
                return reply;
            }
        }
    }

    /// Applies what is queued, if the seat is free. Whoever holds it looks at the queue again when it leaves.
    pub(super) fn combine(self: &Arc<Self>) {
        loop {
            let Some(mut seat) = self.seat.try_lock() else {
                return;
            };
            let full = self.drain(&mut seat);
            drop(seat);
            if full || self.queue.is_empty() {
                return;
            }
        }
    }

    /// Applies what is queued until the group is full; true if it is.
    pub(super) fn drain(self: &Arc<Self>, seat: &mut Seat) -> bool {
        while !seat.is_full(self) {
            let Some(mutation) = self.queue.pop() else {
                return false;
            };
            match mutation.run(seat) {
                Ran::Waits(waiting) => seat.enlist(waiting),
                Ran::HandedBack => {}
                Ran::Orphan(orphan) => self.adopt(orphan),
            }
        }
        true
    }

    /// Queues a mutation again after its page was loaded.
    pub(super) fn requeue(self: &Arc<Self>, mutation: Box<dyn Pending>) {
        self.queue.push(mutation);
        self.combine();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_has_taken_its_answer_is_not_called_to_lead() {
        let slot = Slot::new();
        assert!(slot.promote());
        slot.fill(1);
        assert!(!slot.promote());
        assert_eq!(slot.take(), Some(1));
        assert!(!slot.promote(), "nobody waits here any more");
    }

    #[test]
    fn a_thread_whose_mutation_is_lost_in_a_panic_is_told() {
        let slot: Arc<Slot<Reply<(), ()>>> = Slot::new();
        drop(To::Thread(Asleep(slot.clone())));
        assert!(matches!(
            slot.take(),
            Some(Reply::Done(Err(Error::System(_))))
        ));

        let slot: Arc<Slot<Reply<(), ()>>> = Slot::new();
        let sent = To::Thread(Asleep(slot.clone())).send(Reply::Done(Ok(())));
        assert!(sent.is_ok() && matches!(slot.take(), Some(Reply::Done(Ok(())))));
        assert!(slot.take().is_none(), "one answer");
    }
}

//! Group commit, for databases that sync once for each commit and leave it to their users to put many writes into one.
//!
//! As SealDB does it: the first of those who wait leads. It commits what waits, at most [`GROUP`] puts, while others queue; tells the
//! group; goes on with the next group, at most [`LEAD_AT_MOST`] times, as a hand-over costs about half a sync; and calls one of those
//! who wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use crate::Failure;

/// Puts of one group at most.
pub const GROUP: usize = 1_024;
/// Groups of one leader beyond its own.
pub const LEAD_AT_MOST: usize = 4;

const WAITS: u8 = 0;
const LEADS: u8 = 1;
const DONE: u8 = 2;
const FAILED: u8 = 3;

/// Who waits, and whether somebody commits.
#[derive(Debug)]
pub struct Group<P> {
    queue: Mutex<Queue<P>>,
}

#[derive(Debug)]
struct Queue<P> {
    waiting: VecDeque<(P, Arc<Place>)>,
    /// While somebody does, only the leader takes from `waiting`.
    led: bool,
}

/// A thread that waits.
#[derive(Debug)]
struct Place {
    thread: Thread,
    state: AtomicU8,
}

impl Place {
    fn tell(&self, state: u8) {
        self.state.store(state, Ordering::Release);
        self.thread.unpark();
    }

    fn wait(&self) -> u8 {
        loop {
            match self.state.load(Ordering::Acquire) {
                WAITS => std::thread::park(),
                told => return told,
            }
        }
    }
}

impl<P> Default for Group<P> {
    fn default() -> Self {
        Self {
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                led: false,
            }),
        }
    }
}

impl<P> Group<P> {
    /// Returns when `put` is committed, by this thread with `commit` or by another.
    ///
    /// # Errors
    /// That of the commit. Only its leader learns which.
    pub fn submit(
        &self,
        put: P,
        mut commit: impl FnMut(Vec<P>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let place = Arc::new(Place {
            thread: std::thread::current(),
            state: AtomicU8::new(WAITS),
        });
        let must_wait = {
            let mut queue = self.lock();
            queue.waiting.push_back((put, place.clone()));
            std::mem::replace(&mut queue.led, true)
        };
        if must_wait {
            match place.wait() {
                LEADS => {}
                DONE => return Ok(()),
                _ => return Err("the group that it was in was not committed".into()),
            }
        }
        // Who leads is the first in the queue: its own put is in its first group.
        let own = self.commit_one(&mut commit);
        for _ in 0..LEAD_AT_MOST {
            if own.is_err() || self.lock().waiting.is_empty() {
                break;
            }
            // Its members are told if this one fails; this thread's put is safe.
            let _ = self.commit_one(&mut commit);
        }
        self.hand_over();
        own
    }

    fn commit_one(
        &self,
        commit: &mut impl FnMut(Vec<P>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (puts, places): (Vec<P>, Vec<Arc<Place>>) = {
            let mut queue = self.lock();
            let count = queue.waiting.len().min(GROUP);
            queue.waiting.drain(..count).unzip()
        };
        let outcome = commit(puts);
        let told = if outcome.is_ok() { DONE } else { FAILED };
        for place in places {
            place.tell(told);
        }
        outcome
    }

    fn hand_over(&self) {
        let mut queue = self.lock();
        match queue.waiting.front() {
            Some((_, next)) => next.tell(LEADS),
            None => queue.led = false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<P>> {
        // Nothing that can panic happens under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_put_is_committed_once_and_one_leader_at_a_time() {
        const THREADS: u64 = 16;
        const EACH: u64 = 200;
        let group = Group::default();
        let (committed, busy) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        let commit = |puts: Vec<u64>| {
            assert!(!busy.swap(true, Ordering::SeqCst), "two commit at once");
            std::thread::sleep(Duration::from_micros(50));
            committed.lock().unwrap().push(puts);
            busy.store(false, Ordering::SeqCst);
            Ok(())
        };
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (group, committed) = (&group, &committed);
                scope.spawn(move || {
                    for n in 0..EACH {
                        let put = thread * EACH + n;
                        group.submit(put, commit).unwrap();
                        let groups = committed.lock().unwrap();
                        assert!(groups.iter().flatten().any(|done| *done == put));
                    }
                });
            }
        });
        let groups = committed.into_inner().unwrap();
        assert!(groups.iter().any(|group| group.len() > 1));
        let mut puts: Vec<u64> = groups.into_iter().flatten().collect();
        puts.sort_unstable();
        assert!(puts.into_iter().eq(0..THREADS * EACH));
    }

    #[test]
    fn a_failure_reaches_all_of_its_group_and_nobody_else() {
        let group = Group::default();
        let refuse = |_: Vec<u64>| Err("no".into());
        assert_eq!(group.submit(1, refuse).unwrap_err().to_string(), "no");
        group.submit(2, |_| Ok(())).unwrap();
        let group = &group;
        let failed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| scope.spawn(move || group.submit(n, refuse).is_err()))
                .collect();
            let failed = |thread: std::thread::ScopedJoinHandle<'_, bool>| thread.join().unwrap();
            threads
                .into_iter()
                .map(failed)
                .filter(|failed| *failed)
                .count()
        });
        assert_eq!(failed, 8);
    }
}

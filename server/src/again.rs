//! A task that wakes itself goes on at once.
//!
//! A connection of HTTP/2 is woken whenever one of its calls is answered or ends, and when what was gathered is to leave
//! ([`crate::gathered`]): of short calls all of that comes from the connection's own task. To the runtime a task that wakes itself is work for
//! everybody: it goes to the end of the queue, and a worker that sleeps is woken to take it, for a microsecond's work. Here what was asked
//! for during a pass over the connection is done by one more pass, before the task rests.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Passes in a row. Then it is the others' turn, whatever is asked for.
const PASSES: u8 = 4;

/// Nobody polls; who wakes, wakes the task.
const RESTS: u8 = 0;
/// A pass is made, and nobody asked for another.
const PASS: u8 = 1;
/// Another pass follows.
const AGAIN: u8 = 2;

/// A future that is polled again at once, if it was woken while it was polled.
pub(crate) struct Again<F> {
    inner: Pin<Box<F>>,
    asked: Arc<Asked>,
    waker: Waker,
}

struct Asked {
    state: AtomicU8,
    task: Mutex<Waker>,
}

impl Wake for Asked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(AGAIN, Ordering::AcqRel) == RESTS {
            self.task().wake_by_ref();
        }
    }
}

impl Asked {
    fn task(&self) -> std::sync::MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Again<F> {
    /// The same future.
    pub(crate) fn new(inner: F) -> Self {
        let asked = Arc::new(Asked {
            state: AtomicU8::new(RESTS),
            task: Mutex::new(Waker::noop().clone()),
        });
        Again {
            inner: Box::pin(inner),
            waker: Arc::clone(&asked).into(),
            asked,
        }
    }
}

impl<F: Future> Future for Again<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.asked.task().clone_from(cx.waker());
        for _ in 0..PASSES {
            this.asked.state.swap(PASS, Ordering::AcqRel);
            let mut inside = Context::from_waker(&this.waker);
            if let Poll::Ready(output) = this.inner.as_mut().poll(&mut inside) {
                return Poll::Ready(output);
            }
            let rests =
                this.asked
                    .state
                    .compare_exchange(PASS, RESTS, Ordering::AcqRel, Ordering::Acquire);
            if rests.is_ok() {
                return Poll::Pending;
            }
        }
        // Until the task is polled again nobody has to wake it.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often the task is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Wakes itself in each of its first polls; keeps its waker.
    struct Restless {
        wakes: usize,
        polls: Arc<AtomicUsize>,
        kept: Arc<Mutex<Option<Waker>>>,
    }

    impl Future for Restless {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            self.polls.fetch_add(1, Ordering::Relaxed);
            *self.kept.lock().expect("no panic holds it") = Some(cx.waker().clone());
            if let Some(left) = self.wakes.checked_sub(1) {
                self.wakes = left;
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        }
    }

    /// Polls once: passes, wakes of the task, and what wakes it later.
    fn poll(wakes: usize) -> (usize, Arc<Task>, Waker, Again<Restless>) {
        let (task, polls, kept) = <(Arc<Task>, Arc<AtomicUsize>, Arc<Mutex<_>>)>::default();
        let mut again = Again::new(Restless {
            wakes,
            polls: Arc::clone(&polls),
            kept: Arc::clone(&kept),
        });
        let waker = Arc::clone(&task).into();
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut again).poll(&mut cx).is_pending());
        let inside = kept.lock().expect("no panic holds it").clone();
        let inside = inside.expect("it was polled");
        (polls.load(Ordering::Relaxed), task, inside, again)
    }

    #[test]
    fn what_wakes_itself_is_polled_again_and_the_task_sleeps() {
        let (polls, task, inside, _again) = poll(2);
        assert_eq!(polls, 3);
        assert_eq!(task.0.load(Ordering::Relaxed), 0);
        inside.wake_by_ref();
        inside.wake();
        assert_eq!(task.0.load(Ordering::Relaxed), 1, "awake is awake");
    }

    #[test]
    fn what_wakes_itself_for_ever_lets_others_run() {
        let (polls, task, ..) = poll(usize::MAX);
        assert_eq!(polls, usize::from(PASSES));
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
    }
}

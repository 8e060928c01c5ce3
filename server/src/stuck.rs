//! A deadline for connections whose other end takes nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Ends writes that have waited for too long.
pub(crate) struct Stuck {
    limit: Duration,
    /// Runs while a write waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Stuck {
    /// A write may wait for so long.
    pub(crate) fn after(limit: Duration) -> Stuck {
        Stuck {
            limit,
            deadline: None,
        }
    }

    /// What a write came to; an error, if it and those before it have waited for longer than they may.
    pub(crate) fn check<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_write_that_waits_for_too_long_ends() {
        let mut stuck = Stuck::after(Duration::from_millis(20));
        let begun = tokio::time::Instant::now();
        let ended = std::future::poll_fn(|cx| stuck.check::<()>(cx, Poll::Pending)).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= Duration::from_millis(20));
        // What is written begins it anew.
        let written = std::future::poll_fn(|cx| stuck.check(cx, Poll::Ready(Ok(7)))).await;
        assert_eq!(written.unwrap(), 7);
        let waits = std::future::poll_fn(|cx| Poll::Ready(stuck.check::<()>(cx, Poll::Pending)));
        assert!(waits.await.is_pending());
    }
}

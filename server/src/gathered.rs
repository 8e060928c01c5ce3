//! What is written to a connection in small pieces leaves in one.
//!
//! The codec of HTTP/2 holds one message at a time, so an answer reaches it as two writes with a flush between: headers and message, then
//! the trailers. Each would be a TLS record, a system call, a packet, and a wakeup of the client; measured over loopback, a tenth of what a
//! small call costs both ends. Here a flush waits until the connection's task runs once more, which it asks for at once, and what was
//! written meanwhile goes along.
//!
//! It relies on its reader: a task that has flushed polls the connection for reading before it rests, as servers of HTTP/2 do.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use zeroize::Zeroize;

/// What is kept back at most. What is longer gains nothing by waiting.
const ROOM: usize = 8 << 10;

/// A connection that gathers small writes.
pub(crate) struct Gathered<S> {
    inner: S,
    kept: Vec<u8>,
    /// So much of `kept` is written.
    sent: usize,
    /// A flush waits.
    asked: bool,
}

impl<S> Gathered<S> {
    /// Gathers what is written to `inner`.
    pub(crate) fn new(inner: S) -> Self {
        Gathered {
            inner,
            kept: Vec::new(),
            sent: 0,
            asked: false,
        }
    }

    /// Keeps what there is room for: all of it, or nothing.
    fn keep(&mut self, bufs: &[IoSlice<'_>]) -> Option<usize> {
        let len = bufs.iter().map(|buf| buf.len()).sum::<usize>();
        if self.kept.len() + len > ROOM {
            return None;
        }
        for buf in bufs {
            self.kept.extend_from_slice(buf);
        }
        Some(len)
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    /// Writes what was kept.
    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.kept.get(self.sent..) {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        self.kept.as_mut_slice().zeroize();
        self.kept.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Ends a flush that waits.
    fn poll_asked(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.asked {
            ready!(self.poll_kept(cx))?;
            ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            self.asked = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A peer that does not read is no reason not to read from it: the task is woken when it does.
        if let Poll::Ready(Err(error)) = self.poll_asked(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(len) = self.keep(bufs) {
            return Poll::Ready(Ok(len));
        }
        ready!(self.poll_kept(cx))?;
        match self.keep(bufs) {
            Some(len) => Poll::Ready(Ok(len)),
            None => Pin::new(&mut self.inner).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.kept.is_empty() {
            return Pin::new(&mut self.inner).poll_flush(cx);
        }
        if !self.asked {
            self.asked = true;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_kept(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Notes what is written; takes `room` bytes, then none until there is more.
    #[derive(Default)]
    struct Peer {
        writes: Vec<Vec<u8>>,
        room: usize,
        flushes: usize,
    }

    impl AsyncRead for Peer {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Peer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let len = buf.len().min(self.room);
            if len == 0 {
                return Poll::Pending;
            }
            self.room -= len;
            self.writes.push(buf[..len].to_vec());
            Poll::Ready(Ok(len))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushes += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_flush(cx)
        }
    }

    fn gathered(room: usize) -> Gathered<Peer> {
        Gathered::new(Peer {
            room,
            ..Peer::default()
        })
    }

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    fn write(to: &mut Gathered<Peer>, bytes: &[u8]) -> Poll<usize> {
        let written = Pin::new(to).poll_write(&mut cx(), bytes);
        written.map(|written| written.expect("a peer that is there"))
    }

    fn flush(to: &mut Gathered<Peer>) {
        assert!(Pin::new(to).poll_flush(&mut cx()).is_ready());
    }

    fn read(from: &mut Gathered<Peer>) {
        let mut buf = ReadBuf::new(&mut []);
        assert!(Pin::new(from).poll_read(&mut cx(), &mut buf).is_pending());
    }

    #[test]
    fn what_is_flushed_in_pieces_leaves_in_one_when_the_task_reads() {
        let mut stream = gathered(100);
        for piece in [&b"headers and message"[..], b", trailers"] {
            assert_eq!(write(&mut stream, piece), Poll::Ready(piece.len()));
            flush(&mut stream);
        }
        assert!(stream.inner.writes.is_empty());
        read(&mut stream);
        assert_eq!(stream.inner.writes, [b"headers and message, trailers"]);
        assert_eq!(stream.inner.flushes, 1);
        read(&mut stream);
        assert_eq!(stream.inner.flushes, 1, "nothing more was asked for");
    }

    #[test]
    fn what_is_long_does_not_wait_and_keeps_its_place() {
        let mut stream = gathered(100_000);
        let long = vec![7; ROOM + 1];
        assert_eq!(write(&mut stream, b"first"), Poll::Ready(5));
        assert_eq!(write(&mut stream, &long), Poll::Ready(long.len()));
        assert_eq!(stream.inner.writes, [b"first".to_vec(), long]);
    }

    #[test]
    fn a_peer_that_does_not_read_stops_the_writer() {
        let mut stream = gathered(3);
        let most = vec![7; ROOM];
        assert_eq!(write(&mut stream, &most), Poll::Ready(ROOM));
        flush(&mut stream);
        read(&mut stream);
        assert_eq!(write(&mut stream, b"more"), Poll::Pending);
        stream.inner.room = ROOM;
        read(&mut stream);
        assert_eq!(write(&mut stream, b"more"), Poll::Ready(4));
        assert!(Pin::new(&mut stream).poll_shutdown(&mut cx()).is_pending());
        stream.inner.room = ROOM;
        assert!(Pin::new(&mut stream).poll_shutdown(&mut cx()).is_ready());
        assert_eq!(stream.inner.writes.concat(), [&most[..], b"more"].concat());
    }
}

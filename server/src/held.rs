//! Answers that keep their call's place in flight until they have left.
//!
//! An operation ends long before a slow client has read its answer, and both protocols' libraries take a body's bytes as they come: one
//! piece of 16 MB would be theirs at once, and its call over. So a body is handed over in pieces of [`PIECE`]. The library asks for the next one when
//! the connection takes it, and the place goes with the last: what is answered slowly counts against `max-in-flight`, and a stop waits for it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use tonic::codegen::Bytes;

use crate::gate::Place;

/// Bytes that are handed over at once: many enough that few pieces make an answer, and about what HTTP/2 lets out unasked.
const PIECE: usize = 64 << 10;

/// A body that holds a place.
pub(crate) struct Held<B> {
    body: B,
    /// What is left of the body's last frame.
    rest: Bytes,
    _place: Option<Place>,
}

impl<B> Held<B> {
    /// The same body; `None` holds nothing.
    pub(crate) fn new(body: B, place: Option<Place>) -> Held<B> {
        Held {
            body,
            rest: Bytes::new(),
            _place: place,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx))
                .map(|next| next.map(Frame::into_data))
            {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn a_body_comes_in_pieces_and_is_the_same() {
        let bytes: Bytes = (0..200_000)
            .map(|at| (at % 251) as u8)
            .collect::<Vec<_>>()
            .into();
        let mut held = Held::new(Full::new(bytes.clone()), None);
        assert_eq!(held.size_hint().exact(), Some(200_000));
        let mut read = Vec::new();
        while let Some(frame) = held.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            read.extend_from_slice(&piece);
            let left = (bytes.len() - read.len()) as u64;
            assert_eq!(held.size_hint().exact(), Some(left));
            assert_eq!(held.is_end_stream(), left == 0);
        }
        assert_eq!(read, bytes);
        assert!(Held::new(Full::new(Bytes::new()), None).is_end_stream());
    }
}

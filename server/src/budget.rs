//! Memory of requests: how much all calls together may take, and how long a call waits for its share.
//!
//! A request is charged before it is decoded, by the length that its frame names or its body has, and until its call has ended. The charge is
//! [`GROWTH`] times that length: a message of the smallest fields takes so much more once it is decoded. A request whose charge is
//! more than everything there is runs alone, so the memory of all requests is at most `max-request-memory`, or what one
//! request of `max-message-size` takes, if that is more.
//!
//! Who waits does not read on, and HTTP/2 holds the sender back after 64 KiB, without holding up the other calls of the
//! connection. Those who wait are served in order of arrival.
//!
//! A body that has to be read before its sender is known is kept in a room of its own, a quarter as large beside this, so that no stranger takes
//! what callers need. It is charged as its bytes arrive, and as they are: who sends nothing holds nothing. A body longer than all of that room
//! has it alone.
//!
//! Not bounded here: the memory of answers. A call keeps its place until its answer has left, so it is that of `max-in-flight` answers at most:
//! pages of 1 MB, batches of 16. Not prevented: that who holds a credential stops in the middle of requests, or of answers over HTTP/2, and
//! keeps their shares and places for as long as the connection lives.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body as _, Frame};
use sealdb::ErrorCode;
use sealdb_proto::status_for;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;

use crate::units::format_size;

/// Bytes in memory for a byte on the wire, at worst: two bytes of protobuf make an empty attribute value, which takes 56
/// decoded; three of JSON an empty string of a set, which takes 24 in a list that was just doubled.
const GROWTH: u64 = 32;
/// Bytes that one permit stands for.
const UNIT: u64 = 1024;
/// The room for bodies of unknown senders is so much smaller than the one for requests.
const UNKNOWN_PART: u32 = 4;
/// What stands before a message: whether it is compressed, and its length.
const FRAME_HEAD: usize = 5;
/// How long a call waits for others to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The memory that is left. A clone shares it.
#[derive(Clone)]
pub(crate) struct Budget {
    room: Arc<Semaphore>,
    total: u32,
    unknown: Arc<Semaphore>,
    max_message_size: usize,
    patience: Duration,
}

/// A call's share, given back when it is dropped.
pub(crate) struct Share {
    _permits: OwnedSemaphorePermit,
}

/// The share of a body whose sender is not known, given back when it is dropped.
pub(crate) struct Arriving {
    budget: Budget,
    taken: Option<OwnedSemaphorePermit>,
}

impl Arriving {
    /// Waits for room for a body that has become so long.
    ///
    /// # Errors
    /// What to say to the caller, if there is none in time.
    pub(crate) async fn grow(&mut self, length: usize) -> Result<(), String> {
        let taken = self.taken.as_ref().map_or(0, |taken| taken.num_permits());
        let units = u64::try_from(length).unwrap_or(u64::MAX).div_ceil(UNIT);
        let most = unknown_part(self.budget.total);
        let units = u32::try_from(units).unwrap_or(most).min(most);
        let more = units.saturating_sub(u32::try_from(taken).unwrap_or(most));
        if more == 0 {
            return Ok(());
        }
        let room = Arc::clone(&self.budget.unknown).acquire_many_owned(more);
        match tokio::time::timeout(self.budget.patience, room).await {
            Ok(Ok(permits)) => match &mut self.taken {
                Some(taken) => taken.merge(permits),
                None => self.taken = Some(permits),
            },
            _ => {
                return Err(format!(
                    "requests that arrive take all of the {} that are set aside for them (a quarter of max-request-memory); try again later",
                    format_size(u64::from(most) * UNIT)
                ));
            }
        }
        Ok(())
    }
}

impl Budget {
    /// A budget of so many bytes for requests of at most so many.
    pub(crate) fn new(memory: u64, max_message_size: usize, patience: Duration) -> Budget {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let total = u32::try_from(memory / UNIT).unwrap_or(most).clamp(1, most);
        let room = |units: u32| Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(1)));
        Budget {
            room: room(total),
            total,
            unknown: room(unknown_part(total)),
            max_message_size,
            patience,
        }
    }

    /// Room for a body of somebody who is not known yet; none of it is taken.
    pub(crate) fn arriving(&self) -> Arriving {
        Arriving {
            budget: self.clone(),
            taken: None,
        }
    }

    /// Waits for the share of a request and gives back its body, to be read from its beginning.
    ///
    /// # Errors
    /// If the request is too long, or no share becomes free in time.
    pub(crate) async fn admit(&self, mut body: Body) -> Result<(Share, Body), Status> {
        let mut before = VecDeque::new();
        let mut head = Vec::with_capacity(FRAME_HEAD);
        while head.len() < FRAME_HEAD {
            let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            // A body that ends before its first message begins is told so by the service.
            let Some(frame) = next.transpose()? else {
                break;
            };
            match frame.data_ref() {
                Some(data) if data.is_empty() => {}
                Some(data) => {
                    head.extend(data.iter().take(FRAME_HEAD - head.len()));
                    before.push_back(frame);
                }
                None => {
                    before.push_back(frame);
                    break;
                }
            }
        }
        let length = match head.as_slice() {
            [_, a, b, c, d] => usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => Ok(0),
        }
        .unwrap_or(usize::MAX);
        if length > self.max_message_size {
            let message = format!(
                "the request has {length} bytes, and this server takes at most {} (max-message-size)",
                self.max_message_size
            );
            return Err(status_for(ErrorCode::ValidationException, message));
        }
        let share = self
            .reserve(length)
            .await
            .map_err(|message| status_for(ErrorCode::ThrottlingException, message))?;
        let measured = Measured {
            before,
            rest: body,
            left: FRAME_HEAD.saturating_add(length),
        };
        Ok((share, Body::new(measured)))
    }

    /// Waits for the share of a request of this length.
    ///
    /// # Errors
    /// What to say to the caller, if none becomes free in time.
    pub(crate) async fn reserve(&self, length: usize) -> Result<Share, String> {
        let room = Arc::clone(&self.room).acquire_many_owned(self.charge(length));
        match tokio::time::timeout(self.patience, room).await {
            Ok(Ok(permits)) => Ok(Share { _permits: permits }),
            _ => Err(format!(
                "requests under way take all of the {} that are set aside for them (max-request-memory); try again later",
                format_size(u64::from(self.total) * UNIT)
            )),
        }
    }

    fn charge(&self, length: usize) -> u32 {
        let bytes = u64::try_from(length)
            .unwrap_or(u64::MAX)
            .saturating_mul(GROWTH);
        u32::try_from(bytes.div_ceil(UNIT))
            .unwrap_or(self.total)
            .clamp(1, self.total)
    }
}

/// The units for bodies of unknown senders, beside so many for requests.
fn unknown_part(total: u32) -> u32 {
    (total / UNKNOWN_PART).max(1)
}

/// A body that ends with the message that was charged: another one behind it would not have been.
struct Measured {
    before: VecDeque<Frame<Bytes>>,
    rest: Body,
    left: usize,
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = match self.before.pop_front() {
            Some(frame) => frame,
            None => match ready!(Pin::new(&mut self.rest).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            },
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        Poll::Ready(Some(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(status_for(
                ErrorCode::SerializationException,
                "more than one message in a request",
            )),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.before.is_empty() && self.rest.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sealdb_proto::named_error;

    const SOON: Duration = Duration::from_millis(50);

    /// The body of a message of `length` bytes, of which `sent` are there.
    fn body(length: u32, sent: usize) -> Body {
        let mut bytes = vec![0];
        bytes.extend(length.to_be_bytes());
        bytes.resize(FRAME_HEAD + sent, 7);
        Body::new(Drops(bytes.into(), false))
    }

    /// Comes byte by byte, an empty frame after each.
    struct Drops(VecDeque<u8>, bool);

    impl http_body::Body for Drops {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            self.1 = !self.1;
            let data = match self.1 {
                true => self.0.pop_front().map(|byte| vec![byte]),
                false => Some(Vec::new()),
            };
            Poll::Ready(data.map(|data| Ok(Frame::data(data.into()))))
        }
    }

    async fn read(mut body: Body) -> Result<usize, Status> {
        let mut length = 0;
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
        {
            length += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(length)
    }

    fn name(refused: Result<(Share, Body), Status>) -> Option<ErrorCode> {
        named_error(&refused.err().unwrap())
    }

    #[tokio::test]
    async fn requests_share_and_wait_and_are_refused_in_time() {
        // Room for 4 KiB on the wire.
        let budget = Budget::new(128 << 10, 1 << 20, SOON);
        let (one, read_one) = budget.admit(body(2048, 2048)).await.unwrap();
        let (two, _) = budget.admit(body(2000, 0)).await.unwrap();
        assert_eq!(read(read_one).await.unwrap(), FRAME_HEAD + 2048);
        assert_eq!(
            name(budget.admit(body(100, 100)).await),
            Some(ErrorCode::ThrottlingException)
        );
        assert!(ErrorCode::ThrottlingException.retryable());
        let waiting = budget.clone();
        let third = tokio::spawn(async move { waiting.admit(body(2048, 0)).await.is_ok() });
        tokio::task::yield_now().await;
        drop(one);
        assert!(third.await.unwrap(), "it waited for the first one's share");
        drop(two);
        // More than everything: alone, and never refused for good.
        let (alone, _) = budget.admit(body(1 << 20, 0)).await.unwrap();
        assert_eq!(
            name(budget.admit(body(0, 0)).await),
            Some(ErrorCode::ThrottlingException)
        );
        drop(alone);
        assert!(budget.admit(body(0, 0)).await.is_ok());
    }

    #[tokio::test]
    async fn bodies_of_unknown_senders_have_a_room_of_their_own_and_take_what_arrived() {
        // 8 KiB of it.
        let budget = Budget::new(32 << 10, 1 << 20, SOON);
        let (mut one, mut two) = (budget.arriving(), budget.arriving());
        one.grow(6 << 10).await.unwrap();
        two.grow(2 << 10).await.unwrap();
        two.grow(100).await.unwrap();
        assert!(two.grow((2 << 10) + 1).await.is_err(), "all is taken");
        assert!(budget.reserve(1 << 20).await.is_ok(), "callers have theirs");
        drop(one);
        two.grow(1 << 20).await.unwrap();
        assert!(budget.arriving().grow(1).await.is_err(), "alone");
        drop(two);
        budget.arriving().grow(8 << 10).await.unwrap();
    }

    #[tokio::test]
    async fn longer_requests_and_second_messages_are_refused() {
        let budget = Budget::new(1 << 20, 1000, SOON);
        assert!(budget.admit(body(1000, 0)).await.is_ok());
        let refused = budget.admit(body(1001, 0)).await.err().unwrap();
        assert_eq!(named_error(&refused), Some(ErrorCode::ValidationException));
        assert!(refused.message().contains("1001 bytes"), "{refused:?}");
        let (_share, second) = budget.admit(body(10, 11)).await.unwrap();
        let refused = read(second).await.unwrap_err();
        assert_eq!(
            named_error(&refused),
            Some(ErrorCode::SerializationException)
        );
        // Nothing at all is the service's to refuse.
        let (_share, nothing) = budget.admit(Body::empty()).await.unwrap();
        assert_eq!(read(nothing).await.unwrap(), 0);
    }
}

//! Bodies of requests: within their length, in time, unpacked.

use std::io::Read;
use std::time::Duration;

use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Incoming};
use sealdb::ErrorCode;

use crate::budget::{Arriving, Budget, Share};
use crate::dynamodb::exception::Exception;

/// Longest body, packed as unpacked: DynamoDB's.
pub(super) const LIMIT: usize = 16 << 20;
/// Time for a body to arrive whole.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// Longest body of a refused request that is looked at, to see whether it is JSON at all.
const GLANCE: usize = 64 << 10;

/// Why there is no body.
pub(super) enum Unread {
    /// Longer than [`LIMIT`].
    TooLong,
    /// The sender stopped, or went away.
    Broken,
    /// Others take all the memory that there is for it; what to say.
    NoRoom(String),
}

/// The whole body, in one piece: who sends it byte by byte makes it no larger.
pub(super) async fn read(
    body: Incoming,
    limit: usize,
    budget: &Budget,
) -> Result<(Arriving, Bytes), Unread> {
    // Refused by its head alone, if that tells.
    if body.size_hint().lower() > limit as u64 {
        return Err(Unread::TooLong);
    }
    let reading = collect(body, limit, budget.arriving());
    let read = tokio::time::timeout(DEADLINE, reading).await;
    read.unwrap_or(Err(Unread::Broken))
}

async fn collect(
    mut body: Incoming,
    limit: usize,
    mut room: Arriving,
) -> Result<(Arriving, Bytes), Unread> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        let length = whole.len() + data.len();
        if length > limit {
            return Err(Unread::TooLong);
        }
        room.grow(length).await.map_err(Unread::NoRoom)?;
        whole.extend_from_slice(data);
    }
    Ok((room, whole.into()))
}

/// A short body of a request that is refused; `None` if it is not short, or does not come.
pub(super) async fn glance(body: Incoming, budget: &Budget) -> Option<Bytes> {
    if body.size_hint().upper()? > GLANCE as u64 {
        return None;
    }
    let (_room, bytes) = read(body, GLANCE, budget).await.ok()?;
    Some(bytes)
}

/// A body unpacked, and its share of memory: what it unpacks to is charged before that.
pub(super) async fn unpack(
    packed: &Bytes,
    share: Share,
    budget: &Budget,
) -> Result<(Share, Bytes), Exception> {
    let refused = || Exception::silent(ErrorCode::SerializationException);
    // A gzip member ends with the length of what is in it.
    let claimed = packed
        .last_chunk::<4>()
        .and_then(|end| usize::try_from(u32::from_le_bytes(*end)).ok())
        .filter(|length| *length <= LIMIT)
        .ok_or_else(refused)?;
    // Two shares held by calls that wait for each other end by the budget's patience.
    let _packed_share = share;
    let share = budget
        .reserve(claimed)
        .await
        .map_err(|message| Exception::new(ErrorCode::ThrottlingException, message))?;
    let mut unpacked = Vec::with_capacity(claimed);
    let mut bounded = GzDecoder::new(packed.as_ref()).take(claimed as u64 + 1);
    match bounded.read_to_end(&mut unpacked) {
        Ok(length) if length == claimed => Ok((share, unpacked.into())),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    async fn unpacked(packed: Vec<u8>) -> Option<Bytes> {
        let budget = Budget::new(1 << 30, LIMIT, Duration::from_millis(50));
        let share = budget.reserve(packed.len()).await.unwrap();
        let unpacked = unpack(&packed.into(), share, &budget).await.ok()?;
        Some(unpacked.1)
    }

    #[tokio::test]
    async fn only_what_is_as_long_as_it_claims_is_unpacked() {
        let content = vec![b' '; 100_000];
        let good = packed(&content);
        assert_eq!(unpacked(good.clone()).await.unwrap(), content);
        assert_eq!(unpacked(packed(b"")).await.unwrap(), "");
        let mut lie = good.clone();
        let end = lie.len() - 4;
        lie[end..].copy_from_slice(&10u32.to_le_bytes());
        assert!(unpacked(lie).await.is_none(), "a bomb that claims 10 bytes");
        let bomb = packed(&vec![0; LIMIT + 1]);
        assert!(
            unpacked(bomb).await.is_none(),
            "more than a request may have"
        );
        assert!(
            unpacked(good[..good.len() - 9].to_vec()).await.is_none(),
            "cut"
        );
        assert!(unpacked(b"{}".to_vec()).await.is_none(), "not packed");
    }
}

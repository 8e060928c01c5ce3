//! Operations that are answered by a stream: Query and Scan from page to page to the end, GetRecords for as long as records come.
//!
//! A page is read when the connection has taken the one before, so a stream holds one page, and whoever does not read on holds
//! up nothing but its own stream. The call keeps its place among those in flight to the stream's end ([`crate::held`]), so the
//! pages of all streams and calls together are at most `max-in-flight`. Streams that wait for what comes ([`Waiting`]) leave
//! half of those places to others, and end when the server stops. No page goes to whose credential was revoked since.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use sealdb::model::Map;
use sealdb::model::ops::{
    GetRecordsInput, GetRecordsOutput, QueryInput, QueryOutput, ScanInput, ScanOutput,
};
use sealdb::{Database, Error, ErrorCode};
use sealdb_proto::WireError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use tracing::Instrument;

use crate::auth::{Denied, Principal};
use crate::gate::Call;
use crate::listener::Phase;
use crate::measured::Begun;
use crate::service::Service;
use crate::service::call::{NamesTable, begin, checked_len, status_of};

/// After so long without a record an empty page is sent. An iterator is good for 15 minutes, and a reader that went without a word
/// is noticed.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// The pages of a stream as the service hands them out.
pub(super) type Pages<Res> = Pin<Box<dyn Stream<Item = Result<Res, Status>> + Send>>;

/// The input of an operation that is answered in pages.
pub(super) trait Paged: Clone + Send + 'static {
    type Output: Send;
    /// Whether a page may be long in coming, and the last one never come.
    const WAITS: bool = false;

    fn page(self, database: &Database) -> impl Future<Output = Result<Self::Output, Error>> + Send;
    /// Goes on after a page; `None` after the last.
    fn after(self, page: &Self::Output) -> Option<Self>;
}

macro_rules! paged {
    ($input:ident, $output:ident, $operation:ident) => {
        impl Paged for $input {
            type Output = $output;

            fn page(
                self,
                database: &Database,
            ) -> impl Future<Output = Result<$output, Error>> + Send {
                database.$operation(self)
            }

            fn after(mut self, page: &$output) -> Option<Self> {
                let last: Map = page.last_evaluated_key.clone()?;
                self.exclusive_start_key = Some(last);
                Some(self)
            }
        }
    };
}
paged!(QueryInput, QueryOutput, query);
paged!(ScanInput, ScanOutput, scan);

impl Paged for GetRecordsInput {
    type Output = GetRecordsOutput;
    const WAITS: bool = true;

    async fn page(self, database: &Database) -> Result<GetRecordsOutput, Error> {
        let waiting = database.next_records(self.clone());
        match tokio::time::timeout(HEARTBEAT, waiting).await {
            Ok(page) => page,
            Err(_) => database.get_records(self).await,
        }
    }

    fn after(mut self, page: &GetRecordsOutput) -> Option<Self> {
        self.shard_iterator = page.next_shard_iterator.clone()?;
        Some(self)
    }
}

/// What bounds the streams that wait for what comes.
#[derive(Clone)]
pub(super) struct Waiting {
    places: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
}

impl Waiting {
    pub(super) fn new(max_in_flight: usize, phase: watch::Receiver<Phase>) -> Waiting {
        let places = max_in_flight.div_ceil(2).min(Semaphore::MAX_PERMITS);
        Waiting {
            places: Arc::new(Semaphore::new(places)),
            phase,
        }
    }

    /// Completes when the server stops.
    async fn over(&self) {
        // An error: whoever would tell of it is gone, which is the same.
        let _ = self
            .phase
            .clone()
            .wait_for(|phase| *phase > Phase::Serving)
            .await;
    }
}

/// Answers with all pages from the one that the request names. What is wrong with the request is the stream's first error.
pub(super) fn run<Req, Res, Input>(
    service: &Service,
    operation: &'static str,
    request: Request<Req>,
) -> Result<Response<Pages<Res>>, Status>
where
    Req: Message + NamesTable,
    Res: Message + From<Input::Output> + 'static,
    Input: Paged + TryFrom<Req, Error = WireError>,
{
    let mut service = service.clone();
    service.database = service.named(request.extensions());
    let call = request.extensions().get::<Call>();
    let principal = call.map(|call| call.principal.clone());
    let (begun, message) = begin(operation, request);
    let input = match Input::try_from(message) {
        Ok(input) => input,
        Err(error) => {
            begun.failed(&service.metrics, error.code(), None);
            return Err(Status::from(error));
        }
    };
    let places = Input::WAITS.then(|| service.waiting.places.clone());
    let Ok(place) = places.map(Semaphore::try_acquire_owned).transpose() else {
        let code = ErrorCode::ThrottlingException;
        begun.failed(&service.metrics, code, None);
        let message = "as many streams as may be are being followed already; try again later";
        return Err(sealdb_proto::status_for(code, message));
    };
    let unread = Unread {
        service,
        principal,
        next: Some(input),
        bytes: 0,
        begun: Some(begun),
        _place: place,
    };
    let pages = futures_lite::stream::unfold(unread, |mut unread| async move {
        let page = unread.page::<Res>().await?;
        Some((page, unread))
    });
    Ok(Response::new(Box::pin(pages)))
}

/// What of a stream is not read yet.
struct Unread<Input> {
    service: Service,
    /// Whose credential it was asked for with.
    principal: Option<Principal>,
    /// `None` after the last page.
    next: Option<Input>,
    /// Sent so far.
    bytes: usize,
    /// `None` once it has been counted how the operation ended.
    begun: Option<Begun>,
    /// Among the streams that wait, if it is one.
    _place: Option<OwnedSemaphorePermit>,
}

impl<Input: Paged> Unread<Input> {
    fn is_revoked(&self) -> bool {
        let authenticator = &self.service.authenticator;
        let principal = self.principal.as_ref();
        principal.is_some_and(|principal| !authenticator.still_accepts(principal))
    }

    async fn page<Res: Message + From<Input::Output>>(&mut self) -> Option<Result<Res, Status>> {
        let input = self.next.take()?;
        let span = self
            .begun
            .as_ref()
            .map(Begun::span)
            .unwrap_or_else(tracing::Span::none);
        let read = input.clone().page(&self.service.database).instrument(span);
        let read = async {
            tokio::select! {
                biased;
                () = self.service.waiting.over(), if Input::WAITS => None,
                output = read => Some(output),
            }
        };
        let read = read.await?;
        // The database asks the policies for each page; a credential that was revoked meanwhile is asked for here.
        if self.is_revoked() {
            let (code, message) = (Denied::Wrong.code(), Denied::Wrong.to_string());
            if let Some(begun) = self.begun.take() {
                begun.failed(&self.service.metrics, code, None);
            }
            return Some(Err(sealdb_proto::status_for(code, message)));
        }
        let output = match read {
            Ok(output) => output,
            Err(error) => {
                if let Some(begun) = self.begun.take() {
                    begun.failed(&self.service.metrics, error.code(), Some(&error));
                }
                return Some(Err(status_of(&error)));
            }
        };
        self.next = input.after(&output);
        let response = Res::from(output);
        match checked_len(&response) {
            Ok(bytes) => {
                self.bytes += bytes;
                Some(Ok(response))
            }
            Err((code, status)) => {
                if let Some(begun) = self.begun.take() {
                    begun.failed(&self.service.metrics, code, None);
                }
                self.next = None;
                Some(Err(status))
            }
        }
    }
}

/// A caller that has seen enough stops reading: that is no failure.
impl<Input> Drop for Unread<Input> {
    fn drop(&mut self) {
        if let Some(begun) = self.begun.take() {
            begun.ended_well(&self.service.metrics, self.bytes);
        }
    }
}

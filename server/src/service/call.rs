//! One call from message to message: converted, run, counted, logged.

use prost::Message;
use sealdb::model::ops::table_of_stream;
use sealdb::{Error, ErrorCode};
use sealdb_proto::v1;
use sealdb_proto::v1::transact_write_item::Action;
use sealdb_proto::{MAX_ANSWER_LEN, WireError};
use tonic::{Request, Response, Status};
use tracing::Instrument;

use crate::detail::detail_of;
use crate::gate::Call;
use crate::measured::{Begun, Who};
use crate::refusals::Peer;
use crate::service::Service;

/// Which table a request names, if it names one.
pub(super) trait NamesTable {
    /// As sent, unchecked.
    fn table(&self) -> &str;
}

macro_rules! names_table {
    ($($request:ident),*) => {
        $(impl NamesTable for v1::$request {
            fn table(&self) -> &str {
                &self.table_name
            }
        })*
    };
}

names_table!(
    CreateTableRequest,
    DescribeTableRequest,
    DeleteTableRequest,
    UpdateTableRequest,
    UpdateTimeToLiveRequest,
    DescribeTimeToLiveRequest,
    PutItemRequest,
    GetItemRequest,
    DeleteItemRequest,
    UpdateItemRequest,
    QueryRequest,
    ScanRequest,
    PauseRekeyRequest,
    ResumeRekeyRequest,
    GetRekeyProofRequest
);

/// By its name or its ARN.
macro_rules! names_resource {
    ($($request:ident),*) => {
        $(impl NamesTable for v1::$request {
            fn table(&self) -> &str {
                &self.resource_arn
            }
        })*
    };
}

names_resource!(
    TagResourceRequest,
    UntagResourceRequest,
    ListTagsOfResourceRequest
);

/// Streams have the names of their tables in their ARNs, and iterators begin with those.
macro_rules! names_stream {
    ($($request:ident.$field:ident),*) => {
        $(impl NamesTable for v1::$request {
            fn table(&self) -> &str {
                table_of_stream(&self.$field)
            }
        })*
    };
}

names_stream!(
    DescribeStreamRequest.stream_arn,
    GetShardIteratorRequest.stream_arn,
    GetRecordsRequest.shard_iterator
);

impl NamesTable for v1::ListStreamsRequest {
    fn table(&self) -> &str {
        self.table_name.as_deref().unwrap_or_default()
    }
}

/// Not at all, or within a statement that nobody has read yet.
macro_rules! names_none {
    ($($request:ident),*) => {
        $(impl NamesTable for v1::$request {
            fn table(&self) -> &str {
                ""
            }
        })*
    };
}

names_none!(
    ListTablesRequest,
    ExecuteStatementRequest,
    BatchExecuteStatementRequest,
    ExecuteTransactionRequest,
    RewrapKeysRequest,
    RekeyTablesRequest,
    ListRekeysRequest,
    DescribeKeyImpactRequest
);

impl NamesTable for v1::BatchWriteItemRequest {
    /// The first one; most batches have no other.
    fn table(&self) -> &str {
        self.request_items
            .first()
            .map_or("", |first| &first.table_name)
    }
}

impl NamesTable for v1::BatchGetItemRequest {
    fn table(&self) -> &str {
        self.request_items
            .first_key_value()
            .map_or("", |(table, _)| table)
    }
}

impl NamesTable for v1::TransactGetItemsRequest {
    fn table(&self) -> &str {
        self.transact_items
            .first()
            .map_or("", |get| &get.table_name)
    }
}

impl NamesTable for v1::TransactWriteItemsRequest {
    fn table(&self) -> &str {
        let first = self.transact_items.first();
        match first.and_then(|item| item.action.as_ref()) {
            None => "",
            Some(Action::ConditionCheck(check)) => &check.table_name,
            Some(Action::Put(put)) => &put.table_name,
            Some(Action::Delete(delete)) => &delete.table_name,
            Some(Action::Update(update)) => &update.table_name,
        }
    }
}

/// Runs one operation.
pub(super) async fn run<Req, Res, Input, Output, Fut>(
    service: &Service,
    operation: &'static str,
    request: Request<Req>,
    work: impl FnOnce(Input) -> Fut,
) -> Result<Response<Res>, Status>
where
    Req: Message + NamesTable,
    Res: Message + From<Output>,
    Input: TryFrom<Req>,
    WireError: From<Input::Error>,
    Fut: Future<Output = Result<Output, Error>>,
{
    let metrics = &service.metrics;
    let (begun, message) = begin(operation, request);
    let input = match Input::try_from(message).map_err(WireError::from) {
        Ok(input) => input,
        Err(error) => {
            begun.unread(metrics, &service.refusals, error.code());
            return Err(Status::from(error));
        }
    };
    let span = begun.span();
    match work(input).instrument(span).await {
        Ok(output) => {
            let response = Res::from(output);
            match checked_len(&response) {
                Ok(bytes) => {
                    begun.ended_well(metrics, bytes);
                    Ok(Response::new(response))
                }
                Err((code, status)) => {
                    begun.failed(metrics, code, None);
                    Err(status)
                }
            }
        }
        Err(error) => {
            begun.failed(metrics, error.code(), Some(&error));
            Err(status_of(&error))
        }
    }
}

/// Notes that an operation begins, and takes its message out.
pub(super) fn begin<Req: Message + NamesTable>(
    operation: &'static str,
    request: Request<Req>,
) -> (Begun, Req) {
    let who = match request.extensions().get::<Call>() {
        Some(call) => {
            call.reached();
            Who {
                request_id: call.request_id.clone(),
                principal: Some(call.principal.clone()),
                peer: call.peer.clone(),
            }
        }
        None => Who {
            request_id: "".into(),
            principal: None,
            peer: Peer::default(),
        },
    };
    let message = request.into_inner();
    let begun = Begun::new(operation, message.table(), message.encoded_len(), who);
    (begun, message)
}

/// The length of an answer, or the error of one that is too long. Only that of a transaction that reads can be: 4 MB of items of which
/// each takes all of the message that an item can.
pub(super) fn checked_len(answer: &impl Message) -> Result<usize, (ErrorCode, Status)> {
    let bytes = answer.encoded_len();
    if bytes <= MAX_ANSWER_LEN {
        return Ok(bytes);
    }
    let code = ErrorCode::ValidationException;
    let message = format!(
        "the answer has {bytes} bytes, and a message has at most {MAX_ANSWER_LEN}; ask for fewer items at once"
    );
    Err((code, sealdb_proto::status_for(code, message)))
}

/// The status of an error of the database, with what DynamoDB's exceptions carry.
pub(super) fn status_of(error: &Error) -> Status {
    sealdb_proto::status_with(error.code(), error.told(), detail_of(error))
}

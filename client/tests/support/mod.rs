//! A tiny server behind real TLS, and a relay before it that can cut connections.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use sealdb_client::model::ops::{
    BatchGetItemInput, BatchGetItemOutput, DescribeStreamOutput, GetRecordsInput, GetRecordsOutput,
    GetShardIteratorInput, GetShardIteratorOutput, ListTablesInput, ListTablesOutput,
    OperationType, QueryInput, QueryOutput, Record, SequenceNumber, Shard, ShardIterator,
    ShardIteratorType, StreamArn, StreamDescription, StreamRecord, StreamViewType, WriteRequest,
};
use sealdb_client::model::{AttributeValue, ErrorCode, Item, Map};
use sealdb_client::{Credential, Endpoint, RetryPolicy, Trust};
use sealdb_proto::v1::seal_db_server::{SealDb, SealDbServer};
use sealdb_proto::{MAX_MESSAGE_LEN, REQUEST_ID_METADATA, status_for, v1};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status};

/// What the server does with the next call, before it answers as usual.
#[derive(Debug)]
pub(crate) enum Step {
    /// Answers with this error.
    Fail(ErrorCode),
    /// Answers with a status that is not ours.
    Foreign(tonic::Code),
    /// Cuts all connections and never answers.
    Cut,
    /// Answers after this long.
    Late(Duration),
}

/// What the tests look at and steer.
#[derive(Default)]
pub(crate) struct State {
    /// Name of each call that arrived, in order.
    pub(crate) calls: Mutex<Vec<&'static str>>,
    /// The authorization of the last call.
    pub(crate) authorization: Mutex<Option<String>>,
    /// What happens to the next calls.
    pub(crate) script: Mutex<VecDeque<Step>>,
    /// What happens to a followed stream after its next pages.
    pub(crate) after_page: Mutex<VecDeque<Step>>,
    /// TLS handshakes that came to their end, and that failed.
    pub(crate) handshakes: AtomicUsize,
    pub(crate) failed_handshakes: AtomicUsize,
    /// Connections that the relay holds.
    pub(crate) open: AtomicUsize,
    /// Cuts the relay's connections.
    pub(crate) cut: Notify,
    /// How many requests of a batch are done at once.
    pub(crate) batch_room: Mutex<usize>,
    /// Tokens of the transactions that were carried out.
    pub(crate) tokens: Mutex<Vec<String>>,
    /// How many records the stream has.
    pub(crate) records: AtomicUsize,
    /// The stream takes no more of them.
    pub(crate) ended: AtomicBool,
    /// Items of the last PutItem.
    pub(crate) item: Mutex<Option<v1::MapValue>>,
}

impl State {
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn script(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.lock().unwrap().extend(steps);
    }

    /// A page of two records at most.
    fn records_from(&self, input: &GetRecordsInput) -> GetRecordsOutput {
        let from = ShardIterator::parse(&input.shard_iterator).unwrap().from;
        let newest = u32::try_from(self.records.load(Ordering::SeqCst)).unwrap();
        let end = newest.min(from.record + 1);
        let records: Vec<Record> = (from.record..=end).map(record).collect();
        let over = end == newest && self.ended.load(Ordering::SeqCst);
        let next = from.record + u32::try_from(records.len()).unwrap();
        GetRecordsOutput::new(records, (!over).then(|| iterator(next)))
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) state: Arc<State>,
    pub(crate) address: String,
    pub(crate) pin: [u8; 32],
}

impl Server {
    /// A server with a self-signed certificate of its own.
    pub(crate) async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        Self::start_with(made.cert.der().clone(), key.into()).await
    }

    /// A server with this certificate and key, which need not belong together.
    pub(crate) async fn start_with(
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        let mut pin = [0; 32];
        pin.copy_from_slice(digest(&SHA256, &certificate).as_ref());
        let state = Arc::new(State {
            batch_room: Mutex::new(usize::MAX),
            ..State::default()
        });

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = provider.key_provider.load_private_key(key).unwrap();
        let resolver = Fixed(Arc::new(CertifiedKey::new(vec![certificate], key)));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = listener.local_addr().unwrap();
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                match acceptor.accept(tcp).await {
                    Ok(tls) => {
                        accepting.handshakes.fetch_add(1, Ordering::SeqCst);
                        if sender
                            .send(Ok::<_, std::io::Error>(Stream(tls)))
                            .await
                            .is_err()
                        {
                            return;
                        }
                    }
                    Err(_) => {
                        accepting.failed_handshakes.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        });
        let service = SealDbServer::new(Service(Arc::clone(&state)))
            .max_decoding_message_size(MAX_MESSAGE_LEN)
            .max_encoding_message_size(MAX_MESSAGE_LEN);
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(tokio_stream::wrappers::ReceiverStream::new(receiver)),
        );

        let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = relay.local_addr().unwrap().to_string();
        let relaying = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((mut outer, _)) = relay.accept().await {
                let state = Arc::clone(&relaying);
                tokio::spawn(async move {
                    let mut inner = TcpStream::connect(inner).await.unwrap();
                    state.open.fetch_add(1, Ordering::SeqCst);
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut outer, &mut inner) => {}
                        () = state.cut.notified() => {}
                    }
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            state,
            address,
            pin,
        }
    }

    /// An endpoint that trusts this server by its pin, and waits briefly.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(
            self.address.clone(),
            Trust::Pin(self.pin),
            Credential::new("AKID", "s3cret"),
        )
        .retry(RetryPolicy {
            max_tries: 4,
            base: Duration::from_millis(2),
            cap: Duration::from_millis(10),
        })
    }
}

#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

struct Stream(tokio_rustls::server::TlsStream<TcpStream>);

impl Connected for Stream {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

struct Service(Arc<State>);

impl Service {
    async fn arrive<T>(&self, name: &'static str, request: Request<T>) -> Result<T, Status> {
        let text = request
            .metadata()
            .get("authorization")
            .map(|value| value.to_str().unwrap().to_owned());
        *self.0.authorization.lock().unwrap() = text;
        self.0.calls.lock().unwrap().push(name);
        let step = self.0.script.lock().unwrap().pop_front();
        match step {
            None => {}
            Some(Step::Fail(code)) => {
                let mut status = status_for(code, format!("{code} for the test"));
                status
                    .metadata_mut()
                    .insert(REQUEST_ID_METADATA, "req-7".parse().unwrap());
                return Err(status);
            }
            Some(Step::Foreign(code)) => return Err(Status::new(code, "from elsewhere")),
            Some(Step::Cut) => {
                self.0.cut.notify_waiters();
                std::future::pending::<()>().await;
            }
            Some(Step::Late(wait)) => tokio::time::sleep(wait).await,
        }
        Ok(request.into_inner())
    }
}

type Pages<M> = Pin<Box<dyn tokio_stream::Stream<Item = Result<M, Status>> + Send>>;

/// Seven items in pages of `limit`, the second page empty as a filter could leave it.
pub(crate) const ITEMS: i32 = 7;

fn page(input: &QueryInput) -> QueryOutput {
    let limit = input.limit.unwrap_or(ITEMS);
    let number = |key: &Map, name| match key.get(name) {
        Some(AttributeValue::N(n)) => n.to_i64().and_then(|n| i32::try_from(n).ok()).unwrap(),
        other => panic!("{other:?}"),
    };
    let (start, empty_seen) = match &input.exclusive_start_key {
        None => (0, false),
        Some(key) => (number(key, "n"), number(key, "seen") == 1),
    };
    let key =
        |n: i32, seen: i32| Map::from([("n", AttributeValue::from(n)), ("seen", seen.into())]);
    if start > 0 && !empty_seen {
        QueryOutput::new(Vec::new(), 0, 0, Some(key(start, 1)))
    } else {
        let end = (start + limit).min(ITEMS);
        let items: Vec<Item> = (start..end).map(|n| Item::from([("n", n)])).collect();
        let count = u32::try_from(items.len()).unwrap();
        QueryOutput::new(
            items,
            count,
            count,
            (end < ITEMS).then(|| key(end, i32::from(empty_seen))),
        )
    }
}

/// The one stream that there is.
pub(crate) const STREAM: &str =
    "arn:aws:dynamodb:us-east-1:000000000000:table/films/stream/2015-05-20T20:51:10.252";
const SHARD: &str = "shardId-00000001432155070252-00000001";

/// The record with this number, from 1.
fn record(number: u32) -> Record {
    Record {
        event_id: number.to_string(),
        event_name: OperationType::Insert,
        dynamodb: StreamRecord {
            approximate_creation_date_time: 0,
            keys: Map::from([("n", i64::from(number))]),
            new_image: None,
            old_image: None,
            sequence_number: SequenceNumber {
                commit: 1,
                record: number,
            },
            stream_view_type: StreamViewType::KeysOnly,
        },
        user_identity: None,
    }
}

fn iterator(record: u32) -> String {
    let iterator = ShardIterator {
        stream: StreamArn::parse(STREAM).unwrap(),
        from: SequenceNumber { commit: 1, record },
        issued_ms: 0,
    };
    iterator.to_string()
}

#[tonic::async_trait]
impl SealDb for Service {
    async fn list_streams(
        &self,
        request: Request<v1::ListStreamsRequest>,
    ) -> Result<Response<v1::ListStreamsResponse>, Status> {
        self.arrive("ListStreams", request).await?;
        Ok(Response::new(v1::ListStreamsResponse::default()))
    }

    async fn describe_stream(
        &self,
        request: Request<v1::DescribeStreamRequest>,
    ) -> Result<Response<v1::DescribeStreamResponse>, Status> {
        self.arrive("DescribeStream", request).await?;
        let arn = StreamArn::parse(STREAM).unwrap();
        let mut stream = StreamDescription::new(arn, StreamViewType::KeysOnly);
        stream.shards.push(Shard {
            shard_id: SHARD.to_owned(),
            starting_sequence_number: SequenceNumber::first_of(1).to_string(),
            ending_sequence_number: None,
        });
        Ok(Response::new(DescribeStreamOutput::new(stream).into()))
    }

    async fn get_shard_iterator(
        &self,
        request: Request<v1::GetShardIteratorRequest>,
    ) -> Result<Response<v1::GetShardIteratorResponse>, Status> {
        let request = self.arrive("GetShardIterator", request).await?;
        let input = GetShardIteratorInput::try_from(request)?;
        assert_eq!((&*input.stream_arn, &*input.shard_id), (STREAM, SHARD));
        let number = input.sequence_number.as_deref();
        let number = number.map(|number| SequenceNumber::parse(number).unwrap().record);
        let newest = u32::try_from(self.0.records.load(Ordering::SeqCst)).unwrap();
        let from = match (input.shard_iterator_type, number) {
            (ShardIteratorType::TrimHorizon, None) => 1,
            (ShardIteratorType::Latest, None) => newest + 1,
            (ShardIteratorType::AtSequenceNumber, Some(number)) => number,
            (ShardIteratorType::AfterSequenceNumber, Some(number)) => number + 1,
            other => panic!("{other:?}"),
        };
        let output = GetShardIteratorOutput::new(iterator(from));
        Ok(Response::new(output.into()))
    }

    /// Two records a page.
    async fn get_records(
        &self,
        request: Request<v1::GetRecordsRequest>,
    ) -> Result<Response<v1::GetRecordsResponse>, Status> {
        let input = GetRecordsInput::try_from(self.arrive("GetRecords", request).await?)?;
        Ok(Response::new(self.0.records_from(&input).into()))
    }

    type GetRecordsStreamStream = Pages<v1::GetRecordsResponse>;

    /// An empty page where there are no records yet, and again until there are. After a page with records comes what `after_page` says.
    async fn get_records_stream(
        &self,
        request: Request<v1::GetRecordsRequest>,
    ) -> Result<Response<Self::GetRecordsStreamStream>, Status> {
        let input = GetRecordsInput::try_from(self.arrive("GetRecordsStream", request).await?)?;
        let (state, (sender, receiver)) = (self.0.clone(), tokio::sync::mpsc::channel(1));
        tokio::spawn(async move {
            let mut next = Some(input);
            while let Some(input) = next.take() {
                let page = state.records_from(&input);
                next = page.next_shard_iterator.as_ref().map(GetRecordsInput::new);
                let empty = page.records.is_empty();
                if sender.send(Ok(page.into())).await.is_err() {
                    return;
                }
                if empty {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
                let step = state.after_page.lock().unwrap().pop_front();
                match step {
                    Some(Step::Fail(code)) => {
                        let status = status_for(code, format!("{code} for the test"));
                        let _ = sender.send(Err(status)).await;
                        return;
                    }
                    Some(Step::Cut) => state.cut.notify_waiters(),
                    _ => {}
                }
            }
        });
        let pages = tokio_stream::wrappers::ReceiverStream::new(receiver);
        Ok(Response::new(Box::pin(pages)))
    }

    async fn create_table(
        &self,
        request: Request<v1::CreateTableRequest>,
    ) -> Result<Response<v1::CreateTableResponse>, Status> {
        self.arrive("CreateTable", request).await?;
        Err(status_for(
            ErrorCode::ResourceInUseException,
            "Table already exists: t",
        ))
    }

    async fn describe_table(
        &self,
        request: Request<v1::DescribeTableRequest>,
    ) -> Result<Response<v1::DescribeTableResponse>, Status> {
        self.arrive("DescribeTable", request).await?;
        // An answer that is none: the description is missing.
        Ok(Response::new(v1::DescribeTableResponse { table: None }))
    }

    async fn list_tables(
        &self,
        request: Request<v1::ListTablesRequest>,
    ) -> Result<Response<v1::ListTablesResponse>, Status> {
        let input = ListTablesInput::try_from(self.arrive("ListTables", request).await?)?;
        let output = match input.exclusive_start_table_name.as_deref() {
            None => ListTablesOutput::new(vec!["a".into(), "b".into()], Some("b".into())),
            Some("b") => ListTablesOutput::new(vec!["c".into()], None),
            Some(other) => panic!("a page after {other}"),
        };
        Ok(Response::new(output.into()))
    }

    async fn delete_table(
        &self,
        request: Request<v1::DeleteTableRequest>,
    ) -> Result<Response<v1::DeleteTableResponse>, Status> {
        self.arrive("DeleteTable", request).await?;
        Err(status_for(
            ErrorCode::ResourceNotFoundException,
            "Requested resource not found: Table: t not found",
        ))
    }

    async fn update_table(
        &self,
        request: Request<v1::UpdateTableRequest>,
    ) -> Result<Response<v1::UpdateTableResponse>, Status> {
        self.arrive("UpdateTable", request).await?;
        Ok(Response::new(v1::UpdateTableResponse::default()))
    }

    async fn update_time_to_live(
        &self,
        request: Request<v1::UpdateTimeToLiveRequest>,
    ) -> Result<Response<v1::UpdateTimeToLiveResponse>, Status> {
        self.arrive("UpdateTimeToLive", request).await?;
        Ok(Response::new(v1::UpdateTimeToLiveResponse::default()))
    }

    async fn describe_time_to_live(
        &self,
        request: Request<v1::DescribeTimeToLiveRequest>,
    ) -> Result<Response<v1::DescribeTimeToLiveResponse>, Status> {
        self.arrive("DescribeTimeToLive", request).await?;
        Ok(Response::new(v1::DescribeTimeToLiveResponse::default()))
    }

    async fn tag_resource(
        &self,
        request: Request<v1::TagResourceRequest>,
    ) -> Result<Response<v1::TagResourceResponse>, Status> {
        self.arrive("TagResource", request).await?;
        Ok(Response::new(v1::TagResourceResponse::default()))
    }

    async fn untag_resource(
        &self,
        request: Request<v1::UntagResourceRequest>,
    ) -> Result<Response<v1::UntagResourceResponse>, Status> {
        self.arrive("UntagResource", request).await?;
        Ok(Response::new(v1::UntagResourceResponse::default()))
    }

    async fn list_tags_of_resource(
        &self,
        request: Request<v1::ListTagsOfResourceRequest>,
    ) -> Result<Response<v1::ListTagsOfResourceResponse>, Status> {
        self.arrive("ListTagsOfResource", request).await?;
        Ok(Response::new(v1::ListTagsOfResourceResponse::default()))
    }

    async fn put_item(
        &self,
        request: Request<v1::PutItemRequest>,
    ) -> Result<Response<v1::PutItemResponse>, Status> {
        let request = self.arrive("PutItem", request).await?;
        *self.0.item.lock().unwrap() = request.item;
        Ok(Response::new(v1::PutItemResponse::default()))
    }

    async fn get_item(
        &self,
        request: Request<v1::GetItemRequest>,
    ) -> Result<Response<v1::GetItemResponse>, Status> {
        self.arrive("GetItem", request).await?;
        Ok(Response::new(v1::GetItemResponse {
            item: self.0.item.lock().unwrap().clone(),
            ..v1::GetItemResponse::default()
        }))
    }

    async fn update_item(
        &self,
        request: Request<v1::UpdateItemRequest>,
    ) -> Result<Response<v1::UpdateItemResponse>, Status> {
        self.arrive("UpdateItem", request).await?;
        Ok(Response::new(v1::UpdateItemResponse::default()))
    }

    async fn delete_item(
        &self,
        request: Request<v1::DeleteItemRequest>,
    ) -> Result<Response<v1::DeleteItemResponse>, Status> {
        self.arrive("DeleteItem", request).await?;
        Ok(Response::new(v1::DeleteItemResponse::default()))
    }

    async fn batch_write_item(
        &self,
        request: Request<v1::BatchWriteItemRequest>,
    ) -> Result<Response<v1::BatchWriteItemResponse>, Status> {
        let request = self.arrive("BatchWriteItem", request).await?;
        let input = sealdb_client::model::ops::BatchWriteItemInput::try_from(request)?;
        let mut room = *self.0.batch_room.lock().unwrap();
        let mut left = input.request_items;
        for requests in left.values_mut() {
            let done: Vec<WriteRequest> = requests.drain(..room.min(requests.len())).collect();
            room -= done.len();
        }
        left.retain(|_, requests| !requests.is_empty());
        Ok(Response::new(
            sealdb_client::model::ops::BatchWriteItemOutput::new(left).into(),
        ))
    }

    /// As much as there is room for.
    async fn batch_get_item(
        &self,
        request: Request<v1::BatchGetItemRequest>,
    ) -> Result<Response<v1::BatchGetItemResponse>, Status> {
        let request = self.arrive("BatchGetItem", request).await?;
        let mut left = BatchGetItemInput::try_from(request)?.request_items;
        let mut room = *self.0.batch_room.lock().unwrap();
        let mut found = BTreeMap::new();
        for (table, wanted) in &mut left {
            let read: Vec<Item> = wanted.keys.drain(..room.min(wanted.keys.len())).collect();
            room -= read.len();
            found.insert(table.clone(), read);
        }
        left.retain(|_, wanted| !wanted.keys.is_empty());
        let mut output = BatchGetItemOutput::new(found);
        output.unprocessed_keys = left;
        Ok(Response::new(output.into()))
    }

    async fn transact_write_items(
        &self,
        request: Request<v1::TransactWriteItemsRequest>,
    ) -> Result<Response<v1::TransactWriteItemsResponse>, Status> {
        let request = self.arrive("TransactWriteItems", request).await?;
        let token = request.client_request_token.unwrap();
        self.0.tokens.lock().unwrap().push(token);
        Ok(Response::new(v1::TransactWriteItemsResponse::default()))
    }

    async fn transact_get_items(
        &self,
        request: Request<v1::TransactGetItemsRequest>,
    ) -> Result<Response<v1::TransactGetItemsResponse>, Status> {
        self.arrive("TransactGetItems", request).await?;
        Ok(Response::new(v1::TransactGetItemsResponse::default()))
    }

    async fn execute_statement(
        &self,
        request: Request<v1::ExecuteStatementRequest>,
    ) -> Result<Response<v1::ExecuteStatementResponse>, Status> {
        self.arrive("ExecuteStatement", request).await?;
        Ok(Response::new(v1::ExecuteStatementResponse::default()))
    }

    async fn batch_execute_statement(
        &self,
        request: Request<v1::BatchExecuteStatementRequest>,
    ) -> Result<Response<v1::BatchExecuteStatementResponse>, Status> {
        self.arrive("BatchExecuteStatement", request).await?;
        Ok(Response::new(v1::BatchExecuteStatementResponse::default()))
    }

    async fn execute_transaction(
        &self,
        request: Request<v1::ExecuteTransactionRequest>,
    ) -> Result<Response<v1::ExecuteTransactionResponse>, Status> {
        let request = self.arrive("ExecuteTransaction", request).await?;
        let token = request.client_request_token.unwrap();
        self.0.tokens.lock().unwrap().push(token);
        Ok(Response::new(v1::ExecuteTransactionResponse::default()))
    }

    async fn query(
        &self,
        request: Request<v1::QueryRequest>,
    ) -> Result<Response<v1::QueryResponse>, Status> {
        let input = QueryInput::try_from(self.arrive("Query", request).await?)?;
        Ok(Response::new(page(&input).into()))
    }

    type QueryStreamStream = Pages<v1::QueryResponse>;

    /// All pages. A step after the first steers the second page.
    async fn query_stream(
        &self,
        request: Request<v1::QueryRequest>,
    ) -> Result<Response<Self::QueryStreamStream>, Status> {
        let mut input = QueryInput::try_from(self.arrive("QueryStream", request).await?)?;
        let mut pages = Vec::new();
        loop {
            let page = page(&input);
            let last = page.last_evaluated_key.clone();
            pages.push(Ok(page.into()));
            let step = self.0.script.lock().unwrap().pop_front();
            if let Some(Step::Fail(code)) = step {
                pages.push(Err(status_for(code, format!("{code} for the test"))));
                break;
            }
            match last {
                Some(_) => input.exclusive_start_key = last,
                None => break,
            }
        }
        Ok(Response::new(Box::pin(tokio_stream::iter(pages))))
    }

    type ScanStreamStream = Pages<v1::ScanResponse>;

    async fn scan_stream(
        &self,
        request: Request<v1::ScanRequest>,
    ) -> Result<Response<Self::ScanStreamStream>, Status> {
        self.arrive("ScanStream", request).await?;
        Ok(Response::new(Box::pin(tokio_stream::empty())))
    }

    async fn scan(
        &self,
        request: Request<v1::ScanRequest>,
    ) -> Result<Response<v1::ScanResponse>, Status> {
        self.arrive("Scan", request).await?;
        Ok(Response::new(v1::ScanResponse::default()))
    }
}

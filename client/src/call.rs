//! One call: encode once, send, and send again where that is right.

use std::sync::Arc;
use std::time::Duration;

use sealdb_model::ErrorCode;
use sealdb_proto::codec::{Encoded, EncodedCodec};
use sealdb_proto::{MAX_ANSWER_LEN, MAX_MESSAGE_LEN};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status, Streaming};
use zeroize::Zeroizing;

use crate::channel::Channel;
use crate::connect::Connector;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::retry::RetryPolicy;

/// A connection that signs, limits and repeats its calls. A clone shares it.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    grpc: Grpc<Channel>,
    settings: Arc<Settings>,
}

#[derive(Debug)]
struct Settings {
    /// Sensitive: `Debug` and the header compression's tables leave it out.
    authorization: MetadataValue<Ascii>,
    request_timeout: Duration,
    retry: RetryPolicy,
}

impl Caller {
    /// Connects, with the server's certificate checked.
    pub(crate) async fn connect(endpoint: Endpoint) -> Result<Self, Error> {
        let authorization = authorization(&endpoint)?;
        let connector = Connector::new(&endpoint)?;
        let origin = format!("https://{}", endpoint.address)
            .parse()
            .map_err(|e| {
                Error::new(
                    ErrorCode::ValidationException,
                    format!("'{}' is not an address: {e}", endpoint.address),
                )
            })?;
        let channel = Channel::connect(connector)
            .await
            .map_err(Error::of_transport)?;
        let grpc = Grpc::with_origin(channel, origin)
            .max_decoding_message_size(MAX_ANSWER_LEN)
            .max_encoding_message_size(MAX_MESSAGE_LEN);
        Ok(Self {
            grpc,
            settings: Arc::new(Settings {
                authorization,
                request_timeout: endpoint.request_timeout,
                retry: endpoint.retry,
            }),
        })
    }

    /// Carries out an operation. `harmless_twice`: carrying it out twice is as carrying it out once.
    pub(crate) async fn call<W, R>(
        &self,
        path: &'static str,
        request: W,
        harmless_twice: bool,
    ) -> Result<R, Error>
    where
        W: sealdb_proto::Message,
        R: sealdb_proto::Message + Default + 'static,
    {
        let request = encoded(&request)?;
        let mut tries = 1;
        loop {
            let error = match self.once(path, request.clone(), harmless_twice).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            match self.settings.retry.wait(tries) {
                Some(wait) if error.retryable() => tokio::time::sleep(wait).await,
                _ => return Err(error),
            }
            tries += 1;
        }
    }

    async fn once<R>(
        &self,
        path: &'static str,
        message: Encoded,
        harmless_twice: bool,
    ) -> Result<R, Error>
    where
        R: sealdb_proto::Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone();
        let codec = EncodedCodec::<R>::default();
        // The channel is always ready.
        let answer = grpc.unary(self.signed(message), PathAndQuery::from_static(path), codec);
        let response = self.in_time(answer, harmless_twice).await?;
        Ok(response.into_inner())
    }

    /// Begins an operation that is answered by many messages; once, for its caller knows where to go on. Only reads are.
    pub(crate) async fn stream<W, R>(
        &self,
        path: &'static str,
        request: W,
    ) -> Result<Streaming<R>, Error>
    where
        W: sealdb_proto::Message,
        R: sealdb_proto::Message + Default + 'static,
    {
        let message = encoded(&request)?;
        let mut grpc = self.grpc.clone();
        let (path, codec) = (PathAndQuery::from_static(path), EncodedCodec::default());
        let answer = grpc.server_streaming(self.signed(message), path, codec);
        let response = self.in_time(answer, true).await?;
        Ok(response.into_inner())
    }

    /// The next message of a stream; `None` after the last.
    pub(crate) async fn message<R>(&self, stream: &mut Streaming<R>) -> Result<Option<R>, Error> {
        self.in_time(stream.message(), true).await
    }

    fn signed(&self, message: Encoded) -> Request<Encoded> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.settings.authorization.clone());
        request
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Status>>,
        harmless_twice: bool,
    ) -> Result<T, Error> {
        let limit = self.settings.request_timeout;
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer.map_err(|status| Error::of_call(status, harmless_twice)),
            Err(_) => Err(Error::lost_answer(
                format!("no answer within {limit:?}"),
                harmless_twice,
            )),
        }
    }

    pub(crate) fn retry(&self) -> RetryPolicy {
        self.settings.retry
    }
}

fn encoded(request: &impl sealdb_proto::Message) -> Result<Encoded, Error> {
    let request = Encoded::new(request);
    if request.encoded_len() > MAX_MESSAGE_LEN {
        return Err(Error::new(
            ErrorCode::ValidationException,
            format!(
                "the request is {} bytes long, more than the {MAX_MESSAGE_LEN} that a message may be",
                request.encoded_len()
            ),
        ));
    }
    Ok(request)
}

fn authorization(endpoint: &Endpoint) -> Result<MetadataValue<Ascii>, Error> {
    let text = Zeroizing::new(format!(
        "Bearer {}:{}",
        endpoint.credential.access_key_id,
        endpoint.credential.secret_access_key.expose()
    ));
    let mut value = MetadataValue::try_from(text.as_str()).map_err(|_| {
        Error::new(
            ErrorCode::ValidationException,
            "the access key holds characters that a header cannot carry",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

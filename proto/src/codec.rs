//! The codecs of the service.
//!
//! [`WireCodec`] is protobuf as usual, except that bytes which do not decode are the sender's fault
//! (`INVALID_ARGUMENT`), where tonic's own codec answers `INTERNAL`. [`EncodedCodec`] sends what is encoded already, so
//! that a client may send a request again without a copy of it.

use std::marker::PhantomData;

use prost::Message;
use prost::bytes::{BufMut, Bytes};
use sealdb_model::ErrorCode;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic_prost::ProstEncoder;

use crate::status::status_for;

/// The codec that the generated client and server use.
#[derive(Debug, Clone)]
pub struct WireCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for WireCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for WireCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = WireDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        WireDecoder(PhantomData)
    }
}

/// Decoder of one message.
#[derive(Debug, Clone)]
pub struct WireDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for WireDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        match U::decode(buf) {
            Ok(message) => Ok(Some(message)),
            // prost's text names the message and field, never their content.
            Err(e) => Err(status_for(ErrorCode::SerializationException, e.to_string())),
        }
    }
}

/// An encoded message. A clone shares its bytes.
#[derive(Clone)]
pub struct Encoded(Bytes);

impl Encoded {
    /// Encodes a message.
    pub fn new(message: &impl Message) -> Self {
        Self(message.encode_to_vec().into())
    }

    /// Length in bytes.
    pub fn encoded_len(&self) -> usize {
        self.0.len()
    }
}

/// The length only.
impl std::fmt::Debug for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoded({} bytes)", self.0.len())
    }
}

/// Sends [`Encoded`], receives `U`.
#[derive(Debug, Clone)]
pub struct EncodedCodec<U>(PhantomData<U>);

impl<U> Default for EncodedCodec<U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<U: Message + Default + Send + 'static> Codec for EncodedCodec<U> {
    type Encode = Encoded;
    type Decode = U;
    type Encoder = EncodedEncoder;
    type Decoder = WireDecoder<U>;

    fn encoder(&mut self) -> EncodedEncoder {
        EncodedEncoder
    }

    fn decoder(&mut self) -> WireDecoder<U> {
        WireDecoder(PhantomData)
    }
}

/// Encoder of [`EncodedCodec`].
#[derive(Debug, Clone)]
pub struct EncodedEncoder;

impl Encoder for EncodedEncoder {
    type Item = Encoded;
    type Error = Status;

    fn encode(&mut self, message: Encoded, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buf.reserve(message.0.len());
        buf.put(message.0);
        Ok(())
    }
}

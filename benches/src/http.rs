//! A client of the DynamoDB protocol that costs little, as it shares the machine with the server that it measures.
//!
//! A connection carries one request at a time over plain HTTP on loopback. Requests are signed as AWS's clients sign them (Signature
//! Version 4) with one date and the day's key for many of them, which takes some 3 µs for 1 KB; bodies are taken and handed out as
//! they are. Not offered: TLS, retries, chunked answers.

use std::fmt::Write as _;
use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use jiff::Timestamp;
use sealdb::crypto::hex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::store::Failure;

/// What `X-Amz-Target` of DynamoDB's operations begins with.
const DYNAMODB: &str = "DynamoDB_20120810.";

/// Signs requests of the minutes after it was made: servers take a date of the last fifteen.
#[derive(Clone)]
pub struct Signer {
    date: String,
    scope: String,
    access_key_id: String,
    key: Key,
}

impl Signer {
    /// Signs with this access key from now on.
    pub fn new(access_key_id: &str, secret: &str) -> Self {
        let date = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{}/us-east-1/dynamodb/aws4_request", &date[..8]);
        let secret = Key::new(HMAC_SHA256, format!("AWS4{secret}").as_bytes());
        let key = scope.split('/').fold(secret, |key, part| {
            Key::new(HMAC_SHA256, sign(&key, part.as_bytes()).as_ref())
        });
        Self {
            date,
            scope,
            access_key_id: access_key_id.to_owned(),
            key,
        }
    }

    /// Appends the request for an operation, or for a whole target (`DynamoDBStreams_20120810.ListStreams`).
    fn push(&self, out: &mut Vec<u8>, operation: &str, body: &[u8]) {
        let prefix = if operation.contains('.') {
            ""
        } else {
            DYNAMODB
        };
        let (date, scope) = (&self.date, &self.scope);
        let canonical = format!(
            "POST\n/\n\nhost:localhost\nx-amz-date:{date}\nx-amz-target:{prefix}{operation}\n\n\
             host;x-amz-date;x-amz-target\n{}",
            hash(body)
        );
        let text = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            hash(canonical.as_bytes())
        );
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\
             X-Amz-Date: {date}\r\nX-Amz-Target: {prefix}{operation}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential={}/{scope}, SignedHeaders=host;x-amz-date;x-amz-target, Signature={}\r\n\r\n",
            body.len(),
            self.access_key_id,
            hex(sign(&self.key, text.as_bytes()).as_ref())
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(body);
    }
}

/// One connection, kept alive.
pub struct Connection {
    stream: TcpStream,
    signer: Signer,
    sent: Vec<u8>,
    received: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// Of HTTP.
    pub status: u16,
    /// As it came.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// The body of an answer that is no error.
    ///
    /// # Errors
    /// It is one.
    pub fn ok(&self) -> Result<&[u8], Failure> {
        match self.status {
            200 => Ok(self.body),
            status => Err(format!("{status}: {}", String::from_utf8_lossy(self.body)).into()),
        }
    }
}

impl Connection {
    /// Connects; what it sends is signed by `signer`.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn open(address: SocketAddr, signer: Signer) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            signer,
            sent: Vec::new(),
            received: Vec::new(),
        })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The connection broke, or what came is no answer of HTTP/1.1.
    pub async fn call(&mut self, operation: &str, body: &[u8]) -> Result<Answer<'_>, Failure> {
        self.sent.clear();
        self.signer.push(&mut self.sent, operation, body);
        self.stream.write_all(&self.sent).await?;
        self.received.clear();
        let head = loop {
            self.receive().await?;
            if let Some(head) = Head::read(&self.received)? {
                break head;
            }
        };
        let end = head.bytes + head.body;
        while self.received.len() < end {
            self.receive().await?;
        }
        Ok(Answer {
            status: head.status,
            body: &self.received[head.bytes..end],
        })
    }

    async fn receive(&mut self) -> Result<(), Failure> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Of itself, with the empty line.
    bytes: usize,
    /// Of the body.
    body: usize,
}

impl Head {
    /// `None`: there is more of it to come.
    fn read(received: &[u8]) -> Result<Option<Self>, Failure> {
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&received[..end])?;
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let (Some(status), Some((_, length))) = (status, length) else {
            return Err(format!("no answer with a length: {text}").into());
        };
        Ok(Some(Self {
            status: status.parse()?,
            bytes: end + 4,
            body: length.trim().parse()?,
        }))
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Appends a string to JSON that needs no escapes, as those of the measured items do not.
pub fn push_string(out: &mut String, name: &str, text: &str) {
    let _ = write!(out, "\"{name}\":{{\"S\":\"{text}\"}}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let answer = b"HTTP/1.1 400 Bad Request\r\nx: y\r\ncontent-Length: 2\r\n\r\n{}";
        assert_eq!(Head::read(&answer[..answer.len() - 4]).unwrap(), None);
        let head = Head {
            status: 400,
            bytes: answer.len() - 2,
            body: 2,
        };
        assert_eq!(Head::read(answer).unwrap(), Some(head));
        assert!(Head::read(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn an_answer_that_is_an_error_is_none() {
        let answer = |status| Answer {
            status,
            body: b"{}",
        };
        assert_eq!(answer(200).ok().unwrap(), b"{}");
        assert_eq!(answer(400).ok().unwrap_err().to_string(), "400: {}");
    }
}

//! A client of the DynamoDB protocol, byte by byte: what SDKs send, and what they never would.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Served;

/// One connection, and the access key that its requests are signed with.
pub struct Http {
    stream: TcpStream,
    pub access_key_id: String,
    pub secret: String,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// Name and message of an error.
    #[track_caller]
    pub fn error(&self) -> (String, String) {
        assert_ne!(
            self.status,
            200,
            "{:?}",
            String::from_utf8_lossy(&self.body)
        );
        let json = self.json();
        let message = json.get("message").or(json.get("Message"));
        (
            json["__type"].as_str().unwrap().to_owned(),
            message
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        )
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Http {
    pub async fn to(served: &Served) -> Http {
        let endpoint = served.endpoint();
        Http {
            stream: TcpStream::connect(served.running.dynamodb_address.unwrap())
                .await
                .unwrap(),
            access_key_id: endpoint.access_key_id,
            secret: endpoint.secret_access_key.expose().to_owned(),
        }
    }

    /// The headers of a signed request.
    pub fn headers(&self, operation: &str, body: &[u8]) -> Vec<(String, String)> {
        let date = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let target = match operation.contains('.') {
            true => operation.to_owned(),
            false => format!("DynamoDB_20120810.{operation}"),
        };
        let scope = format!("{}/us-east-1/dynamodb/aws4_request", &date[..8]);
        let canonical = format!(
            "POST\n/\n\nhost:localhost\nx-amz-date:{date}\nx-amz-target:{target}\n\nhost;x-amz-date;x-amz-target\n{}",
            hex(digest(&SHA256, body).as_ref())
        );
        let text = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            hex(digest(&SHA256, canonical.as_bytes()).as_ref())
        );
        let mut key = Key::new(HMAC_SHA256, format!("AWS4{}", self.secret).as_bytes());
        for part in scope.split('/') {
            key = Key::new(HMAC_SHA256, sign(&key, part.as_bytes()).as_ref());
        }
        let signature = hex(sign(&key, text.as_bytes()).as_ref());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-date;x-amz-target, Signature={signature}",
            self.access_key_id
        );
        [
            ("Host", "localhost"),
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Date", &date),
            ("X-Amz-Target", &target),
            ("Authorization", &authorization),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    pub async fn send(&mut self, line: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
        self.ask(line, headers, body).await;
        self.receive().await
    }

    /// A request whose answer is not read yet.
    pub async fn ask(&mut self, line: &str, headers: &[(String, String)], body: &[u8]) {
        let mut request = format!("{line} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        // A server that refuses early closes while we still send.
        let _ = self.stream.write_all(body).await;
    }

    /// Bytes as they are.
    pub async fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn receive(&mut self) -> Answer {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let read = self.stream.read_buf(&mut bytes).await.unwrap();
            assert!(read > 0, "closed: {:?}", String::from_utf8_lossy(&bytes));
        };
        let mut answer = Answer {
            status: 0,
            head: String::from_utf8(bytes[..end].to_vec()).unwrap(),
            body: bytes[end..].to_vec(),
        };
        answer.status = answer.head[9..12].parse().unwrap();
        let length: usize = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        while answer.body.len() < length {
            let read = self.stream.read_buf(&mut answer.body).await.unwrap();
            assert!(read > 0, "closed within the body");
        }
        answer
    }

    /// A signed request.
    pub async fn call(&mut self, operation: &str, body: &str) -> Answer {
        let headers = self.headers(operation, body.as_bytes());
        self.send("POST /", &headers, body.as_bytes()).await
    }

    /// The answer to a signed request that succeeds.
    pub async fn ok(&mut self, operation: &str, body: &str) -> Value {
        let answer = self.call(operation, body).await;
        assert_eq!(
            answer.status,
            200,
            "{operation}: {:?}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    }
}

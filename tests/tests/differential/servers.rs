//! Both servers, in processes of their own.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sealdb_benches::http::{Connection, Signer};
use sealdb_tests::dynamodb::{serve, tool};
use sealdb_tests::server::{Home, Server};
use serde_json::{Value, json};

use crate::draw::Request;

/// How long a server or a table may take to be there or gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub status: u16,
    pub body: Value,
}

impl Outcome {
    /// The name of an error; empty if it is none.
    pub fn name(&self) -> &str {
        self.error().map_or("", |(name, _)| name)
    }

    /// The message of an error; empty if it is none.
    pub fn message(&self) -> &str {
        self.error().map_or("", |(_, message)| message)
    }

    /// Of an error: its name and its message.
    pub fn error(&self) -> Option<(&str, &str)> {
        let name = self.body.get("__type")?.as_str()?;
        let message = self.body.get("message").and_then(Value::as_str);
        Some((name, message.unwrap_or_default()))
    }
}

/// The process of dynoxide. Dropped, it is killed.
struct Dynoxide(Child);

impl Drop for Dynoxide {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both of them, and a connection to each.
pub struct Servers {
    ours: Connection,
    theirs: Connection,
    _server: Server,
    _dynoxide: Dynoxide,
    _home: Home,
}

impl Servers {
    /// `None`: dynoxide is not installed.
    pub async fn start() -> Option<Self> {
        let program = tool("dynoxide/bin/dynoxide")?;
        let home = Home::new();
        let (server, address) = serve(&home, &["--dynamodb-plain-http"]);
        let address = address.strip_prefix("http://").unwrap().parse().unwrap();
        let (id, secret) = (
            &server.endpoint.access_key_id,
            server.endpoint.secret_access_key.expose(),
        );
        let signer = Signer::new(id, secret);
        // It does not tell which port it took, so it is told one that was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let dynoxide = Command::new(program)
            .args(["serve", "--log", "quiet"])
            .args(["--port", &free.port().to_string()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let dynoxide = Dynoxide(dynoxide);
        Some(Servers {
            ours: connect(address, &signer).await,
            theirs: connect(free, &signer).await,
            _server: server,
            _dynoxide: dynoxide,
            _home: home,
        })
    }

    /// The answers of both.
    pub async fn call(&mut self, operation: &str, request: &Value) -> (Outcome, Outcome) {
        (
            call(&mut self.ours, operation, request).await,
            call(&mut self.theirs, operation, request).await,
        )
    }

    /// Deletes all tables of both, and makes these.
    pub async fn begin(&mut self, tables: &[Request]) {
        for connection in [&mut self.ours, &mut self.theirs] {
            for name in list(connection).await {
                ok(connection, "DeleteTable", &json!({"TableName": name})).await;
            }
            let begun = Instant::now();
            while !list(connection).await.is_empty() {
                assert!(begun.elapsed() < PATIENCE, "tables do not go");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            for (operation, table) in tables {
                ok(connection, operation, table).await;
                let named = json!({"TableName": table["TableName"]});
                while ok(connection, "DescribeTable", &named).await["Table"]["TableStatus"]
                    != "ACTIVE"
                {
                    assert!(begun.elapsed() < PATIENCE, "a table does not come");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }
}

async fn connect(address: SocketAddr, signer: &Signer) -> Connection {
    let begun = Instant::now();
    loop {
        match Connection::open(address, signer.clone()).await {
            Ok(connection) => return connection,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{address}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn call(connection: &mut Connection, operation: &str, request: &Value) -> Outcome {
    let body = request.to_string();
    let answer = connection.call(operation, body.as_bytes()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{operation} {body}: {error}"));
    Outcome {
        status: answer.status,
        body: serde_json::from_slice(answer.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(answer.body))),
    }
}

/// The answer to a request that succeeds.
async fn ok(connection: &mut Connection, operation: &str, request: &Value) -> Value {
    let outcome = call(connection, operation, request).await;
    assert_eq!(
        outcome.status, 200,
        "{operation} {request}: {}",
        outcome.body
    );
    outcome.body
}

async fn list(connection: &mut Connection) -> Vec<String> {
    let listed = ok(connection, "ListTables", &json!({})).await;
    serde_json::from_value(listed["TableNames"].clone()).unwrap()
}

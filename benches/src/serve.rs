//! A server over a database of either kind in a process of its own, so that its processor time and memory are its own.
//!
//! The process is this program again. It serves until its standard input ends, which the parent's death brings about too.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sealdb_client::{Client, Endpoint};
use sealdb_server::Config;
use sealdb_server::config::FirstCredential;

use crate::compare::runtime;
use crate::process::{Over, Process, again};
use crate::store::{Failure, Kind, existing};
use crate::usage::{self, Memory};

const LOOPBACK: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// The access key of DynamoDB's protocol; others that are measured know every key.
pub const ACCESS_KEY_ID: &str = "SEALDBBENCH";
/// Its secret.
pub const SECRET: &str = "known-to-everybody";

/// Serves until the standard input ends.
///
/// # Errors
/// The server does not start or stop.
pub fn serve(over: &Over) -> Result<(), Failure> {
    let mut config = Config::new(over.dir.join("data"));
    config.keyring = over.dir.join("keyring");
    config.run_dir = over.dir.join("run");
    config.listen = LOOPBACK;
    config.dynamodb = Some(LOOPBACK);
    config.dynamodb_plain_http = true;
    config.first_credential = Some(FirstCredential {
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret: SECRET.to_owned().into(),
    });
    config.metrics = Some(LOOPBACK);
    config.publish_endpoint = false;
    runtime()?.block_on(async {
        let database = existing(&over.dir, over.kind(), &over.options())
            .open()
            .await?;
        let running = sealdb_server::server::start_over(config, &database).await?;
        let metrics = running.metrics_address.ok_or("no metrics are served")?;
        let dynamodb = running.dynamodb_address.ok_or("no JSON is served")?;
        {
            let mut stdout = std::io::stdout().lock();
            let endpoint = running.endpoint_file.display();
            writeln!(stdout, "{metrics} {dynamodb} {endpoint}")?;
            stdout.flush()?;
        }
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        Ok(running.shutdown().await?)
    })
}

/// The process, seen from its parent. It ends with this.
pub struct Served {
    process: Process,
    metrics: SocketAddr,
    dynamodb: SocketAddr,
    endpoint_file: PathBuf,
}

/// Calls of one operation that a server answered, and the time from their last byte to their answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Answered {
    /// How many.
    pub calls: f64,
    /// All together, in seconds.
    pub seconds: f64,
}

impl Served {
    /// Starts a server over the closed database in `dir`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(dir: &Path, kind: Kind, cache_bytes: usize) -> Result<Self, Failure> {
        let mut process = Process::start(again("serve", dir, kind, cache_bytes)?)?;
        let line = process.line()?;
        let mut words = line.splitn(3, ' ');
        let (Some(metrics), Some(dynamodb), Some(endpoint)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(format!("the server says: {line}").into());
        };
        Ok(Self {
            metrics: metrics.parse()?,
            dynamodb: dynamodb.parse()?,
            endpoint_file: PathBuf::from(endpoint),
            process,
        })
    }

    /// Where it speaks DynamoDB's protocol, in plain HTTP.
    pub fn dynamodb(&self) -> SocketAddr {
        self.dynamodb
    }

    /// The process's number in the system.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A connection of its own.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn client(&self) -> Result<Client, Failure> {
        let endpoint = Endpoint::from_file(&self.endpoint_file)?;
        Ok(Client::connect(endpoint).await?)
    }

    /// Its processor time so far.
    ///
    /// # Errors
    /// It is gone.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        usage::cpu_of(self.process.id())
    }

    /// Its resident memory.
    ///
    /// # Errors
    /// It is gone.
    pub fn memory(&self) -> Result<Memory, Failure> {
        usage::memory(Some(self.process.id()))
    }

    /// What it answered of an operation so far, by its own metrics.
    ///
    /// # Errors
    /// It is gone.
    pub fn answered(&self, operation: &str) -> Result<Answered, Failure> {
        let mut stream = TcpStream::connect(self.metrics)?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok(answered(&page, operation))
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// It did not stop well.
    pub fn stop(self) -> Result<(), Failure> {
        self.process.stop()
    }
}

fn answered(page: &str, operation: &str) -> Answered {
    let read = |name: &str| {
        let name = format!("sealdb_operation_duration_seconds_{name}{{");
        page.lines()
            .filter(|line| line.starts_with(&name))
            .filter(|line| line.contains(&format!("operation=\"{operation}\"")))
            .filter(|line| line.contains("outcome=\"ok\""))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    };
    Answered {
        calls: read("count"),
        seconds: read("sum"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_of_an_operation_are_found() {
        let page = "sealdb_operation_duration_seconds_sum{operation=\"GetItem\",outcome=\"ok\"} 0.5\n\
            sealdb_operation_duration_seconds_count{operation=\"GetItem\",outcome=\"ok\"} 4\n\
            sealdb_operation_duration_seconds_count{operation=\"PutItem\",outcome=\"ok\"} 7\n";
        let expected = Answered {
            calls: 4.0,
            seconds: 0.5,
        };
        assert_eq!(answered(page, "GetItem"), expected);
        assert_eq!(answered(page, "Scan"), Answered::default());
    }
}

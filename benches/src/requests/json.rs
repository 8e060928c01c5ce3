//! Clients of a server that speaks DynamoDB's JSON, whoever it is.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealdb::model::{AttributeValue, Item};
use tokio::runtime::Runtime;

use crate::grpc::CONNECTIONS;
use crate::http::{Connection, Signer, push_string};
use crate::load::clients::{Span, Until, drive};
use crate::load::{Latencies, Sample, latencies, nanos};
use crate::random::Random;
use crate::serve::{ACCESS_KEY_ID, SECRET};
use crate::store::{BATCH, Failure, Items, TABLE};

/// How long a table may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clients of one server. Each measurement opens connections of its own, one a client, before its time begins: servers close those that lie
/// idle while others are measured, some after five seconds.
pub(super) struct Clients {
    address: SocketAddr,
    items: Items,
    random: Random,
}

impl Clients {
    pub(super) fn new(address: SocketAddr, items: Items) -> Self {
        Self {
            address,
            items,
            random: Random(1),
        }
    }

    /// [`CONNECTIONS`] of them, which sign with the date of now.
    fn connect(&self, runtime: &Runtime) -> Result<Vec<Connection>, Failure> {
        runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..CONNECTIONS {
                connections.push(Connection::open(self.address, signer()).await?);
            }
            Ok(connections)
        })
    }

    /// Makes the table and puts all items, by all clients at once.
    pub(super) fn fill(&mut self, runtime: &Runtime) -> Result<(), Failure> {
        let mut connections = self.connect(runtime)?;
        runtime.block_on(create(&mut connections[0]))?;
        let (items, batches) = (self.items, self.items.batches());
        drive(runtime, CONNECTIONS, Span::Calls(u64::MAX), |number, _| {
            let mut connection = connections.swap_remove(0);
            async move {
                let mine = (number as u64..batches).step_by(CONNECTIONS);
                for batch in mine {
                    let numbers = (0..BATCH).map(|i| batch + i * batches);
                    let body = batch_of(numbers.map(|number| items.item(number, 0)));
                    let call = connection.call("BatchWriteItem", body.as_bytes()).await?;
                    if call.ok()? != br#"{"UnprocessedItems":{}}"# {
                        return Err("some items of a batch were not processed".into());
                    }
                }
                Ok(())
            }
        })?;
        Ok(())
    }

    /// Gets of random items.
    pub(super) fn gets(&mut self, runtime: &Runtime, span: Span) -> Result<Sample, Failure> {
        self.drive(
            runtime,
            span,
            |mut connection, items, mut random, until| async move {
                let mut out = latencies();
                while until.another() {
                    let key = items.key(random.below(items.count));
                    let body = format!("{{\"TableName\":\"{TABLE}\",\"Key\":{}}}", json(&key));
                    let begun = Instant::now();
                    let answer = connection.call("GetItem", body.as_bytes()).await?;
                    out.record(nanos(begun.elapsed()))?;
                    // Attributes come in any order.
                    if (answer.ok()?.len() as f64) < items.size.mean() {
                        return Err("an answer was not what was stored".into());
                    }
                }
                Ok(out)
            },
        )
    }

    /// Puts in place of random items.
    pub(super) fn puts(&mut self, runtime: &Runtime, span: Span) -> Result<Sample, Failure> {
        self.drive(
            runtime,
            span,
            |mut connection, items, mut random, until| async move {
                let mut out = latencies();
                while until.another() {
                    let number = random.below(items.count);
                    let item = items.item(number, random.below(u64::MAX));
                    let body = format!("{{\"TableName\":\"{TABLE}\",\"Item\":{}}}", json(&item));
                    let begun = Instant::now();
                    let answer = connection.call("PutItem", body.as_bytes()).await?;
                    out.record(nanos(begun.elapsed()))?;
                    answer.ok()?;
                }
                Ok(out)
            },
        )
    }

    fn drive<F>(
        &mut self,
        runtime: &Runtime,
        span: Span,
        work: impl Fn(Connection, Items, Random, Arc<Until>) -> F,
    ) -> Result<Sample, Failure>
    where
        F: Future<Output = Result<Latencies, Failure>> + Send + 'static,
    {
        let mut connections = self.connect(runtime)?;
        let driven = drive(runtime, CONNECTIONS, span, |_, until| {
            let connection = connections.swap_remove(0);
            work(connection, self.items, self.random.split(), until)
        })?;
        Ok(driven.together())
    }
}

/// Dated now.
fn signer() -> Signer {
    Signer::new(ACCESS_KEY_ID, SECRET)
}

/// Makes the table and waits until it is there.
async fn create(connection: &mut Connection) -> Result<(), Failure> {
    let body = format!(
        r#"{{"TableName":"{TABLE}","BillingMode":"PAY_PER_REQUEST",
        "AttributeDefinitions":[{{"AttributeName":"pk","AttributeType":"S"}},{{"AttributeName":"sk","AttributeType":"S"}}],
        "KeySchema":[{{"AttributeName":"pk","KeyType":"HASH"}},{{"AttributeName":"sk","KeyType":"RANGE"}}]}}"#
    );
    connection
        .call("CreateTable", body.as_bytes())
        .await?
        .ok()?;
    let describe = format!("{{\"TableName\":\"{TABLE}\"}}");
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let answer = connection
            .call("DescribeTable", describe.as_bytes())
            .await?;
        if String::from_utf8_lossy(answer.ok()?).contains("\"ACTIVE\"") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("the table does not become active".into())
}

fn batch_of(items: impl Iterator<Item = Item>) -> String {
    let puts = items.map(|item| format!("{{\"PutRequest\":{{\"Item\":{}}}}}", json(&item)));
    let puts: Vec<String> = puts.collect();
    format!("{{\"RequestItems\":{{\"{TABLE}\":[{}]}}}}", puts.join(","))
}

/// An item of strings that need no escapes, as the measured ones are.
fn json(item: &Item) -> String {
    let mut out = String::with_capacity(1280);
    let mut next = '{';
    for (name, value) in item.iter() {
        if let AttributeValue::S(text) = value {
            out.push(next);
            push_string(&mut out, name, text);
            next = ',';
        }
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::ItemSize;

    #[test]
    fn bodies_are_json_of_the_items() {
        let items = Items::new(100, ItemSize::Fixed(100));
        let body = batch_of([items.item(7, 1), items.key(8)].into_iter());
        let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let puts = &body["RequestItems"][TABLE];
        assert_eq!(puts[0]["PutRequest"]["Item"]["sk"]["S"], "007");
        let text = puts[0]["PutRequest"]["Item"]["v"]["S"].as_str();
        assert!(text.is_some_and(|text| text.starts_with("0000000000000001xxx")));
        assert_eq!(puts[1]["PutRequest"]["Item"]["pk"]["S"], "p00000000");
    }
}

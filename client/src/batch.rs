//! Batches to their end: BatchWriteItem and BatchGetItem until nothing is unprocessed.

use std::collections::BTreeMap;

use sealdb_model::ops::{BatchGetItemInput, BatchWriteItemInput, KeysAndAttributes, WriteRequest};
use sealdb_model::{ErrorCode, Item};

use crate::client::Client;
use crate::error::Error;

/// A batch that did not come to its end, and what of it is not known to be done.
#[derive(Debug, thiserror::Error)]
#[error("{} of the batch's requests were not carried out: {source}", count(.unprocessed))]
pub struct BatchWriteError {
    /// Requests that may be sent again. After a lost answer some of them may have been carried out.
    pub unprocessed: BTreeMap<String, Vec<WriteRequest>>,
    /// Why.
    pub source: Error,
}

impl BatchWriteError {
    /// How many requests are left.
    pub fn left(&self) -> usize {
        count(&self.unprocessed)
    }
}

impl From<BatchWriteError> for Error {
    fn from(error: BatchWriteError) -> Self {
        error.source
    }
}

impl Client {
    /// BatchWriteItem, sent again with what came back as unprocessed until nothing does, with the waits of
    /// the retry policy between; a try that got something done starts the count of tries anew.
    ///
    /// # Errors
    /// The requests that are left, and why.
    pub async fn batch_write_all(&self, input: BatchWriteItemInput) -> Result<(), BatchWriteError> {
        let mut requests = input.request_items;
        let mut tries = 0;
        while !requests.is_empty() {
            let before = count(&requests);
            let sent = BatchWriteItemInput::new().request_items(requests.clone());
            match self.batch_write_item(sent).await {
                Ok(output) => requests = output.unprocessed_items,
                Err(source) => {
                    return Err(BatchWriteError {
                        unprocessed: requests,
                        source,
                    });
                }
            }
            if requests.is_empty() {
                break;
            }
            tries = if count(&requests) < before {
                1
            } else {
                tries + 1
            };
            if let Err(source) = self.pause(tries).await {
                return Err(BatchWriteError {
                    unprocessed: requests,
                    source,
                });
            }
        }
        Ok(())
    }

    /// BatchGetItem, asked again for what came back as unprocessed until nothing does, with waits as
    /// [`Client::batch_write_all`] has them.
    ///
    /// # Errors
    /// Why not all could be read.
    pub async fn batch_get_all(
        &self,
        input: BatchGetItemInput,
    ) -> Result<BTreeMap<String, Vec<Item>>, Error> {
        let mut wanted = input.request_items;
        let mut found: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        let mut tries = 0;
        while !wanted.is_empty() {
            let before = count_keys(&wanted);
            let asked = BatchGetItemInput::new().request_items(wanted);
            let output = self.batch_get_item(asked).await?;
            for (table, items) in output.responses {
                found.entry(table).or_default().extend(items);
            }
            wanted = output.unprocessed_keys;
            if wanted.is_empty() {
                break;
            }
            tries = if count_keys(&wanted) < before {
                1
            } else {
                tries + 1
            };
            self.pause(tries).await?;
        }
        Ok(found)
    }

    /// Waits before a batch is sent again; an error when that was often enough.
    async fn pause(&self, tries: u32) -> Result<(), Error> {
        match self.caller().retry().wait(tries) {
            Some(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            None => Err(Error::new(
                ErrorCode::ThrottlingException,
                format!("the server left the same requests unprocessed {tries} times"),
            )),
        }
    }
}

fn count(requests: &BTreeMap<String, Vec<WriteRequest>>) -> usize {
    requests.values().map(Vec::len).sum()
}

fn count_keys(wanted: &BTreeMap<String, KeysAndAttributes>) -> usize {
    wanted.values().map(|wanted| wanted.keys.len()).sum()
}

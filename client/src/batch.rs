//! Batches to their end: BatchWriteItem until nothing is unprocessed.

use std::collections::BTreeMap;

use sealdb_model::ErrorCode;
use sealdb_model::ops::{BatchWriteItemInput, WriteRequest};

use crate::client::Client;
use crate::error::Error;

/// A batch that did not come to its end, and what of it is not known to be done.
#[derive(Debug, thiserror::Error)]
#[error("{} of the batch's requests were not carried out: {source}", .unprocessed.values().map(Vec::len).sum::<usize>())]
pub struct BatchWriteError {
    /// Requests that may be sent again. After a lost answer some of them may have been carried out.
    pub unprocessed: BTreeMap<String, Vec<WriteRequest>>,
    /// Why.
    pub source: Error,
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
            match self.caller().retry().wait(tries) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => {
                    let source = Error::new(
                        ErrorCode::ThrottlingException,
                        format!("the server left the same requests unprocessed {tries} times"),
                    );
                    return Err(BatchWriteError {
                        unprocessed: requests,
                        source,
                    });
                }
            }
        }
        Ok(())
    }
}

fn count(requests: &BTreeMap<String, Vec<WriteRequest>>) -> usize {
    requests.values().map(Vec::len).sum()
}

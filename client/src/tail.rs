//! Following a stream: its records one by one, as the server sends them.

use std::collections::VecDeque;

use sealdb_model::ErrorCode;
use sealdb_model::ops::{
    DescribeStreamInput, DescribeTableInput, GetRecordsInput, GetRecordsOutput,
    GetShardIteratorInput, Record, SequenceNumber, ShardIterator, ShardIteratorType,
};
use sealdb_proto::v1;
use tonic::Streaming;

use crate::client::Client;
use crate::error::Error;

const PATH: &str = "/sealdb.v1.SealDb/GetRecordsStream";

/// Where to begin to follow a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailFrom {
    /// At the oldest record that there is.
    Oldest,
    /// After the newest record.
    Now,
    /// After the record with this number: the last one that was dealt with.
    After(SequenceNumber),
}

impl Client {
    /// Follows the latest stream of a table.
    ///
    /// ```no_run
    /// # async fn example(client: sealdb_client::Client) -> Result<(), sealdb_client::Error> {
    /// use sealdb_client::TailFrom;
    ///
    /// let mut tail = client.tail_table("airports", TailFrom::Oldest).await?;
    /// while let Some(record) = tail.next().await {
    ///     let record = record?;
    ///     println!("{} {}", record.event_name, record.dynamodb.sequence_number);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ResourceNotFoundException` if it has none; `TrimmedDataAccessException` if records after the given one are gone.
    pub async fn tail_table(&self, table: &str, from: TailFrom) -> Result<Tail, Error> {
        let described = self.describe_table(DescribeTableInput::new(table)).await?;
        match described.table.latest_stream_arn {
            Some(arn) => self.tail(arn, from).await,
            None => Err(Error::new(
                ErrorCode::ResourceNotFoundException,
                format!("the table {table} has no stream"),
            )),
        }
    }

    /// Follows a stream.
    ///
    /// # Errors
    /// As [`Client::tail_table`].
    pub async fn tail(&self, stream_arn: impl Into<String>, from: TailFrom) -> Result<Tail, Error> {
        let stream_arn = stream_arn.into();
        let input = DescribeStreamInput::new(&stream_arn);
        let shards = self.describe_stream(input).await?.stream_description.shards;
        let shard_id = shards.into_iter().map(|shard| shard.shard_id).next();
        let mut tail = Tail {
            client: self.clone(),
            stream_arn,
            shard_id: shard_id.unwrap_or_default(),
            iterator: None,
            open: None,
            page: VecDeque::new(),
        };
        tail.iterator = Some(match from {
            TailFrom::Oldest => tail.begin(ShardIteratorType::TrimHorizon, None).await?,
            TailFrom::Now => tail.begin(ShardIteratorType::Latest, None).await?,
            TailFrom::After(number) => {
                let after = ShardIteratorType::AfterSequenceNumber;
                tail.begin(after, Some(number)).await?
            }
        });
        Ok(tail)
    }
}

/// The records of a stream, from some point on. Each comes once, in the order of commits; after a broken connection, an error, and
/// any pause, it goes on where it was. One who must go on in another process keeps the number of the last record that was dealt with
/// ([`TailFrom::After`]). It holds one page of records, of 1 MB at most, and the server reads no further than a few of those ahead.
#[derive(Debug)]
pub struct Tail {
    client: Client,
    stream_arn: String,
    shard_id: String,
    /// Behind the last page that came. `None`: the stream takes no more records, and all have come.
    iterator: Option<String>,
    /// On which the server sends the pages from there on.
    open: Option<Streaming<v1::GetRecordsResponse>>,
    page: VecDeque<Record>,
}

impl Tail {
    /// The stream.
    pub fn stream_arn(&self) -> &str {
        &self.stream_arn
    }

    /// The next record: waits until there is one. `None`: the stream is disabled, and all of its records have come. Where the
    /// connection breaks it is made anew, as often as the retry policy says. If the future is dropped, no record is lost.
    pub async fn next(&mut self) -> Option<Result<Record, Error>> {
        let mut tries = 1;
        loop {
            if let Some(record) = self.page.pop_front() {
                return Some(Ok(record));
            }
            let iterator = self.iterator.clone()?;
            let error = match self.pushed(&iterator).await {
                Ok(page) => {
                    self.turn(page);
                    tries = 1;
                    continue;
                }
                Err(error) => error,
            };
            self.open = None;
            match self.client.caller().retry().wait(tries) {
                _ if error.code() == ErrorCode::ExpiredIteratorException => {
                    if let Err(error) = self.renew(&iterator).await {
                        return Some(Err(error));
                    }
                }
                Some(wait) if error.retryable() => tokio::time::sleep(wait).await,
                _ => return Some(Err(error)),
            }
            tries += 1;
        }
    }

    /// The next record, or `Some(Ok(None))` if there is none yet. Otherwise as [`Tail::next`].
    pub async fn try_next(&mut self) -> Option<Result<Option<Record>, Error>> {
        loop {
            if let Some(record) = self.page.pop_front() {
                return Some(Ok(Some(record)));
            }
            let iterator = self.iterator.clone()?;
            // Pages on their way are of the same records.
            self.open = None;
            let input = GetRecordsInput::new(&iterator);
            let renewed = match self.client.get_records(input).await {
                Ok(page) => {
                    let none = page.records.is_empty() && page.next_shard_iterator.is_some();
                    self.turn(page);
                    match none {
                        true => return Some(Ok(None)),
                        false => continue,
                    }
                }
                Err(error) if error.code() == ErrorCode::ExpiredIteratorException => {
                    self.renew(&iterator).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = renewed {
                return Some(Err(error));
            }
        }
    }

    /// The next page that the server sends, from the iterator on.
    async fn pushed(&mut self, iterator: &str) -> Result<GetRecordsOutput, Error> {
        let caller = self.client.caller();
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let request = v1::GetRecordsRequest::from(GetRecordsInput::new(iterator));
                none.insert(caller.stream(PATH, request).await?)
            }
        };
        // Without a time limit: a record may be long in coming, and a connection that is dead is noticed by itself.
        match open.message().await {
            Ok(Some(page)) => Ok(page.try_into()?),
            Ok(None) => Err(Error::lost_answer(
                "the stream ended early".to_owned(),
                true,
            )),
            Err(status) => Err(Error::of_call(status, true)),
        }
    }

    fn turn(&mut self, page: GetRecordsOutput) {
        self.iterator = page.next_shard_iterator;
        self.page = page.records.into();
    }

    /// Another iterator for the same place.
    async fn renew(&mut self, iterator: &str) -> Result<(), Error> {
        let place = ShardIterator::parse(iterator)
            .map_err(|error| Error::new(error.code(), error.message()))?;
        let (kind, number) = match place.from == SequenceNumber::default() {
            true => (ShardIteratorType::TrimHorizon, None),
            false => (ShardIteratorType::AtSequenceNumber, Some(place.from)),
        };
        self.iterator = Some(self.begin(kind, number).await?);
        Ok(())
    }

    async fn begin(
        &self,
        kind: ShardIteratorType,
        number: Option<SequenceNumber>,
    ) -> Result<String, Error> {
        let mut input = GetShardIteratorInput::new(&self.stream_arn, &self.shard_id, kind);
        input.sequence_number = number.map(|number| number.to_string());
        Ok(self.client.get_shard_iterator(input).await?.shard_iterator)
    }
}

//! Following a stream: its records one by one, as they come.

use std::collections::VecDeque;
use std::time::Duration;

use sealdb_model::ErrorCode;
use sealdb_model::ops::{
    DescribeStreamInput, DescribeTableInput, GetRecordsInput, GetShardIteratorInput, Record,
    SequenceNumber, ShardIterator, ShardIteratorType,
};

use crate::client::Client;
use crate::error::Error;

/// How long a [`Tail`] waits before it asks again where there was nothing new, unless it is told otherwise.
const PAUSE: Duration = Duration::from_millis(250);

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
            page: VecDeque::new(),
            pause: PAUSE,
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

/// The records of a stream, from some point on. Each comes once, in the order of commits; after an error, and after any pause, it goes
/// on where it was. One who must go on in another process keeps the number of the last record that was dealt with
/// ([`TailFrom::After`]).
#[derive(Debug)]
pub struct Tail {
    client: Client,
    stream_arn: String,
    shard_id: String,
    /// `None`: the stream takes no more records, and all have been fetched.
    iterator: Option<String>,
    page: VecDeque<Record>,
    pause: Duration,
}

impl Tail {
    /// Sets how long to wait before asking again where there was nothing new. Default: 250 ms.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// The stream.
    pub fn stream_arn(&self) -> &str {
        &self.stream_arn
    }

    /// The next record: waits until there is one. `None`: the stream is disabled, and all of its records have come.
    pub async fn next(&mut self) -> Option<Result<Record, Error>> {
        loop {
            match self.try_next().await? {
                Ok(Some(record)) => return Some(Ok(record)),
                Ok(None) => tokio::time::sleep(self.pause).await,
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The next record, or `Some(Ok(None))` if there is none yet. Otherwise as [`Tail::next`].
    pub async fn try_next(&mut self) -> Option<Result<Option<Record>, Error>> {
        loop {
            if let Some(record) = self.page.pop_front() {
                return Some(Ok(Some(record)));
            }
            let iterator = self.iterator.clone()?;
            let error = match self
                .client
                .get_records(GetRecordsInput::new(&iterator))
                .await
            {
                Ok(output) => {
                    self.iterator = output.next_shard_iterator;
                    self.page = output.records.into();
                    match (self.page.is_empty(), &self.iterator) {
                        (true, Some(_)) => return Some(Ok(None)),
                        _ => continue,
                    }
                }
                Err(error) => error,
            };
            let renewed = match error.code() {
                // Nobody asked for longer than an iterator lives.
                ErrorCode::ExpiredIteratorException => self.renew(&iterator).await,
                _ => Err(error),
            };
            match renewed {
                Ok(iterator) => self.iterator = Some(iterator),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Another iterator for the same place.
    async fn renew(&self, iterator: &str) -> Result<String, Error> {
        let place = ShardIterator::parse(iterator)
            .map_err(|error| Error::new(error.code(), error.message()))?;
        match place.from == SequenceNumber::default() {
            true => self.begin(ShardIteratorType::TrimHorizon, None).await,
            false => {
                let at = ShardIteratorType::AtSequenceNumber;
                self.begin(at, Some(place.from)).await
            }
        }
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

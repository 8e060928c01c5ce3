//! The database as a program sees it: open it, call its operations, close it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealdb_crypto::keyring::{KEYRING_FILE, check_separate};
use sealdb_crypto::{
    Aes256Gcm, AuditTrail, Caller, Clock, CountedKms, EpochLimits, Keyring, Kms, Provider,
    RootKeySource, Sealing, SystemClock,
};
use sealdb_engine::{Engine, EngineError, FileEngine, FileOptions, SegmentSizes, database_exists};
use sealdb_model::ops::{
    BatchExecuteStatementInput, BatchExecuteStatementOutput, BatchGetItemInput, BatchGetItemOutput,
    BatchWriteItemInput, BatchWriteItemOutput, CreateTableInput, CreateTableOutput,
    DeleteItemInput, DeleteItemOutput, DeleteTableInput, DeleteTableOutput, DescribeStreamInput,
    DescribeStreamOutput, DescribeTableInput, DescribeTableOutput, DescribeTimeToLiveInput,
    DescribeTimeToLiveOutput, ExecuteStatementInput, ExecuteStatementOutput,
    ExecuteTransactionInput, ExecuteTransactionOutput, GetItemInput, GetItemOutput,
    GetRecordsInput, GetRecordsOutput, GetShardIteratorInput, GetShardIteratorOutput,
    ListStreamsInput, ListStreamsOutput, ListTablesInput, ListTablesOutput,
    ListTagsOfResourceInput, ListTagsOfResourceOutput, PutItemInput, PutItemOutput, QueryInput,
    QueryOutput, ScanInput, ScanOutput, TagResourceInput, TransactGetItemsInput,
    TransactGetItemsOutput, TransactWriteItemsInput, TransactWriteItemsOutput, UntagResourceInput,
    UpdateItemInput, UpdateItemOutput, UpdateTableInput, UpdateTableOutput, UpdateTimeToLiveInput,
    UpdateTimeToLiveOutput,
};

use crate::audit::Trail;
use crate::core::Core;
use crate::error::Error;
use crate::ops::{self, Via};
use crate::options::{EngineKind, Options};
use crate::session::Session;
use crate::shared::Parts;
use crate::stats::{DatabaseState, Stats};
use crate::tools::{CheckReport, check_parts};

/// Carries out an access to items, and notes its event if one is asked for.
macro_rules! told {
    ($db:ident, $input:ident, $work:expr) => {{
        let noted = $db.noted(&$input);
        let result = $work.await;
        if let Some(noted) = noted {
            noted.ended(&result);
        }
        result
    }};
}
pub(crate) use told;

/// Name of the audit trail in a data directory.
pub(crate) const TRAIL_FILE: &str = "audit.trail";
/// How the names of all files of the audit trail begin.
pub(crate) const TRAIL_FILES: &str = "audit";

/// An open database. Cheap to clone; all clones are one database.
///
/// Operations take an input and give an output with DynamoDB's field names. They are async and run on any runtime: a read whose
/// pages are cached never suspends, and no disk, sync or KMS is waited for on the caller's thread. Programs without a runtime use
/// [`blocking::Database`](crate::blocking::Database).
///
/// Close it with [`Database::close`]. If the last clone is dropped without, the next open recovers, as after a crash: nothing that
/// was acknowledged is lost. Dropping it waits for the database's threads, a write or sync that is under way included: close it where a
/// thread must not wait.
#[derive(Clone)]
pub struct Database {
    pub(crate) core: Session,
    /// The KMS as it was handed in, counted.
    counted: Arc<CountedKms>,
}

/// How a [`Database`] is opened. Settings are [`Options`]; components (KMS, clock, engine) are handed in here.
pub struct Builder {
    dir: PathBuf,
    keys: Option<Keys>,
    options: Options,
    epochs: EpochLimits,
    clock: Arc<dyn Clock>,
    engine: Option<Arc<dyn Engine>>,
    sealing: Option<Arc<dyn Sealing>>,
    provider: &'static Provider,
    existing_only: bool,
}

enum Keys {
    Kms(Arc<dyn Kms>),
    Keyring(PathBuf, RootKeySource),
}

impl Builder {
    /// The KMS that wraps the database's keys.
    #[must_use]
    pub fn kms(mut self, kms: Arc<dyn Kms>) -> Self {
        self.keys = Some(Keys::Kms(kms));
        self
    }

    /// A local keyring in this directory, which must lie outside the database's; made together with a new database.
    /// **Without it and its root key the data is gone.**
    #[must_use]
    pub fn keyring(mut self, dir: impl Into<PathBuf>, root_key: RootKeySource) -> Self {
        self.keys = Some(Keys::Keyring(dir.into(), root_key));
        self
    }

    /// Settings.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// When a sealing key is replaced by a fresh one.
    #[must_use]
    pub fn epoch_limits(mut self, limits: EpochLimits) -> Self {
        self.epochs = limits;
        self
    }

    /// Time, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Refuse to make a new database.
    #[must_use]
    pub fn existing_only(mut self) -> Self {
        self.existing_only = true;
        self
    }

    /// Another engine than files in the directory, for tests. There is no audit trail then.
    #[doc(hidden)]
    #[must_use]
    pub fn engine(mut self, engine: Arc<dyn Engine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Another block transform, for comparisons: its databases are refused by everybody else.
    #[doc(hidden)]
    #[must_use]
    pub fn sealing(mut self, sealing: Arc<dyn Sealing>) -> Self {
        self.sealing = Some(sealing);
        self
    }

    /// Other primitives and randomness than the default, for tests that replay a run exactly.
    #[doc(hidden)]
    #[must_use]
    pub fn provider(mut self, provider: &'static Provider) -> Self {
        self.provider = provider;
        self
    }

    /// Opens the database, or makes a new one if there is none.
    ///
    /// # Errors
    /// Every refusal names what is wrong: no or another keyring, a key provider that says no, a newer format, another process, damage.
    pub async fn open(self) -> Result<Database, Error> {
        blocking::unblock(move || self.open_blocking()).await
    }

    pub(crate) fn open_blocking(self) -> Result<Database, Error> {
        let mut parts = self.parts()?;
        let counted = Arc::new(CountedKms::new(parts.kms));
        parts.kms = counted.clone();
        Ok(Database {
            counted,
            core: Session::new(Arc::new(Core::open(parts)?), Caller::new(principal())),
        })
    }

    /// Verifies the closed database with the same components, as [`tools::check`](crate::tools::check) does.
    #[doc(hidden)]
    pub fn check(self) -> Result<CheckReport, Error> {
        check_parts(self.existing_only().parts()?)
    }

    /// Everything that an open database is made of. The directory is locked from here on.
    pub(crate) fn parts(self) -> Result<Parts, Error> {
        let exists = self.engine.is_some() || database_exists(&self.dir);
        if !exists && self.existing_only {
            return Err(Error::NoDatabase(self.dir));
        }
        let kms = match self.keys {
            None => return Err(Error::NoKeys),
            Some(Keys::Kms(kms)) => kms,
            Some(Keys::Keyring(dir, root_key)) => {
                keyring(&dir, &self.dir, root_key, exists, &self.clock)?
            }
        };
        let trail = match self.engine {
            None => Trail::At(self.dir.join(TRAIL_FILE)),
            Some(_) => Trail::None,
        };
        let engine = match self.engine {
            Some(engine) => engine,
            None => open_engine(&self.dir, &self.options).map_err(Error::from_engine)?,
        };
        let provider = self.provider;
        let sealing = self
            .sealing
            .unwrap_or_else(|| Arc::new(Aes256Gcm::new(provider, self.epochs, self.clock.clone())));
        Ok(Parts {
            engine,
            sealing,
            kms,
            trail,
            clock: self.clock,
            provider,
            options: self.options,
        })
    }
}

fn open_engine(dir: &Path, options: &Options) -> Result<Arc<dyn Engine>, EngineError> {
    let segments = SegmentSizes {
        first: options.segment_first,
        max: options.segment_max,
        ..SegmentSizes::default()
    };
    Ok(match options.engine {
        EngineKind::File => {
            let options = FileOptions {
                segments,
                ..FileOptions::default()
            };
            Arc::new(FileEngine::open(dir, options)?)
        }
        #[cfg(feature = "sled")]
        EngineKind::Sled => {
            let options = sealdb_engine::SledOptions {
                segments,
                ..sealdb_engine::SledOptions::default()
            };
            Arc::new(sealdb_engine::SledEngine::open(dir, options)?)
        }
    })
}

/// A keyring is made only together with a new database: a missing one is never replaced.
fn keyring(
    dir: &Path,
    data_dir: &Path,
    root_key: RootKeySource,
    database_exists: bool,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Kms>, Error> {
    check_separate(dir, data_dir)?;
    let file = dir.join(KEYRING_FILE);
    let keyring = if database_exists || file.exists() {
        Keyring::open(file, root_key, clock.clone())?
    } else {
        Keyring::create(file, root_key, clock.clone())?
    };
    Ok(Arc::new(keyring))
}

/// Who a program is in the audit trail unless it says otherwise.
fn principal() -> String {
    format!("process:{}", std::process::id())
}

impl Database {
    /// Begins to open the database in a directory.
    pub fn builder(dir: impl Into<PathBuf>) -> Builder {
        Builder {
            dir: dir.into(),
            keys: None,
            options: Options::default(),
            epochs: EpochLimits::default(),
            clock: Arc::new(SystemClock),
            engine: None,
            sealing: None,
            provider: Provider::default_provider(),
            existing_only: false,
        }
    }

    /// The same database for another caller: the name that the audit trail gives for what this handle does, and, if the caller has an identity,
    /// bound by the policies of keys.
    #[must_use]
    pub fn for_caller(&self, caller: Caller) -> Self {
        Self {
            core: self.core.of(caller),
            counted: self.counted.clone(),
        }
    }

    pub(crate) fn caller(&self) -> Caller {
        self.core.caller().clone()
    }

    pub(crate) fn caller_ref(&self) -> &Caller {
        self.core.caller()
    }

    /// Closes the database for all its handles: what was sent is committed, a checkpoint is made. The directory may be opened
    /// again at once, although handles still live.
    ///
    /// # Errors
    /// It is closed all the same; the next open recovers what was acknowledged.
    pub async fn close(&self) -> Result<(), Error> {
        self.core.close().await
    }

    /// The KMS as the database uses it: every call leaves an event in the audit trail. For what is sealed beside the
    /// database under the same keys, as a server's credentials are. It refuses once the database is closed.
    pub fn kms(&self) -> Arc<dyn Kms> {
        self.core.shared().kms.clone()
    }

    /// The audit trail, for what a program around the database has to record in it. `None` where there is none.
    pub fn audit_trail(&self) -> Option<Arc<AuditTrail>> {
        match &self.core.shared().trail {
            Trail::Open(trail) => Some(trail.clone()),
            Trail::None | Trail::At(_) => None,
        }
    }

    /// What it does with requests. It goes from open to read-only to closed, never back: then it is to be opened again.
    pub fn state(&self) -> DatabaseState {
        self.core.state()
    }

    /// Counters for operators.
    pub fn stats(&self) -> Stats {
        Stats::new(self.core.stats(), self.counted.calls())
    }

    /// Makes a checkpoint now, on the calling thread.
    #[doc(hidden)]
    pub fn checkpoint_now(&self) -> Result<(), Error> {
        self.core.checkpoint_now()
    }

    /// Makes all that was acknowledged durable now, on the calling thread, as happens once in an interval of
    /// [`Durability::Interval`](crate::Durability::Interval).
    #[doc(hidden)]
    pub fn sync_now(&self) -> Result<(), Error> {
        self.core.sync_now()
    }

    /// Looks at every table key once, as the key keeper does, on the calling thread.
    #[doc(hidden)]
    pub fn keeper_tick(&self) {
        self.core.keeper_tick();
    }

    /// Creates a table, sealed under a key of its own.
    ///
    /// # Errors
    /// See [`Error::code`]; ResourceInUseException if the name is taken.
    pub async fn create_table(&self, input: CreateTableInput) -> Result<CreateTableOutput, Error> {
        ops::tables::create_table(&self.core, Via::Async, self.caller(), input).await
    }

    /// Describes a table.
    ///
    /// # Errors
    /// ResourceNotFoundException.
    pub async fn describe_table(
        &self,
        input: DescribeTableInput,
    ) -> Result<DescribeTableOutput, Error> {
        ops::tables::describe_table(&self.core, input)
    }

    /// Lists the names of tables in order.
    ///
    /// # Errors
    /// ValidationException.
    pub async fn list_tables(&self, input: ListTablesInput) -> Result<ListTablesOutput, Error> {
        ops::tables::list_tables(&self.core, input)
    }

    /// Deletes a table, its items and its key record.
    ///
    /// # Errors
    /// ResourceNotFoundException.
    pub async fn delete_table(&self, input: DeleteTableInput) -> Result<DeleteTableOutput, Error> {
        ops::tables::delete_table(&self.core, Via::Async, self.caller(), input).await
    }

    /// Changes a table's settings, stream, global indexes and KMS key. A new index is CREATING until it is filled, which happens in the background
    /// and goes on after a restart.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn update_table(&self, input: UpdateTableInput) -> Result<UpdateTableOutput, Error> {
        ops::update_table::update_table(&self.core, Via::Async, self.caller(), input).await
    }

    /// Gives tags to a table.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn tag_resource(&self, input: TagResourceInput) -> Result<(), Error> {
        ops::update_table::tag_resource(&self.core, Via::Async, self.caller(), input).await
    }

    /// Takes tags from a table.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn untag_resource(&self, input: UntagResourceInput) -> Result<(), Error> {
        ops::update_table::untag_resource(&self.core, Via::Async, self.caller(), input).await
    }

    /// Lists the tags of a table.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn list_tags_of_resource(
        &self,
        input: ListTagsOfResourceInput,
    ) -> Result<ListTagsOfResourceOutput, Error> {
        ops::update_table::list_tags_of_resource(&self.core, input)
    }

    /// Switches a table's time to live on or off: items whose attribute is a time in the past are deleted within seconds.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn update_time_to_live(
        &self,
        input: UpdateTimeToLiveInput,
    ) -> Result<UpdateTimeToLiveOutput, Error> {
        ops::update_table::update_time_to_live(&self.core, Via::Async, self.caller(), input).await
    }

    /// Describes a table's time to live.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn describe_time_to_live(
        &self,
        input: DescribeTimeToLiveInput,
    ) -> Result<DescribeTimeToLiveOutput, Error> {
        ops::update_table::describe_time_to_live(&self.core, input)
    }

    /// Lists the streams of a table, or of all tables: a stream tells what became of a table's items, in the order of commits.
    ///
    /// # Errors
    /// See [`Error::code`]; ResourceNotFoundException.
    pub async fn list_streams(&self, input: ListStreamsInput) -> Result<ListStreamsOutput, Error> {
        ops::streams::list_streams(&self.core, input)
    }

    /// Describes a stream.
    ///
    /// # Errors
    /// See [`Error::code`]; ResourceNotFoundException.
    pub async fn describe_stream(
        &self,
        input: DescribeStreamInput,
    ) -> Result<DescribeStreamOutput, Error> {
        ops::streams::describe_stream(&self.core, Via::Async, input).await
    }

    /// Gives a place in a stream to read from, for 15 minutes.
    ///
    /// # Errors
    /// See [`Error::code`]; ResourceNotFoundException, TrimmedDataAccessException.
    pub async fn get_shard_iterator(
        &self,
        input: GetShardIteratorInput,
    ) -> Result<GetShardIteratorOutput, Error> {
        ops::streams::get_shard_iterator(&self.core, Via::Async, input).await
    }

    /// Reads records of a stream, up to 1000 and 1 MB. All of them are durable.
    ///
    /// ```
    /// use sealdb::model::ops::{
    ///     CreateTableInput, DescribeStreamInput, GetRecordsInput, GetShardIteratorInput, PutItemInput,
    ///     ShardIteratorType, StreamSpecification, StreamViewType,
    /// };
    /// use sealdb::model::{Item, ScalarType};
    /// # use sealdb::RootKeySource;
    /// # let dir = tempfile::tempdir()?;
    /// # let dir = dir.path();
    /// # let root_key = RootKeySource::create_file(dir.join("root.key"))?;
    /// # let db = sealdb::Database::builder(dir.join("data")).keyring(dir.join("keyring"), root_key).open_sync()?;
    ///
    /// let stream = StreamSpecification::enabled(StreamViewType::NewImage);
    /// let films = CreateTableInput::new("films").partition_key("id", ScalarType::S);
    /// let films = db.create_table(films.stream_specification(stream))?.table_description;
    /// db.put_item(PutItemInput::new("films", Item::from([("id", "Alien")])))?;
    ///
    /// let arn = films.latest_stream_arn.expect("it has a stream");
    /// let described = db.describe_stream(DescribeStreamInput::new(&arn))?.stream_description;
    /// let shard = &described.shards[0].shard_id;
    /// let oldest = GetShardIteratorInput::new(&arn, shard, ShardIteratorType::TrimHorizon);
    /// let iterator = db.get_shard_iterator(oldest)?.shard_iterator;
    /// let page = db.get_records(GetRecordsInput::new(iterator))?;
    /// assert_eq!(page.records[0].dynamodb.new_image, Some(Item::from([("id", "Alien")])));
    /// // page.next_shard_iterator leads on, for 15 minutes.
    /// # db.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`Error::code`]; ExpiredIteratorException, TrimmedDataAccessException.
    pub async fn get_records(&self, input: GetRecordsInput) -> Result<GetRecordsOutput, Error> {
        told!(
            self,
            input,
            ops::streams::get_records(&self.core, Via::Async, input)
        )
    }

    /// As [`Database::get_records`], but waits until there is a record, or until the stream is disabled. Dropped meanwhile it has
    /// done nothing; the iterator it was given goes on being good for its 15 minutes.
    ///
    /// # Errors
    /// As [`Database::get_records`].
    pub async fn next_records(&self, input: GetRecordsInput) -> Result<GetRecordsOutput, Error> {
        told!(self, input, ops::streams::next_records(&self.core, input))
    }

    /// Puts an item in place of the one with the same key. Durable when it returns.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn put_item(&self, input: PutItemInput) -> Result<PutItemOutput, Error> {
        told!(
            self,
            input,
            ops::put_item::put_item(&self.core, Via::Async, input)
        )
    }

    /// Gets the item with a key.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn get_item(&self, input: GetItemInput) -> Result<GetItemOutput, Error> {
        told!(self, input, ops::get_item::get_item(&self.core, input))
    }

    /// Deletes the item with a key. Durable when it returns.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn delete_item(&self, input: DeleteItemInput) -> Result<DeleteItemOutput, Error> {
        told!(
            self,
            input,
            ops::delete_item::delete_item(&self.core, Via::Async, input)
        )
    }

    /// Changes attributes of an item, or makes one of its key. Durable when it returns.
    ///
    /// # Errors
    /// See [`Error::code`]; ConditionalCheckFailedException if its condition does not hold.
    pub async fn update_item(&self, input: UpdateItemInput) -> Result<UpdateItemOutput, Error> {
        told!(
            self,
            input,
            ops::update_item::update_item(&self.core, Via::Async, input)
        )
    }

    /// Puts and deletes up to 25 items, each on its own. Durable when it returns, but for what it names as unprocessed.
    ///
    /// # Errors
    /// See [`Error::code`]; nothing was written if the request is invalid.
    pub async fn batch_write_item(
        &self,
        input: BatchWriteItemInput,
    ) -> Result<BatchWriteItemOutput, Error> {
        told!(
            self,
            input,
            ops::batch_write_item::batch_write_item(&self.core, Via::Async, input)
        )
    }

    /// Gets up to 100 items of several tables, each on its own, up to 16 MB: the answer names what is to be asked for again.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn batch_get_item(
        &self,
        input: BatchGetItemInput,
    ) -> Result<BatchGetItemOutput, Error> {
        told!(
            self,
            input,
            ops::batch_get_item::batch_get_item(&self.core, Via::Async, input)
        )
    }

    /// Writes and checks up to 100 items of several tables, all or none. Durable when it returns. With a token, the same request
    /// is carried out once within ten minutes.
    ///
    /// # Errors
    /// [`Error::TransactionCanceled`] with a reason for each action, [`Error::IdempotentParameterMismatch`]; see [`Error::code`].
    pub async fn transact_write_items(
        &self,
        input: TransactWriteItemsInput,
    ) -> Result<TransactWriteItemsOutput, Error> {
        told!(
            self,
            input,
            ops::transact_write_items::transact_write_items(&self.core, Via::Async, input)
        )
    }

    /// Gets up to 100 items of several tables, all as of one moment.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn transact_get_items(
        &self,
        input: TransactGetItemsInput,
    ) -> Result<TransactGetItemsOutput, Error> {
        told!(
            self,
            input,
            ops::transact_get_items::transact_get_items(&self.core, Via::Async, input)
        )
    }

    /// Reads the items of one partition key in the order of the sort key, a page of at most 1 MB.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn query(&self, input: QueryInput) -> Result<QueryOutput, Error> {
        told!(
            self,
            input,
            ops::query::query(&self.core, Via::Async, input)
        )
    }

    /// Reads all items of a table or of a segment of it, a page of at most 1 MB.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub async fn scan(&self, input: ScanInput) -> Result<ScanOutput, Error> {
        told!(self, input, ops::scan::scan(&self.core, Via::Async, input))
    }

    /// Carries out one PartiQL statement; what it selects, a page of at most 1 MB.
    ///
    /// # Errors
    /// See [`Error::code`]; DuplicateItemException if it inserts an item of a key that has one.
    pub async fn execute_statement(
        &self,
        input: ExecuteStatementInput,
    ) -> Result<ExecuteStatementOutput, Error> {
        told!(
            self,
            input,
            ops::execute_statement::execute_statement(&self.core, Via::Async, input)
        )
    }

    /// Carries out up to 100 PartiQL statements, each of one item, all of them or none; all read, or none.
    ///
    /// # Errors
    /// See [`Error::code`]; TransactionCanceledException with a reason for each statement.
    pub async fn execute_transaction(
        &self,
        input: ExecuteTransactionInput,
    ) -> Result<ExecuteTransactionOutput, Error> {
        told!(
            self,
            input,
            ops::execute_transaction::execute_transaction(&self.core, Via::Async, input)
        )
    }

    /// Carries out up to 25 PartiQL statements, each of one item and on its own: what is wrong with one stands in its answer.
    ///
    /// # Errors
    /// ValidationException if there are too many statements, or both reads and writes.
    pub async fn batch_execute_statement(
        &self,
        input: BatchExecuteStatementInput,
    ) -> Result<BatchExecuteStatementOutput, Error> {
        told!(
            self,
            input,
            ops::batch_execute_statement::batch_execute_statement(&self.core, Via::Async, input)
        )
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("dir", &self.dir)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

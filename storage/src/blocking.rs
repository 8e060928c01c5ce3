//! The same database for programs without a runtime: every call waits on its own thread.
//!
//! A durable put of a single writer costs one write and one sync, made by the caller's own thread, with no hand-off. Do not call
//! this from a task of an async runtime: it would block that runtime's worker.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use sealdb_crypto::Caller;
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

use crate::database::{self, told};
use crate::error::Error;
use crate::ops::{self, Via};
use crate::stats::Stats;

/// An open database; see [`crate::Database`], whose guarantees it shares.
#[derive(Clone, Debug)]
pub struct Database {
    inner: database::Database,
}

impl database::Builder {
    /// Opens the database for a program without a runtime.
    ///
    /// # Errors
    /// As [`Builder::open`](database::Builder::open).
    pub fn open_sync(self) -> Result<Database, Error> {
        Ok(Database {
            inner: self.open_blocking()?,
        })
    }
}

/// Runs an operation that was told that its thread may block: it never suspends.
fn now<T>(operation: impl Future<Output = T>) -> T {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("an operation via Via::Blocking waits in place"),
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident($input:ident) -> $output:ty => |$core:ident, $arg:ident, $self_:ident| $call:expr;)*) => {
        impl Database {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// See [`Error::code`].
                pub fn $name(&self, input: $input) -> Result<$output, Error> {
                    let $self_ = &self.inner;
                    let ($core, $arg) = (&$self_.core, input);
                    now(async { $call })
                }
            )*
        }
    };
}

operations! {
    /// Creates a table, sealed under a key of its own.
    create_table(CreateTableInput) -> CreateTableOutput => |core, input, db| ops::tables::create_table(core, Via::Blocking, db.caller(), input).await;
    /// Describes a table.
    describe_table(DescribeTableInput) -> DescribeTableOutput => |core, input, _db| ops::tables::describe_table(core, input);
    /// Lists the names of tables in order.
    list_tables(ListTablesInput) -> ListTablesOutput => |core, input, _db| ops::tables::list_tables(core, input);
    /// Deletes a table, its items and its key record.
    delete_table(DeleteTableInput) -> DeleteTableOutput => |core, input, db| ops::tables::delete_table(core, Via::Blocking, db.caller(), input).await;
    /// Changes a table's settings, stream, global indexes and KMS key.
    update_table(UpdateTableInput) -> UpdateTableOutput => |core, input, db| ops::update_table::update_table(core, Via::Blocking, db.caller(), input).await;
    /// Gives tags to a table.
    tag_resource(TagResourceInput) -> () => |core, input, db| ops::update_table::tag_resource(core, Via::Blocking, db.caller(), input).await;
    /// Takes tags from a table.
    untag_resource(UntagResourceInput) -> () => |core, input, db| ops::update_table::untag_resource(core, Via::Blocking, db.caller(), input).await;
    /// Lists the tags of a table.
    list_tags_of_resource(ListTagsOfResourceInput) -> ListTagsOfResourceOutput => |core, input, _db| ops::update_table::list_tags_of_resource(core, input);
    /// Switches a table's time to live on or off.
    update_time_to_live(UpdateTimeToLiveInput) -> UpdateTimeToLiveOutput => |core, input, db| ops::update_table::update_time_to_live(core, Via::Blocking, db.caller(), input).await;
    /// Describes a table's time to live.
    describe_time_to_live(DescribeTimeToLiveInput) -> DescribeTimeToLiveOutput => |core, input, _db| ops::update_table::describe_time_to_live(core, input);
    /// Lists the streams of a table, or of all tables.
    list_streams(ListStreamsInput) -> ListStreamsOutput => |core, input, _db| ops::streams::list_streams(core, input);
    /// Describes a stream.
    describe_stream(DescribeStreamInput) -> DescribeStreamOutput => |core, input, _db| ops::streams::describe_stream(core, Via::Blocking, input).await;
    /// Gives a place in a stream to read from, for 15 minutes.
    get_shard_iterator(GetShardIteratorInput) -> GetShardIteratorOutput => |core, input, _db| ops::streams::get_shard_iterator(core, Via::Blocking, input).await;
    /// Reads records of a stream, up to 1000 and 1 MB.
    get_records(GetRecordsInput) -> GetRecordsOutput => |core, input, db| told!(db, input, ops::streams::get_records(core, Via::Blocking, input));
    /// Puts an item in place of the one with the same key.
    put_item(PutItemInput) -> PutItemOutput => |core, input, db| told!(db, input, ops::put_item::put_item(core, Via::Blocking, input));
    /// Deletes the item with a key.
    delete_item(DeleteItemInput) -> DeleteItemOutput => |core, input, db| told!(db, input, ops::delete_item::delete_item(core, Via::Blocking, input));
    /// Changes attributes of an item, or makes one of its key.
    update_item(UpdateItemInput) -> UpdateItemOutput => |core, input, db| told!(db, input, ops::update_item::update_item(core, Via::Blocking, input));
    /// Puts and deletes up to 25 items, each on its own.
    batch_write_item(BatchWriteItemInput) -> BatchWriteItemOutput => |core, input, db| told!(db, input, ops::batch_write_item::batch_write_item(core, Via::Blocking, input));
    /// Gets up to 100 items of several tables, each on its own.
    batch_get_item(BatchGetItemInput) -> BatchGetItemOutput => |core, input, db| told!(db, input, ops::batch_get_item::batch_get_item(core, Via::Blocking, input));
    /// Writes and checks up to 100 items of several tables, all or none.
    transact_write_items(TransactWriteItemsInput) -> TransactWriteItemsOutput => |core, input, db| told!(db, input, ops::transact_write_items::transact_write_items(core, Via::Blocking, input));
    /// Gets up to 100 items of several tables, all as of one moment.
    transact_get_items(TransactGetItemsInput) -> TransactGetItemsOutput => |core, input, db| told!(db, input, ops::transact_get_items::transact_get_items(core, Via::Blocking, input));
    /// Reads the items of one partition key in the order of the sort key, a page of at most 1 MB.
    query(QueryInput) -> QueryOutput => |core, input, db| told!(db, input, ops::query::query(core, Via::Blocking, input));
    /// Carries out one PartiQL statement; what it selects, a page of at most 1 MB.
    execute_statement(ExecuteStatementInput) -> ExecuteStatementOutput => |core, input, db| told!(db, input, ops::execute_statement::execute_statement(core, Via::Blocking, input));
    /// Carries out up to 100 PartiQL statements, each of one item, all of them or none.
    execute_transaction(ExecuteTransactionInput) -> ExecuteTransactionOutput => |core, input, db| told!(db, input, ops::execute_transaction::execute_transaction(core, Via::Blocking, input));
    /// Carries out up to 25 PartiQL statements, each of one item and on its own.
    batch_execute_statement(BatchExecuteStatementInput) -> BatchExecuteStatementOutput => |core, input, db| told!(db, input, ops::batch_execute_statement::batch_execute_statement(core, Via::Blocking, input));
    /// Reads all items of a table or of a segment of it, a page of at most 1 MB.
    scan(ScanInput) -> ScanOutput => |core, input, db| told!(db, input, ops::scan::scan(core, Via::Blocking, input));
}

impl Database {
    /// Gets the item with a key.
    ///
    /// # Errors
    /// See [`Error::code`].
    pub fn get_item(&self, input: GetItemInput) -> Result<GetItemOutput, Error> {
        let noted = self.inner.noted(&input);
        let result = ops::get_item::get_item_blocking(&self.inner.core, input);
        if let Some(noted) = noted {
            noted.ended(&result);
        }
        result
    }

    /// The same database for async callers.
    pub fn asynchronous(&self) -> database::Database {
        self.inner.clone()
    }

    /// The same database for another caller of the KMS; see [`crate::Database::for_caller`].
    #[must_use]
    pub fn for_caller(&self, caller: Caller) -> Self {
        Self {
            inner: self.inner.for_caller(caller),
        }
    }

    pub(crate) fn inner(&self) -> &database::Database {
        &self.inner
    }

    /// Does one step of a rekey, as the database's thread does; true if there is more to do.
    #[doc(hidden)]
    pub fn rekey_tick(&self) -> Result<bool, Error> {
        self.inner.core.rekey_tick()
    }

    /// Closes the database for all its handles: what was sent is committed, a checkpoint is made. The directory may be opened
    /// again at once, although handles still live.
    ///
    /// # Errors
    /// It is closed all the same; the next open recovers what was acknowledged.
    pub fn close(&self) -> Result<(), Error> {
        self.inner.core.close_blocking()
    }

    /// Counters for operators.
    pub fn stats(&self) -> Stats {
        self.inner.stats()
    }

    /// Makes a checkpoint now.
    #[doc(hidden)]
    pub fn checkpoint_now(&self) -> Result<(), Error> {
        self.inner.checkpoint_now()
    }

    /// Makes all that was acknowledged durable now.
    #[doc(hidden)]
    pub fn sync_now(&self) -> Result<(), Error> {
        self.inner.sync_now()
    }

    /// Does one piece of what is due to tables in the background; true if there is more.
    #[doc(hidden)]
    pub fn tend_tables(&self) -> Result<bool, Error> {
        self.inner.core.tend_tables()
    }

    /// Looks at every table key once, as the key keeper does.
    #[doc(hidden)]
    pub fn keeper_tick(&self) {
        self.inner.keeper_tick();
    }
}

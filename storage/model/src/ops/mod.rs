//! Inputs and outputs of the operations, one file each, with AWS's field names.
//!
//! An `XInput` is what a caller or an adapter fills in; nothing about it is checked. `XInput::validate` checks all that
//! can be known without the table and gives an `X` whose fields are proofs. What needs the table's schema
//! (a key of the item's attributes, a key condition) is checked by the methods of that `X`.
//!
//! Inputs and outputs are non-exhaustive: make them with `new` and the setters, which take and return the value,
//! or assign fields. Fields of the API that are not there yet are absent rather than ignored.

use crate::error::ValidationError;

mod batch_execute_statement;
mod batch_get_item;
mod batch_write_item;
mod capacity;
mod create_table;
mod delete_item;
mod delete_table;
mod describe_stream;
mod describe_table;
mod execute_statement;
mod execute_transaction;
mod get_item;
mod get_records;
mod get_shard_iterator;
mod index_description;
mod index_read;
mod index_update;
mod legacy;
mod list_streams;
mod list_tables;
mod put_item;
mod query;
mod read;
mod scan;
mod secondary_index;
mod shard_iterator;
mod statement;
mod stream;
mod table_description;
mod tags;
mod throughput;
mod time_to_live;
mod transact;
mod transact_get_items;
mod transact_write_items;
mod update_item;
mod update_table;
mod write;

pub use batch_execute_statement::{
    BatchExecuteStatement, BatchExecuteStatementInput, BatchExecuteStatementOutput,
    BatchStatementError, BatchStatementErrorCode, BatchStatementRequest, BatchStatementResponse,
    MAX_BATCH_STATEMENTS,
};
pub use batch_get_item::{
    BatchGetItem, BatchGetItemInput, BatchGetItemOutput, KeysAndAttributes, MAX_BATCH_KEYS,
    TableReads,
};
pub use batch_write_item::{
    BatchWriteItem, BatchWriteItemInput, BatchWriteItemOutput, MAX_BATCH_REQUESTS, MAX_BATCH_SIZE,
    TableWrites, WriteRequest, one_key_twice,
};
pub use capacity::{
    Capacity, CapacityUnits, ConsumedCapacity, ItemCollectionMetrics, ReadConsistency,
    ReturnConsumedCapacity, ReturnItemCollectionMetrics,
};
pub use create_table::{
    AttributeDefinition, CreateTable, CreateTableInput, CreateTableOutput, KeySchemaElement,
    KeyType, SseSpecification, SseType,
};
pub use delete_item::{DeleteItem, DeleteItemInput, DeleteItemOutput};
pub use delete_table::{DeleteTable, DeleteTableInput, DeleteTableOutput};
pub use describe_stream::{
    DescribeStream, DescribeStreamInput, DescribeStreamOutput, Shard, ShardFilter, ShardFilterType,
    StreamDescription,
};
pub use describe_table::{DescribeTable, DescribeTableInput, DescribeTableOutput};
pub use execute_statement::{
    ExecuteStatement, ExecuteStatementInput, ExecuteStatementOutput, MAX_NEXT_TOKEN, MAX_STATEMENT,
};
pub use execute_transaction::{
    ExecuteTransaction, ExecuteTransactionInput, ExecuteTransactionOutput, MAX_TRANSACT_STATEMENTS,
    ParameterizedStatement, in_statement,
};
pub use get_item::{GetItem, GetItemInput, GetItemOutput};
pub use get_records::{
    GetRecords, GetRecordsInput, GetRecordsOutput, Identity, MAX_RECORDS_PER_PAGE, OperationType,
    Record, StreamRecord,
};
pub use get_shard_iterator::{
    Begin, GetShardIterator, GetShardIteratorInput, GetShardIteratorOutput, ShardIteratorType,
};
pub use index_description::{
    GlobalSecondaryIndexDescription, IndexStatus, LocalSecondaryIndexDescription,
};
pub use index_read::{EntryKey, IndexPlan, backfilling_index, no_such_index};
pub use index_update::{GlobalSecondaryIndexUpdate, UpdateGlobalSecondaryIndex};
pub use legacy::{
    AttributeAction, AttributeValueUpdate, ComparisonOperator, Condition, ConditionalOperator,
    ExpectedAttributeValue,
};
pub use list_streams::{ListStreams, ListStreamsInput, ListStreamsOutput, MAX_STREAMS_PER_PAGE};
pub use list_tables::{ListTables, ListTablesInput, ListTablesOutput, MAX_TABLES_PER_PAGE};
pub use put_item::{PutItem, PutItemInput, PutItemOutput};
pub use query::{Query, QueryInput, QueryOutput, QueryPlan};
pub use read::Filter;
pub use scan::{MAX_SEGMENTS, Scan, ScanInput, ScanOutput, ScanSegment};
pub use secondary_index::{
    GlobalSecondaryIndex, LocalSecondaryIndex, MAX_GLOBAL_INDEXES, MAX_LOCAL_INDEXES, Projection,
    ProjectionType,
};
pub use shard_iterator::{SHARD_ITERATOR_LIFE_MS, ShardIterator};
pub use stream::{
    STREAM_RETENTION_MS, SequenceNumber, StreamArn, StreamChange, StreamSpecification,
    StreamStatus, StreamViewType, table_arn, table_of_stream,
};
pub use table_description::{
    BillingMode, BillingModeSummary, SseDescription, SseStatus, TableClass, TableDescription,
    TableStatus,
};
pub use throughput::{OnDemandThroughput, ProvisionedThroughput, Throughput, WarmThroughput};

pub use tags::{
    ListTagsOfResourceInput, ListTagsOfResourceOutput, MAX_TAGS, Resource, Tag, TagResourceInput,
    UntagResourceInput, invalid_arn, too_many_tags,
};
pub use time_to_live::{
    DescribeTimeToLiveInput, DescribeTimeToLiveOutput, OLDEST_EXPIRY, TimeToLiveSpecification,
    TimeToLiveStatus, UpdateTimeToLive, UpdateTimeToLiveInput, UpdateTimeToLiveOutput, expiry,
};
pub use transact::{MAX_TRANSACT_SIZE, one_item_twice, transaction_too_large};
pub use transact_get_items::{
    TransactGet, TransactGetItems, TransactGetItemsInput, TransactGetItemsOutput,
};
pub use transact_write_items::{
    CONDITION_FAILED, CancellationCode, CancellationReason, ConditionCheck, MAX_TRANSACT_ITEMS,
    TransactAction, TransactChange, TransactDelete, TransactPut, TransactUpdate, TransactWriteItem,
    TransactWriteItems, TransactWriteItemsInput, TransactWriteItemsOutput,
};
pub use update_item::{UpdateItem, UpdateItemInput, UpdateItemOutput};
pub use update_table::{
    IndexChangeError, IndexChanges, NewKmsKey, UpdateTable, UpdateTableInput, UpdateTableOutput,
};
pub use write::Guard;

/// Setters that take and return the value, so that they chain.
macro_rules! setters {
    ($type:ty { $($(#[$doc:meta])* $field:ident: $kind:ty $(=> $wrap:path)?,)* }) => {
        impl $type {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $field(mut self, value: impl Into<$kind>) -> Self {
                    self.$field = crate::ops::setters!(@wrap value.into() $(, $wrap)?);
                    self
                }
            )*
        }
    };
    (@wrap $value:expr) => { $value };
    (@wrap $value:expr, $wrap:path) => { $wrap($value) };
}
pub(crate) use setters;

/// An enum of the API with its names on the wire, and maybe a value that stands for an absent one.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $type:ident $(= $default:ident)? { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            /// Every value, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// DynamoDB's name of the value.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The value of a name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }

        $(
            #[allow(clippy::derivable_impls)] // not every such enum has a default to derive
            impl Default for $type {
                fn default() -> Self {
                    $type::$default
                }
            }
        )?

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use wire_enum;

/// `name` and `value` of an input with expressions: what its placeholders stand for, one at a time.
macro_rules! placeholders {
    (@name $type:ty) => {
        impl $type {
            /// Adds a name for which `placeholder` (`#…`) stands.
            #[must_use]
            pub fn name(mut self, placeholder: impl Into<String>, name: impl Into<String>) -> Self {
                self.expression_attribute_names
                    .get_or_insert_default()
                    .insert(placeholder.into(), name.into());
                self
            }
        }
    };
    ($type:ty) => {
        crate::ops::placeholders!(@name $type);

        impl $type {
            /// Adds a value for which `placeholder` (`:…`) stands.
            #[must_use]
            pub fn value(
                mut self,
                placeholder: impl AsRef<str>,
                value: impl Into<crate::value::AttributeValue>,
            ) -> Self {
                self.expression_attribute_values
                    .get_or_insert_default()
                    .insert(placeholder, value);
                self
            }
        }
    };
}
pub(crate) use placeholders;

/// `Debug` of an input. Of expressions, and of what is kept by names of attributes, it prints lengths: both quote data.
macro_rules! debug_lengths {
    ($type:ident { $($shown:ident),* $(,)?; $($hidden:ident),* $(,)? }) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($shown), &self.$shown))*
                    $(.field(stringify!($hidden), &self.$hidden.as_ref().map(|hidden| hidden.len())))*
                    .finish()
            }
        }
    };
}
pub(crate) use debug_lengths;

wire_enum! {
    /// Which attributes a write gives back. PutItem and DeleteItem know the first two.
    ReturnValue = None {
        /// None.
        None = "NONE",
        /// The whole item as it was before.
        AllOld = "ALL_OLD",
        /// What the update changed, as it was before.
        UpdatedOld = "UPDATED_OLD",
        /// The whole item as it is now.
        AllNew = "ALL_NEW",
        /// What the update changed, as it is now.
        UpdatedNew = "UPDATED_NEW",
    }
}

impl ReturnValue {
    /// PutItem and DeleteItem give back nothing or the old item.
    fn of_whole_item(self) -> Result<(), ValidationError> {
        match self {
            ReturnValue::None | ReturnValue::AllOld => Ok(()),
            _ => Err(ValidationError::new(
                "ReturnValues can only be ALL_OLD or NONE",
            )),
        }
    }
}

wire_enum! {
    /// Whether a write whose condition was false gives back the item that it met.
    ReturnValuesOnConditionCheckFailure = None {
        /// No.
        None = "NONE",
        /// The whole item.
        AllOld = "ALL_OLD",
    }
}

wire_enum! {
    /// What Query and Scan give back.
    Select {
        /// The items, whole.
        AllAttributes = "ALL_ATTRIBUTES",
        /// What the index holds of the items.
        AllProjectedAttributes = "ALL_PROJECTED_ATTRIBUTES",
        /// What the projection names.
        SpecificAttributes = "SPECIFIC_ATTRIBUTES",
        /// Their count.
        Count = "COUNT",
    }
}

#[cfg(test)]
mod tests;

//! Inputs and outputs of the operations, one file each, with AWS's field names.
//!
//! An `XInput` is what a caller or an adapter fills in; nothing about it is checked. `XInput::validate` checks all that
//! can be known without the table and gives an `X` whose fields are proofs. What needs the table's schema
//! (a key of the item's attributes, a key condition) is checked by the methods of that `X`.
//!
//! Inputs and outputs are non-exhaustive: make them with `new` and the setters, which take and return the value,
//! or assign fields. Fields of the API that are not there yet are absent rather than ignored.

mod batch_write_item;
mod create_table;
mod delete_item;
mod delete_table;
mod describe_table;
mod get_item;
mod list_tables;
mod put_item;
mod query;
mod scan;
mod table_description;

pub use batch_write_item::{
    BatchWriteItem, BatchWriteItemInput, BatchWriteItemOutput, MAX_BATCH_REQUESTS, MAX_BATCH_SIZE,
    TableWrites, WriteRequest,
};
pub use create_table::{
    AttributeDefinition, CreateTable, CreateTableInput, CreateTableOutput, KeySchemaElement,
    KeyType, SseSpecification, SseType,
};
pub use delete_item::{DeleteItem, DeleteItemInput, DeleteItemOutput};
pub use delete_table::{DeleteTable, DeleteTableInput, DeleteTableOutput};
pub use describe_table::{DescribeTable, DescribeTableInput, DescribeTableOutput};
pub use get_item::{GetItem, GetItemInput, GetItemOutput};
pub use list_tables::{ListTables, ListTablesInput, ListTablesOutput, MAX_TABLES_PER_PAGE};
pub use put_item::{PutItem, PutItemInput, PutItemOutput};
pub use query::{Query, QueryInput, QueryOutput, QueryPlan};
pub use scan::{MAX_SEGMENTS, Scan, ScanInput, ScanOutput, ScanSegment};
pub use table_description::{
    BillingMode, BillingModeSummary, ProvisionedThroughput, SseDescription, SseStatus,
    TableDescription, TableStatus,
};

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

/// An enum of the API with its names on the wire.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
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

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use wire_enum;

wire_enum! {
    /// Which attributes a write gives back. UPDATED_OLD and its like belong to UpdateItem.
    ReturnValue {
        /// None.
        None = "NONE",
        /// The whole item as it was before.
        AllOld = "ALL_OLD",
    }
}

#[allow(clippy::derivable_impls)] // the macro carries no derive for one value
impl Default for ReturnValue {
    fn default() -> Self {
        ReturnValue::None
    }
}

wire_enum! {
    /// What Query and Scan give back.
    Select {
        /// The items.
        AllAttributes = "ALL_ATTRIBUTES",
        /// Their count.
        Count = "COUNT",
    }
}

#[cfg(test)]
mod tests;

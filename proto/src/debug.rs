//! `Debug` of the messages that carry data: types and lengths, never content, so that a message that
//! slips into a log says nothing.

use std::fmt::{Debug, Formatter, Result};

use prost::Message;

use crate::v1::attribute_value::Value;
use crate::v1::{
    AttributeDefinition, AttributeValue, BatchStatementError, BatchStatementRequest, BinarySet,
    CancellationReason, ConditionCheck, ConsumedCapacity, DeleteItemRequest,
    DescribeTimeToLiveResponse, ExecuteStatementRequest, ExecuteStatementResponse,
    ExecuteTransactionRequest, GetItemRequest, GlobalSecondaryIndex,
    GlobalSecondaryIndexDescription, GlobalSecondaryIndexUpdate, KeySchemaElement,
    KeysAndAttributes, ListValue, LocalSecondaryIndex, LocalSecondaryIndexDescription, MapValue,
    NumberSet, ParameterizedStatement, Projection, PutItemRequest, QueryRequest, ScanRequest,
    StreamRecord, StringSet, Tag, TimeToLiveSpecification, TransactDelete, TransactGet,
    TransactPut, TransactUpdate, TransactWriteItemsRequest, UntagResourceRequest,
    UpdateGlobalSecondaryIndex, UpdateItemRequest,
};

impl Debug for AttributeValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.value {
            Some(value) => value.fmt(f),
            None => f.write_str("unset"),
        }
    }
}

impl Debug for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Value::S(s) => write!(f, "S({} bytes)", s.len()),
            Value::N(n) => write!(f, "N({} bytes)", n.len()),
            Value::B(b) => write!(f, "B({} bytes)", b.len()),
            Value::Bool(_) => f.write_str("BOOL"),
            Value::Null(_) => f.write_str("NULL"),
            Value::M(m) => m.fmt(f),
            Value::L(l) => l.fmt(f),
            Value::Ss(set) => set.fmt(f),
            Value::Ns(set) => set.fmt(f),
            Value::Bs(set) => set.fmt(f),
        }
    }
}

impl Debug for MapValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "M({} names) ", self.names.len())?;
        f.debug_list().entries(&self.values).finish()
    }
}

impl Debug for ListValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("L ")?;
        f.debug_list().entries(&self.values).finish()
    }
}

impl Debug for StringSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "SS({} members)", self.values.len())
    }
}

impl Debug for NumberSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "NS({} members)", self.values.len())
    }
}

impl Debug for BinarySet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "BS({} members)", self.values.len())
    }
}

/// What holds expressions, placeholders, names of attributes or of indexes, or what a caller made up.
macro_rules! length_only {
    ($($message:ident)*) => {$(
        impl Debug for $message {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                write!(f, "{}({} bytes)", stringify!($message), self.encoded_len())
            }
        }
    )*};
}
length_only! {
    PutItemRequest GetItemRequest DeleteItemRequest UpdateItemRequest QueryRequest ScanRequest
    KeysAndAttributes TransactGet ConditionCheck TransactPut TransactDelete TransactUpdate
    TransactWriteItemsRequest CancellationReason ConsumedCapacity Projection LocalSecondaryIndex
    GlobalSecondaryIndex LocalSecondaryIndexDescription GlobalSecondaryIndexDescription Tag
    UntagResourceRequest TimeToLiveSpecification DescribeTimeToLiveResponse
    UpdateGlobalSecondaryIndex GlobalSecondaryIndexUpdate StreamRecord ExecuteStatementRequest
    ExecuteStatementResponse BatchStatementRequest BatchStatementError ParameterizedStatement
    ExecuteTransactionRequest
}

impl Debug for AttributeDefinition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "AttributeDefinition({:?})", self.attribute_type())
    }
}

impl Debug for KeySchemaElement {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "KeySchemaElement({:?})", self.key_type())
    }
}

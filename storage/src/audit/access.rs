//! The events of accesses to items, where [`Options::audit_data`](crate::Options::audit_data) asks for them.
//!
//! An event names operation, tables, principal and outcome; of each item that the request names its key, as a keyed hash that only who holds
//! the audit key can make again. Nobody waits for it: it is written with others, within a second, and a crash loses that second. Of
//! PartiQL only the operation is told, whatever its table, because a statement holds values.

use std::collections::BTreeMap;

use sealdb_crypto::AuditEvent;
use sealdb_crypto::audit::{AuditTrail, Category, TABLE_EVENTS};
use sealdb_model::ops::{
    BatchExecuteStatementInput, BatchGetItemInput, BatchWriteItemInput, DeleteItemInput,
    ExecuteStatementInput, ExecuteTransactionInput, GetItemInput, GetRecordsInput, PutItemInput,
    QueryInput, ScanInput, TransactGetItemsInput, TransactWriteItem, TransactWriteItemsInput,
    UpdateItemInput, WriteRequest, table_arn, table_of_stream,
};
use sealdb_model::{Item, Map, codec};
use serde_json::{Value, json};

use super::Trail;
use super::administration::{Unfinished, table_name};
use crate::database::Database;
use crate::error::Error;

/// What is known of an item that a request names.
pub(crate) enum Named<'a> {
    /// Its key.
    Key(&'a Map),
    /// All of it.
    Item(&'a Item),
    /// Items of the table, but not which.
    Some,
}

/// An operation on items.
pub(crate) trait Access {
    /// Its name.
    const NAME: &'static str;
    /// Whether it writes, reads, or may do either.
    const KIND: Kind;

    /// Every table and item that it names.
    fn each<'a>(&'a self, note: &mut dyn FnMut(&'a str, Named<'a>));
}

/// What an operation does to items.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
    Either,
}

/// An access whose event is noted when it ends, or is given up.
pub(crate) struct Noted(Unfinished);

impl Noted {
    /// It ended like this.
    pub(crate) fn ended<O>(mut self, result: &Result<O, Error>) {
        if let Some(event) = self.0.event.take() {
            self.0.trail.note(&match result {
                Ok(_) => event,
                Err(error) => event.refused(error.code().name(), None),
            });
        }
    }
}

impl Database {
    /// The event of an access, if one is asked for.
    #[inline]
    pub(crate) fn noted<I: Access>(&self, input: &I) -> Option<Box<Noted>> {
        let asked = &self.core.shared().options.audit_data;
        let wanted = match I::KIND {
            Kind::Read => asked.reads,
            Kind::Write => asked.writes,
            Kind::Either => asked.reads || asked.writes,
        };
        if !wanted {
            return None;
        }
        self.note(input)
    }

    #[cold]
    fn note<I: Access>(&self, input: &I) -> Option<Box<Noted>> {
        let shared = self.core.shared();
        let Trail::Open(trail) = &shared.trail else {
            return None;
        };
        let asked = &shared.options.audit_data;
        let mut tables: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut wanted = I::KIND == Kind::Either || asked.tables.is_empty();
        input.each(&mut |table, named| {
            let table = table_name(table);
            wanted |= asked.tables.contains(&table);
            let hash = self.key_hash(trail, &table, &named);
            let items = tables.entry(table).or_default();
            items.extend(hash.map(Value::from));
        });
        if !wanted {
            return None;
        }
        let mut event = AuditEvent::new(&*shared.clock, TABLE_EVENTS, I::NAME, self.caller_ref());
        event.read_only = I::KIND == Kind::Read;
        event.management_event = false;
        event.event_category = Category::Data;
        for table in tables.keys() {
            event = event.on("AWS::DynamoDB::Table", table_arn(table));
        }
        let other = &mut event.request_parameters.other;
        if let (1, Some((table, items))) = (tables.len(), tables.first_key_value()) {
            other.insert("tableName".to_owned(), json!(table));
            other.insert("keyHashes".to_owned(), json!(items));
        } else {
            other.insert("requestItems".to_owned(), json!(tables));
        }
        Some(Box::new(Noted(Unfinished {
            trail: trail.clone(),
            event: Some(event),
        })))
    }

    fn key_hash(&self, trail: &AuditTrail, table: &str, named: &Named<'_>) -> Option<String> {
        let key = match named {
            Named::Key(key) => return hash(trail, table, key),
            Named::Item(item) => {
                let table = self.core.any_table(table).ok()?;
                table.schema.key_map_of_item(item)
            }
            Named::Some => return None,
        };
        hash(trail, table, &key)
    }
}

fn hash(trail: &AuditTrail, table: &str, key: &Map) -> Option<String> {
    let mut bytes = Vec::with_capacity(64);
    codec::encode_item(key, &mut bytes).ok()?;
    Some(trail.item_hash(table, &bytes))
}

macro_rules! by_key {
    ($($input:ident, $name:literal, $kind:ident;)*) => {$(
        impl Access for $input {
            const NAME: &'static str = $name;
            const KIND: Kind = Kind::$kind;

            fn each<'a>(&'a self, note: &mut dyn FnMut(&'a str, Named<'a>)) {
                note(&self.table_name, Named::Key(&self.key));
            }
        }
    )*};
}
by_key! {
    GetItemInput, "GetItem", Read;
    UpdateItemInput, "UpdateItem", Write;
    DeleteItemInput, "DeleteItem", Write;
}

macro_rules! by_table {
    ($($input:ident, $name:literal;)*) => {$(
        impl Access for $input {
            const NAME: &'static str = $name;
            const KIND: Kind = Kind::Read;

            fn each<'a>(&'a self, note: &mut dyn FnMut(&'a str, Named<'a>)) {
                note(&self.table_name, Named::Some);
            }
        }
    )*};
}
by_table! {
    QueryInput, "Query";
    ScanInput, "Scan";
}

macro_rules! by_statement {
    ($($input:ident, $name:literal;)*) => {$(
        impl Access for $input {
            const NAME: &'static str = $name;
            const KIND: Kind = Kind::Either;

            fn each<'a>(&'a self, _: &mut dyn FnMut(&'a str, Named<'a>)) {}
        }
    )*};
}
by_statement! {
    ExecuteStatementInput, "ExecuteStatement";
    BatchExecuteStatementInput, "BatchExecuteStatement";
    ExecuteTransactionInput, "ExecuteTransaction";
}

impl Access for PutItemInput {
    const NAME: &'static str = "PutItem";
    const KIND: Kind = Kind::Write;

    fn each<'a>(&'a self, note: &mut dyn FnMut(&'a str, Named<'a>)) {
        note(&self.table_name, Named::Item(&self.item));
    }
}

impl Access for GetRecordsInput {
    const NAME: &'static str = "GetRecords";
    const KIND: Kind = Kind::Read;

    fn each<'a>(&'a self, note: &mut dyn FnMut(&'a str, Named<'a>)) {
        note(table_of_stream(&self.shard_iterator), Named::Some);
    }
}

impl Access for BatchGetItemInput {
    const NAME: &'static str = "BatchGetItem";
    const KIND: Kind = Kind::Read;

    fn each<'a>(&'a self, note: &mut dyn FnMut(&'a str, Named<'a>)) {
        for (table, asked) in &self.request_items {
            for key in &asked.keys {
                note(table, Named::Key(key));
            }
        }
    }
}

impl Access for BatchWriteItemInput {
    const NAME: &'static str = "BatchWriteItem";
    const KIND: Kind = Kind::Write;

    fn each<'a>(&'a self, note: &mut dyn FnMut(&'a str, Named<'a>)) {
        for (table, writes) in &self.request_items {
            for write in writes {
                note(
                    table,
                    match write {
                        WriteRequest::Put(item) => Named::Item(item),
                        WriteRequest::Delete(key) => Named::Key(key),
                    },
                );
            }
        }
    }
}

impl Access for TransactGetItemsInput {
    const NAME: &'static str = "TransactGetItems";
    const KIND: Kind = Kind::Read;

    fn each<'a>(&'a self, note: &mut dyn FnMut(&'a str, Named<'a>)) {
        for get in &self.transact_items {
            note(&get.table_name, Named::Key(&get.key));
        }
    }
}

impl Access for TransactWriteItemsInput {
    const NAME: &'static str = "TransactWriteItems";
    const KIND: Kind = Kind::Write;

    fn each<'a>(&'a self, note: &mut dyn FnMut(&'a str, Named<'a>)) {
        for item in &self.transact_items {
            match item {
                TransactWriteItem::ConditionCheck(check) => {
                    note(&check.table_name, Named::Key(&check.key));
                }
                TransactWriteItem::Put(put) => note(&put.table_name, Named::Item(&put.item)),
                TransactWriteItem::Delete(delete) => {
                    note(&delete.table_name, Named::Key(&delete.key));
                }
                TransactWriteItem::Update(update) => {
                    note(&update.table_name, Named::Key(&update.key));
                }
            }
        }
    }
}

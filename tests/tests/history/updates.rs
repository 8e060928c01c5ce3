//! Updates and conditions: what happens depends on the item as it is, of which the model knows.

use std::sync::Arc;

use sealdb::model::ops::{ReturnValue, UpdateItemInput};
use sealdb::model::{AttributeValue, Item, MAX_ITEM_SIZE, Number, item_size};
use sealdb::{Error, blocking};

use crate::model::{Change, Key, Shape};
use crate::run::Run;

impl Run<'_> {
    /// Numbers an item anew and counts its updates; now and then only if it was updated before.
    pub fn update(&mut self) {
        let (table, shape) = self.any_table();
        let key = self.any_key(&table, shape);
        let before = self.model.tables[&table].items.get(&key).cloned();
        let updates = before.as_ref().and_then(|item| updates_of(item));
        let Some(after) = self.updated(&key, before) else {
            return;
        };
        let (number, count) = number_and_count(self.written);
        let mut input = UpdateItemInput::new(&table, Shape::key_map(&key))
            .update_expression("SET n = :n ADD u :one")
            .value(":n", number)
            .value(":one", count)
            .return_values(ReturnValue::AllNew);
        let conditional = self.rng.one_in(3);
        if conditional {
            input = input.condition_expression("attribute_exists(u)");
        }
        self.note(|| format!("update {table} {key:?}, conditional: {conditional}"));
        if conditional && updates.is_none() {
            return self.refused(input);
        }
        self.counters.add("updates", 1);
        let change = Change::Put(table, key.clone(), Arc::new(after.clone()));
        let call = |db: &blocking::Database| Ok(db.update_item(input)?.attributes);
        if let Some(new) = self.write(&[vec![change]], call) {
            assert_eq!(new, Some(after), "the item of {key:?} after its update");
        }
    }

    /// The item under a key after an update; `None` if it would be too large.
    pub fn updated(&mut self, key: &Key, before: Option<Arc<Item>>) -> Option<Item> {
        let updates = before.as_ref().and_then(|item| updates_of(item));
        self.written += 1;
        let (number, count) = number_and_count(self.written);
        let mut after = before.map_or_else(|| Shape::key_map(key), Arc::unwrap_or_clone);
        after.insert("n", number);
        let updates = updates.unwrap_or(Number::ZERO).checked_add(count);
        after.insert("u", updates.expect("a history is short"));
        (item_size(&after) <= MAX_ITEM_SIZE).then_some(after)
    }

    /// The condition does not hold, so nothing happens.
    fn refused(&mut self, input: UpdateItemInput) {
        match self.db().update_item(input) {
            Err(Error::ConditionFailed { .. }) => self.counters.add("conditions that failed", 1),
            Ok(_) => panic!("an update against its condition"),
            Err(error) => self.recover(&error, Vec::new()),
        }
    }
}

/// What an update sets `n` to, and what it adds to `u`.
pub fn number_and_count(written: u64) -> (Number, Number) {
    (written.into(), 1.into())
}

/// How often an item was updated.
pub fn updates_of(item: &Item) -> Option<Number> {
    match item.get("u")? {
        AttributeValue::N(updates) => Some(*updates),
        _ => None,
    }
}

//! Transactions of a history: all of their changes or none, once for each token.

use std::sync::Arc;
use std::time::Duration;

use sealdb::crypto::Clock;
use sealdb::model::Item;
use sealdb::model::ops::{
    CancellationCode, ConditionCheck, TransactDelete, TransactPut, TransactUpdate,
    TransactWriteItemsInput,
};
use sealdb::{Error, blocking};

use crate::model::{Change, Shape};
use crate::run::Run;
use crate::updates::{number_and_count, updates_of};

/// A token is remembered for ten minutes.
const REMEMBERED: Duration = Duration::from_secs(9 * 60);

/// A transaction that was acknowledged, and may be sent again.
#[derive(Clone)]
pub struct Sent {
    input: TransactWriteItemsInput,
    at_ms: u64,
}

impl Run<'_> {
    /// Some puts, deletes, updates and checks of different items.
    pub fn transact(&mut self) {
        let mut input = TransactWriteItemsInput::new();
        let mut changes: Vec<Change> = Vec::new();
        let mut places = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..self.rng.between(1, 6) {
            let (table, shape) = self.any_table();
            let key = self.any_key(&table, shape);
            let place = (table.clone(), key.clone());
            if places.contains(&place) {
                continue;
            }
            places.push(place);
            let before = self.model.tables[&table].items.get(&key).cloned();
            let map = Shape::key_map(&key);
            let mut code = CancellationCode::None;
            match self.rng.below(8) {
                0 => {
                    if before.as_ref().and_then(|item| updates_of(item)).is_none() {
                        code = CancellationCode::ConditionalCheckFailed;
                    }
                    input = input.action(ConditionCheck::new(&table, map, "attribute_exists(u)"));
                }
                1 => {
                    input = input.action(TransactDelete::new(&table, map));
                    changes.push(Change::Delete(table, key));
                }
                2..5 => {
                    let Some(after) = self.updated(&key, before) else {
                        continue;
                    };
                    let update = TransactUpdate::new(&table, map, "SET n = :n ADD u :one");
                    let (number, count) = number_and_count(self.written);
                    input = input.action(update.value(":n", number).value(":one", count));
                    changes.push(Change::Put(table, key, Arc::new(after)));
                }
                _ => {
                    self.written += 1;
                    let item: Arc<Item> = self.draw.item(&mut self.rng, &key, self.written);
                    self.bytes += sealdb::model::item_size(&item);
                    input = input.action(TransactPut::new(&table, (*item).clone()));
                    changes.push(Change::Put(table, key, item));
                }
            }
            expected.push(code);
        }
        if expected.is_empty() {
            return;
        }
        self.note(|| format!("transaction of {}: {expected:?}", expected.len()));
        if expected.iter().any(|code| *code != CancellationCode::None) {
            return self.canceled(input, &expected);
        }
        self.written += 1;
        let input = input.client_request_token(format!("token {}", self.written));
        let call = input.clone();
        let done = self.write(&[changes], |db: &blocking::Database| {
            db.transact_write_items(call)
        });
        if done.is_some() {
            self.counters.add("transactions", 1);
            let at_ms = self.world.clock.wall_ms();
            self.sent = Some(Sent { input, at_ms });
        }
    }

    /// A condition does not hold, so nothing happens.
    fn canceled(&mut self, input: TransactWriteItemsInput, expected: &[CancellationCode]) {
        match self.db().transact_write_items(input) {
            Err(Error::TransactionCanceled(reasons)) => {
                let codes: Vec<_> = reasons.iter().map(|reason| reason.code).collect();
                assert_eq!(codes, expected);
                self.counters.add("transactions canceled", 1);
            }
            Ok(_) => panic!("a transaction against its condition"),
            Err(error) => self.recover(&error, Vec::new()),
        }
    }

    /// The last transaction with the same token, whatever happened since: it is answered, and changes nothing.
    pub fn send_again(&mut self) {
        let Some(Sent { input, at_ms }) = self.sent.take() else {
            return self.transact();
        };
        // What was not synced may be lost, and its token with it.
        let age = Duration::from_millis(self.world.clock.wall_ms() - at_ms);
        if self.draw.interval() || age > REMEMBERED {
            return;
        }
        self.note(|| "the same transaction again".into());
        match self.db().transact_write_items(input) {
            Ok(_) => {
                self.counters.add("transactions sent again", 1);
                self.verify_step();
            }
            Err(error) => self.recover(&error, Vec::new()),
        }
    }
}

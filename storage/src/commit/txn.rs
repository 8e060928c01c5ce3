//! What a mutation sees: the newest state, and its own changes on top.
//!
//! A mutation is a closure over a [`Txn`]. Its changes are buffered and applied only if it returns `Ok`, all or none. It may run
//! again, from the start, after a page that it needed was loaded: it must not have effects of its own.

use std::sync::Arc;

use sealdb_crypto::TreeId;
use sealdb_engine::SpaceId;

use crate::catalog::definition::Definition;
use crate::catalog::keys::KeyRecords;
use crate::catalog::record::SystemOutcome;
use crate::error::{ClosedReason, Error};
use crate::log::frame::Written;
use crate::plaintext::Plaintext;
use crate::table::{KeyStep, Table};
use crate::tokens::{Token, TokenId, Tokens};
use crate::tree::{Cell, Need, PageHold, TreeIo, Value};

/// Why a mutation did not run to its end.
pub(crate) enum TxnError {
    /// A page is missing; the caller loads it and the mutation runs again.
    Load(PageNeed),
    /// The mutation fails with this: a failed condition, a closed table. Nothing is applied.
    Fail(Error),
}

/// A page that is not in memory. Once loaded it is held until the mutation has run: one that touches more pages than the cache
/// has room for would otherwise load them in turns for ever.
pub(crate) struct PageNeed {
    pub(crate) io: Arc<TreeIo>,
    pub(crate) cell: Arc<Cell>,
}

impl PageNeed {
    pub(crate) async fn load(&self) -> Result<Option<PageHold>, Error> {
        self.io.load(&self.cell).await?;
        Ok(self.cell.hold())
    }

    pub(crate) fn load_blocking(&self) -> Result<Option<PageHold>, Error> {
        self.io.load_blocking(&self.cell)?;
        Ok(self.cell.hold())
    }

    /// A page is loaded outside the seat, where its place may be freed and used again meanwhile: the tag shows it. So an error
    /// counts only if the mutation, run again, still needs the same page.
    pub(super) fn unless_failed(&self, failed: Option<(PageNeed, Error)>) -> Result<(), Error> {
        match failed {
            Some((need, error)) if Arc::ptr_eq(&need.cell, &self.cell) => Err(error),
            _ => Ok(()),
        }
    }
}

impl From<Error> for TxnError {
    fn from(error: Error) -> Self {
        TxnError::Fail(error)
    }
}

pub(super) fn need(io: &Arc<TreeIo>, need: Need) -> TxnError {
    match need {
        Need::Load(cell) => TxnError::Load(PageNeed {
            io: io.clone(),
            cell,
        }),
        Need::Fail(error) => TxnError::Fail(error.into()),
    }
}

/// What is to stand under a key. Shared, because a mutation that runs again asks for the same.
pub(crate) struct Entry {
    /// As it is stored.
    pub(crate) key: Vec<u8>,
    /// As `codec::encode_item` wrote it; `None` deletes.
    pub(crate) item: Option<Plaintext>,
}

/// A change that a mutation asks for.
pub(super) struct Change {
    pub(super) table: Arc<Table>,
    pub(super) what: What,
}

pub(super) enum What {
    /// An item, put or deleted.
    Entry(Arc<Entry>),
    /// An item, deleted because its time had come.
    Expire(Vec<u8>),
    /// An entry of the tree in a space, written again as it is.
    Rewrite(SpaceId, Vec<u8>),
    /// A tree, filled from so many more items.
    Fill(TreeId, usize),
    /// A stream, without its records up to this key.
    Trim(TreeId, Vec<u8>),
}

impl What {
    /// What becomes of an item, if that is what changes.
    pub(super) fn written(&self) -> Option<Written<'_>> {
        match self {
            What::Entry(entry) => Some(Written {
                key: &entry.key,
                item: entry.item.as_deref(),
                expired: false,
            }),
            What::Expire(key) => Some(Written {
                key,
                item: None,
                expired: true,
            }),
            What::Rewrite(..) | What::Fill(..) | What::Trim(..) => None,
        }
    }
}

/// What happens in memory when a system outcome is published.
pub(super) enum Effect {
    Create(Arc<Table>),
    Delete(Arc<Table>),
    Token(Arc<Tokens>, TokenId),
    Alter(Arc<Table>, Box<Definition>),
    Keys(Arc<Table>, Box<KeyRecords>, KeyStep),
}

/// The bytes of an item as a mutation sees them.
pub(crate) enum Current {
    /// Of the newest tree.
    Stored(Value),
    /// Put earlier by the same mutation.
    Own(Arc<Entry>),
}

impl std::ops::Deref for Current {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Current::Stored(value) => value,
            Current::Own(entry) => entry.item.as_deref().unwrap_or_default(),
        }
    }
}

/// The newest state plus the mutation's own changes.
#[derive(Default)]
pub(crate) struct Txn {
    pub(super) changes: Vec<Change>,
    pub(super) system: Vec<(SystemOutcome, Effect)>,
}

impl Txn {
    pub(super) fn clear(&mut self) {
        self.changes.clear();
        self.system.clear();
    }

    /// The item under a stored key.
    ///
    /// # Errors
    /// [`TxnError::Load`] passes through; [`Error::TableInaccessible`] and damage as [`TxnError::Fail`].
    pub(crate) fn get(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
    ) -> Result<Option<Current>, TxnError> {
        let own = self
            .changes
            .iter()
            .rev()
            .find_map(|change| match &change.what {
                What::Entry(entry) if change.table.id == table.id && entry.key == key => {
                    Some(entry)
                }
                _ => None,
            });
        if let Some(entry) = own {
            let own = || Current::Own(entry.clone());
            return Ok(entry.item.is_some().then(own));
        }
        let working = table.working.lock();
        let items = &working.readable(table)?.items;
        match items.tree.get(&items.io, key) {
            Ok(value) => Ok(value.map(Current::Stored)),
            Err(error) => Err(need(&items.io, error)),
        }
    }

    /// Puts or deletes an item; to delete one that is not there changes nothing.
    ///
    /// # Errors
    /// As [`Txn::get`].
    pub(crate) fn write(&mut self, table: &Arc<Table>, entry: &Arc<Entry>) -> Result<(), TxnError> {
        self.change(table, What::Entry(entry.clone()))
    }

    /// Deletes an item whose time has come. The mutation has not written it otherwise.
    ///
    /// # Errors
    /// As [`Txn::get`].
    pub(crate) fn expire(&mut self, table: &Arc<Table>, key: &[u8]) -> Result<(), TxnError> {
        self.change(table, What::Expire(key.to_vec()))
    }

    /// Removes a stream's records up to this key.
    ///
    /// # Errors
    /// As [`Txn::get`].
    pub(crate) fn trim(
        &mut self,
        table: &Arc<Table>,
        stream: TreeId,
        upto: &[u8],
    ) -> Result<(), TxnError> {
        self.change(table, What::Trim(stream, upto.to_vec()))
    }

    /// Writes an entry of one of a table's trees again as it is, so that its page moves.
    ///
    /// # Errors
    /// As [`Txn::get`].
    pub(crate) fn rewrite(
        &mut self,
        table: &Arc<Table>,
        space: SpaceId,
        key: &[u8],
    ) -> Result<(), TxnError> {
        self.change(table, What::Rewrite(space, key.to_vec()))
    }

    /// Fills a tree from so many more items.
    ///
    /// # Errors
    /// As [`Txn::get`].
    pub(crate) fn fill(
        &mut self,
        table: &Arc<Table>,
        tree: TreeId,
        most: usize,
    ) -> Result<(), TxnError> {
        self.change(table, What::Fill(tree, most))
    }

    /// Gives a table another definition.
    ///
    /// # Errors
    /// As [`Txn::get`].
    pub(crate) fn alter_table(
        &mut self,
        table: &Arc<Table>,
        definition: &Definition,
    ) -> Result<(), TxnError> {
        table.working.lock().check_writable(table)?;
        self.system.push((
            SystemOutcome::Altered(table.id, Box::new(definition.clone())),
            Effect::Alter(table.clone(), Box::new(definition.clone())),
        ));
        Ok(())
    }

    /// Gives a table other key records, also while it is closed.
    ///
    /// # Errors
    /// [`Error::TableNotFound`] if it is being deleted.
    pub(crate) fn change_keys(
        &mut self,
        table: &Arc<Table>,
        records: &KeyRecords,
        step: &KeyStep,
    ) -> Result<(), TxnError> {
        if table.working.lock().deleting {
            return Err(table.inaccessible(&ClosedReason::Deleted).into());
        }
        let records = Box::new(records.clone());
        self.system.push((
            SystemOutcome::Keys(table.id, records.clone()),
            Effect::Keys(table.clone(), records, step.clone()),
        ));
        Ok(())
    }

    fn change(&mut self, table: &Arc<Table>, what: What) -> Result<(), TxnError> {
        table.working.lock().check_writable(table)?;
        self.changes.push(Change {
            table: table.clone(),
            what,
        });
        Ok(())
    }

    pub(crate) fn create_table(&mut self, table: &Arc<Table>) {
        let record = Box::new(table.record.lock().record.clone());
        self.system.push((
            SystemOutcome::Created(record),
            Effect::Create(table.clone()),
        ));
    }

    /// Remembers the token that the mutation came with.
    pub(crate) fn keep_token(&mut self, tokens: &Arc<Tokens>, token: Token) {
        self.system.push((
            SystemOutcome::Token(token),
            Effect::Token(tokens.clone(), token.id),
        ));
    }

    pub(crate) fn delete_table(&mut self, table: &Arc<Table>) {
        self.system.push((
            SystemOutcome::Deleted(table.id),
            Effect::Delete(table.clone()),
        ));
    }
}

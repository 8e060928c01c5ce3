//! The trees of a table: its items, and whatever the items imply elsewhere.
//!
//! A table is a list of trees. The first holds the items; each of the others holds, for every item, at most one entry that follows from
//! the item alone. So the log tells of items only: whoever applies an outcome, in the writer's seat or at replay, brings all
//! trees up to date with [`Trees::change`], and none can differ from what the items imply.
//!
//! | role | key of an entry | value |
//! |---|---|---|
//! | items | keyed hash of the partition key 8 ‖ its length 2 ‖ itself ‖ sort key | the item |
//! | index | keyed hash of the index's partition key 16 ‖ its sort key, self-delimiting ‖ keyed hash of the item's key above 16 | the item as far as it is projected |
//!
//! The hashes are SipHash-2-4 under the table's own key. Those of 128 bits stand for what they are made from: that two of the
//! keys of one table share one is not provided for (at 2^32 keys the odds are 2^-65, and nobody can aim without the hash key).
//! The keys themselves, three of them at their full length, would not fit a page.

use std::hash::Hasher;
use std::sync::Arc;

use sealdb_crypto::TreeId;
use sealdb_engine::SpaceId;
use sealdb_model::codec::{decode_item, encode_item, encoded_item_size};
use sealdb_model::ops::EntryKey;
use sealdb_model::{IndexKeyBytes, IndexSchema, Item, KeyBytes};
use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128, SipHasher24 as SipHasher128};

use crate::commit::txn::TxnError;
use crate::error::Error;
use crate::table::Table;
use crate::tree::{Need, Retired, Tree, TreeIo, Value};

/// What a tree of a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// The items.
    Items,
    /// The entries of a secondary index.
    Index(IndexSchema),
}

impl Role {
    /// The index that it is, if it is one.
    pub(crate) fn index(&self) -> Option<&IndexSchema> {
        match self {
            Role::Index(index) => Some(index),
            Role::Items => None,
        }
    }

    /// Whether it is the index of this name.
    pub(crate) fn is_index(&self, name: &str) -> bool {
        self.index()
            .is_some_and(|index| index.name.as_str() == name)
    }
}

/// A tree of a table, whatever is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeDef {
    /// Chooses the key that seals it; never used again in its table.
    pub(crate) id: TreeId,
    /// Where its pages lie.
    pub(crate) space: SpaceId,
    pub(crate) role: Role,
}

/// Exact at the version of the tree that they stand beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counters {
    pub(crate) item_count: u64,
    /// AWS's size of all items.
    pub(crate) size_bytes: u64,
}

/// One version of a tree of an open table, and what it is read and written with.
#[derive(Clone)]
pub(crate) struct Branch {
    pub(crate) def: Arc<TreeDef>,
    pub(crate) io: Arc<TreeIo>,
    pub(crate) tree: Tree,
    pub(crate) counters: Counters,
}

/// One version of all trees of an open table. Clone takes a snapshot.
#[derive(Clone)]
pub(crate) struct Trees {
    pub(crate) items: Branch,
    pub(crate) derived: Vec<Branch>,
}

/// Places that a table's trees gave up, by tree.
#[derive(Default)]
pub(crate) struct RetiredByTree(Vec<(SpaceId, Retired)>);

impl RetiredByTree {
    fn of(&mut self, space: SpaceId) -> &mut Retired {
        let at = match self.0.iter().position(|(other, _)| *other == space) {
            Some(at) => at,
            None => {
                self.0.push((space, Retired::new()));
                self.0.len() - 1
            }
        };
        &mut self.0[at].1
    }

    pub(crate) fn append(&mut self, other: RetiredByTree) {
        for (space, retired) in other.0 {
            self.of(space).append(retired);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl IntoIterator for RetiredByTree {
    type Item = (SpaceId, Retired);
    type IntoIter = std::vec::IntoIter<(SpaceId, Retired)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// What becomes of a page that a change needs and memory lacks: loaded (`Ok`), or the change is given up.
pub(crate) type Load<'l> = &'l mut dyn FnMut(&Arc<TreeIo>, Need) -> Result<(), TxnError>;

/// Key and value of an entry in a derived tree.
type Implied = (Vec<u8>, Vec<u8>);

/// How a table turns keys into those of its trees.
impl Table {
    /// The key under which an item is stored.
    pub(crate) fn stored_key(&self, key: &KeyBytes) -> Vec<u8> {
        let mut out = self.partition_prefix(&key.partition);
        out.extend_from_slice(&key.sort);
        out
    }

    /// What all stored keys of one partition begin with; what follows is the sort key.
    pub(crate) fn partition_prefix(&self, partition: &[u8]) -> Vec<u8> {
        let mut hasher = SipHasher24::new_with_key(&self.hash_key);
        hasher.write(partition);
        let mut out = Vec::with_capacity(10 + partition.len() + 32);
        out.extend_from_slice(&hasher.finish().to_be_bytes());
        let len = u16::try_from(partition.len()).expect("a partition key has at most 2,048 bytes");
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(partition);
        out
    }

    /// What all entries of one partition of an index begin with; what follows is the sort key, and the hash of the item's own.
    pub(crate) fn index_prefix(&self, partition: &[u8]) -> Vec<u8> {
        self.hash(partition).to_vec()
    }

    /// The key of an entry of an index that a request names.
    pub(crate) fn entry_key(&self, entry: &EntryKey) -> Vec<u8> {
        let stored_key = self.stored_key(&entry.table);
        self.index_entry_key(&entry.index, &stored_key)
    }

    /// The key of the entry of an item in an index.
    fn index_entry_key(&self, key: &IndexKeyBytes, stored_key: &[u8]) -> Vec<u8> {
        let IndexKeyBytes { partition, sort } = key;
        let mut out = Vec::with_capacity(16 + sort.len() + 16);
        out.extend_from_slice(&self.hash(partition));
        out.extend_from_slice(sort);
        out.extend_from_slice(&self.hash(stored_key));
        out
    }

    fn hash(&self, bytes: &[u8]) -> [u8; 16] {
        let mut hasher = SipHasher128::new_with_key(&self.hash_key);
        hasher.write(bytes);
        hasher.finish128().as_u128().to_be_bytes()
    }

    /// What an item implies in a derived tree.
    ///
    /// # Errors
    /// If the item cannot be written, which it was.
    pub(crate) fn implied(
        &self,
        role: &Role,
        stored_key: &[u8],
        item: &Item,
    ) -> Result<Option<Implied>, Error> {
        let Some(index) = role.index() else {
            return Ok(None);
        };
        let Some(key) = index.key.of_item(item) else {
            return Ok(None);
        };
        let mut value = Vec::with_capacity(256);
        encode_item(&index.project(&self.schema, item), &mut value)
            .map_err(|error| Error::corrupt(format!("an index entry: {error}")))?;
        let key = self.index_entry_key(&key, stored_key);
        Ok(Some((key, value)))
    }
}

impl Trees {
    /// All of them, the items first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Branch> {
        std::iter::once(&self.items).chain(&self.derived)
    }

    /// The tree of an index.
    pub(crate) fn index(&self, name: &str) -> Option<(&Branch, &IndexSchema)> {
        let indexes = self
            .derived
            .iter()
            .filter_map(|branch| Some((branch, branch.def.role.index()?)));
        indexes
            .into_iter()
            .find(|(_, index)| index.name.as_str() == name)
    }

    /// The secondary indexes, in the order in which they were made.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = &IndexSchema> {
        self.derived
            .iter()
            .filter_map(|branch| branch.def.role.index())
    }

    /// Puts or deletes an item, and brings every tree that follows from it up to date. What replay does, too.
    ///
    /// # Errors
    /// Those of `load`, and damage. Trees that were reached before have changed: the caller goes back to a snapshot, unless there
    /// are no derived trees, where nothing has changed then.
    pub(crate) fn change(
        &mut self,
        table: &Table,
        retired: &mut RetiredByTree,
        key: &[u8],
        item: Option<&[u8]>,
        load: Load<'_>,
    ) -> Result<(), TxnError> {
        let old = self.items.change(retired, key, item, load)?;
        if self.derived.is_empty() {
            return Ok(());
        }
        let old = old.as_deref().map(decode).transpose()?;
        let new = item.map(decode).transpose()?;
        for branch in &mut self.derived {
            let implied = |item: &Option<Item>| match item {
                Some(item) => table.implied(&branch.def.role, key, item),
                None => Ok(None),
            };
            let (old, new) = (implied(&old)?, implied(&new)?);
            if old == new {
                continue;
            }
            match (old, &new) {
                (Some((old, _)), Some((new, _))) if old == *new => {}
                (Some((old, _)), _) => drop(branch.change(retired, &old, None, load)?),
                (None, _) => {}
            }
            if let Some((key, value)) = new {
                branch.change(retired, &key, Some(&value), load)?;
            }
        }
        Ok(())
    }

    /// Writes an entry of the tree in a space again as it is, so that its page gets a new place with the next checkpoint.
    ///
    /// # Errors
    /// As [`Trees::change`]; nothing has changed then.
    pub(crate) fn rewrite(
        &mut self,
        space: SpaceId,
        retired: &mut RetiredByTree,
        key: &[u8],
        load: Load<'_>,
    ) -> Result<(), TxnError> {
        let mut branches = std::iter::once(&mut self.items).chain(&mut self.derived);
        match branches.find(|branch| branch.def.space == space) {
            Some(branch) => branch.rewrite(retired, key, load),
            None => Ok(()),
        }
    }
}

fn decode(item: &[u8]) -> Result<Item, TxnError> {
    let damaged = |error| Error::corrupt(format!("a stored item: {error}"));
    decode_item(item).map_err(|error| TxnError::Fail(damaged(error)))
}

impl Branch {
    /// Puts or removes one entry, and keeps the counters exact. Gives the old value. On an error nothing has changed.
    fn change(
        &mut self,
        retired: &mut RetiredByTree,
        key: &[u8],
        value: Option<&[u8]>,
        load: Load<'_>,
    ) -> Result<Option<Value>, TxnError> {
        let size = |bytes: &[u8]| {
            encoded_item_size(bytes)
                .map(|size| size as u64)
                .map_err(|error| {
                    TxnError::Fail(Error::Corruption(format!("a stored item: {error}")))
                })
        };
        // What can fail goes first.
        let new_size = value.map(size).transpose()?;
        let retired = retired.of(self.def.space);
        let old = loop {
            let changed = match value {
                Some(value) => self.tree.put(&self.io, key, value, retired),
                None => self.tree.remove(&self.io, key, retired),
            };
            match changed {
                Ok(old) => break old,
                Err(need) => load(&self.io, need)?,
            }
        };
        let old_size = match &old {
            // It was measured when it was put; a stored item that cannot be measured now is damage that `check` reports.
            Some(old) => encoded_item_size(old).map_or(0, |size| size as u64),
            None => 0,
        };
        let counters = &mut self.counters;
        counters.item_count =
            counters.item_count + u64::from(value.is_some()) - u64::from(old.is_some());
        counters.size_bytes =
            (counters.size_bytes + new_size.unwrap_or(0)).saturating_sub(old_size);
        Ok(old)
    }

    fn rewrite(
        &mut self,
        retired: &mut RetiredByTree,
        key: &[u8],
        load: Load<'_>,
    ) -> Result<(), TxnError> {
        let value = loop {
            match self.tree.get(&self.io, key) {
                Ok(value) => break value.map(|value| value.to_vec()),
                Err(need) => load(&self.io, need)?,
            }
        };
        match value {
            Some(value) => self.change(retired, key, Some(&value), load).map(drop),
            None => Ok(()),
        }
    }
}

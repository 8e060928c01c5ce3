//! The trees of a table: its items, and whatever the items imply elsewhere.
//!
//! A table is a list of trees. The first holds the items; each of the others but a stream holds, for every item, at most one entry that
//! follows from the item alone. One that is made later is filled in pieces ([`Trees::fill`]), in the order of the items' keys: it
//! holds what the items up to some key imply, and changes of items beyond it do not concern it yet. So the log tells of items only:
//! whoever applies an outcome, in the writer's seat or at replay, brings all trees up to date with [`Trees::change`], and none can
//! differ from what the items imply. A stream holds a record of each change; see `stream`.
//!
//! | role | key of an entry | value |
//! |---|---|---|
//! | items | keyed hash of the partition key 8 ‖ its length 2 ‖ itself ‖ sort key | the item |
//! | times of expiry | time, seconds since 1970 8 ‖ keyed hash of the item's key above 16 | the item's key |
//! | stream | sequence of the group 8 ‖ which record in it 4 | a record; see `stream` |
//! | index | keyed hash of the index's partition key 16 ‖ its sort key, self-delimiting ‖ keyed hash of the item's key above 16 | the item as far as it is projected |
//!
//! The hashes are SipHash-2-4 under the table's own key. Those of 128 bits stand for what they are made from: that two of the
//! keys of one table share one is not provided for (at 2^32 keys the odds are 2^-65, and nobody can aim without the hash key).
//! The keys themselves, three of them at their full length, would not fit a page.

use std::hash::Hasher;
use std::ops::Bound;
use std::sync::Arc;

use sealdb_crypto::TreeId;
use sealdb_engine::SpaceId;
use sealdb_model::codec::{decode_item, encoded_item_size};
use sealdb_model::ops::{EntryKey, SequenceNumber, backfilling_index, expiry, no_such_index};
use sealdb_model::{AttributeName, IndexKeyBytes, IndexName, IndexSchema, Item, KeyBytes};
use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128, SipHasher24 as SipHasher128};

use crate::commit::txn::TxnError;
use crate::error::Error;
use crate::log::frame::Written;
use crate::plaintext::Plaintext;
use crate::stream::{Recording, StreamDef, record_key};
use crate::table::Table;
use crate::tree::{Need, Retired, Tree, TreeIo, Value};

/// What a tree of a table holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// The items.
    Items,
    /// The entries of a secondary index.
    Index(IndexSchema),
    /// When items expire, by this attribute.
    Expiry(AttributeName),
    /// What became of the items.
    Stream(StreamDef),
}

impl Role {
    /// The index that it is, if it is one.
    pub(crate) fn index(&self) -> Option<&IndexSchema> {
        match self {
            Role::Index(index) => Some(index),
            Role::Items | Role::Expiry(_) | Role::Stream(_) => None,
        }
    }

    /// How far a tree of this kind is filled when it is made beside items that there are.
    pub(crate) fn filled_at_first(&self) -> Filled {
        match self {
            // What became of the items before is no part of it.
            Role::Stream(_) => Filled::All,
            Role::Items | Role::Index(_) | Role::Expiry(_) => Filled::UpTo(Vec::new()),
        }
    }

    /// The size that an entry counts for.
    pub(crate) fn size_of(&self, value: &[u8]) -> Result<u64, Error> {
        match self {
            Role::Items | Role::Index(_) => encoded_item_size(value)
                .map(|size| size as u64)
                .map_err(|error| Error::corrupt(format!("a stored item: {error}"))),
            Role::Expiry(_) | Role::Stream(_) => Ok(value.len() as u64),
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
    /// It is being removed: nobody reads it, nothing is written to it any more.
    pub(crate) leaving: bool,
    pub(crate) role: Role,
}

/// How far a derived tree has been filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filled {
    /// It holds what the items with keys up to this one imply, and nothing of the others.
    UpTo(Vec<u8>),
    /// It holds what all items imply.
    All,
}

impl Filled {
    /// Whether it holds what the item with this key implies.
    pub(crate) fn covers(&self, key: &[u8]) -> bool {
        match self {
            Filled::UpTo(last) => key <= last.as_slice(),
            Filled::All => true,
        }
    }
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
    pub(crate) filled: Filled,
}

/// One version of all trees of an open table. Clone takes a snapshot.
#[derive(Clone)]
pub(crate) struct Trees {
    pub(crate) items: Branch,
    pub(crate) derived: Vec<Branch>,
    pub(crate) recording: Recording,
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
type Implied = (Vec<u8>, Plaintext);

/// How a table turns keys into those of its trees.
impl Table {
    /// The key under which an item is stored.
    pub(crate) fn stored_key(&self, key: &KeyBytes<'_>) -> Vec<u8> {
        let mut out = self.partition_prefix(&key.partition);
        out.extend_from_slice(&key.sort);
        out
    }

    /// What all stored keys of one partition begin with; what follows is the sort key.
    pub(crate) fn partition_prefix(&self, partition: &[u8]) -> Vec<u8> {
        let hash = SipHasher24::new_with_key(&self.hash_key).hash(partition);
        let mut out = Vec::with_capacity(10 + partition.len() + 32);
        out.extend_from_slice(&hash.to_be_bytes());
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

    /// The key of the entry of an item that expires.
    fn expiry_key(&self, at: u64, stored_key: &[u8]) -> Vec<u8> {
        let mut out = at.to_be_bytes().to_vec();
        out.extend_from_slice(&self.hash(stored_key));
        out
    }

    /// What tells a record of a stream from all others.
    pub(crate) fn event_id(&self, stream: TreeId, number: SequenceNumber) -> String {
        let mut bytes = stream.get().to_be_bytes().to_vec();
        bytes.extend_from_slice(&record_key(number));
        format!("{:032x}", u128::from_be_bytes(self.hash(&bytes)))
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
        let index = match role {
            Role::Items | Role::Stream(_) => return Ok(None),
            Role::Expiry(attribute) => {
                let entry =
                    |at: u64| (self.expiry_key(at, stored_key), Plaintext::copy(stored_key));
                return Ok(expiry(item, attribute).map(entry));
            }
            Role::Index(index) => index,
        };
        let Some(key) = index.key.of_item(item) else {
            return Ok(None);
        };
        let value = Plaintext::of_item(&index.project(&self.schema, item))
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

    /// The tree with this id, of those that are derived.
    pub(crate) fn branch(&self, tree: TreeId) -> Option<&Branch> {
        self.derived.iter().find(|branch| branch.def.id == tree)
    }

    pub(crate) fn branch_mut(&mut self, tree: TreeId) -> Option<&mut Branch> {
        self.derived.iter_mut().find(|branch| branch.def.id == tree)
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

    /// The tree of an index, if it can be read.
    ///
    /// # Errors
    /// AWS's messages for an index that is not there, or not filled yet.
    pub(crate) fn read_index(&self, name: &IndexName) -> Result<(&Branch, &IndexSchema), Error> {
        match self.index(name.as_str()) {
            Some((branch, _)) if branch.filled != Filled::All => {
                Err(backfilling_index(name.as_str()).into())
            }
            Some((branch, index)) if !branch.def.leaving => Ok((branch, index)),
            _ => Err(no_such_index(name.as_str()).into()),
        }
    }

    /// The secondary indexes that writes keep, in the order in which they were made.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = &IndexSchema> {
        let stays = |branch: &&Branch| !branch.def.leaving;
        let derived = self.derived.iter().filter(stays);
        derived.filter_map(|branch| branch.def.role.index())
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
        written: Written<'_>,
        load: Load<'_>,
    ) -> Result<(), TxnError> {
        let Written { key, item, .. } = written;
        let old = self.items.change(retired, key, item, load)?;
        if self.derived.is_empty() {
            return Ok(());
        }
        self.record(table, retired, old.as_deref(), written, load)?;
        let concerned = |branch: &&mut Branch| {
            let def = &branch.def;
            !def.leaving && def.role.stream().is_none() && branch.filled.covers(key)
        };
        let mut concerned = self.derived.iter_mut().filter(concerned).peekable();
        if concerned.peek().is_none() {
            return Ok(());
        }
        let old = old.as_deref().map(decode).transpose()?;
        let new = item.map(decode).transpose()?;
        for branch in concerned {
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

    /// Derives the entries of more items for a tree that is not filled: of the next `most`, or of those up to where `until` says.
    /// Nothing happens if there is no such tree any more. Gives how far it is filled now.
    ///
    /// # Errors
    /// As [`Trees::change`].
    pub(crate) fn fill(
        &mut self,
        table: &Table,
        retired: &mut RetiredByTree,
        tree: TreeId,
        extent: &Extent,
        load: Load<'_>,
    ) -> Result<Option<Filled>, TxnError> {
        // Beside the items' tree, which is read meanwhile.
        let Some(branch) = self.derived.iter_mut().find(|branch| branch.def.id == tree) else {
            return Ok(None);
        };
        let Filled::UpTo(from) = &branch.filled else {
            return Ok(None);
        };
        let upper = match extent {
            Extent::Until(Filled::UpTo(last)) => Bound::Included(last.clone()),
            Extent::Until(Filled::All) | Extent::Items(_) => Bound::Unbounded,
        };
        let most = match extent {
            Extent::Items(most) => *most,
            Extent::Until(_) => usize::MAX,
        };
        let mut cursor = self
            .items
            .tree
            .cursor(Bound::Excluded(from.clone()), upper, false);
        let (mut seen, mut bytes) = (0, 0);
        let mut last = None;
        let filled = loop {
            if seen >= most || (bytes >= FILL_BYTES && most != usize::MAX) {
                break last.map_or(Filled::All, Filled::UpTo);
            }
            match cursor.next(&self.items.io) {
                Ok(Some((key, value))) => {
                    (seen, bytes) = (seen + 1, bytes + value.len());
                    let item = decode(&value)?;
                    if let Some((entry, value)) = table.implied(&branch.def.role, &key, &item)? {
                        branch.change(retired, &entry, Some(&value), load)?;
                    }
                    last = Some(key.to_vec());
                }
                Ok(None) => match extent {
                    Extent::Items(_) => break Filled::All,
                    Extent::Until(until) => break until.clone(),
                },
                Err(need) => load(&self.items.io, need)?,
            }
        };
        branch.filled = filled.clone();
        Ok(Some(filled))
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

/// How much of a tree is to be filled.
pub(crate) enum Extent {
    /// Of the next so many items.
    Items(usize),
    /// Up to here.
    Until(Filled),
}

/// Bytes of items after which filling takes a rest.
const FILL_BYTES: usize = 256 << 10;

/// An item as it was stored by us: anything else is damage.
pub(crate) fn decode(item: &[u8]) -> Result<Item, Error> {
    decode_item(item).map_err(|error| Error::corrupt(format!("a stored item: {error}")))
}

impl Branch {
    /// Puts or removes one entry, and keeps the counters exact. Gives the old value. On an error nothing has changed.
    pub(crate) fn change(
        &mut self,
        retired: &mut RetiredByTree,
        key: &[u8],
        value: Option<&[u8]>,
        load: Load<'_>,
    ) -> Result<Option<Value>, TxnError> {
        let size = |bytes: &[u8]| self.def.role.size_of(bytes);
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
            Some(old) => self.def.role.size_of(old).unwrap_or(0),
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
                Ok(value) => break value.map(|value| Plaintext::copy(&value)),
                Err(need) => load(&self.io, need)?,
            }
        };
        match value {
            Some(value) => self.change(retired, key, Some(&value), load).map(drop),
            None => Ok(()),
        }
    }
}

//! Tables made, altered and deleted.
//!
//! One at a time: whoever changes what tables there are, or what they consist of, holds `ddl`. What is decided is one system outcome in the
//! log; from its publication on every reader and writer sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sealdb_crypto::{Caller, Generation, KeyRecord, KeyRef, Moment, TableId, TableKeys, TreeId};
use sealdb_engine::SpaceId;
use sealdb_model::ops::{BillingMode, StreamViewType, TableClass, Throughput};
use sealdb_model::{TableName, TableSchema};

use crate::catalog::definition::{Billing, Definition};
use crate::catalog::keys::{KeyRecords, table_context};
use crate::catalog::record::{TableRecord, TreeState};
use crate::error::{ClosedReason, Error};
use crate::options::Background;
use crate::rewrap::NewWrapping;
use crate::shared::Shared;
use crate::stream::StreamDef;
use crate::table::{KeyStep, Table};
use crate::trees::{Filled, Role, TreeDef};

/// What CreateTable asks for, validated.
#[derive(Debug, Clone)]
pub(crate) struct NewTable {
    pub(crate) name: TableName,
    pub(crate) schema: TableSchema,
    pub(crate) billing_mode: BillingMode,
    pub(crate) throughput: Throughput,
    pub(crate) class: Option<TableClass>,
    pub(crate) protected: bool,
    /// What the records of its stream show, if it has one.
    pub(crate) stream: Option<StreamViewType>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The KMS key; `None` is the default key.
    pub(crate) key: Option<KeyRef>,
}

impl Shared {
    /// Creates a table under a key of its own, wrapped by the KMS.
    ///
    /// # Errors
    /// [`Error::TableExists`], [`Error::Key`], and those of a commit.
    pub(crate) fn create_table(
        self: &Arc<Self>,
        new: NewTable,
        caller: &Caller,
    ) -> Result<Arc<Table>, Error> {
        self.writable()?;
        if self.table(new.name.as_str()).is_some() {
            return Err(Error::TableExists(new.name));
        }
        let id =
            TableId::generate(self.provider).map_err(|error| Error::System(error.to_string()))?;
        let mut hash_key = [0; 16];
        match self.options.hash_seed {
            None => {
                let random = self.provider.random(&mut hash_key);
                random.map_err(|error| Error::System(error.to_string()))?;
            }
            Some(seed) => hash_key[..8]
                .copy_from_slice(&(seed + self.next_space.load(Ordering::Acquire)).to_be_bytes()),
        }
        let context = table_context(self.database, id, new.name.as_str(), Generation::FIRST);
        let key_ref = new.key.clone().unwrap_or_else(KeyRef::default_key);
        self.check_wrapping(caller, &key_ref, &new.name)?;
        let asked = Moment::now(&*self.clock);
        let (record, key) = KeyRecord::create(
            &*self.kms,
            caller,
            &key_ref,
            context,
            Generation::FIRST,
            self.sealing.suite(),
        )?;
        let access = self.access(&KeyRef::Id(record.key_id.clone()))?;
        // Names are unique because tables are made one after the other. The KMS was asked before: it may take its time, and nobody
        // who closes or deletes a table waits for it.
        let _ddl = self.ddl.lock();
        if self.table(new.name.as_str()).is_some() {
            return Err(Error::TableExists(new.name));
        }
        let space = || self.new_space();
        let created_ms = self.clock.wall_ms();
        let mut definition = Definition {
            billing: Billing::new(new.billing_mode, new.throughput, created_ms),
            class: new.class,
            protected: new.protected,
            deleting: None,
            tags: new.tags,
            next_tree: TreeId::BASE.get() + 1,
            items: Arc::new(TreeDef {
                id: TreeId::BASE,
                space: space(),
                leaving: false,
                role: Role::Items,
            }),
            derived: Vec::new(),
        };
        for index in new.schema.indexes {
            definition.add_tree(space(), Role::Index(index));
        }
        if let Some(view) = new.stream {
            let stream = self.new_stream(&definition, view, created_ms);
            definition.add_tree(space(), Role::Stream(stream));
        }
        // There are no items that they could lack.
        let empty = TreeState::empty(Filled::All);
        let derived = vec![empty.clone(); definition.derived.len()];
        let record = TableRecord {
            id,
            name: new.name,
            schema: new.schema.key,
            created_ms,
            keys: KeyRecords::new(
                new.key.map(|key| key.to_string()).unwrap_or_default(),
                record,
            ),
            hash_key,
            sequence: 0,
            carried_to: 0,
            definition,
            items: empty,
            derived,
        };
        let sealers = self.table_sealers(id, TableKeys::new(Arc::new(key)).with_access(access));
        let trees = sealers.trees(&record);
        let table = Table::closed(
            record,
            ClosedReason::Deleted,
            self.pins.clone(),
            &self.published,
        );
        table.record.lock().changed = true;
        table.set_open(sealers, trees, 0);
        table.set_serving(self.options.table_window.is_zero());
        let created = table.clone();
        self.commit_blocking(move |txn| {
            txn.create_table(&created);
            Ok(())
        })?;
        self.keeper.insert(id, asked);
        Ok(table)
    }

    /// Deletes a table; if it is to be seen being deleted, `tend` does so after a while.
    ///
    /// # Errors
    /// [`Error::TableNotFound`], [`Error::TableInUse`], [`Error::Protected`], and those of a commit.
    pub(crate) fn delete_table(self: &Arc<Self>, name: &str) -> Result<Arc<Table>, Error> {
        self.readable()?;
        let table = self
            .table(name)
            .ok_or_else(|| Error::TableNotFound(name.to_owned()))?;
        table.check_settled(self.clock.wall_ms())?;
        if table.definition().protected {
            return Err(Error::Protected);
        }
        // Only an open table has an outcome of its own in the log.
        if self.options.table_window.is_zero() || table.closed_reason().is_some() {
            self.delete_now(&table)?;
            return Ok(table);
        }
        let now = self.clock.wall_ms();
        self.alter_table(name, |_, mut definition| {
            definition.deleting = Some(now);
            Ok(definition)
        })
    }

    /// Deletes a table for good.
    ///
    /// # Errors
    /// As [`Shared::delete_table`].
    pub(crate) fn delete_now(self: &Arc<Self>, table: &Arc<Table>) -> Result<(), Error> {
        {
            let _ddl = self.ddl.lock();
            let there = self.table(table.name.as_str());
            if there.is_none_or(|other| other.id != table.id) {
                return Err(Error::TableNotFound(table.name.to_string()));
            }
            let deleted = table.clone();
            self.commit_blocking(move |txn| {
                txn.delete_table(&deleted);
                Ok(())
            })?;
            self.keeper.remove(table.id);
        }
        self.scrub_after(self.published.sequence());
        if self.options.background == Background::Inline {
            // A failure stays with the checkpoint: the deletion itself is durable.
            let _ = self.checkpoint_now();
        }
        Ok(())
    }

    /// Gives a table the definition that `change` makes of its own, as a caller asks for.
    ///
    /// # Errors
    /// [`Error::TableInUse`], those of `change` and of a commit; nothing has changed then.
    pub(crate) fn alter_table(
        self: &Arc<Self>,
        name: &str,
        change: impl FnOnce(&Table, Definition) -> Result<Definition, Error>,
    ) -> Result<Arc<Table>, Error> {
        self.redefine_table(name, |table, definition| {
            table.check_settled(self.clock.wall_ms())?;
            change(table, definition)
        })
    }

    /// The same in whatever state the table is.
    ///
    /// # Errors
    /// As [`Shared::alter_table`].
    pub(crate) fn redefine_table(
        self: &Arc<Self>,
        name: &str,
        change: impl FnOnce(&Table, Definition) -> Result<Definition, Error>,
    ) -> Result<Arc<Table>, Error> {
        self.redefine(name, change, None)
    }

    /// Gives a table another definition and its keys another wrapping, both or neither, as a caller asks for.
    ///
    /// # Errors
    /// As [`Shared::alter_table`].
    pub(crate) fn update_table(
        self: &Arc<Self>,
        name: &str,
        change: impl FnOnce(&Table, Definition) -> Result<Definition, Error>,
        wrapping: Option<NewWrapping>,
    ) -> Result<Arc<Table>, Error> {
        let rewrapped = wrapping
            .as_ref()
            .map(|new| (new.asked(), new.access().clone()));
        let settled = |table: &Table, definition: Definition| {
            table.check_settled(self.clock.wall_ms())?;
            change(table, definition)
        };
        let table = self.redefine(name, settled, wrapping)?;
        self.set_updating(&table);
        if let Some((asked, access)) = rewrapped {
            self.keys_replaced(&table, Some(asked));
            table.set_access(access);
        }
        Ok(table)
    }

    fn redefine(
        self: &Arc<Self>,
        name: &str,
        change: impl FnOnce(&Table, Definition) -> Result<Definition, Error>,
        wrapping: Option<NewWrapping>,
    ) -> Result<Arc<Table>, Error> {
        self.writable()?;
        let _ddl = self.ddl.lock();
        let table = self
            .table(name)
            .ok_or_else(|| Error::TableNotFound(name.to_owned()))?;
        let now = table.definition();
        let definition = change(&table, (*now).clone())?;
        let definition = (definition != *now).then_some(definition);
        let keys = wrapping.map(|new| new.onto(&table)).transpose()?;
        if definition.is_some() || keys.is_some() {
            let altered = table.clone();
            self.commit_blocking(move |txn| {
                if let Some(definition) = &definition {
                    txn.alter_table(&altered, definition)?;
                }
                match &keys {
                    Some(keys) => txn.change_keys(&altered, keys, &KeyStep::None),
                    None => Ok(()),
                }
            })?;
        }
        Ok(table)
    }

    /// From now on, and for its time, the table is seen being updated.
    pub(crate) fn set_updating(&self, table: &Table) {
        let window = u64::try_from(self.options.table_window.as_millis()).unwrap_or(u64::MAX);
        if window > 0 {
            table.set_updating(self.clock.wall_ms().saturating_add(window));
        }
    }

    /// A stream that begins now, in a table of this definition.
    pub(crate) fn new_stream(
        &self,
        definition: &Definition,
        view: StreamViewType,
        now_ms: u64,
    ) -> StreamDef {
        let others = definition
            .derived
            .iter()
            .filter_map(|tree| tree.role.stream());
        let newest = others.map(|stream| stream.enabled_ms).max();
        StreamDef {
            view,
            // Streams of one table are told apart by it.
            enabled_ms: newest.map_or(now_ms, |newest| now_ms.max(newest + 1)),
            after: self.published.sequence(),
            disabled_ms: None,
        }
    }

    /// A space for a new tree.
    pub(crate) fn new_space(&self) -> SpaceId {
        SpaceId(self.next_space.fetch_add(1, Ordering::AcqRel))
    }
}

//! What the keys of a table give: sealers, for its log parts and for each of its trees.
//!
//! All sealers of a table share its keys: when a newer key succeeds, every one of them seals under it at once, and goes on to open what
//! the one before has sealed. When that one is let go, new sealers are made; versions of the trees that readers hold keep the old ones.

use std::sync::Arc;

use sealdb_crypto::{DatabaseId, Purpose, Scope, Sealer, Sealing, TableId, TableKeys};
use sealdb_engine::Engine;

use crate::catalog::definition::Definition;
use crate::catalog::record::{TableRecord, TreeState};
use crate::stream::Recording;
use crate::tree::{PageCache, Tree, TreeIo};
use crate::trees::{Branch, TreeDef, Trees};

/// What a table's key gives: sealers, for its log parts and for each of its trees.
#[derive(Clone)]
pub(crate) struct TableSealers {
    pub(crate) log: Arc<dyn Sealer>,
    engine: Arc<dyn Engine>,
    sealing: Arc<dyn Sealing>,
    cache: Arc<PageCache>,
    scope: Scope,
    keys: Arc<TableKeys>,
}

impl TableSealers {
    pub(crate) fn new(
        engine: &Arc<dyn Engine>,
        sealing: &Arc<dyn Sealing>,
        cache: &Arc<PageCache>,
        (database, table): (DatabaseId, TableId),
        keys: TableKeys,
    ) -> Self {
        let keys = Arc::new(keys);
        let scope = Scope {
            database,
            table,
            purpose: Purpose::Log,
        };
        TableSealers {
            log: sealing.sealer_of(&keys, scope),
            engine: engine.clone(),
            sealing: sealing.clone(),
            cache: cache.clone(),
            scope,
            keys,
        }
    }

    /// The plaintext keys.
    pub(crate) fn keys(&self) -> &TableKeys {
        &self.keys
    }

    /// What a tree of the table is read and written with.
    fn io(&self, def: &TreeDef) -> Arc<TreeIo> {
        let scope = Scope {
            purpose: Purpose::Pages(def.id),
            ..self.scope
        };
        let sealer = self.sealing.sealer_of(&self.keys, scope);
        let (engine, cache) = (self.engine.clone(), self.cache.clone());
        Arc::new(TreeIo::new(engine, sealer, def.space, cache))
    }

    /// A tree of the table in this state.
    fn branch(&self, def: &Arc<TreeDef>, state: TreeState) -> Branch {
        Branch {
            io: self.io(def),
            def: def.clone(),
            tree: Tree::open(state.root),
            counters: state.counters,
            filled: state.filled,
        }
    }

    /// The same under other keys. `trees` are read and written with these from now on; versions of them that were taken before keep the
    /// keys that they had.
    pub(crate) fn under(&self, keys: TableKeys, trees: &mut Trees) -> Self {
        let table = (self.scope.database, self.scope.table);
        let sealers = Self::new(&self.engine, &self.sealing, &self.cache, table, keys);
        for branch in std::iter::once(&mut trees.items).chain(&mut trees.derived) {
            branch.io = sealers.io(&branch.def);
        }
        sealers
    }

    /// All trees of the table as its record has them.
    pub(crate) fn trees(&self, record: &TableRecord) -> Trees {
        let definition = &record.definition;
        let derived = definition.derived.iter().zip(&record.derived);
        Trees {
            items: self.branch(&definition.items, record.items.clone()),
            derived: derived
                .map(|(def, state)| self.branch(def, state.clone()))
                .collect(),
            recording: Recording::default(),
        }
    }

    /// The table has another definition: trees that stay go on, new ones are empty, others are gone.
    pub(crate) fn redefine(&self, trees: &mut Trees, definition: &Definition) {
        let mut old = std::mem::take(&mut trees.derived);
        let branch = |def: &Arc<TreeDef>| match old.iter().position(|b| b.def.id == def.id) {
            Some(at) => Branch {
                def: def.clone(),
                ..old.swap_remove(at)
            },
            None => self.branch(def, TreeState::empty(def.role.filled_at_first())),
        };
        trees.derived = definition.derived.iter().map(branch).collect();
    }
}

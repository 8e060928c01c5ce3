//! What operations tell beside their outcome, if it is asked for: consumed capacity, and the sizes of item collections.

use std::collections::BTreeMap;

use sealdb_model::ops::{
    Capacity, CapacityUnits, ConsumedCapacity, ItemCollectionMetrics, ReturnConsumedCapacity,
    ReturnItemCollectionMetrics,
};
use sealdb_model::{IndexKind, Item, Map, TableRef};

use crate::table::Table;

/// The unit of an estimate.
const GB: u64 = 1 << 30;

/// What was consumed of each table by the writes of a batch or a transaction.
pub(super) struct Consumed {
    wanted: ReturnConsumedCapacity,
    in_transaction: bool,
    tables: BTreeMap<String, ConsumedCapacity>,
}

impl Consumed {
    pub(super) fn by_batch(wanted: ReturnConsumedCapacity) -> Self {
        Self {
            wanted,
            in_transaction: false,
            tables: BTreeMap::new(),
        }
    }

    pub(super) fn by_transaction(wanted: ReturnConsumedCapacity) -> Self {
        Self {
            in_transaction: true,
            ..Self::by_batch(wanted)
        }
    }

    /// Whether it is asked for at all.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted != ReturnConsumedCapacity::None
    }

    /// Adds a write of an item of a table that the request names so.
    pub(super) fn write(
        &mut self,
        (table, named): (&Table, &TableRef),
        old: Option<&Item>,
        new: Option<&Item>,
    ) {
        if self.is_wanted() {
            let (named, schema) = (named.named(), table.table_schema());
            let items = (old, new);
            let by = self.in_transaction;
            let consumed = ConsumedCapacity::of_write(self.wanted, named, &schema, items, by);
            self.add(consumed);
        }
    }

    /// Adds a read of so many bytes, in place of a write that was carried out before.
    pub(super) fn read(&mut self, table: &TableRef, units: CapacityUnits) {
        let capacity = Capacity::of_reads(units);
        let named = table.named();
        self.add(ConsumedCapacity::of_table(self.wanted, named, capacity));
    }

    fn add(&mut self, consumed: Option<ConsumedCapacity>) {
        let Some(consumed) = consumed else { return };
        match self.tables.get_mut(&consumed.table_name) {
            Some(sum) => *sum += consumed,
            None => {
                let name = consumed.table_name.clone();
                self.tables.insert(name, consumed);
            }
        }
    }

    /// That of another commit of the same batch.
    pub(super) fn extend(&mut self, other: Consumed) {
        for consumed in other.tables.into_values() {
            self.add(Some(consumed));
        }
    }

    /// One answer for each table.
    pub(super) fn into_answer(self) -> Vec<ConsumedCapacity> {
        self.tables.into_values().collect()
    }
}

/// What a write of an item consumed of a table that the request names so.
pub(super) fn by_write(
    (table, named): (&Table, &TableRef),
    wanted: ReturnConsumedCapacity,
    old: Option<&Item>,
    new: Option<&Item>,
) -> Option<ConsumedCapacity> {
    if wanted == ReturnConsumedCapacity::None {
        return None;
    }
    let schema = table.table_schema();
    ConsumedCapacity::of_write(wanted, named.named(), &schema, (old, new), false)
}

/// What reads consumed of each table.
pub(super) fn by_reads(
    wanted: ReturnConsumedCapacity,
    units: BTreeMap<String, CapacityUnits>,
    capacity: impl Fn(CapacityUnits) -> Capacity,
) -> Vec<ConsumedCapacity> {
    units
        .into_iter()
        .filter_map(|(table, units)| ConsumedCapacity::of_table(wanted, &table, capacity(units)))
        .collect()
}

/// The size of the collection that an item of these attributes is in, if the table has local indexes. No collection is counted by
/// itself: each is at most as large as the table and those indexes together.
pub(super) fn collection(
    table: &Table,
    wanted: ReturnItemCollectionMetrics,
    item: &Map,
) -> Option<ItemCollectionMetrics> {
    if wanted == ReturnItemCollectionMetrics::None {
        return None;
    }
    let definition = table.definition();
    let local: Vec<u64> = definition
        .derived
        .iter()
        .filter_map(|tree| tree.role.index())
        .filter(|index| index.kind == IndexKind::Local)
        .map(|index| table.index_state(index.name.as_str()).0.size_bytes)
        .collect();
    if local.is_empty() {
        return None;
    }
    let bytes = table.counters().size_bytes + local.iter().sum::<u64>();
    let most = u32::try_from(bytes.div_ceil(GB)).unwrap_or(u32::MAX);
    let name = table.schema.partition.name.as_str();
    let key = Map::from([(name, item.get(name)?.clone())]);
    Some(ItemCollectionMetrics::new(key, [0, most.max(1)]))
}

/// The sizes of the collections that the writes of a batch or transaction changed, each once.
#[derive(Default)]
pub(super) struct Collections(BTreeMap<String, Vec<ItemCollectionMetrics>>);

impl Collections {
    /// Adds that of an item of these attributes, of a table that the request names so.
    pub(super) fn add(
        &mut self,
        (table, named): (&Table, &TableRef),
        wanted: ReturnItemCollectionMetrics,
        item: &Map,
    ) {
        let Some(metrics) = collection(table, wanted, item) else {
            return;
        };
        let of_table = self.0.entry(named.named().to_owned()).or_default();
        let same = |other: &ItemCollectionMetrics| {
            other.item_collection_key == metrics.item_collection_key
        };
        if !of_table.iter().any(same) {
            of_table.push(metrics);
        }
    }

    pub(super) fn into_answer(self) -> BTreeMap<String, Vec<ItemCollectionMetrics>> {
        self.0
    }
}

//! What an operation consumed: capacity units, exactly as DynamoDB counts them, and the metrics of item collections.
//!
//! | operation | units |
//! |---|---|
//! | read of `n` bytes | one for each 4 KB begun, at least one; half of that if eventually consistent; twice that in a transaction |
//! | write of `n` bytes, the larger of the old and the new item | one for each 1 KB begun, at least one; twice that in a transaction |
//! | change of an index by that write | none if what the index holds stays the same; else a write of its entry, or two if the entry moves to another key; no more in a transaction |
//!
//! KB are 1,024 bytes; bytes are those of [`crate::item_size`].

use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use crate::index::{IndexKind, IndexSchema};
use crate::map::{Item, Map};
use crate::ops::wire_enum;
use crate::schema::{KeySchema, TableSchema};
use crate::size::item_size;

wire_enum! {
    /// What an operation tells about the capacity that it consumed.
    ReturnConsumedCapacity = None {
        /// The sum, and that of the table and of each index.
        Indexes = "INDEXES",
        /// The sum.
        Total = "TOTAL",
        /// Nothing.
        None = "NONE",
    }
}

wire_enum! {
    /// Whether a write tells the size of the item collection that it changed.
    ReturnItemCollectionMetrics = None {
        /// Yes, if the table has local secondary indexes.
        Size = "SIZE",
        /// No.
        None = "NONE",
    }
}

/// Whether a read sees every write that was acknowledged before it. Here all do; it is only counted differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadConsistency {
    /// Half the units.
    Eventual,
    /// Whole units.
    Strong,
    /// Twice the units.
    Transactional,
}

impl ReadConsistency {
    /// That of a request's `ConsistentRead`.
    pub fn of(consistent_read: bool) -> Self {
        if consistent_read {
            ReadConsistency::Strong
        } else {
            ReadConsistency::Eventual
        }
    }
}

/// Capacity units. They come in halves, so their sums are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapacityUnits {
    halves: u64,
}

impl CapacityUnits {
    /// None.
    pub const ZERO: CapacityUnits = CapacityUnits { halves: 0 };

    /// So many halves of a unit.
    pub const fn from_halves(halves: u64) -> Self {
        Self { halves }
    }

    /// Count of halves.
    pub const fn halves(self) -> u64 {
        self.halves
    }

    /// As the API writes them.
    pub fn as_f64(self) -> f64 {
        self.halves as f64 / 2.0
    }

    /// The units of reading this many bytes: of one item for GetItem and for each item of a batch or transaction (0 if there
    /// is none), of all items looked at for Query and Scan.
    pub fn of_read(bytes: usize, consistency: ReadConsistency) -> Self {
        let factor = match consistency {
            ReadConsistency::Eventual => 1,
            ReadConsistency::Strong => 2,
            ReadConsistency::Transactional => 4,
        };
        Self::from_halves(bytes.div_ceil(4096).max(1) as u64 * factor)
    }

    /// The units of writing or deleting one item, by the larger of its sizes before and after (0 where there is none).
    pub fn of_write(old: usize, new: usize, in_transaction: bool) -> Self {
        let factor = if in_transaction { 4 } else { 2 };
        Self::from_halves(old.max(new).div_ceil(1024).max(1) as u64 * factor)
    }
}

impl CapacityUnits {
    /// The units of what a write of an item changes in an index.
    pub fn of_index_write(
        index: &IndexSchema,
        table: &KeySchema,
        old: Option<&Item>,
        new: Option<&Item>,
    ) -> Self {
        let entry = |item: Option<&Item>| {
            let key = index.key.of_item(item?)?;
            Some((key, index.project(table, item?)))
        };
        let write = |old: usize, new: usize| Self::of_write(old, new, false);
        match (entry(old), entry(new)) {
            (None, None) => Self::ZERO,
            (Some((_, entry)), None) | (None, Some((_, entry))) => write(0, item_size(&entry)),
            (Some(old), Some(new)) if old == new => Self::ZERO,
            (Some((old_key, old)), Some((new_key, new))) => {
                let (old, new) = (item_size(&old), item_size(&new));
                if old_key == new_key {
                    write(old, new)
                } else {
                    write(old, 0) + write(0, new)
                }
            }
        }
    }
}

impl Add for CapacityUnits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::from_halves(self.halves + other.halves)
    }
}

impl AddAssign for CapacityUnits {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for CapacityUnits {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

/// Units of a table or an index. Reads and writes are told apart in transactions only, as DynamoDB does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// All units.
    pub capacity_units: CapacityUnits,
    /// Those of reads.
    pub read_capacity_units: Option<CapacityUnits>,
    /// Those of writes.
    pub write_capacity_units: Option<CapacityUnits>,
}

impl Capacity {
    /// Units, reads and writes not told apart.
    pub fn new(capacity_units: CapacityUnits) -> Self {
        Self {
            capacity_units,
            ..Self::default()
        }
    }

    /// Units of reads in a transaction.
    pub fn of_reads(units: CapacityUnits) -> Self {
        Self {
            capacity_units: units,
            read_capacity_units: Some(units),
            write_capacity_units: None,
        }
    }

    /// Units of writes in a transaction.
    pub fn of_writes(units: CapacityUnits) -> Self {
        Self {
            capacity_units: units,
            read_capacity_units: None,
            write_capacity_units: Some(units),
        }
    }
}

/// What an operation consumed of one table.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedCapacity {
    /// The table.
    pub table_name: String,
    /// Units of the table and all its indexes.
    pub total: Capacity,
    /// Units of the table itself; with INDEXES only.
    pub table: Option<Capacity>,
    /// Units of local secondary indexes by name; with INDEXES only.
    pub local_secondary_indexes: BTreeMap<String, Capacity>,
    /// Units of global secondary indexes by name; with INDEXES only.
    pub global_secondary_indexes: BTreeMap<String, Capacity>,
}

impl ConsumedCapacity {
    /// What was consumed in all.
    pub fn new(table_name: impl Into<String>, total: Capacity) -> Self {
        Self {
            table_name: table_name.into(),
            total,
            table: None,
            local_secondary_indexes: BTreeMap::new(),
            global_secondary_indexes: BTreeMap::new(),
        }
    }

    /// The answer about an operation that touched no index; `None` unless the caller asked.
    pub fn of_table(
        wanted: ReturnConsumedCapacity,
        table_name: &str,
        capacity: Capacity,
    ) -> Option<Self> {
        let total = || Self::new(table_name, capacity);
        match wanted {
            ReturnConsumedCapacity::None => None,
            ReturnConsumedCapacity::Total => Some(total()),
            ReturnConsumedCapacity::Indexes => Some(Self {
                table: Some(capacity),
                ..total()
            }),
        }
    }
}

impl ConsumedCapacity {
    /// The answer about a write of an item, `None` unless the caller asked.
    pub fn of_write(
        wanted: ReturnConsumedCapacity,
        table_name: &str,
        schema: &TableSchema,
        (old, new): (Option<&Item>, Option<&Item>),
        in_transaction: bool,
    ) -> Option<Self> {
        let capacity = if in_transaction {
            Capacity::of_writes
        } else {
            Capacity::new
        };
        let size = |item: Option<&Item>| item.map_or(0, item_size);
        let units = CapacityUnits::of_write(size(old), size(new), in_transaction);
        let mut consumed = Self::of_table(wanted, table_name, capacity(units))?;
        let mut total = units;
        for index in &schema.indexes {
            let units = CapacityUnits::of_index_write(index, &schema.key, old, new);
            total += units;
            if wanted == ReturnConsumedCapacity::Indexes && units > CapacityUnits::ZERO {
                let indexes = match index.kind {
                    IndexKind::Local => &mut consumed.local_secondary_indexes,
                    IndexKind::Global => &mut consumed.global_secondary_indexes,
                };
                indexes.insert(index.name.to_string(), capacity(units));
            }
        }
        consumed.total = capacity(total);
        Some(consumed)
    }

    /// The answer about a read of an index, and of what was fetched from the table for it; `None` unless the caller asked.
    pub fn of_index_read(
        wanted: ReturnConsumedCapacity,
        table_name: &str,
        (index, kind): (&str, IndexKind),
        units: CapacityUnits,
        fetched: CapacityUnits,
    ) -> Option<Self> {
        let total = Capacity::new(units + fetched);
        let mut consumed = Self::of_table(wanted, table_name, total)?;
        if wanted == ReturnConsumedCapacity::Indexes {
            consumed.table = Some(Capacity::new(fetched));
            let indexes = match kind {
                IndexKind::Local => &mut consumed.local_secondary_indexes,
                IndexKind::Global => &mut consumed.global_secondary_indexes,
            };
            indexes.insert(index.to_owned(), Capacity::new(units));
        }
        Some(consumed)
    }
}

/// The sum for one table.
impl AddAssign for ConsumedCapacity {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        add_optional(&mut self.table, other.table);
        for (name, capacity) in other.local_secondary_indexes {
            *self.local_secondary_indexes.entry(name).or_default() += capacity;
        }
        for (name, capacity) in other.global_secondary_indexes {
            *self.global_secondary_indexes.entry(name).or_default() += capacity;
        }
    }
}

impl AddAssign for Capacity {
    fn add_assign(&mut self, other: Self) {
        self.capacity_units += other.capacity_units;
        add_optional(&mut self.read_capacity_units, other.read_capacity_units);
        add_optional(&mut self.write_capacity_units, other.write_capacity_units);
    }
}

fn add_optional<T: AddAssign>(sum: &mut Option<T>, more: Option<T>) {
    match (sum.as_mut(), more) {
        (Some(sum), Some(more)) => *sum += more,
        (_, more) => *sum = sum.take().or(more),
    }
}

/// Size of the item collection that a write changed: all items of one partition key, with their local indexes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemCollectionMetrics {
    /// The partition key.
    pub item_collection_key: Map,
    /// An estimate of its size: at least and at most so many gigabytes.
    pub size_estimate_range_gb: [u32; 2],
}

impl ItemCollectionMetrics {
    /// An estimate.
    pub fn new(item_collection_key: Map, size_estimate_range_gb: [u32; 2]) -> Self {
        Self {
            item_collection_key,
            size_estimate_range_gb,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::index::{IndexKey, IndexProjection};
    use crate::names::{AttributeName, IndexName};
    use crate::ops::Throughput;
    use crate::schema::{KeyAttribute, ScalarType};
    use crate::value::AttributeValue;

    #[test]
    fn writes_count_what_they_change_in_indexes() {
        let attribute = |name| KeyAttribute {
            name: AttributeName::new(name).unwrap(),
            kind: ScalarType::S,
        };
        let schema = TableSchema {
            key: KeySchema {
                partition: attribute("pk"),
                sort: None,
            },
            indexes: vec![IndexSchema {
                name: IndexName::new("index").unwrap(),
                kind: IndexKind::Global,
                key: IndexKey {
                    partition: vec![attribute("g")],
                    sort: vec![],
                },
                projection: IndexProjection::KeysOnly,
                throughput: Throughput::default(),
            }],
        };
        let item = |g: Option<&str>, payload: usize| {
            let g = g.map(|g| ("g", AttributeValue::from(g)));
            let all = [("pk", "a".into()), ("payload", "x".repeat(payload).into())];
            all.into_iter().chain(g).collect::<Item>()
        };
        let units = |old: Option<&Item>, new: Option<&Item>| {
            let wanted = ReturnConsumedCapacity::Indexes;
            let of = |in_transaction| {
                let consumed =
                    ConsumedCapacity::of_write(wanted, "t", &schema, (old, new), in_transaction)
                        .unwrap();
                let index = consumed.global_secondary_indexes.get("index");
                (
                    consumed.total.capacity_units.as_f64(),
                    consumed.table.unwrap().capacity_units.as_f64(),
                    index.map(|index| index.capacity_units.as_f64()),
                )
            };
            let ((total, table, index), in_transaction) = (of(false), of(true));
            assert_eq!(
                in_transaction,
                (total + table, 2.0 * table, index),
                "only the table's units are doubled"
            );
            (total, index)
        };
        let (one, two, none) = (item(Some("1"), 0), item(Some("2"), 2000), item(None, 0));
        assert_eq!(units(None, Some(&one)), (2.0, Some(1.0)));
        assert_eq!(units(Some(&one), Some(&one)), (1.0, None));
        assert_eq!(units(Some(&one), Some(&item(Some("1"), 5000))), (5.0, None));
        assert_eq!(units(Some(&one), Some(&two)), (4.0, Some(2.0)));
        assert_eq!(units(Some(&one), Some(&none)), (2.0, Some(1.0)));
        assert_eq!(units(Some(&two), None), (3.0, Some(1.0)));
        assert_eq!(units(None, None), (1.0, None));
    }

    #[test]
    fn reads_count_4_kb_and_come_in_halves() {
        use ReadConsistency::{Eventual, Strong, Transactional};
        for (bytes, consistency, units) in [
            (0, Eventual, 0.5),
            (4096, Eventual, 0.5),
            (4097, Eventual, 1.0),
            (0, Strong, 1.0),
            (4096, Strong, 1.0),
            (4097, Strong, 2.0),
            (1024 * 1024, Strong, 256.0),
            (4096, Transactional, 2.0),
            (4097, Transactional, 4.0),
        ] {
            assert_eq!(CapacityUnits::of_read(bytes, consistency).as_f64(), units);
        }
    }

    #[test]
    fn writes_count_1_kb_of_the_larger_item() {
        for (old, new, in_transaction, units) in [
            (0, 0, false, 1.0),
            (0, 1024, false, 1.0),
            (1025, 10, false, 2.0),
            (10, 400 * 1024, false, 400.0),
            (0, 1, true, 2.0),
            (1025, 0, true, 4.0),
        ] {
            assert_eq!(
                CapacityUnits::of_write(old, new, in_transaction).as_f64(),
                units
            );
        }
        let sum: CapacityUnits = [1, 2, 4].map(CapacityUnits::from_halves).into_iter().sum();
        assert_eq!(sum.as_f64(), 3.5);
    }
}

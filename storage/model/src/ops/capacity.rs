//! What an operation consumed: capacity units, exactly as DynamoDB counts them, and the metrics of item collections.
//!
//! | operation | units |
//! |---|---|
//! | read of `n` bytes | one for each 4 KB begun, at least one; half of that if eventually consistent; twice that in a transaction |
//! | write of `n` bytes, the larger of the old and the new item | one for each 1 KB begun, at least one; twice that in a transaction |
//!
//! KB are 1,024 bytes; bytes are those of [`crate::item_size`].

use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use crate::map::Map;
use crate::ops::wire_enum;

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
        units: CapacityUnits,
    ) -> Option<Self> {
        let capacity = Capacity::new(units);
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
    use super::*;

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

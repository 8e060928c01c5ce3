//! One page of a Query or Scan: the items between two stored keys, up to a limit and up to 1 MB.

use std::ops::Bound;
use std::sync::Arc;

use sealdb_model::expr::ProjectionExpression;
use sealdb_model::ops::{
    Capacity, CapacityUnits, ConsumedCapacity, Filter, ReadConsistency, ReturnConsumedCapacity,
    Select,
};
use sealdb_model::{IndexKind, IndexName, IndexSchema, Item, Map, TableRef};

use super::{Via, decode, stored_size};
use crate::error::Error;
use crate::table::{Snapshot, SnapshotCursor, Table};
use crate::tree::Value;
use crate::trees::Branch;

/// Most bytes of items, by AWS's rules of size, that one page looks at: 1 MB, entries of an index and what is fetched for them together.
/// The item that would exceed it begins the next page.
pub(super) const PAGE_BYTES: usize = 1024 * 1024;

/// What to read.
pub(super) struct Request {
    /// The index; `None`: the table itself.
    pub(super) index: Option<IndexName>,
    pub(super) lower: Bound<Vec<u8>>,
    pub(super) upper: Bound<Vec<u8>>,
    pub(super) reverse: bool,
    /// Most items to look at.
    pub(super) limit: Option<usize>,
    pub(super) select: Select,
    pub(super) filter: Option<Filter>,
    pub(super) projection: Option<ProjectionExpression>,
    /// How reads are counted.
    pub(super) consistency: ReadConsistency,
    /// Whether it walks the whole tree: what it brings into the cache does not displace what gets use.
    pub(super) scan: bool,
}

/// What was read.
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    /// Count of items that the filter admits.
    pub(super) count: u32,
    /// Count of items looked at.
    pub(super) scanned_count: u32,
    /// Sum of their sizes by AWS's rules; of an index's entries.
    bytes: usize,
    /// Sum of the sizes of the items that were fetched from the table for the entries.
    fetched_bytes: usize,
    /// Which index was read.
    index: Option<(IndexName, IndexKind)>,
    /// What was read of the table for it.
    fetched: CapacityUnits,
    /// The key to go on after, if there may be more.
    pub(super) last_evaluated_key: Option<Map>,
}

/// What the walk comes to: an item or an index's entry, as stored, and what was fetched for it.
struct Step {
    value: Value,
    fetched: Option<(Item, usize)>,
}

impl Request {
    /// Reads one page from one snapshot. If the snapshot is given up because the disk was too slow for too long, the page ends
    /// early; it begins anew if nothing was read yet.
    pub(super) async fn read(&self, table: &Arc<Table>, via: Via) -> Result<Page, Error> {
        loop {
            match self.read_snapshot(table, via).await {
                Err(Error::SnapshotExpired) => {}
                result => return result,
            }
        }
    }

    async fn read_snapshot(&self, table: &Arc<Table>, via: Via) -> Result<Page, Error> {
        let snapshot = table.read()?;
        let source = Source::of(&snapshot, self.index.as_ref())?;
        let mut cursor = snapshot.cursor(
            source.branch(&snapshot),
            self.lower.clone(),
            self.upper.clone(),
            self.reverse,
            self.scan,
        );
        let fetching = source.index().filter(|index| self.fetches(table, index));
        let limit = self.limit.unwrap_or(usize::MAX);
        let mut page = Page {
            items: Vec::new(),
            count: 0,
            scanned_count: 0,
            bytes: 0,
            fetched_bytes: 0,
            index: source.index().map(|index| (index.name.clone(), index.kind)),
            fetched: CapacityUnits::ZERO,
            last_evaluated_key: None,
        };
        let mut last = Position::default();
        let mut more = false;
        let mut seen = 0;
        loop {
            if seen == limit {
                more = true;
                break;
            }
            let step = step(table, &snapshot, &mut cursor, via, fetching.is_some()).await;
            let Step { value, fetched } = match step {
                Ok(Some(step)) => step,
                Ok(None) => break,
                Err(Error::SnapshotExpired) if seen > 0 => {
                    more = true;
                    break;
                }
                Err(error) => return Err(error),
            };
            let size = stored_size(table, &value)?;
            let fetched_size = fetched.as_ref().map_or(0, |(_, size)| *size);
            if page.bytes + page.fetched_bytes + size + fetched_size > PAGE_BYTES && seen > 0 {
                more = true;
                break;
            }
            page.bytes += size;
            page.fetched_bytes += fetched_size;
            seen += 1;
            page.scanned_count += 1;
            match (fetching, fetched) {
                (Some(index), Some((item, size))) => {
                    page.fetched += CapacityUnits::of_read(size, self.consistency);
                    // Fetched for the filter alone, it is given back as the index has it.
                    let shown = self.select == Select::AllProjectedAttributes;
                    self.take(item, &mut page, |item| match shown {
                        true => index.project(&table.schema, &item),
                        false => item,
                    });
                }
                _ if self.filter.is_none() && self.select == Select::Count => page.count += 1,
                _ => self.take(decode(table, &value)?, &mut page, |item| item),
            }
            last.set(cursor.key(), source, &value);
        }
        if more && seen > 0 {
            page.last_evaluated_key = Some(last.key_map(table, source)?);
        }
        Ok(page)
    }

    /// Adds an item to the page, if the filter admits it; without a projection what `shown` makes of it.
    fn take(&self, item: Item, page: &mut Page, shown: impl FnOnce(Item) -> Item) {
        if self
            .filter
            .as_ref()
            .is_some_and(|filter| !filter.admits(&item))
        {
            return;
        }
        page.count += 1;
        match &self.projection {
            _ if self.select == Select::Count => {}
            None => page.items.push(shown(item)),
            Some(projection) => page.items.push(projection.project(&item)),
        }
    }

    /// Whether more is wanted of an item than the index holds.
    fn fetches(&self, table: &Table, index: &IndexSchema) -> bool {
        index.must_fetch(
            &table.schema,
            self.select,
            self.projection.as_ref(),
            self.filter.as_ref(),
        )
    }
}

/// What is walked.
#[derive(Clone, Copy)]
enum Source<'s> {
    Items,
    Index(&'s Branch, &'s IndexSchema),
}

impl Page {
    /// What reading the page consumed, if that is wanted.
    pub(super) fn consumed_capacity(
        &self,
        table: &TableRef,
        wanted: ReturnConsumedCapacity,
        consistency: ReadConsistency,
    ) -> Option<ConsumedCapacity> {
        let (name, units) = (
            table.named(),
            CapacityUnits::of_read(self.bytes, consistency),
        );
        match &self.index {
            None => ConsumedCapacity::of_table(wanted, name, Capacity::new(units)),
            Some((index, kind)) => {
                let index = (index.as_str(), *kind);
                ConsumedCapacity::of_index_read(wanted, name, index, units, self.fetched)
            }
        }
    }
}

impl<'s> Source<'s> {
    fn index(self) -> Option<&'s IndexSchema> {
        match self {
            Source::Items => None,
            Source::Index(_, index) => Some(index),
        }
    }

    fn of(snapshot: &'s Snapshot, index: Option<&IndexName>) -> Result<Self, Error> {
        let Some(name) = index else {
            return Ok(Source::Items);
        };
        let (branch, index) = snapshot.trees().read_index(name)?;
        Ok(Source::Index(branch, index))
    }

    fn branch(self, snapshot: &'s Snapshot) -> &'s Branch {
        match self {
            Source::Items => &snapshot.trees().items,
            Source::Index(branch, _) => branch,
        }
    }
}

/// Where a page has come to: the stored key of an item, or the entry of an index.
#[derive(Default)]
struct Position(Vec<u8>);

impl Position {
    fn set(&mut self, key: &[u8], source: Source<'_>, value: &[u8]) {
        self.0.clear();
        self.0.extend_from_slice(match source {
            Source::Items => key,
            Source::Index(..) => value,
        });
    }

    /// The attributes that the next page begins after.
    fn key_map(&self, table: &Table, source: Source<'_>) -> Result<Map, Error> {
        match source {
            Source::Items => Table::split_stored_key(&self.0)
                .and_then(|(partition, sort)| table.schema.key_from_bytes(partition, sort))
                .ok_or_else(|| Error::corrupt(format!("a stored key of table {}", table.name))),
            Source::Index(_, index) => {
                Ok(index.key_map_of_entry(&table.schema, &decode(table, &self.0)?))
            }
        }
    }
}

/// The next item or entry, and of an entry the whole item, if it is to be fetched.
async fn step(
    table: &Table,
    snapshot: &Snapshot,
    cursor: &mut SnapshotCursor<'_>,
    via: Via,
    fetching: bool,
) -> Result<Option<Step>, Error> {
    let value = match via {
        Via::Async => cursor.next().await?,
        Via::Blocking => cursor.next_blocking()?,
    };
    let Some(value) = value else { return Ok(None) };
    let fetched = match fetching {
        true => Some(fetch(table, snapshot, via, &decode(table, &value)?).await?),
        false => None,
    };
    Ok(Some(Step { value, fetched }))
}

/// The whole item of an index's entry, of the same moment, and its size.
async fn fetch(
    table: &Table,
    snapshot: &Snapshot,
    via: Via,
    entry: &Item,
) -> Result<(Item, usize), Error> {
    let key = table.stored_key(&table.schema.key_of_item(entry)?);
    let value = match via {
        Via::Async => snapshot.get(&key).await?,
        Via::Blocking => snapshot.get_blocking(&key)?,
    };
    match value {
        Some(value) => Ok((decode(table, &value)?, stored_size(table, &value)?)),
        None => Err(Error::corrupt(format!(
            "an index of table {} has an entry without its item",
            table.name
        ))),
    }
}

//! One page of a Query or Scan: the items between two stored keys, up to a limit and up to 1 MB.

use std::ops::Bound;
use std::sync::Arc;

use sealdb_model::ops::Select;
use sealdb_model::{Item, Map, codec};

use super::{Via, decode};
use crate::error::Error;
use crate::table::Table;

/// Most bytes of items, by AWS's rules of size, that one page looks at: 1 MB. The item that would exceed it begins the next page.
pub(super) const PAGE_BYTES: usize = 1024 * 1024;

/// What to read.
pub(super) struct Request {
    pub(super) lower: Bound<Vec<u8>>,
    pub(super) upper: Bound<Vec<u8>>,
    pub(super) reverse: bool,
    /// Most items to look at.
    pub(super) limit: Option<usize>,
    pub(super) select: Select,
    /// Whether it walks the whole table: what it brings into the cache does not displace what gets use.
    pub(super) scan: bool,
}

/// What was read.
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) count: u32,
    /// The key to go on after, if there may be more.
    pub(super) last_evaluated_key: Option<Map>,
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
        let mut cursor = snapshot.cursor(
            self.lower.clone(),
            self.upper.clone(),
            self.reverse,
            self.scan,
        );
        let limit = self.limit.unwrap_or(usize::MAX);
        let mut page = Page {
            items: Vec::new(),
            count: 0,
            last_evaluated_key: None,
        };
        let mut last: Option<Vec<u8>> = None;
        let mut bytes = 0;
        let mut more = false;
        let mut seen = 0;
        loop {
            if seen == limit {
                more = true;
                break;
            }
            let next = match via {
                Via::Async => cursor.next().await,
                Via::Blocking => cursor.next_blocking(),
            };
            let value = match next {
                Ok(Some(value)) => value,
                Ok(None) => break,
                Err(Error::SnapshotExpired) if seen > 0 => {
                    more = true;
                    break;
                }
                Err(error) => return Err(error),
            };
            bytes += codec::encoded_item_size(&value).map_err(|error| {
                Error::corrupt(format!("an item of table {}: {error}", table.name))
            })?;
            if bytes > PAGE_BYTES && seen > 0 {
                more = true;
                break;
            }
            seen += 1;
            page.count += 1;
            if self.select != Select::Count {
                page.items.push(decode(table, &value)?);
            }
            let kept = last.get_or_insert_default();
            kept.clear();
            kept.extend_from_slice(cursor.key());
        }
        if let Some(last) = last.filter(|_| more) {
            page.last_evaluated_key = Some(key_of(table, &last)?);
        }
        Ok(page)
    }
}

/// The key attributes of a stored key.
fn key_of(table: &Table, stored: &[u8]) -> Result<Map, Error> {
    Table::split_stored_key(stored)
        .and_then(|(partition, sort)| table.schema.key_from_bytes(partition, sort))
        .ok_or_else(|| Error::corrupt(format!("a stored key of table {}", table.name)))
}

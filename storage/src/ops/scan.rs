//! Scan: all items of a table or an index, in the order of the hashes of their partition keys. A segment is a range of hashes.

use std::ops::{Bound, RangeBounds};

use sealdb_model::ops::{ReadConsistency, Scan, ScanInput, ScanOutput, ScanSegment, Select};

use super::page::Request;
use super::{Via, paths_fit};
use crate::error::Error;
use crate::session::Session;

pub(crate) async fn scan(core: &Session, via: Via, input: ScanInput) -> Result<ScanOutput, Error> {
    run(core, via, input.validate()?).await
}

/// Carries out a request that was checked.
pub(super) async fn run(core: &Session, via: Via, scan: Scan) -> Result<ScanOutput, Error> {
    let table = core.table(scan.table.as_str())?;
    scan.fits(&table.schema)?;
    let (lower, upper) = segment(scan.segment);
    let after = match &scan.index {
        None => {
            let key = scan.start_key(&table.schema)?;
            key.map(|key| table.stored_key(&key))
        }
        Some(name) => {
            let entry = scan.start_entry(&table.schema, &table.index(name)?)?;
            entry.map(|entry| table.entry_key(&entry))
        }
    };
    let filter = scan.filter.as_ref().map(|filter| &filter.condition);
    paths_fit(&table, filter, scan.projection.as_ref())?;
    let mut request = Request {
        index: scan.index.clone(),
        lower,
        upper,
        reverse: false,
        limit: scan.limit,
        select: scan.select,
        filter: scan.filter.clone(),
        projection: scan.projection.clone(),
        consistency: ReadConsistency::of(scan.consistent_read),
        scan: true,
    };
    if let Some(key) = after {
        if !(request.lower.clone(), request.upper.clone()).contains(&key) {
            return Err(scan.outside_segment().into());
        }
        request.begin_after(key);
    }
    let page = request.read(&table, via).await?;
    let mut output = ScanOutput::default();
    output.consumed_capacity = page.consumed_capacity(
        &scan.table,
        scan.return_consumed_capacity,
        request.consistency,
    );
    output.items = page.items;
    output.count = page.count;
    output.scanned_count = page.scanned_count;
    output.last_evaluated_key = page.last_evaluated_key;
    output.counted_only = request.select == Select::Count;
    Ok(output)
}

/// Keys of every tree begin with a hash of at least 64 bits; segment `i` of `n` takes the hashes from `i/n` to `(i + 1)/n` of that range.
fn segment(ScanSegment { segment, total }: ScanSegment) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let edge = |i: u32| {
        let hash = (u128::from(i) << 64) / u128::from(total);
        // 2^64, the end of the last segment, is no hash.
        u64::try_from(hash)
            .ok()
            .map(|hash| hash.to_be_bytes().to_vec())
    };
    let lower = edge(segment).map_or(Bound::Unbounded, Bound::Included);
    let upper = edge(segment + 1).map_or(Bound::Unbounded, Bound::Excluded);
    (lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cover_every_hash_exactly_once() {
        for total in [1, 2, 3, 7, 1000, 1_000_000] {
            let mut next = Bound::Included(0u64.to_be_bytes().to_vec());
            for i in 0..total {
                let (lower, upper) = segment(ScanSegment { segment: i, total });
                assert_eq!(lower, next);
                next = match upper {
                    Bound::Excluded(edge) => Bound::Included(edge),
                    other => other,
                };
            }
            assert_eq!(next, Bound::Unbounded);
        }
    }
}

//! Query: the items of one partition of a table or an index whose sort keys meet a condition. One range of one tree.

use std::ops::Bound;

use sealdb_model::expr::IndexCondition;
use sealdb_model::ops::{Query, QueryInput, QueryOutput, ReadConsistency, Select};

use super::page::Request;
use super::{Via, paths_fit};
use crate::error::Error;
use crate::session::Session;
use crate::table::Table;

pub(crate) async fn query(
    core: &Session,
    via: Via,
    input: QueryInput,
) -> Result<QueryOutput, Error> {
    run(core, via, input.validate()?).await
}

/// Carries out a request that was checked.
pub(super) async fn run(core: &Session, via: Via, query: Query) -> Result<QueryOutput, Error> {
    let table = core.table(query.table.as_str())?;
    let (named, wanted) = (query.table.clone(), query.return_consumed_capacity);
    let request = request(&table, query)?;
    let page = request.read(&table, via).await?;
    let mut output = QueryOutput::default();
    output.consumed_capacity = page.consumed_capacity(&named, wanted, request.consistency);
    output.items = page.items;
    output.count = page.count;
    output.scanned_count = page.scanned_count;
    output.last_evaluated_key = page.last_evaluated_key;
    output.counted_only = request.select == Select::Count;
    Ok(output)
}

/// What the query reads: one range of the items, or of an index.
fn request(table: &Table, query: Query) -> Result<Request, Error> {
    let ((lower, upper), after) = match &query.index {
        None => {
            let plan = query.plan(&table.schema)?;
            let prefix = table.partition_prefix(&plan.partition);
            let range = within(&prefix, plan.condition.sort_range());
            (range, plan.after.map(|after| table.stored_key(&after)))
        }
        Some(name) => {
            let index = table.index(name)?;
            let plan = query.plan_index(&table.schema, &index)?;
            let IndexCondition {
                partition,
                lower,
                upper,
            } = plan.condition;
            let range = within(&table.index_prefix(&partition), (lower, upper));
            (range, plan.after.map(|after| table.entry_key(&after)))
        }
    };
    let filter = query.filter.as_ref().map(|filter| &filter.condition);
    paths_fit(table, filter, query.projection.as_ref())?;
    let mut request = Request {
        index: query.index,
        lower,
        upper,
        reverse: !query.forward,
        limit: query.limit,
        select: query.select,
        filter: query.filter,
        projection: query.projection,
        consistency: ReadConsistency::of(query.consistent_read),
        scan: false,
    };
    if let Some(after) = after {
        request.begin_after(after);
    }
    Ok(request)
}

/// A range of sort keys as a range of stored keys of one partition.
fn within(
    prefix: &[u8],
    (lower, upper): (Bound<Vec<u8>>, Bound<Vec<u8>>),
) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let stored = |sort: Vec<u8>| [prefix, &sort].concat();
    let lower = match lower {
        Bound::Unbounded => Bound::Included(prefix.to_vec()),
        bound => bound.map(stored),
    };
    let upper = match upper {
        Bound::Unbounded => successor(prefix).map_or(Bound::Unbounded, Bound::Excluded),
        bound => bound.map(stored),
    };
    (lower, upper)
}

/// The least string above all that begin with `prefix`; `None` if there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let (at, byte) = prefix
        .iter()
        .enumerate()
        .rev()
        .find(|(_, byte)| **byte < 0xFF)?;
    let mut out = prefix.get(..at)?.to_vec();
    out.push(byte + 1);
    Some(out)
}

impl Request {
    /// Moves the bound at which the walk begins behind `key`; never widens the range.
    pub(super) fn begin_after(&mut self, key: Vec<u8>) {
        if self.reverse {
            let tighter = match &self.upper {
                Bound::Unbounded => true,
                Bound::Included(upper) | Bound::Excluded(upper) => key <= *upper,
            };
            if tighter {
                self.upper = Bound::Excluded(key);
            }
        } else {
            let tighter = match &self.lower {
                Bound::Unbounded => true,
                Bound::Included(lower) | Bound::Excluded(lower) => key >= *lower,
            };
            if tighter {
                self.lower = Bound::Excluded(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_of_a_prefix_is_above_everything_under_it() {
        assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xff\xff"), None);
    }

    #[test]
    fn a_range_of_sort_keys_stays_in_its_partition() {
        let (lower, upper) = within(b"p", (Bound::Unbounded, Bound::Unbounded));
        assert_eq!(
            (lower, upper),
            (
                Bound::Included(b"p".to_vec()),
                Bound::Excluded(b"q".to_vec())
            )
        );
        let (lower, upper) = within(
            b"p",
            (
                Bound::Excluded(b"1".to_vec()),
                Bound::Included(b"2".to_vec()),
            ),
        );
        assert_eq!(
            (lower, upper),
            (
                Bound::Excluded(b"p1".to_vec()),
                Bound::Included(b"p2".to_vec())
            )
        );
    }

    #[test]
    fn a_start_key_never_widens_the_range() {
        let mut request = Request {
            index: None,
            lower: Bound::Included(b"b".to_vec()),
            upper: Bound::Included(b"d".to_vec()),
            reverse: false,
            limit: None,
            select: Select::AllAttributes,
            filter: None,
            projection: None,
            consistency: ReadConsistency::Strong,
            scan: false,
        };
        request.begin_after(b"a".to_vec());
        assert_eq!(request.lower, Bound::Included(b"b".to_vec()));
        request.begin_after(b"c".to_vec());
        assert_eq!(request.lower, Bound::Excluded(b"c".to_vec()));
        request.reverse = true;
        request.begin_after(b"e".to_vec());
        assert_eq!(request.upper, Bound::Included(b"d".to_vec()));
        request.begin_after(b"d".to_vec());
        assert_eq!(request.upper, Bound::Excluded(b"d".to_vec()));
    }
}

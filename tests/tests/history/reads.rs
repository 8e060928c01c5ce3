//! Queries and scans of a history, page by page, each page foretold by the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealdb::model::ops::{QueryInput, ScanInput, Select};
use sealdb::model::{Item, ScalarType, item_size};

use crate::model::{Key, Part, Shape};
use crate::run::Run;

/// Most bytes of items of one page.
const PAGE_BYTES: usize = 1 << 20;

/// Conditions of a sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Any,
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
    Between,
    BeginsWith,
}

impl Condition {
    const ALL: [Condition; 8] = [
        Condition::Any,
        Condition::Equal,
        Condition::Less,
        Condition::AtMost,
        Condition::More,
        Condition::AtLeast,
        Condition::Between,
        Condition::BeginsWith,
    ];

    fn expression(self) -> &'static str {
        match self {
            Condition::Any => "#p = :p",
            Condition::Equal => "#p = :p AND sk = :a",
            Condition::Less => "#p = :p AND sk < :a",
            Condition::AtMost => "#p = :p AND sk <= :a",
            Condition::More => "#p = :p AND sk > :a",
            Condition::AtLeast => "#p = :p AND sk >= :a",
            Condition::Between => "#p = :p AND sk BETWEEN :a AND :b",
            Condition::BeginsWith => "#p = :p AND begins_with(sk, :a)",
        }
    }

    fn holds(self, sort: Option<&Part>, a: &Part, b: &Part) -> bool {
        let Some(sort) = sort else {
            return self == Condition::Any;
        };
        match self {
            Condition::Any => true,
            Condition::Equal => sort == a,
            Condition::Less => sort < a,
            Condition::AtMost => sort <= a,
            Condition::More => sort > a,
            Condition::AtLeast => sort >= a,
            Condition::Between => a <= sort && sort <= b,
            Condition::BeginsWith => sort.begins_with(a),
        }
    }
}

/// The page that must come: its items, and the key to go on after.
fn page<'a>(
    items: impl Iterator<Item = (&'a Key, &'a Arc<Item>)>,
    limit: Option<usize>,
) -> (Vec<&'a Item>, Option<Item>) {
    let mut found: Vec<&Item> = Vec::new();
    let mut bytes = 0;
    let mut last = None;
    for (key, item) in items {
        bytes += item_size(item);
        if Some(found.len()) == limit || (bytes > PAGE_BYTES && !found.is_empty()) {
            return (found, last);
        }
        found.push(item);
        last = Some(Shape::key_map(key));
    }
    // The limit was reached: there may be more.
    let more = Some(found.len()) == limit;
    (found, last.filter(|_| more))
}

impl Run<'_> {
    pub fn query(&mut self) {
        let (table, shape) = self.some_table();
        let (partition, _) = self.any_key(&table, shape);
        let mut conditions = Condition::ALL.to_vec();
        match shape.sort {
            None => conditions.truncate(1),
            Some(ScalarType::N) => conditions.truncate(7),
            Some(_) => {}
        }
        let condition = self.rng.pick(&conditions);
        let (a, b) = self.two_sorts(shape, condition);
        let forward = !self.rng.one_in(2);
        let limit = self.limit();
        let count = self.rng.one_in(6);
        self.say(|| {
            format!("query {table} {partition:?} {condition:?} {a:?} {b:?} forward {forward} limit {limit:?}")
        });
        let mut input = QueryInput::new(&table, condition.expression())
            .name("#p", "pk")
            .value(":p", partition.value())
            .scan_index_forward(forward);
        if condition != Condition::Any {
            input = input.value(":a", a.value());
        }
        if condition == Condition::Between {
            input = input.value(":b", b.value());
        }
        if let Some(limit) = limit {
            input = input.limit(limit as i32);
        }
        if count {
            input = input.select(Select::Count);
        }
        // Sometimes from the middle, after an item that may not exist.
        let mut after: Option<Key> = None;
        if self.rng.one_in(4) {
            let sort = self.draw.key(&mut self.rng, shape).1;
            let inside = condition.holds(sort.as_ref(), &a, &b);
            if inside {
                after = Some((partition.clone(), sort));
            }
        }
        loop {
            if let Some(after) = &after {
                input = input.exclusive_start_key(Shape::key_map(after));
            }
            let got = match self.db().query(input.clone()) {
                Ok(got) => got,
                Err(error) => return self.read_failed(&error),
            };
            let matching: Vec<(&Key, &Arc<Item>)> = self.model.tables[&table]
                .items
                .iter()
                .filter(|(key, _)| key.0 == partition && condition.holds(key.1.as_ref(), &a, &b))
                .filter(|(key, _)| match &after {
                    None => true,
                    Some(after) if forward => *key > after,
                    Some(after) => *key < after,
                })
                .collect();
            let (items, last) = if forward {
                page(matching.into_iter(), limit)
            } else {
                page(matching.into_iter().rev(), limit)
            };
            assert_eq!(got.count as usize, items.len(), "count of a query");
            if count {
                assert!(got.items.is_empty(), "a count has no items");
            } else {
                let got: Vec<&Item> = got.items.iter().collect();
                assert!(
                    got == items,
                    "items of a query: {got:?}, expected {items:?}"
                );
            }
            assert_eq!(got.last_evaluated_key, last, "where the query goes on");
            self.counters.add("query pages", 1);
            match last {
                None => return,
                Some(last) => after = Some(shape.key_of(&last)),
            }
            if self.rng.one_in(6) {
                // The next page sees what was written meanwhile, unless the crash or the table's end comes first.
                let opened = self.counters.get("opens");
                self.put_or_delete();
                if self.counters.get("opens") != opened {
                    return;
                }
            }
        }
    }

    fn limit(&mut self) -> Option<usize> {
        match self.rng.below(4) {
            0 => None,
            1 => Some(1000),
            _ => Some(self.rng.between(1, 12)),
        }
    }

    /// Two sort keys in order; the first is sometimes cut to a prefix.
    fn two_sorts(&mut self, shape: Shape, condition: Condition) -> (Part, Part) {
        let kind = shape.sort.unwrap_or(ScalarType::S);
        let sorts = self.draw.sorts;
        let mut a = Part::draw(&mut self.rng, kind, sorts, 1024);
        let mut b = Part::draw(&mut self.rng, kind, sorts, 1024);
        if condition == Condition::BeginsWith {
            match &mut a {
                Part::S(text) => {
                    let chars = text.chars().count();
                    let keep = self.rng.between(1, chars);
                    *text = text.chars().take(keep).collect();
                }
                Part::B(bytes) => {
                    let keep = self.rng.between(1, bytes.len());
                    bytes.truncate(keep);
                }
                Part::N(_) => {}
            }
        }
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        (a, b)
    }

    /// All segments of a scan, each in pages: together everything once; partitions in one piece, in the sort key's order.
    pub fn scan(&mut self) {
        let (table, shape) = self.some_table();
        let total = self.rng.pick(&[1, 1, 2, 3, 8]);
        let limit = self.limit().filter(|limit| *limit > 3);
        let count = self.rng.one_in(6);
        self.say(|| format!("scan {table} in {total} segments, limit {limit:?}"));
        let mut seen: BTreeMap<Key, Arc<Item>> = BTreeMap::new();
        let mut counted = 0;
        let mut partitions: Vec<Part> = Vec::new();
        let mut previous: Option<Key> = None;
        for segment in 0..total {
            let mut input = ScanInput::new(&table);
            if total > 1 {
                input = input.segment(segment).total_segments(total);
            }
            if let Some(limit) = limit {
                input = input.limit(limit as i32);
            }
            if count {
                input = input.select(Select::Count);
            }
            loop {
                let got = match self.db().scan(input.clone()) {
                    Ok(got) => got,
                    Err(error) => return self.read_failed(&error),
                };
                counted += got.count as usize;
                self.counters.add("scan pages", 1);
                assert!(limit.is_none_or(|limit| got.count as usize <= limit));
                let mut bytes = 0;
                for item in got.items {
                    bytes += item_size(&item);
                    let key = shape.key_of(&item);
                    match &previous {
                        Some(previous) if previous.0 == key.0 => {
                            assert!(previous.1 < key.1, "sort keys ascend in a scan");
                        }
                        _ => {
                            assert!(!partitions.contains(&key.0), "a partition in two places");
                            partitions.push(key.0.clone());
                        }
                    }
                    previous = Some(key.clone());
                    assert!(seen.insert(key, Arc::new(item)).is_none(), "an item twice");
                }
                assert!(
                    bytes <= PAGE_BYTES || got.count == 1,
                    "a page of {bytes} bytes"
                );
                let Some(last) = got.last_evaluated_key else {
                    break;
                };
                if !count {
                    let key = previous.as_ref().map(Shape::key_map);
                    assert_eq!(Some(&last), key.as_ref(), "a page ends with its last item");
                }
                input = input.exclusive_start_key(last);
            }
        }
        let items = &self.model.tables[&table].items;
        assert_eq!(counted, items.len(), "a scan of {table} counts");
        assert!(
            count || seen == *items,
            "a scan of {table} differs from the model"
        );
    }
}

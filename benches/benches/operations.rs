//! Get, put, query of 20 and scan through the public blocking API, over a sealed and over a plain store in real files.
//!
//! `sealdb-bench` compares the two in one interleaved run; these are for finding out what a change did to one call. Puts are
//! durable: they measure the disk.

// The macros of criterion make undocumented functions.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use sealdb::Options;
use sealdb::model::ops::GetItemInput;
use sealdb_benches::load::calls;
use sealdb_benches::random::Random;
use sealdb_benches::size::ItemSize;
use sealdb_benches::store::{Items, Kind, Settings, Store, TABLE};

fn operations(c: &mut Criterion) {
    let settings = Settings {
        items: Items::new(20_000, ItemSize::Fixed(100)),
        options: Options::default(),
    };
    for (name, kind) in [("sealed", Kind::Sealed), ("plain", Kind::Plain)] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(dir.path(), kind, &settings).unwrap();
        store.fill().unwrap();
        store.warm().unwrap();
        let items = store.settings.items;
        let mut random = Random(1);
        let mut group = c.benchmark_group(name);
        group.bench_function("get", |b| {
            b.iter_batched(
                || GetItemInput::new(TABLE, items.key(random.below(items.count))),
                |input| store.db.get_item(input).unwrap(),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("query of 20", |b| {
            b.iter_batched(
                || calls::query(&store, &mut random),
                |input| store.db.query(input).unwrap(),
                BatchSize::SmallInput,
            );
        });
        group.sample_size(10);
        group.bench_function("scan of 20,000", |b| {
            b.iter(|| calls::scan(&store).unwrap())
        });
        group.bench_function("put, durable", |b| {
            b.iter_batched(
                || calls::put(&items, &mut random),
                |input| store.db.put_item(input).unwrap(),
                BatchSize::SmallInput,
            );
        });
        group.finish();
        store.db.close().unwrap();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = operations
}
criterion_main!(benches);

//! Seal and open of a block: both providers, beside the bare AEAD of each, and the null sealer.

// The macros of criterion make undocumented functions.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sealdb_benches::null::NullSealer;
use sealdb_crypto::{
    Aes256Gcm, BlockKind, DatabaseId, EpochLimits, Generation, Provider, Purpose, Scope, Sealer,
    Sealing, SystemClock, TableId, TableKey, TreeId, provider,
};

const PROVIDERS: [&Provider; 2] = [&provider::ring::PROVIDER, &provider::aes_gcm::PROVIDER];

fn sealer(provider: &'static Provider) -> Arc<dyn Sealer> {
    let sealing = Aes256Gcm::new(provider, EpochLimits::default(), Arc::new(SystemClock));
    let key = TableKey::new(provider.random_secret().unwrap(), Generation::FIRST);
    let scope = Scope {
        database: DatabaseId::generate(provider).unwrap(),
        table: TableId::generate(provider).unwrap(),
        purpose: Purpose::Pages(TreeId::BASE),
    };
    sealing.sealer(&Arc::new(key), scope)
}

fn sealers(c: &mut Criterion) {
    let sealers = PROVIDERS
        .iter()
        .map(|provider| (provider.name, sealer(provider)))
        .chain([("null", Arc::new(NullSealer) as Arc<dyn Sealer>)]);
    for (name, sealer) in sealers {
        let mut group = c.benchmark_group(name);
        for len in [4096, 8192] {
            group.throughput(Throughput::Bytes(len as u64));
            let mut block = vec![0; len];
            group.bench_function(format!("seal {len}"), |b| {
                b.iter(|| sealer.seal(BlockKind::Leaf, None, black_box(&mut block)));
            });
            let tag = sealer.seal(BlockKind::Leaf, None, &mut block).unwrap();
            group.bench_function(format!("open {len}"), |b| {
                b.iter_batched_ref(
                    || block.clone(),
                    |block| {
                        sealer
                            .open(BlockKind::Leaf, None, block, Some(&tag))
                            .unwrap();
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
}

fn bare(c: &mut Criterion) {
    let aad = [0; 64];
    for provider in PROVIDERS {
        let mut group = c.benchmark_group(format!("{}, bare", provider.name));
        let key = provider.random_secret().unwrap();
        let sealing = (provider.sealing_key)(key.expose()).unwrap();
        let opening = (provider.opening_key)(key.expose()).unwrap();
        for len in [4096, 8192] {
            group.throughput(Throughput::Bytes(len as u64));
            let mut text = vec![0; len];
            let (mut nonce, mut tag) = ([0; 12], [0; 16]);
            group.bench_function(format!("seal {len}"), |b| {
                b.iter(|| sealing.seal(&aad, black_box(&mut text), &mut nonce, &mut tag));
            });
            sealing.seal(&aad, &mut text, &mut nonce, &mut tag).unwrap();
            group.bench_function(format!("open {len}"), |b| {
                b.iter_batched_ref(
                    || text.clone(),
                    |text| opening.open(&nonce, &aad, text, &tag).unwrap(),
                    BatchSize::SmallInput,
                );
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    targets = sealers, bare
}
criterion_main!(benches);

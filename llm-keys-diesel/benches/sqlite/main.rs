//! What reading from SQLite costs: a key that is not cached, and how much more it is when there are
//! a million. `cargo xtask bench` prints the ratios; `docs/benchmarks.md` records them.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, says what takes long, and may panic"
)]

use std::cell::OnceCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::{LocalKms, MasterKey};
use llm_keys::manager::CacheOptions;
use llm_keys::store::KeyStore as _;
use llm_keys::{
    ApiKey, Cursor, EncryptionContext, EnvelopeKeyManager, KeyFilter, KeyId, PageSize,
    SecureKeyManager as _, StoreOptions, Version,
};
use llm_keys_diesel::DieselStore;
use tokio::runtime::Runtime;

mod by_hand;
mod filled;
mod tables;

/// As long as an Anthropic key.
const KEY: &[u8] = &[b'k'; 108];

/// `get_api_key` without a cache, and its statement, its pool and its ciphers by hand.
fn cold_get(c: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("keys.db").display().to_string();
    let ids: Vec<_> = (0..100).map(filled::id).collect();
    let master = [7; 32];
    let (manager, by_hand) = runtime.block_on(async {
        let kms = LocalKms::new(MasterKey::from_bytes(&master).unwrap(), Vec::new());
        let manager = EnvelopeKeyManager::builder()
            .kms(KmsSet::single(kms))
            .store(DieselStore::open(&path).await.unwrap())
            .cache(CacheOptions::OFF)
            .build()
            .await
            .unwrap();
        for id in &ids {
            let key = ApiKey::new(KEY).unwrap();
            manager.store_api_key(id, key, &StoreOptions::default()).await.unwrap();
        }
        (manager, by_hand::ByHand::new(&path, master))
    });
    let context = EncryptionContext::of_key(&ids[0], uuid::Uuid::nil(), Version::FIRST);
    let paths: Vec<_> = ids.iter().map(KeyId::path).collect();

    let mut group = c.benchmark_group("cold_get");
    group.bench_function("ours", |b| {
        each(b, &runtime, &ids, async |id| manager.get_api_key(id).await.unwrap().unwrap());
    });
    group.bench_function("baseline", |b| {
        each(b, &runtime, &paths, async |path| {
            by_hand.get("default", path, context.canonical_bytes()).await
        });
    });
    group.finish();
}

/// One key of a million, and one of a thousand, picked from everywhere.
fn point_get_million(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("point_get_million");
    for (name, keys) in [("ours", 1_000_000), ("baseline", 1_000)] {
        let ids: Vec<_> = filled::anywhere(keys).take(4096).map(filled::id).collect();
        // Only if it is not filtered out: the fill takes minutes.
        let store = OnceCell::new();
        group.bench_function(name, |b| {
            let store = store.get_or_init(|| runtime.block_on(filled::open(keys)));
            each(b, &runtime, &ids, async |id| store.key_find(id).await.unwrap().unwrap());
        });
    }
    group.finish();
}

/// A page of 100 keys of a million, and of a thousand, each time from another place.
fn page_million(c: &mut Criterion) {
    let runtime = runtime();
    let (filter, size) = (KeyFilter::default(), PageSize::default());
    let mut group = c.benchmark_group("page_million");
    for (name, keys) in [("ours", 1_000_000), ("baseline", 1_000)] {
        let places = filled::anywhere(keys).filter(|place| place + 100 < keys).take(400);
        let places: Vec<_> = places.map(|place| Cursor::after(&filled::id(place))).collect();
        let store = OnceCell::new();
        group.bench_function(name, |b| {
            let store = store.get_or_init(|| runtime.block_on(filled::open(keys)));
            each(b, &runtime, &places, async |after| {
                let page = store.key_list(&filter, Some(after), size).await.unwrap();
                assert_eq!(page.items.len(), 100);
                page
            });
        });
    }
    group.finish();
}

/// Times `call` with one of `inputs` after the other, one at a time.
fn each<I, T>(b: &mut Bencher<'_>, runtime: &Runtime, inputs: &[I], call: impl AsyncFn(&I) -> T) {
    let mut next = 0;
    b.iter_custom(|times| {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..times {
                black_box(call(black_box(&inputs[next])).await);
                next = (next + 1) % inputs.len();
            }
            start.elapsed()
        })
    });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = cold_get, point_get_million, page_million
}
criterion_main!(benches);

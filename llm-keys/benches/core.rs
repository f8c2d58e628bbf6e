//! What our layers cost: each pair is our call and the same work through the same crates without
//! our layers. `cargo xtask bench` prints the ratios; `docs/benchmarks.md` records them.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, and may panic"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SecureRandom as _;
use aws_lc_rs::{hkdf, hmac};
use criterion::{Criterion, criterion_group, criterion_main};
use llm_keys::envelope::{self, Content, Envelope, SealRequest};
use llm_keys::kms::{KeyUri, WrappedKey};
use llm_keys::{
    ApiKey, DataKey, EncryptionContext, EnvelopeKeyManager, KeyId, SecureKeyManager as _,
    StoreOptions, SystemRandom, Version,
};

/// As long as an Anthropic key.
const KEY: &[u8] = &[b'k'; 108];

/// `get_api_key` of a cached key, and a bare moka get of an `Arc` under the same identity.
fn cached_get(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let id = KeyId::user("alice", "anthropic").unwrap();
    let manager = runtime.block_on(async {
        let manager = EnvelopeKeyManager::in_memory().await.unwrap();
        let key = ApiKey::new(KEY).unwrap();
        manager.store_api_key(&id, key, &StoreOptions::default()).await.unwrap();
        manager
    });
    let bare = moka::sync::Cache::builder()
        .max_capacity(10_000)
        .time_to_live(Duration::from_secs(3600))
        .build();
    bare.insert(id.clone(), Arc::new(KEY.to_vec()));

    let mut group = c.benchmark_group("cached_get");
    group.bench_function("ours", |b| {
        b.iter_custom(|times| {
            runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..times {
                    black_box(manager.get_api_key(black_box(&id)).await.unwrap());
                }
                start.elapsed()
            })
        });
    });
    group.bench_function("baseline", |b| b.iter(|| black_box(bare.get(black_box(&id)))));
    group.finish();
}

/// Sealing and opening, and the calls of `aws-lc-rs` that they need.
fn seal_and_open(c: &mut Criterion) {
    let id = KeyId::user("alice", "anthropic").unwrap();
    let context = EncryptionContext::of_key(&id, uuid::Uuid::nil(), Version::FIRST);
    let key = DataKey::generate(&SystemRandom).unwrap();
    let wrapped = [WrappedKey { uri: KeyUri::new("local:00112233").unwrap(), blob: vec![7; 93] }];
    let request = SealRequest {
        content: Content::Raw,
        context: &context,
        readable: false,
        key: &key,
        wrapped: &wrapped,
    };
    let sealed = envelope::seal(KEY, &request, &SystemRandom).unwrap();

    let mut group = c.benchmark_group("seal");
    group.bench_function("ours", |b| {
        b.iter(|| black_box(envelope::seal(black_box(KEY), &request, &SystemRandom).unwrap()));
    });
    group.bench_function("baseline", |b| {
        b.iter(|| {
            let mut fresh = [0; 44];
            aws_lc_rs::rand::SystemRandom::new().fill(&mut fresh).unwrap();
            black_box(primitives(&key, &fresh, &sealed, false))
        });
    });
    group.finish();

    let mut group = c.benchmark_group("open");
    group.bench_function("ours", |b| {
        b.iter(|| {
            let parsed = black_box(&sealed).parse().unwrap();
            black_box(parsed.open(&context, &key).unwrap())
        });
    });
    let fresh = [0; 44];
    group.bench_function("baseline", |b| {
        b.iter(|| black_box(primitives(&key, &fresh, &sealed, true)));
    });
    group.finish();
}

/// One extract, three expands, an HMAC over the header's bytes and an AEAD call over the key.
fn primitives(key: &DataKey, fresh: &[u8; 44], sealed: &Envelope, open: bool) -> Vec<u8> {
    let prk = key.expose(|key| hkdf::Salt::new(hkdf::HKDF_SHA512, &fresh[..32]).extract(key));
    let mut keys = [[0; 32]; 3];
    for (n, key) in keys.iter_mut().enumerate() {
        let info = [b"llm-keys/1/0001/DERIVEKEY".as_slice(), &[n as u8]];
        prk.expand(&info, hkdf::HKDF_SHA256).unwrap().fill(key).unwrap();
    }
    let header = &sealed.as_bytes()[..sealed.as_bytes().len() - 170];
    black_box(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &keys[1]), header));
    let aead = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &keys[2]).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(&fresh[32..]).unwrap();
    let mut buffer = KEY.to_vec();
    if open {
        // A wrong tag costs what a right one does.
        buffer.extend_from_slice(&[0; 16]);
        let _ = black_box(aead.open_in_place(nonce, Aad::from(header), &mut buffer));
    } else {
        let tag = aead.seal_in_place_separate_tag(nonce, Aad::from(header), &mut buffer).unwrap();
        buffer.extend_from_slice(tag.as_ref());
    }
    buffer
}

criterion_group!(benches, cached_get, seal_and_open);
criterion_main!(benches);

//! How often the KMS is called when many tasks read many keys: once for each key.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use llm_keys::kms::local::LocalKms;
use llm_keys::kms::{KmsProvider, KmsSet};
use llm_keys::manager::CacheOptions;
use llm_keys::store::MemoryStore;
use llm_keys::testing::fakes::FakeKms;
use llm_keys::{ApiKey, EnvelopeKeyManager, KeyId, SecureKeyManager as _, StoreOptions};

const KEYS: usize = 10_000;
/// Without optimisation a request takes milliseconds.
#[cfg(feature = "kms-gcp")]
const KEYS_OVER_THE_WIRE: usize = 1_000;
const TASKS: usize = 16;

async fn manager(
    kms: impl KmsProvider + 'static,
    store: &Arc<MemoryStore>,
    cache: CacheOptions,
) -> EnvelopeKeyManager {
    EnvelopeKeyManager::builder()
        .kms(KmsSet::single(kms))
        .store(Arc::clone(store))
        .cache(cache)
        .build()
        .await
        .unwrap()
}

fn id(n: usize) -> KeyId {
    KeyId::user(&format!("user-{n}"), "openai").unwrap()
}

fn text(n: usize) -> String {
    format!("sk-test-{n:08}")
}

/// Stores all keys, some at once.
async fn fill(writer: EnvelopeKeyManager, keys: usize) {
    let tasks = (0..TASKS).map(|task| {
        let writer = writer.clone();
        tokio::spawn(async move {
            for n in (task..keys).step_by(TASKS) {
                let key = ApiKey::new(text(n).into_bytes()).unwrap();
                writer.store_api_key(&id(n), key, &StoreOptions::default()).await.unwrap();
            }
        })
    });
    for done in join_all(tasks).await {
        done.unwrap();
    }
}

/// Every task reads every key: the even ones upwards, the odd ones downwards, each from a place of
/// its own, so that they meet at keys that are cold and at keys that are not.
async fn read_all(reader: EnvelopeKeyManager, keys: usize) {
    let tasks = (0..TASKS).map(|task| {
        let reader = reader.clone();
        tokio::spawn(async move {
            for step in 0..keys {
                let step = if task % 2 == 0 { step } else { keys - step };
                let n = (step + task / 4 * keys / 4) % keys;
                let key = reader.get_api_key(&id(n)).await.unwrap().unwrap();
                assert!(key.expose(|key| key == text(n).as_bytes()), "{n}");
            }
        })
    });
    for done in join_all(tasks).await {
        done.unwrap();
    }
    let statistics = reader.cache_statistics();
    assert_eq!(statistics.hits + statistics.misses, (TASKS * keys) as u64);
    assert_eq!(statistics.loads, keys as u64);
}

fn for_an_hour() -> CacheOptions {
    CacheOptions::default().ttl(Duration::from_secs(3600))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_is_unwrapped_once_in_an_hour() {
    let store = Arc::new(MemoryStore::new());
    let kms = Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()));
    fill(manager(Arc::clone(&kms), &store, for_an_hour()).await, KEYS).await;
    // One for each, one for the sentinel, and one for the row MAC keys.
    let wraps = KEYS as u64 + 2;
    assert_eq!((kms.wraps().calls(), kms.unwraps().calls()), (wraps, 0));

    // As another process, with nothing in its cache.
    read_all(manager(Arc::clone(&kms), &store, for_an_hour()).await, KEYS).await;
    assert_eq!((kms.wraps().calls(), kms.unwraps().calls()), (wraps, KEYS as u64 + 1));
}

#[cfg(feature = "kms-gcp")]
#[tokio::test(flavor = "multi_thread")]
async fn each_key_is_one_request() {
    use llm_keys::kms::gcp::{GcpKms, GcpOptions};
    use llm_keys::kms::{GuardOptions, Guarded};
    use testkit::gcp::FakeGcpKms;

    const KEY: &str = "projects/p-1/locations/europe-west1/keyRings/llm-keys/cryptoKeys/data";
    let fake = FakeGcpKms::start(0).await.unwrap();
    fake.add_key(KEY);
    let kms = || {
        let options = GcpOptions::default().with_endpoint(fake.endpoint());
        let kms = GcpKms::open(&format!("gcp-kms://{KEY}"), options).unwrap();
        Guarded::new(kms, GuardOptions::default())
    };
    let store = Arc::new(MemoryStore::new());
    fill(manager(kms(), &store, for_an_hour()).await, KEYS_OVER_THE_WIRE).await;
    let filled = fake.requests();
    assert_eq!(filled, KEYS_OVER_THE_WIRE + 2, "and the sentinel and the row MAC keys");

    read_all(manager(kms(), &store, for_an_hour()).await, KEYS_OVER_THE_WIRE).await;
    assert_eq!(fake.requests(), filled + KEYS_OVER_THE_WIRE + 1);
}

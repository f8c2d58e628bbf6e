//! What `EnvelopeKeyManager` does beyond the contract that every manager keeps: refreshing ahead,
//! prewarming, writing last uses behind, and asking the KMS for nothing that is wrong anyway.

use std::sync::Arc;
use std::time::Duration;

use llm_keys::envelope::Envelope;
use llm_keys::error::{IntegrityFault, KmsFault, StoreFault};
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::CacheOptions;
use llm_keys::store::{Change, Expect, KeyStore as _, MemoryStore};
use llm_keys::testing::fakes::{FailingRandom, FakeKms, FakeStore, ManualClock};
use llm_keys::{
    ApiKey, EnvelopeKeyManager, ErrorKind, Evict, KeyId, OpenOptions, SecureKeyManager as _,
    Served, StoreOptions, SystemRandom,
};

const TTL: Duration = Duration::from_secs(1000);

struct Bed {
    manager: EnvelopeKeyManager,
    kms: Arc<FakeKms<LocalKms>>,
    store: Arc<FakeStore<MemoryStore>>,
    clock: Arc<ManualClock>,
}

async fn bed(cache: CacheOptions) -> Bed {
    let kms = Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()));
    let store = Arc::new(FakeStore::new(MemoryStore::new()));
    let clock = Arc::new(ManualClock::default());
    let manager = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(Arc::clone(&kms)))
        .store(Arc::clone(&store))
        .clock(Arc::clone(&clock))
        .cache(cache)
        .flush_every(Duration::from_millis(10))
        .build()
        .await
        .unwrap();
    Bed { manager, kms, store, clock }
}

impl Bed {
    async fn put(&self, id: &KeyId, key: &str) {
        let key = ApiKey::new(key).unwrap();
        self.manager.store_api_key(id, key, &StoreOptions::default()).await.unwrap();
    }

    async fn served(&self, id: &KeyId) -> Served {
        self.manager.open(id, &OpenOptions::default()).await.unwrap().unwrap().served
    }

    async fn error(&self, id: &KeyId) -> ErrorKind {
        self.manager.get_api_key(id).await.unwrap_err().kind()
    }
}

fn id(name: &str) -> KeyId {
    KeyId::global("openai").unwrap().with_name(name).unwrap()
}

/// Awaits what another task brings about; fails the test if it never does.
async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} never happened");
}

#[tokio::test]
async fn a_key_read_near_its_end_is_loaded_in_the_background() {
    let ahead = Duration::from_secs(100);
    let bed = bed(CacheOptions::default().ttl(TTL).refresh_ahead(ahead)).await;
    let id = id("a");
    bed.put(&id, "sk-a").await;
    assert_eq!(bed.served(&id).await, Served::Store);

    bed.clock.advance(TTL - ahead - Duration::from_secs(1));
    assert_eq!(bed.served(&id).await, Served::Cache);
    tokio::task::yield_now().await;
    assert_eq!(bed.kms.unwraps().calls(), 1, "it is not time yet");

    // Past half of `refresh_ahead`, whatever the jitter was. The reader is served at once.
    bed.clock.advance(ahead / 2 + Duration::from_secs(1));
    bed.kms.unwraps().hold();
    assert_eq!(bed.served(&id).await, Served::Cache);
    assert_eq!(bed.served(&id).await, Served::Cache);
    bed.kms.unwraps().until_held(1).await;
    bed.kms.unwraps().release();
    eventually("the refresh", async || bed.manager.cache_statistics().loads == 2).await;
    assert_eq!(bed.kms.unwraps().calls(), 2, "two readers, one refresh");

    // Past the first end: the refreshed one is served.
    bed.clock.advance(ahead);
    assert_eq!(bed.served(&id).await, Served::Cache);
}

#[tokio::test]
async fn a_refresh_ahead_that_fails_leaves_the_cached_key_until_its_end() {
    let ahead = Duration::from_secs(100);
    let bed = bed(CacheOptions::default().ttl(TTL).refresh_ahead(ahead)).await;
    let id = id("a");
    bed.put(&id, "sk-a").await;
    bed.served(&id).await;
    bed.kms.unwraps().fail(ErrorKind::Kms(KmsFault::Unavailable));
    bed.clock.advance(TTL - Duration::from_secs(1));
    assert_eq!(bed.served(&id).await, Served::Cache);
    eventually("the failure", async || bed.manager.cache_statistics().failures == 1).await;
    assert_eq!(bed.served(&id).await, Served::Cache);
    bed.clock.advance(Duration::from_secs(1));
    assert_eq!(bed.error(&id).await, ErrorKind::Kms(KmsFault::Unavailable));
}

#[tokio::test]
async fn refresh_ahead_must_be_shorter_than_the_time_to_live() {
    let builder = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(LocalKms::ephemeral().unwrap()))
        .store(MemoryStore::new());
    let error = builder.cache(CacheOptions::default().ttl(TTL).refresh_ahead(TTL)).build().await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn refresh_loads_now_and_takes_what_others_stored() {
    let bed = bed(CacheOptions::default()).await;
    let id = id("a");
    bed.put(&id, "sk-a").await;
    bed.served(&id).await;
    assert_eq!(bed.manager.refresh(&id).await.unwrap().map(|version| version.get()), Some(1));
    assert_eq!(bed.kms.unwraps().calls(), 2);
    assert_eq!(bed.served(&id).await, Served::Cache);
    assert_eq!(bed.manager.refresh(&self::id("none")).await.unwrap(), None);
}

#[tokio::test]
async fn prewarming_loads_what_is_not_cached_and_reports_on_each() {
    let bed = bed(CacheOptions::default()).await;
    let ids: Vec<_> = (0..40).map(|n| id(&format!("k{n}"))).collect();
    for id in &ids {
        bed.put(id, "sk-a").await;
    }
    bed.served(&ids[0]).await;
    bed.manager.deactivate_api_key(&ids[1], &Default::default()).await.unwrap();
    let asked: Vec<_> = ids.iter().cloned().chain([id("none")]).collect();
    let found = bed.manager.prewarm(&asked).await;
    assert_eq!(
        found.iter().map(|(id, _)| id).collect::<Vec<_>>(),
        asked.iter().collect::<Vec<_>>()
    );
    assert_eq!(found[1].1.as_ref().unwrap_err().kind(), ErrorKind::Inactive);
    assert!(!*found[40].1.as_ref().unwrap());
    assert_eq!(bed.kms.unwraps().calls(), 39, "the cached and the inactive one cost no call");
    for id in ids.iter().filter(|id| **id != ids[1]) {
        assert_eq!(bed.served(id).await, Served::Cache);
    }
    let metadata = bed.manager.key_metadata(&ids[5]).await.unwrap().unwrap();
    assert_eq!(metadata.last_used_at, None, "prewarming is no use");
}

#[tokio::test]
async fn last_uses_are_written_behind_and_wait_through_an_outage() {
    let bed = bed(CacheOptions::default()).await;
    let ids: Vec<_> = (0..3).map(|n| id(&format!("k{n}"))).collect();
    for id in &ids {
        bed.put(id, "sk-a").await;
    }
    bed.store.touches().fail(ErrorKind::Store(StoreFault::Unavailable));
    for id in &ids {
        bed.served(id).await;
    }
    eventually("a failed write", async || bed.store.touches().calls() > 2).await;
    bed.store.touches().heal();
    let used = async |id: &KeyId| {
        bed.manager.key_metadata(id).await.unwrap().unwrap().last_used_at.is_some()
    };
    eventually("all three", async || {
        used(&ids[0]).await && used(&ids[1]).await && used(&ids[2]).await
    })
    .await;
}

/// Puts other bytes where the envelope of `id` was.
async fn damage(bed: &Bed, id: &KeyId, change: impl FnOnce(&mut Vec<u8>)) {
    let (key, version) = bed.store.key_find(id).await.unwrap().unwrap();
    let mut version = version.unwrap();
    let mut bytes = version.envelope.take().unwrap().as_bytes().to_vec();
    change(&mut bytes);
    version.envelope = Some(Envelope::from_bytes(bytes));
    let expect = Expect::Generation { record: key.record, generation: key.generation };
    let change = Change { expect: vec![expect], versions: vec![version], ..Change::default() };
    bed.store.commit(change).await.unwrap();
}

#[tokio::test]
async fn bytes_of_a_wrong_shape_or_place_cost_no_call_to_the_kms() {
    let bed = bed(CacheOptions::OFF).await;
    type Damage = fn(&mut Vec<u8>);
    let cases: [(Damage, IntegrityFault); 6] = [
        (|bytes| bytes.clear(), IntegrityFault::Truncated),
        (|bytes| bytes.truncate(100), IntegrityFault::Truncated),
        (|bytes| bytes.push(0), IntegrityFault::Trailing),
        (|bytes| bytes[0] ^= 1, IntegrityFault::Magic),
        (|bytes| bytes[5] = 9, IntegrityFault::Suite),
        (|bytes| bytes[40] ^= 1, IntegrityFault::Context),
    ];
    for (n, (change, fault)) in cases.into_iter().enumerate() {
        let id = id(&format!("k{n}"));
        bed.put(&id, "sk-a").await;
        damage(&bed, &id, change).await;
        assert_eq!(bed.error(&id).await, ErrorKind::Integrity(fault));
    }
    assert_eq!(bed.kms.unwraps().calls(), 0);

    let last = id("last");
    bed.put(&last, "sk-a").await;
    damage(&bed, &last, |bytes| *bytes.last_mut().unwrap() ^= 1).await;
    assert_eq!(bed.error(&last).await, ErrorKind::Integrity(IntegrityFault::Row));
    assert_eq!(bed.kms.unwraps().calls(), 0, "the row MAC covers the whole envelope");
}

#[tokio::test]
async fn another_master_key_is_a_wrong_key_and_costs_no_call() {
    let bed = bed(CacheOptions::OFF).await;
    let id = id("a");
    bed.put(&id, "sk-a").await;
    let other = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(LocalKms::ephemeral().unwrap()))
        .store(Arc::clone(&bed.store))
        .build()
        .await
        .unwrap();
    let error = other.get_api_key(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_failing_random_number_source_stores_nothing() {
    for calls in 0..2 {
        let store = Arc::new(MemoryStore::new());
        let manager = EnvelopeKeyManager::builder()
            .kms(KmsSet::single(LocalKms::ephemeral().unwrap()))
            .store(Arc::clone(&store))
            .random(FailingRandom::after(calls, SystemRandom))
            .build()
            .await
            .unwrap();
        let key = ApiKey::new("sk-a").unwrap();
        let error = manager.store_api_key(&id("a"), key, &StoreOptions::default()).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Internal);
        assert!(store.key_find(&id("a")).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn shutdown_forgets_the_cache_and_the_manager_still_works() {
    let bed = bed(CacheOptions::default()).await;
    let id = id("a");
    bed.put(&id, "sk-a").await;
    bed.served(&id).await;
    bed.manager.shutdown().await.unwrap();
    assert_eq!(bed.served(&id).await, Served::Store);
    assert_eq!(bed.manager.evict(&Evict::All).await, 1);
}

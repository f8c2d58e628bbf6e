//! The KMS or the storage is out: what is served, for how long, and what a start finds out.

use std::sync::Arc;
use std::time::Duration;

use llm_keys::error::{IntegrityFault, KmsFault, StoreFault};
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::{CacheOptions, Sentinel};
use llm_keys::model::SystemName;
use llm_keys::store::{Change, Expect, KeyStore as _, MemoryStore};
use llm_keys::testing::fakes::{FakeKms, FakeStore, ManualClock};
use llm_keys::{
    ApiKey, ChangeOptions, DeleteOptions, EnvelopeKeyManager, ErrorKind, KeyId, Micros,
    OpenOptions, SecureKeyManager as _, Served, StoreOptions, Tenant,
};

const TTL: Duration = Duration::from_secs(1000);
const STALE: Duration = Duration::from_secs(500);
const TICK: Duration = Duration::from_micros(1);
const KMS_DOWN: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);
const STORE_DOWN: ErrorKind = ErrorKind::Store(StoreFault::Unavailable);

struct Bed {
    manager: EnvelopeKeyManager,
    kms: Arc<FakeKms<LocalKms>>,
    store: Arc<FakeStore<MemoryStore>>,
    clock: Arc<ManualClock>,
    id: KeyId,
}

/// A key is stored and cached, its time has passed, and the KMS is down.
async fn past_its_time(stale: Duration) -> Bed {
    let kms = Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()));
    let store = Arc::new(FakeStore::new(MemoryStore::new()));
    let clock = Arc::new(ManualClock::default());
    let manager = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(Arc::clone(&kms)))
        .store(Arc::clone(&store))
        .clock(Arc::clone(&clock))
        .cache(CacheOptions::default().ttl(TTL).serve_stale_for(stale))
        .build()
        .await
        .unwrap();
    let bed = Bed { manager, kms, store, clock, id: KeyId::global("openai").unwrap() };
    bed.put(StoreOptions::default()).await;
    assert_eq!(bed.served().await, Ok(Some(Served::Store)));
    bed.kms.unwraps().fail(KMS_DOWN);
    bed.clock.advance(TTL - TICK);
    assert_eq!(bed.served().await, Ok(Some(Served::Cache)), "an outage does not end its time");
    bed.clock.advance(TICK);
    bed
}

impl Bed {
    async fn put(&self, options: StoreOptions) {
        let key = ApiKey::new("sk-a").unwrap();
        self.manager.store_api_key(&self.id, key, &options).await.unwrap();
    }

    async fn served(&self) -> Result<Option<Served>, ErrorKind> {
        let opened = self.manager.open(&self.id, &OpenOptions::default()).await;
        opened.map(|opened| opened.map(|opened| opened.served)).map_err(|error| error.kind())
    }

    /// A manager of another process on the same storage, that began before the outage.
    async fn other(&self) -> EnvelopeKeyManager {
        let kms = KmsSet::single(Arc::clone(&self.kms));
        let builder = EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&self.store));
        let other = builder.build().await.unwrap();
        self.kms.unwraps().heal();
        assert!(other.open_row_macs(&self.id.tenant).await.unwrap());
        self.kms.unwraps().fail(KMS_DOWN);
        other
    }
}

#[tokio::test]
async fn without_the_option_the_end_of_its_time_is_the_end() {
    let bed = past_its_time(Duration::ZERO).await;
    assert_eq!(bed.served().await, Err(KMS_DOWN));
    bed.kms.unwraps().heal();
    assert_eq!(bed.served().await, Ok(Some(Served::Store)));
}

#[tokio::test]
async fn with_it_a_key_is_served_while_the_storage_confirms_it_and_no_longer() {
    let bed = past_its_time(STALE).await;
    assert_eq!(bed.served().await, Ok(Some(Served::Stale)));
    bed.clock.advance(STALE - TICK);
    assert_eq!(bed.served().await, Ok(Some(Served::Stale)), "serving does not make it younger");
    bed.clock.advance(TICK);
    assert_eq!(bed.served().await, Err(KMS_DOWN));
}

#[tokio::test]
async fn a_kms_that_is_back_is_asked() {
    let bed = past_its_time(STALE).await;
    bed.kms.unwraps().heal();
    assert_eq!(bed.served().await, Ok(Some(Served::Store)));
}

#[tokio::test]
async fn a_refusal_is_no_outage() {
    for fault in [KmsFault::Denied, KmsFault::KeyDisabled, KmsFault::WrongKey] {
        let bed = past_its_time(STALE).await;
        let kind = ErrorKind::Kms(fault);
        bed.kms.unwraps().fail(kind);
        assert_eq!(bed.served().await, Err(kind));
    }
}

#[tokio::test]
async fn what_others_changed_is_not_served() {
    let options = ChangeOptions::default();
    let bed = past_its_time(STALE).await;
    bed.other().await.deactivate_api_key(&bed.id, &options).await.unwrap();
    assert_eq!(bed.served().await, Err(ErrorKind::Inactive));

    let bed = past_its_time(STALE).await;
    bed.other().await.delete_api_key(&bed.id, &DeleteOptions::default()).await.unwrap();
    assert_eq!(bed.served().await, Ok(None));

    let bed = past_its_time(STALE).await;
    let key = ApiKey::new("sk-new").unwrap();
    let other = bed.other().await;
    other.store_api_key(&bed.id, key, &StoreOptions::default()).await.unwrap();
    let error = bed.served().await.unwrap_err();
    assert!(matches!(error, ErrorKind::Kms(_)), "{error}: the old version is not served");
}

#[tokio::test]
async fn an_expired_key_is_not_served() {
    let bed = past_its_time(STALE).await;
    bed.kms.unwraps().heal();
    let at = bed.manager.key_metadata(&bed.id).await.unwrap().unwrap().updated_at;
    let expiry = Micros(at.0).saturating_add(TTL + TTL + STALE / 2);
    bed.put(StoreOptions::default().expires_at(expiry)).await;
    assert_eq!(bed.served().await, Ok(Some(Served::Store)));
    bed.kms.unwraps().fail(KMS_DOWN);
    bed.clock.advance(TTL);
    assert_eq!(bed.served().await, Ok(Some(Served::Stale)));
    bed.clock.advance(STALE - TICK);
    let late = bed.served().await;
    assert!(matches!(late, Ok(Some(Served::Stale)) | Err(ErrorKind::Expired)), "{late:?}");
    bed.clock.jump_to(expiry);
    assert_eq!(bed.served().await, Err(ErrorKind::Expired));
}

#[tokio::test]
async fn with_both_out_nothing_is_served() {
    let bed = past_its_time(STALE).await;
    bed.store.fail(STORE_DOWN);
    assert_eq!(bed.served().await, Err(STORE_DOWN));
}

fn sentinel() -> (Tenant, SystemName) {
    (Tenant::default(), SystemName::new("sentinel").unwrap())
}

#[tokio::test]
async fn the_sentinel_is_made_once_and_opened_from_then_on() {
    let store = Arc::new(MemoryStore::new());
    let kms = KmsSet::single(LocalKms::ephemeral().unwrap());
    let build = async |check| {
        let builder = EnvelopeKeyManager::builder().kms(kms.clone()).store(Arc::clone(&store));
        builder.check_on_start(check).build().await.unwrap()
    };
    let manager = build(false).await;
    assert!(store.system_find(&sentinel().0, &sentinel().1).await.unwrap().is_none());
    assert_eq!(manager.check_sentinel().await.unwrap(), Sentinel::Made);
    assert_eq!(manager.check_sentinel().await.unwrap(), Sentinel::Opened);
    assert_eq!(build(true).await.check_sentinel().await.unwrap(), Sentinel::Opened);
}

#[tokio::test]
async fn many_first_starts_make_one_sentinel() {
    let store = Arc::new(MemoryStore::new());
    let kms = KmsSet::single(LocalKms::ephemeral().unwrap());
    let starts = (0..16).map(|_| {
        let builder = EnvelopeKeyManager::builder().kms(kms.clone()).store(Arc::clone(&store));
        tokio::spawn(async move { builder.build().await.unwrap().check_sentinel().await })
    });
    let mut made = 0;
    for start in starts.collect::<Vec<_>>() {
        made += u32::from(start.await.unwrap().unwrap() == Sentinel::Made);
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn a_start_with_another_kms_or_none_fails_at_once() {
    let store = Arc::new(MemoryStore::new());
    let kms = Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()));
    let start = async |kms: KmsSet| {
        let builder = EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&store));
        let built = builder.check_on_start(true).build().await;
        built.map(drop).map_err(|error| error.kind())
    };
    assert_eq!(start(KmsSet::single(Arc::clone(&kms))).await, Ok(()));
    let other = KmsSet::single(LocalKms::ephemeral().unwrap());
    assert_eq!(start(other).await, Err(ErrorKind::Kms(KmsFault::WrongKey)));
    kms.unwraps().fail(KMS_DOWN);
    assert_eq!(start(KmsSet::single(Arc::clone(&kms))).await, Err(KMS_DOWN));
}

#[tokio::test]
async fn a_sentinel_of_another_place_is_refused() {
    let store = Arc::new(MemoryStore::new());
    let kms = KmsSet::single(LocalKms::ephemeral().unwrap());
    let builder = EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&store));
    let manager = builder.build().await.unwrap();
    manager.check_sentinel().await.unwrap();
    let (tenant, name) = sentinel();
    let mut row = store.system_find(&tenant, &name).await.unwrap().unwrap();
    row.record = uuid::Uuid::nil();
    let expect = Expect::System { tenant, name, version: Some(row.version) };
    let change = Change { expect: vec![expect], system: vec![row], ..Change::default() };
    store.commit(change).await.unwrap();
    let error = manager.check_sentinel().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity(IntegrityFault::Context));
}

//! The table of `docs/reference/outages.md`: one test for each row, one bed for each cell.

use std::sync::Arc;
use std::time::Duration;

use llm_keys::error::{KmsFault, StoreFault};
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::{CacheOptions, FollowOptions, Follows};
use llm_keys::store::MemoryStore;
use llm_keys::testing::fakes::{FailingSink, FakeKms, FakeStore, ManualClock};
use llm_keys::{
    ApiKey, ChangeOptions, EnvelopeKeyManager, ErrorKind, KeyFilter, KeyId, OpenOptions, PageSize,
    SecureKeyManager as _, Served, StoreOptions,
};

/// What is out: the columns of the table.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Out {
    Kms,
    Store,
    Both,
    Sink,
}

use Out::{Both, Kms, Sink, Store};

const TTL: Duration = Duration::from_secs(1000);
const STALE: Duration = Duration::from_secs(500);
const TICK: Duration = Duration::from_micros(1);
const KMS_DOWN: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);
const STORE_DOWN: ErrorKind = ErrorKind::Store(StoreFault::Unavailable);
const SINK_DOWN: ErrorKind = ErrorKind::EventSink;

type Read = Result<Option<Served>, ErrorKind>;

struct Bed {
    manager: EnvelopeKeyManager,
    kms: Arc<FakeKms<LocalKms>>,
    store: Arc<FakeStore<MemoryStore>>,
    sink: Arc<FailingSink>,
    clock: Arc<ManualClock>,
}

impl Bed {
    /// `openai` is stored and cached, `anthropic` is stored only.
    async fn new(stale: Duration) -> Self {
        Self::following(stale, FollowOptions::default()).await
    }

    async fn following(stale: Duration, follow: FollowOptions) -> Self {
        let kms = Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()));
        let store = Arc::new(FakeStore::new(MemoryStore::new()));
        let sink = Arc::new(FailingSink::default());
        sink.set_broken(false);
        let clock = Arc::new(ManualClock::default());
        let manager = EnvelopeKeyManager::builder()
            .kms(KmsSet::single(Arc::clone(&kms)))
            .store(Arc::clone(&store))
            .event_sink(Arc::clone(&sink))
            .clock(Arc::clone(&clock))
            .cache(CacheOptions::default().ttl(TTL).serve_stale_for(stale))
            .follow_changes(follow)
            .build()
            .await
            .unwrap();
        let bed = Self { manager, kms, store, sink, clock };
        for service in ["openai", "anthropic"] {
            bed.put(service).await.unwrap();
        }
        assert_eq!(bed.read("openai").await, Ok(Some(Served::Store)));
        bed
    }

    fn lose(&self, out: Out) {
        if matches!(out, Kms | Both) {
            self.kms.wraps().fail(KMS_DOWN);
            self.kms.unwraps().fail(KMS_DOWN);
        }
        if matches!(out, Store | Both) {
            self.store.fail(STORE_DOWN);
        }
        self.sink.set_broken(out == Sink);
    }

    fn heal(&self) {
        self.kms.wraps().heal();
        self.kms.unwraps().heal();
        self.store.heal();
        self.sink.set_broken(false);
    }

    async fn read(&self, service: &str) -> Read {
        let id = KeyId::global(service).unwrap();
        let opened = self.manager.open(&id, &OpenOptions::default()).await;
        opened.map(|opened| opened.map(|opened| opened.served)).map_err(|error| error.kind())
    }

    async fn put(&self, service: &str) -> Result<(), ErrorKind> {
        let id = KeyId::global(service).unwrap();
        let key = ApiKey::new("sk-a").unwrap();
        let stored = self.manager.store_api_key(&id, key, &StoreOptions::default()).await;
        stored.map(drop).map_err(|error| error.kind())
    }
}

#[tokio::test]
async fn a_cached_key_within_its_time() {
    let cached: Read = Ok(Some(Served::Cache));
    for (out, expected) in [(Kms, cached), (Store, cached), (Both, cached), (Sink, Err(SINK_DOWN))]
    {
        let bed = Bed::new(Duration::ZERO).await;
        bed.clock.advance(TTL - TICK);
        bed.lose(out);
        assert_eq!(bed.read("openai").await, expected, "{out:?}");
    }
}

#[tokio::test]
async fn a_cached_key_of_which_the_database_has_not_said_for_too_long_that_it_is_good() {
    let follow = FollowOptions::default().follows(Follows::Always);
    let follow = follow.interval(Duration::from_millis(10));
    let cached: Read = Ok(Some(Served::Cache));
    for (out, expected) in
        [(Kms, cached), (Store, Err(STORE_DOWN)), (Both, Err(STORE_DOWN)), (Sink, Err(SINK_DOWN))]
    {
        for stale in [Duration::ZERO, STALE] {
            let bed = Bed::following(stale, follow).await;
            bed.lose(out);
            bed.clock.advance(follow.max_revocation_lag);
            // Where the database answers, it has said so again by the next look or the one after.
            let answered = if out == Kms { 2 } else { 0 };
            let looks = bed.manager.cache_statistics().looks + answered;
            while bed.manager.cache_statistics().looks < looks {
                tokio::time::sleep(follow.interval).await;
            }
            assert_eq!(bed.read("openai").await, expected, "{out:?}");
        }
    }
}

#[tokio::test]
async fn a_cached_key_past_its_time() {
    for (out, expected) in
        [(Kms, KMS_DOWN), (Store, STORE_DOWN), (Both, STORE_DOWN), (Sink, SINK_DOWN)]
    {
        let bed = Bed::new(Duration::ZERO).await;
        bed.clock.advance(TTL);
        bed.lose(out);
        assert_eq!(bed.read("openai").await, Err(expected), "{out:?}");
    }
}

#[tokio::test]
async fn a_cached_key_past_its_time_that_may_be_served_stale() {
    let stale: Read = Ok(Some(Served::Stale));
    for (out, expected) in
        [(Kms, stale), (Store, Err(STORE_DOWN)), (Both, Err(STORE_DOWN)), (Sink, Err(SINK_DOWN))]
    {
        let bed = Bed::new(STALE).await;
        bed.clock.advance(TTL + STALE - TICK);
        bed.lose(out);
        assert_eq!(bed.read("openai").await, expected, "{out:?}");
    }
    let bed = Bed::new(STALE).await;
    bed.clock.advance(TTL + STALE);
    bed.lose(Kms);
    assert_eq!(bed.read("openai").await, Err(KMS_DOWN), "past that time, too");
}

#[tokio::test]
async fn a_key_that_is_not_cached() {
    for (out, expected) in
        [(Kms, KMS_DOWN), (Store, STORE_DOWN), (Both, STORE_DOWN), (Sink, SINK_DOWN)]
    {
        let bed = Bed::new(STALE).await;
        bed.lose(out);
        assert_eq!(bed.read("anthropic").await, Err(expected), "{out:?}");
        bed.heal();
        assert!(matches!(bed.read("anthropic").await, Ok(Some(_))), "{out:?} is back");
    }
}

#[tokio::test]
async fn a_key_that_is_to_be_stored() {
    for (out, expected) in
        [(Kms, KMS_DOWN), (Store, STORE_DOWN), (Both, STORE_DOWN), (Sink, SINK_DOWN)]
    {
        let bed = Bed::new(STALE).await;
        bed.lose(out);
        assert_eq!(bed.put("mistral").await, Err(expected), "{out:?}");
        bed.heal();
        assert_eq!(bed.read("mistral").await, Ok(None), "{out:?}: nothing was stored");
        assert_eq!(bed.put("mistral").await, Ok(()), "{out:?} is back");
    }
}

#[tokio::test]
async fn a_key_that_is_to_be_deactivated() {
    for (out, expected) in
        [(Kms, Ok(())), (Store, Err(STORE_DOWN)), (Both, Err(STORE_DOWN)), (Sink, Err(SINK_DOWN))]
    {
        let bed = Bed::new(STALE).await;
        bed.lose(out);
        let id = KeyId::global("openai").unwrap();
        let done = bed.manager.deactivate_api_key(&id, &ChangeOptions::default()).await;
        assert_eq!(done.map(drop).map_err(|error| error.kind()), expected, "{out:?}");
    }
    // A process that has read and written nothing yet has no row MAC keys at hand.
    let bed = Bed::new(STALE).await;
    bed.lose(Kms);
    let kms = KmsSet::single(Arc::clone(&bed.kms));
    let fresh = EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&bed.store));
    let fresh = fresh.build().await.unwrap();
    let id = KeyId::global("openai").unwrap();
    let error = fresh.deactivate_api_key(&id, &ChangeOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), KMS_DOWN);
}

#[tokio::test]
async fn what_is_known_about_keys() {
    for (out, expected) in
        [(Kms, Ok(2)), (Store, Err(STORE_DOWN)), (Both, Err(STORE_DOWN)), (Sink, Ok(2))]
    {
        let bed = Bed::new(STALE).await;
        bed.lose(out);
        let filter = KeyFilter::default();
        let listed = bed.manager.list_api_keys(&filter, None, PageSize::default()).await;
        let listed = listed.map(|page| page.items.len()).map_err(|error| error.kind());
        assert_eq!(listed, expected, "{out:?}: list");
        let id = KeyId::global("openai").unwrap();
        let shown = bed.manager.key_metadata(&id).await.map_err(|error| error.kind());
        assert_eq!(shown.map(|key| key.is_some()), expected.map(|_| true), "{out:?}: show");
    }
}

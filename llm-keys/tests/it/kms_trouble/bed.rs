//! A manager on a server in trouble.

use std::sync::Arc;
use std::time::Duration;

use llm_keys::kms::{GuardOptions, Guarded, KmsContext, KmsProvider, KmsSet, WrappedKey};
use llm_keys::manager::CacheOptions;
use llm_keys::store::MemoryStore;
use llm_keys::testing::fakes::{ManualClock, RecordingSink};
use llm_keys::{
    ApiKey, DataKey, EncryptionContext, EnvelopeKeyManager, Error, KeyId, OpenOptions,
    OpenedContent, SecureKeyManager as _, Served, StoreOptions, SystemRandom, Tenant, Version,
};
use tokio::time::{Instant, sleep};

use super::server::Server;
use crate::fault_proxy::FaultProxy;

pub(super) const KEY: &str = "sk-example-0123456789";
pub(super) const TTL: Duration = Duration::from_secs(1000);
pub(super) const STALE: Duration = Duration::from_secs(500);

/// A server, and a storage that holds the key `openai`.
pub(super) struct Bed {
    pub(super) server: Server,
    pub(super) store: Arc<MemoryStore>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) sink: Arc<RecordingSink>,
}

impl Bed {
    pub(super) async fn new(server: Server) -> Self {
        let kms = Arc::clone(&server.kms);
        Self::written_by(server, kms).await
    }

    /// The same where `kms` wrapped what is stored.
    pub(super) async fn written_by(server: Server, kms: Arc<dyn KmsProvider>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let (clock, sink) = (Arc::default(), Arc::default());
        let bed = Self { server, store, clock, sink };
        put(&bed.start_with(kms, GuardOptions::default()).await, "openai").await.unwrap();
        bed.sink.take();
        bed
    }

    /// A manager as another process has it: an empty cache, a closed breaker. Its row MAC keys are
    /// open, so that a read is one call.
    pub(super) async fn start(&self, options: GuardOptions) -> EnvelopeKeyManager {
        let keys = self.start_cold(options).await;
        assert!(keys.open_row_macs(&Tenant::default()).await.unwrap());
        keys
    }

    /// The same, with nothing open.
    pub(super) async fn start_cold(&self, options: GuardOptions) -> EnvelopeKeyManager {
        self.start_with(Arc::clone(&self.server.kms), options).await
    }

    pub(super) async fn start_with(
        &self,
        kms: Arc<dyn KmsProvider>,
        options: GuardOptions,
    ) -> EnvelopeKeyManager {
        EnvelopeKeyManager::builder()
            .kms(KmsSet::single(Guarded::new(kms, options)))
            .store(Arc::clone(&self.store))
            .clock(Arc::clone(&self.clock))
            .event_sink(Arc::clone(&self.sink))
            .cache(CacheOptions::default().ttl(TTL).serve_stale_for(STALE))
            .build()
            .await
            .unwrap()
    }

    /// The guarded backend alone, and a data key that the server wrapped.
    pub(super) async fn guarded(&self, options: GuardOptions) -> Wrapped {
        let id = KeyId::global("openai").unwrap();
        let context = EncryptionContext::of_key(&id, uuid::Uuid::nil(), Version::FIRST);
        let binding = KmsContext { context: &context, readable: false };
        let kms = Arc::clone(&self.server.kms);
        let (_, wrapped) = kms.generate_data_key(binding, &SystemRandom).await.unwrap();
        Wrapped { kms: Guarded::new(kms, options), context, wrapped }
    }

    /// From now on plays trouble to requests with `text` in their head, and counts them.
    pub(super) fn watch(&self, text: &str) {
        self.proxy().only(text);
        self.proxy().forget();
    }

    pub(super) fn proxy(&self) -> &FaultProxy {
        &self.server.proxy
    }
}

pub(super) struct Wrapped {
    kms: Guarded<Arc<dyn KmsProvider>>,
    context: EncryptionContext,
    pub(super) wrapped: WrappedKey,
}

impl Wrapped {
    pub(super) async fn unwrap(&self) -> Result<DataKey, Error> {
        self.unwrap_this(&self.wrapped).await
    }

    pub(super) async fn unwrap_this(&self, wrapped: &WrappedKey) -> Result<DataKey, Error> {
        let context = KmsContext { context: &self.context, readable: false };
        self.kms.unwrap_key(wrapped, context).await
    }
}

pub(super) async fn put(keys: &EnvelopeKeyManager, service: &str) -> Result<(), Error> {
    let (id, key) = (KeyId::global(service).unwrap(), ApiKey::new(KEY).unwrap());
    keys.store_api_key(&id, key, &StoreOptions::default()).await.map(drop)
}

/// How the key was served; it must be the right one.
pub(super) async fn read(
    keys: &EnvelopeKeyManager,
    service: &str,
) -> Result<Option<Served>, Error> {
    let id = KeyId::global(service).unwrap();
    let opened = keys.open(&id, &OpenOptions::default()).await?;
    Ok(opened.map(|opened| {
        let OpenedContent::Raw(key) = opened.content else { panic!("{:?}", opened.content) };
        assert!(key.expose(|key| key == KEY.as_bytes()));
        opened.served
    }))
}

/// Waits until `done` says so, at most `bound`; gives how long it took.
pub(super) async fn until(bound: Duration, mut done: impl AsyncFnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !done().await {
        assert!(start.elapsed() < bound, "not within {bound:?}");
        sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

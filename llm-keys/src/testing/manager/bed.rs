//! A manager on a bed of fakes.

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use crate::error::{Error, ErrorKind, Result};
use crate::kms::KmsSet;
use crate::kms::local::LocalKms;
use crate::manager::{FollowOptions, OpenOptions, OpenedContent, SecureKeyManager, StoreOptions};
use crate::model::{Actor, Caller, KeyId, KeyRow, Version, VersionRow};
use crate::random::SystemRandom;
use crate::secret::ApiKey;
use crate::store::KeyStore;
use crate::testing::fakes::{FakeKms, FakeStore, ManualClock, RecordingSink};

pub(super) const TTL: Duration = Duration::from_secs(600);
/// The shortest step there is.
pub(super) const TICK: Duration = Duration::from_micros(1);

/// The manager under test, and the parts it stands on.
#[derive(Debug)]
pub(super) struct Bed<M> {
    pub(super) manager: Arc<M>,
    pub(super) kms: Arc<FakeKms<LocalKms>>,
    pub(super) store: Arc<FakeStore<Arc<dyn KeyStore>>>,
    pub(super) sink: Arc<RecordingSink>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) parts: Parts,
}

impl<M: SecureKeyManager + 'static> Bed<M> {
    pub(super) async fn new(
        build: &impl AsyncFn(Parts) -> M,
        open: &impl AsyncFn() -> Arc<dyn KeyStore>,
    ) -> Self {
        Self::with(build, open, |_| {}).await
    }

    /// With other parts than usual.
    pub(super) async fn with(
        build: &impl AsyncFn(Parts) -> M,
        open: &impl AsyncFn() -> Arc<dyn KeyStore>,
        change: impl FnOnce(&mut Parts),
    ) -> Self {
        let kms = Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()));
        let store = Arc::new(FakeStore::new(open().await));
        let sink = Arc::new(RecordingSink::default());
        let clock = Arc::new(ManualClock::default());
        let mut parts = Parts {
            kms: KmsSet::single(kms.clone()),
            store: store.clone(),
            sink: sink.clone(),
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
            cache_ttl: TTL,
            follow: FollowOptions::default(),
            caller: caller("suite"),
        };
        change(&mut parts);
        let manager = Arc::new(build(parts.clone()).await);
        Self { manager, kms, store, sink, clock, parts }
    }

    pub(super) async fn put(&self, id: &KeyId, key: &str) -> Version {
        self.try_put(id, key).await.unwrap()
    }

    pub(super) async fn try_put(&self, id: &KeyId, key: &str) -> Result<Version> {
        self.manager.store_api_key(id, api_key(key), &StoreOptions::default()).await
    }

    /// What `get_api_key` gives, as text.
    pub(super) async fn get(&self, id: &KeyId) -> Result<Option<String>> {
        Ok(self.manager.get_api_key(id).await?.as_ref().map(text))
    }

    /// The kind of error that `get_api_key` fails with.
    pub(super) async fn get_error(&self, id: &KeyId) -> ErrorKind {
        self.get(id).await.map(drop).expect_err("the read must fail").kind()
    }

    /// What `open` gives of one version, as text.
    pub(super) async fn version(&self, id: &KeyId, version: Version) -> Result<Option<String>> {
        let options = OpenOptions::default().version(version);
        let opened = self.manager.open(id, &options).await?;
        Ok(opened.map(|opened| match opened.content {
            OpenedContent::Raw(key) => text(&key),
        }))
    }

    /// The rows of `id`, as the store has them.
    pub(super) async fn rows(&self, id: &KeyId) -> Option<(KeyRow, Option<VersionRow>)> {
        self.store.inner().key_find(id).await.unwrap()
    }

    /// How many unwraps there were, and reads of a row.
    pub(super) fn loads(&self) -> (u64, u64) {
        (self.kms.unwraps().calls(), self.store.reads().calls())
    }
}

pub(super) fn id(name: &str) -> KeyId {
    KeyId::user("alice", "openai").and_then(|id| id.with_name(name)).expect("a valid id")
}

pub(super) fn api_key(text: &str) -> ApiKey {
    ApiKey::new(text).expect("a valid key")
}

pub(super) fn text(key: &ApiKey) -> String {
    key.expose_str(str::to_owned).expect("a key of text")
}

pub(super) fn caller(actor: &str) -> Caller {
    Caller::new(Actor::new(actor).expect("a valid actor"))
}

pub(super) fn number(version: u32) -> Version {
    Version::new(version).expect("versions start at 1")
}

pub(super) fn found(key: &str) -> Option<String> {
    Some(key.to_owned())
}

pub(super) fn kind<T>(answer: Result<T>) -> Result<T, ErrorKind> {
    answer.map_err(|error: Error| error.kind())
}

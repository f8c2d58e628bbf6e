//! The manager itself: its parts, and one line for each use case.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::SecureKeyManager;
use super::builder::{Builder, CacheOptions};
use super::follow::Follow;
use super::mac_keys::MacKeyring;
use super::options::{
    ChangeOptions, DeleteOptions, Evict, OpenOptions, Opened, ResolveOptions, Resolved, Retention,
    RotateOptions, StoreOptions,
};
use super::pins::Pinned;
use super::rotate::KeyTest;
use super::uses::Uses;
use crate::cache::{CacheStatistics, SecretCache};
use crate::clock::Clock;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::EventSink;
use crate::kms::KmsSet;
use crate::kms::local::LocalKms;
use crate::model::{
    Caller, Cursor, Fallback, KeyFilter, KeyId, KeyMetadata, KeyState, OwnerId, Page, PageSize,
    Service, Version, VersionMetadata,
};
use crate::random::Random;
use crate::secret::ApiKey;
use crate::store::{KeyStore, MemoryStore};

/// A [`SecureKeyManager`] that seals each version in an envelope of its own. A clone is another
/// handle to the same manager.
#[derive(Clone, Debug)]
pub struct EnvelopeKeyManager {
    pub(super) core: Arc<Core>,
}

/// The parts, shared with loads and writes that go on in the background.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) kms: KmsSet,
    pub(super) pinned: Pinned,
    pub(super) mac_keyring: MacKeyring,
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) sink: Arc<dyn EventSink>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) environment: Arc<dyn Environment>,
    pub(super) cache_options: CacheOptions,
    pub(super) cache: SecretCache,
    pub(super) follow: Follow,
    pub(super) caller: Arc<Caller>,
    pub(super) readable: bool,
    pub(super) retention: Retention,
    pub(super) rotation_test: Option<Arc<dyn KeyTest>>,
    pub(super) uses: Uses,
    /// Set once the sentinel is known to be stored, or not to be ours to make.
    pub(super) sentinel_is_there: OnceCell<()>,
}

impl EnvelopeKeyManager {
    /// Starts to put a manager together.
    pub fn builder() -> Builder<(), ()> {
        Builder::new()
    }

    /// A manager that keeps everything in this process, under a master key that is gone with it:
    /// for tests and trials.
    pub async fn in_memory() -> Result<Self> {
        Self::builder()
            .kms(KmsSet::single(LocalKms::ephemeral()?))
            .store(MemoryStore::default())
            .build()
            .await
    }

    pub(super) fn from_core(core: Arc<Core>) -> Self {
        Self { core }
    }
}

impl Core {
    /// The caller of a call: its own, or the manager's.
    pub(super) fn caller(&self, own: Option<&Caller>) -> Arc<Caller> {
        own.map_or_else(|| Arc::clone(&self.caller), |own| Arc::new(own.clone()))
    }

    /// The id of a row that is new.
    pub(super) fn new_record(&self) -> Result<Uuid> {
        let mut record = [0; 16];
        self.random.fill(&mut record)?;
        Ok(uuid::Builder::from_random_bytes(record).into_uuid())
    }
}

#[async_trait]
impl SecureKeyManager for EnvelopeKeyManager {
    async fn store_api_key(
        &self,
        id: &KeyId,
        key: ApiKey,
        options: &StoreOptions,
    ) -> Result<Version> {
        self.core.store(id, &key, options).await
    }

    async fn get_api_key(&self, id: &KeyId) -> Result<Option<ApiKey>> {
        Core::get(&self.core, id, &self.core.caller).await
    }

    async fn open(&self, id: &KeyId, options: &OpenOptions) -> Result<Option<Opened>> {
        Core::open(&self.core, id, options).await
    }

    async fn resolve(
        &self,
        user: &OwnerId,
        teams: &[OwnerId],
        service: &Service,
        policy: Fallback,
        options: &ResolveOptions,
    ) -> Result<Option<Resolved>> {
        Core::resolve(&self.core, user, teams, service, policy, options).await
    }

    async fn list_api_keys(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyMetadata>> {
        self.core.list(filter, after, size).await
    }

    async fn key_metadata(&self, id: &KeyId) -> Result<Option<KeyMetadata>> {
        self.core.metadata(id).await
    }

    async fn deactivate_api_key(
        &self,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>> {
        self.core.change_state(id, KeyState::Inactive, options).await
    }

    async fn activate_api_key(
        &self,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>> {
        self.core.change_state(id, KeyState::Active, options).await
    }

    async fn delete_api_key(&self, id: &KeyId, options: &DeleteOptions) -> Result<bool> {
        self.core.delete(id, options).await
    }

    async fn undelete_api_key(
        &self,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>> {
        self.core.undelete(id, options).await
    }

    async fn key_history(&self, id: &KeyId) -> Result<Option<Vec<VersionMetadata>>> {
        self.core.history(id).await
    }

    async fn rollback_api_key(
        &self,
        id: &KeyId,
        to: Version,
        options: &ChangeOptions,
    ) -> Result<Option<Version>> {
        self.core.rollback(id, to, options).await
    }

    async fn rotate_api_key(
        &self,
        id: &KeyId,
        key: ApiKey,
        options: &RotateOptions,
    ) -> Result<Option<Version>> {
        self.core.rotate(id, &key, options).await
    }

    async fn prune_api_key(
        &self,
        id: &KeyId,
        keep: u32,
        options: &ChangeOptions,
    ) -> Result<Option<u32>> {
        self.core.prune(id, keep, options).await
    }

    async fn evict(&self, what: &Evict) -> u64 {
        match what {
            Evict::Key(id) => self.core.cache.evict(id),
            Evict::Owner(tenant, owner) => self.core.cache.evict_owner(tenant, owner),
            Evict::All => self.core.cache.evict_all(),
        }
    }

    async fn refresh(&self, id: &KeyId) -> Result<Option<Version>> {
        Core::refresh(&self.core, id).await
    }

    async fn prewarm(&self, ids: &[KeyId]) -> Vec<(KeyId, Result<bool>)> {
        Core::prewarm(&self.core, ids).await
    }

    fn cache_statistics(&self) -> CacheStatistics {
        self.core.statistics()
    }

    async fn shutdown(&self) -> Result<()> {
        self.core.cache.evict_all();
        self.core.mac_keyring.clear();
        self.core.uses.flush(&*self.core.store).await
    }
}

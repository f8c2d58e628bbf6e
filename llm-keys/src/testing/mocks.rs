//! `mockall` mocks of the traits, for tests of an application: they do nothing but what the test
//! expects, and panic at any other call. Where a real part can run in a test, prefer it, or a
//! [fake](super::fakes) around it.
//!
//! ```
//! use llm_keys::testing::mocks::MockSecureKeyManager;
//! use llm_keys::{ApiKey, ErrorKind, KeyId, Result, SecureKeyManager};
//!
//! /// The application: it calls the service with the user's key, or with the shared one.
//! async fn authorization(keys: &dyn SecureKeyManager, user: &str) -> Result<Option<String>> {
//!     let own = keys.get_api_key(&KeyId::user(user, "openai")?).await?;
//!     own.map(|key| key.expose_str(|key| format!("Bearer {key}"))).transpose()
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let mut keys = MockSecureKeyManager::new();
//! keys.expect_get_api_key()
//!     .withf(|id| id.owner.id() == "alice")
//!     .times(1)
//!     .returning(|_| Ok(Some(ApiKey::new("sk-example")?)));
//! keys.expect_get_api_key()
//!     .withf(|id| id.owner.id() == "bob")
//!     .returning(|_| Err(llm_keys::Error::new(ErrorKind::Inactive, "test", "deactivated")));
//!
//! assert_eq!(authorization(&keys, "alice").await?.as_deref(), Some("Bearer sk-example"));
//! assert_eq!(authorization(&keys, "bob").await.unwrap_err().kind(), ErrorKind::Inactive);
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::cache::CacheStatistics;
use crate::clock::{Clock, Micros};
use crate::error::Result;
use crate::event::{Action, Event, EventSink, Outcome};
use crate::kms::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey};
use crate::manager::{
    ChangeOptions, DeleteOptions, Evict, OpenOptions, Opened, ResolveOptions, Resolved,
    RotateOptions, SecureKeyManager, StoreOptions,
};
use crate::model::{
    Cursor, Fallback, KeyFilter, KeyId, KeyMetadata, KeyRow, OwnerId, Page, PageSize, Seq, Service,
    SystemName, Tenant, Version, VersionMetadata, VersionRow,
};
use crate::random::Random;
use crate::secret::{ApiKey, DataKey};
use crate::store::{
    Change, Changes, Hints, KeyStore, ScannedKey, StoreCapabilities, SystemRow, Use,
};

mockall::mock! {
    /// A clock that a test sets call by call; see [`ManualClock`](crate::testing::fakes) for one
    /// that it moves.
    #[derive(Debug)]
    pub Clock {}

    impl Clock for Clock {
        fn now(&self) -> Micros;
        fn monotonic(&self) -> Duration;
    }
}

mockall::mock! {
    /// A sink that expects certain events.
    #[derive(Debug)]
    pub EventSink {}

    #[async_trait]
    impl EventSink for EventSink {
        fn wants(&self, action: Action, outcome: Outcome) -> bool;
        async fn emit(&self, event: &Event) -> Result<()>;
    }
}

/// `mockall` gives a bare `dyn Random` a lifetime of its own, which then is not the trait's. For the
/// same reason lifetimes below are all named where one of them is inside a type.
type AnyRandom<'r> = dyn Random + 'r;

mockall::mock! {
    /// A KMS that expects certain calls.
    #[derive(Debug)]
    pub KmsProvider {}

    #[async_trait]
    impl KmsProvider for KmsProvider {
        fn uri(&self) -> &KeyUri;
        fn accepts(&self, wrapped: &WrappedKey) -> bool;
        fn capabilities(&self) -> KmsCapabilities;
        async fn generate_data_key<'s, 'c, 'r>(
            &'s self,
            context: KmsContext<'c>,
            random: &'r AnyRandom<'r>,
        ) -> Result<(DataKey, WrappedKey)>;
        async fn wrap_key<'s, 'k, 'c>(&'s self, key: &'k DataKey, context: KmsContext<'c>) -> Result<WrappedKey>;
        async fn unwrap_key<'s, 'w, 'c>(
            &'s self,
            wrapped: &'w WrappedKey,
            context: KmsContext<'c>,
        ) -> Result<DataKey>;
        async fn check(&self) -> Result<KmsHealth>;
    }
}

mockall::mock! {
    /// A store that expects certain calls.
    #[derive(Debug)]
    pub KeyStore {}

    #[async_trait]
    impl KeyStore for KeyStore {
        async fn key_find(&self, id: &KeyId) -> Result<Option<(KeyRow, Option<VersionRow>)>>;
        async fn version_find(&self, record: Uuid, version: Version) -> Result<Option<VersionRow>>;
        async fn version_list(&self, record: Uuid) -> Result<Vec<VersionRow>>;
        async fn version_scan(
            &self,
            after: Option<(Uuid, Version)>,
            size: PageSize,
        ) -> Result<Vec<(KeyRow, VersionRow)>>;
        async fn key_due(
            &self,
            before: Micros,
            after: Option<(Micros, Uuid)>,
            size: PageSize,
        ) -> Result<Vec<KeyRow>>;
        async fn system_list(&self) -> Result<Vec<SystemRow>>;
        async fn key_scan<'s, 'a>(
            &'s self,
            after: Option<&'a str>,
            size: PageSize,
        ) -> Result<Vec<ScannedKey>>;
        async fn key_list<'s, 'f, 'c>(
            &'s self,
            filter: &'f KeyFilter,
            after: Option<&'c Cursor>,
            size: PageSize,
        ) -> Result<Page<KeyRow>>;
        async fn commit(&self, change: Change) -> Result<()>;
        async fn touch(&self, uses: &[Use]) -> Result<()>;
        async fn system_find(
            &self,
            tenant: &Tenant,
            name: &SystemName,
        ) -> Result<Option<SystemRow>>;
        async fn changes_since(&self, since: Seq) -> Result<Changes>;
        fn hints(&self) -> Option<Hints>;
        async fn events_since(&self, since: Seq, limit: PageSize) -> Result<Vec<(Seq, String)>>;
        fn capabilities(&self) -> StoreCapabilities;
    }
}

mockall::mock! {
    /// A manager that expects certain calls.
    #[derive(Debug)]
    pub SecureKeyManager {}

    #[async_trait]
    impl SecureKeyManager for SecureKeyManager {
        async fn store_api_key(
            &self,
            id: &KeyId,
            key: ApiKey,
            options: &StoreOptions,
        ) -> Result<Version>;
        async fn get_api_key(&self, id: &KeyId) -> Result<Option<ApiKey>>;
        async fn open(&self, id: &KeyId, options: &OpenOptions) -> Result<Option<Opened>>;
        async fn resolve(
            &self,
            user: &OwnerId,
            teams: &[OwnerId],
            service: &Service,
            policy: Fallback,
            options: &ResolveOptions,
        ) -> Result<Option<Resolved>>;
        async fn list_api_keys<'s, 'f, 'c>(
            &'s self,
            filter: &'f KeyFilter,
            after: Option<&'c Cursor>,
            size: PageSize,
        ) -> Result<Page<KeyMetadata>>;
        async fn key_metadata(&self, id: &KeyId) -> Result<Option<KeyMetadata>>;
        async fn deactivate_api_key(
            &self,
            id: &KeyId,
            options: &ChangeOptions,
        ) -> Result<Option<KeyMetadata>>;
        async fn activate_api_key(
            &self,
            id: &KeyId,
            options: &ChangeOptions,
        ) -> Result<Option<KeyMetadata>>;
        async fn delete_api_key(&self, id: &KeyId, options: &DeleteOptions) -> Result<bool>;
        async fn undelete_api_key(
            &self,
            id: &KeyId,
            options: &ChangeOptions,
        ) -> Result<Option<KeyMetadata>>;
        async fn key_history(&self, id: &KeyId) -> Result<Option<Vec<VersionMetadata>>>;
        async fn rollback_api_key(
            &self,
            id: &KeyId,
            to: Version,
            options: &ChangeOptions,
        ) -> Result<Option<Version>>;
        async fn rotate_api_key(
            &self,
            id: &KeyId,
            key: ApiKey,
            options: &RotateOptions,
        ) -> Result<Option<Version>>;
        async fn prune_api_key(
            &self,
            id: &KeyId,
            keep: u32,
            options: &ChangeOptions,
        ) -> Result<Option<u32>>;
        async fn evict(&self, what: &Evict) -> u64;
        async fn refresh(&self, id: &KeyId) -> Result<Option<Version>>;
        async fn prewarm(&self, ids: &[KeyId]) -> Vec<(KeyId, Result<bool>)>;
        fn cache_statistics(&self) -> CacheStatistics;
        async fn shutdown(&self) -> Result<()>;
    }
}

//! A manager with one stored key, and what the KMS wrapped for it.

use std::sync::Arc;

use llm_keys::kms::{GuardOptions, Guarded, KmsProvider, KmsSet, WrappedKey};
use llm_keys::manager::CacheOptions;
use llm_keys::store::{KeyStore as _, MemoryStore};
use llm_keys::{
    ApiKey, EncryptionContext, EnvelopeKeyManager, KeyId, SecureKeyManager as _, StoreOptions,
};

pub(crate) struct Bed {
    pub(crate) manager: EnvelopeKeyManager,
    pub(crate) id: KeyId,
    /// The data key of `id` as the KMS wrapped it, and for what.
    pub(crate) wrapped: WrappedKey,
    pub(crate) context: EncryptionContext,
}

impl Bed {
    /// `kms` is called as programs call it, with the guard; every get unwraps, since there is no
    /// cache, and finds its row in memory.
    pub(crate) async fn new(kms: impl KmsProvider + 'static) -> Self {
        let store = Arc::new(MemoryStore::new());
        let manager = EnvelopeKeyManager::builder()
            .kms(KmsSet::single(Guarded::new(kms, GuardOptions::default())))
            .store(Arc::clone(&store))
            .cache(CacheOptions::OFF)
            .build()
            .await
            .unwrap();
        let id = KeyId::user("alice", "anthropic").unwrap();
        let key = ApiKey::new(KEY).unwrap();
        manager.store_api_key(&id, key, &StoreOptions::default()).await.unwrap();
        let (row, version) = store.key_find(&id).await.unwrap().unwrap();
        let version = version.unwrap();
        let context = EncryptionContext::of_key(&id, row.record, version.version);
        let envelope = version.envelope.unwrap();
        let wrapped = envelope.parse().unwrap().wrapped()[0].clone();
        Self { manager, id, wrapped, context }
    }
}

/// As long as an Anthropic key.
const KEY: &[u8] = &[b'k'; 108];

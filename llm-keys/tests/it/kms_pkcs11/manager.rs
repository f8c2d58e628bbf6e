//! The whole engine on keys in a token.

use std::sync::Arc;
use std::time::Duration;

use llm_keys::error::KmsFault;
use llm_keys::kms::pkcs11::Pkcs11Kms;
use llm_keys::kms::{GuardOptions, Guarded, KmsSet};
use llm_keys::manager::CacheOptions;
use llm_keys::store::MemoryStore;
use llm_keys::testing::fakes::ManualClock;
use llm_keys::{ApiKey, EnvelopeKeyManager, ErrorKind, KeyId, SecureKeyManager as _, StoreOptions};

use super::soft_hsm::soft_hsm;

async fn manager(
    store: &Arc<MemoryStore>,
    write: &Pkcs11Kms,
    read: &[Pkcs11Kms],
) -> EnvelopeKeyManager {
    let read = read.iter().map(|kms| Arc::new(kms.clone()) as _).collect();
    let kms = KmsSet::new(vec![Arc::new(write.clone())], read).unwrap();
    EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(store)).build().await.unwrap()
}

#[tokio::test]
async fn keys_of_both_sides_of_a_rotation_are_read() {
    let hsm = soft_hsm!("keys_of_both_sides_of_a_rotation_are_read");
    hsm.add_token("Schlüssel ☃");
    hsm.add_key("Schlüssel ☃", "Jahr ’25", &[1]);
    hsm.add_key("Schlüssel ☃", "Jahr ’26", &[2]);
    let old = hsm.open("token=Schl%C3%BCssel%20%E2%98%83;object=Jahr%20%E2%80%9925").await.unwrap();
    let new = hsm.open("token=Schl%C3%BCssel%20%E2%98%83;object=Jahr%20%E2%80%9926").await.unwrap();
    let store = Arc::new(MemoryStore::new());
    let options = StoreOptions::default();
    let alice = KeyId::user("alice", "openai").unwrap();
    let bob = KeyId::user("bob", "openai").unwrap();

    let before = manager(&store, &old, &[]).await;
    before.store_api_key(&alice, ApiKey::new("sk-alice").unwrap(), &options).await.unwrap();
    let after = manager(&store, &new, &[old]).await;
    after.store_api_key(&bob, ApiKey::new("sk-bob").unwrap(), &options).await.unwrap();
    for (id, key) in [(&alice, "sk-alice"), (&bob, "sk-bob")] {
        let opened = after.get_api_key(id).await.unwrap().unwrap();
        assert!(opened.expose_str(|opened| opened == key).unwrap());
    }
    let forgotten = manager(&store, &new, &[]).await;
    let error = forgotten.get_api_key(&alice).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
}

/// KM3 without a wire: a token that is gone for longer than a cached key lives.
#[tokio::test]
async fn cached_keys_outlive_a_lost_token_for_their_time() {
    const TTL: Duration = Duration::from_secs(1000);
    let hsm = soft_hsm!("cached_keys_outlive_a_lost_token_for_their_time");
    hsm.add_token("llmkeys");
    hsm.add_key("llmkeys", "kek", &[1]);
    let kms = hsm.open("token=llmkeys;object=kek").await.unwrap();
    let clock = Arc::new(ManualClock::default());
    let keys = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(Guarded::new(kms, GuardOptions::default())))
        .store(MemoryStore::new())
        .clock(Arc::clone(&clock))
        .cache(CacheOptions::default().ttl(TTL))
        .build()
        .await
        .unwrap();
    let (id, options) = (KeyId::global("openai").unwrap(), StoreOptions::default());
    keys.store_api_key(&id, ApiKey::new("sk-a").unwrap(), &options).await.unwrap();
    assert!(keys.get_api_key(&id).await.unwrap().is_some());

    std::fs::remove_dir_all(hsm.tokens()).unwrap();
    assert!(keys.get_api_key(&id).await.unwrap().is_some(), "within its time");
    clock.advance(TTL);
    let down = ErrorKind::Kms(KmsFault::Unavailable);
    assert_eq!(keys.get_api_key(&id).await.unwrap_err().kind(), down);
    let stored = keys.store_api_key(&id, ApiKey::new("sk-b").unwrap(), &options).await;
    assert_eq!(stored.map(drop).unwrap_err().kind(), down);
}

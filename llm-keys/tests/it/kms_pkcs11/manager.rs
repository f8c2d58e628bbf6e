//! The whole engine on keys in a token.

use std::sync::Arc;

use llm_keys::error::KmsFault;
use llm_keys::kms::KmsSet;
use llm_keys::kms::pkcs11::Pkcs11Kms;
use llm_keys::store::MemoryStore;
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

//! The measured storage is a storage, and counts.

use examples::MeasuredStore;
use llm_keys::KeyId;
use llm_keys::store::{KeyStore as _, MemoryStore};

llm_keys::key_store_conformance!(async |_name| MeasuredStore::new(MemoryStore::new()));

#[tokio::test]
async fn each_operation_counts_its_own_calls() {
    let store = MeasuredStore::new(MemoryStore::new());
    let id = KeyId::global("openai").unwrap();
    store.key_find(&id).await.unwrap();
    store.key_find(&id).await.unwrap();
    store.touch(&[]).await.unwrap();
    // Never waited for, so it never ran.
    drop(store.key_find(&id));
    let measures = store.measures();
    assert_eq!(measures.key_find.calls(), 2);
    assert_eq!(measures.touch.calls(), 1);
    assert_eq!(measures.commit.calls(), 0);
    assert!(!measures.key_find.time().is_zero());
}

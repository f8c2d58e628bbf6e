//! A manager whose keys are wrapped by Cloud KMS.

use llm_keys::kms::{GuardOptions, Guarded, KmsSet};
use llm_keys::store::MemoryStore;
use llm_keys::{ApiKey, EnvelopeKeyManager, SecureKeyManager as _, StoreOptions};
use testkit::gcp::{State, Trouble};

use super::*;

#[tokio::test]
async fn keys_are_stored_and_read_through_rotations_and_throttling() {
    let fake = FakeGcpKms::start(0).await.unwrap();
    fake.add_key(KEY);
    let store = std::sync::Arc::new(MemoryStore::new());
    let manager = async || {
        let kms = Guarded::new(client(&fake, KEY), GuardOptions::default());
        let builder = EnvelopeKeyManager::builder().kms(KmsSet::single(kms));
        builder.store(std::sync::Arc::clone(&store)).build().await.unwrap()
    };
    let (first, second) =
        (KeyId::user("zoe+x@example.com", "openai").unwrap(), KeyId::global("anthropic").unwrap());

    let writer = manager().await;
    fake.trouble([Trouble::Status(429, "RESOURCE_EXHAUSTED"), Trouble::CiphertextChecksum]);
    for (id, key) in [(&first, "sk-first"), (&second, "sk-second")] {
        let key = ApiKey::new(key).unwrap();
        writer.store_api_key(id, key, &StoreOptions::default()).await.unwrap();
        fake.rotate(KEY);
    }

    // Another one has nothing in its cache.
    let reader = manager().await;
    fake.trouble([Trouble::Status(503, "UNAVAILABLE")]);
    for (id, key) in [(&first, "sk-first"), (&second, "sk-second")] {
        let before = fake.requests();
        for _ in 0..3 {
            let found = reader.get_api_key(id).await.unwrap().unwrap();
            assert!(found.expose(|found| found == key.as_bytes()));
        }
        assert!(fake.requests() - before <= 3, "then it is in the cache");
    }

    // The row MAC keys were sealed under the first version of the KMS key, too.
    let open = manager().await;
    assert!(open.open_row_macs(&first.tenant).await.unwrap());
    fake.set_state(KEY, 1, State::Disabled);
    let error = manager().await.get_api_key(&first).await.unwrap_err();
    assert_eq!(error.kind(), kind(KmsFault::KeyDisabled));
    assert_eq!(open.get_api_key(&first).await.unwrap_err().kind(), kind(KmsFault::KeyDisabled));
    assert!(open.get_api_key(&second).await.unwrap().is_some());
}

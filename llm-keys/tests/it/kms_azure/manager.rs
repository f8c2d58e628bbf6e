//! The manager over Azure: store, read again in another process, rotate, lose the key.

use std::sync::Arc;

use llm_keys::envelope::{Content, SealRequest, seal};
use llm_keys::error::{IntegrityFault, KmsFault};
use llm_keys::kms::azure::AzureKms;
use llm_keys::kms::{KmsContext, KmsProvider as _, KmsSet};
use llm_keys::store::MemoryStore;
use llm_keys::{
    ApiKey, EncryptionContext, EnvelopeKeyManager, ErrorKind, KeyId, SecureKeyManager as _,
    StoreOptions, SystemRandom, Version,
};
use testkit::azure::State;
use uuid::Uuid;

use super::{context, fake, open, unwrap};

async fn manager(kms: AzureKms, store: &Arc<MemoryStore>) -> EnvelopeKeyManager {
    EnvelopeKeyManager::builder()
        .kms(KmsSet::single(kms))
        .store(Arc::clone(store))
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn end_to_end() {
    let fake = fake(&["main"]).await;
    let store = Arc::new(MemoryStore::new());
    let id = KeyId::user("alice", "openai").unwrap();
    let first = manager(open(&fake, "main").await.unwrap(), &store).await;
    let key = ApiKey::new("sk-azure-1").unwrap();
    first.store_api_key(&id, key, &StoreOptions::default()).await.unwrap();
    drop(first);

    // After a rotation, with an empty cache: what the older version wrapped is read.
    fake.vault().create("main").unwrap();
    let second = manager(open(&fake, "main").await.unwrap(), &store).await;
    let read = second.get_api_key(&id).await.unwrap().unwrap();
    assert_eq!(read.expose_str(str::to_owned).unwrap(), "sk-azure-1");
    let unwraps = fake.vault().calls("unwrapkey");
    second.get_api_key(&id).await.unwrap().unwrap();
    assert_eq!(fake.vault().calls("unwrapkey"), unwraps, "the second read is from the cache");

    // A key that is taken away is an error, and never a missing key.
    let third = manager(open(&fake, "main").await.unwrap(), &store).await;
    fake.vault().set_state("main", State::Disabled);
    let error = third.get_api_key(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyDisabled), "{error:?}");
}

/// Key Vault does not look at the context: it unwraps for anybody. The envelope does.
#[tokio::test]
async fn the_envelope_binds_what_the_service_does_not() {
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    assert!(!kms.capabilities().binds_context);
    let ours = context();
    let binding = KmsContext { context: &ours, readable: false };
    let (key, wrapped) = kms.generate_data_key(binding, &SystemRandom).await.unwrap();
    let wrapped = [wrapped];
    let request = SealRequest {
        context: &ours,
        content: Content::Raw,
        readable: false,
        key: &key,
        wrapped: &wrapped,
    };
    let envelope = seal(b"sk-test", &request, &SystemRandom).unwrap();

    let bob = KeyId::user("bob", "openai").unwrap();
    let theirs = EncryptionContext::of_key(&bob, Uuid::from_u128(1), Version::FIRST);
    let same_key = unwrap(&kms, &wrapped[0]).await.unwrap();
    let parsed = envelope.parse().unwrap();
    let error = parsed.open(&theirs, &same_key).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity(IntegrityFault::Context));
    assert_eq!(parsed.open(&ours, &same_key).unwrap().expose(<[u8]>::to_vec), b"sk-test");
}

//! A manager on AWS KMS.

use std::sync::Arc;

use futures_util::future::join_all;
use llm_keys::kms::KmsSet;
use llm_keys::kms::aws::AwsKms;
use llm_keys::store::MemoryStore;
use llm_keys::{ApiKey, EnvelopeKeyManager, KeyId, SecureKeyManager as _, StoreOptions};

use super::relay::Relay;
use super::server::{admin, config, create_key};

const KEY: &str = "sk-example-0123456789";

struct Bed {
    relay: Relay,
    arn: String,
    store: Arc<MemoryStore>,
}

impl Bed {
    async fn new() -> Self {
        let arn = create_key(&admin()).await;
        Self { relay: Relay::start(), arn, store: Arc::new(MemoryStore::new()) }
    }

    /// A manager as another process has it: with nothing in its cache.
    async fn manager(&self, readable: bool) -> EnvelopeKeyManager {
        let config = config(&self.relay.endpoint(), "test", "test");
        let kms = AwsKms::open_with(&self.arn, &config).await.unwrap();
        EnvelopeKeyManager::builder()
            .kms(KmsSet::single(kms))
            .store(Arc::clone(&self.store))
            .readable_context(readable)
            .build()
            .await
            .unwrap()
    }
}

async fn read(keys: &EnvelopeKeyManager, id: &KeyId) -> String {
    let key = keys.get_api_key(id).await.unwrap().expect("it was stored");
    key.expose_str(str::to_owned).unwrap()
}

#[tokio::test]
async fn what_is_stored_is_read_in_either_mode() {
    let bed = Bed::new().await;
    let id = KeyId::user("alice@example.org", "openai").unwrap();
    for readable in [false, true] {
        let keys = bed.manager(readable).await;
        let key = ApiKey::new(KEY).unwrap();
        keys.store_api_key(&id, key, &StoreOptions::default()).await.unwrap();
        // Changing the mode makes nothing unreadable.
        assert_eq!(read(&bed.manager(!readable).await, &id).await, KEY);
    }
    assert_eq!(bed.relay.count("GenerateDataKey"), 4, "with the sentinel and the row MAC keys");
    // Each process opens the row MAC keys once, but the one that made them.
    assert_eq!(bed.relay.count("Decrypt"), 2 + 3);
    assert_eq!(bed.relay.total(), 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_reads_at_once_are_one_decrypt() {
    let bed = Bed::new().await;
    let id = KeyId::global("anthropic").unwrap();
    let key = ApiKey::new(KEY).unwrap();
    bed.manager(false).await.store_api_key(&id, key, &StoreOptions::default()).await.unwrap();
    let keys = bed.manager(false).await;
    let reads = (0..1000).map(|_| {
        let (keys, id) = (keys.clone(), id.clone());
        tokio::spawn(async move { read(&keys, &id).await })
    });
    for read in join_all(reads).await {
        assert_eq!(read.unwrap(), KEY);
    }
    assert_eq!(bed.relay.count("Decrypt"), 2, "the key, and the row MAC keys");
}

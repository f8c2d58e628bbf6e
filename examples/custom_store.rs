//! A storage of one's own: around any other, it counts and times every call. The storage itself is
//! in `src/measured_store.rs`. Works in memory.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;

use examples::MeasuredStore;
use llm_keys::kms::{KmsSet, local::LocalKms};
use llm_keys::store::MemoryStore;
use llm_keys::{ApiKey, EnvelopeKeyManager, KeyId, SecureKeyManager, StoreOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A shared storage is a storage, too: one handle for the manager, one to ask for the numbers.
    let store = Arc::new(MeasuredStore::new(MemoryStore::new()));
    let keys = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(LocalKms::ephemeral()?))
        .store(store.clone())
        .build()
        .await?;

    let id = KeyId::team("search", "openai")?;
    let key = ApiKey::new("sk-example-0123456789")?;
    keys.store_api_key(&id, key, &StoreOptions::default()).await?;
    let before = store.measures().key_find.calls();
    for _ in 0..100 {
        keys.get_api_key(&id).await?.ok_or("the key is gone")?;
    }
    let reads = store.measures().key_find.calls() - before;
    println!("100 gets were {reads} read of the storage; the cache had the others");

    keys.shutdown().await?;
    println!("{:#?}", store.measures());
    Ok(())
}

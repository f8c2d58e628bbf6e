//! A KMS of one's own: the master key is split between two people, and only both together can read
//! what was stored. The KMS itself is in `src/two_person_kms.rs`. Works in a temporary folder.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use examples::TwoPersonKms;
use llm_keys::kms::KmsSet;
use llm_keys::store::MemoryStore;
use llm_keys::{ApiKey, EnvelopeKeyManager, KeyId, SecureKeyManager, StoreOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Say that each of the two has a memory stick.
    let (alices, bobs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (alices, bobs) = (alices.path().join("share"), bobs.path().join("share"));
    let kms = TwoPersonKms::create([&alices, &bobs])?;

    let store = std::sync::Arc::new(MemoryStore::new());
    let keys =
        EnvelopeKeyManager::builder().kms(KmsSet::single(kms)).store(store.clone()).build().await?;
    let id = KeyId::global("anthropic")?;
    let key = ApiKey::new("sk-example-0123456789")?;
    keys.store_api_key(&id, key, &StoreOptions::default()).await?;
    println!("stored {id} under a master key in two shares");

    // Another start of the program: both plug in their sticks, in any order.
    let kms = TwoPersonKms::open([&bobs, &alices])?;
    let again = EnvelopeKeyManager::builder().kms(KmsSet::single(kms)).store(store).build().await?;
    let key = again.get_api_key(&id).await?.ok_or("the key is gone")?;
    key.expose_str(|key| println!("together they read a key of {} characters", key.len()))?;

    if let Err(error) = TwoPersonKms::open([&alices, &alices]) {
        println!("Alice alone cannot: {error}");
    }
    Ok(())
}

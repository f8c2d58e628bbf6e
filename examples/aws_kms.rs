//! Keys sealed under a key in AWS KMS: `aws_kms KEY`, where KEY is a key ARN, an alias ARN, a key
//! id or `alias/NAME`. Credentials, region and endpoint are those of every AWS program, so that
//! `AWS_ENDPOINT_URL` points it at LocalStack. Stores in memory only: nothing is left behind.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use llm_keys::kms::aws::AwsKms;
use llm_keys::kms::{KmsProvider as _, KmsSet};
use llm_keys::store::MemoryStore;
use llm_keys::{ApiKey, EnvelopeKeyManager, KeyId, SecureKeyManager, StoreOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("name a KMS key, such as alias/llm-keys")?;
    let kms = AwsKms::open(&name).await?;
    println!("{name} is {}", kms.uri());
    // One request of each kind, so that a missing permission is found now and not by a user.
    kms.check().await?;
    println!("it may be described, generate data keys and decrypt them");

    let keys = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(kms))
        .store(MemoryStore::new())
        // The owner's id and the key's name go to AWS in clear, for policies and CloudTrail.
        .readable_context(true)
        .build()
        .await?;
    let id = KeyId::user("alice", "openai")?;
    let key = ApiKey::new("sk-example-0123456789")?;
    keys.store_api_key(&id, key, &StoreOptions::default()).await?; // One GenerateDataKey.
    let key = keys.get_api_key(&id).await?.ok_or("the key is gone")?; // One Decrypt, or none.
    key.expose_str(|key| println!("read back a key of {} characters", key.len()))?;
    Ok(())
}

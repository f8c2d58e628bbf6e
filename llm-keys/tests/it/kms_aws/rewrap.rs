//! Everything is wrapped anew: from the master key of a machine to AWS, from one AWS key to another,
//! and after an alias has moved. Then the old key is disabled.

use std::sync::Arc;

use aws_config::SdkConfig;
use llm_keys::kms::aws::AwsKms;
use llm_keys::kms::local::LocalKms;
use llm_keys::kms::{GuardOptions, Guarded, KmsProvider, KmsSet};
use llm_keys::manager::{CacheOptions, RewrapOptions, Sentinel};
use llm_keys::store::MemoryStore;
use llm_keys::{
    ApiKey, EnvelopeKeyManager, KeyId, OpenOptions, OpenedContent, PageSize, SecureKeyManager as _,
    StoreOptions, Version,
};

use super::server::{admin, create_key, localstack};

const KEYS: usize = 12;

type Kms = Arc<dyn KmsProvider>;

async fn aws(name: &str, config: &SdkConfig) -> Kms {
    Arc::new(Guarded::new(AwsKms::open_with(name, config).await.unwrap(), GuardOptions::default()))
}

async fn manager(store: &Arc<MemoryStore>, write: &Kms, read: &[&Kms]) -> EnvelopeKeyManager {
    let read = read.iter().map(|kms| Arc::clone(kms)).collect();
    EnvelopeKeyManager::builder()
        .kms(KmsSet::new(vec![Arc::clone(write)], read).unwrap())
        .store(Arc::clone(store))
        .cache(CacheOptions::OFF)
        .build()
        .await
        .unwrap()
}

fn id(number: usize) -> KeyId {
    KeyId::user(&format!("user-{number}"), "openai").unwrap()
}

fn secret(number: usize, version: u32) -> String {
    format!("sk-test-{number}-{version}")
}

async fn fill(manager: &EnvelopeKeyManager) {
    for number in 0..KEYS {
        for version in 1..=2 {
            let key = ApiKey::new(secret(number, version)).unwrap();
            manager.store_api_key(&id(number), key, &StoreOptions::default()).await.unwrap();
        }
    }
}

async fn assert_all_open(manager: &EnvelopeKeyManager) {
    assert_eq!(manager.check_sentinel().await.unwrap(), Sentinel::Opened);
    for number in 0..KEYS {
        for version in 1..=2 {
            let options = OpenOptions::default().version(Version::new(version).unwrap());
            let opened = manager.open(&id(number), &options).await.unwrap().unwrap();
            let OpenedContent::Raw(key) = opened.content else { panic!("it is one key") };
            assert_eq!(key.expose_str(str::to_owned).unwrap(), secret(number, version));
        }
    }
}

async fn rewrap(manager: &EnvelopeKeyManager) -> u64 {
    let options = RewrapOptions::default().page(PageSize::new(5).unwrap()).verify(true);
    let report = manager.rewrap(&options).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(manager.rewrap_plan(&options).await.unwrap().todo(), 0);
    report.progress.done - report.system
}

async fn disable(arn: &str) {
    admin().disable_key().key_id(arn).send().await.unwrap();
}

#[tokio::test]
async fn from_the_master_key_to_aws_and_on_to_another_key() {
    let store = Arc::new(MemoryStore::new());
    let local: Kms = Arc::new(LocalKms::ephemeral().unwrap());
    fill(&manager(&store, &local, &[]).await).await;

    let first = create_key(&admin()).await;
    let one = aws(&first, &localstack()).await;
    assert_eq!(rewrap(&manager(&store, &one, &[&local]).await).await, 2 * KEYS as u64);
    drop(local);
    assert_all_open(&manager(&store, &one, &[]).await).await;

    let second = create_key(&admin()).await;
    let two = aws(&second, &localstack()).await;
    assert_eq!(rewrap(&manager(&store, &two, &[&one]).await).await, 2 * KEYS as u64);
    disable(&first).await;
    // A provider that has not seen the old key.
    let alone = manager(&store, &aws(&second, &localstack()).await, &[]).await;
    assert_all_open(&alone).await;
    fill(&manager(&store, &two, &[]).await).await;
}

#[tokio::test]
async fn an_alias_has_moved() {
    let store = Arc::new(MemoryStore::new());
    let (first, second) = (create_key(&admin()).await, create_key(&admin()).await);
    let alias = format!("alias/llm-keys-{}", uuid::Uuid::new_v4());
    admin().create_alias().alias_name(&alias).target_key_id(&first).send().await.unwrap();
    fill(&manager(&store, &aws(&alias, &localstack()).await, &[]).await).await;

    // LocalStack takes the bare id only.
    let bare = second.rsplit('/').next().unwrap();
    admin().update_alias().alias_name(&alias).target_key_id(bare).send().await.unwrap();
    let moved = aws(&alias, &localstack()).await;
    // Nobody names the old key: it is in the record of what the alias has meant.
    assert_eq!(rewrap(&manager(&store, &moved, &[]).await).await, 2 * KEYS as u64);
    disable(&first).await;
    let fresh = aws(&alias, &localstack()).await;
    assert_all_open(&manager(&store, &fresh, &[]).await).await;
    let by_arn = aws(&second, &localstack()).await;
    assert_all_open(&manager(&store, &by_arn, &[]).await).await;
}

/// Who has the old settings still reads: the new key is on the list that is sealed beside the keys.
#[tokio::test]
async fn a_process_with_the_old_settings_reads_on() {
    let store = Arc::new(MemoryStore::new());
    let (first, second) = (create_key(&admin()).await, create_key(&admin()).await);
    let alias = format!("alias/llm-keys-{}", uuid::Uuid::new_v4());
    admin().create_alias().alias_name(&alias).target_key_id(&first).send().await.unwrap();
    let old = aws(&alias, &localstack()).await;
    let before = manager(&store, &old, &[]).await;
    fill(&before).await;
    let new = aws(&second, &localstack()).await;
    rewrap(&manager(&store, &new, &[&old]).await).await;
    assert_all_open(&before).await;
}

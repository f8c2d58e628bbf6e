//! A manager on an alias that is pointed elsewhere: what was stored stays readable, and nothing
//! else becomes so.

mod foreign;
mod moved;
mod record;

use std::sync::Arc;

use aws_config::{Region, SdkConfig};
use llm_keys::kms::aws::AwsKms;
use llm_keys::kms::{GuardOptions, Guarded, KeyUri, KmsProvider, KmsSet};
use llm_keys::model::SystemName;
use llm_keys::store::{Change, Expect, KeyStore as _, MemoryStore, SystemRow};
use llm_keys::{
    ApiKey, EnvelopeKeyManager, ErrorKind, KeyId, Result, SecureKeyManager as _, StoreOptions,
    Tenant,
};

use super::server::{admin, config, create_key, localstack};

const KEY: &str = "sk-example-0123456789";

/// An alias, and a storage that any number of processes share.
struct Bed {
    alias: String,
    store: Arc<MemoryStore>,
}

impl Bed {
    /// The alias means a fresh key, whose URI comes with it.
    async fn new() -> (Self, KeyUri) {
        let arn = create_key(&admin()).await;
        let alias = format!("alias/llm-keys-{}", uuid::Uuid::new_v4());
        admin().create_alias().alias_name(&alias).target_key_id(&arn).send().await.unwrap();
        (Self { alias, store: Arc::new(MemoryStore::new()) }, uri_of(&arn))
    }

    /// Points the alias at a fresh key.
    async fn move_on(&self) -> KeyUri {
        let arn = create_key(&admin()).await;
        self.move_to(&uri_of(&arn)).await;
        uri_of(&arn)
    }

    async fn move_to(&self, uri: &KeyUri) {
        // LocalStack takes the bare id only.
        let id = uri.as_str().rsplit('/').next().unwrap();
        admin().update_alias().alias_name(&self.alias).target_key_id(id).send().await.unwrap();
    }

    /// The full name of the alias, beside `uri`.
    fn alias_arn(&self, uri: &KeyUri) -> String {
        let place = uri.as_str().strip_prefix("aws-kms:").unwrap().split_once(":key/").unwrap().0;
        format!("{place}:{}", self.alias)
    }

    /// A process that starts now.
    async fn process(&self) -> EnvelopeKeyManager {
        self.process_at(&localstack()).await
    }

    async fn process_at(&self, config: &SdkConfig) -> EnvelopeKeyManager {
        self.process_with(KmsSet::single(guarded(&self.alias, config).await)).await
    }

    async fn process_with(&self, kms: KmsSet) -> EnvelopeKeyManager {
        let builder = EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&self.store));
        builder.build().await.unwrap()
    }

    /// The URI that the current version of `service` is sealed under.
    async fn sealed_under(&self, service: &str) -> KeyUri {
        let (_, version) = self.store.key_find(&id(service)).await.unwrap().unwrap();
        let envelope = version.unwrap().envelope.unwrap();
        envelope.parse().unwrap().wrapped()[0].uri.clone()
    }

    async fn record(&self) -> Option<SystemRow> {
        let (tenant, name) = place();
        self.store.system_find(&tenant, &name).await.unwrap()
    }

    /// Puts `row` in the place of the record, as somebody who can write the database can.
    async fn replace_record(&self, row: SystemRow) {
        let (tenant, name) = place();
        let version = self.record().await.map(|row| row.version);
        let expect = Expect::System { tenant, name, version };
        let change = Change { expect: vec![expect], system: vec![row], ..Change::default() };
        self.store.commit(change).await.unwrap();
    }
}

async fn guarded(name: &str, config: &SdkConfig) -> Guarded<AwsKms> {
    Guarded::new(AwsKms::open_with(name, config).await.unwrap(), GuardOptions::default())
}

fn place() -> (Tenant, SystemName) {
    (Tenant::default(), SystemName::new("kms-pins").unwrap())
}

fn uri_of(arn: &str) -> KeyUri {
    KeyUri::new(format!("aws-kms:{arn}")).unwrap()
}

fn id(service: &str) -> KeyId {
    KeyId::global(service).unwrap()
}

async fn put(process: &EnvelopeKeyManager, service: &str) -> Result<()> {
    let key = ApiKey::new(KEY).unwrap();
    process.store_api_key(&id(service), key, &StoreOptions::default()).await.map(drop)
}

async fn read(process: &EnvelopeKeyManager, service: &str) -> Result<()> {
    let key = process.get_api_key(&id(service)).await?.expect("it was stored");
    assert_eq!(key.expose_str(str::to_owned).unwrap(), KEY);
    Ok(())
}

fn kind(result: Result<()>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// LocalStack in another region.
fn far() -> SdkConfig {
    localstack().into_builder().region(Some(Region::new("us-east-2"))).build()
}

/// LocalStack through something that counts.
fn at(endpoint: &str) -> SdkConfig {
    config(endpoint, "test", "test")
}

fn any(kms: impl KmsProvider + 'static) -> Arc<dyn KmsProvider> {
    Arc::new(kms)
}

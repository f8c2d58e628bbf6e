//! The server under test, as its administrator sees it.

use std::collections::HashMap;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::{Credentials, SharedCredentialsProvider};
use llm_keys::kms::aws::AwsKms;
use llm_keys::kms::{KmsContext, KmsProvider as _};
use llm_keys::{EncryptionContext, KeyId, Version};
use uuid::Uuid;

pub(super) const REGION: &str = "eu-west-1";

/// The address in the environment; the tests do not run without it.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: it names a running server; `cargo xtask test` starts one")
    })
}

pub(super) fn localstack() -> SdkConfig {
    config(&variable("LLM_KEYS_TEST_LOCALSTACK"), "test", "test")
}

pub(crate) fn config(endpoint: &str, access_key: &str, secret_key: &str) -> SdkConfig {
    let credentials = Credentials::new(access_key, secret_key, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

pub(crate) fn admin() -> Client {
    Client::new(&localstack())
}

/// The ARN of a fresh key.
pub(crate) async fn create_key(admin: &Client) -> String {
    let made = admin.create_key().send().await.unwrap();
    made.key_metadata.unwrap().arn.unwrap()
}

/// A fresh key, opened by its ARN.
pub(super) async fn fresh() -> AwsKms {
    AwsKms::open_with(&create_key(&admin()).await, &localstack()).await.unwrap()
}

/// The ARN in the URI that envelopes get.
pub(super) fn arn(kms: &AwsKms) -> String {
    kms.uri().as_str().strip_prefix("aws-kms:").unwrap().to_owned()
}

pub(super) fn context(id: &KeyId) -> EncryptionContext {
    EncryptionContext::of_key(id, Uuid::from_u128(7), Version::FIRST)
}

pub(super) fn alice() -> EncryptionContext {
    context(&KeyId::user("alice", "openai").unwrap())
}

pub(super) fn hashed(context: &EncryptionContext) -> KmsContext<'_> {
    KmsContext { context, readable: false }
}

pub(super) fn pairs(context: KmsContext<'_>) -> HashMap<String, String> {
    context.pairs().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

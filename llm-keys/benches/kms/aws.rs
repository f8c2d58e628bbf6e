//! AWS KMS, as LocalStack has it, and the call of the SDK.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_kms::primitives::Blob;
use criterion::Criterion;
use llm_keys::kms::KmsContext;
use llm_keys::kms::aws::AwsKms;

use super::bed::Bed;
use super::pair::pair;
use super::variable;

pub(crate) fn cold_get(c: &mut Criterion) {
    pair(c, "cold_get_aws", open, bare);
}

async fn open() -> (Bed, (Client, String)) {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(variable("LLM_KEYS_TEST_LOCALSTACK"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    // As the provider has it.
    let seconds = Duration::from_secs;
    let timeouts = TimeoutConfig::builder().connect_timeout(seconds(2)).read_timeout(seconds(5));
    let client = aws_sdk_kms::config::Builder::from(&config)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    let client = Client::from_conf(client);
    let made = client.create_key().send().await.unwrap();
    let arn = made.key_metadata.unwrap().arn.unwrap();
    let bed = Bed::new(AwsKms::open_with(&arn, &config).await.unwrap()).await;
    (bed, (client, arn))
}

async fn bare(bed: &Bed, (client, arn): &(Client, String)) {
    let pairs = KmsContext { context: &bed.context, readable: false }.pairs();
    let pairs: HashMap<_, _> =
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let call = client
        .decrypt()
        .key_id(arn)
        .ciphertext_blob(Blob::new(bed.wrapped.blob.as_slice()))
        .set_encryption_context(Some(pairs));
    black_box(call.send().await.unwrap().plaintext.unwrap());
}

//! AWS KMS: LocalStack, and MiniStack where permissions count.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_kms::Client;
use base64ct::{Base64, Encoding as _};
use llm_keys::kms::KmsProvider;
use llm_keys::kms::aws::AwsKms;
use serde_json::json;

use super::{Admin, Server, Words};
use crate::fault_proxy::{Fault, FaultProxy};
use crate::kms_aws::iam::{AccessKey, administrator, user};
use crate::kms_aws::server::{admin, config, create_key, variable};

const FOREIGN: &str = "arn:aws:kms:eu-west-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab";

pub(in crate::kms_trouble) async fn start() -> Server {
    let proxy = FaultProxy::start(&variable("LLM_KEYS_TEST_LOCALSTACK")).await;
    let admin = admin();
    let arn = create_key(&admin).await;
    let open = async |arn: &str| {
        let config = config(&proxy.url(), "test", "test");
        Arc::new(AwsKms::open_with(arn, &config).await.unwrap()) as Arc<dyn KmsProvider>
    };
    let (kms, other) = (open(&arn).await, open(&create_key(&admin).await).await);
    Server { proxy, kms, other, words: words(&arn), admin: Box::new(Key { admin, arn }) }
}

/// A user of MiniStack who may make data keys and not unwrap them, and a provider for one who may
/// do everything.
pub(in crate::kms_trouble) async fn without_right_to_unwrap() -> (Server, Arc<dyn KmsProvider>) {
    let proxy = FaultProxy::start(&variable("LLM_KEYS_TEST_MINISTACK")).await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
        "Action":["kms:GenerateDataKey"],"Resource":"*"}]}"#;
    let poor = tokio::task::spawn_blocking(|| user(policy)).await.unwrap();
    let settings = |AccessKey(access, secret)| config(&proxy.url(), &access, &secret);
    let (all, poor) = (settings(administrator()), settings(poor));
    let admin = Client::new(&all);
    let arn = create_key(&admin).await;
    let open = async |config| {
        Arc::new(AwsKms::open_with(&arn, config).await.unwrap()) as Arc<dyn KmsProvider>
    };
    let (kms, other, may_all) = (open(&poor).await, open(&poor).await, open(&all).await);
    let words = words(&arn);
    (Server { proxy, kms, other, words, admin: Box::new(Key { admin, arn }) }, may_all)
}

fn words(arn: &str) -> Words {
    Words {
        unwrap: "TrentService.Decrypt",
        wrap: "TrentService.GenerateDataKey",
        throttled: Fault::aws_throttle(),
        data_key_of: |len| Fault::json("/Plaintext", json!(Base64::encode_string(&vec![7; len]))),
        wrapped_by_another: Fault::json("/KeyId", json!(FOREIGN)),
        unwrapped_by_another: Some(Fault::json("/KeyId", json!(FOREIGN))),
        foreign: vec![
            format!("aws-kms:{FOREIGN}"),
            // The same key in another region, and by an alias.
            format!("aws-kms:{}", arn.replace("eu-west-1", "us-east-1")),
            "aws-kms:arn:aws:kms:eu-west-1:000000000000:alias/llm-keys".to_owned(),
        ],
    }
}

struct Key {
    admin: Client,
    arn: String,
}

#[async_trait]
impl Admin for Key {
    async fn disable(&self) {
        self.admin.disable_key().key_id(&self.arn).send().await.unwrap();
    }

    async fn delete(&self) {
        let request = self.admin.schedule_key_deletion().key_id(&self.arn);
        request.pending_window_in_days(7).send().await.unwrap();
    }
}

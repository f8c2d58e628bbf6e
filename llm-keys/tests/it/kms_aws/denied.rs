//! Refusals by IAM, on a server that has some.

use llm_keys::error::KmsFault;
use llm_keys::kms::KmsProvider as _;
use llm_keys::kms::aws::AwsKms;
use llm_keys::{Error, ErrorKind, SystemRandom};

use super::iam::{AccessKey, administrator, user};
use super::server::{alice, arn, config, create_key, hashed, variable};

async fn kms(AccessKey(access, secret): &AccessKey, key: &str) -> AwsKms {
    let config = config(&variable("LLM_KEYS_TEST_MINISTACK"), access, secret);
    AwsKms::open_with(key, &config).await.unwrap()
}

async fn key() -> String {
    let AccessKey(access, secret) = administrator();
    let config = config(&variable("LLM_KEYS_TEST_MINISTACK"), &access, &secret);
    create_key(&aws_sdk_kms::Client::new(&config)).await
}

fn may(actions: &str) -> AccessKey {
    user(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}]}}"#
    ))
}

fn assert_denied(error: &Error, names: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Denied), "{error:?}");
    for name in names {
        assert!(error.hint().unwrap().contains(name), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn who_may_write_may_not_read() {
    let key = key().await;
    let kms = kms(&may(r#""kms:GenerateDataKey","kms:DescribeKey""#), &key).await;
    let context = alice();
    let (_, wrapped) = kms.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();
    let error = kms.unwrap_key(&wrapped, hashed(&context)).await.unwrap_err();
    assert_denied(&error, &["kms:Decrypt", &key]);
    assert_denied(&kms.check().await.unwrap_err(), &["kms:Decrypt", &key]);
    assert_denied(&kms.check_reading().await.unwrap_err(), &["kms:Decrypt", &key]);
}

#[tokio::test]
async fn who_may_read_may_not_write() {
    let key = key().await;
    let admin = kms(&administrator(), &key).await;
    let context = alice();
    let (data_key, wrapped) =
        admin.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();
    let kms = kms(&may(r#""kms:Decrypt""#), &arn(&admin)).await;
    kms.unwrap_key(&wrapped, hashed(&context)).await.unwrap();
    let error = kms.generate_data_key(hashed(&context), &SystemRandom).await.unwrap_err();
    assert_denied(&error, &["kms:GenerateDataKey", &key]);
    let error = kms.wrap_key(&data_key, hashed(&context)).await.unwrap_err();
    assert_denied(&error, &["kms:Encrypt", &key]);
    assert_denied(&kms.check().await.unwrap_err(), &["kms:DescribeKey", &key]);
    // So a key that is only read with is asked for what it is for.
    assert_eq!(kms.check_reading().await.unwrap().uri, *kms.uri());
}

#[tokio::test]
async fn credentials_that_nobody_gave() {
    let key = key().await;
    let AccessKey(access, _) = may(r#""kms:*""#);
    let context = alice();
    for (access, hint) in [("AKIAIOSFODNN7EXAMPLE", "AWS_PROFILE"), (&access, "clock")] {
        let kms = kms(&AccessKey(access.to_owned(), "no secret of ours".to_owned()), &key).await;
        let error = kms.generate_data_key(hashed(&context), &SystemRandom).await.unwrap_err();
        assert_denied(&error, &[hint]);
        assert!(!format!("{error:?}").contains("no secret of ours"), "{error:?}");
    }
}

//! What becomes of a key on the AWS side.

use futures_util::future::join_all;
use llm_keys::error::KmsFault;
use llm_keys::kms::KmsProvider as _;
use llm_keys::kms::aws::AwsKms;
use llm_keys::{DataKey, ErrorKind, KeyId, Result, SystemRandom};

use super::server::{admin, alice, arn, context, fresh, hashed, localstack, pairs};

fn fault<T>(result: Result<T>) -> KmsFault {
    match result.map(drop).unwrap_err().kind() {
        ErrorKind::Kms(fault) => fault,
        other => panic!("{other:?}"),
    }
}

fn same(a: &DataKey, b: &DataKey) -> bool {
    a.expose(|a| b.expose(|b| a == b))
}

#[tokio::test]
async fn the_context_is_that_of_aws() {
    let (kms, admin, context) = (fresh().await, admin(), alice());
    let (key, wrapped) = kms.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();
    let decrypt = |pairs: Option<_>| {
        let blob = aws_sdk_kms::primitives::Blob::new(wrapped.blob.clone());
        let request = admin.decrypt().ciphertext_blob(blob);
        request.set_encryption_context(pairs).send()
    };
    // Another client opens it with the same pairs, as an auditor would.
    let ours = pairs(hashed(&context));
    let plain = decrypt(Some(ours.clone())).await.unwrap().plaintext.unwrap();
    assert!(key.expose(|key| key == plain.as_ref()));
    // Not with one fewer, one more, or none.
    for name in ours.keys() {
        let mut fewer = ours.clone();
        fewer.remove(name);
        assert!(decrypt(Some(fewer)).await.is_err(), "without {name}");
    }
    let mut more = ours;
    more.insert("more".to_owned(), "1".to_owned());
    assert!(decrypt(Some(more)).await.is_err());
    assert!(decrypt(None).await.is_err());
}

#[tokio::test]
async fn wrong_context_and_mode_are_a_mismatch() {
    let (kms, ours) = (fresh().await, alice());
    let (_, wrapped) = kms.generate_data_key(hashed(&ours), &SystemRandom).await.unwrap();
    let theirs = context(&KeyId::user("bob", "openai").unwrap());
    assert_eq!(fault(kms.unwrap_key(&wrapped, hashed(&theirs)).await), KmsFault::ContextMismatch);
    let mut readable = hashed(&ours);
    readable.readable = true;
    assert_eq!(fault(kms.unwrap_key(&wrapped, readable).await), KmsFault::ContextMismatch);
}

#[tokio::test]
async fn a_disabled_key_and_one_that_waits_for_its_end() {
    let (kms, admin, context) = (fresh().await, admin(), alice());
    let (key, wrapped) = kms.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();
    let arn = arn(&kms);
    let refused = async |hint: &str| {
        let context = hashed(&context);
        assert_eq!(
            fault(kms.generate_data_key(context, &SystemRandom).await),
            KmsFault::KeyDisabled
        );
        assert_eq!(fault(kms.wrap_key(&key, context).await), KmsFault::KeyDisabled);
        assert_eq!(fault(kms.unwrap_key(&wrapped, context).await), KmsFault::KeyDisabled);
        for checked in [kms.check().await, kms.check_reading().await] {
            let error = checked.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyDisabled));
            assert!(error.hint().unwrap().contains(hint), "{error:?}");
        }
    };
    kms.check_reading().await.unwrap();
    admin.disable_key().key_id(&arn).send().await.unwrap();
    refused("enable-key").await;
    admin.schedule_key_deletion().key_id(&arn).pending_window_in_days(7).send().await.unwrap();
    refused("cancel-key-deletion").await;
    // Nothing is lost yet.
    admin.cancel_key_deletion().key_id(&arn).send().await.unwrap();
    admin.enable_key().key_id(&arn).send().await.unwrap();
    assert!(same(&kms.unwrap_key(&wrapped, hashed(&context)).await.unwrap(), &key));
}

#[tokio::test]
async fn a_key_that_is_not_there_or_cannot_wrap() {
    let missing = arn(&fresh().await);
    let missing = format!("{}0000-4000-8000-000000000000", &missing[..missing.len() - 27]);
    let missing = AwsKms::open_with(&missing, &localstack()).await.unwrap();
    let context = alice();
    let error = missing.generate_data_key(hashed(&context), &SystemRandom).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyMissing));
    assert!(error.hint().unwrap().contains(&arn(&missing)), "{error:?}");
    assert_eq!(fault(missing.check().await), KmsFault::KeyMissing);

    let hmac = admin()
        .create_key()
        .key_usage(aws_sdk_kms::types::KeyUsageType::GenerateVerifyMac)
        .key_spec(aws_sdk_kms::types::KeySpec::Hmac256);
    let hmac = hmac.send().await.unwrap().key_metadata.unwrap().arn.unwrap();
    let hmac = AwsKms::open_with(&hmac, &localstack()).await.unwrap();
    assert_eq!(fault(hmac.check().await), KmsFault::Unsupported);
    let made = hmac.generate_data_key(hashed(&context), &SystemRandom).await;
    assert_eq!(fault(made), KmsFault::Unsupported);
}

#[tokio::test]
async fn a_hundred_at_once_on_one_client() {
    let (kms, context) = (fresh().await, alice());
    let made = (0..100).map(|_| kms.generate_data_key(hashed(&context), &SystemRandom));
    let made: Vec<_> = join_all(made).await.into_iter().map(Result::unwrap).collect();
    let opened = made.iter().map(|(_, wrapped)| kms.unwrap_key(wrapped, hashed(&context)));
    for (opened, (key, _)) in join_all(opened).await.into_iter().zip(&made) {
        assert!(same(&opened.unwrap(), key));
    }
}

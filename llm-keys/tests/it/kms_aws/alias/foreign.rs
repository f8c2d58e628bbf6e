//! Keys that the alias never meant.

use llm_keys::error::KmsFault;
use llm_keys::kms::{KeyUri, KmsProvider as _, KmsSet};
use llm_keys::{ApiKey, ErrorKind, KeyId, SecureKeyManager as _, StoreOptions};

use super::super::relay::Relay;
use super::super::server::{admin, arn, create_key, fresh, localstack};
use super::{Bed, any, at, far, guarded, kind, put, read, uri_of};

const WRONG: ErrorKind = ErrorKind::Kms(KmsFault::WrongKey);

/// Though it is a sibling of ours, and could be used.
#[tokio::test]
async fn an_envelope_under_a_key_that_nobody_named_causes_no_call_for_it() {
    let (bed, _) = Bed::new().await;
    put(&bed.process().await, "openai").await.unwrap();
    let theirs = guarded(&arn(&fresh().await), &localstack()).await;
    let theirs = bed.process_with(KmsSet::single(theirs)).await;
    // They cannot open the row MAC keys: among our keys they write none.
    assert_eq!(kind(put(&theirs, "anthropic").await), WRONG);
    let stranger = KeyId::global("anthropic").unwrap().with_tenant("theirs").unwrap();
    let key = ApiKey::new("sk-theirs").unwrap();
    theirs.store_api_key(&stranger, key, &StoreOptions::default()).await.unwrap();

    let relay = Relay::start();
    let process = bed.process_at(&at(&relay.endpoint())).await;
    assert_eq!(relay.count("DescribeKey"), 1);
    for _ in 0..3 {
        let error = process.get_api_key(&stranger).await.unwrap_err();
        assert_eq!(error.kind(), WRONG);
        assert!(error.hint().unwrap().contains("llm-keys kms allow"), "{error:?}");
    }
    assert_eq!(relay.total(), 2, "the record is opened, and that once");
    read(&process, "openai").await.unwrap();
    assert_eq!(relay.total(), 4, "the relay does count: the key, and the row MAC keys");
}

#[tokio::test]
async fn a_key_of_another_region_is_no_sibling_and_has_to_be_allowed() {
    let (bed, a) = Bed::new().await;
    let process = bed.process().await;
    put(&process, "openai").await.unwrap();
    process.check_sentinel().await.unwrap();
    // The same alias in another region.
    let admin = aws_sdk_kms::Client::new(&far());
    let there = create_key(&admin).await;
    admin.create_alias().alias_name(&bed.alias).target_key_id(&there).send().await.unwrap();
    let process = bed.process_at(&far()).await;
    let refused = [
        read(&process, "openai").await,
        put(&process, "anthropic").await,
        process.check_sentinel().await.map(drop),
        process.allow_kms_keys(std::slice::from_ref(&a)).await.map(drop),
    ];
    for error in refused.map(Result::unwrap_err) {
        assert_eq!(error.kind(), WRONG, "{error:?}");
        assert!(error.hint().unwrap().contains("kms allow"), "{error:?}");
    }

    // Once with both.
    let both = vec![any(guarded(&bed.alias, &far()).await)];
    let reads = vec![any(guarded(a.as_str(), &localstack()).await)];
    let once = bed.process_with(KmsSet::new(both, reads).unwrap()).await;
    once.allow_kms_keys(std::slice::from_ref(&a)).await.unwrap();
    let process = bed.process_at(&far()).await;
    read(&process, "openai").await.unwrap();
    process.check_sentinel().await.unwrap();
    put(&process, "anthropic").await.unwrap();
    assert_eq!(bed.sealed_under("anthropic").await, uri_of(&there));
    // The first region reads on: its key is allowed, but the other's it never had.
    let error = read(&bed.process().await, "anthropic").await.unwrap_err();
    assert_eq!(error.kind(), WRONG);
}

#[tokio::test]
async fn what_no_configured_key_can_reach_is_not_allowed() {
    let (bed, _) = Bed::new().await;
    let process = bed.process().await;
    for uri in ["vault://h:8200/transit/k", "local:00", "aws-kms:alias/x"] {
        let error = process.allow_kms_keys(&[KeyUri::new(uri).unwrap()]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{uri}");
        assert!(error.hint().unwrap().contains("--kms-read"), "{error:?}");
    }
    assert!(bed.record().await.is_none(), "nothing was written");
    // By a plain key: no alias, and still a record.
    let key = guarded(&create_key(&admin()).await, &localstack()).await;
    let (own, other) = (key.uri().clone(), fresh().await);
    let process = bed.process_with(KmsSet::single(key)).await;
    let pins = process.allow_kms_keys(&[other.uri().clone()]).await.unwrap();
    assert_eq!(pins.aliases().count(), 0);
    assert_eq!(pins.allowed(), [other.uri().clone(), own.clone()]);
    put(&process, "openai").await.unwrap();
    assert_eq!(bed.sealed_under("openai").await, own);
    assert_eq!(kind(read(&process_of_nobody(&bed).await, "openai").await), WRONG);
}

/// A process with a key that has nothing to do with the rest.
async fn process_of_nobody(bed: &Bed) -> llm_keys::EnvelopeKeyManager {
    let kms = llm_keys::kms::local::LocalKms::ephemeral().unwrap();
    bed.process_with(KmsSet::single(kms)).await
}

//! How a key is named, and which keys may be asked.

use llm_keys::error::KmsFault;
use llm_keys::kms::aws::AwsKms;
use llm_keys::kms::{KeyUri, KmsProvider as _, KmsSet, Pins, WrappedKey};
use llm_keys::{ErrorKind, SystemRandom};

use super::relay::Relay;
use super::server::{REGION, admin, alice, arn, config, create_key, fresh, hashed, localstack};

async fn alias_of(arn: &str) -> String {
    let alias = format!("alias/llm-keys-{}", uuid::Uuid::new_v4());
    admin().create_alias().alias_name(&alias).target_key_id(arn).send().await.unwrap();
    alias
}

#[tokio::test]
async fn every_name_is_resolved_to_the_arn() {
    let arn = create_key(&admin()).await;
    let alias = alias_of(&arn).await;
    let place = arn.split_once(":key/").unwrap().0;
    let alias_arn = format!("{place}:{alias}");
    let id = arn.rsplit('/').next().unwrap();
    for (name, by_alias) in [(arn.as_str(), false), (id, false), (&alias, true), (&alias_arn, true)]
    {
        for prefix in ["", "aws-kms:", "aws-kms://"] {
            let kms = AwsKms::open_with(&format!("{prefix}{name}"), &localstack()).await.unwrap();
            assert_eq!(kms.uri().as_str(), format!("aws-kms:{arn}"));
            assert_eq!(kms.alias(), by_alias.then_some(alias_arn.as_str()));
            assert_eq!(kms.check().await.unwrap().uri, *kms.uri());
        }
    }
}

#[tokio::test]
async fn a_name_that_means_nothing() {
    let error = AwsKms::open_with("alias/nobody", &localstack()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyMissing));
    assert!(error.hint().unwrap().contains("alias/nobody"), "{error:?}");
    let nowhere = localstack().into_builder().region(None).build();
    let error = AwsKms::open_with("alias/nobody", &nowhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured));
    // An ARN says the region.
    let arn = create_key(&admin()).await;
    assert!(AwsKms::open_with(&arn, &nowhere).await.unwrap().check().await.is_ok());
}

#[tokio::test]
async fn an_alias_that_moves_orphans_nothing() {
    let (old, new, context) = (create_key(&admin()).await, create_key(&admin()).await, alice());
    let alias = alias_of(&old).await;
    let before = AwsKms::open_with(&alias, &localstack()).await.unwrap();
    let mut pins = Pins::default();
    pins.add(before.alias().unwrap(), before.uri()).unwrap();
    let (_, wrapped) = before.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();

    // LocalStack takes the bare id only.
    let id = new.rsplit('/').next().unwrap();
    admin().update_alias().alias_name(&alias).target_key_id(id).send().await.unwrap();
    let after = AwsKms::open_with(&alias, &localstack()).await.unwrap();
    assert_eq!(arn(&after), new);
    let error = after.unwrap_key(&wrapped, hashed(&context)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
    assert!(error.hint().unwrap().contains("kms allow"), "{error:?}");

    assert!(pins.add(after.alias().unwrap(), after.uri()).unwrap());
    let pins = Pins::parse(&pins.serialize().unwrap()).unwrap();
    let after = after.clone().with_allowed(pins.of(after.alias().unwrap())).unwrap();
    assert!(after.accepts(&wrapped));
    after.unwrap_key(&wrapped, hashed(&context)).await.unwrap();
    // What is new is written under the new key.
    let (_, wrapped) = after.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();
    assert_eq!(wrapped.uri.as_str(), format!("aws-kms:{new}"));
    // A program that still runs writes under the old one.
    let (_, wrapped) = before.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();
    assert_eq!(wrapped.uri.as_str(), format!("aws-kms:{old}"));
    assert!(after.unwrap_key(&wrapped, hashed(&context)).await.is_ok());
}

#[tokio::test]
async fn an_allowed_key_is_asked_in_its_own_region() {
    let far =
        localstack().into_builder().region(Some(aws_config::Region::new("us-east-2"))).build();
    let far = create_key(&aws_sdk_kms::Client::new(&far)).await;
    assert!(far.contains(":us-east-2:"), "{far}");
    let (ours, context) = (fresh().await, alice());
    let far = AwsKms::open_with(&far, &localstack()).await.unwrap();
    let (_, wrapped) = far.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();
    let both = ours.with_allowed([far.uri().clone()]).unwrap();
    both.unwrap_key(&wrapped, hashed(&context)).await.unwrap();
    assert!(both.uri().as_str().contains(REGION));
    assert!(!both.is_sibling(far.uri()) && both.is_sibling(both.uri()));
}

#[tokio::test]
async fn a_key_that_nobody_allowed_causes_no_call() {
    let relay = Relay::start();
    let theirs = fresh().await;
    let ours = create_key(&admin()).await;
    let ours = AwsKms::open_with(&ours, &config(&relay.endpoint(), "test", "test")).await.unwrap();
    let context = alice();
    let (_, wrapped) = theirs.generate_data_key(hashed(&context), &SystemRandom).await.unwrap();
    // Theirs, one of another account, and names that only look like ours.
    let uri = |text: String| KeyUri::new(text).unwrap();
    let (own, account) = (ours.uri().as_str(), "aws-kms:arn:aws:kms:eu-west-1:999999999999:key/");
    for uri in [
        wrapped.uri.clone(),
        uri(format!("{account}1234abcd-12ab-34cd-56ef-1234567890ab")),
        uri(own.replace("aws-kms:", "aws-kms://")),
        uri(own.to_uppercase().replace("AWS-KMS", "aws-kms")),
        uri(format!("{own}/")),
    ] {
        let foreign = WrappedKey { uri, blob: wrapped.blob.clone() };
        assert!(!ours.accepts(&foreign));
        let error = ours.unwrap_key(&foreign, hashed(&context)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
        let set = KmsSet::single(ours.clone());
        let error = set.unwrap(&[foreign], hashed(&context)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
    }
    assert_eq!(relay.total(), 0);
    // The relay does count.
    ours.check().await.unwrap();
    assert_eq!(relay.total(), 3);
}

#[tokio::test]
async fn what_may_be_allowed() {
    let kms = fresh().await;
    let uri = |text: &str| KeyUri::new(text).unwrap();
    for bad in ["aws-kms:alias/x", "aws-kms:x"] {
        let error = kms.clone().with_allowed([uri(bad)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
    }
    let same = kms.clone().with_allowed([kms.uri().clone(), uri("local:x")]).unwrap();
    assert_eq!(format!("{same:?}"), format!("{kms:?}"), "nothing new");
}

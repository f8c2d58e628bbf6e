//! Rotation, and keys that were taken away.

use llm_keys::ErrorKind;
use llm_keys::error::KmsFault;
use llm_keys::kms::azure::AzureKms;
use llm_keys::kms::{KeyUri, KmsProvider as _, WrappedKey};
use testkit::azure::State;

use super::{ALL, data_key, fake, fault, open, options, same, unwrap, uri, wrap};

#[tokio::test]
async fn a_rotated_key_still_opens_the_old() {
    let fake = fake(&["main"]).await;
    let before = open(&fake, "main").await.unwrap();
    let old = wrap(&before, &data_key()).await.unwrap();
    fake.vault().create("main").unwrap();
    let after = open(&fake, "main").await.unwrap();
    let new = wrap(&after, &data_key()).await.unwrap();
    assert_ne!(old.uri, new.uri);
    for kms in [&before, &after] {
        for wrapped in [&old, &new] {
            assert!(kms.accepts(wrapped));
            assert!(same(&unwrap(kms, wrapped).await.unwrap(), &data_key()));
        }
    }
    // In the name of the other version it is refused by the service.
    let swapped = WrappedKey { uri: new.uri.clone(), ..old.clone() };
    assert_eq!(fault(unwrap(&after, &swapped).await), KmsFault::ContextMismatch);
}

/// Whoever disables the current version to stop writing must not stop reading.
#[tokio::test]
async fn while_the_current_version_is_disabled_older_ones_are_read() {
    let fake = fake(&["main"]).await;
    let wrapped = wrap(&open(&fake, "main").await.unwrap(), &data_key()).await.unwrap();
    let current = fake.vault().create("main").unwrap();
    fake.vault().set_version_state("main", &current, State::Disabled);
    let kms = open(&fake, "main").await.unwrap();
    assert!(kms.uri().as_str().ends_with(&current), "{kms:?}");
    assert!(same(&unwrap(&kms, &wrapped).await.unwrap(), &data_key()));
    assert_eq!(fault(wrap(&kms, &data_key()).await), KmsFault::KeyDisabled);
    for checked in [kms.check().await, kms.check_reading().await] {
        let error = checked.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyDisabled));
        assert!(error.hint().unwrap().contains("--enabled true"), "{error:?}");
    }
    fake.vault().set_version_state("main", &current, State::Enabled);
    wrap(&kms, &data_key()).await.unwrap();
}

#[tokio::test]
async fn a_key_to_read_with_is_checked_without_wrapping() {
    let fake = fake(&["main", "gone"]).await;
    let open = async |name: &str, rights| {
        AzureKms::open_with(&uri(name), options(&fake, rights)).await.unwrap()
    };
    let reader = open("main", "known-get-unwrapkey").await;
    assert_eq!(fault(reader.check().await), KmsFault::Denied);
    assert_eq!(reader.check_reading().await.unwrap().uri, *reader.uri());
    // Past its expiry a version may only unwrap.
    fake.vault().set_state("main", State::Expired);
    reader.check_reading().await.unwrap();
    assert_eq!(fake.vault().calls("wrapkey"), 0);

    let writer = open("main", "known-get-wrapkey").await;
    let error = writer.check_reading().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Denied));
    assert!(error.hint().unwrap().contains("keys/unwrap"), "{error:?}");
    let gone = open("gone", ALL).await;
    fake.vault().delete("gone");
    assert_eq!(fault(gone.check_reading().await), KmsFault::KeyMissing);
}

#[tokio::test]
async fn keys_that_are_not_ours_cause_no_call() {
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    let wrapped = wrap(&kms, &data_key()).await.unwrap();
    let ours = kms.uri().as_str();
    for theirs in [
        ours.replace("keys/main", "keys/mainx"),
        ours.replace("keys/main", "keys/MAIN"),
        ours.replace("fake.", "evil."),
        format!("{ours}0"),
        "azure-kv://fake.vault.azure.net/keys/main".to_owned(),
        format!("local:{}", "0".repeat(32)),
    ] {
        let uri = KeyUri::new(&theirs).unwrap();
        let wrapped = WrappedKey { uri, ..wrapped.clone() };
        assert!(!kms.accepts(&wrapped), "{theirs}");
        assert_eq!(fault(unwrap(&kms, &wrapped).await), KmsFault::WrongKey, "{theirs}");
    }
    assert_eq!(fake.vault().calls("unwrapkey"), 0);
}

/// Past its expiry a key wraps no more, and what it wrapped can still be read.
#[tokio::test]
async fn an_expired_key_reads_only() {
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    let wrapped = wrap(&kms, &data_key()).await.unwrap();
    fake.vault().set_state("main", State::Expired);
    assert_eq!(fault(wrap(&kms, &data_key()).await), KmsFault::KeyDisabled);
    assert!(same(&unwrap(&kms, &wrapped).await.unwrap(), &data_key()));
}

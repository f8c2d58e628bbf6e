//! Rotation, and keys that were taken away.

use llm_keys::error::KmsFault;
use llm_keys::kms::{KeyUri, KmsProvider as _, WrappedKey};
use testkit::azure::State;

use super::{data_key, fake, fault, open, same, unwrap, wrap};

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

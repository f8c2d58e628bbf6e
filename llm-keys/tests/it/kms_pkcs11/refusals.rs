//! What is refused when a key is opened, and by which kind.

use std::os::unix::fs::PermissionsExt as _;

use cryptoki::object::Attribute;
use llm_keys::error::KmsFault;
use llm_keys::kms::pkcs11::Pkcs11Kms;
use llm_keys::kms::{KmsContext, KmsProvider as _, WrappedKey};
use llm_keys::{EncryptionContext, Error, ErrorKind, KeyId, SystemRandom, Version};
use uuid::Uuid;

use super::soft_hsm::{PIN, SoftHsm, module, soft_hsm};

const FIRST: Version = Version::FIRST;

async fn refused(hsm: &SoftHsm, path: &str) -> Error {
    hsm.open(path).await.unwrap_err()
}

fn hint(error: &Error) -> &str {
    error.hint().unwrap_or_default()
}

#[tokio::test]
async fn what_is_not_there_or_not_one() {
    let hsm = soft_hsm!("what_is_not_there_or_not_one");
    let first = hsm.add_token("llmkeys");
    hsm.add_token("twin");
    hsm.add_key("llmkeys", "kek", &[1]);
    hsm.add_key("llmkeys", "kek", &[2]);
    hsm.add_key_of("llmkeys", "short", &[3], 16, &[]);
    hsm.add_key("llmkeys", "unnamed", &[]);
    hsm.add_key("llmkeys", "unnamed", &[4]);

    let error = refused(&hsm, "token=nobody;object=kek").await;
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Unavailable), "an HSM may be off");
    assert!(hint(&error).contains("`llmkeys`"), "{error:?}");

    let error = refused(&hsm, "token=llmkeys;object=nothing").await;
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyMissing));

    let error = refused(&hsm, "token=llmkeys;object=kek").await;
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured), "two of that label");
    assert!(hint(&error).contains("id="), "{error:?}");
    let kms = hsm.open("token=llmkeys;object=kek;id=%02").await.unwrap();
    assert_eq!(kms.uri().as_str(), format!("pkcs11:serial={first};id=%02"));

    let error = refused(&hsm, "token=llmkeys;object=short").await;
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured), "AES-128");
    let error = refused(&hsm, "token=llmkeys;object=unnamed").await;
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured));

    let error = refused(&hsm, "serial=0000;object=kek").await;
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Unavailable));
    let away = hsm.open("serial=0000;id=%02").await.unwrap();
    assert_eq!(away.uri().as_str(), "pkcs11:serial=0000;id=%02", "known without the token");
    let error = away.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Unavailable));
}

#[tokio::test]
async fn two_tokens_of_one_label_need_a_serial_number() {
    let hsm = soft_hsm!("two_tokens_of_one_label_need_a_serial_number");
    let first = hsm.add_token("llmkeys");
    let second = hsm.add_token("llmkeys");
    assert_ne!(first, second);
    hsm.add_key("llmkeys", "kek", &[1]);
    let error = refused(&hsm, "token=llmkeys;object=kek").await;
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured));
    assert!(hint(&error).contains(&first) && hint(&error).contains(&second), "{error:?}");
    let mut opened = 0;
    for serial in [first, second] {
        match hsm.open(&format!("serial={serial};object=kek")).await {
            Ok(_) => opened += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyMissing)),
        }
    }
    assert_eq!(opened, 1, "the key is in one of them");
}

#[tokio::test]
async fn a_wrong_pin_is_denied_and_tried_once() {
    let hsm = soft_hsm!("a_wrong_pin_is_denied_and_tried_once");
    let serial = hsm.add_token("llmkeys");
    // A session of ours would log this process in: the key is made when the PIN was right.
    let pin = hsm.pin_file("battery-staple");
    let uri = hsm.uri_with("token=llmkeys;object=kek", &pin);
    for _ in 0..20 {
        let error = Pkcs11Kms::open(&uri).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Denied));
        assert!(hint(&error).contains("pin-source"), "{error:?}");
        assert!(!format!("{error:?}").contains("battery"), "the PIN is in the error");
    }
    // A changed file is tried.
    hsm.pin_file(PIN);
    let error = Pkcs11Kms::open(&uri).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyMissing));
    hsm.add_key("llmkeys", "kek", &[1]);
    let kms = Pkcs11Kms::open(&uri).await.unwrap();
    assert_eq!(kms.uri().as_str(), format!("pkcs11:serial={serial};id=%01"));
}

#[tokio::test]
async fn a_pin_file_must_be_there_and_private() {
    let hsm = soft_hsm!("a_pin_file_must_be_there_and_private");
    hsm.add_token("llmkeys");
    let pin = hsm.pin_file(PIN);
    let uri = hsm.uri_with("token=llmkeys;object=kek", &pin);
    std::fs::set_permissions(&pin, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = Pkcs11Kms::open(&uri).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured));
    assert!(hint(&error).starts_with("chmod 600 "), "{error:?}");
    std::fs::remove_file(&pin).unwrap();
    let error = Pkcs11Kms::open(&uri).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured));
    let none = format!("pkcs11:token=llmkeys;object=kek?module-path={}", module());
    let error = Pkcs11Kms::open(&none).await.unwrap_err();
    assert!(hint(&error).contains("pin-source"), "{error:?}");
}

#[tokio::test]
async fn a_module_must_be_one() {
    let libm = "/lib/x86_64-linux-gnu/libm.so.6";
    let none = ["/nowhere/libsofthsm2.so", "/etc/passwd", libm];
    for module in none {
        let uri = format!("pkcs11:token=llmkeys;object=kek?module-path={module}");
        let error = Pkcs11Kms::open(&uri).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured), "{module}");
        assert!(hint(&error).contains("module-path"), "{error:?}");
    }
}

#[tokio::test]
async fn a_key_that_may_not_encrypt_is_disabled() {
    let hsm = soft_hsm!("a_key_that_may_not_encrypt_is_disabled");
    hsm.add_token("llmkeys");
    let reads = [Attribute::Encrypt(false), Attribute::Decrypt(true)];
    hsm.add_key_of("llmkeys", "reader", &[1], 32, &reads);
    let kms = hsm.open("token=llmkeys;object=reader").await.unwrap();
    let error = kms.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyDisabled));
    assert!(hint(&error).contains("CKA_ENCRYPT"), "{error:?}");
}

/// The HSM's administrator has made it a key to read with.
#[tokio::test]
async fn a_key_that_may_only_decrypt_tells_a_damaged_blob_from_an_outage() {
    let hsm = soft_hsm!("a_key_that_may_only_decrypt_tells_a_damaged_blob_from_an_outage");
    hsm.add_token("llmkeys");
    hsm.add_key("llmkeys", "kek", &[1]);
    let kms = hsm.open("token=llmkeys;object=kek").await.unwrap();
    let context = EncryptionContext::of_key(&KeyId::global("openai").unwrap(), Uuid::nil(), FIRST);
    let context = KmsContext { context: &context, readable: false };
    let (_, wrapped) = kms.generate_data_key(context, &SystemRandom).await.unwrap();
    let damaged = || {
        let mut damaged = wrapped.clone();
        *damaged.blob.last_mut().unwrap() ^= 1;
        damaged
    };
    for (encrypts, check) in [(true, None), (false, Some(ErrorKind::Kms(KmsFault::KeyDisabled)))] {
        let session = hsm.session("llmkeys");
        let key = session.find_objects(&[Attribute::Id(vec![1])]).unwrap()[0];
        session.update_attributes(key, &[Attribute::Encrypt(encrypts)]).unwrap();
        assert_eq!(kms.check().await.err().map(|error| error.kind()), check);
        kms.unwrap_key(&wrapped, context).await.unwrap();
        let error = kms.unwrap_key(&damaged(), context).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::ContextMismatch), "{error:?}");
        assert_eq!(kms.check_reading().await.unwrap().uri, *kms.uri());
    }
    hsm.delete_key("llmkeys", "kek");
    let error = kms.check_reading().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::KeyMissing));
}

#[tokio::test]
async fn a_key_that_moved_is_known_by_its_former_serial_number() {
    let hsm = soft_hsm!("a_key_that_moved_is_known_by_its_former_serial_number");
    let serial = hsm.add_token("llmkeys");
    hsm.add_key("llmkeys", "kek", &[0xab]);
    let uri = hsm.uri("token=llmkeys;object=kek") + "&x-former-serial=old%201&x-former-serial=2";
    let kms = Pkcs11Kms::open(&uri).await.unwrap();
    let named = |uri: &str| WrappedKey { uri: uri.parse().unwrap(), blob: vec![1] };
    assert!(kms.accepts(&named(&format!("pkcs11:serial={serial};id=%AB"))));
    assert!(kms.accepts(&named("pkcs11:serial=old%201;id=%AB")));
    assert!(kms.accepts(&named("pkcs11:serial=2;id=%AB")));
    assert!(!kms.accepts(&named("pkcs11:serial=2;id=%AC")));
    assert!(!kms.accepts(&named("pkcs11:serial=3;id=%AB")));

    let context = EncryptionContext::of_key(&KeyId::global("openai").unwrap(), Uuid::nil(), FIRST);
    let context = KmsContext { context: &context, readable: false };
    let (_, wrapped) = kms.generate_data_key(context, &SystemRandom).await.unwrap();
    let before = WrappedKey { uri: "pkcs11:serial=2;id=%AB".parse().unwrap(), ..wrapped };
    assert!(kms.unwrap_key(&before, context).await.is_ok());
}

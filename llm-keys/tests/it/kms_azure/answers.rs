//! What Key Vault may answer instead of the right thing.

use llm_keys::ErrorKind;
use llm_keys::error::KmsFault;
use llm_keys::kms::WrappedKey;
use llm_keys::kms::azure::AzureKms;
use testkit::azure::Trouble;

use super::{data_key, fake, fault, open, options, same, unwrap, uri, wrap};

#[tokio::test]
async fn each_status_is_its_kind_after_one_attempt() {
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    let wrapped = wrap(&kms, &data_key()).await.unwrap();
    for (status, code, on_wrap, on_unwrap) in [
        (400, "BadParameter", KmsFault::Unsupported, KmsFault::ContextMismatch),
        (403, "Forbidden", KmsFault::Denied, KmsFault::Denied),
        (404, "KeyNotFound", KmsFault::KeyMissing, KmsFault::KeyMissing),
        (409, "Conflict", KmsFault::KeyDisabled, KmsFault::KeyDisabled),
        (429, "Throttled", KmsFault::Throttled, KmsFault::Throttled),
        (500, "InternalServerError", KmsFault::Unavailable, KmsFault::Unavailable),
        (503, "ServiceUnavailable", KmsFault::Unavailable, KmsFault::Unavailable),
        (302, "Found", KmsFault::BadAnswer, KmsFault::BadAnswer),
    ] {
        let calls = || fake.vault().calls("wrapkey") + fake.vault().calls("unwrapkey");
        let before = calls();
        fake.vault().answer_next(2, Trouble::Status(status, code));
        assert_eq!(fault(wrap(&kms, &data_key()).await), on_wrap, "{status}");
        assert_eq!(fault(unwrap(&kms, &wrapped).await), on_unwrap, "{status}");
        assert_eq!(calls(), before + 2, "{status} is not tried again");
    }
    assert!(same(&unwrap(&kms, &wrapped).await.unwrap(), &data_key()));
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_outage() {
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    let wrapped = wrap(&kms, &data_key()).await.unwrap();
    fake.vault().answer_next(2, Trouble::Close);
    assert_eq!(fault(wrap(&kms, &data_key()).await), KmsFault::Unavailable);
    assert_eq!(fault(unwrap(&kms, &wrapped).await), KmsFault::Unavailable);
    assert!(same(&unwrap(&kms, &wrapped).await.unwrap(), &data_key()));
}

#[tokio::test]
async fn an_answer_in_another_keys_name_is_refused() {
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    let wrapped = wrap(&kms, &data_key()).await.unwrap();
    for trouble in [Trouble::OtherVersion, Trouble::OtherVault] {
        fake.vault().answer_next(2, trouble.clone());
        assert_eq!(fault(wrap(&kms, &data_key()).await), KmsFault::BadAnswer, "{trouble:?}");
        assert_eq!(fault(unwrap(&kms, &wrapped).await), KmsFault::BadAnswer, "{trouble:?}");
    }
}

#[tokio::test]
async fn values_of_a_wrong_length_are_refused() {
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    let wrapped = wrap(&kms, &data_key()).await.unwrap();
    for len in [0, 1, 31, 33, 255, 257, 4096, 4097, 40_000, 1_000_000] {
        fake.vault().answer_next(2, Trouble::ValueOf(len));
        assert_eq!(fault(wrap(&kms, &data_key()).await), KmsFault::BadAnswer, "{len}");
        assert_eq!(fault(unwrap(&kms, &wrapped).await), KmsFault::BadAnswer, "{len}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_answer_are_refused() {
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    let wrapped = wrap(&kms, &data_key()).await.unwrap();
    let kid = llm_keys::kms::KmsProvider::uri(&kms).as_str().replace("azure-kv:", "https:");
    for body in [
        String::new(),
        "{}".to_owned(),
        "null".to_owned(),
        "<html>".to_owned(),
        format!(r#"{{"kid":"{kid}"}}"#),
        format!(r#"{{"kid":"{kid}","value":null}}"#),
        format!(r#"{{"kid":"{kid}","value":"/+"}}"#),
        format!(r#"{{"kid":"{kid}","value":"YQ""#),
        "[".repeat(60_000),
        // Right, if one reads that far.
        format!(r#"{{"kid":"{kid}","value":"{}"}}{}"#, "A".repeat(342), " ".repeat(70_000)),
    ] {
        let start: String = body.chars().take(60).collect();
        fake.vault().answer_next(2, Trouble::Body(body.into_bytes()));
        assert_eq!(fault(wrap(&kms, &data_key()).await), KmsFault::BadAnswer, "{start}");
        assert_eq!(fault(unwrap(&kms, &wrapped).await), KmsFault::BadAnswer, "{start}");
    }
}

#[tokio::test]
async fn blobs_that_no_key_made_cause_no_call() {
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    let wrapped = wrap(&kms, &data_key()).await.unwrap();
    for len in [0, 1, 32, 255, 257, 513, 4096, 5_000_000] {
        let hostile = WrappedKey { blob: vec![7; len], ..wrapped.clone() };
        assert_eq!(fault(unwrap(&kms, &hostile).await), KmsFault::ContextMismatch, "{len}");
    }
    assert_eq!(fake.vault().calls("unwrapkey"), 0);
    for len in [256, 384, 512] {
        let hostile = WrappedKey { blob: vec![7; len], ..wrapped.clone() };
        assert_eq!(fault(unwrap(&kms, &hostile).await), KmsFault::ContextMismatch, "{len}");
    }
    assert_eq!(fake.vault().calls("unwrapkey"), 3);
}

#[tokio::test]
async fn who_may_not_is_told_what_is_missing() {
    let fake = fake(&["main"]).await;
    let wrapped = wrap(&open(&fake, "main").await.unwrap(), &data_key()).await.unwrap();
    for (rights, right, missing) in [
        ("known-get-wrapkey", "unwrap", "keys/unwrap"),
        ("known-get-unwrapkey", "wrap", "keys/wrap"),
    ] {
        let kms = AzureKms::open_with(&uri("main"), options(&fake, rights)).await.unwrap();
        let error = match right {
            "wrap" => wrap(&kms, &data_key()).await.map(drop).unwrap_err(),
            _ => unwrap(&kms, &wrapped).await.map(drop).unwrap_err(),
        };
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Denied), "{error:?}");
        assert!(error.hint().unwrap().contains(missing), "{error:?}");
        assert!(error.detail().contains("ForbiddenByRbac"), "{error:?}");
    }
}

//! Looking a key up.

use std::net::Ipv4Addr;

use llm_keys::ErrorKind;
use llm_keys::error::KmsFault;
use llm_keys::kms::KmsProvider as _;
use llm_keys::kms::azure::AzureKms;
use testkit::azure::Trouble;

use super::{ALL, data_key, fake, fault, open, options, unwrap, uri, wrap};

#[tokio::test]
async fn a_key_without_a_version_is_the_current_one() {
    let fake = fake(&["main"]).await;
    let old = open(&fake, "main").await.unwrap();
    let version = fake.vault().create("main").unwrap();
    let kms = open(&fake, "main").await.unwrap();
    assert_eq!(kms.uri().as_str(), format!("{}/{version}", uri("main")));
    assert_ne!(old.uri(), kms.uri());

    let pinned = AzureKms::open_with(old.uri().as_str(), options(&fake, ALL)).await.unwrap();
    assert_eq!(pinned.uri(), old.uri());
    assert_eq!(format!("{pinned:?}"), format!("AzureKms({})", old.uri()));
}

#[tokio::test]
async fn the_service_spells_the_name() {
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    let shouted = kms.uri().as_str().replace(super::HOST, "FAKE.Vault.Azure.Net");
    let loud = AzureKms::open_with(&shouted, options(&fake, ALL)).await.unwrap();
    assert_eq!(loud.uri(), kms.uri(), "one key has one URI");
}

#[tokio::test]
async fn what_cannot_be_used_is_found_at_once() {
    let fake = fake(&["main"]).await;
    assert_eq!(fault(open(&fake, "missing").await), KmsFault::KeyMissing);
    assert_eq!(fault(open(&fake, &format!("main/{}", "0".repeat(32))).await), KmsFault::KeyMissing);

    let denied = AzureKms::open_with(&uri("main"), options(&fake, "known-wrapkey")).await;
    let error = denied.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Denied));
    assert!(error.hint().unwrap().contains("keys/read"), "{error:?}");
    let stranger = AzureKms::open_with(&uri("main"), options(&fake, "nobody")).await;
    assert_eq!(fault(stranger), KmsFault::Denied);

    let error = AzureKms::open_with("azure-kv://hunter2", options(&fake, ALL)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_key_that_is_no_rsa_key_is_refused() {
    let fake = fake(&["main"]).await;
    let kid = format!("https://{}/keys/main/{}", super::HOST, "a".repeat(32));
    for (kty, ops) in
        [("EC", r#"["unwrapKey"]"#), ("oct-HSM", r#"["unwrapKey"]"#), ("RSA", r#"["sign"]"#)]
    {
        let key = format!(r#"{{"key":{{"kid":"{kid}","kty":"{kty}","key_ops":{ops}}}}}"#);
        fake.vault().answer_next(1, Trouble::Body(key.into_bytes()));
        assert_eq!(fault(open(&fake, "main").await), KmsFault::Unsupported, "{kty} {ops}");
    }
}

#[tokio::test]
async fn a_wrong_answer_is_refused() {
    let fake = fake(&["main"]).await;
    let bad = |trouble| fake.vault().answer_next(1, trouble);
    bad(Trouble::OtherVault);
    assert_eq!(fault(open(&fake, "main").await), KmsFault::BadAnswer);
    let pinned = open(&fake, "main").await.unwrap().uri().to_string();
    bad(Trouble::OtherVersion);
    let other = AzureKms::open_with(&pinned, options(&fake, ALL)).await;
    assert_eq!(fault(other), KmsFault::BadAnswer);
    for body in ["", "{}", "[]", "{\"key\":{\"kid\":\"http://x\"}}", "<html>"] {
        bad(Trouble::Body(body.into()));
        assert_eq!(fault(open(&fake, "main").await), KmsFault::BadAnswer, "{body}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_not_the_right_one() {
    let live = fake(&["main"]).await;
    let away = options(&live, ALL).address((Ipv4Addr::LOCALHOST, 1).into());
    let error = AzureKms::open_with(&uri("main"), away).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Unavailable), "{error:?}");

    // Another authority's certificate: no token goes there.
    let liar = fake(&["main"]).await;
    let fooled = options(&live, ALL).address(liar.address());
    assert_eq!(fault(AzureKms::open_with(&uri("main"), fooled).await), KmsFault::Unavailable);
    assert_eq!(liar.vault().calls("get"), 0);
}

/// `RUST_LOG=trace` must show neither the data key nor the token.
#[tokio::test]
async fn logs_hold_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let fake = fake(&["main"]).await;
    let kms = open(&fake, "main").await.unwrap();
    let wrapped = wrap(&kms, &data_key()).await.unwrap();
    unwrap(&kms, &wrapped).await.unwrap();
    drop(guard);
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(text.contains("keys/main"), "something was logged: {text}");
    for secret in ["canary-data-key", "Y2FuYXJ5LWRhdGEta2V5", ALL] {
        assert!(!text.contains(secret), "the log holds a secret");
    }
    assert!(!format!("{kms:?} {:?}", options(&fake, ALL)).contains(ALL));
}

#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

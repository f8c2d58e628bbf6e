//! What we send, and answers that break the rules; against the fake.

use std::time::Duration;

use base64ct::Encoding as _;
use llm_keys::kms::KmsProvider as _;
use llm_keys::kms::vault::VaultOptions;
use serde_json::json;

use super::fake::{Asked, Fake, Reply};
use super::refusals::write_private;
use super::{context, generate, hashed, said, token};

const BLOB: &str = "vault:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A token that lives for ever, and `reply` to all else.
fn with_token(reply: impl Fn() -> Reply + Send + Sync) -> impl Fn(&Asked) -> Reply + Send + Sync {
    move |asked| match &*asked.line {
        "GET /v1/auth/token/lookup-self" => Reply::new(200, r#"{"data":{"ttl":0}}"#),
        _ => reply(),
    }
}

fn data_key(len: usize) -> String {
    let key = base64ct::Base64::encode_string(&vec![7; len]);
    json!({ "data": { "plaintext": key, "ciphertext": BLOB, "key_version": 1 } }).to_string()
}

/// There is no Kubernetes here, so only the shape of the login is shown: that of the API
/// documentation of the Kubernetes auth method.
#[tokio::test]
async fn kubernetes_logs_in_with_role_and_service_account() {
    let fake = Fake::start(|asked| match &*asked.line {
        "POST /v1/auth/k8s/eu/login" => Reply::new(
            200,
            r#"{"auth":{"client_token":"s.k8s","lease_duration":3600,"renewable":true}}"#,
        ),
        _ => Reply::new(200, data_key(32)),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "header.\"claims\".signature\n").unwrap(); // A quote, to be escaped.
    let options = VaultOptions::new().kubernetes_token_file(&path);
    let more = "&auth=kubernetes&role=llm-keys&auth_mount=k8s/eu&namespace=team/a";
    let kms = fake.open(more, options).await;
    generate(&kms).await.unwrap();
    generate(&kms).await.unwrap();
    let asked = fake.asked();
    assert_eq!(asked.len(), 3, "one login for both");
    let login = json!({ "role": "llm-keys", "jwt": "header.\"claims\".signature" });
    assert_eq!(asked[0].body, login);
    assert!(!asked[0].head.contains("x-vault-token"));
    assert_eq!(asked[1].line, "POST /v1/transit/datakey/plaintext/k");
    assert!(asked[1].head.contains("x-vault-token: s.k8s"));
    assert!(asked.iter().all(|asked| asked.head.contains("x-vault-namespace: team/a")));
    let aad = base64ct::Base64::encode_string(context("alice").canonical_bytes());
    assert_eq!(asked[1].body, json!({ "bits": 256, "associated_data": aad }));
}

#[tokio::test]
async fn an_answer_that_breaks_the_rules_is_a_bad_answer() {
    let mut bodies: Vec<Vec<u8>> = [0, 16, 31, 33, 64, 4096].map(|len| data_key(len).into()).into();
    for text in ["", "{", "[]", "null", "<html>", "{}", r#"{"data":{"plaintext":7}}"#] {
        bodies.push(text.into());
    }
    bodies.push(vec![b' '; 1 << 20]);
    bodies.push(vec![0xff; 100]);
    bodies.push(data_key(32).replace("vault:v1:", "vault:v2:").into());
    bodies.push(data_key(32).replace("vault:v1:", "other:v1:").into());
    for body in bodies {
        let len = body.len();
        let fake = Fake::start(with_token(move || Reply::new(200, body.clone()))).await;
        let kms = fake.open("", token("x")).await;
        let error = generate(&kms).await.unwrap_err();
        assert_eq!(error.kind().code(), "kms_bad_answer", "{len} bytes: {error:?}");
        assert!(!format!("{error:?}").contains("BwcHBwcH"), "no key in an error");
    }
}

#[tokio::test]
async fn other_trouble_has_its_kind() {
    for (status, body, code) in [
        (429, r#"{"errors":["rate limit quota exceeded"]}"#, "kms_throttled"),
        (429, r#"{"initialized":true,"sealed":false,"standby":true}"#, "kms_unavailable"),
        (472, "{}", "kms_unavailable"),
        (473, "{}", "kms_unavailable"),
        (500, "", "kms_unavailable"),
        (502, "<html>", "kms_unavailable"),
        (400, r#"{"errors":["Canary"]}"#, "kms_bad_answer"),
    ] {
        let fake = Fake::start(with_token(move || Reply::new(status, body))).await;
        let kms = fake.open("", token("x")).await;
        assert_eq!(said(generate(&kms).await).0, code, "{status} {body}");
        assert_eq!(fake.asked().len(), 2, "one attempt: trying again is not ours");
    }
    let cut = || Reply { cut: true, ..Reply::new(200, data_key(32)) };
    let fake = Fake::start(with_token(cut)).await;
    assert_eq!(said(generate(&fake.open("", token("x")).await).await).0, "kms_unavailable");
}

/// A token must not follow to wherever an answer points.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Fake::start(|_| Reply::new(200, data_key(32))).await;
    let headers = format!("location: http://127.0.0.1:{}/\r\n", elsewhere.port);
    let fake =
        Fake::start(with_token(move || Reply { headers: headers.clone(), ..Reply::new(307, "") }))
            .await;
    let (code, hint) = said(generate(&fake.open("", token("x")).await).await);
    assert_eq!((code, hint.contains("active server")), ("kms_unavailable", true));
    assert!(elsewhere.asked().is_empty());
}

/// A renewal that fails does not cost the token that is still good.
#[tokio::test]
async fn a_failed_renewal_keeps_the_token() {
    let fake = Fake::start(|asked| match &*asked.line {
        "GET /v1/auth/token/lookup-self" => {
            Reply::new(200, r#"{"data":{"ttl":4,"renewable":true}}"#)
        }
        "POST /v1/auth/token/renew-self" => Reply::new(500, ""),
        _ => Reply::new(200, data_key(32)),
    })
    .await;
    let kms = fake.open("", token("x")).await;
    generate(&kms).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2200)).await;
    generate(&kms).await.unwrap();
    let renewals = fake.asked().iter().filter(|asked| asked.line.ends_with("renew-self")).count();
    assert!((1..=2).contains(&renewals), "{renewals}");
}

#[tokio::test]
async fn a_denied_caller_makes_no_storm() {
    let fake = Fake::start(|asked| match &*asked.line {
        "POST /v1/auth/approle/login" => {
            Reply::new(200, r#"{"auth":{"client_token":"s.t","lease_duration":60}}"#)
        }
        _ => Reply::new(403, r#"{"errors":["permission denied"]}"#),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret-id");
    write_private(&path, "x");
    let options = VaultOptions::new().role_id("r").secret_id_file(&path);
    let kms = fake.open("&auth=approle", options).await;
    for _ in 0..10 {
        assert_eq!(said(generate(&kms).await).0, "kms_denied");
    }
    let logins = fake.asked().iter().filter(|asked| asked.line.contains("login")).count();
    assert_eq!(logins, 1);
    assert_eq!(fake.asked().len(), 11, "the calls and one login");
}

#[tokio::test]
async fn a_foreign_blob_causes_no_call() {
    let fake = Fake::start(|_| Reply::new(500, "")).await;
    let kms = fake.open("", token("x")).await;
    let context = context("alice");
    let uri = llm_keys::kms::KeyUri::new("vault://h:8200/transit/k").unwrap();
    let foreign = llm_keys::kms::WrappedKey { uri, blob: BLOB.into() };
    assert_eq!(said(kms.unwrap_key(&foreign, hashed(&context)).await).0, "kms_wrong_key");
    let damaged = llm_keys::kms::WrappedKey { uri: kms.uri().clone(), blob: vec![0; 40] };
    assert_eq!(said(kms.unwrap_key(&damaged, hashed(&context)).await).0, "kms_context_mismatch");
    assert!(fake.asked().is_empty());
}

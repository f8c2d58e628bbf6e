//! Wrong contexts, tokens without rights, dead tokens.

use llm_keys::ErrorKind;
use llm_keys::kms::{KmsProvider as _, WrappedKey};
use serde_json::json;

use super::server::Server;
use super::{context, generate, hashed, said, same, token, unwrap};

/// The server itself binds: asked without us, it refuses, too.
#[tokio::test]
async fn the_context_is_bound_by_the_server() {
    let server = Server::dev();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let kms = server.open(&mount, "k").await;
    let (key, wrapped) = generate(&kms).await.unwrap();
    let bob = context("bob");
    assert_eq!(said(kms.unwrap_key(&wrapped, hashed(&bob)).await).0, "kms_context_mismatch");
    let path = format!("{mount}/decrypt/k");
    let blob = String::from_utf8(wrapped.blob.clone()).unwrap();
    for body in [
        json!({ "ciphertext": blob }),
        json!({ "ciphertext": blob, "associated_data": "" }),
        json!({ "ciphertext": blob, "associated_data": "AAAA" }),
    ] {
        let (status, answer) = server.call("POST", &path, body).await;
        assert_eq!((status, answer["data"].is_null()), (400, true));
    }
    assert!(same(&unwrap(&kms, &wrapped).await.unwrap(), &key));
    // `rewrap` cannot carry the context, as the guide warns.
    let path = format!("{mount}/rewrap/k");
    let (status, _) = server.call("POST", &path, json!({ "ciphertext": blob })).await;
    assert_eq!(status, 400);
}

/// The server takes some of these for the same blob.
#[tokio::test]
async fn another_spelling_of_a_blob_is_a_damaged_blob() {
    let server = Server::dev();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let kms = server.open(&mount, "k").await;
    let (_, wrapped) = generate(&kms).await.unwrap();
    let text = String::from_utf8(wrapped.blob.clone()).unwrap();
    for blob in [
        text.replace("vault:v1:", "vault:v0:"),
        text.replace("vault:v1:", "vault:v01:"),
        text.replace("vault:v1:", "vault:v+1:"),
        text.replace("vault:v1:", "vault:v1:\n"),
        format!("{text}\n"),
        format!("{text}\",\"x\":\""),
        format!("{text}\0"),
    ] {
        let wrapped = WrappedKey { blob: blob.clone().into_bytes(), ..wrapped.clone() };
        assert_eq!(said(unwrap(&kms, &wrapped).await).0, "kms_context_mismatch", "{blob:?}");
    }
}

#[tokio::test]
async fn a_policy_that_lacks_a_line_denies() {
    let server = Server::dev();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let (_, wrapped) = generate(&server.open(&mount, "k").await).await.unwrap();
    let denied = server.make_token(json!({ "policies": ["default"] })).await;
    let kms = server.open_as(&mount, "k", "", token(&denied)).await;
    let answers =
        [said(generate(&kms).await), said(unwrap(&kms, &wrapped).await), said(kms.check().await)];
    for (code, hint) in answers {
        assert_eq!(code, "kms_denied");
        assert!(hint.contains("datakey/plaintext/KEY") && hint.contains("decrypt/KEY"), "{hint}");
    }
    // Rights that come later count at once.
    let policy = server.policy(&mount).await;
    let permitted = server.make_token(json!({ "policies": [policy] })).await;
    let kms = server.open_as(&mount, "k", "", token(&permitted)).await;
    assert!(unwrap(&kms, &wrapped).await.is_ok());
}

#[tokio::test]
async fn a_dead_token_is_told_from_a_poor_one_and_never_shown() {
    let server = Server::dev();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let kms = server.open_as(&mount, "k", "", token("s.CanaryCanaryCanary")).await;
    let error = generate(&kms).await.unwrap_err();
    assert_eq!(error.kind().code(), "kms_denied");
    assert!(error.to_string().contains("expired or was revoked"), "{error:?}");
    assert!(!format!("{error:?} {kms:?}").contains("Canary"));

    let other = server.make_token(json!({})).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    write_private(&path, &format!("{other}\n"));
    let options = llm_keys::kms::vault::VaultOptions::new().token_file(&path);
    let kms = server.open_as(&mount, "k", "", options).await;
    generate(&kms).await.unwrap();
    server.must("POST", "auth/token/revoke", json!({ "token": other })).await;
    let next = server.make_token(json!({})).await;
    write_private(&path, &next);
    // A token that was seen alive is looked at again after two seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    generate(&kms).await.expect("the file was read again");
}

#[tokio::test]
async fn settings_that_lack_something_say_what() {
    use llm_keys::kms::vault::{VaultKms, VaultOptions};
    let open = async |text: &str, options| VaultKms::open(text, options).await.unwrap_err();
    for (text, needs) in [
        ("vault://h/t/k", "VAULT_TOKEN"),
        ("vault://h/t/k?auth=approle", "VAULT_ROLE_ID"),
        ("vault://h/t/k?ca=/nowhere/ca.pem", "VAULT_TOKEN"),
    ] {
        let error = open(text, VaultOptions::new()).await;
        assert_eq!(error.kind().code(), "kms_misconfigured");
        assert!(error.hint().unwrap().contains(needs), "{error:?}");
    }
    let error = open("vault://h/t/k?ca=/nowhere/ca.pem", token("x")).await;
    assert_eq!(error.kind().code(), "kms_misconfigured");
    let error = open("vault://h:Canary/t/k", token("x")).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    let server = Server::dev();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let kms = async || server.open_as("t", "k", "", VaultOptions::new().token_file(&path)).await;
    assert_eq!(said(generate(&kms().await).await).0, "kms_misconfigured");
    std::fs::write(&path, "x").unwrap();
    set_mode(&path, 0o644);
    let (code, hint) = said(generate(&kms().await).await);
    assert_eq!((code, hint.starts_with("chmod o= ")), ("kms_misconfigured", true));
    write_private(&path, " \n");
    assert_eq!(said(generate(&kms().await).await).0, "kms_misconfigured");
}

pub(super) fn write_private(path: &std::path::Path, text: &str) {
    std::fs::write(path, text).unwrap();
    set_mode(path, 0o600);
}

fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

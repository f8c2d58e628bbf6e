//! Keys that rotate, retire, are deleted, or were never there.

use llm_keys::kms::{KmsProvider as _, KmsSet};
use llm_keys::store::MemoryStore;
use llm_keys::{ApiKey, DataKey, EnvelopeKeyManager, KeyId, SecureKeyManager as _, StoreOptions};
use serde_json::{Value, json};

use super::server::Server;
use super::{context, generate, hashed, said, same, token, unwrap};

#[tokio::test]
async fn a_rotated_key_opens_what_its_older_version_wrapped() {
    let server = Server::dev();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let kms = server.open(&mount, "k").await;
    let (old_key, old) = generate(&kms).await.unwrap();
    server.must("POST", &format!("{mount}/keys/k/rotate"), json!({})).await;
    let (new_key, new) = generate(&kms).await.unwrap();
    assert!(old.blob.starts_with(b"vault:v1:") && new.blob.starts_with(b"vault:v2:"));
    assert_eq!(old.uri, new.uri);
    assert!(same(&unwrap(&kms, &old).await.unwrap(), &old_key));
    assert!(same(&unwrap(&kms, &new).await.unwrap(), &new_key));

    // A retired version is the key's matter, not the envelope's; and wrapping still works.
    let config = format!("{mount}/keys/k/config");
    server.must("POST", &config, json!({ "min_decryption_version": 2 })).await;
    let (code, hint) = said(unwrap(&kms, &old).await);
    assert_eq!(code, "kms_key_disabled");
    assert!(hint.contains("min_decryption_version"), "{hint}");
    let context = context("alice");
    let kms = server.open(&mount, "k").await;
    let wrapped = kms.wrap_key(&DataKey::copy_from(&[7; 32]), hashed(&context)).await.unwrap();
    assert!(wrapped.blob.starts_with(b"vault:v2:"));
    server.must("POST", &config, json!({ "min_decryption_version": 1 })).await;
    assert!(same(&unwrap(&kms, &old).await.unwrap(), &old_key));
}

/// The administrator's token may create keys, and `encrypt` would.
#[tokio::test]
async fn a_missing_key_is_never_created() {
    let server = Server::dev();
    let mount = server.mount().await;
    server.make_key(&mount, "there", json!({})).await;
    let kms = server.open(&mount, "missing").await;
    let context = context("alice");
    for _ in 0..2 {
        let key = DataKey::copy_from(&[7; 32]);
        let (code, hint) = said(kms.wrap_key(&key, hashed(&context)).await);
        assert_eq!(code, "kms_key_missing");
        assert!(hint.contains("transit/keys/"), "{hint}");
        assert_eq!(said(generate(&kms).await).0, "kms_key_missing");
        assert_eq!(said(kms.check().await).0, "kms_key_missing");
    }
    assert_eq!(server.keys(&mount).await, ["there"]);
    // So that this test knows that it tests something.
    let path = format!("{mount}/encrypt/created");
    server.must("POST", &path, json!({ "plaintext": "AAAA" })).await;
    assert_eq!(server.keys(&mount).await, ["created", "there"]);
}

/// Only a moment after it was there.
#[tokio::test]
async fn a_key_that_was_deleted_is_not_created_anew() {
    let server = Server::dev();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let kms = server.open(&mount, "k").await;
    let (context, key) = (context("alice"), DataKey::copy_from(&[7; 32]));
    kms.wrap_key(&key, hashed(&context)).await.unwrap();
    let config = format!("{mount}/keys/k/config");
    server.must("POST", &config, json!({ "deletion_allowed": true })).await;
    server.must("DELETE", &format!("{mount}/keys/k"), Value::Null).await;
    assert_eq!(said(kms.wrap_key(&key, hashed(&context)).await).0, "kms_key_missing");
    assert!(server.keys(&mount).await.is_empty());
}

/// What the guide permits at most has no `create`, and so the server itself makes no key, even on a
/// mount where it might.
#[tokio::test]
async fn the_policy_of_the_guide_creates_no_key() {
    let server = Server::dev();
    let mount = server.mount().await;
    let policy = server.policy(&mount).await;
    let token = server.make_token(json!({ "policies": [policy, "default"] })).await;
    let poor = Server::new(server.address.clone(), token, None);
    let path = format!("{mount}/encrypt/created");
    let (status, _) = poor.call("POST", &path, json!({ "plaintext": "AAAA" })).await;
    assert_eq!(status, 403);
    assert!(server.keys(&mount).await.is_empty());
}

#[tokio::test]
async fn a_key_to_read_with_is_checked_without_wrapping() {
    let server = Server::dev();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let rules = format!("path \"{mount}/decrypt/*\" {{ capabilities = [\"update\"] }}\n");
    let path = format!("sys/policies/acl/{mount}");
    server.must("PUT", &path, json!({ "policy": rules })).await;
    let secret = server.make_token(json!({ "policies": [mount, "default"] })).await;
    let kms = server.open_as(&mount, "k", "", token(&secret)).await;
    assert_eq!(said(kms.check().await).0, "kms_denied");
    assert_eq!(kms.check_reading().await.unwrap().uri, *kms.uri());
    // That old versions are retired says nothing about the others.
    server.must("POST", &format!("{mount}/keys/k/rotate"), json!({})).await;
    let config = format!("{mount}/keys/k/config");
    server.must("POST", &config, json!({ "min_decryption_version": 2 })).await;
    kms.check_reading().await.unwrap();

    server.must("DELETE", &format!("{mount}/keys/k/soft-delete"), Value::Null).await;
    assert_eq!(said(kms.check_reading().await).0, "kms_key_disabled");
    let missing = server.open_as(&mount, "missing", "", token(&secret)).await;
    assert_eq!(said(missing.check_reading().await).0, "kms_key_missing");
    let rules = format!("path \"{mount}/encrypt/*\" {{ capabilities = [\"update\"] }}\n");
    server.must("PUT", &path, json!({ "policy": rules })).await;
    assert_eq!(said(kms.check_reading().await).0, "kms_denied");
}

#[tokio::test]
async fn a_key_that_cannot_bind_a_context_is_not_used() {
    let server = Server::dev();
    let mount = server.mount().await;
    for (kind, settings) in [
        ("signs", json!({ "type": "ed25519" })),
        ("rsa", json!({ "type": "rsa-2048" })),
        ("derived", json!({ "derived": true })),
    ] {
        server.make_key(&mount, kind, settings).await;
        let kms = server.open(&mount, kind).await;
        assert_eq!(said(generate(&kms).await).0, "kms_unsupported", "{kind}");
    }
    let kms = server.open("it-nothing-here", "k").await;
    let (code, hint) = said(generate(&kms).await);
    assert_eq!(code, "kms_key_missing");
    assert!(hint.contains("secrets enable"), "{hint}");
}

#[tokio::test]
async fn a_namespace_is_part_of_the_name() {
    let server = Server::dev();
    let namespace = format!("it-{}", uuid::Uuid::new_v4().simple());
    server.must("POST", &format!("sys/namespaces/{namespace}"), json!({})).await;
    let mount = format!("{namespace}/sys/mounts/transit");
    server.must("POST", &mount, json!({ "type": "transit" })).await;
    server.must("POST", &format!("{namespace}/transit/keys/k"), json!({})).await;
    let more = format!("&namespace={namespace}");
    let kms = server.open_as("transit", "k", &more, token(&server.token)).await;
    let (key, wrapped) = generate(&kms).await.unwrap();
    assert!(wrapped.uri.as_str().ends_with(&format!("/transit/k?namespace={namespace}")));
    assert!(same(&unwrap(&kms, &wrapped).await.unwrap(), &key));
    let outside = server.open_as("transit", "k", "", token(&server.token)).await;
    assert!(!outside.accepts(&wrapped));
    assert_eq!(said(unwrap(&outside, &wrapped).await).0, "kms_wrong_key");
}

#[tokio::test]
async fn a_manager_stores_and_serves() {
    let server = Server::tls();
    let mount = server.mount().await;
    server.make_key(&mount, "k", json!({})).await;
    let store = std::sync::Arc::new(MemoryStore::new());
    let id = KeyId::user("alice", "openai").unwrap();
    for round in ["stores", "reads", "reads after a rotation"] {
        let kms = KmsSet::single(server.open(&mount, "k").await);
        let builder = EnvelopeKeyManager::builder().kms(kms).store(std::sync::Arc::clone(&store));
        let manager = builder.build().await.unwrap();
        if round == "stores" {
            let key = ApiKey::new("sk-canary").unwrap();
            manager.store_api_key(&id, key, &StoreOptions::default()).await.unwrap();
        }
        let key = manager.get_api_key(&id).await.unwrap().unwrap();
        assert_eq!(key.expose_str(str::to_owned).unwrap(), "sk-canary", "{round}");
        server.must("POST", &format!("{mount}/keys/k/rotate"), json!({})).await;
    }
}

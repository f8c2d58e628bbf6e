//! AppRole, with tokens that live for seconds.

use std::time::Duration;

use llm_keys::SecretBytes;
use llm_keys::kms::vault::{VaultKms, VaultOptions};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::refusals::write_private;
use super::server::Server;
use super::{generate, said, until};
use crate::fault_proxy::FaultProxy;

pub(crate) struct AppRole {
    server: Server,
    mount: String,
    auth: String,
    role_id: String,
}

impl AppRole {
    async fn new(settings: Value) -> Self {
        Self::at(Server::dev(), settings).await
    }

    pub(crate) async fn at(server: Server, settings: Value) -> Self {
        let mount = server.mount().await;
        server.make_key(&mount, "k", json!({})).await;
        let (policy, auth) = (server.policy(&mount).await, server.auth("approle").await);
        let mut role = json!({ "token_policies": [policy] });
        role.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        server.must("POST", &format!("auth/{auth}/role/app"), role).await;
        let path = format!("auth/{auth}/role/app/role-id");
        let answer = server.must("GET", &path, Value::Null).await;
        let role_id = answer["data"]["role_id"].as_str().unwrap().to_owned();
        Self { server, mount, auth, role_id }
    }

    /// A secret id that is good for so many logins.
    pub(crate) async fn secret_id(&self, uses: u32) -> String {
        let path = format!("auth/{}/role/app/secret-id", self.auth);
        let answer = self.server.must("POST", &path, json!({ "num_uses": uses })).await;
        answer["data"]["secret_id"].as_str().unwrap().to_owned()
    }

    async fn open(&self, options: VaultOptions) -> VaultKms {
        let more = format!("&auth=approle&auth_mount={}", self.auth);
        let options = options.role_id(&self.role_id);
        self.server.open_as(&self.mount, "k", &more, options).await
    }

    pub(crate) async fn open_with(&self, secret_id: &str) -> VaultKms {
        let secret_id = SecretBytes::copy_from(secret_id.as_bytes());
        self.open(VaultOptions::new().secret_id(secret_id)).await
    }
}

/// A role at a server behind a proxy that counts requests with `text` in their head.
async fn counting(text: &str, settings: Value) -> (FaultProxy, AppRole) {
    let dev = Server::dev();
    let proxy = FaultProxy::start(&dev.address).await;
    proxy.only(text);
    let server = Server::new(proxy.url(), dev.token, None);
    (proxy, AppRole::at(server, settings).await)
}

/// The secret id pays for two logins only, so the token must have been renewed in between.
#[tokio::test]
async fn a_token_is_renewed_and_at_its_longest_life_replaced() {
    let lives = json!({ "token_ttl": "2s", "token_max_ttl": "4s" });
    let (proxy, role) = counting("/v1/auth/", lives).await;
    let seen = |text| proxy.seen().iter().filter(|asked| asked.first.contains(text)).count();
    let kms = role.open_with(&role.secret_id(2).await).await;
    until(async || {
        generate(&kms).await.unwrap();
        seen("/login ") == 2
    })
    .await;
    assert!(seen("/renew-self ") > 0);
}

/// The first token would live for three seconds; the third renewal is after that.
#[tokio::test]
async fn a_token_is_renewed_while_nobody_calls() {
    let lives = json!({ "token_ttl": "3s", "token_max_ttl": "60s" });
    let (renewals, role) = counting("/renew-self", lives).await;
    let kms = role.open_with(&role.secret_id(1).await).await;
    generate(&kms).await.unwrap();
    until(async || renewals.requests() >= 3).await;
    generate(&kms).await.expect("one login was enough");
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_replaced_before_it_ends() {
    let lives = json!({ "token_type": "batch", "token_ttl": "2s" });
    let (logins, role) = counting("/login HTTP", lives).await;
    let kms = role.open_with(&role.secret_id(0).await).await;
    until(async || {
        generate(&kms).await.unwrap();
        logins.requests() == 3
    })
    .await;
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_by_a_login() {
    let role = AppRole::new(json!({})).await;
    let kms = std::sync::Arc::new(role.open_with(&role.secret_id(2).await).await);
    generate(&kms).await.unwrap();
    sleep(Duration::from_millis(2100)).await;
    let prefix = format!("sys/leases/revoke-prefix/auth/{}/login", role.auth);
    role.server.must("PUT", &prefix, json!({})).await;
    // All at once, and the secret id pays for one login more.
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let kms = std::sync::Arc::clone(&kms);
        calls.spawn(async move { generate(&kms).await.map(drop) });
    }
    for answer in calls.join_all().await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn the_first_callers_share_one_login() {
    let role = AppRole::new(json!({})).await;
    let kms = role.open_with(&role.secret_id(1).await).await;
    let calls = (0..50).map(|_| generate(&kms));
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn a_refused_login_is_denied() {
    let role = AppRole::new(json!({})).await;
    let (code, hint) = said(generate(&role.open_with("Canary").await).await);
    assert_eq!((code, hint.contains("secret-id")), ("kms_denied", true));
    let kms = role.open(VaultOptions::new()).await;
    assert_eq!(said(generate(&kms).await).0, "kms_denied");
    let used_up = role.secret_id(1).await;
    generate(&role.open_with(&used_up).await).await.unwrap();
    assert_eq!(said(generate(&role.open_with(&used_up).await).await).0, "kms_denied");
}

#[tokio::test]
async fn a_secret_id_is_read_from_its_file_at_each_login() {
    let role = AppRole::new(json!({ "token_ttl": "2s", "token_max_ttl": "2s" })).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret-id");
    write_private(&path, &format!("{}\n", role.secret_id(1).await));
    let kms = role.open(VaultOptions::new().secret_id_file(&path)).await;
    generate(&kms).await.unwrap();
    write_private(&path, &role.secret_id(0).await);
    sleep(Duration::from_millis(2500)).await;
    generate(&kms).await.unwrap();
}

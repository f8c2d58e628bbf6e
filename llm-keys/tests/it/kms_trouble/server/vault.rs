//! Vault: OpenBao in development mode.

use std::sync::Arc;

use async_trait::async_trait;
use base64ct::{Base64, Encoding as _};
use llm_keys::kms::KmsProvider;
use serde_json::{Value, json};

use super::{Admin, Server, Words};
use crate::fault_proxy::{Fault, FaultProxy};
use crate::kms_vault::server::Server as OpenBao;
use crate::kms_vault::token;

pub(in crate::kms_trouble) async fn start() -> Server {
    let (proxy, bao) = behind_a_proxy().await;
    let mount = bao.mount().await;
    for key in ["k", "other"] {
        bao.make_key(&mount, key, json!({})).await;
    }
    let (kms, other) = (bao.open(&mount, "k").await, bao.open(&mount, "other").await);
    // The tokens are got, so that only what a test asks for is counted.
    for kms in [&kms, &other] {
        kms.check().await.unwrap();
    }
    let words = words(&bao, &mount);
    let admin = Box::new(Key { direct: OpenBao::dev(), mount });
    Server { proxy, kms: Arc::new(kms), other: Arc::new(other), words, admin }
}

/// A token whose policy lacks the line for `decrypt`, and a provider with all rights.
pub(in crate::kms_trouble) async fn without_right_to_unwrap() -> (Server, Arc<dyn KmsProvider>) {
    let (proxy, bao) = behind_a_proxy().await;
    let mount = bao.mount().await;
    bao.make_key(&mount, "k", json!({})).await;
    let rules = format!("path \"{mount}/datakey/plaintext/*\" {{ capabilities = [\"update\"] }}\n");
    let path = format!("sys/policies/acl/{mount}");
    bao.must("PUT", &path, json!({ "policy": rules })).await;
    let poor = bao.make_token(json!({ "policies": [mount, "default"] })).await;
    let open = async |secret: &str| {
        Arc::new(bao.open_as(&mount, "k", "", token(secret)).await) as Arc<dyn KmsProvider>
    };
    let (kms, other, may_all) = (open(&poor).await, open(&poor).await, open(&bao.token).await);
    let words = words(&bao, &mount);
    let admin = Box::new(Key { direct: OpenBao::dev(), mount });
    (Server { proxy, kms, other, words, admin }, may_all)
}

/// The server as one sees it through the proxy.
pub(in crate::kms_trouble) async fn behind_a_proxy() -> (FaultProxy, OpenBao) {
    let direct = OpenBao::dev();
    let proxy = FaultProxy::start(&direct.address).await;
    let bao = OpenBao::new(proxy.url(), direct.token, None);
    (proxy, bao)
}

fn words(bao: &OpenBao, mount: &str) -> Words {
    let authority = bao.address.trim_start_matches("http://");
    Words {
        unwrap: "/decrypt/",
        wrap: "/datakey/",
        throttled: Fault::status(429, r#"{"errors":["request path: rate limit quota exceeded"]}"#),
        data_key_of: |len| {
            Fault::json("/data/plaintext", json!(Base64::encode_string(&vec![7; len])))
        },
        wrapped_by_another: Fault::json("/data/key_version", json!(99)),
        // An answer to `decrypt` names no key.
        unwrapped_by_another: None,
        foreign: vec![
            format!("vault://{authority}/{mount}/others"),
            format!("vault://{authority}/{mount}/k?namespace=others"),
            format!("vault://127.0.0.1:1/{mount}/k"),
        ],
    }
}

struct Key {
    direct: OpenBao,
    mount: String,
}

#[async_trait]
impl Admin for Key {
    async fn disable(&self) {
        let path = format!("{}/keys/k", self.mount);
        self.direct.must("POST", &format!("{path}/rotate"), Value::Null).await;
        let body = json!({ "min_decryption_version": 2, "min_encryption_version": 2 });
        self.direct.must("POST", &format!("{path}/config"), body).await;
    }

    async fn delete(&self) {
        let path = format!("{}/keys/k/soft-delete", self.mount);
        self.direct.must("DELETE", &path, Value::Null).await;
    }
}

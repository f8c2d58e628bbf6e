//! Azure Key Vault: the fake that Microsoft's client judges, with TLS before the proxy.

use std::sync::Arc;

use async_trait::async_trait;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use llm_keys::kms::KmsProvider;
use llm_keys::kms::azure::{AzureKms, AzureOptions};
use serde_json::json;
use testkit::azure::{FakeKeyVault, State, TlsFront};

use super::{Admin, Server, Words};
use crate::fault_proxy::{Fault, FaultProxy};
use crate::kms_azure::{ALL, HOST, Holder, uri};

pub(in crate::kms_trouble) async fn start() -> Server {
    start_as(ALL).await.0
}

/// Somebody who may not unwrap, and a provider for one who may do everything.
pub(in crate::kms_trouble) async fn without_right_to_unwrap() -> (Server, Arc<dyn KmsProvider>) {
    start_as("known-get-wrapkey").await
}

async fn start_as(rights: &'static str) -> (Server, Arc<dyn KmsProvider>) {
    let fake = FakeKeyVault::start(HOST).await.unwrap();
    let proxy = FaultProxy::start(&format!("http://{}", fake.plain_address())).await;
    let front = TlsFront::start(HOST, proxy.address()).await.unwrap();
    for key in ["main", "other"] {
        fake.vault().create(key).unwrap();
    }
    let open = async |key: &str, rights| {
        let options = AzureOptions::default()
            .credential(Arc::new(Holder(rights)))
            .trust_only(front.ca_pem())
            .address(front.address());
        Arc::new(AzureKms::open_with(&uri(key), options).await.unwrap()) as Arc<dyn KmsProvider>
    };
    let (kms, other) = (open("main", rights).await, open("other", rights).await);
    let may_all = open("main", ALL).await;
    let admin = Box::new(Vault { fake, _front: front });
    (Server { proxy, kms, other, words: words(), admin }, may_all)
}

fn words() -> Words {
    let another = || {
        let kid = format!("https://{HOST}/keys/main/{}", "0".repeat(32));
        Fault::json("/kid", json!(kid))
    };
    Words {
        unwrap: "/unwrapkey",
        wrap: "/wrapkey",
        throttled: Fault::status(429, r#"{"error":{"code":"Throttled"}}"#),
        data_key_of: |len| {
            Fault::json("/value", json!(Base64UrlUnpadded::encode_string(&vec![7; len])))
        },
        wrapped_by_another: another(),
        unwrapped_by_another: Some(another()),
        foreign: vec![
            format!("azure-kv://other.vault.azure.net/keys/main/{}", "0".repeat(32)),
            format!("azure-kv://{HOST}/keys/others/{}", "0".repeat(32)),
        ],
    }
}

struct Vault {
    fake: FakeKeyVault,
    _front: TlsFront,
}

#[async_trait]
impl Admin for Vault {
    async fn disable(&self) {
        self.fake.vault().set_state("main", State::Disabled);
    }

    async fn delete(&self) {
        self.fake.vault().delete("main");
    }
}

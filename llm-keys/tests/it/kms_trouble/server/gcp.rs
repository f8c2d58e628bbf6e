//! Google Cloud KMS: the fake that Google's client judges.

use std::sync::Arc;

use async_trait::async_trait;
use base64ct::{Base64, Encoding as _};
use llm_keys::kms::KmsProvider;
use llm_keys::kms::gcp::{GcpKms, GcpOptions};
use serde_json::{Value, json};
use testkit::gcp::{FakeGcpKms, State};

use super::{Admin, Server, Words};
use crate::fault_proxy::{Fault, FaultProxy};

const KEY: &str = "projects/p-1/locations/europe-west1/keyRings/llm-keys/cryptoKeys/data";
const OTHER: &str = "projects/p-1/locations/europe-west1/keyRings/llm-keys/cryptoKeys/other";

pub(in crate::kms_trouble) async fn start() -> Server {
    let fake = FakeGcpKms::start(0).await.unwrap();
    let proxy = FaultProxy::start(&fake.endpoint()).await;
    let [kms, other] = [KEY, OTHER].map(|key| {
        fake.add_key(key);
        let options = GcpOptions::default().with_endpoint(proxy.url());
        let kms = GcpKms::open(&format!("gcp-kms://{key}"), options).unwrap();
        Arc::new(kms) as Arc<dyn KmsProvider>
    });
    Server { proxy, kms, other, words: words(), admin: Box::new(fake) }
}

fn words() -> Words {
    Words {
        unwrap: ":decrypt HTTP",
        wrap: ":encrypt HTTP",
        throttled: refusal(429, "RESOURCE_EXHAUSTED"),
        data_key_of: |len| {
            Fault::rewrite(move |body| {
                let mut json: Value = serde_json::from_slice(body).unwrap();
                let bytes = vec![7; len];
                json["plaintext"] = json!(Base64::encode_string(&bytes));
                json["plaintextCrc32c"] = json!(crc32c::crc32c(&bytes).to_string());
                json.to_string().into_bytes()
            })
        },
        wrapped_by_another: Fault::json("/name", json!(format!("{OTHER}/cryptoKeyVersions/1"))),
        // An answer to `decrypt` names no key.
        unwrapped_by_another: None,
        foreign: vec![
            format!("gcp-kms://{}", KEY.replace("p-1", "p-2")),
            format!("gcp-kms://{KEY}s"),
        ],
    }
}

/// A refusal as Google writes it.
pub(in crate::kms_trouble) fn refusal(code: u16, status: &str) -> Fault {
    Fault::status(code, &json!({ "error": { "code": code, "status": status } }).to_string())
}

#[async_trait]
impl Admin for FakeGcpKms {
    async fn disable(&self) {
        self.set_state(KEY, 1, State::Disabled);
    }

    async fn delete(&self) {
        self.set_state(KEY, 1, State::DestroyScheduled);
    }
}

//! Google Cloud KMS, as our fake has it, and the HTTP call.

use std::hint::black_box;

use base64ct::{Base64, Encoding as _};
use criterion::Criterion;
use llm_keys::kms::gcp::{GcpKms, GcpOptions};
use reqwest::Client;
use testkit::gcp::FakeGcpKms;
use tokio::runtime::Runtime;

use super::bed::Bed;
use super::pair::{elsewhere, pair};

pub(crate) fn cold_get(c: &mut Criterion) {
    let server = elsewhere();
    pair(c, "cold_get_gcp_fake", async || open(&server).await, bare);
}

struct Cloud {
    http: Client,
    decrypt: String,
    _fake: FakeGcpKms,
}

async fn open(server: &Runtime) -> (Bed, Cloud) {
    let fake = server.spawn(FakeGcpKms::start(0)).await.unwrap().unwrap();
    fake.add_key(KEY);
    let options = GcpOptions::default().with_endpoint(fake.endpoint());
    let bed = Bed::new(GcpKms::open(&format!("gcp-kms://{KEY}"), options).unwrap()).await;
    // As the provider has it.
    let http = Client::builder().no_proxy().retry(reqwest::retry::never()).build().unwrap();
    (bed, Cloud { http, decrypt: format!("{}/v1/{KEY}:decrypt", fake.endpoint()), _fake: fake })
}

async fn bare(bed: &Bed, cloud: &Cloud) {
    let (blob, context) = (&bed.wrapped.blob, bed.context.canonical_bytes());
    let body = serde_json::json!({
        "ciphertext": Base64::encode_string(blob),
        "ciphertextCrc32c": crc32c::crc32c(blob).to_string(),
        "additionalAuthenticatedData": Base64::encode_string(context),
        "additionalAuthenticatedDataCrc32c": crc32c::crc32c(context).to_string(),
    });
    let answer = cloud.http.post(&cloud.decrypt).json(&body).send().await.unwrap();
    black_box(answer.error_for_status().unwrap().bytes().await.unwrap());
}

const KEY: &str = "projects/p-1/locations/europe-west1/keyRings/r/cryptoKeys/k";

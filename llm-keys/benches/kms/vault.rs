//! Vault's Transit, as OpenBao has it, and the HTTP call.

use std::hint::black_box;

use base64ct::{Base64, Encoding as _};
use criterion::Criterion;
use llm_keys::SecretBytes;
use llm_keys::kms::vault::{VaultKms, VaultOptions};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;

use super::bed::Bed;
use super::pair::pair;
use super::variable;

pub(crate) fn cold_get(c: &mut Criterion) {
    pair(c, "cold_get_vault", open, bare);
}

struct Transit {
    http: Client,
    token: String,
    decrypt: String,
}

async fn open() -> (Bed, Transit) {
    let address = variable("LLM_KEYS_TEST_OPENBAO");
    let token = variable("LLM_KEYS_TEST_OPENBAO_TOKEN");
    // As the provider has it.
    let http = Client::builder().no_proxy().retry(reqwest::retry::never()).build().unwrap();
    let mount = format!("bench-{}", uuid::Uuid::new_v4().simple());
    for (path, body) in [
        (format!("sys/mounts/{mount}"), r#"{"type":"transit"}"#),
        (format!("{mount}/keys/k"), "{}"),
    ] {
        let request = http.post(format!("{address}/v1/{path}")).header("x-vault-token", &token);
        request.body(body).send().await.unwrap().error_for_status().unwrap();
    }
    let (_, host) = address.split_once("://").unwrap();
    let uri = format!("vault://{host}/{mount}/k?tls=off");
    let options = VaultOptions::new().token(SecretBytes::new(token.clone().into_bytes()));
    let bed = Bed::new(VaultKms::open(&uri, options).await.unwrap()).await;
    (bed, Transit { http, token, decrypt: format!("{address}/v1/{mount}/decrypt/k") })
}

async fn bare(bed: &Bed, transit: &Transit) {
    let blob = std::str::from_utf8(&bed.wrapped.blob).unwrap();
    let context = Base64::encode_string(bed.context.canonical_bytes());
    let body = format!(r#"{{"ciphertext":"{blob}","associated_data":"{context}"}}"#);
    let request = transit
        .http
        .post(&transit.decrypt)
        .header("x-vault-request", "true")
        .header("x-vault-token", &transit.token)
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    let answer = request.send().await.unwrap().error_for_status().unwrap();
    black_box(answer.bytes().await.unwrap());
}

//! Azure Key Vault, as our fake has it, and the HTTPS call.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use criterion::Criterion;
use llm_keys::kms::azure::{AzureKms, AzureOptions};
use reqwest::{Certificate, Client};
use testkit::azure::FakeKeyVault;
use tokio::runtime::Runtime;

use super::bed::Bed;
use super::pair::{elsewhere, pair};

pub(crate) fn cold_get(c: &mut Criterion) {
    let server = elsewhere();
    pair(c, "cold_get_azure_fake", async || open(&server).await, bare);
}

struct Vault {
    http: Client,
    unwrap: String,
    _fake: FakeKeyVault,
}

async fn open(server: &Runtime) -> (Bed, Vault) {
    let fake = server.spawn(FakeKeyVault::start(HOST)).await.unwrap().unwrap();
    fake.vault().create("k").unwrap();
    let options = AzureOptions::default()
        .credential(Arc::new(Holder))
        .trust_only(fake.ca_pem())
        .address(fake.address());
    let kms = AzureKms::open_with(&format!("azure-kv://{HOST}/keys/k"), options).await.unwrap();
    let bed = Bed::new(kms).await;
    // As the provider has it.
    let certificates = Certificate::from_pem_bundle(fake.ca_pem().as_bytes()).unwrap();
    let http = Client::builder()
        .resolve(HOST, fake.address())
        .tls_certs_only(certificates)
        .retry(reqwest::retry::never())
        .build()
        .unwrap();
    let (_, version) = bed.wrapped.uri.as_str().rsplit_once('/').unwrap();
    let unwrap = format!("https://{HOST}/keys/k/{version}/unwrapkey?api-version=2025-07-01");
    (bed, Vault { http, unwrap, _fake: fake })
}

async fn bare(bed: &Bed, vault: &Vault) {
    let value = Base64UrlUnpadded::encode_string(&bed.wrapped.blob);
    let body = serde_json::json!({ "alg": "RSA-OAEP-256", "value": value });
    let request = vault.http.post(&vault.unwrap).bearer_auth(RIGHTS).json(&body);
    let answer = request.send().await.unwrap().error_for_status().unwrap();
    black_box(answer.bytes().await.unwrap());
}

/// A credential that has its token already.
#[derive(Debug)]
struct Holder;

#[async_trait::async_trait]
impl TokenCredential for Holder {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let end = SystemTime::now() + Duration::from_secs(3600);
        Ok(AccessToken::new(RIGHTS, end.into()))
    }
}

const HOST: &str = "fake.vault.azure.net";
/// What the fake reads from a token.
const RIGHTS: &str = "get-wrapkey-unwrapkey";

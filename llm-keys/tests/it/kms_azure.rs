//! Azure Key Vault, against the fake that Microsoft's own client judges.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use llm_keys::error::KmsFault;
use llm_keys::kms::azure::{AzureKms, AzureOptions};
use llm_keys::kms::{KmsContext, KmsProvider as _, WrappedKey};
use llm_keys::{DataKey, EncryptionContext, Error, ErrorKind, KeyId, Version};
use testkit::azure::FakeKeyVault;
use uuid::Uuid;

mod answers;
mod conformance;
mod judge;
mod lab;
mod manager;
mod open;
mod versions;

pub(crate) const HOST: &str = "fake.vault.azure.net";
/// The fake reads from a token what its holder may do.
pub(crate) const ALL: &str = "get-wrapkey-unwrapkey";

/// A credential that gives one token for Key Vault, and none for anything else.
#[derive(Debug)]
pub(crate) struct Holder(pub(crate) &'static str);

#[async_trait::async_trait]
impl TokenCredential for Holder {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://vault.azure.net/.default"]);
        #[expect(clippy::disallowed_methods, reason = "the SDK compares with the real time")]
        let end = SystemTime::now() + Duration::from_secs(3600);
        Ok(AccessToken::new(self.0, end.into()))
    }
}

async fn fake(keys: &[&str]) -> FakeKeyVault {
    let fake = FakeKeyVault::start(HOST).await.unwrap();
    for key in keys {
        fake.vault().create(key).unwrap();
    }
    fake
}

fn options(fake: &FakeKeyVault, rights: &'static str) -> AzureOptions {
    AzureOptions::default()
        .credential(Arc::new(Holder(rights)))
        .trust_only(fake.ca_pem())
        .address(fake.address())
}

pub(crate) fn uri(name: &str) -> String {
    format!("azure-kv://{HOST}/keys/{name}")
}

async fn open(fake: &FakeKeyVault, name: &str) -> Result<AzureKms, Error> {
    AzureKms::open_with(&uri(name), options(fake, ALL)).await
}

fn context() -> EncryptionContext {
    let id = KeyId::user("alice", "openai").unwrap();
    EncryptionContext::of_key(&id, Uuid::from_u128(1), Version::FIRST)
}

async fn wrap(kms: &AzureKms, key: &DataKey) -> Result<WrappedKey, Error> {
    kms.wrap_key(key, KmsContext { context: &context(), readable: false }).await
}

async fn unwrap(kms: &AzureKms, wrapped: &WrappedKey) -> Result<DataKey, Error> {
    kms.unwrap_key(wrapped, KmsContext { context: &context(), readable: false }).await
}

fn data_key() -> DataKey {
    DataKey::copy_from(b"canary-data-key-8f2c6e1b9d4a7053")
}

fn same(a: &DataKey, b: &DataKey) -> bool {
    a.expose(|a| b.expose(|b| a == b))
}

fn fault<T>(result: Result<T, Error>) -> KmsFault {
    match result.map(drop).unwrap_err().kind() {
        ErrorKind::Kms(fault) => fault,
        other => panic!("{other} is no failure of a KMS"),
    }
}

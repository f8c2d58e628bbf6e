//! `VaultKms` on real OpenBao servers; only what no server does on demand is played by a fake.
//!
//! `cargo xtask test` starts the servers and sets the variables that `server.rs` reads.

mod conformance;
mod fake;
mod keys;
mod lab;
pub(crate) mod logins;
mod own;
mod refusals;
pub(crate) mod server;
mod tls;
mod tokens;
mod wire;

use std::time::Duration;

use llm_keys::kms::vault::{VaultKms, VaultOptions};
use llm_keys::kms::{KmsContext, KmsProvider as _, WrappedKey};
use llm_keys::{
    DataKey, EncryptionContext, ErrorKind, KeyId, Result, SecretBytes, SystemRandom, Version,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

fn context(user: &str) -> EncryptionContext {
    EncryptionContext::of_key(&KeyId::user(user, "openai").unwrap(), Uuid::nil(), Version::FIRST)
}

fn hashed(context: &EncryptionContext) -> KmsContext<'_> {
    KmsContext { context, readable: false }
}

async fn generate(kms: &VaultKms) -> Result<(DataKey, WrappedKey)> {
    kms.generate_data_key(hashed(&context("alice")), &SystemRandom).await
}

async fn unwrap(kms: &VaultKms, wrapped: &WrappedKey) -> Result<DataKey> {
    kms.unwrap_key(wrapped, hashed(&context("alice"))).await
}

fn same(a: &DataKey, b: &DataKey) -> bool {
    a.expose(|a| b.expose(|b| a == b))
}

pub(crate) fn token(text: &str) -> VaultOptions {
    VaultOptions::new().token(SecretBytes::copy_from(text.as_bytes()))
}

/// The code and the hint.
fn said<T>(result: Result<T>) -> (&'static str, String) {
    let error = result.map(drop).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Kms(_)), "{error:?}");
    (error.kind().code(), error.hint().unwrap_or_default().to_owned())
}

/// Asks until the answer is yes, for a time that no machine is too busy for.
async fn until(mut done: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !done().await {
        assert!(Instant::now() < end, "it does not come to that");
        sleep(Duration::from_millis(20)).await;
    }
}

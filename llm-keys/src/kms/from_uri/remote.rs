//! The KMS backends that are built in, by the scheme of their URI; each behind the guard.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::super::{GuardOptions, Guarded, KmsProvider};
use super::standin::StandIn;
use crate::error::Result;

type Opening = BoxFuture<'static, Result<Arc<dyn KmsProvider>>>;

/// The scheme that keys of the KMS of `text` have; `None` if no backend of this build knows it.
pub(super) fn scheme_of(text: &str) -> Option<&'static str> {
    // AWS has names of its own for its keys.
    let aws = text.starts_with("arn:") || text.starts_with("alias/");
    let scheme = if aws { "aws-kms" } else { text.split(':').next().unwrap_or_default() };
    SCHEMES.iter().find(|known| **known == scheme).copied()
}

/// The provider of `text`, which has `scheme`. Fails at once if the KMS is out.
pub(super) async fn open(
    scheme: &'static str,
    text: &str,
    guard: GuardOptions,
) -> Result<Arc<dyn KmsProvider>> {
    let kms = opening(scheme, text.to_owned()).await?;
    Ok(Arc::new(Guarded::new(kms, guard)))
}

/// The same, but a KMS that is out is opened when it is used.
pub(super) async fn open_or_stand_in(
    scheme: &'static str,
    text: &str,
    guard: GuardOptions,
) -> Result<Arc<dyn KmsProvider>> {
    match timeout(guard.deadline, opening(scheme, text.to_owned())).await {
        Ok(Ok(kms)) => return Ok(Arc::new(Guarded::new(kms, guard))),
        // A refusal does not pass by itself: it is told at once.
        Ok(Err(error)) if !error.is_retryable() => return Err(error),
        Ok(Err(error)) => {
            tracing::warn!(scheme, ?error, "a KMS is out; it is tried again when it is needed");
        }
        Err(_) => {
            tracing::warn!(scheme, "a KMS gave no answer; it is tried again when it is needed");
        }
    }
    let text = text.to_owned();
    let stand_in = StandIn::new(scheme, Box::new(move || opening(scheme, text.clone())))?;
    Ok(Arc::new(Guarded::new(stand_in, guard)))
}

fn opening(scheme: &'static str, text: String) -> Opening {
    Box::pin(async move {
        let kms: Arc<dyn KmsProvider> = match scheme {
            #[cfg(feature = "kms-aws")]
            "aws-kms" => Arc::new(super::super::aws::AwsKms::open(&text).await?),
            #[cfg(feature = "kms-azure")]
            "azure-kv" => Arc::new(super::super::azure::AzureKms::open(&text).await?),
            #[cfg(feature = "kms-gcp")]
            "gcp-kms" => {
                use super::super::gcp::{GcpKms, GcpOptions};
                Arc::new(GcpKms::open(&text, GcpOptions::default())?)
            }
            #[cfg(feature = "kms-pkcs11")]
            "pkcs11" => Arc::new(super::super::pkcs11::Pkcs11Kms::open(&text).await?),
            #[cfg(feature = "kms-vault")]
            "vault" => {
                use super::super::vault::{VaultKms, VaultOptions};
                Arc::new(VaultKms::open(&text, VaultOptions::from_env()).await?)
            }
            _ => {
                let _ = text;
                return Err(super::unknown(scheme));
            }
        };
        Ok(kms)
    })
}

const SCHEMES: &[&str] = &[
    #[cfg(feature = "kms-aws")]
    "aws-kms",
    #[cfg(feature = "kms-azure")]
    "azure-kv",
    #[cfg(feature = "kms-gcp")]
    "gcp-kms",
    #[cfg(feature = "kms-pkcs11")]
    "pkcs11",
    #[cfg(feature = "kms-vault")]
    "vault",
];

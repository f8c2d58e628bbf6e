//! The KMS backends that are built in, by the scheme of their URI; each behind the guard.

use std::sync::Arc;

use super::super::{GuardOptions, Guarded, KmsProvider};
use crate::error::Result;

/// The provider of `text`; `None` if no backend of this build knows its scheme.
pub(super) async fn open(text: &str, guard: GuardOptions) -> Result<Option<Arc<dyn KmsProvider>>> {
    let scheme = text.split(':').next().unwrap_or_default();
    match scheme {
        #[cfg(feature = "kms-aws")]
        "aws-kms" | "arn" => guarded(super::super::aws::AwsKms::open(text).await?, guard),
        #[cfg(feature = "kms-aws")]
        alias if alias.starts_with("alias/") => {
            guarded(super::super::aws::AwsKms::open(text).await?, guard)
        }
        #[cfg(feature = "kms-azure")]
        "azure-kv" => guarded(super::super::azure::AzureKms::open(text).await?, guard),
        #[cfg(feature = "kms-gcp")]
        "gcp-kms" => {
            use super::super::gcp::{GcpKms, GcpOptions};
            guarded(GcpKms::open(text, GcpOptions::default())?, guard)
        }
        #[cfg(feature = "kms-pkcs11")]
        "pkcs11" => guarded(super::super::pkcs11::Pkcs11Kms::open(text).await?, guard),
        #[cfg(feature = "kms-vault")]
        "vault" => {
            use super::super::vault::{VaultKms, VaultOptions};
            guarded(VaultKms::open(text, VaultOptions::from_env()).await?, guard)
        }
        _ => {
            let _ = guard;
            Ok(None)
        }
    }
}

#[cfg_attr(
    not(any(
        feature = "kms-aws",
        feature = "kms-azure",
        feature = "kms-gcp",
        feature = "kms-pkcs11",
        feature = "kms-vault"
    )),
    expect(dead_code, reason = "built with what backends share, and without a backend")
)]
#[expect(clippy::unnecessary_wraps, reason = "it ends every arm of the match above")]
fn guarded(
    kms: impl KmsProvider + 'static,
    guard: GuardOptions,
) -> Result<Option<Arc<dyn KmsProvider>>> {
    Ok(Some(Arc::new(Guarded::new(kms, guard))))
}

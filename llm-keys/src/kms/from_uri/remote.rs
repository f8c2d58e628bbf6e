//! The KMS backends that are built in, by the scheme of their URI; each behind the guard.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::super::guarded::open_in_time;
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

/// The provider of `text`, which has `scheme`. Fails if the KMS is out, or does not say within the
/// deadline that it is there.
pub(super) async fn open(
    scheme: &'static str,
    text: &str,
    guard: GuardOptions,
) -> Result<Arc<dyn KmsProvider>> {
    let kms = open_in_time(guard, opening(scheme, text.to_owned())).await?;
    Ok(Arc::new(Guarded::new(kms, guard)))
}

/// The same, but a KMS that is out is opened when it is used.
pub(super) async fn open_or_stand_in(
    scheme: &'static str,
    text: &str,
    guard: GuardOptions,
) -> Result<Arc<dyn KmsProvider>> {
    match open_in_time(guard, opening(scheme, text.to_owned())).await {
        Ok(kms) => return Ok(Arc::new(Guarded::new(kms, guard))),
        // A refusal does not pass by itself: it is told at once.
        Err(error) if !error.is_retryable() => return Err(error),
        Err(error) => {
            tracing::warn!(scheme, ?error, "a KMS is out; it is tried again when it is needed");
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::{Error, ErrorKind, KmsFault};

    #[tokio::test(start_paused = true)]
    async fn opening_ends_with_the_deadline() {
        let guard = GuardOptions::default();
        let start = tokio::time::Instant::now();
        let opened = open_in_time(guard, std::future::pending::<Result<()>>()).await;
        let error = opened.unwrap_err();
        assert_eq!(start.elapsed(), guard.deadline);
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Unavailable));
        assert!(error.hint().unwrap().contains("network"), "{error:?}");
    }

    #[tokio::test]
    async fn an_outage_at_opening_has_advice() {
        let down = Error::new(ErrorKind::Kms(KmsFault::Unavailable), "kms.open", "it is out");
        let failing = async { Err::<(), _>(down) };
        let error = open_in_time(GuardOptions::default(), failing).await.unwrap_err();
        assert!(error.hint().unwrap().contains("kms check"), "{error:?}");
        let quick = async { Ok(Duration::ZERO) };
        assert_eq!(open_in_time(GuardOptions::default(), quick).await.unwrap(), Duration::ZERO);
    }
}

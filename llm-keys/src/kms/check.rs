//! The round trip by which every backend finds out whether its KMS works, and the question that
//! only a key to read with is asked.

use uuid::Uuid;

#[cfg(feature = "kms-remote")]
use super::WrappedKey;
use super::{KmsContext, KmsHealth, KmsProvider};
use crate::clock::{Clock as _, SystemClock};
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::model::{SystemName, Tenant, Version};
use crate::random::SystemRandom;

/// Lets `kms` make a data key and unwrap it again, for a context that no record has.
///
/// # Errors
/// As the two calls; `Kms(BadAnswer)` if another data key comes back.
pub(super) async fn round_trip(kms: &dyn KmsProvider) -> Result<KmsHealth> {
    let context = nobodys_context()?;
    let context = KmsContext { context: &context, readable: false };
    let clock = SystemClock::new();
    let (key, wrapped) = kms.generate_data_key(context, &SystemRandom).await?;
    let again = kms.unwrap_key(&wrapped, context).await?;
    if !key.expose(|key| again.expose(|again| key == again)) {
        let what = "the KMS unwrapped another data key than it wrapped";
        return Err(Error::new(ErrorKind::Kms(KmsFault::BadAnswer), "kms.check", what));
    }
    Ok(KmsHealth::new(kms.uri().clone(), clock.monotonic()))
}

/// Lets `kms` unwrap `nonsense`, which must have the form of its blobs, or it is not even sent. That
/// it says no to these bytes shows that it would have said yes to others.
///
/// # Errors
/// As the call; `Kms(BadAnswer)` if a data key comes back.
#[cfg(feature = "kms-remote")]
pub(super) async fn reading(kms: &dyn KmsProvider, nonsense: &[u8]) -> Result<KmsHealth> {
    let context = nobodys_context()?;
    let context = KmsContext { context: &context, readable: false };
    let wrapped = WrappedKey { uri: kms.uri().clone(), blob: nonsense.to_vec() };
    let clock = SystemClock::new();
    match kms.unwrap_key(&wrapped, context).await.map_err(|error| (error.kind(), error)) {
        Err((ErrorKind::Kms(KmsFault::ContextMismatch | KmsFault::WrongKey), _)) => {
            Ok(KmsHealth::new(kms.uri().clone(), clock.monotonic()))
        }
        Err((_, error)) => Err(error),
        Ok(_) => {
            let what = "the KMS unwrapped what nobody has wrapped";
            Err(Error::new(ErrorKind::Kms(KmsFault::BadAnswer), "kms.check", what))
        }
    }
}

fn nobodys_context() -> Result<EncryptionContext> {
    let (tenant, name) = (Tenant::default(), SystemName::new("check")?);
    Ok(EncryptionContext::of_system(&tenant, &name, Uuid::nil(), Version::FIRST))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::kms::local::LocalKms;
    use crate::kms::{KeyUri, KmsCapabilities, WrappedKey};
    use crate::secret::DataKey;

    /// Unwraps everything to some data key.
    #[derive(Debug)]
    struct Careless(LocalKms);

    #[async_trait]
    impl KmsProvider for Careless {
        fn uri(&self) -> &KeyUri {
            self.0.uri()
        }

        fn capabilities(&self) -> KmsCapabilities {
            self.0.capabilities()
        }

        async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
            self.0.wrap_key(key, context).await
        }

        async fn unwrap_key(&self, _: &WrappedKey, _: KmsContext<'_>) -> Result<DataKey> {
            DataKey::generate(&SystemRandom)
        }

        async fn check(&self) -> Result<KmsHealth> {
            round_trip(self).await
        }
    }

    #[cfg(feature = "kms-remote")]
    #[tokio::test]
    async fn a_kms_that_unwraps_nonsense_is_a_bad_answer() {
        let kms = LocalKms::ephemeral().unwrap();
        assert_eq!(reading(&kms, &[1; 93]).await.unwrap().uri, *kms.uri());
        let error = reading(&Careless(kms), &[1; 93]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::BadAnswer));
    }

    #[tokio::test]
    async fn another_data_key_is_a_bad_answer() {
        let kms = LocalKms::ephemeral().unwrap();
        assert_eq!(round_trip(&kms).await.unwrap().uri, *kms.uri());
        let error = Careless(kms).check().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::BadAnswer));
    }
}

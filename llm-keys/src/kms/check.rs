//! The round trip by which every backend finds out whether its KMS works.

use uuid::Uuid;

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
    let (tenant, name) = (Tenant::default(), SystemName::new("check")?);
    let context = EncryptionContext::of_system(&tenant, &name, Uuid::nil(), Version::FIRST);
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

//! Key management services: what wraps and unwraps data keys.
//!
//! [`KmsProvider`] is what a backend implements; [`KmsSet`] is what the manager holds. A backend of
//! your own needs this trait, a `kms_conformance!` test, and no change to the envelope format.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::context::EncryptionContext;
use crate::error::Result;
use crate::random::Random;
use crate::secret::DataKey;

pub use self::from_uri::{FromUri, from_uri};
#[cfg(feature = "kms-remote")]
pub use self::guarded::{GuardOptions, Guarded};
pub use self::pins::Pins;
pub(crate) use self::set::Attempts;
pub use self::set::{Generated, KmsSet};
pub use self::uri::KeyUri;

#[cfg(feature = "kms-aws")]
pub mod aws;
#[cfg(feature = "kms-azure")]
pub mod azure;
mod check;
mod from_uri;
#[cfg(feature = "kms-gcp")]
pub mod gcp;
#[cfg(feature = "kms-remote")]
mod guarded;
pub mod local;
mod pins;
#[cfg(feature = "kms-pkcs11")]
pub mod pkcs11;
mod set;
mod uri;
#[cfg(feature = "kms-vault")]
pub mod vault;

/// A data key as a KMS wrapped it: safe to store anywhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WrappedKey {
    /// The KMS key that wrapped it, resolved (an alias is not enough): at most 512 bytes.
    pub uri: KeyUri,
    /// The KMS's own bytes: 1 to 4096.
    pub blob: Vec<u8>,
}

impl WrappedKey {
    /// The longest blob an envelope takes, in bytes.
    pub const MAX_BLOB: usize = 4096;
}

/// What a data key is wrapped for.
#[derive(Clone, Copy, Debug)]
pub struct KmsContext<'a> {
    /// What the envelope belongs to.
    pub context: &'a EncryptionContext,
    /// Whether owner id and name go to the KMS in clear, too; written in the envelope, so that
    /// changing the option never makes an old envelope unreadable.
    pub readable: bool,
}

impl KmsContext<'_> {
    /// The pairs to hand to a KMS that takes pairs.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        self.context.kms_pairs(self.readable)
    }

    /// One byte string to hand to a KMS that takes associated data: all pairs are under it.
    pub fn associated_data(&self) -> &[u8] {
        self.context.canonical_bytes()
    }
}

/// What a backend can and cannot do; the conformance suite asks here, never for a backend's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KmsCapabilities {
    /// The KMS itself refuses to unwrap under another context. Where it cannot, the envelope's
    /// context hash and header MAC still do.
    pub binds_context: bool,
    /// A damaged blob is told apart from one that another key wrapped.
    pub detects_wrong_key: bool,
}

impl KmsCapabilities {
    /// A backend that does everything.
    pub const FULL: Self = Self { binds_context: true, detects_wrong_key: true };

    /// The same without a bound context.
    #[must_use]
    pub fn without_context(mut self) -> Self {
        self.binds_context = false;
        self
    }

    /// The same without telling a wrong key from a damaged blob.
    #[must_use]
    pub fn without_wrong_key(mut self) -> Self {
        self.detects_wrong_key = false;
        self
    }
}

/// What [`KmsProvider::check`] or [`KmsProvider::check_reading`] found.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct KmsHealth {
    /// Under which key new data keys are wrapped.
    pub uri: KeyUri,
    /// How long a wrap and an unwrap took together; of `check_reading`, how long its call took.
    pub round_trip: Duration,
}

impl KmsHealth {
    /// A KMS that works.
    pub fn new(uri: KeyUri, round_trip: Duration) -> Self {
        Self { uri, round_trip }
    }
}

/// A key management service, holding one KEK for writing and maybe older ones for reading.
///
/// | # | Rule | Checked by |
/// |---|------|------------|
/// | 1 | What was wrapped unwraps to the same bytes under the same context | `testing::kms::round_trip` |
/// | 2 | `wrap_key` names its [`uri`](Self::uri) in the result, and [`accepts`](Self::accepts) it | `testing::kms::wrapped_names_the_key` |
/// | 3 | Another, a missing or an extra context is refused (capability `binds_context`) | `testing::kms::other_context_is_refused` |
/// | 4 | A changed, cut or extended blob is refused, and no plaintext comes out | `testing::kms::damaged_blob_is_refused` |
/// | 5 | A blob of another key is `Kms(WrongKey)` (capability `detects_wrong_key`), without a network call if the URI says so | `testing::kms::foreign_key_is_wrong_key` |
/// | 6 | Two wraps of one data key differ | `testing::kms::wraps_differ` |
/// | 7 | A blob is at most 4096 bytes, a URI at most 512 | `testing::kms::sizes_fit_the_envelope` |
/// | 8 | A hundred calls at once all succeed | `testing::kms::many_at_once` |
/// | 9 | A dropped call leaves nothing behind that hurts the next | `testing::kms::a_dropped_call_hurts_nobody` |
/// | 10 | [`check`](Self::check) succeeds where the rules above hold | `testing::kms::check_succeeds` |
/// | 11 | No error holds a plaintext key | `testing::kms::errors_hold_no_key` |
#[async_trait]
pub trait KmsProvider: fmt::Debug + Send + Sync {
    /// The key that new data keys are wrapped under, resolved.
    fn uri(&self) -> &KeyUri;

    /// Whether this provider may be asked to unwrap `wrapped`. Decides by the URI, without I/O: an
    /// envelope that names a key nobody configured causes no call.
    fn accepts(&self, wrapped: &WrappedKey) -> bool {
        wrapped.uri == *self.uri()
    }

    /// What this backend can do.
    fn capabilities(&self) -> KmsCapabilities;

    /// A fresh data key and its wrapped form. The default draws the key from `random` and wraps
    /// it; a KMS that makes data keys itself saves the caller nothing but may be required.
    async fn generate_data_key(
        &self,
        context: KmsContext<'_>,
        random: &dyn Random,
    ) -> Result<(DataKey, WrappedKey)> {
        let key = DataKey::generate(random)?;
        let wrapped = self.wrap_key(&key, context).await?;
        Ok((key, wrapped))
    }

    /// Wraps `key` for `context`.
    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey>;

    /// Unwraps `wrapped`, which must have been wrapped for the same context.
    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey>;

    /// Whether the KMS answers, permits and works: one wrap and one unwrap.
    async fn check(&self) -> Result<KmsHealth>;

    /// Whether the KMS answers, and permits to unwrap, without wrapping anything: for a key that is
    /// only read with, which may not wrap any more. A backend asks its KMS to unwrap nonsense and
    /// takes "this is no blob of mine" as good news.
    ///
    /// The default is [`check`](Self::check), which is right where whoever reads may also write.
    async fn check_reading(&self) -> Result<KmsHealth> {
        self.check().await
    }

    /// The full name of the alias that [`uri`](Self::uri) was found by, if it was found by one: an
    /// alias may mean another key tomorrow, so the manager keeps a record of those that it meant.
    fn alias(&self) -> Option<&str> {
        None
    }

    /// A provider with the same service and credentials that reads with `key`, and only with that;
    /// `None` if this backend has no such thing, or `key` is of another kind of KMS. No I/O.
    ///
    /// # Errors
    /// What the backend says of a key that is its own kind and that it cannot use.
    fn for_key(&self, _key: &KeyUri) -> Result<Option<Arc<dyn KmsProvider>>> {
        Ok(None)
    }

    /// Whether `key` belongs to whom [`uri`](Self::uri) belongs to: the same account and region.
    /// Weaker than [`accepts`](Self::accepts): for opening the record of what an alias has meant
    /// after the alias has moved, and for nothing else.
    fn is_sibling(&self, _key: &KeyUri) -> bool {
        false
    }
}

/// A shared provider is a provider.
#[deny(clippy::missing_trait_methods)] // A forgotten method would silently use the default.
#[async_trait]
impl<P: KmsProvider + ?Sized> KmsProvider for Arc<P> {
    fn uri(&self) -> &KeyUri {
        (**self).uri()
    }

    fn accepts(&self, wrapped: &WrappedKey) -> bool {
        (**self).accepts(wrapped)
    }

    fn capabilities(&self) -> KmsCapabilities {
        (**self).capabilities()
    }

    async fn generate_data_key(
        &self,
        context: KmsContext<'_>,
        random: &dyn Random,
    ) -> Result<(DataKey, WrappedKey)> {
        (**self).generate_data_key(context, random).await
    }

    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        (**self).wrap_key(key, context).await
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        (**self).unwrap_key(wrapped, context).await
    }

    async fn check(&self) -> Result<KmsHealth> {
        (**self).check().await
    }

    async fn check_reading(&self) -> Result<KmsHealth> {
        (**self).check_reading().await
    }

    fn alias(&self) -> Option<&str> {
        (**self).alias()
    }

    fn for_key(&self, key: &KeyUri) -> Result<Option<Arc<dyn KmsProvider>>> {
        (**self).for_key(key)
    }

    fn is_sibling(&self, key: &KeyUri) -> bool {
        (**self).is_sibling(key)
    }
}

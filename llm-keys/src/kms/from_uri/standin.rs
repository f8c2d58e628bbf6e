//! A KMS that was out when it was to be opened: it is opened when it is used.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::kms::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey};
use crate::random::Random;
use crate::secret::DataKey;

/// Opens the KMS; may be asked again and again.
type Open = dyn Fn() -> BoxFuture<'static, Result<Arc<dyn KmsProvider>>> + Send + Sync;

/// Stands in for a KMS until it can be opened, and is that KMS from then on. Each use until then is
/// one attempt to open it, which all who wait at the time share; its error is theirs.
///
/// Meanwhile it accepts whatever has its scheme. Once it is open it accepts what the real one does,
/// so that a copy of somebody else's key is refused without a call that unwraps it.
pub(super) struct StandIn {
    placeholder: KeyUri,
    open: Box<Open>,
    opened: OnceLock<Arc<dyn KmsProvider>>,
    /// Held by who opens it now; how the last attempt failed.
    attempt: Mutex<Option<Error>>,
    /// How many attempts failed: who sees that change while waiting has waited for a failure.
    failures: AtomicU64,
}

impl StandIn {
    /// Stands in for a KMS whose keys have `scheme`.
    pub(super) fn new(scheme: &str, open: Box<Open>) -> Result<Self> {
        Ok(Self {
            placeholder: KeyUri::unopened(scheme)?,
            open,
            opened: OnceLock::new(),
            attempt: Mutex::new(None),
            failures: AtomicU64::new(0),
        })
    }

    /// The KMS itself. If the caller goes away, the next one opens it anew.
    async fn kms(&self) -> Result<&Arc<dyn KmsProvider>> {
        if let Some(kms) = self.opened.get() {
            return Ok(kms);
        }
        let seen = self.failures.load(SeqCst);
        let mut failed = self.attempt.lock().await;
        if let Some(kms) = self.opened.get() {
            return Ok(kms);
        }
        if let Some(error) = &*failed
            && self.failures.load(SeqCst) != seen
        {
            return Err(error.clone());
        }
        match (self.open)().await {
            Ok(kms) => {
                tracing::info!(kms = %kms.uri(), "a KMS that was out is open now");
                Ok(self.opened.get_or_init(|| kms))
            }
            Err(error) => {
                *failed = Some(error.clone());
                self.failures.fetch_add(1, SeqCst);
                Err(error)
            }
        }
    }
}

impl fmt::Debug for StandIn {
    /// Without the text of the settings, which may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandIn")
            .field("placeholder", &self.placeholder)
            .field("opened", &self.opened.get())
            .finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)] // A forgotten method would silently use the default.
#[async_trait]
impl KmsProvider for StandIn {
    fn uri(&self) -> &KeyUri {
        self.opened.get().map_or(&self.placeholder, |kms| kms.uri())
    }

    fn accepts(&self, wrapped: &WrappedKey) -> bool {
        match self.opened.get() {
            Some(kms) => kms.accepts(wrapped),
            None => wrapped.uri.scheme() == self.placeholder.scheme(),
        }
    }

    /// Nothing is promised before it is open.
    fn capabilities(&self) -> KmsCapabilities {
        let unknown = KmsCapabilities::FULL.without_context().without_wrong_key();
        self.opened.get().map_or(unknown, |kms| kms.capabilities())
    }

    async fn generate_data_key(
        &self,
        context: KmsContext<'_>,
        random: &dyn Random,
    ) -> Result<(DataKey, WrappedKey)> {
        self.kms().await?.generate_data_key(context, random).await
    }

    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        self.kms().await?.wrap_key(key, context).await
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        let kms = self.kms().await?;
        if !kms.accepts(wrapped) {
            return Err(not_ours(&wrapped.uri, kms.uri()));
        }
        kms.unwrap_key(wrapped, context).await
    }

    async fn check(&self) -> Result<KmsHealth> {
        self.kms().await?.check().await
    }

    async fn check_reading(&self) -> Result<KmsHealth> {
        self.kms().await?.check_reading().await
    }

    fn alias(&self) -> Option<&str> {
        self.opened.get().and_then(|kms| kms.alias())
    }

    fn for_key(&self, key: &KeyUri) -> Result<Option<Arc<dyn KmsProvider>>> {
        self.opened.get().map_or(Ok(None), |kms| kms.for_key(key))
    }

    fn is_sibling(&self, key: &KeyUri) -> bool {
        self.opened.get().is_some_and(|kms| kms.is_sibling(key))
    }
}

fn not_ours(theirs: &KeyUri, ours: &KeyUri) -> Error {
    let detail = format!("it is wrapped under {theirs}, not {ours}");
    Error::new(ErrorKind::Kms(KmsFault::WrongKey), "kms.unwrap_key", detail)
        .with_hint("configure the KMS key it was wrapped under")
}

#[cfg(test)]
mod tests;

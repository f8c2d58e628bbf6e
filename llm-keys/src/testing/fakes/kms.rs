//! A KMS that does what a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use async_trait::async_trait;

use super::Script;
use crate::error::Result;
use crate::kms::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey};
use crate::random::Random;
use crate::secret::DataKey;

/// A real provider whose calls are counted, and fail, hang or lie as a test says.
#[derive(Debug)]
pub struct FakeKms<P> {
    inner: P,
    wraps: Script,
    unwraps: Script,
    checks: Script,
    lies: AtomicBool,
}

impl<P> FakeKms<P> {
    /// Does what `inner` does, until told otherwise.
    pub fn new(inner: P) -> Self {
        Self {
            inner,
            wraps: Script::default(),
            unwraps: Script::default(),
            checks: Script::default(),
            lies: AtomicBool::new(false),
        }
    }

    /// The calls that wrap: [`wrap_key`](KmsProvider::wrap_key) and
    /// [`generate_data_key`](KmsProvider::generate_data_key).
    pub fn wraps(&self) -> &Script {
        &self.wraps
    }

    /// The calls of [`unwrap_key`](KmsProvider::unwrap_key).
    pub fn unwraps(&self) -> &Script {
        &self.unwraps
    }

    /// The calls of [`check`](KmsProvider::check) and
    /// [`check_reading`](KmsProvider::check_reading).
    pub fn checks(&self) -> &Script {
        &self.checks
    }

    /// Whether to answer every unwrap with a data key that is not the one that was wrapped.
    pub fn answer_wrong_key(&self, wrong: bool) {
        self.lies.store(wrong, SeqCst);
    }
}

#[deny(clippy::missing_trait_methods)] // A forgotten method would silently use the default.
#[async_trait]
impl<P: KmsProvider> KmsProvider for FakeKms<P> {
    fn uri(&self) -> &KeyUri {
        self.inner.uri()
    }

    fn accepts(&self, wrapped: &WrappedKey) -> bool {
        self.inner.accepts(wrapped)
    }

    fn capabilities(&self) -> KmsCapabilities {
        self.inner.capabilities()
    }

    async fn generate_data_key(
        &self,
        context: KmsContext<'_>,
        random: &dyn Random,
    ) -> Result<(DataKey, WrappedKey)> {
        self.wraps.run("kms.generate_data_key", self.inner.generate_data_key(context, random)).await
    }

    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        self.wraps.run("kms.wrap_key", self.inner.wrap_key(key, context)).await
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        let call = self.inner.unwrap_key(wrapped, context);
        let key = self.unwraps.run("kms.unwrap_key", call).await?;
        if self.lies.load(SeqCst) {
            let wrong = key.expose(|key| key.map(|byte| byte ^ 0x5a));
            return Ok(DataKey::copy_from(&wrong));
        }
        Ok(key)
    }

    async fn check(&self) -> Result<KmsHealth> {
        self.checks.run("kms.check", self.inner.check()).await
    }

    async fn check_reading(&self) -> Result<KmsHealth> {
        self.checks.run("kms.check", self.inner.check_reading()).await
    }

    fn alias(&self) -> Option<&str> {
        self.inner.alias()
    }

    fn for_key(&self, key: &KeyUri) -> Result<Option<Arc<dyn KmsProvider>>> {
        self.inner.for_key(key)
    }

    fn is_sibling(&self, key: &KeyUri) -> bool {
        self.inner.is_sibling(key)
    }
}

//! The sentinel: a small sealed record that tells at once whether this is the right KMS.

use std::sync::Arc;

use super::envelope_manager::{Core, EnvelopeKeyManager};
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::model::{SystemName, Tenant, Version};
use crate::secret::SecretBytes;
use crate::store::{Change, Expect, SystemRow};

/// What the record holds. It is no secret; that it opens is what counts.
const CONTENT: &[u8] = b"llm-keys sentinel 1";

const OP: &str = "manager.sentinel";

/// What [`EnvelopeKeyManager::check_sentinel`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sentinel {
    /// The record was there, and the configured KMS opened it.
    Opened,
    /// There was none; it was sealed under the configured KMS just now.
    Made,
}

impl EnvelopeKeyManager {
    /// Opens the sentinel of the storage, or makes it if there is none: a KMS key that is wrong,
    /// out of reach or rotated away is found now and not by the first user who asks for a key.
    ///
    /// # Errors
    /// `Kms(WrongKey)` if the storage was written under other KMS keys; else as for reading a key.
    pub async fn check_sentinel(&self) -> Result<Sentinel> {
        self.core.check_sentinel().await
    }
}

impl Core {
    pub(super) async fn check_sentinel(self: &Arc<Self>) -> Result<Sentinel> {
        let (tenant, name) = (Tenant::default(), SystemName::new("sentinel")?);
        if let Some(row) = self.store.system_find(&tenant, &name).await? {
            return self.open_sentinel(&row).await;
        }
        let row = self.seal_sentinel(tenant.clone(), name.clone()).await?;
        let expect = Expect::System { tenant: tenant.clone(), name: name.clone(), version: None };
        let change = Change { expect: vec![expect], system: vec![row], ..Change::default() };
        match self.store.commit(change).await {
            Ok(()) => Ok(Sentinel::Made),
            // Another process made it first; what counts is whether ours opens it.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let row = self.store.system_find(&tenant, &name).await?.ok_or(error)?;
                self.open_sentinel(&row).await
            }
            Err(error) => Err(error),
        }
    }

    async fn open_sentinel(&self, row: &SystemRow) -> Result<Sentinel> {
        let context = EncryptionContext::of_system(&row.tenant, &row.name, row.record, row.version);
        let content = self.unseal(&context, &row.envelope).await?;
        if content.expose(|content| content == CONTENT) {
            return Ok(Sentinel::Opened);
        }
        let fault = ErrorKind::Integrity(IntegrityFault::Row);
        Err(Error::new(fault, OP, "the sentinel does not hold what it must"))
    }

    async fn seal_sentinel(&self, tenant: Tenant, name: SystemName) -> Result<SystemRow> {
        let record = self.new_record()?;
        let version = Version::FIRST;
        let context = EncryptionContext::of_system(&tenant, &name, record, version);
        let content = SecretBytes::copy_from(CONTENT);
        let (envelope, _) = self.seal(&context, &content).await?;
        let now = self.clock.now();
        let (created_at, updated_at) = (now, now);
        Ok(SystemRow { tenant, name, record, version, envelope, created_at, updated_at, mac: None })
    }
}

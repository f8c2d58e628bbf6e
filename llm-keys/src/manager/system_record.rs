//! Writing a system record: sealing it and putting it in the place of the old one.

use super::envelope_manager::Core;
use crate::clock::Micros;
use crate::context::EncryptionContext;
use crate::error::{Error, Result};
use crate::kms::{Generated, KmsContext};
use crate::model::{SystemName, Tenant, Version};
use crate::secret::SecretBytes;
use crate::store::{Change, Expect, SystemRow};

/// Which new envelope may replace the old one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Renewal {
    /// Only one that is sealed under more of the keys that are written under now.
    IfBetter,
    /// Any: its content is another, or the old one is of no use.
    Always,
}

/// A record that is about to be written, with the data key to seal it by.
#[derive(Debug)]
pub(super) struct Draft {
    tenant: Tenant,
    name: SystemName,
    record: uuid::Uuid,
    version: Version,
    /// The version it replaces; `None`: there must be none.
    replaces: Option<Version>,
    created_at: Micros,
    context: EncryptionContext,
    generated: Generated,
}

impl Core {
    /// Gets a data key for the next version of `old`, or for a new record. The content comes later:
    /// a KMS that was out may have been opened for this, and what is sealed may depend on which.
    /// `None` if the new envelope would be no better, and is wanted only if it is.
    pub(super) async fn draft_system(
        &self,
        (tenant, name): (Tenant, SystemName),
        old: Option<&SystemRow>,
        renewal: Renewal,
    ) -> Result<Option<Draft>> {
        let (record, version, created_at) = match old {
            Some(old) => (old.record, next(old.version)?, old.created_at),
            None => (self.new_record()?, Version::FIRST, self.clock.now()),
        };
        let context = EncryptionContext::of_system(&tenant, &name, record, version);
        let kms_context = KmsContext { context: &context, readable: self.readable };
        let generated = self.kms.generate(kms_context, &*self.random).await?;
        fail_point!("system.drafted");
        if let (Some(old), Renewal::IfBetter) = (old, renewal)
            && !self.is_better(&generated.wrapped, &old.envelope)?
        {
            return Ok(None);
        }
        let replaces = old.map(|old| old.version);
        let draft =
            Draft { tenant, name, record, version, replaces, created_at, context, generated };
        Ok(Some(draft))
    }

    /// Seals `content` and stores it.
    ///
    /// # Errors
    /// `Conflict` if another writer was faster.
    pub(super) async fn write_system(&self, draft: Draft, content: &SecretBytes) -> Result<()> {
        let Draft { tenant, name, record, version, replaces, created_at, context, generated } =
            draft;
        let envelope = self.seal_with(&generated, &context, content)?;
        let expect =
            Expect::System { tenant: tenant.clone(), name: name.clone(), version: replaces };
        tracing::info!(%name, %version, "a system record is written");
        let updated_at = self.clock.now();
        let row = SystemRow {
            tenant,
            name,
            record,
            version,
            envelope,
            created_at,
            updated_at,
            mac: None,
        };
        let change = Change { expect: vec![expect], system: vec![row], ..Change::default() };
        fail_point!("system.sealed");
        self.store.commit(change).await?;
        fail_point!("system.written");
        Ok(())
    }
}

fn next(version: Version) -> Result<Version> {
    version.next().ok_or_else(|| {
        Error::invalid("manager.system_record", "the record has used up all version numbers")
    })
}

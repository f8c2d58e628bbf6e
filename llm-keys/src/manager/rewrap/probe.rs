//! Whether every KMS key of the write list wraps and unwraps, before anything is wrapped under it.

use uuid::Uuid;

use super::super::envelope_manager::Core;
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::kms::{KeyUri, KmsContext};
use crate::model::{SystemName, Tenant, Version};
use crate::secret::DataKey;

const OP: &str = "manager.rewrap";

impl Core {
    /// The KMS keys of the write list. One that could not be opened is opened by this.
    ///
    /// It wraps as a rewrap does: a check that lets the KMS make a data key needs another right.
    pub(super) async fn probe(&self) -> Result<Vec<KeyUri>> {
        // Of no record; the fault memory of the guard has one place for it.
        let (tenant, name) = (Tenant::default(), SystemName::new("check")?);
        let context = EncryptionContext::of_system(&tenant, &name, Uuid::nil(), Version::FIRST);
        let context = KmsContext { context: &context, readable: self.readable };
        let mut targets = Vec::new();
        for writer in self.kms.writers() {
            let key = DataKey::generate(&*self.random)?;
            let wrapped = writer.wrap_key(&key, context).await?;
            let again = writer.unwrap_key(&wrapped, context).await?;
            if !same(&key, &again) {
                return Err(another_key(&wrapped.uri));
            }
            if targets.contains(&wrapped.uri) {
                let detail = format!("two of the KMS keys to write under are {}", wrapped.uri);
                return Err(Error::invalid(OP, detail));
            }
            targets.push(wrapped.uri);
        }
        Ok(targets)
    }
}

pub(super) fn same(one: &DataKey, other: &DataKey) -> bool {
    one.expose(|one| other.expose(|other| one == other))
}

pub(super) fn another_key(uri: &KeyUri) -> Error {
    let detail = format!("{uri} unwrapped another data key than it wrapped");
    Error::new(ErrorKind::Kms(KmsFault::BadAnswer), OP, detail)
}

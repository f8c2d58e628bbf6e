//! Rows that are as they were written: the one place where a use case gets them from.
//!
//! What is checked, besides the MAC of each row: a key row is the one that was asked for; the row of
//! its current version was written in the same change; and any other version was last written when
//! the key row says. So a row that was edited, swapped, or put back alone from an older state is
//! refused. A consistent older set of rows cannot be told from the past here.

use super::envelope_manager::Core;
use super::row_mac::MacKeys;
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::model::{Integrity, KeyId, KeyRow, Version, VersionRow};

/// A key and its current version.
pub(super) type Found = (KeyRow, Option<VersionRow>);

impl Core {
    /// The key of `id` and its current version, verified. Whoever changes a key takes it from here:
    /// what is written gets a new MAC, and must not be somebody else's edit.
    ///
    /// # Errors
    /// `Integrity(Row)` if a row is not as it was written; `Store`, and `Kms` where the row MAC keys
    /// are not open yet.
    pub(super) async fn find_key(&self, id: &KeyId) -> Result<Option<Found>> {
        let Some((key, current)) = self.store.key_find(id).await? else { return Ok(None) };
        let keys = self.mac_keys(&id.tenant).await?;
        self.check_rows(&keys, id, &key, current.as_ref()).await?;
        Ok(Some((key, current)))
    }

    /// Whether these are the rows of `id` as they were written. If not, another process may have
    /// replaced the keys.
    pub(super) async fn check_rows(
        &self,
        keys: &MacKeys,
        id: &KeyId,
        key: &KeyRow,
        current: Option<&VersionRow>,
    ) -> Result<()> {
        let Err(refused) = keys.check(id, key, current) else { return Ok(()) };
        match self.fresh_mac_keys(&id.tenant).await {
            Ok(Some(keys)) => keys.check(id, key, current),
            Ok(None) => Err(refused),
            Err(error) => {
                tracing::warn!(?error, "the row MAC keys could not be looked at again");
                Err(refused)
            }
        }
    }

    /// One version of `key`, which is verified; the version is, too.
    pub(super) async fn find_version(
        &self,
        key: &KeyRow,
        version: Version,
    ) -> Result<Option<VersionRow>> {
        let Some(row) = self.store.version_find(key.record, version).await? else {
            return match key.kept.generation_of(version) {
                Some(_) => Err(row_fault("a version of the key is not stored")),
                None => Ok(None),
            };
        };
        self.mac_keys(&key.id.tenant).await?.check_version(key, &row)?;
        Ok(Some(row))
    }

    /// Whether `key` is as it was written, as far as that can be told without the KMS.
    pub(super) fn integrity(&self, key: &KeyRow) -> Integrity {
        match self.mac_keyring.at_hand(&key.id.tenant) {
            None => Integrity::Unverified,
            Some(keys) if keys.is_key(key) => Integrity::Verified,
            Some(_) => Integrity::Broken,
        }
    }
}

impl MacKeys {
    /// Whether these are the rows of `id` as they were written.
    pub(super) fn check(
        &self,
        id: &KeyId,
        key: &KeyRow,
        current: Option<&VersionRow>,
    ) -> Result<()> {
        if key.id != *id || !self.is_key(key) {
            return Err(row_fault("the key's row is not as it was written"));
        }
        match (key.current, current) {
            (None, None) => Ok(()),
            (Some(_), Some(row)) if row.generation == key.generation => {
                self.check_version(key, row)
            }
            (Some(_), Some(_)) => Err(row_fault(
                "the rows of the key and of its current version are not of the same change",
            )),
            (Some(_), None) => Err(row_fault("the key's current version is not stored")),
            (None, Some(_)) => Err(row_fault("the key has no current version, but a row for it")),
        }
    }

    /// Whether `row` is a version of `key`, as it was last written.
    pub(super) fn check_version(&self, key: &KeyRow, row: &VersionRow) -> Result<()> {
        if row.record != key.record || !self.is_version(row) {
            return Err(row_fault("the row of a version is not as it was written"));
        }
        let kept = key.kept.generation_of(row.version);
        match row.envelope.as_ref().map(|_| row.generation) == kept {
            true => Ok(()),
            false => Err(row_fault("the row of a version is not of this state of its key")),
        }
    }
}

pub(super) fn row_fault(detail: &'static str) -> Error {
    Error::new(ErrorKind::Integrity(IntegrityFault::Row), "manager.verify", detail).with_hint(
        "somebody wrote to the database past llm-keys, or a part of it was put back from a backup; \
         `llm-keys verify` shows all such rows",
    )
}

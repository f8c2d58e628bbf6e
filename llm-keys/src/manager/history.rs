//! What became of a key: all its versions.

use super::envelope_manager::Core;
use super::verified::row_fault;
use crate::error::Result;
use crate::model::{KeyId, KeyState, Version, VersionMetadata, VersionRow};

impl Core {
    /// The versions of `id`, newest first; `None` if there is no such key. Those of a deleted key
    /// are told, too: whoever thinks of undeleting it wants to know them.
    pub(super) async fn history(&self, id: &KeyId) -> Result<Option<Vec<VersionMetadata>>> {
        let Some((key, _)) = self.find_key(id).await? else { return Ok(None) };
        let rows = self.versions_of(&key).await?;
        let now = self.clock.now();
        Ok(Some(rows.into_iter().rev().map(|row| VersionMetadata::of(row, &key, now)).collect()))
    }

    /// All versions of `key`, oldest first, verified: none is missing, since a row stays when its
    /// envelope goes.
    pub(super) async fn versions_of(&self, key: &crate::model::KeyRow) -> Result<Vec<VersionRow>> {
        let rows = self.store.version_list(key.record).await?;
        let keys = self.mac_keys(&key.id.tenant).await?;
        let mut expected = Some(Version::FIRST).filter(|_| key.latest.is_some());
        for row in &rows {
            keys.check_version(key, row)?;
            if Some(row.version) != expected {
                return Err(row_fault("a version of the key is not stored"));
            }
            expected = row.version.next().filter(|next| Some(*next) <= key.latest);
        }
        match expected {
            None => Ok(rows),
            Some(_) => Err(row_fault("a version of the key is not stored")),
        }
    }

    /// Whether a key can be changed: it is there, and not deleted.
    pub(super) fn is_there(state: KeyState) -> bool {
        !matches!(state, KeyState::Deleted { .. })
    }
}

//! Looking at what is known of keys: no secret, no KMS call, no event.

use super::envelope_manager::Core;
use crate::error::Result;
use crate::model::{
    Cursor, Integrity, KeyFilter, KeyId, KeyMetadata, KeyRow, KeyState, Page, PageSize,
};

impl Core {
    pub(super) async fn list(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyMetadata>> {
        let page = self.store.key_list(filter, after, size).await?;
        let items = page.items.into_iter().map(|row| self.shown(row)).collect();
        Ok(Page { items, next: page.next })
    }

    pub(super) async fn metadata(&self, id: &KeyId) -> Result<Option<KeyMetadata>> {
        let found = self.store.key_find(id).await?.map(|(row, _)| row);
        let shown = found.map(|row| self.shown(row));
        // A row that somebody edited to be deleted must not look like no row.
        Ok(shown.filter(|key| {
            !matches!(key.state, KeyState::Deleted { .. }) || key.integrity == Integrity::Broken
        }))
    }

    pub(super) fn shown(&self, row: KeyRow) -> KeyMetadata {
        let integrity = self.integrity(&row);
        KeyMetadata::of(row, integrity)
    }
}

//! Looking at what is known of keys: no secret, no KMS call, no event.

use super::envelope_manager::Core;
use crate::error::Result;
use crate::model::{Cursor, KeyFilter, KeyId, KeyMetadata, KeyState, Page, PageSize};

impl Core {
    pub(super) async fn list(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyMetadata>> {
        let page = self.store.key_list(filter, after, size).await?;
        Ok(Page { items: page.items.into_iter().map(Into::into).collect(), next: page.next })
    }

    pub(super) async fn metadata(&self, id: &KeyId) -> Result<Option<KeyMetadata>> {
        let found = self.store.key_find(id).await?.map(|(row, _)| row);
        Ok(found.filter(|row| !matches!(row.state, KeyState::Deleted { .. })).map(Into::into))
    }
}

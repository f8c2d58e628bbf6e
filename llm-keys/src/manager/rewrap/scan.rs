//! Everything that has an envelope, key by key.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{self, Stream};
use uuid::Uuid;

use super::super::envelope_manager::Core;
use super::super::row_mac::MacKeys;
use crate::error::Result;
use crate::model::{KeyRow, PageSize, Version, VersionRow};

/// A key with its versions that have an envelope, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) key: KeyRow,
    pub(super) versions: Vec<VersionRow>,
}

/// Where a scan stands.
#[derive(Default)]
struct Place {
    after: Option<(Uuid, Version)>,
    /// Keys of which all versions were read.
    whole: VecDeque<Stored>,
    /// The last key of a page: the next page may have more of it.
    open: Option<Stored>,
    ended: bool,
}

impl Core {
    /// Each key that has an envelope, whatever its tenant and state. A key that changes meanwhile
    /// may be seen half before and half after: its generation tells.
    pub(super) fn scan(&self, size: PageSize) -> impl Stream<Item = Result<Stored>> + Send + '_ {
        stream::try_unfold(Place::default(), move |mut place| async move {
            loop {
                if let Some(key) = place.whole.pop_front() {
                    return Ok(Some((key, place)));
                }
                if place.ended {
                    return Ok(place.open.take().map(|key| (key, place)));
                }
                let page = self.store.version_scan(place.after, size).await?;
                place.take(page, size);
            }
        })
    }

    /// The same of one key, as it is now; `None` if it is not there.
    pub(super) async fn stored(&self, id: &crate::KeyId) -> Result<Option<Stored>> {
        let Some((key, _)) = self.store.key_find(id).await? else { return Ok(None) };
        let mut versions = self.store.version_list(key.record).await?;
        // A change writes the row of the current version, whatever it has.
        versions.retain(|row| row.envelope.is_some() || Some(row.version) == key.current);
        Ok(Some(Stored { key, versions }))
    }

    /// The row MAC keys, and for each version whether its row is as it was written.
    ///
    /// # Errors
    /// As [`MacKeys::check`] if that of the key or of its current version is not: then no change of
    /// the key can be made.
    pub(super) async fn verify(&self, stored: &Stored) -> Result<(Arc<MacKeys>, Vec<Result<()>>)> {
        let Stored { key, versions } = stored;
        let keys = self.mac_keys(&key.id.tenant).await?;
        let current = versions.iter().find(|row| Some(row.version) == key.current);
        keys.check(&key.id, key, current)?;
        let each = versions.iter().map(|row| keys.check_version(key, row)).collect();
        Ok((keys, each))
    }
}

impl Place {
    fn take(&mut self, page: Vec<(KeyRow, VersionRow)>, size: PageSize) {
        self.ended = page.len() < usize::from(size.get());
        for (key, row) in page {
            self.after = Some((row.record, row.version));
            match &mut self.open {
                Some(open) if open.key.record == key.record => open.versions.push(row),
                open => {
                    let done = open.replace(Stored { key, versions: vec![row] });
                    self.whole.extend(done);
                }
            }
        }
    }
}

impl Stored {
    /// Whether these are all rows of one moment: what is missing, or newer than the key row, was
    /// written while it was read.
    pub(super) fn is_whole(&self) -> bool {
        let is_there = |version| self.versions.iter().any(|row| row.version == version);
        let fits =
            |row: &VersionRow| self.key.kept.generation_of(row.version) == Some(row.generation);
        self.key.kept.versions().eq(self.sealed().map(|row| row.version))
            && self.key.current.is_none_or(is_there)
            && self.sealed().all(fits)
    }

    /// The versions that have an envelope.
    pub(super) fn sealed(&self) -> impl Iterator<Item = &VersionRow> {
        self.versions.iter().filter(|row| row.envelope.is_some())
    }
}

//! What falls due: telling of it, and purging deleted keys whose time is over.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::envelope_manager::{Core, EnvelopeKeyManager};
use super::verified::row_fault;
use super::write::Place;
use crate::clock::Micros;
use crate::error::{ErrorKind, Result};
use crate::event::Action;
use crate::model::{KeyMetadata, KeyRow, KeyState, PageSize, Tenant};
use crate::store::Change;

/// What [`EnvelopeKeyManager::tend`] did.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Tended {
    /// How many deleted keys were purged.
    pub purged: u64,
    /// How many keys there was an event about, because they expired or fell due for rotation.
    pub told: u64,
}

impl EnvelopeKeyManager {
    /// Does what is due with the keys of all tenants: purges those that were deleted long enough
    /// ago, where their rows are as they were written, and tells once, by an event, of those that
    /// expired or fell due for rotation. Where several processes do it at once, an event may come
    /// twice. A manager inside a Tokio runtime does it by itself, every
    /// [`tend_every`](super::Builder::tend_every).
    ///
    /// # Errors
    /// `Store`, `EventSink` if that part fails; then the rest waits for the next time.
    pub async fn tend(&self) -> Result<Tended> {
        self.core.tend().await
    }

    /// A little of the same, for a program that has other work to do and then ends: at most `most`
    /// keys, out of one page that one query finds. Where a page full of keys that everybody was told
    /// of stands before a key, only [`tend`](Self::tend) gets to that.
    ///
    /// # Errors
    /// As for [`tend`](Self::tend).
    pub async fn tend_some(&self, most: u64) -> Result<Tended> {
        self.core.tend_some(most).await
    }

    /// The keys of `tenant` for which something falls due before `before`, the most urgent first;
    /// deleted ones that are to be purged among them.
    ///
    /// # Errors
    /// `Store`.
    pub async fn due_api_keys(&self, tenant: &Tenant, before: Micros) -> Result<Vec<KeyMetadata>> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.core.store.key_due(before, after, page_size()?).await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.due_at.map(|at| (at, last.record));
            let theirs = page.into_iter().filter(|row| row.id.tenant == *tenant);
            found.extend(theirs.map(|row| self.core.shown(row)));
        }
    }
}

impl Core {
    async fn tend(self: &Arc<Self>) -> Result<Tended> {
        let before = self.due_now();
        let mut done = Tended::default();
        let mut after = None;
        loop {
            let page = self.store.key_due(before, after, page_size()?).await?;
            let Some(last) = page.last() else { return Ok(done) };
            after = last.due_at.map(|at| (at, last.record));
            for row in page {
                self.tend_one(row, &mut done).await?;
            }
        }
    }

    async fn tend_some(self: &Arc<Self>, most: u64) -> Result<Tended> {
        let mut done = Tended::default();
        for row in self.store.key_due(self.due_now(), None, page_size()?).await? {
            if done.purged.saturating_add(done.told) >= most {
                break;
            }
            self.tend_one(row, &mut done).await?;
        }
        Ok(done)
    }

    /// Due is what was due a moment ago: `before` excludes the moment itself.
    fn due_now(&self) -> Micros {
        Micros(self.clock.now().0.saturating_add(1))
    }

    async fn tend_one(self: &Arc<Self>, row: KeyRow, done: &mut Tended) -> Result<()> {
        match self.do_what_is_due(row, done).await {
            // Somebody changed it meanwhile, or tends it, too.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            tended => tended,
        }
    }

    async fn do_what_is_due(self: &Arc<Self>, row: KeyRow, done: &mut Tended) -> Result<()> {
        let caller = Arc::clone(&self.caller);
        if matches!(row.state, KeyState::Deleted { .. }) {
            // What is purged is gone: only a row that is as it was written is reason enough.
            if let Err(error) = self.check_before_purge(&row).await {
                tracing::warn!(key = %row.id, ?error, "not purged: its row is not verified");
                return Ok(());
            }
            self.purge(&row, &caller).await?;
            done.purged += 1;
        } else if row.due_told != row.due_at {
            let event = self.change_event(Action::KeyDue, &row, row.current, &caller);
            self.record(&event).await?;
            // Outside the MAC, and no new generation: nobody decides by it.
            let expect = vec![Place::of(&row).expected()];
            let keys = vec![KeyRow { due_told: row.due_at, ..row }];
            let change = Change { expect, keys, events: vec![event], ..Change::default() };
            self.store.commit(change).await?;
            done.told += 1;
        }
        Ok(())
    }

    async fn check_before_purge(&self, row: &KeyRow) -> Result<()> {
        let keys = self.mac_keys(&row.id.tenant).await?;
        match keys.is_key(row) {
            true => Ok(()),
            false => Err(row_fault("the key's row is not as it was written")),
        }
    }

    /// Tends the keys every `every`, for as long as the manager is there.
    pub(super) fn tend_behind(core: &Arc<Self>, every: Duration) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if every.is_zero() {
            return;
        }
        let core: Weak<Self> = Arc::downgrade(core);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(core) = core.upgrade() else { return };
                if let Err(error) = core.tend().await {
                    tracing::warn!(?error, "what is due could not be done");
                }
            }
        });
    }
}

fn page_size() -> Result<PageSize> {
    PageSize::new(PageSize::MAX)
}

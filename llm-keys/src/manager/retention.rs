//! How many versions of a key keep their envelope: the oldest are shredded when a new one comes, or
//! when somebody prunes. Their rows stay, for the history.

use std::sync::Arc;

use super::envelope_manager::Core;
use super::options::ChangeOptions;
use super::write::{ATTEMPTS, Draft, busy};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Action;
use crate::model::{KeyId, KeyRow, VersionRow, VersionState};

impl Core {
    /// Shreds the envelopes of all versions of `id` but the newest `keep`; how many. `None` if there
    /// is no such key.
    pub(super) async fn prune(
        self: &Arc<Self>,
        id: &KeyId,
        keep: u32,
        options: &ChangeOptions,
    ) -> Result<Option<u32>> {
        let caller = self.caller(options.caller.as_ref());
        let action = Action::KeyPrune;
        if keep == 0 {
            let error = Error::invalid("manager.prune", "at least the current version is kept");
            return Err(self.failed(action, id, &caller, error).await);
        }
        for _ in 0..ATTEMPTS {
            let (key, current) = match self.find_key(id).await {
                Ok(Some((key, current))) if Self::is_there(key.state) => (key, current),
                Ok(_) => return self.missing(action, id, &caller).await.map(|()| None),
                Err(error) => return Err(self.failed(action, id, &caller, error).await),
            };
            let mut draft = Draft::of(key, current);
            let surplus = self.surplus(&draft.key, &draft.others, keep).await;
            draft.others = match surplus {
                Ok(surplus) => surplus,
                Err(error) => return Err(self.failed(action, id, &caller, error).await),
            };
            let shredded = u32::try_from(draft.others.len()).unwrap_or(u32::MAX);
            let version = draft.key.current;
            if shredded == 0 {
                self.record(&self.change_event(action, &draft.key, version, &caller)).await?;
                return Ok(Some(0));
            }
            fail_point!("prune.planned");
            match self.write(draft, action, version, &caller).await {
                Ok(_) => return Ok(Some(shredded)),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    /// Adds to `others`, the version rows that change together with `key` as it will be, those that
    /// retention shreds.
    pub(super) async fn shred_surplus(
        &self,
        key: &KeyRow,
        others: &mut Vec<VersionRow>,
    ) -> Result<()> {
        let shredded = self.surplus(key, others, self.retention.versions.max(1)).await?;
        others.retain(|row| !shredded.iter().any(|shredded| shredded.version == row.version));
        others.extend(shredded);
        Ok(())
    }

    /// The oldest versions beyond `keep`, shredded. The current one counts and stays, wherever it
    /// stands; so does what is pending, or still good at the service. `others` are rows that change
    /// anyway, as they will be.
    async fn surplus(
        &self,
        key: &KeyRow,
        others: &[VersionRow],
        keep: u32,
    ) -> Result<Vec<VersionRow>> {
        let current = key.current;
        let old: Vec<_> = key.kept.versions().filter(|version| Some(*version) != current).collect();
        let count = old.len() + usize::from(current.is_some());
        let mut excess = count.saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        let mut shredded = Vec::new();
        for version in old {
            if excess == 0 {
                break;
            }
            let row = match others.iter().find(|row| row.version == version) {
                Some(row) => row.clone(),
                None => match self.find_version(key, version).await {
                    Ok(Some(row)) => row,
                    Ok(None) => continue,
                    // It stays refused, and stands in nobody's way.
                    Err(error) if matches!(error.kind(), ErrorKind::Integrity(_)) => {
                        tracing::warn!(key = %key.id, %version, ?error, "not shredded");
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            if row.state.at(self.clock.now()) == VersionState::Retired {
                let state = VersionState::Shredded;
                shredded.push(VersionRow { state, envelope: None, rewrap: false, ..row });
                excess -= 1;
            }
        }
        Ok(shredded)
    }
}

//! Going back to an old version: it is sealed again, as the newest.

use std::sync::Arc;

use super::envelope_manager::Core;
use super::envelopes::Checked;
use super::options::ChangeOptions;
use super::write::{ATTEMPTS, Draft, busy};
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Action;
use crate::model::{Caller, Hint, KeyId, KeyRow, Reason, Version, VersionRow, VersionState};
use crate::secret::ApiKey;

const OP: &str = "manager.rollback";

impl Core {
    /// Makes what version `to` of `id` holds current again, as a new version; its number. `None` if
    /// there is no such key.
    pub(super) async fn rollback(
        self: &Arc<Self>,
        id: &KeyId,
        to: Version,
        options: &ChangeOptions,
    ) -> Result<Option<Version>> {
        let caller = self.caller(options.caller.as_ref());
        let action = Action::KeyRollback;
        for _ in 0..ATTEMPTS {
            let (key, current) = match self.find_key(id).await {
                Ok(Some((key, current))) if Self::is_there(key.state) => (key, current),
                Ok(_) => return self.missing(action, id, &caller).await.map(|()| None),
                Err(error) => return Err(self.failed(action, id, &caller, error).await),
            };
            let (draft, version) = match self.plan_rollback(key, current, to, &caller).await {
                Ok(plan) => plan,
                Err(error) => return Err(self.failed(action, id, &caller, error).await),
            };
            fail_point!("rollback.planned");
            match self.write(draft, action, Some(version), &caller).await {
                Ok(_) => return Ok(Some(version)),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    async fn plan_rollback(
        &self,
        mut row: KeyRow,
        replaced: Option<VersionRow>,
        to: Version,
        caller: &Caller,
    ) -> Result<(Draft, Version)> {
        if row.current == Some(to) {
            let detail = format!("version {to} is the current one");
            return Err(Error::invalid(OP, detail));
        }
        let secret = self.open_old(&row, to).await?;
        fail_point!("rollback.opened");
        let mut caller = caller.clone();
        if caller.reason.is_none() {
            caller.reason = Some(Reason::new(format!("rollback to version {to}"))?);
        }
        let sealed = self.seal_next(&mut row, &secret, &caller).await?;
        let version = sealed.version;
        row.current = Some(version);
        row.hint = Hint::of(&secret);
        let current = VersionRow { state: VersionState::Live, ..sealed };
        let retired = replaced.map(|old| VersionRow { state: VersionState::Retired, ..old });
        let mut others: Vec<_> = retired.into_iter().collect();
        self.shred_surplus(&row, &mut others).await?;
        let mut draft = Draft::of(row, Some(current));
        draft.others = others;
        draft.sealed = true;
        Ok((draft, version))
    }

    /// What an old version holds.
    async fn open_old(&self, key: &KeyRow, version: Version) -> Result<ApiKey> {
        let Some(row) = self.find_version(key, version).await? else {
            let detail = format!("there is no version {version} of the key");
            return Err(Error::invalid(OP, detail).with_hint("`llm-keys history` lists them"));
        };
        let Some(envelope) = &row.envelope else {
            let detail = format!("version {version} was shredded");
            return Err(Error::invalid(OP, detail).with_hint("`llm-keys history` lists them"));
        };
        if row.state == VersionState::Pending {
            let detail = format!("version {version} is pending: its rotation has not ended");
            return Err(Error::invalid(OP, detail));
        }
        let context = EncryptionContext::of_key(&key.id, row.record, row.version);
        ApiKey::try_from(self.unseal_checked(&Checked::new(envelope, context)?).await?)
    }
}

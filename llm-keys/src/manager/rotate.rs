//! Replacing a stored key in two phases: the new version is stored as pending, tested, and only then
//! current. Readers get the old one until then, and the new one from then on.
//!
//! Who dies in between leaves a pending version behind: nobody is given it, and the next rotation
//! shreds it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::envelope_manager::Core;
use super::options::RotateOptions;
use super::store::{check_expected, describe};
use super::write::{ATTEMPTS, Draft, busy};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Action;
use crate::model::{Caller, KeyId, KeyRow, Settings, Version, VersionRow, VersionState};
use crate::secret::ApiKey;

const OP: &str = "manager.rotate";

/// Says whether a new key works at its service, before a rotation makes it current.
#[async_trait]
pub trait KeyTest: fmt::Debug + Send + Sync {
    /// Tests `key`. The settings are verified: they are as they were written.
    ///
    /// # Errors
    /// Any error ends the rotation: the old version stays current, and the new one is shredded. Who
    /// could not find out, such as in an outage of the service, decides by what it returns.
    async fn test(&self, id: &KeyId, key: &ApiKey, settings: &Settings) -> Result<()>;
}

impl Core {
    /// Replaces what `id` holds by `key`; the new version. `None` if there is no such key.
    pub(super) async fn rotate(
        self: &Arc<Self>,
        id: &KeyId,
        key: &ApiKey,
        options: &RotateOptions,
    ) -> Result<Option<Version>> {
        let caller = self.caller(options.store.caller.as_ref());
        let Some((row, version)) = self.begin_rotation(id, key, options, &caller).await? else {
            return self.missing(Action::KeyRotate, id, &caller).await.map(|()| None);
        };
        fail_point!("rotate.pending");
        if let Some(test) = &self.rotation_test {
            let settings = options.store.settings.as_ref().unwrap_or(&row.settings);
            if let Err(error) = test.test(id, key, settings).await {
                if let Err(error) = self.abandon_rotation(id, version, &caller).await {
                    tracing::warn!(key = %id, %version, ?error, "a pending version is left behind");
                }
                return Err(self.failed(Action::KeyRotate, id, &caller, error).await);
            }
        }
        fail_point!("rotate.tested");
        let versions = (row.current, version);
        let done = self.finish_rotation(id, key, versions, options, &caller).await;
        if let Err(error) = &done
            && error.kind() == ErrorKind::Conflict
            && let Err(error) = self.abandon_rotation(id, version, &caller).await
        {
            tracing::warn!(key = %id, %version, ?error, "a pending version is left behind");
        }
        fail_point!("rotate.done");
        done.map(Some)
    }

    /// Phase one: the new version is there, and not current.
    async fn begin_rotation(
        self: &Arc<Self>,
        id: &KeyId,
        key: &ApiKey,
        options: &RotateOptions,
        caller: &Arc<Caller>,
    ) -> Result<Option<(KeyRow, Version)>> {
        let action = Action::KeyRotateBegin;
        for _ in 0..ATTEMPTS {
            let draft = match self.plan_pending(id, key, options, caller).await {
                Ok(Some(draft)) => draft,
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.failed(action, id, caller, error).await),
            };
            let version = draft.key.latest;
            fail_point!("rotate.begin-planned");
            match self.write(draft, action, version, caller).await {
                Ok(row) => return Ok(row.latest.map(|version| (row, version))),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    async fn plan_pending(
        &self,
        id: &KeyId,
        key: &ApiKey,
        options: &RotateOptions,
        caller: &Caller,
    ) -> Result<Option<Draft>> {
        let found = self.find_key(id).await?.filter(|(key, _)| Self::is_there(key.state));
        let Some((mut row, current)) = found else { return Ok(None) };
        check_expected(Some(&row), options.store.expect_version)?;
        // Those that an earlier rotation left behind.
        let mut others = Vec::new();
        for version in row.kept.versions().filter(|version| Some(*version) != row.current) {
            match self.find_version(&row, version).await {
                Ok(Some(old)) if old.state == VersionState::Pending => others.push(shredded(old)),
                Ok(_) => {}
                // It stays refused, and stands in nobody's way.
                Err(error) if matches!(error.kind(), ErrorKind::Integrity(_)) => {
                    tracing::warn!(key = %row.id, %version, ?error, "passed over");
                }
                Err(error) => return Err(error),
            }
        }
        let pending = self.seal_next(&mut row, key, caller).await?;
        others.push(pending);
        let mut draft = Draft::of(row, current);
        draft.others = others;
        draft.sealed = true;
        Ok(Some(draft))
    }

    /// Phase two: the new version is current, and the old one good for the overlap.
    async fn finish_rotation(
        self: &Arc<Self>,
        id: &KeyId,
        key: &ApiKey,
        (before, version): (Option<Version>, Version),
        options: &RotateOptions,
        caller: &Arc<Caller>,
    ) -> Result<Version> {
        let action = Action::KeyRotate;
        for _ in 0..ATTEMPTS {
            let draft = match self.plan_current(id, key, (before, version), options).await {
                Ok(draft) => draft,
                Err(error) => return Err(self.failed(action, id, caller, error).await),
            };
            fail_point!("rotate.finish-planned");
            match self.write(draft, action, Some(version), caller).await {
                Ok(_) => return Ok(version),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    async fn plan_current(
        &self,
        id: &KeyId,
        key: &ApiKey,
        (before, version): (Option<Version>, Version),
        options: &RotateOptions,
    ) -> Result<Draft> {
        let (mut row, old) = self.find_key(id).await?.ok_or_else(overtaken)?;
        let pending = match row.kept.generation_of(version) {
            Some(_) => self.find_version(&row, version).await?.ok_or_else(overtaken)?,
            None => return Err(overtaken()),
        };
        // What somebody stored meanwhile, perhaps because this key had leaked, is not overridden.
        if !Self::is_there(row.state)
            || pending.state != VersionState::Pending
            || row.current != before
        {
            return Err(overtaken());
        }
        row.current = Some(version);
        describe(&mut row, key, &options.store);
        let state = match options.overlap.is_zero() {
            true => VersionState::Retired,
            false => {
                VersionState::Retiring { until: self.clock.now().saturating_add(options.overlap) }
            }
        };
        let mut others: Vec<_> = old.map(|old| VersionRow { state, ..old }).into_iter().collect();
        self.shred_surplus(&row, &mut others).await?;
        let live = VersionRow { state: VersionState::Live, ..pending };
        let mut draft = Draft::of(row, Some(live));
        draft.others = others;
        Ok(draft)
    }

    /// Gives the new version up.
    async fn abandon_rotation(
        self: &Arc<Self>,
        id: &KeyId,
        version: Version,
        caller: &Arc<Caller>,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Some((row, current)) = self.find_key(id).await? else { return Ok(()) };
            if row.kept.generation_of(version).is_none() {
                return Ok(());
            }
            let Some(pending) = self.find_version(&row, version).await? else { return Ok(()) };
            if pending.state != VersionState::Pending {
                return Ok(());
            }
            let mut draft = Draft::of(row, current);
            draft.others = vec![shredded(pending)];
            match self.write(draft, Action::KeyRotateAbandon, Some(version), caller).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                done => return done.map(drop),
            }
        }
        Err(busy())
    }
}

fn shredded(row: VersionRow) -> VersionRow {
    VersionRow { state: VersionState::Shredded, envelope: None, rewrap: false, ..row }
}

fn overtaken() -> Error {
    Error::new(ErrorKind::Conflict, OP, "another change of the key overtook the rotation")
        .with_hint("look at the key's history, and rotate again if that is still wanted")
}

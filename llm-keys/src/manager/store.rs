//! Storing a key: a new version, sealed, and current at once.

use std::sync::Arc;

use super::envelope_manager::Core;
use super::options::{ExpectVersion, StoreOptions};
use super::write::{ATTEMPTS, Draft, Place};
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Action;
use crate::model::{
    Caller, Hint, Kept, KeyId, KeyRow, KeyState, Labels, Settings, Version, VersionRow,
    VersionState,
};
use crate::secret::ApiKey;

const OP: &str = "manager.store";

impl Core {
    /// Stores `key` as the new current version of `id`.
    pub(super) async fn store(
        self: &Arc<Self>,
        id: &KeyId,
        key: &ApiKey,
        options: &StoreOptions,
    ) -> Result<Version> {
        let caller = self.caller(options.caller.as_ref());
        let mut attempt = 1;
        loop {
            match self.store_once(id, key, options, &caller).await {
                Ok(version) => return Ok(version),
                // Somebody else was first. Without an expectation of the caller's own, the next
                // version is as good.
                Err(error)
                    if error.kind() == ErrorKind::Conflict
                        && options.expect_version.is_none()
                        && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn store_once(
        self: &Arc<Self>,
        id: &KeyId,
        key: &ApiKey,
        options: &StoreOptions,
        caller: &Arc<Caller>,
    ) -> Result<Version> {
        let (draft, version) = match self.plan(id, key, options, caller).await {
            Ok(plan) => plan,
            Err(error) => return Err(self.failed(Action::KeyStore, id, caller, error).await),
        };
        fail_point!("store.planned");
        self.write(draft, Action::KeyStore, Some(version), caller).await?;
        fail_point!("store.done");
        Ok(version)
    }

    /// What is to be written, and which version that makes; nothing is written yet.
    async fn plan(
        &self,
        id: &KeyId,
        key: &ApiKey,
        options: &StoreOptions,
        caller: &Caller,
    ) -> Result<(Draft, Version)> {
        let found = self.find_key(id).await?;
        let (found, replaces) = match found {
            // What was deleted makes room: it is another record from here on.
            Some((key, _)) if matches!(key.state, KeyState::Deleted { .. }) => {
                (None, Some(Place::of(&key)))
            }
            found => (found, None),
        };
        check_expected(found.as_ref().map(|(row, _)| row), options.expect_version)?;
        let new = found.is_none();
        let (mut row, replaced) = match found {
            Some(found) => found,
            None => (self.new_row(id)?, None),
        };
        let sealed = self.seal_next(&mut row, key, caller).await?;
        let version = sealed.version;
        row.current = Some(version);
        describe(&mut row, key, options);
        let current = VersionRow { state: VersionState::Live, ..sealed };
        let retired = replaced.map(|old| VersionRow { state: VersionState::Retired, ..old });
        let mut others: Vec<_> = retired.into_iter().collect();
        self.shred_surplus(&row, &mut others).await?;
        Ok((
            Draft { key: row, new, replaces, current: Some(current), others, sealed: true },
            version,
        ))
    }

    /// The next version of `row`, sealed and pending; its number is taken.
    pub(super) async fn seal_next(
        &self,
        row: &mut KeyRow,
        key: &ApiKey,
        caller: &Caller,
    ) -> Result<VersionRow> {
        let version = match row.latest {
            Some(latest) => latest
                .next()
                .ok_or_else(|| Error::invalid(OP, "the key has used up all version numbers"))?,
            None => Version::FIRST,
        };
        let context = EncryptionContext::of_key(&row.id, row.record, version);
        let (envelope, rewrap) = self.seal(&context, key.as_bytes()).await?;
        row.latest = Some(version);
        Ok(VersionRow {
            record: row.record,
            version,
            generation: 0,
            state: VersionState::Pending,
            envelope: Some(envelope),
            rewrap,
            by: caller.actor.clone(),
            reason: caller.reason.clone(),
            created_at: self.clock.now(),
            last_used_at: None,
            mac: None,
        })
    }

    fn new_row(&self, id: &KeyId) -> Result<KeyRow> {
        let now = self.clock.now();
        Ok(KeyRow {
            id: id.clone(),
            record: self.new_record()?,
            state: KeyState::Active,
            current: None,
            latest: None,
            generation: 0,
            kept: Kept::default(),
            settings: Settings::default(),
            template: None,
            labels: Labels::default(),
            hint: None,
            expires_at: None,
            rotate_every: None,
            due_at: None,
            due_told: None,
            created_at: now,
            updated_at: now,
            last_used_at: None,
            mac: None,
        })
    }
}

/// Takes over what `options` say of a key whose current version is `key` from now on.
pub(super) fn describe(row: &mut KeyRow, key: &ApiKey, options: &StoreOptions) {
    row.hint = Hint::of(key);
    row.expires_at = options.expires_at;
    if let Some(labels) = &options.labels {
        row.labels.clone_from(labels);
    }
    if let Some(settings) = &options.settings {
        row.settings.clone_from(settings);
    }
    if let Some(template) = &options.template {
        row.template = Some(template.clone());
    }
    if let Some(days) = options.rotate_every {
        row.rotate_every = Some(days).filter(|days| days.0 > 0);
    }
}

/// # Errors
/// `Conflict` if `expect` does not hold for what was found.
pub(super) fn check_expected(row: Option<&KeyRow>, expect: Option<ExpectVersion>) -> Result<()> {
    let current = row.and_then(|row| row.current);
    let detail = match (expect, current) {
        (None, _) | (Some(ExpectVersion::Absent), None) => return Ok(()),
        (Some(ExpectVersion::Is(wanted)), Some(current)) if wanted == current => return Ok(()),
        (Some(ExpectVersion::Absent), Some(current)) => {
            format!("the key is there already, with version {current}")
        }
        (Some(ExpectVersion::Is(wanted)), Some(current)) => {
            format!("the key's current version is {current}, not {wanted}")
        }
        (Some(ExpectVersion::Is(wanted)), None) => {
            format!("there is no such key, and version {wanted} was expected")
        }
    };
    Err(Error::new(ErrorKind::Conflict, OP, detail)
        .with_hint("read the key again, and decide anew"))
}

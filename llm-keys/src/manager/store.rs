//! Storing a key: a new version, sealed, and current at once.

use std::sync::Arc;

use super::envelope_manager::Core;
use super::options::{ExpectVersion, StoreOptions};
use super::write::{ATTEMPTS, Draft};
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
        self.write(draft, Action::KeyStore, Some(version), caller).await?;
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
        check_expected(found.as_ref().map(|(row, _)| row), options.expect_version)?;
        let new = found.is_none();
        let (mut row, replaced) = match found {
            Some(found) => found,
            None => (self.new_row(id)?, None),
        };
        let version = match row.latest {
            Some(latest) => latest
                .next()
                .ok_or_else(|| Error::invalid(OP, "the key has used up all version numbers"))?,
            None => Version::FIRST,
        };
        let context = EncryptionContext::of_key(id, row.record, version);
        let (envelope, rewrap) = self.seal(&context, key.as_bytes()).await?;

        row.current = Some(version);
        row.latest = Some(version);
        row.hint = Hint::of(key);
        row.expires_at = options.expires_at;
        if let KeyState::Deleted { .. } = row.state {
            row.state = KeyState::Active;
        }
        row.labels = options.labels.clone().unwrap_or(row.labels);
        row.settings = options.settings.clone().unwrap_or(row.settings);
        row.template = options.template.clone().or(row.template);
        row.rotate_every = options.rotate_every.or(row.rotate_every);

        let current = VersionRow {
            record: row.record,
            version,
            generation: 0,
            state: VersionState::Live,
            envelope: Some(envelope),
            rewrap,
            by: caller.actor.clone(),
            reason: caller.reason.clone(),
            created_at: self.clock.now(),
            last_used_at: None,
            mac: None,
        };
        let retired = replaced.map(|old| VersionRow { state: VersionState::Retired, ..old });
        let others = retired.into_iter().collect();
        Ok((Draft { key: row, new, current: Some(current), others, sealed: true }, version))
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

fn check_expected(row: Option<&KeyRow>, expect: Option<ExpectVersion>) -> Result<()> {
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

//! Storing a key: a new version, sealed, and current at once.

use std::sync::Arc;

use super::change_state::ATTEMPTS;
use super::envelope_manager::Core;
use super::options::{ExpectVersion, StoreOptions};
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Action;
use crate::model::{
    Caller, Hint, KeyId, KeyRow, KeyState, Labels, Settings, Version, VersionRow, VersionState,
};
use crate::secret::ApiKey;
use crate::store::{Change, Expect};

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
        let failed = async |error| self.failed(Action::KeyStore, id, caller, error).await;
        let (row, change) = match self.plan(id, key, options, caller).await {
            Ok(plan) => plan,
            Err(error) => return Err(failed(error).await),
        };
        let (version, mut change) = (row.current.unwrap_or(Version::FIRST), change);
        let event = self.change_event(Action::KeyStore, &row, Some(version), caller);
        self.record(&event).await?;
        change.events.push(event);
        // Before the key: a storage that holds one always tells the right KMS from a wrong one.
        if let Err(error) = self.ensure_sentinel().await {
            return Err(failed(error).await);
        }
        match Self::commit(self, id, change).await {
            Ok(()) => Ok(version),
            Err(error) => Err(failed(error).await),
        }
    }

    /// Everything that is written, and what must hold for it; nothing is written yet.
    async fn plan(
        &self,
        id: &KeyId,
        key: &ApiKey,
        options: &StoreOptions,
        caller: &Caller,
    ) -> Result<(KeyRow, Change)> {
        let found = self.store.key_find(id).await?;
        check_expected(found.as_ref().map(|(row, _)| row), options.expect_version)?;
        let (mut row, expect, replaced) = match found {
            Some((row, current)) => {
                let expect = Expect::Generation { record: row.record, generation: row.generation };
                (row, expect, current)
            }
            None => (self.new_row(id)?, Expect::Absent(id.clone()), None),
        };
        let version = match row.latest {
            Some(latest) => latest
                .next()
                .ok_or_else(|| Error::invalid(OP, "the key has used up all version numbers"))?,
            None => Version::FIRST,
        };
        let context = EncryptionContext::of_key(id, row.record, version);
        let (envelope, rewrap) = self.seal(&context, key.as_bytes()).await?;

        let now = self.clock.now();
        row.generation += 1;
        row.current = Some(version);
        row.latest = Some(version);
        row.hint = Hint::of(key);
        row.expires_at = options.expires_at;
        row.updated_at = now;
        if let KeyState::Deleted { .. } = row.state {
            row.state = KeyState::Active;
        }
        row.labels = options.labels.clone().unwrap_or(row.labels);
        row.settings = options.settings.clone().unwrap_or(row.settings);
        row.template = options.template.clone().or(row.template);
        row.rotate_every = options.rotate_every.or(row.rotate_every);

        let new = VersionRow {
            record: row.record,
            version,
            state: VersionState::Live,
            envelope: Some(envelope),
            rewrap,
            by: caller.actor.clone(),
            reason: caller.reason.clone(),
            created_at: now,
            last_used_at: None,
            mac: None,
        };
        let retired = replaced.map(|old| VersionRow { state: VersionState::Retired, ..old });
        let change = Change {
            expect: vec![expect],
            keys: vec![row.clone()],
            versions: retired.into_iter().chain([new]).collect(),
            ..Change::default()
        };
        Ok((row, change))
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
            settings: Settings::default(),
            template: None,
            labels: Labels::default(),
            hint: None,
            expires_at: None,
            rotate_every: None,
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

//! Accepting: rows that are refused are signed anew, as they are.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::super::envelope_manager::Core;
use super::super::mac_keys;
use super::super::rewrap::{Failed, Item, ends_the_walk};
use super::super::verified::row_fault;
use super::super::write::{ATTEMPTS, Draft, busy};
use super::key::{Look, missing};
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Action;
use crate::model::{
    Caller, Kept, KeyId, KeyRow, Reason, SystemName, Tenant, VersionRow, VersionState,
};

/// How many versions of one key may be missing.
const MOST_MISSING: usize = 1000;

/// Which keys to accept, and who does.
#[derive(Clone, Default, Debug)]
#[non_exhaustive]
pub struct AcceptOptions {
    /// These keys; those that are well are left as they are.
    pub keys: Vec<KeyId>,
    /// Who does it; the manager's own caller if left out.
    pub caller: Option<Caller>,
}

impl AcceptOptions {
    /// These keys.
    pub fn keys(keys: Vec<KeyId>) -> Self {
        Self { keys, caller: None }
    }

    /// By `caller`.
    #[must_use]
    pub fn caller(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }
}

/// What was accepted.
#[derive(Clone, Default, Debug)]
#[non_exhaustive]
pub struct AcceptReport {
    /// The keys whose rows were signed anew.
    pub accepted: Vec<KeyId>,
    /// How many were well, or are not there.
    pub skipped: u64,
    /// What could not be accepted, and why. It is as it was, and refused as before.
    pub failed: Vec<Failed>,
    /// The tenants whose record of row MAC keys was made anew.
    pub renewed: Vec<Tenant>,
}

impl Core {
    pub(super) async fn accept_all(
        self: &Arc<Self>,
        options: &AcceptOptions,
    ) -> Result<AcceptReport> {
        let caller = self.caller(options.caller.as_ref());
        let mut report = AcceptReport::default();
        let tenants: HashSet<_> = options.keys.iter().map(|id| &id.tenant).collect();
        for tenant in tenants {
            if self.renew_lost_mac_keys(tenant).await? {
                report.renewed.push(tenant.clone());
            }
        }
        for id in &options.keys {
            match self.accept_one(id, &caller).await {
                Ok(true) => report.accepted.push(id.clone()),
                Ok(false) => report.skipped += 1,
                Err(error) if ends_the_walk(error.kind()) => return Err(error),
                Err(error) => {
                    let error = self.failed(Action::KeyAccept, id, &caller, error).await;
                    report.failed.push(Failed { item: Item::Key(id.clone()), error });
                }
            }
        }
        Ok(report)
    }

    /// Makes the row MAC keys of `tenant` anew, if their record is missing or damaged. One that only
    /// cannot be opened now, because of the KMS, is left.
    async fn renew_lost_mac_keys(&self, tenant: &Tenant) -> Result<bool> {
        let old = self.store.system_find(tenant, &SystemName::new(mac_keys::NAME)?).await?;
        if let Some(row) = &old {
            match self.open_mac_keys(row).await {
                Ok(_) => return Ok(false),
                Err(error) if matches!(error.kind(), ErrorKind::Integrity(_)) => {}
                Err(error) => return Err(error),
            }
        }
        tracing::warn!(%tenant, "lost row MAC keys are made anew");
        let keys = self.write_mac_keys(tenant, old.as_ref()).await?;
        self.mac_keyring.put(tenant, &keys);
        Ok(true)
    }

    /// Whether the rows of `id` were signed: `false` if they are well, or not there.
    async fn accept_one(self: &Arc<Self>, id: &KeyId, caller: &Arc<Caller>) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let look = Look { open: false, patience: Duration::ZERO };
            let seen = self.look_at_id(id, look).await;
            if let Some(error) = seen.stop {
                return Err(error);
            }
            if let Some((_, _, error)) = seen.locked {
                return Err(error);
            }
            let Some(first) = seen.findings.into_iter().next() else { return Ok(false) };
            // If the key row cannot be read, there is nothing to sign.
            let Some(key) = seen.key else { return Err(first.error) };
            let (rows, unreadable) = self.readable_versions(&key).await?;
            if let Some(unreadable) = unreadable.into_iter().next() {
                return Err(unreadable.error);
            }
            let draft = self.as_it_is(key, rows, caller).await?;
            let version = draft.key.current;
            match self.write(draft, Action::KeyAccept, version, caller).await {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(busy())
    }

    /// The change that writes all rows of `key` as they are, and fitting each other.
    ///
    /// # Errors
    /// `Integrity`, `Kms` if an envelope does not open; `Integrity(Row)` if its current version is
    /// missing.
    async fn as_it_is(
        &self,
        mut key: KeyRow,
        rows: Vec<VersionRow>,
        caller: &Caller,
    ) -> Result<Draft> {
        let current = rows.iter().find(|row| Some(row.version) == key.current);
        if key.current.is_some() && current.is_none_or(|row| row.envelope.is_none()) {
            return Err(refused("the current version is not stored").with_hint(
                "put it back from a backup, or `llm-keys delete --now` the key and store it anew",
            ));
        }
        for row in &rows {
            if let Some(envelope) = &row.envelope {
                let context = EncryptionContext::of_key(&key.id, row.record, row.version);
                self.try_to_open(&context, envelope, Duration::ZERO).await?;
            }
        }
        // No number is given twice, whatever the key row says.
        let highest = rows.iter().map(|row| row.version).max();
        key.latest = key.latest.max(highest);
        key.kept = Kept::default();
        let missing: Vec<_> = missing(&key, &rows).take(MOST_MISSING + 1).collect();
        if missing.len() > MOST_MISSING {
            return Err(refused("too many of its versions are not stored"));
        }
        let lost = missing.into_iter().map(|version| VersionRow {
            record: key.record,
            version,
            generation: key.generation,
            state: VersionState::Shredded,
            envelope: None,
            rewrap: false,
            by: caller.actor.clone(),
            reason: Reason::new("the row was missing when the key was accepted").ok(),
            created_at: self.clock.now(),
            last_used_at: None,
            mac: None,
        });
        let (mut current, mut others) = (None, Vec::with_capacity(rows.len()));
        let lost: Vec<_> = lost.collect();
        for row in rows.into_iter().chain(lost) {
            match Some(row.version) == key.current {
                true => current = Some(row),
                false => others.push(row),
            }
        }
        Ok(Draft { others, ..Draft::of(key, current) })
    }
}

fn refused(detail: &'static str) -> Error {
    row_fault(detail).with_hint("put it back from a backup")
}

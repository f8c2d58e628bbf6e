//! The system record that holds the keys of row MACs: one for each tenant, made by whoever stores
//! the tenant's first key.
//!
//! It is opened once for each manager and tenant, beside the first unwrap of a key. Whether another
//! process has replaced it is looked at by who writes, at most once a second, and by who finds a row
//! that does not fit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::envelope_manager::{Core, EnvelopeKeyManager};
use super::pins::locked;
use super::row_mac::MacKeys;
use super::system_record::Renewal;
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::model::{KeyFilter, PageSize, SystemName, Tenant, Version};
use crate::store::SystemRow;

const OP: &str = "manager.row_mac";

/// How long a writer trusts that the record is as it was.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the record is called.
pub(super) const NAME: &str = "row-mac";

impl EnvelopeKeyManager {
    /// Opens the row MAC keys of `tenant`, so that [`list_api_keys`] and [`key_metadata`] can tell
    /// rows that are as they were written from others. Reading and changing a key do it themselves.
    /// `false` if the tenant has none, because nothing was ever stored.
    ///
    /// # Errors
    /// As for reading a key.
    ///
    /// [`list_api_keys`]: super::SecureKeyManager::list_api_keys
    /// [`key_metadata`]: super::SecureKeyManager::key_metadata
    pub async fn open_row_macs(&self, tenant: &Tenant) -> Result<bool> {
        Ok(self.core.mac_keys_if_any(tenant).await?.is_some())
    }
}

/// The row MAC keys that are open, by tenant.
#[derive(Default, Debug)]
pub(super) struct MacKeyring(Mutex<HashMap<Tenant, Arc<Slot>>>);

/// The keys of one tenant.
#[derive(Default, Debug)]
struct Slot {
    open: Mutex<Open>,
    /// Held while somebody opens the record.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Default, Debug)]
struct Open {
    keys: Option<Arc<MacKeys>>,
    /// Which state of the record they are from, and when that was last seen to be the stored one.
    place: Option<(Uuid, Version)>,
    seen: Duration,
    /// Whether a writer has seen to it that the record is sealed under the keys of today.
    renewed: bool,
    /// How often opening failed, and how the last time.
    failures: u64,
    failure: Option<Error>,
}

impl MacKeyring {
    /// The keys of `tenant`, if they are open.
    pub(super) fn at_hand(&self, tenant: &Tenant) -> Option<Arc<MacKeys>> {
        let slot = locked(&self.0).get(tenant).map(Arc::clone)?;
        locked(&slot.open).keys.clone()
    }

    fn slot(&self, tenant: &Tenant) -> Arc<Slot> {
        let mut slots = locked(&self.0);
        if let Some(slot) = slots.get(tenant) {
            return Arc::clone(slot);
        }
        let slot = Arc::<Slot>::default();
        slots.insert(tenant.clone(), Arc::clone(&slot));
        slot
    }

    /// The keys of `tenant` are those of `row`.
    fn note(&self, tenant: &Tenant, row: &SystemRow, now: Duration) {
        let slot = self.slot(tenant);
        let mut open = locked(&slot.open);
        (open.place, open.seen) = (Some((row.record, row.version)), now);
    }

    /// From now on these are the keys of `tenant`.
    pub(super) fn put(&self, tenant: &Tenant, keys: &Arc<MacKeys>) {
        let slot = self.slot(tenant);
        locked(&slot.open).keys = Some(Arc::clone(keys));
    }

    /// Whether nobody has written for `tenant` yet.
    fn is_first_write(&self, tenant: &Tenant) -> bool {
        let slot = self.slot(tenant);
        !std::mem::replace(&mut locked(&slot.open).renewed, true)
    }

    /// Forgets all keys.
    pub(super) fn clear(&self) {
        locked(&self.0).clear();
    }
}

impl Core {
    /// The keys that the rows of `tenant` are verified with.
    ///
    /// # Errors
    /// `Integrity(Row)` if the record is missing; else as for reading a key.
    pub(super) async fn mac_keys(&self, tenant: &Tenant) -> Result<Arc<MacKeys>> {
        self.mac_keys_if_any(tenant).await?.ok_or_else(missing)
    }

    /// The same; `None` if there is no record.
    async fn mac_keys_if_any(&self, tenant: &Tenant) -> Result<Option<Arc<MacKeys>>> {
        self.open_once(tenant, async || self.find_mac_keys(tenant).await).await
    }

    async fn find_mac_keys(&self, tenant: &Tenant) -> Result<Option<Arc<MacKeys>>> {
        match self.store.system_find(tenant, &SystemName::new(NAME)?).await? {
            Some(row) => {
                let keys = self.open_mac_keys(&row).await?;
                self.mac_keyring.note(tenant, &row, self.clock.monotonic());
                Ok(Some(keys))
            }
            None => Ok(None),
        }
    }

    /// The keys of `tenant` as they are stored now, if that was not looked at within a second.
    pub(super) async fn fresh_mac_keys(&self, tenant: &Tenant) -> Result<Option<Arc<MacKeys>>> {
        let slot = self.mac_keyring.slot(tenant);
        let _one = slot.opening.lock().await;
        let now = self.clock.monotonic();
        let known = {
            let open = locked(&slot.open);
            if open.keys.is_some() && now < open.seen.saturating_add(LOOK_EVERY) {
                return Ok(open.keys.clone());
            }
            open.place
        };
        let row = self.store.system_find(tenant, &SystemName::new(NAME)?).await?;
        let Some(row) = row else { return Ok(None) };
        if known != Some((row.record, row.version)) {
            let keys = self.open_mac_keys(&row).await?;
            locked(&slot.open).keys = Some(keys);
        }
        self.mac_keyring.note(tenant, &row, now);
        Ok(locked(&slot.open).keys.clone())
    }

    /// The keys for a row of `tenant` that is about to be written; made where the tenant has none
    /// yet.
    ///
    /// # Errors
    /// `Integrity(Row)` if the record is missing though keys are stored: with new keys all of them
    /// would be refused. Else as for storing a key.
    pub(super) async fn mac_keys_to_write(&self, tenant: &Tenant) -> Result<Arc<MacKeys>> {
        let found = self.open_once(tenant, async || self.find_or_make_mac_keys(tenant).await).await;
        found?.ok_or_else(missing)?;
        // What is signed by keys that were replaced would be refused by all others.
        let keys = self.fresh_mac_keys(tenant).await?.ok_or_else(missing)?;
        // What is written under the new key of an alias must not need the old one for the record's
        // sake. A KMS that was put in the place of another gets the record by a rewrap, and not
        // before every process can read with it.
        if self.mac_keyring.is_first_write(tenant)
            && let Err(error) = self.renew_mac_keys_of(tenant, &keys).await
        {
            tracing::warn!(%tenant, ?error, "the row MAC keys could not be sealed anew");
        }
        Ok(keys)
    }

    async fn renew_mac_keys_of(&self, tenant: &Tenant, keys: &MacKeys) -> Result<()> {
        let found = self.store.system_find(tenant, &SystemName::new(NAME)?).await?;
        match found {
            Some(row) => {
                let lacking = self.lacking(&row.envelope)?;
                match self.kms.written_aliases().any(|(_, uri)| lacking.contains(&uri)) {
                    true => self.seal_mac_keys(tenant, Some(&row), Renewal::IfBetter, keys).await,
                    false => Ok(()),
                }
            }
            None => Ok(()),
        }
    }

    async fn find_or_make_mac_keys(&self, tenant: &Tenant) -> Result<Option<Arc<MacKeys>>> {
        if let Some(keys) = self.find_mac_keys(tenant).await? {
            return Ok(Some(keys));
        }
        let filter = KeyFilter::of(tenant.clone()).with_deleted();
        let page = self.store.key_list(&filter, None, PageSize::new(1)?).await?;
        if !page.items.is_empty() {
            // Unless another process has made them and stored its key since.
            return self.find_mac_keys(tenant).await;
        }
        match self.write_mac_keys(tenant, None).await {
            // Another writer was first.
            Err(error) if error.kind() == ErrorKind::Conflict => self.find_mac_keys(tenant).await,
            made => made.map(Some),
        }
    }

    /// Seals new keys and stores them: in the place of `old`, or where there must be none.
    pub(super) async fn write_mac_keys(
        &self,
        tenant: &Tenant,
        old: Option<&SystemRow>,
    ) -> Result<Arc<MacKeys>> {
        let keys = Arc::new(MacKeys::generate(&*self.random)?);
        self.seal_mac_keys(tenant, old, Renewal::Always, &keys).await?;
        if let Some(row) = self.store.system_find(tenant, &SystemName::new(NAME)?).await?
            && old.map(|old| (old.record, old.version)) != Some((row.record, row.version))
        {
            self.mac_keyring.note(tenant, &row, self.clock.monotonic());
        }
        Ok(keys)
    }

    /// Seals every record of row MAC keys anew that is not sealed under all keys that are written
    /// under now. That it cannot be done now is no harm: it opens as before.
    pub(super) async fn renew_mac_keys(&self) {
        let rows = match self.mac_key_records().await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(?error, "row MAC keys could not be sealed anew");
                return;
            }
        };
        // One tenant's trouble is not the others'.
        for row in rows {
            match self.try_to_renew(&row).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => {
                    tracing::warn!(tenant = %row.tenant, ?error, "row MAC keys not sealed anew");
                }
            }
        }
    }

    async fn try_to_renew(&self, row: &SystemRow) -> Result<()> {
        if self.lacking(&row.envelope)?.is_empty() {
            return Ok(());
        }
        let keys = self.open_mac_keys(row).await?;
        self.seal_mac_keys(&row.tenant, Some(row), Renewal::IfBetter, &keys).await
    }

    /// The records of all tenants.
    pub(super) async fn mac_key_records(&self) -> Result<Vec<SystemRow>> {
        let mut rows = self.store.system_list().await?;
        rows.retain(|row| row.name.as_str() == NAME);
        Ok(rows)
    }

    pub(super) async fn open_mac_keys(&self, row: &SystemRow) -> Result<Arc<MacKeys>> {
        let context = EncryptionContext::of_system(&row.tenant, &row.name, row.record, row.version);
        let content = self.unseal(&context, &row.envelope).await?;
        content.expose(MacKeys::parse).map(Arc::new)
    }

    async fn seal_mac_keys(
        &self,
        tenant: &Tenant,
        old: Option<&SystemRow>,
        renewal: Renewal,
        keys: &MacKeys,
    ) -> Result<()> {
        let place = (tenant.clone(), SystemName::new(NAME)?);
        let Some(draft) = self.draft_system(place, old, renewal).await? else { return Ok(()) };
        self.record_aliases().await?;
        fail_point!("row-mac.drafted");
        self.write_system(draft, &keys.serialize()?).await?;
        fail_point!("row-mac.written");
        Ok(())
    }

    /// What `open` gives, once for each tenant: who comes while another opens waits for it and
    /// shares what it finds, and so an outage costs one call and not one for each waiting reader.
    async fn open_once(
        &self,
        tenant: &Tenant,
        open: impl AsyncFnOnce() -> Result<Option<Arc<MacKeys>>>,
    ) -> Result<Option<Arc<MacKeys>>> {
        if let Some(keys) = self.mac_keyring.at_hand(tenant) {
            return Ok(Some(keys));
        }
        let slot = self.mac_keyring.slot(tenant);
        let failures = locked(&slot.open).failures;
        let _one = slot.opening.lock().await;
        {
            let known = locked(&slot.open);
            if let Some(keys) = &known.keys {
                return Ok(Some(Arc::clone(keys)));
            }
            if let Some(error) = &known.failure
                && known.failures > failures
            {
                return Err(error.clone());
            }
        }
        let opened = open().await;
        let mut known = locked(&slot.open);
        match &opened {
            Ok(keys) => known.keys.clone_from(keys),
            Err(error) => {
                known.failures += 1;
                known.failure = Some(error.clone());
            }
        }
        opened
    }
}

pub(super) fn missing() -> Error {
    let fault = ErrorKind::Integrity(IntegrityFault::Row);
    Error::new(fault, OP, "the record of row MAC keys is missing, though keys are stored").with_hint(
        "put it back from a backup of the database; without one, `llm-keys verify --accept-all` \
         makes a new one, after you have looked at every key",
    )
}

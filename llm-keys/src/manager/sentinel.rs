//! The sentinel: a small sealed record that tells at once whether this is the right KMS.
//!
//! It is only as good as the KMS that sealed it is the right one. So it is sealed by whoever stores
//! a key, before the key is stored, and otherwise only in a storage where nothing was ever written.

use std::sync::Arc;

use super::allow::explained;
use super::envelope_manager::{Core, EnvelopeKeyManager};
use super::pins::{self, Ask};
use super::system_record::Renewal;
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, IntegrityFault, KmsFault, Result};
use crate::model::{Seq, SystemName, Tenant};
use crate::secret::SecretBytes;
use crate::store::SystemRow;

/// What the record holds. It is no secret; that it opens is what counts.
const CONTENT: &[u8] = b"llm-keys sentinel 1";

const OP: &str = "manager.sentinel";

/// What [`EnvelopeKeyManager::check_sentinel`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Sentinel {
    /// The record was there, and the configured KMS opened it.
    Opened,
    /// There was none; it was sealed under the configured KMS just now.
    Made,
    /// There is none though the storage was written to. Which KMS is the right one cannot be told,
    /// so none was made.
    Missing,
}

impl EnvelopeKeyManager {
    /// Opens the sentinel of the storage: a KMS key that is wrong, out of reach or rotated away is
    /// found now and not by the first user who asks for a key. It is made where nothing was ever
    /// written. Where it opens, but is not sealed under all keys that are written under now, it is
    /// sealed anew, and so is the record of allowed KMS keys; if that fails it is tried the next
    /// time.
    ///
    /// # Errors
    /// `Kms(WrongKey)` if the storage was written under other KMS keys; else as for reading a key.
    pub async fn check_sentinel(&self) -> Result<Sentinel> {
        self.core.check_sentinel().await
    }

    /// The same, but makes the sentinel where it is missing although the storage was written to. To
    /// be called by who knows that the configured KMS is the right one, because it has just opened
    /// what is stored. Storing a key makes it, too.
    ///
    /// # Errors
    /// As for [`check_sentinel`](Self::check_sentinel) and for storing a key.
    pub async fn make_sentinel(&self) -> Result<Sentinel> {
        match self.core.check_sentinel().await? {
            Sentinel::Missing => self.core.make_sentinel().await,
            found => Ok(found),
        }
    }
}

impl Core {
    /// As the manager's method of this name.
    pub(super) async fn check_sentinel(self: &Arc<Self>) -> Result<Sentinel> {
        let (tenant, name) = place()?;
        match self.store.system_find(&tenant, &name).await? {
            Some(row) => self.open_and_renew(&row).await,
            None if self.may_claim().await? => self.make_sentinel().await,
            None => Ok(Sentinel::Missing),
        }
    }

    /// The check of a start: without a sentinel it tells nothing, and must not seem to.
    pub(super) async fn check_start(self: &Arc<Self>) -> Result<()> {
        match self.check_sentinel().await? {
            Sentinel::Opened | Sentinel::Made => Ok(()),
            Sentinel::Missing => {
                let fault = ErrorKind::Integrity(IntegrityFault::Row);
                let detail =
                    "the storage was written to, but holds no sentinel to check the KMS by";
                Err(Error::new(fault, OP, detail).with_hint(
                    "`llm-keys doctor` makes it if stored keys open; so does storing a key",
                ))
            }
        }
    }

    /// Sees to it that there is a sentinel before the first key of this process is stored: what
    /// seals the key is the right KMS for it. From then on this costs nothing. One that is there is
    /// not opened: storing needs no right to unwrap.
    pub(super) async fn ensure_sentinel(&self) -> Result<()> {
        let there = || self.find_or_write_sentinel();
        self.sentinel_is_there.get_or_try_init(there).await.map(drop)
    }

    async fn find_or_write_sentinel(&self) -> Result<()> {
        let (tenant, name) = place()?;
        if self.store.system_find(&tenant, &name).await?.is_some() {
            return Ok(());
        }
        match self.write_sentinel(None).await {
            // Another writer was first.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            // Who may only use one tenant's keys can store them all the same. Nobody takes the
            // storage for theirs later: it was written to.
            Err(error) if error.kind() == ErrorKind::Kms(KmsFault::Denied) => {
                tracing::warn!(?error, "the KMS does not permit to seal the sentinel");
                Ok(())
            }
            done => done,
        }
    }

    /// Whether nothing tells that the storage belongs to another KMS.
    async fn may_claim(&self) -> Result<bool> {
        let never = Seq::default();
        if self.store.changes_since(never).await?.head > never {
            return Ok(false);
        }
        // It is written before the first key, and before the sentinel. If it opens, it is ours.
        let (tenant, name) = pins::place()?;
        match self.store.system_find(&tenant, &name).await? {
            Some(row) => self.open_pins(&row, Ask::All).await.map(|_| true).map_err(explained),
            None => Ok(true),
        }
    }

    async fn make_sentinel(&self) -> Result<Sentinel> {
        match self.write_sentinel(None).await {
            Ok(()) => Ok(Sentinel::Made),
            // Another process made it first; what counts is whether ours opens it.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let (tenant, name) = place()?;
                let row = self.store.system_find(&tenant, &name).await?.ok_or(error)?;
                self.open_sentinel(&row).await.map(|()| Sentinel::Opened)
            }
            Err(error) => Err(error),
        }
    }

    async fn open_and_renew(&self, row: &SystemRow) -> Result<Sentinel> {
        self.open_sentinel(row).await?;
        // It opened: that is what was asked. The rest is for the next time.
        match self.renew_sentinel(row).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => {
                tracing::warn!(?error, "the sentinel could not be sealed under all KMS keys");
            }
        }
        self.renew_pins().await;
        self.renew_mac_keys().await;
        Ok(Sentinel::Opened)
    }

    pub(super) async fn open_sentinel(&self, row: &SystemRow) -> Result<()> {
        let context = EncryptionContext::of_system(&row.tenant, &row.name, row.record, row.version);
        let content = self.unseal(&context, &row.envelope).await?;
        if content.expose(|content| content == CONTENT) {
            return Ok(());
        }
        let fault = ErrorKind::Integrity(IntegrityFault::Row);
        Err(Error::new(fault, OP, "the sentinel does not hold what it must"))
    }

    /// Seals it under the keys that are written under now, if it lacks one of them.
    async fn renew_sentinel(&self, row: &SystemRow) -> Result<()> {
        if self.lacking(&row.envelope)?.is_empty() {
            return Ok(());
        }
        self.write_sentinel(Some((row, Renewal::IfBetter))).await
    }

    /// Seals the sentinel and stores it: in the place of `old`, or where there must be none.
    pub(super) async fn write_sentinel(&self, old: Option<(&SystemRow, Renewal)>) -> Result<()> {
        let (row, renewal) = match old {
            Some((row, renewal)) => (Some(row), renewal),
            None => (None, Renewal::Always),
        };
        let Some(draft) = self.draft_system(place()?, row, renewal).await? else { return Ok(()) };
        self.record_aliases().await?;
        fail_point!("sentinel.drafted");
        self.write_system(draft, &SecretBytes::copy_from(CONTENT)).await?;
        fail_point!("sentinel.written");
        Ok(())
    }
}

/// Where the sentinel is.
pub(super) fn place() -> Result<(Tenant, SystemName)> {
    Ok((Tenant::default(), SystemName::new("sentinel")?))
}

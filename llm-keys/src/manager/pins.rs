//! The record of the KMS keys that aliases have meant and that somebody allowed: how it is read.
//!
//! It is sealed like a key, so that only who can write under one of our KMS keys can add to it. One
//! thing holds at all times: it lists every key that it is sealed under, if that is of a kind that
//! aliases can mean. So a glance at its envelope says whether there is anything to add, and after an
//! alias has moved it can still be opened: by the key that the alias meant.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::envelope_manager::Core;
use crate::context::EncryptionContext;
use crate::envelope::{Content, Parsed};
use crate::error::{Error, ErrorKind, IntegrityFault, KmsFault, Result};
use crate::kms::{Attempts, KeyUri, KmsContext, KmsProvider, Pins, WrappedKey};
use crate::model::{SystemName, Tenant, Version};
use crate::secret::DataKey;
use crate::store::SystemRow;

/// How long a record that could not be opened is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What a manager knows of the record.
#[derive(Default, Debug)]
pub(super) struct Pinned {
    /// Providers for keys of the record that no setting names; kept as long as the manager.
    found: Mutex<Vec<Arc<dyn KmsProvider>>>,
    /// The last look at the record; held while somebody looks.
    last: tokio::sync::Mutex<Option<Look>>,
    /// The aliases and keys that are known to be in the record.
    pub(super) recorded: Mutex<Vec<(String, KeyUri)>>,
    /// Held while somebody adds to the record.
    pub(super) recording: tokio::sync::Mutex<()>,
}

/// A look at one state of the record, and what came of it.
#[derive(Debug)]
struct Look {
    record: uuid::Uuid,
    version: Version,
    at: Duration,
    opened: Result<Pins>,
}

impl Pinned {
    fn found(&self) -> Vec<Arc<dyn KmsProvider>> {
        locked(&self.found).clone()
    }
}

impl Core {
    /// The data key of an envelope: by a configured KMS key, or else by one of the record.
    pub(super) async fn unwrap(
        &self,
        copies: &[WrappedKey],
        context: KmsContext<'_>,
    ) -> Result<DataKey> {
        let mut attempts = Attempts::new(copies, context);
        if let Some(key) = attempts.with_set(&self.kms).await {
            return Ok(key);
        }
        let before = self.pinned.found();
        if let Some(key) = attempts.with(&before).await {
            return Ok(key);
        }
        if copies.iter().any(|copy| !self.accepts(copy)) {
            match self.look_at_pins().await {
                Ok(()) => {
                    let found = self.pinned.found();
                    if let Some(key) = attempts.with(found.iter().skip(before.len())).await {
                        return Ok(key);
                    }
                }
                // Then there is no record for these KMS keys.
                Err(error) if error.kind() == ErrorKind::Kms(KmsFault::WrongKey) => {}
                Err(error) => attempts.failed(error),
            }
        }
        Err(attempts.into_error(&self.kms))
    }

    /// Opens the record, if it changed since the last look, and learns its keys. So an envelope
    /// under a stranger's key costs a read of the storage each time, and no call of the KMS.
    async fn look_at_pins(&self) -> Result<()> {
        let mut last = self.pinned.last.lock().await;
        let (tenant, name) = place()?;
        let Some(row) = self.store.system_find(&tenant, &name).await? else { return Ok(()) };
        let now = self.clock.monotonic();
        let same = |look: &&Look| (look.record, look.version) == (row.record, row.version);
        match last.as_ref().filter(same).map(|look| (&look.opened, look.at)) {
            // Again, because a KMS that was out may be open by now, and reach more of them.
            Some((Ok(pins), _)) => return self.learn(pins),
            Some((Err(error), at)) if now < at.saturating_add(RETRY_AFTER) => {
                return Err(error.clone());
            }
            _ => {}
        }
        let (record, version) = (row.record, row.version);
        // Those that could not be opened yet have just been asked for the key itself.
        let opened = self.open_pins(&row, Ask::Opened).await;
        if opened.is_err() && self.kms.unopened().next().is_some() {
            // It is worth another look as soon as one is.
            *last = None;
            return opened.map(drop);
        }
        let look = last.insert(Look { record, version, at: now, opened });
        self.learn(look.opened.as_ref().map_err(Error::clone)?)
    }

    /// Makes a provider of each key of `pins` that no provider accepts so far, where one can.
    fn learn(&self, pins: &Pins) -> Result<()> {
        let mut found = locked(&self.pinned.found);
        for uri in pins.keys() {
            let copy = WrappedKey { uri: uri.clone(), blob: Vec::new() };
            let known = self.kms.accepts(&copy) || found.iter().any(|kms| kms.accepts(&copy));
            if !known && let Some(kms) = self.provider_of(uri)? {
                found.push(kms);
            }
        }
        Ok(())
    }

    /// A provider that reads with `uri`, through one of the configured ones.
    pub(super) fn provider_of(&self, uri: &KeyUri) -> Result<Option<Arc<dyn KmsProvider>>> {
        for reader in self.kms.readers() {
            if let Some(kms) = reader.for_key(uri)? {
                return Ok(Some(kms));
            }
        }
        Ok(None)
    }

    fn accepts(&self, copy: &WrappedKey) -> bool {
        self.kms.accepts(copy) || locked(&self.pinned.found).iter().any(|kms| kms.accepts(copy))
    }

    /// What the record holds.
    ///
    /// # Errors
    /// `Kms(WrongKey)` if it is sealed under keys that have nothing to do with the configured ones;
    /// else as for reading a key.
    pub(super) async fn open_pins(&self, row: &SystemRow, ask: Ask) -> Result<Pins> {
        let context = EncryptionContext::of_system(&row.tenant, &row.name, row.record, row.version);
        let parsed = row.envelope.parse()?;
        parsed.check_context(&context)?;
        if parsed.content() != Content::Raw {
            return Err(forged("the record of allowed KMS keys has another kind of content"));
        }
        let (key, sibling) = self.unwrap_pins(&parsed, &context, ask).await?;
        let pins = parsed.open(&context, &key)?.expose(Pins::parse)?;
        match sibling {
            Some(uri) if !pins.keys().any(|key| key == uri) => Err(forged(
                "the record of allowed KMS keys is sealed under a key that it does not list",
            )),
            _ => Ok(pins),
        }
    }

    /// The data key of the record; and the KMS key that opened it, if that is only a sibling of one
    /// that was found by an alias.
    async fn unwrap_pins<'a>(
        &'a self,
        parsed: &'a Parsed<'_>,
        context: &'a EncryptionContext,
        ask: Ask,
    ) -> Result<(DataKey, Option<&'a KeyUri>)> {
        let copies = parsed.wrapped();
        let mut attempts =
            Attempts::new(copies, KmsContext { context, readable: parsed.readable() });
        if let Some(key) = attempts.with_opened(&self.kms).await {
            return Ok((key, None));
        }
        if let Some(key) = attempts.with(&self.pinned.found()).await {
            return Ok((key, None));
        }
        for copy in copies {
            if self.accepts(copy) {
                continue;
            }
            let uri = &copy.uri;
            let mut by_alias = self.kms.readers().filter(|reader| reader.alias().is_some());
            let Some(reader) = by_alias.find(|reader| reader.is_sibling(uri)) else { continue };
            let Some(kms) = reader.for_key(uri)? else { continue };
            if let Some(key) = attempts.with([&kms]).await {
                return Ok((key, Some(uri)));
            }
        }
        if ask == Ask::All
            && let Some(key) = attempts.with_unopened(&self.kms).await
        {
            return Ok((key, None));
        }
        Err(attempts.into_error(&self.kms))
    }
}

/// Who is asked to open the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    /// Every KMS, also one that could not be opened yet.
    All,
    /// Only those that are open.
    Opened,
}

/// Where the record is.
pub(super) fn place() -> Result<(Tenant, SystemName)> {
    Ok((Tenant::default(), SystemName::new("kms-pins")?))
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forged(detail: &'static str) -> Error {
    Error::new(ErrorKind::Integrity(IntegrityFault::Row), OP, detail)
}

const OP: &str = "manager.pins";

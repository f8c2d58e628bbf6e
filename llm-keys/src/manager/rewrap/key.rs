//! One key: new envelopes for those of its versions that need them, as one change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::envelope_manager::Core;
use super::super::write::Draft;
use super::need::need;
use super::options::{KeptVersions, ResealOptions, RewrapOptions};
use super::probe::{another_key, same};
use super::report::{Failed, Item, ends_the_walk};
use super::scan::Stored;
use crate::context::EncryptionContext;
use crate::envelope::{self, Content, Envelope, Parsed};
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::event::{Action, Event};
use crate::kms::{KeyUri, KmsContext, WrappedKey};
use crate::model::{Caller, KeyFilter, KeyId, KeyRow, KeyState, VersionRow};
use crate::secret::DataKey;
use crate::store::{Change, Expect};

const OP: &str = "manager.rewrap";

/// What is done to each version.
#[derive(Debug)]
pub(super) enum Work {
    Rewrap { targets: Vec<KeyUri>, everything: bool, verify: bool },
    Reseal { filter: Option<KeyFilter>, versions: KeptVersions },
}

impl Work {
    pub(super) fn rewrap(targets: Vec<KeyUri>, options: &RewrapOptions) -> Self {
        Self::Rewrap { targets, everything: options.everything, verify: options.verify }
    }

    pub(super) fn reseal(options: &ResealOptions) -> Self {
        Self::Reseal { filter: options.filter.clone(), versions: options.versions }
    }

    pub(super) fn action(&self) -> Action {
        match self {
            Self::Rewrap { .. } => Action::KeyRewrap,
            Self::Reseal { .. } => Action::KeyReseal,
        }
    }

    /// Whether `row` needs it, as far as that is seen without a key. One whose bytes are damaged
    /// does: opening it says what is wrong.
    pub(super) fn wants(&self, key: &KeyRow, row: &VersionRow) -> bool {
        match self {
            Self::Rewrap { targets, everything, .. } => {
                let Some(envelope) = &row.envelope else { return false };
                envelope.parse().map_or(true, |parsed| {
                    need(parsed.wrapped(), targets, row.rewrap, *everything).is_some()
                })
            }
            Self::Reseal { filter, versions } => {
                filter.as_ref().is_none_or(|filter| has(filter, key))
                    && match versions {
                        KeptVersions::All => true,
                        KeptVersions::Current => key.current == Some(row.version),
                    }
            }
        }
    }
}

/// A key that was worked on, not yet stored.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) id: KeyId,
    /// What is to be committed; `None` if there is nothing.
    pub(super) change: Option<(Change, Event)>,
    /// How many versions that changes, and how many need nothing.
    pub(super) changed: u64,
    pub(super) skipped: u64,
    pub(super) failed: Vec<Failed>,
    /// Why everything must stop.
    pub(super) stop: Option<Error>,
    /// How often this key was prepared before, and others were faster.
    pub(super) attempt: usize,
}

impl Prepared {
    pub(super) fn nothing(id: KeyId) -> Self {
        let failed = Vec::new();
        Self { id, change: None, changed: 0, skipped: 0, failed, stop: None, attempt: 0 }
    }

    fn stopped(id: KeyId, error: Error) -> Self {
        Self { stop: Some(error), ..Self::nothing(id) }
    }

    fn failed(id: KeyId, error: Error, rows: &[VersionRow]) -> Self {
        let item = |row: &VersionRow| Item::Version(id.clone(), row.version);
        let failed = |row| Failed { item: item(row), error: error.clone() };
        let failed = rows.iter().filter(|row| row.envelope.is_some()).map(failed).collect();
        Self { failed, ..Self::nothing(id) }
    }
}

/// What the work on each key shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) work: Arc<Work>,
    pub(super) caller: Arc<Caller>,
    pub(super) patience: Duration,
    /// Set once the walk ends: nobody waits for an outage to pass any more.
    pub(super) ending: AtomicBool,
}

impl Core {
    /// Works on `stored`; reads it again first if it is not of one moment.
    pub(super) async fn prepare(&self, stored: Stored, shared: &Shared) -> Prepared {
        if !stored.is_whole() {
            return self.prepare_anew(stored.key.id, shared).await;
        }
        self.prepare_whole(stored, shared).await
    }

    /// The same for `id` as it is now; nothing if it went away.
    pub(super) async fn prepare_anew(&self, id: KeyId, shared: &Shared) -> Prepared {
        // Two reads, and a writer may come between them: more often than not it does not.
        let mut last = None;
        for _ in 0..super::super::write::ATTEMPTS {
            match self.stored(&id).await {
                Ok(Some(stored)) if stored.is_whole() => {
                    return self.prepare_whole(stored, shared).await;
                }
                Ok(Some(stored)) => last = Some(stored),
                Ok(None) => return Prepared::nothing(id),
                Err(error) if ends_the_walk(error.kind()) => return Prepared::stopped(id, error),
                Err(error) => return Prepared::failed(id, error, &[]),
            }
        }
        let fault = ErrorKind::Integrity(IntegrityFault::Row);
        let error = Error::new(fault, OP, "the rows of the key do not fit each other");
        let rows = last.map(|stored| stored.versions).unwrap_or_default();
        Prepared::failed(id, error, &rows)
    }

    async fn prepare_whole(&self, stored: Stored, shared: &Shared) -> Prepared {
        // What is written gets a new MAC, and must not be somebody else's edit.
        let (macs, verified) = match self.verify(&stored).await {
            Ok(verified) => verified,
            Err(error) if ends_the_walk(error.kind()) => {
                return Prepared::stopped(stored.key.id, error);
            }
            Err(error) => return Prepared::failed(stored.key.id, error, &stored.versions),
        };
        let Stored { key, versions } = stored;
        let mut prepared = Prepared::nothing(key.id.clone());
        let (mut current, mut others, mut expect) = (None, Vec::new(), Vec::new());
        for (row, verified) in versions.into_iter().zip(verified) {
            let is_current = key.current == Some(row.version);
            let renewed = match &row.envelope {
                Some(old) if shared.work.wants(&key, &row) => {
                    let renewed = match verified {
                        Ok(()) => self.renew_patiently(&key.id, &row, old, shared).await,
                        Err(error) => Err(error),
                    };
                    match renewed {
                        Ok(new) => Some(new),
                        Err(error) if ends_the_walk(error.kind()) => {
                            prepared.stop = Some(error);
                            return prepared;
                        }
                        Err(error) => {
                            let item = Item::Version(key.id.clone(), row.version);
                            prepared.failed.push(Failed { item, error });
                            None
                        }
                    }
                }
                Some(_) => {
                    prepared.skipped += 1;
                    None
                }
                None => None,
            };
            let changed = renewed.is_some();
            let row = match renewed {
                Some((envelope, rewrap)) => {
                    let hash = row.envelope.as_ref().map(Envelope::hash).unwrap_or_default();
                    expect.push(Expect::Envelope {
                        record: row.record,
                        version: row.version,
                        hash,
                    });
                    prepared.changed += 1;
                    VersionRow { envelope: Some(envelope), rewrap, ..row }
                }
                None => row,
            };
            match (is_current, changed) {
                (true, _) => current = Some(row),
                (false, true) => others.push(row),
                (false, false) => {}
            }
        }
        if prepared.changed > 0 {
            let event = self.change_event(shared.work.action(), &key, key.current, &shared.caller);
            let updated_at = key.updated_at;
            let draft = Draft { others, ..Draft::of(key, current) };
            // Nobody changed the key: that time stays.
            match draft.bind(updated_at, &macs) {
                Ok((_, mut change)) => {
                    change.expect.append(&mut expect);
                    prepared.change = Some((change, event));
                }
                Err(error) => prepared.stop = Some(error),
            }
        }
        prepared
    }

    /// The new envelope of `row`, and whether it lacks a copy. An outage is waited out.
    async fn renew_patiently(
        &self,
        id: &KeyId,
        row: &VersionRow,
        old: &Envelope,
        shared: &Shared,
    ) -> Result<(Envelope, bool)> {
        let context = EncryptionContext::of_key(id, row.record, row.version);
        let until = self.clock.monotonic().saturating_add(shared.patience);
        let mut pause = FIRST_PAUSE;
        loop {
            let renewed = match &*shared.work {
                Work::Rewrap { everything, verify, .. } => self
                    .rewrapped(&context, old, (*everything, *verify))
                    .await
                    .map(|envelope| (envelope, false)),
                Work::Reseal { .. } => self.resealed(&context, old).await,
            };
            match renewed {
                Err(error)
                    if matches!(error.kind(), ErrorKind::Kms(_))
                        && error.is_retryable()
                        && self.clock.monotonic() < until
                        && !shared.ending.load(Ordering::Relaxed) =>
                {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                renewed => return renewed,
            }
        }
    }

    /// `old` with copies for the write list and nobody else. Copies that are there already are kept,
    /// unless everything is to be wrapped.
    async fn rewrapped(
        &self,
        context: &EncryptionContext,
        old: &Envelope,
        how: (bool, bool),
    ) -> Result<Envelope> {
        let parsed = old.parse()?;
        parsed.check_context(context)?;
        let wrapped_for = KmsContext { context, readable: parsed.readable() };
        let key = self.unwrap(parsed.wrapped(), wrapped_for).await?;
        // Before the KMS is asked to wrap a data key that is not the one of this envelope.
        drop(parsed.open(context, &key)?);
        let wrapped = self.wrapped(&parsed, &key, wrapped_for, how).await?;
        let new = envelope::rewrap(&parsed, context, &key, &wrapped)?;
        // What replaces the old one must open by itself.
        drop(new.parse()?.open(context, &key)?);
        Ok(new)
    }

    async fn wrapped(
        &self,
        old: &Parsed<'_>,
        key: &DataKey,
        context: KmsContext<'_>,
        (everything, verify): (bool, bool),
    ) -> Result<Vec<WrappedKey>> {
        let mut wrapped = Vec::new();
        for writer in self.kms.writers() {
            let there = old.wrapped().iter().find(|copy| copy.uri == *writer.uri());
            let copy = match there.filter(|_| !everything) {
                Some(copy) => copy.clone(),
                None => writer.wrap_key(key, context).await?,
            };
            if verify && !same(key, &writer.unwrap_key(&copy, context).await?) {
                return Err(another_key(&copy.uri));
            }
            wrapped.push(copy);
        }
        Ok(wrapped)
    }

    /// What `old` holds in a new envelope, and whether that lacks a copy.
    async fn resealed(
        &self,
        context: &EncryptionContext,
        old: &Envelope,
    ) -> Result<(Envelope, bool)> {
        if old.parse()?.content() != Content::Raw {
            return Err(Error::invalid(OP, "a credential of several fields is not sealed anew"));
        }
        let content = self.unseal(context, old).await?;
        self.seal(context, &content).await
    }
}

fn has(filter: &KeyFilter, key: &KeyRow) -> bool {
    let KeyRow { id, state, .. } = key;
    filter.tenant == id.tenant
        && filter.owner.as_ref().is_none_or(|owner| *owner == id.owner)
        && filter.service.as_ref().is_none_or(|service| *service == id.service)
        && filter.name.as_ref().is_none_or(|name| *name == id.name)
        && (filter.deleted || !matches!(state, KeyState::Deleted { .. }))
}

/// How long the first wait is.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

//! One key: all its rows, and all that is wrong with them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::envelope_manager::Core;
use super::super::mac_keys;
use super::super::rewrap::{Item, ends_the_walk};
use super::super::row_mac::MacKeys;
use super::super::verified::row_fault;
use super::super::write::{ATTEMPTS, busy};
use super::checkpoint::Entry;
use super::report::Finding;
use crate::context::EncryptionContext;
use crate::envelope::Envelope;
use crate::error::{Error, ErrorKind, Result};
use crate::kms::KmsContext;
use crate::model::{KeyId, KeyRow, SystemName, Tenant, Version, VersionRow};
use crate::store::ScannedKey;

/// How many missing versions of one key are named one by one.
const NAMED: usize = 100;

/// How long the first wait for a KMS is, and how long the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How to look at a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) open: bool,
    pub(super) patience: Duration,
}

/// What was found about one key.
#[derive(Debug)]
pub(super) struct Seen {
    /// The key, if its row can be read.
    pub(super) key: Option<KeyRow>,
    /// What a checkpoint says of it, if it is well.
    pub(super) entry: Option<Entry>,
    pub(super) versions: u64,
    pub(super) opened: u64,
    pub(super) findings: Vec<Finding>,
    /// Why nothing can be said about keys of this tenant.
    pub(super) locked: Option<(Tenant, SystemName, Error)>,
    /// Why the walk must stop.
    pub(super) stop: Option<Error>,
    /// Whether it went away meanwhile.
    pub(super) went: bool,
}

impl Seen {
    fn nothing() -> Self {
        Self {
            key: None,
            entry: None,
            versions: 0,
            opened: 0,
            findings: Vec::new(),
            locked: None,
            stop: None,
            went: false,
        }
    }

    fn stopped(error: Error) -> Self {
        Self { stop: Some(error), ..Self::nothing() }
    }

    fn bad(item: Item, error: Error) -> Self {
        Self { findings: vec![Finding::new(item, error)], ..Self::nothing() }
    }

    fn went() -> Self {
        Self { went: true, ..Self::nothing() }
    }
}

impl Core {
    /// Looks at a key that a scan found.
    pub(super) async fn look_at(&self, scanned: ScannedKey, look: Look) -> Seen {
        match scanned.row {
            Ok(key) => self.look_at_row(key, look).await,
            Err(error) => Seen::bad(Item::Row(scanned.name), error),
        }
    }

    /// Looks at the key of this id.
    pub(super) async fn look_at_id(&self, id: &KeyId, look: Look) -> Seen {
        match self.store.key_find(id).await {
            Ok(Some((key, _))) => self.look_at_row(key, look).await,
            Ok(None) => Seen::went(),
            Err(error) if ends_the_walk(error.kind()) => Seen::stopped(error),
            Err(error) => Seen::bad(Item::Key(id.clone()), error),
        }
    }

    /// Looks at `key` and its versions. What is wrong may only have been written while it was read:
    /// if so the key row is another one afterwards, and all is read again.
    async fn look_at_row(&self, mut key: KeyRow, look: Look) -> Seen {
        let tenant = key.id.tenant.clone();
        let macs = match self.mac_keys(&tenant).await {
            Ok(macs) => macs,
            Err(error) if ends_the_walk(error.kind()) => return Seen::stopped(error),
            Err(error) => {
                let name = SystemName::new(mac_keys::NAME);
                let locked = name.ok().map(|name| (tenant, name, error));
                return Seen { key: Some(key), locked, ..Seen::nothing() };
            }
        };
        for _ in 0..ATTEMPTS {
            let seen = self.look_once(key.clone(), &macs, look).await;
            if seen.stop.is_some() || seen.findings.is_empty() {
                return seen;
            }
            match self.store.key_find(&key.id).await {
                Ok(Some((now, _))) if now.record != key.record => return Seen::went(),
                Ok(Some((now, _))) if now.generation == key.generation && now.mac == key.mac => {
                    return seen;
                }
                Ok(Some((now, _))) => key = now,
                Ok(None) => return Seen::went(),
                Err(error) if ends_the_walk(error.kind()) => return Seen::stopped(error),
                Err(_) => return seen,
            }
        }
        let item = Item::Key(key.id.clone());
        Seen { key: Some(key), ..Seen::bad(item, busy()) }
    }

    async fn look_once(&self, key: KeyRow, macs: &MacKeys, look: Look) -> Seen {
        let (rows, mut findings) = match self.readable_versions(&key).await {
            Ok(read) => read,
            Err(error) => return Seen::stopped(error),
        };
        // What cannot be read is not missing.
        let unreadable: BTreeSet<_> = findings.iter().map(|finding| finding.item.clone()).collect();
        let faults = macs.faults(&key, &rows).into_iter();
        findings.extend(faults.filter(|fault| !unreadable.contains(&fault.item)));
        let (mut opened, mut stop) = (0, None);
        for row in rows.iter().filter(|_| look.open) {
            let Some(envelope) = &row.envelope else { continue };
            let item = Item::Version(key.id.clone(), row.version);
            if findings.iter().any(|found| found.item == item) {
                continue;
            }
            let context = EncryptionContext::of_key(&key.id, row.record, row.version);
            match self.try_to_open(&context, envelope, look.patience).await {
                Ok(()) => opened += 1,
                Err(error) if ends_the_walk(error.kind()) => {
                    stop = Some(error);
                    break;
                }
                Err(error) => findings.push(Finding::new(item, error)),
            }
        }
        let versions = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let entry = findings.is_empty().then(|| Entry::of(&key, &rows));
        Seen { entry, versions, opened, findings, stop, key: Some(key), ..Seen::nothing() }
    }

    /// The versions of `key` that can be read, and what is wrong with the others.
    pub(super) async fn readable_versions(
        &self,
        key: &KeyRow,
    ) -> Result<(Vec<VersionRow>, Vec<Finding>)> {
        let error = match self.store.version_list(key.record).await {
            Ok(rows) => return Ok((rows, Vec::new())),
            Err(error) if ends_the_walk(error.kind()) => return Err(error),
            Err(error) => error,
        };
        // One of them cannot be read: which?
        let (mut rows, mut findings) = (Vec::new(), Vec::new());
        let mut next = Some(Version::FIRST).filter(|first| Some(*first) <= key.latest);
        while let Some(version) = next.filter(|_| findings.len() < NAMED) {
            match self.store.version_find(key.record, version).await {
                Ok(row) => rows.extend(row),
                Err(error) if ends_the_walk(error.kind()) => return Err(error),
                Err(error) => {
                    let item = Item::Version(key.id.clone(), version);
                    findings.push(Finding::new(item, error));
                }
            }
            // What the key row says may be an edit.
            let end = key.latest.filter(|latest| latest.get() <= MOST_READ);
            next = version.next().filter(|next| Some(*next) <= end);
        }
        if findings.is_empty() {
            findings.push(Finding::new(Item::Key(key.id.clone()), error));
        }
        Ok((rows, findings))
    }

    /// Opens `envelope`, and gives nothing out. An outage is waited out.
    pub(super) async fn try_to_open(
        &self,
        context: &EncryptionContext,
        envelope: &Envelope,
        patience: Duration,
    ) -> Result<()> {
        let parsed = envelope.parse()?;
        parsed.check_context(context)?;
        let wrapped_for = KmsContext { context, readable: parsed.readable() };
        let until = self.clock.monotonic().saturating_add(patience);
        let mut pause = FIRST_PAUSE;
        loop {
            match self.unwrap(parsed.wrapped(), wrapped_for).await {
                Ok(key) => return parsed.open(context, &key).map(drop),
                Err(error)
                    if matches!(error.kind(), ErrorKind::Kms(_))
                        && error.is_retryable()
                        && self.clock.monotonic() < until =>
                {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Versions of a key are read one by one up to this number.
const MOST_READ: u32 = 100_000;

impl MacKeys {
    /// All that is wrong with `key` and its versions, as far as that is seen without opening one.
    fn faults(&self, key: &KeyRow, rows: &[VersionRow]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut find = |item: Item, error: Error| findings.push(Finding::new(item, error));
        let whole = || Item::Key(key.id.clone());
        let is_key = self.is_key(key);
        if !is_key {
            find(whole(), row_fault("the key's row is not as it was written"));
        }
        for row in rows {
            let item = Item::Version(key.id.clone(), row.version);
            if let Err(error) = self.version_fault(key, is_key, row) {
                find(item, error);
            }
        }
        // What an edited row says of its versions means nothing.
        if is_key {
            let missing: Vec<_> = missing(key, rows).take(NAMED + 1).collect();
            for version in missing.iter().take(NAMED) {
                let item = Item::Version(key.id.clone(), *version);
                find(item, row_fault("a version of the key is not stored"));
            }
            if missing.len() > NAMED {
                find(whole(), row_fault("more versions of the key are not stored"));
            }
        }
        findings
    }

    fn version_fault(&self, key: &KeyRow, is_key: bool, row: &VersionRow) -> Result<()> {
        if is_key {
            self.check_version(key, row)?;
            if key.current == Some(row.version) && row.generation != key.generation {
                return Err(row_fault(
                    "the rows of the key and of its current version are not of the same change",
                ));
            }
            if Some(row.version) > key.latest {
                return Err(row_fault("the key has no such version"));
            }
        } else if !self.is_version(row) {
            return Err(row_fault("the row of a version is not as it was written"));
        }
        let Some(envelope) = &row.envelope else { return Ok(()) };
        let parsed = envelope.parse()?;
        if is_key {
            parsed.check_context(&EncryptionContext::of_key(&key.id, row.record, row.version))?;
        }
        Ok(())
    }
}

/// The versions that `key` has had and that are not among `rows`.
pub(super) fn missing<'a>(
    key: &'a KeyRow,
    rows: &[VersionRow],
) -> impl Iterator<Item = Version> + use<'a> {
    let there: BTreeSet<_> = rows.iter().map(|row| row.version).collect();
    let all = std::iter::successors(Some(Version::FIRST), |version| version.next());
    all.take_while(|version| Some(*version) <= key.latest)
        .filter(move |version| !there.contains(version))
}

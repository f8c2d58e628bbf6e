//! Everything that one storage holds, in another: rows as they are, and envelopes unopened.
//!
//! A pass walks over both storages in the order of the records and writes what the target misses. The
//! next one does the same: what changed meanwhile is written again, and a pass that finds nothing to
//! write has compared everything. A copy that was broken off is gone on with in the same way.

use std::collections::{HashMap, HashSet};

use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use self::compare::{Found, compare, is_whole, last_uses};
use super::{Change, Expect, KeyStore};
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::model::{KeyId, KeyRow, VersionRow};

pub use self::options::{CopyOptions, CopyReport};

mod compare;
mod options;
mod system;

/// Copies every key of every tenant with all its versions, and the system records, from `from` into
/// `to`: MACs, generations and last uses as they are, and no envelope is opened. Events and the feed
/// of changes stay behind. At the end all of it has been read from both and found equal.
///
/// It can be called again after it was broken off, and does then what is left. Nobody should write to
/// `from` meanwhile: what changes is copied again, a few times.
///
/// | # | Rule | Checked by |
/// |---|------|------------|
/// | 1 | Every row comes over, every column of it | `copy::everything_comes_over_as_it_is` |
/// | 2 | A second call finds nothing to do | `copy::everything_comes_over_as_it_is` |
/// | 3 | After it was broken off anywhere, a call does the rest | `copy::one_that_was_broken_off_is_gone_on_with` |
/// | 4 | A target that holds something that the source does not, or that is newer, is refused | `copy::a_target_of_others_is_refused` |
/// | 5 | What changes in the source meanwhile is copied again | `copy::what_changes_meanwhile_is_copied_again` |
///
/// # Errors
/// `Conflict` if the target holds what is not from the source, or the source did not stop to change;
/// `Integrity` if a row of either cannot be read; `Store` as the storages fail. What was copied by
/// then stays.
pub async fn copy(
    from: &dyn KeyStore,
    to: &dyn KeyStore,
    options: &CopyOptions,
) -> Result<CopyReport> {
    let report = CopyReport::default();
    let (written, torn) = (HashSet::new(), HashMap::new());
    let mut copier = Copier { from, to, options, report, written, torn };
    for _ in 0..MOST_PASSES {
        copier.report.begin_pass();
        // The system records first: a manager on a target that has no MAC keys would make some.
        let system = copier.system().await?;
        let keys = copier.keys().await?;
        if system && keys {
            return Ok(copier.report);
        }
    }
    Err(Error::new(ErrorKind::Conflict, OP, "the source does not stop to change")
        .with_hint("stop the programs that write to it, and run it again; what is copied stays"))
}

const OP: &str = "store.copy";

/// The first copies, the last compares; those between are for a source that changes.
const MOST_PASSES: u32 = 5;

/// How many versions are written in one change at most, but for those of one key.
const MOST_VERSIONS: usize = 1000;

struct Copier<'a> {
    from: &'a dyn KeyStore,
    to: &'a dyn KeyStore,
    options: &'a CopyOptions,
    report: CopyReport,
    /// What this call inserted, so that nobody else did.
    written: HashSet<Uuid>,
    /// Keys whose rows did not fit each other, with the generation that they had.
    torn: HashMap<Uuid, u64>,
}

/// A key of the source, and what the target has of it.
struct Pair {
    key: KeyRow,
    versions: Vec<VersionRow>,
    old: Option<(KeyRow, Vec<VersionRow>)>,
}

impl Copier<'_> {
    /// One pass over all keys; whether there was nothing to write.
    async fn keys(&mut self) -> Result<bool> {
        let mut settled = true;
        let mut after: Option<String> = None;
        loop {
            let page = self.from.key_scan(after.as_deref(), self.options.page).await?;
            let last = page.len() < usize::from(self.options.page.get());
            let until = page.last().filter(|_| !last).map(|row| row.place.clone());
            let mut old = rows_between(self.to, after.as_deref(), until.as_deref(), self.options)
                .await
                .map_err(|error| of("target", &error))?;
            let mut new = Vec::with_capacity(page.len());
            for row in page {
                let key = row.row.map_err(|error| of("source", &error))?;
                let same = old.remove(&key.record);
                new.push((key, same));
            }
            settled &= self.gone(old.into_values()).await?;
            let (from, to) = (self.from, self.to);
            let pairs: Vec<Pair> = futures_util::stream::iter(new)
                .map(|(key, old)| pair(from, to, key, old))
                .buffered(self.options.at_once.max(1))
                .try_collect()
                .await?;
            settled &= self.page(pairs).await?;
            match until {
                Some(place) => after = Some(place),
                None => return Ok(settled),
            }
        }
    }

    /// Writes what is to be written of one page.
    async fn page(&mut self, pairs: Vec<Pair>) -> Result<bool> {
        let (mut change, mut uses, mut settled) = (Change::default(), Vec::new(), true);
        for pair in pairs {
            let Pair { key, mut versions, old } = pair;
            self.report.seen(&versions);
            self.options.tell(&self.report);
            if !is_whole(&key, &versions) {
                // It changed between two reads, and the next pass sees it whole; or it never was.
                if self.torn.insert(key.record, key.generation) == Some(key.generation) {
                    return Err(torn(&key));
                }
                settled = false;
                continue;
            }
            let expect = match &old {
                None => Expect::Absent(key.id.clone()),
                Some((old, old_versions)) => {
                    uses.extend(last_uses(&versions, old_versions));
                    match compare(&key, &versions, old, old_versions)? {
                        Found::Same => continue,
                        Found::Older => {}
                    }
                    versions.retain(|row| !old_versions.contains(row));
                    Expect::Generation { record: key.record, generation: old.generation }
                }
            };
            settled = false;
            change.expect.push(expect);
            change.keys.push(key);
            change.versions.extend(versions);
            if change.versions.len() >= MOST_VERSIONS {
                self.commit(std::mem::take(&mut change)).await?;
            }
        }
        self.commit(change).await?;
        // Keys are in use all the time, so this alone makes no other pass.
        self.to.touch(&uses).await?;
        Ok(settled)
    }

    async fn commit(&mut self, change: Change) -> Result<()> {
        if change.keys.is_empty() {
            return Ok(());
        }
        let Change { keys, versions, .. } = &change;
        let (count, records) = (versions.len(), keys.iter().map(|key| key.record));
        let records: Vec<_> = records.collect();
        let ids: Vec<_> = keys.iter().map(|key| (key.id.clone(), key.record)).collect();
        match self.to.commit(change).await {
            Ok(()) => {
                self.report.wrote(&records, count, &self.written);
                self.written.extend(records);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Conflict => self.met(&ids).await,
            Err(error) => Err(error),
        }
    }

    /// Why the target took none of these keys.
    async fn met(&self, ids: &[(KeyId, Uuid)]) -> Result<()> {
        let mut ours = false;
        for (id, record) in ids {
            let Some((found, _)) = self.to.key_find(id).await? else { continue };
            if found.record != *record {
                if !self.written.contains(&found.record) {
                    return Err(refused(format!("the target has another key {id}")));
                }
                // The source has replaced it since. It goes in this pass or the next, and then the
                // new one comes.
                ours = true;
            }
        }
        match ours {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Conflict, OP, "somebody else writes to the target")
                .with_hint("stop the programs that use it until the copy is complete")),
        }
    }

    /// Keys of the target that the source does not have: purged there meanwhile, or never from there.
    async fn gone(&mut self, rows: impl Iterator<Item = KeyRow>) -> Result<bool> {
        let mut settled = true;
        for row in rows {
            if !self.written.remove(&row.record) {
                return Err(refused(format!("the target has the key {}", row.id)));
            }
            let change = Change {
                expect: vec![Expect::Generation { record: row.record, generation: row.generation }],
                purge: vec![row.record],
                ..Change::default()
            };
            self.to.commit(change).await?;
            self.report.purged += 1;
            settled = false;
        }
        Ok(settled)
    }
}

/// The key rows of `store` after `after`, up to `until` with it.
async fn rows_between(
    store: &dyn KeyStore,
    after: Option<&str>,
    until: Option<&str>,
    options: &CopyOptions,
) -> Result<HashMap<Uuid, KeyRow>> {
    let mut rows = HashMap::new();
    let mut after = after.map(str::to_owned);
    loop {
        let page = store.key_scan(after.as_deref(), options.page).await?;
        let last = page.len() < usize::from(options.page.get());
        for row in page {
            if until.is_some_and(|until| row.place.as_str() > until) {
                return Ok(rows);
            }
            let key = row.row?;
            after = Some(row.place);
            rows.insert(key.record, key);
        }
        if last {
            return Ok(rows);
        }
    }
}

async fn pair(
    from: &dyn KeyStore,
    to: &dyn KeyStore,
    key: KeyRow,
    old: Option<KeyRow>,
) -> Result<Pair> {
    let record = key.record;
    let versions = from.version_list(record).await.map_err(|error| of("source", &error))?;
    let old = match old {
        Some(old) => {
            let versions = to.version_list(record).await.map_err(|error| of("target", &error))?;
            Some((old, versions))
        }
        None => None,
    };
    Ok(Pair { key, versions, old })
}

/// Says which of the two it was, where that is not plain.
fn of(which: &str, error: &Error) -> Error {
    match error.kind() {
        ErrorKind::Integrity(_) => {
            let detail = format!("a row of the {which} cannot be read: {}", error.detail());
            Error::new(error.kind(), OP, detail).with_hint("`llm-keys verify` names all such rows")
        }
        _ => error.clone(),
    }
}

fn torn(key: &KeyRow) -> Error {
    let detail = format!("the rows of the key {} do not fit each other in the source", key.id);
    Error::new(ErrorKind::Integrity(IntegrityFault::Row), OP, detail)
        .with_hint("`llm-keys verify` says what is wrong with it")
}

fn refused(what: String) -> Error {
    let detail = format!("{what}, which is not from the source");
    Error::new(ErrorKind::Conflict, OP, detail)
        .with_hint("copy into an empty database, or go on with a copy that nobody has written to")
}

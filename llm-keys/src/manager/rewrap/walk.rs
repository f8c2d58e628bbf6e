//! The walk: several keys are worked on at once, and what is ready is committed together, while the
//! work goes on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::BoxStream;
use tokio::task::{JoinError, JoinHandle, JoinSet};

use super::super::envelope_manager::Core;
use super::super::write::{ATTEMPTS, busy};
use super::key::{FIRST_PAUSE, Prepared, Shared, Work};
use super::options::WalkOptions;
use super::report::{Failed, Item, RewrapReport, ends_the_walk};
use super::scan::Stored;
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::model::{KeyId, VersionRow};
use crate::store::{Change, Expect};

/// So many refusals of a KMS in a row are no longer about single keys: credentials have run out, or
/// the old KMS key is gone.
const REFUSALS: u32 = 32;

/// A walk over keys.
#[derive(Debug)]
pub(super) struct Walk {
    core: Arc<Core>,
    shared: Arc<Shared>,
    options: WalkOptions,
    working: JoinSet<Prepared>,
    /// What waits to be committed.
    ready: Vec<Prepared>,
    /// Keys that somebody else changed meanwhile, with how often.
    again: VecDeque<(KeyId, usize)>,
    refused: u32,
}

/// A key, and whether it was stored.
type Committed = (Prepared, Result<()>);

/// A commit under way.
type Committing = JoinHandle<Vec<Committed>>;

/// What came to its end.
enum Next {
    Worked(Box<Result<Prepared, JoinError>>),
    Committed(Result<Vec<Committed>, JoinError>),
    /// Nothing is under way.
    Nothing,
}

/// Waits for work, or for the commit.
async fn next(working: &mut JoinSet<Prepared>, committing: &mut Option<Committing>) -> Next {
    match (committing, working.is_empty()) {
        (None, true) => Next::Nothing,
        (None, false) => worked(working.join_next().await),
        (Some(commit), true) => Next::Committed(commit.await),
        (Some(commit), false) => {
            let working = std::pin::pin!(working.join_next());
            match select(working, commit).await {
                Either::Left((done, _)) => worked(done),
                Either::Right((committed, _)) => Next::Committed(committed),
            }
        }
    }
}

fn worked(done: Option<Result<Prepared, JoinError>>) -> Next {
    done.map_or(Next::Nothing, |done| Next::Worked(Box::new(done)))
}

impl Walk {
    pub(super) fn new(core: &Arc<Core>, work: Arc<Work>, options: WalkOptions) -> Self {
        let shared = Shared {
            work,
            caller: core.caller(options.caller.as_ref()),
            patience: options.patience,
            ending: AtomicBool::new(false),
        };
        Self {
            core: Arc::clone(core),
            shared: Arc::new(shared),
            options,
            working: JoinSet::new(),
            ready: Vec::new(),
            again: VecDeque::new(),
            refused: 0,
        }
    }

    /// Works on all of `keys`, and adds to `report` what became of them. If it ends early, what is
    /// ready is still committed.
    pub(super) async fn run(
        mut self,
        keys: BoxStream<'_, Result<Stored>>,
        report: &mut RewrapReport,
    ) {
        let mut keys = keys.fuse();
        let mut committing: Option<Committing> = None;
        loop {
            self.start(&mut keys, report).await;
            if committing.is_none() && !self.ready.is_empty() {
                let batch = self.ready.drain(..self.ready.len().min(self.options.batch)).collect();
                let (core, shared) = (Arc::clone(&self.core), Arc::clone(&self.shared));
                // In a task of its own: it goes on if the caller goes away.
                committing =
                    Some(tokio::spawn(async move { core.commit_all(batch, &shared).await }));
            }
            match next(&mut self.working, &mut committing).await {
                Next::Worked(worked) => self.worked(*worked, report),
                Next::Committed(committed) => {
                    committing = None;
                    self.committed(committed, report);
                }
                Next::Nothing => break,
            }
            report.tell(self.options.progress.as_ref());
        }
    }

    /// Begins work on more keys, as far as there is room.
    async fn start(
        &mut self,
        keys: &mut (impl futures_util::Stream<Item = Result<Stored>> + Unpin),
        report: &mut RewrapReport,
    ) {
        // What is ready waits for the storage: then the KMS waits, too.
        while report.stopped.is_none()
            && self.working.len() < self.options.at_once
            && self.ready.len() < self.options.batch.max(self.options.at_once)
        {
            let (core, shared) = (Arc::clone(&self.core), Arc::clone(&self.shared));
            if let Some((id, attempt)) = self.again.pop_front() {
                self.working.spawn(async move {
                    Prepared { attempt, ..core.prepare_anew(id, &shared).await }
                });
                continue;
            }
            match keys.next().await {
                Some(Ok(stored)) if self.needs_nothing(&stored) => {
                    report.progress.skipped += stored.sealed().count() as u64;
                    report.tell(self.options.progress.as_ref());
                }
                Some(Ok(stored)) => {
                    self.working.spawn(async move { core.prepare(stored, &shared).await });
                }
                Some(Err(error)) => self.stop(error, report),
                None => return,
            }
        }
    }

    /// Most keys of a walk that goes on where another was killed: they cost no task.
    fn needs_nothing(&self, stored: &Stored) -> bool {
        let wants = |row: &VersionRow| self.shared.work.wants(&stored.key, row);
        stored.is_whole() && !stored.versions.iter().any(wants)
    }

    fn worked(&mut self, worked: Result<Prepared, JoinError>, report: &mut RewrapReport) {
        let mut prepared = match worked {
            Ok(prepared) => prepared,
            Err(error) => return self.stop(broken(error), report),
        };
        self.count_refusals(&prepared, report);
        if let Some(error) = prepared.stop.take() {
            self.stop(error, report);
        }
        match prepared.change {
            Some(_) => self.ready.push(prepared),
            None => finish(prepared, report),
        }
    }

    fn count_refusals(&mut self, prepared: &Prepared, report: &mut RewrapReport) {
        if prepared.changed > 0 {
            self.refused = 0;
        }
        for failed in &prepared.failed {
            match failed.error.kind() {
                // These are about this envelope.
                ErrorKind::Kms(KmsFault::WrongKey | KmsFault::ContextMismatch) => {}
                ErrorKind::Kms(_) => self.refused += 1,
                _ => {}
            }
            if self.refused >= REFUSALS {
                self.stop(failed.error.clone(), report);
            }
        }
    }

    fn committed(
        &mut self,
        committed: Result<Vec<Committed>, JoinError>,
        report: &mut RewrapReport,
    ) {
        let all = match committed {
            Ok(all) => all,
            Err(error) => return self.stop(broken(error), report),
        };
        for (prepared, result) in all {
            match result {
                Ok(()) => {
                    report.done(prepared.changed);
                    report.keys += 1;
                    finish(prepared, report);
                }
                Err(error) if error.kind() == ErrorKind::Conflict => self.redo(prepared, report),
                Err(error) if ends_the_walk(error.kind()) => self.stop(error, report),
                Err(error) => fail(prepared, &error, report),
            }
        }
    }

    fn redo(&mut self, prepared: Prepared, report: &mut RewrapReport) {
        match prepared.attempt + 1 {
            attempt if attempt < ATTEMPTS => self.again.push_back((prepared.id, attempt)),
            _ => fail(prepared, &busy(), report),
        }
    }

    fn stop(&mut self, error: Error, report: &mut RewrapReport) {
        self.shared.ending.store(true, Ordering::Relaxed);
        report.stopped.get_or_insert(error);
    }
}

/// Notes what `prepared` left as it was.
fn finish(prepared: Prepared, report: &mut RewrapReport) {
    report.progress.skipped += prepared.skipped;
    for failed in prepared.failed {
        report.fail(failed);
    }
}

/// Nothing of `prepared` was stored.
fn fail(prepared: Prepared, error: &Error, report: &mut RewrapReport) {
    for expect in prepared.change.iter().flat_map(|(change, _)| &change.expect) {
        if let Expect::Envelope { version, .. } = expect {
            let item = Item::Version(prepared.id.clone(), *version);
            report.fail(Failed { item, error: error.clone() });
        }
    }
    finish(prepared, report);
}

fn broken(error: JoinError) -> Error {
    Error::new(ErrorKind::Internal, "manager.rewrap", "a task was broken off").with_source(error)
}

impl Core {
    /// Commits all of `batch` together; one by one if one of them comes too late.
    async fn commit_all(&self, batch: Vec<Prepared>, shared: &Shared) -> Vec<Committed> {
        let action = shared.work.action();
        let mut done = Vec::with_capacity(batch.len());
        let (mut whole, mut changes) = (Change::default(), Vec::with_capacity(batch.len()));
        let mut recorded = Vec::with_capacity(batch.len());
        for mut prepared in batch {
            let Some((mut change, event)) = prepared.change.take() else { continue };
            // What could not be recorded is not done.
            if let Err(error) = self.record(&event).await {
                prepared.change = Some((change, event));
                done.push((prepared, Err(error)));
                continue;
            }
            change.events.push(event.clone());
            add(&mut whole, &change);
            changes.push((change, event));
            recorded.push(prepared);
        }
        fail_point!("rewrap.batch-ready");
        // The alias of a KMS may have moved since the start.
        let result = match self.record_aliases().await {
            Ok(()) if recorded.is_empty() => Ok(()),
            Ok(()) => self.commit_patiently(whole, shared).await,
            Err(error) => Err(error),
        };
        fail_point!("rewrap.batch-done");
        let alone = recorded.len() == 1;
        for (mut prepared, (change, event)) in recorded.into_iter().zip(changes) {
            let result = match &result {
                Err(error) if error.kind() == ErrorKind::Conflict && !alone => {
                    self.commit_patiently(change.clone(), shared).await
                }
                result => result.clone(),
            };
            let result = match result {
                Err(error) => Err(self.failed(action, &prepared.id, &event.caller, error).await),
                Ok(()) => Ok(()),
            };
            prepared.change = Some((change, event));
            done.push((prepared, result));
        }
        done
    }
}

impl Core {
    /// Commits `change`; a storage that is busy or away is waited for. If only its answer was lost, the
    /// next attempt is a `Conflict`, and the key is read again.
    async fn commit_patiently(&self, change: Change, shared: &Shared) -> Result<()> {
        let until = self.clock.monotonic().saturating_add(shared.patience);
        loop {
            match self.store.commit(change.clone()).await {
                Err(error)
                    if matches!(error.kind(), ErrorKind::Store(_))
                        && error.is_retryable()
                        && self.clock.monotonic() < until =>
                {
                    tokio::time::sleep(FIRST_PAUSE).await;
                }
                result => return result,
            }
        }
    }
}

fn add(whole: &mut Change, change: &Change) {
    whole.expect.extend(change.expect.iter().cloned());
    whole.keys.extend(change.keys.iter().cloned());
    whole.versions.extend(change.versions.iter().cloned());
    whole.events.extend(change.events.iter().cloned());
}

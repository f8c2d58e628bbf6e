//! What is to happen to the calls of one kind.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// Counts the calls of one kind, and makes them fail or wait. A fake has one for each kind of call;
/// unless told otherwise, calls go through.
#[derive(Default, Debug)]
pub struct Script {
    calls: AtomicU64,
    failures: Failures,
    lost: Failures,
    calls_gate: Gate,
    answers_gate: Gate,
}

impl Script {
    /// How many calls were begun so far, whatever became of them.
    pub fn calls(&self) -> u64 {
        self.calls.load(SeqCst)
    }

    /// Lets the next `calls` calls fail as `kind`, before they do anything.
    pub fn fail_next(&self, calls: u64, kind: ErrorKind) {
        self.failures.set(Some((calls, kind)));
    }

    /// Lets all calls fail as `kind`, until [`heal`](Self::heal).
    pub fn fail(&self, kind: ErrorKind) {
        self.fail_next(u64::MAX, kind);
    }

    /// Lets the next `calls` calls do their work, and fail as `kind` all the same: as if the answer
    /// had been lost on its way.
    pub fn lose_answers(&self, calls: u64, kind: ErrorKind) {
        self.lost.set(Some((calls, kind)));
    }

    /// Ends failures and losses.
    pub fn heal(&self) {
        self.failures.set(None);
        self.lost.set(None);
    }

    /// Makes calls hang before they do anything, until [`release`](Self::release).
    pub fn hold(&self) {
        self.calls_gate.held.send_replace(true);
    }

    /// Makes calls hang once they have done their work, until [`release`](Self::release).
    pub fn hold_answers(&self) {
        self.answers_gate.held.send_replace(true);
    }

    /// Lets go the calls that hang, and all later ones.
    pub fn release(&self) {
        self.calls_gate.held.send_replace(false);
        self.answers_gate.held.send_replace(false);
    }

    /// Waits until that many calls that were [held](Self::hold) hang at once.
    pub async fn until_held(&self, calls: u64) {
        self.calls_gate.until(calls).await;
    }

    /// Waits until no call hangs any more: those that were released have gone on.
    pub async fn until_none_held(&self) {
        for gate in [&self.calls_gate, &self.answers_gate] {
            let _ = gate.waiting.subscribe().wait_for(|waiting| *waiting == 0).await;
        }
    }

    /// Waits until that many calls hang at once whose [answers are held](Self::hold_answers).
    pub async fn until_answers_held(&self, calls: u64) {
        self.answers_gate.until(calls).await;
    }

    /// One call that does `work`: what each call of a fake goes through.
    ///
    /// # Errors
    /// What the script says, or the work.
    pub async fn run<T>(
        &self,
        op: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.calls.fetch_add(1, SeqCst);
        self.calls_gate.pass().await;
        self.failures.next(op)?;
        let answer = work.await;
        self.answers_gate.pass().await;
        self.lost.next(op)?;
        answer
    }
}

/// How many calls are still to fail, and as what.
#[derive(Default, Debug)]
struct Failures(Mutex<Option<(u64, ErrorKind)>>);

impl Failures {
    fn set(&self, failures: Option<(u64, ErrorKind)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failures;
    }

    fn next(&self, op: &'static str) -> Result<()> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some((left, kind)) if *left > 0 => {
                *left -= 1;
                Err(Error::new(*kind, op, "the test's script says so"))
            }
            _ => Ok(()),
        }
    }
}

/// Where calls hang while it is closed.
#[derive(Debug)]
struct Gate {
    held: watch::Sender<bool>,
    waiting: watch::Sender<u64>,
}

impl Gate {
    async fn pass(&self) {
        let mut held = self.held.subscribe();
        if *held.borrow_and_update() {
            let _waiting = Waiting::new(&self.waiting);
            // The sender is in `self`, so this cannot end for want of one.
            let _ = held.wait_for(|held| !held).await;
        }
    }

    async fn until(&self, calls: u64) {
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting >= calls).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self { held: watch::Sender::new(false), waiting: watch::Sender::new(0) }
    }
}

/// A call that hangs; dropped, it no longer does.
struct Waiting<'a>(&'a watch::Sender<u64>);

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<u64>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::KmsFault;

    const KIND: ErrorKind = ErrorKind::Kms(KmsFault::Throttled);

    async fn call(script: &Script, done: &AtomicU64) -> Result<()> {
        let work = async {
            done.fetch_add(1, SeqCst);
            Ok(())
        };
        script.run("test.call", work).await
    }

    #[tokio::test]
    async fn calls_fail_so_many_times_and_are_counted() {
        let (script, done) = (Script::default(), AtomicU64::new(0));
        script.fail_next(2, KIND);
        for expected in [Err(KIND), Err(KIND), Ok(())] {
            assert_eq!(call(&script, &done).await.map_err(|error| error.kind()), expected);
        }
        assert_eq!(done.load(SeqCst), 1, "a call that fails does nothing");
        script.lose_answers(1, KIND);
        assert!(call(&script, &done).await.is_err());
        assert_eq!(done.load(SeqCst), 2, "a call whose answer is lost does its work");
        script.fail(KIND);
        assert!(call(&script, &done).await.is_err());
        script.heal();
        assert!(call(&script, &done).await.is_ok());
        assert_eq!((script.calls(), done.load(SeqCst)), (6, 3));
    }

    #[tokio::test]
    async fn a_held_call_waits_and_a_dropped_one_does_not() {
        let (script, done) = (Arc::new(Script::default()), Arc::new(AtomicU64::new(0)));
        let spawn = || {
            let (script, done) = (script.clone(), done.clone());
            tokio::spawn(async move { call(&script, &done).await })
        };
        script.hold();
        let (kept, dropped) = (spawn(), spawn());
        script.until_held(2).await;
        dropped.abort();
        assert!(dropped.await.unwrap_err().is_cancelled());
        assert_eq!(*script.calls_gate.waiting.borrow(), 1);
        assert!(!kept.is_finished());
        script.release();
        kept.await.unwrap().unwrap();
        assert_eq!((*script.calls_gate.waiting.borrow(), done.load(SeqCst)), (0, 1));

        script.hold_answers();
        let late = spawn();
        script.until_answers_held(1).await;
        assert_eq!(done.load(SeqCst), 2, "its work is done");
        script.release();
        late.await.unwrap().unwrap();
    }
}

//! What is to happen to the calls of one kind.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// Counts the calls of one kind, and makes them fail or wait. A fake has one for each kind of call;
/// unless told otherwise, calls go through.
#[derive(Debug)]
pub struct Script {
    calls: AtomicU64,
    failure: Mutex<Option<(u64, ErrorKind)>>,
    held: watch::Sender<bool>,
    waiting: watch::Sender<u64>,
}

impl Script {
    /// How many calls were begun so far, whatever became of them.
    pub fn calls(&self) -> u64 {
        self.calls.load(SeqCst)
    }

    /// Lets the next `calls` calls fail as `kind`.
    pub fn fail_next(&self, calls: u64, kind: ErrorKind) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some((calls, kind));
    }

    /// Lets all calls fail as `kind`, until [`heal`](Self::heal).
    pub fn fail(&self, kind: ErrorKind) {
        self.fail_next(u64::MAX, kind);
    }

    /// Ends a failure.
    pub fn heal(&self) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Makes calls hang, until [`release`](Self::release). A call that is told to fail fails when it
    /// is released.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Lets go the calls that hang, and all later ones.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// Waits until that many calls hang at once.
    pub async fn until_waiting(&self, calls: u64) {
        let mut waiting = self.waiting.subscribe();
        // The sender is in `self`, so this cannot end for want of one.
        let _ = waiting.wait_for(|waiting| *waiting >= calls).await;
    }

    /// One call: what a fake of your own awaits before it does its work.
    ///
    /// # Errors
    /// What the script says.
    pub async fn step(&self, op: &'static str) -> Result<()> {
        self.calls.fetch_add(1, SeqCst);
        let mut held = self.held.subscribe();
        if *held.borrow_and_update() {
            let _waiting = Waiting::new(&self.waiting);
            let _ = held.wait_for(|held| !held).await;
        }
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match failure.as_mut() {
            Some((left, kind)) if *left > 0 => {
                *left -= 1;
                Err(Error::new(*kind, op, "the test's script says so"))
            }
            _ => Ok(()),
        }
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            calls: AtomicU64::new(0),
            failure: Mutex::new(None),
            held: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
        }
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

    #[tokio::test]
    async fn calls_fail_so_many_times_and_are_counted() {
        let script = Script::default();
        let kind = ErrorKind::Kms(KmsFault::Throttled);
        script.fail_next(2, kind);
        for expected in [Err(kind), Err(kind), Ok(())] {
            assert_eq!(script.step("test.step").await.map_err(|error| error.kind()), expected);
        }
        script.fail(kind);
        assert!(script.step("test.step").await.is_err());
        script.heal();
        assert!(script.step("test.step").await.is_ok());
        assert_eq!(script.calls(), 5);
    }

    #[tokio::test]
    async fn a_held_call_waits_and_a_dropped_one_does_not() {
        let script = Arc::new(Script::default());
        script.hold();
        let call = || {
            let script = script.clone();
            tokio::spawn(async move { script.step("test.step").await })
        };
        let (kept, dropped) = (call(), call());
        script.until_waiting(2).await;
        dropped.abort();
        assert!(dropped.await.unwrap_err().is_cancelled());
        assert_eq!(*script.waiting.borrow(), 1);
        assert!(!kept.is_finished());
        script.release();
        kept.await.unwrap().unwrap();
        assert_eq!(*script.waiting.borrow(), 0);
        script.step("test.step").await.unwrap();
    }
}

//! How long a call to a database server may take: a host that is gone says nothing, and TCP would
//! wait for it for a quarter of an hour.

use std::future::Future;
use std::time::Duration;

use llm_keys::error::{Result, StoreFault};
use tokio::time::{Instant, timeout_at};

use crate::failure::fault;

/// For a read, with a second try on a new connection if the first broke.
pub(crate) const READ: Duration = Duration::from_secs(5);

/// For a transaction that writes: it may wait for others, and be run again.
pub(crate) const WRITE: Duration = Duration::from_secs(15);

/// The end of one call; none where the database is a file.
#[derive(Clone, Copy)]
pub(crate) struct Patience(Option<Instant>);

impl Patience {
    pub(crate) fn of(remote: bool, limit: Duration) -> Self {
        Self(remote.then(|| Instant::now() + limit))
    }

    /// What `work` gives, if it ends in time. What it was sent on is of no use afterwards.
    ///
    /// # Errors
    /// `Store(Unavailable)` if it does not end in time; whether a commit was made is not known then.
    pub(crate) async fn run<T>(
        self,
        op: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(end) = self.0 else { return work.await };
        timeout_at(end, work).await.unwrap_or_else(|_| {
            let detail = "the database did not answer in time";
            Err(fault(StoreFault::Unavailable, op, detail))
        })
    }
}

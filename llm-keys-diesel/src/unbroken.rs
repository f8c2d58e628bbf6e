//! Calls that end even if nobody waits for them any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Polls its work in place; if it is dropped half-way, a task of the runtime takes the work over.
///
/// Without this, a caller that stops waiting would leave a transaction open on a pooled connection;
/// and `diesel-async`, dropped during a call to SQLite, blocks the thread until the call returns,
/// which panics on a current-thread runtime.
pub(crate) struct Unbroken<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    begun: bool,
}

/// Runs `work` to its end, whatever becomes of the future this returns once it was polled.
pub(crate) fn unbroken<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Unbroken<T> {
    Unbroken { work: Some(Box::pin(work)), begun: false }
}

impl<T: Send + 'static> Future for Unbroken<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.begun = true;
        // Out of `self` while it runs: work that panicked must not be polled again.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Unbroken<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take().filter(|_| self.begun) else { return };
        // Outside a runtime nothing can be handed over; the connection's own runtime is gone, too.
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(work));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_dropped_call_runs_to_its_end() {
        let (go, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let work = unbroken({
            let (go, done) = (Arc::clone(&go), Arc::clone(&done));
            async move {
                go.notified().await;
                done.notify_one();
            }
        });
        assert!(tokio::time::timeout(Duration::ZERO, work).await.is_err());
        go.notify_one();
        done.notified().await;
    }

    #[tokio::test]
    async fn a_call_that_never_began_never_runs() {
        let flag = Arc::new(());
        let inside = Arc::clone(&flag);
        drop(unbroken(async move { drop(inside) }));
        assert_eq!(Arc::strong_count(&flag), 1);
    }
}

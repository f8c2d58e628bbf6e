//! Many who ask for one cold key.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::Poll;

use tokio::task::JoinSet;

use super::Parts;
use super::bed::{Bed, found, id, kind, text};
use crate::error::{ErrorKind, KmsFault};
use crate::manager::SecureKeyManager;
use crate::store::KeyStore;

const READERS: u64 = 1_000;

/// Rule 7.
pub async fn a_stampede_is_one_call<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let id = id("a");
    bed.put(&id, "sk-a").await;
    let (unwraps, reads) = bed.loads();

    for answer in stampede(&bed).await {
        assert_eq!(answer, Ok(found("sk-a")));
    }
    assert_eq!(bed.loads(), (unwraps + 1, reads + 1), "one KMS call and one store read");
    let statistics = bed.manager.cache_statistics();
    assert_eq!((statistics.loads, statistics.hits + statistics.misses), (1, READERS));

    a_reader_that_goes_away_takes_nobody_along(&bed).await;

    // A failed load is everybody's who waited for it, and nobody's who comes later.
    bed.manager.evict(&crate::manager::Evict::All).await;
    let down = ErrorKind::Kms(KmsFault::Unavailable);
    bed.kms.unwraps().fail(down);
    for answer in stampede(&bed).await {
        assert_eq!(answer, Err(down));
    }
    bed.kms.unwraps().heal();
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-a"));
}

/// Has a thousand tasks read at once, while the KMS hangs until all of them are at it.
async fn stampede<M: SecureKeyManager + 'static>(
    bed: &Bed<M>,
) -> Vec<Result<Option<String>, ErrorKind>> {
    bed.kms.unwraps().hold();
    let started = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (manager, started) = (bed.manager.clone(), started.clone());
        readers.spawn(async move {
            started.fetch_add(1, SeqCst);
            kind(manager.get_api_key(&id("a")).await).map(|key| key.as_ref().map(text))
        });
    }
    bed.kms.unwraps().until_held(1).await;
    while started.load(SeqCst) < READERS {
        tokio::task::yield_now().await;
    }
    bed.kms.unwraps().release();
    readers.join_all().await
}

/// The reader whose load it is goes away; the other one is served all the same.
async fn a_reader_that_goes_away_takes_nobody_along<M: SecureKeyManager + 'static>(bed: &Bed<M>) {
    let id = id("a");
    bed.manager.evict(&crate::manager::Evict::All).await;
    let (unwraps, _) = bed.loads();
    bed.kms.unwraps().hold();
    let mut second = std::pin::pin!(bed.get(&id));
    {
        let mut first = std::pin::pin!(bed.manager.get_api_key(&id));
        // Polled side by side until the KMS hangs, so that the second has joined the first.
        let mut held = std::pin::pin!(bed.kms.unwraps().until_held(1));
        poll_fn(|cx| {
            let pending = first.as_mut().poll(cx).is_pending();
            assert!(pending && second.as_mut().poll(cx).is_pending(), "the KMS hangs");
            held.as_mut().poll(cx)
        })
        .await;
    }
    let still = poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await;
    assert!(still, "the second reader waits on");
    bed.kms.unwraps().release();
    assert_eq!(second.await.unwrap(), found("sk-a"));
    assert_eq!(bed.loads().0, unwraps + 1, "and needs no call of its own");
}

//! When a key was last given out.

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use super::bed::{Bed, id, number};
use crate::clock::Clock as _;
use crate::error::{ErrorKind, StoreFault};
use crate::manager::SecureKeyManager;
use crate::store::KeyStore;

/// Rule 12.
pub async fn last_use_is_flushed<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let (a, b, unread) = (id("a"), id("b"), id("unread"));
    for id in [&a, &b, &unread] {
        bed.put(id, "sk-a").await;
    }
    bed.put(&a, "sk-a2").await;
    let mut last = Vec::new();
    for id in [&a, &b, &a] {
        bed.clock.advance(Duration::from_secs(5));
        bed.get(id).await.unwrap();
        last.push(bed.clock.now());
    }
    bed.clock.advance(Duration::from_secs(5));
    bed.version(&a, number(1)).await.unwrap();
    let first = bed.clock.now();
    bed.clock.advance(Duration::from_secs(5));
    bed.get(&b).await.unwrap();
    let b_last = bed.clock.now();
    bed.clock.advance(Duration::from_secs(5));
    // Looking at a key is not using it.
    bed.manager.key_metadata(&unread).await.unwrap();
    bed.manager.refresh(&unread).await.unwrap();

    // A write that fails loses nothing, as long as a later one succeeds.
    let down = ErrorKind::Store(StoreFault::Unavailable);
    bed.store.touches().fail(down);
    assert_eq!(bed.manager.shutdown().await.map_err(|error| error.kind()), Err(down));
    bed.store.touches().heal();
    bed.manager.shutdown().await.unwrap();

    let again = build(bed.parts.clone()).await;
    for (id, expected) in [(&a, Some(first)), (&b, Some(b_last)), (&unread, None)] {
        let known = again.key_metadata(id).await.unwrap().unwrap();
        assert_eq!(known.last_used_at, expected, "{id}");
    }
    // And of each version: the current one of `a` was used before the old one was.
    let (row, _) = bed.rows(&a).await.unwrap();
    for (version, expected) in [(1, first), (2, last[2])] {
        let version = bed.store.inner().version_find(row.record, number(version)).await.unwrap();
        assert_eq!(version.unwrap().last_used_at, Some(expected));
    }
}

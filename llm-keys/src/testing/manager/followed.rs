//! Changes by another manager on the same storage.

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use super::bed::{Bed, api_key, found, id, kind, text};
use crate::error::{ErrorKind, Result, StoreFault};
use crate::manager::{
    ChangeOptions, DeleteOptions, FollowOptions, Follows, SecureKeyManager, StoreOptions,
};
use crate::model::KeyId;
use crate::store::KeyStore;

/// How often what must come is looked for before it counts as never.
const TRIES: u32 = 2000;
const APART: Duration = Duration::from_millis(5);
const LAG: Duration = Duration::from_secs(5);

/// Rule 20: time stands still, so that nothing is loaded anew for its age.
pub async fn changes_by_others_are_seen<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = following(&build, &open).await;
    let other = build(bed.parts.clone()).await;
    changes_reach(&other, &*bed.manager, &id("a")).await;
    changes_reach(&*bed.manager, &other, &id("b")).await;
}

/// Rule 21.
pub async fn without_word_from_the_storage_nothing_is_served<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = following(&build, &open).await;
    let a = id("a");
    bed.put(&a, "sk-a").await;
    assert_eq!(bed.get(&a).await.unwrap(), found("sk-a"));
    let down = ErrorKind::Store(StoreFault::Unavailable);
    bed.store.fail(down);
    bed.clock.advance(LAG / 2);
    assert_eq!(bed.get(&a).await.unwrap(), found("sk-a"), "for a while");
    // A look that was answered before the storage failed may count from now.
    bed.clock.advance(LAG);
    assert_eq!(kind(bed.get(&a).await), Err(down), "and no longer");
    bed.store.heal();
    assert_eq!(bed.get(&a).await.unwrap(), found("sk-a"), "until it is back");
}

async fn following<M: SecureKeyManager + 'static>(
    build: &impl AsyncFn(Parts) -> M,
    open: &impl AsyncFn() -> Arc<dyn KeyStore>,
) -> Bed<M> {
    let follow = FollowOptions::default()
        .follows(Follows::Always)
        .interval(Duration::from_millis(10))
        .max_revocation_lag(LAG);
    Bed::with(build, open, |parts| parts.follow = follow).await
}

/// Whatever `writer` does to a key reaches `reader`, which has it cached.
pub(crate) async fn changes_reach(
    writer: &dyn SecureKeyManager,
    reader: &dyn SecureKeyManager,
    id: &KeyId,
) {
    let (store, change) = (StoreOptions::default(), ChangeOptions::default());
    writer.store_api_key(id, api_key("sk-1"), &store).await.unwrap();
    until(reader, id, "a key", Ok(found("sk-1"))).await;
    writer.store_api_key(id, api_key("sk-2"), &store).await.unwrap();
    until(reader, id, "a new version", Ok(found("sk-2"))).await;
    writer.deactivate_api_key(id, &change).await.unwrap();
    until(reader, id, "a deactivation", Err(ErrorKind::Inactive)).await;
    writer.activate_api_key(id, &change).await.unwrap();
    until(reader, id, "an activation", Ok(found("sk-2"))).await;
    assert!(writer.delete_api_key(id, &DeleteOptions::default()).await.unwrap());
    until(reader, id, "a deletion", Ok(None)).await;
    writer.store_api_key(id, api_key("sk-3"), &store).await.unwrap();
    until(reader, id, "a new record", Ok(found("sk-3"))).await;
}

async fn until(
    reader: &dyn SecureKeyManager,
    id: &KeyId,
    what: &str,
    expected: Result<Option<String>, ErrorKind>,
) {
    for _ in 0..TRIES {
        let key = kind(reader.get_api_key(id).await).map(|key| key.as_ref().map(text));
        if key == expected {
            return;
        }
        tokio::time::sleep(APART).await;
    }
    panic!("{what} by another manager is never seen");
}

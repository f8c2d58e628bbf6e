//! What the cache may serve, and for how long.

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use super::bed::{Bed, TICK, TTL, api_key, found, id, kind};
use crate::clock::Micros;
use crate::error::{ErrorKind, StoreFault};
use crate::manager::{
    ChangeOptions, DeleteOptions, Evict, FollowOptions, Follows, SecureKeyManager, StoreOptions,
};
use crate::model::{KeyId, Owner};
use crate::store::KeyStore;
use crate::testing::fakes::ManualClock;

/// A way to change a key, and what a read must then give.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Means {
    Replace,
    Deactivate,
    Delete,
}

impl Means {
    const ALL: [Self; 3] = [Self::Replace, Self::Deactivate, Self::Delete];

    async fn apply(self, manager: &impl SecureKeyManager, id: &KeyId) -> crate::Result<()> {
        let options = ChangeOptions::default();
        match self {
            Self::Replace => {
                let (key, options) = (api_key("sk-new"), StoreOptions::default());
                manager.store_api_key(id, key, &options).await.map(drop)
            }
            Self::Deactivate => manager.deactivate_api_key(id, &options).await.map(drop),
            Self::Delete => manager.delete_api_key(id, &DeleteOptions::default()).await.map(drop),
        }
    }

    fn expected(self) -> Result<Option<String>, ErrorKind> {
        match self {
            Self::Replace => Ok(found("sk-new")),
            Self::Deactivate => Err(ErrorKind::Inactive),
            Self::Delete => Ok(None),
        }
    }
}

/// Rule 6.
pub async fn changes_beat_the_cache<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    for means in Means::ALL {
        let name = format!("{means:?}").to_lowercase();

        let cached = id(&format!("{name}-cached"));
        bed.put(&cached, "sk-old").await;
        assert_eq!(bed.get(&cached).await.unwrap(), found("sk-old"));
        means.apply(&*bed.manager, &cached).await.unwrap();
        assert_eq!(kind(bed.get(&cached).await), means.expected(), "{means:?}, cached");

        let loading = id(&format!("{name}-loading"));
        change_during_a_load(&bed, &loading, means).await;
        assert_eq!(kind(bed.get(&loading).await), means.expected(), "{means:?}, loading");

        let lost = id(&format!("{name}-lost"));
        bed.put(&lost, "sk-old").await;
        assert_eq!(bed.get(&lost).await.unwrap(), found("sk-old"));
        bed.store.commits().lose_answers(1, ErrorKind::Store(StoreFault::Unavailable));
        let error = means.apply(&*bed.manager, &lost).await.expect_err("its answer is lost");
        assert_eq!(error.kind(), ErrorKind::Store(StoreFault::Unavailable));
        assert_eq!(kind(bed.get(&lost).await), means.expected(), "{means:?}, its answer lost");

        let dropped = id(&format!("{name}-dropped"));
        change_by_a_caller_that_goes_away(&bed, &dropped, means).await;
        assert_eq!(kind(bed.get(&dropped).await), means.expected(), "{means:?}, dropped");
    }
}

/// A load has read the old rows when the change comes; what it gives must not stay in the cache.
async fn change_during_a_load<M: SecureKeyManager + 'static>(
    bed: &Bed<M>,
    id: &KeyId,
    means: Means,
) {
    bed.put(id, "sk-old").await;
    bed.kms.unwraps().hold();
    let load = tokio::spawn({
        let (manager, id) = (bed.manager.clone(), id.clone());
        async move { manager.get_api_key(&id).await.map(drop) }
    });
    bed.kms.unwraps().until_held(1).await;
    means.apply(&*bed.manager, id).await.unwrap();
    bed.kms.unwraps().release();
    // It asked before the change, and may be given either.
    let _ = load.await.unwrap();
}

/// The change is made, but whoever asked for it is gone before the answer comes.
async fn change_by_a_caller_that_goes_away<M: SecureKeyManager + 'static>(
    bed: &Bed<M>,
    id: &KeyId,
    means: Means,
) {
    bed.put(id, "sk-old").await;
    assert_eq!(bed.get(id).await.unwrap(), found("sk-old"));
    bed.store.commits().hold_answers();
    let change = tokio::spawn({
        let (manager, id) = (bed.manager.clone(), id.clone());
        async move { means.apply(&*manager, &id).await }
    });
    bed.store.commits().until_answers_held(1).await;
    change.abort();
    // Aborted, or finished because the manager goes on without its caller.
    let _ = change.await;
    bed.store.commits().release();
    // Or the next time it would be taken for the call that is to hang then.
    bed.store.commits().until_none_held().await;
}

/// Rule 11.
pub async fn the_cache_lives_its_ttl<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    // Over a storage that others use, a key also needs word from there: that is another rule.
    let alone = FollowOptions::default().follows(Follows::Never);
    let bed = Bed::with(&build, &open, |parts| parts.follow = alone).await;
    let (a, b) = (id("a"), id("b"));
    bed.put(&a, "sk-a").await;
    bed.put(&b, "sk-b").await;
    let mut loads = bed.loads();
    let mut read = async |id: &KeyId, cold: u64, what: &str| {
        let key = if *id == a { "sk-a" } else { "sk-b" };
        assert_eq!(bed.get(id).await.unwrap(), found(key));
        loads = (loads.0 + cold, loads.1 + cold);
        assert_eq!(bed.loads(), loads, "{what}: KMS calls and store reads");
    };
    read(&a, 1, "cold").await;
    read(&a, 0, "cached").await;
    bed.clock.advance(TTL / 2);
    read(&b, 1, "another key").await;
    bed.clock.advance(TTL / 2 - TICK);
    read(&a, 0, "at the end of its time").await;
    bed.clock.advance(TICK);
    read(&a, 1, "past its time: a read does not make it longer").await;
    read(&b, 0, "the other one has half its time left").await;

    // The wall clock has no say in it.
    for wall in [Micros(0), Micros(ManualClock::START.0 * 2)] {
        bed.clock.jump_to(wall);
        read(&a, 0, "after a jump of the wall clock").await;
    }

    // Nor is it served when it was evicted, alone, with its owner, or with all.
    let owner = Evict::Owner(a.tenant.clone(), a.owner.clone());
    for (what, evicted) in [(Evict::Key(a.clone()), 1), (owner, 2), (Evict::All, 2)] {
        assert_eq!(bed.manager.evict(&what).await, evicted, "{what:?}");
        assert_eq!(bed.manager.evict(&what).await, 0, "{what:?}, again");
        read(&a, 1, "evicted").await;
        read(&b, u64::from(evicted == 2), "evicted or not").await;
    }
    let nobody = Evict::Owner(a.tenant.clone(), Owner::Global);
    assert_eq!(bed.manager.evict(&nobody).await, 0);
    read(&a, 0, "another owner's eviction").await;

    // A refresh loads, whatever is cached, and starts the time anew.
    bed.clock.advance(TTL - TICK);
    let before = bed.loads();
    assert_eq!(bed.manager.refresh(&a).await.unwrap().map(|version| version.get()), Some(1));
    assert_eq!(bed.loads(), (before.0 + 1, before.1 + 1));
    bed.clock.advance(TTL - TICK);
    assert_eq!(bed.get(&a).await.unwrap(), found("sk-a"));
    assert_eq!(bed.loads(), (before.0 + 1, before.1 + 1));

    no_time_is_no_cache(&build, &open).await;
}

async fn no_time_is_no_cache<M: SecureKeyManager + 'static>(
    build: &impl AsyncFn(Parts) -> M,
    open: &impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::with(build, open, |parts| parts.cache_ttl = Duration::ZERO).await;
    let id = id("a");
    bed.put(&id, "sk-a").await;
    for n in 1..=3 {
        assert_eq!(bed.get(&id).await.unwrap(), found("sk-a"));
        assert_eq!(bed.kms.unwraps().calls(), n);
    }
    assert_eq!(bed.manager.cache_statistics().entries, 0);
}

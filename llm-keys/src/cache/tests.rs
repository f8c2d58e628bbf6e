//! What the cache promises beyond moka: shared loads, evictions that win, idle expiry.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::Notify;
use uuid::Uuid;

use super::*;
use crate::error::{Error, ErrorKind, KmsFault};
use crate::model::Version;
use crate::secret::ApiKey;

const NOW: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_secs(3600);

fn id(user: &str) -> KeyId {
    KeyId::user(user, "openai").unwrap()
}

fn entry(id: &KeyId, until: Duration) -> Arc<Entry> {
    Arc::new(Entry {
        id: Arc::new(id.clone()),
        secret: CachedSecret::new(ApiKey::new("sk-test").unwrap()),
        expires_at: None,
        until,
        confirmed_until: Duration::MAX,
        refresh_from: None,
        refreshing: AtomicBool::new(false),
        used: Arc::new(UseCell::new(Uuid::nil(), Version::FIRST)),
    })
}

fn cache() -> SecretCache {
    SecretCache::new(TTL, Duration::ZERO, 100)
}

async fn put(cache: &SecretCache, id: &KeyId) {
    let fresh = entry(id, NOW + TTL);
    cache.load(id, NOW, async { Ok(Some(fresh)) }).await.unwrap();
}

#[tokio::test]
async fn a_thousand_who_ask_at_once_share_one_load() {
    let (cache, id) = (Arc::new(cache()), id("alice"));
    let (loads, go) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (cache, id) = (Arc::clone(&cache), id.clone());
            let (loads, go) = (Arc::clone(&loads), Arc::clone(&go));
            tokio::spawn(async move {
                let fresh = entry(&id, NOW + TTL);
                let load = async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    go.notified().await;
                    Ok(Some(fresh))
                };
                cache.load(&id, NOW, load).await.unwrap().unwrap();
            })
        })
        .collect();
    tokio::task::yield_now().await;
    go.notify_one();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(cache.statistics().loads, 1);
    assert!(cache.hit(&id, NOW).is_some());
}

#[tokio::test]
async fn a_load_that_was_evicted_meanwhile_does_not_land() {
    let evictions: [fn(&SecretCache, &KeyId) -> u64; 3] = [
        SecretCache::evict,
        |cache, id| cache.evict_owner(&id.tenant, &id.owner),
        |cache, _| cache.evict_all(),
    ];
    for evict in evictions {
        let (cache, id) = (Arc::new(cache()), id("alice"));
        let load = {
            let (cache, id) = (Arc::clone(&cache), id.clone());
            async move {
                evict(&cache, &id);
                Ok(Some(entry(&id, NOW + TTL)))
            }
        };
        assert!(cache.load(&id, NOW, load).await.unwrap().is_some(), "those who wait get it");
        assert!(cache.hit(&id, NOW).is_none(), "but it is not kept");
    }
}

#[tokio::test]
async fn a_load_of_another_key_lands_whatever_is_evicted() {
    let (cache, bob) = (Arc::new(cache()), id("bob"));
    let load = {
        let (cache, bob) = (Arc::clone(&cache), bob.clone());
        async move {
            let alice = id("alice");
            cache.evict(&alice);
            cache.evict_owner(&alice.tenant, &alice.owner);
            Ok(Some(entry(&bob, NOW + TTL)))
        }
    };
    cache.load(&bob, NOW, load).await.unwrap();
    assert!(cache.hit(&bob, NOW).is_some());
}

#[tokio::test]
async fn a_reload_replaces_what_is_cached_and_what_is_under_way() {
    let (cache, id) = (Arc::new(cache()), id("alice"));
    let (older, newer) = (entry(&id, NOW + TTL), entry(&id, NOW + TTL));
    let go = Arc::new(Notify::new());
    let slow = tokio::spawn({
        let (cache, id, go, older) = (cache.clone(), id.clone(), go.clone(), older.clone());
        async move {
            let load = async move {
                go.notified().await;
                Ok(Some(older))
            };
            cache.load(&id, NOW, load).await
        }
    });
    tokio::task::yield_now().await;
    let fresh = Arc::clone(&newer);
    cache.reload(&id, async { Ok(Some(fresh)) }).await.unwrap();
    go.notify_one();
    assert!(Arc::ptr_eq(&slow.await.unwrap().unwrap().unwrap(), &older));
    assert!(Arc::ptr_eq(&cache.hit(&id, NOW).unwrap(), &newer), "the slow one did not land");
}

#[tokio::test]
async fn a_load_goes_on_for_the_others_when_the_first_goes_away() {
    let (cache, id) = (Arc::new(cache()), id("alice"));
    let go = Arc::new(Notify::new());
    let ask = || {
        let (cache, id, go) = (Arc::clone(&cache), id.clone(), Arc::clone(&go));
        tokio::spawn(async move {
            let fresh = entry(&id, NOW + TTL);
            let load = async move {
                go.notified().await;
                Ok(Some(fresh))
            };
            cache.load(&id, NOW, load).await
        })
    };
    let (first, second) = (ask(), ask());
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    go.notify_one();
    assert!(second.await.unwrap().unwrap().is_some());
    assert_eq!(cache.statistics().loads, 1);
}

#[tokio::test]
async fn a_load_that_all_have_left_makes_room_for_the_next() {
    let (cache, id) = (cache(), id("alice"));
    let never = cache.load(&id, NOW, std::future::pending());
    assert!(futures_util::FutureExt::now_or_never(never).is_none());
    put(&cache, &id).await;
    assert!(cache.hit(&id, NOW).is_some());
}

#[tokio::test]
async fn an_entry_is_good_until_its_end_on_our_clock() {
    let (cache, id) = (cache(), id("alice"));
    put(&cache, &id).await;
    assert!(cache.hit(&id, NOW + TTL - Duration::from_nanos(1)).is_some());
    assert!(cache.hit(&id, NOW + TTL).is_none());
}

#[tokio::test]
async fn a_failed_load_is_not_cached_and_says_why_to_all() {
    let (cache, id) = (cache(), id("alice"));
    put(&cache, &id).await;
    let down = || Error::new(ErrorKind::Kms(KmsFault::Unavailable), "test", "down");
    let result = cache.reload(&id, async move { Err(down()) }).await;
    assert_eq!(result.unwrap_err().kind(), down().kind());
    assert!(cache.hit(&id, NOW).is_some(), "an outage says nothing about the key");
    let inactive = Error::new(ErrorKind::Inactive, "test", "off");
    cache.reload(&id, async move { Err(inactive) }).await.unwrap_err();
    assert!(cache.hit(&id, NOW).is_none(), "a deactivated key is forgotten");
    put(&cache, &id).await;
    assert!(cache.reload(&id, async { Ok(None) }).await.unwrap().is_none());
    assert!(cache.hit(&id, NOW).is_none(), "a deleted key is forgotten");
}

#[tokio::test]
async fn an_owner_is_evicted_and_nobody_else() {
    let cache = cache();
    let alice = [id("alice"), id("alice").with_name("two").unwrap()];
    let others = [
        id("alic"),
        KeyId::team("alice", "openai").unwrap(),
        KeyId::global("openai").unwrap(),
        id("alice").with_tenant("other").unwrap(),
    ];
    for id in alice.iter().chain(&others) {
        put(&cache, id).await;
    }
    assert_eq!(cache.evict_owner(&alice[0].tenant, &alice[0].owner), 2);
    assert!(alice.iter().all(|id| cache.hit(id, NOW).is_none()));
    assert!(others.iter().all(|id| cache.hit(id, NOW).is_some()));
    assert_eq!(cache.evict(&others[0]), 1);
    assert_eq!(cache.evict(&others[0]), 0);
    assert_eq!(cache.evict_all(), 3);
    assert_eq!(cache.statistics().evictions, 6);
    assert_eq!(cache.statistics().entries, 0);
}

#[tokio::test]
async fn a_cache_that_is_off_loads_each_time() {
    for cache in [SecretCache::new(Duration::ZERO, TTL, 100), SecretCache::new(TTL, TTL, 0)] {
        let id = id("alice");
        put(&cache, &id).await;
        put(&cache, &id).await;
        assert!(cache.hit(&id, NOW).is_none());
        assert_eq!(cache.statistics().loads, 2);
    }
}

/// Awaits that the secret is dropped; a cache that keeps it makes this fail after ten seconds.
fn dropped(entry: &Weak<Entry>) -> bool {
    (0..1000).any(|_| {
        let gone = entry.upgrade().is_none();
        if !gone {
            std::thread::sleep(Duration::from_millis(10));
        }
        gone
    })
}

#[tokio::test]
async fn an_expired_secret_is_dropped_in_an_idle_process() {
    let cache = SecretCache::new(Duration::from_millis(100), Duration::from_millis(100), 10_000);
    let mut cached = Vec::new();
    for n in 0..1000 {
        let id = id(&n.to_string());
        let fresh = entry(&id, NOW + TTL);
        cached.push(Arc::downgrade(&fresh));
        cache.load(&id, NOW, async { Ok(Some(fresh)) }).await.unwrap();
    }
    assert!(cached.iter().any(|entry| entry.upgrade().is_some()), "they were cached");
    assert!(cached.iter().all(dropped), "nobody used the cache, and all are gone");
}

#[tokio::test]
async fn an_evicted_secret_is_dropped() {
    let (cache, id) = (cache(), id("alice"));
    put(&cache, &id).await;
    let cached = Arc::downgrade(&cache.hit(&id, NOW).unwrap());
    cache.evict_all();
    assert!(dropped(&cached));
}

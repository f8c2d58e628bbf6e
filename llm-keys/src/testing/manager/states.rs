//! Keys that are there and are not given out.

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use super::bed::{Bed, TICK, api_key, found, id, kind, number};
use crate::error::ErrorKind;
use crate::manager::{ChangeOptions, SecureKeyManager, StoreOptions};
use crate::model::{KeyFilter, KeyState, PageSize};
use crate::store::KeyStore;

/// Rule 5.
pub async fn inactive_and_expired_are_typed<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    inactive(&bed).await;
    expired(&bed).await;
}

async fn inactive<M: SecureKeyManager + 'static>(bed: &Bed<M>) {
    let (id, other, options) = (id("inactive"), id("other"), ChangeOptions::default());
    bed.put(&id, "sk-a").await;
    bed.put(&other, "sk-other").await;
    // A second time it is what it is already.
    for _ in 0..2 {
        let known = bed.manager.deactivate_api_key(&id, &options).await.unwrap().unwrap();
        assert_eq!(known.state, KeyState::Inactive);
        assert_eq!(bed.get_error(&id).await, ErrorKind::Inactive);
        let opened = kind(bed.version(&id, number(1)).await);
        assert_eq!(opened, Err(ErrorKind::Inactive), "nor by its number");
        assert_eq!(kind(bed.manager.refresh(&id).await), Err(ErrorKind::Inactive));
    }
    let known = bed.manager.key_metadata(&id).await.unwrap().unwrap();
    assert_eq!(known.state, KeyState::Inactive);
    let filter = KeyFilter::default();
    let listed = bed.manager.list_api_keys(&filter, None, PageSize::default()).await.unwrap();
    assert!(listed.items.contains(&known), "it is still listed");
    assert_eq!(bed.get(&other).await.unwrap(), found("sk-other"));
    for _ in 0..2 {
        let known = bed.manager.activate_api_key(&id, &options).await.unwrap().unwrap();
        assert_eq!(known.state, KeyState::Active);
        assert_eq!(bed.get(&id).await.unwrap(), found("sk-a"));
    }
}

async fn expired<M: SecureKeyManager + 'static>(bed: &Bed<M>) {
    let (id, hour) = (id("expiring"), Duration::from_secs(3600));
    let at = bed.parts.clock.now().saturating_add(hour);
    let options = StoreOptions::default().expires_at(at);
    bed.manager.store_api_key(&id, api_key("sk-e"), &options).await.unwrap();
    let known = bed.manager.key_metadata(&id).await.unwrap().unwrap();
    assert_eq!(known.expires_at, Some(at));

    bed.clock.advance(hour - TICK);
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-e"), "good to the end, and now cached");
    bed.clock.advance(TICK * 2);
    assert_eq!(bed.get_error(&id).await, ErrorKind::Expired, "from the cache");
    assert_eq!(kind(bed.version(&id, number(1)).await), Err(ErrorKind::Expired));
    bed.manager.evict(&crate::manager::Evict::All).await;
    assert_eq!(bed.get_error(&id).await, ErrorKind::Expired, "from the store");
    bed.manager.activate_api_key(&id, &ChangeOptions::default()).await.unwrap();
    assert_eq!(bed.get_error(&id).await, ErrorKind::Expired, "activating does not help");

    bed.put(&id, "sk-new").await;
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-new"), "a new version without an expiry");
}

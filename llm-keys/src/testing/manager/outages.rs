//! Parts that fail: every failure is told as what it is.

use std::sync::Arc;

use super::Parts;
use super::bed::{Bed, found, id, kind, number};
use crate::error::{ErrorKind, IntegrityFault, KmsFault, StoreFault};
use crate::manager::{ChangeOptions, DeleteOptions, Evict, SecureKeyManager};
use crate::model::{KeyFilter, KeyState, PageSize};
use crate::random::SystemRandom;
use crate::store::KeyStore;
use crate::testing::fakes::FailingRandom;

/// Rule 8.
pub async fn an_outage_is_never_none<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    bed.put(&id("there"), "sk-there").await;
    for fault in KmsFault::ALL {
        kms_fails(&bed, ErrorKind::Kms(*fault)).await;
    }
    for fault in StoreFault::ALL {
        store_fails(&bed, ErrorKind::Store(*fault)).await;
    }
    a_lying_kms_is_found_out(&bed).await;
    randomness_fails(&build, &open).await;
}

async fn kms_fails<M: SecureKeyManager + 'static>(bed: &Bed<M>, fault: ErrorKind) {
    let (there, absent) = (id("there"), id("absent"));
    bed.manager.evict(&Evict::All).await;
    bed.kms.unwraps().fail(fault);
    bed.kms.wraps().fail(fault);
    assert_eq!(bed.get_error(&there).await, fault);
    assert_eq!(kind(bed.version(&there, number(1)).await), Err(fault));
    assert_eq!(kind(bed.manager.refresh(&there).await), Err(fault));
    let warmed = bed.manager.prewarm(std::slice::from_ref(&there)).await;
    let warmed: Vec<_> = warmed.into_iter().map(|(_, there)| kind(there)).collect();
    assert_eq!(warmed, [Err(fault)]);
    assert_eq!(kind(bed.try_put(&absent, "sk-absent").await), Err(fault));
    assert_eq!(bed.rows(&absent).await, None, "nothing is stored that could not be sealed");
    assert_eq!(bed.get(&absent).await.unwrap(), None, "what is missing needs no KMS");
    assert!(bed.manager.key_metadata(&there).await.unwrap().is_some(), "nor does what is known");

    // What is cached is served through the outage, even if a refresh fails.
    bed.kms.unwraps().heal();
    bed.kms.wraps().heal();
    assert_eq!(bed.get(&there).await.unwrap(), found("sk-there"));
    bed.kms.unwraps().fail(fault);
    assert_eq!(kind(bed.manager.refresh(&there).await), Err(fault));
    assert_eq!(bed.get(&there).await.unwrap(), found("sk-there"));
    bed.kms.unwraps().heal();
}

async fn store_fails<M: SecureKeyManager + 'static>(bed: &Bed<M>, fault: ErrorKind) {
    let (there, absent, options) = (id("there"), id("absent"), ChangeOptions::default());
    let before = bed.rows(&there).await;
    bed.manager.evict(&Evict::All).await;
    bed.store.fail(fault);
    for id in [&there, &absent] {
        assert_eq!(bed.get_error(id).await, fault);
        assert_eq!(kind(bed.version(id, number(1)).await), Err(fault));
        assert_eq!(kind(bed.try_put(id, "sk-lost").await), Err(fault));
        assert_eq!(kind(bed.manager.key_metadata(id).await), Err(fault));
        assert_eq!(kind(bed.manager.refresh(id).await), Err(fault));
        assert_eq!(kind(bed.manager.deactivate_api_key(id, &options).await), Err(fault));
        assert_eq!(kind(bed.manager.activate_api_key(id, &options).await), Err(fault));
        assert_eq!(
            kind(bed.manager.delete_api_key(id, &DeleteOptions::default()).await),
            Err(fault)
        );
    }
    let filter = KeyFilter::default();
    let listed = bed.manager.list_api_keys(&filter, None, PageSize::default()).await;
    assert_eq!(kind(listed), Err(fault));
    bed.store.heal();

    // The same where reading works and writing does not.
    bed.store.commits().fail(fault);
    for id in [&there, &absent] {
        assert_eq!(kind(bed.try_put(id, "sk-lost").await), Err(fault));
    }
    assert_eq!(kind(bed.manager.deactivate_api_key(&there, &options).await), Err(fault));
    assert_eq!(
        kind(bed.manager.delete_api_key(&there, &DeleteOptions::default()).await),
        Err(fault)
    );
    bed.store.heal();
    assert_eq!((bed.rows(&there).await, bed.rows(&absent).await), (before, None));
    assert_eq!(bed.get(&there).await.unwrap(), found("sk-there"), "as soon as it is back");
    let known = bed.manager.key_metadata(&there).await.unwrap().unwrap();
    assert_eq!(known.state, KeyState::Active);
}

async fn a_lying_kms_is_found_out<M: SecureKeyManager + 'static>(bed: &Bed<M>) {
    let there = id("there");
    bed.manager.evict(&Evict::All).await;
    bed.kms.answer_wrong_key(true);
    let commitment = ErrorKind::Integrity(IntegrityFault::Commitment);
    assert_eq!(bed.get_error(&there).await, commitment);
    bed.kms.answer_wrong_key(false);
    assert_eq!(bed.get(&there).await.unwrap(), found("sk-there"));
}

/// With randomness that ends after so many requests, a store either goes through or stores nothing.
async fn randomness_fails<M: SecureKeyManager + 'static>(
    build: &impl AsyncFn(Parts) -> M,
    open: &impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    for calls in 0.. {
        let random = Arc::new(FailingRandom::after(calls, SystemRandom));
        let bed = Bed::with(build, open, |parts| parts.random = random).await;
        let id = id("a");
        match kind(bed.try_put(&id, "sk-a").await) {
            Err(error) => {
                assert_eq!(error, ErrorKind::Internal);
                assert_eq!(bed.rows(&id).await, None);
            }
            Ok(_) => {
                assert!(calls > 0, "a key was sealed without randomness");
                return;
            }
        }
    }
}

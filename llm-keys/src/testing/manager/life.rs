//! The life of a key: its versions, rotation, deletion.

use std::sync::Arc;
use std::time::Duration;

use super::Parts;
use super::bed::{Bed, api_key, caller, found, id, kind, number};
use crate::error::ErrorKind;
use crate::manager::{
    ChangeOptions, DeleteOptions, ExpectVersion, OpenOptions, RotateOptions, SecureKeyManager,
    StoreOptions,
};
use crate::model::{Integrity, KeyId, KeyState, Reason, VersionMetadata, VersionState};
use crate::store::KeyStore;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn history<M: SecureKeyManager + 'static>(bed: &Bed<M>, id: &KeyId) -> Vec<VersionMetadata> {
    bed.manager.key_history(id).await.unwrap().expect("the key is there")
}

/// Number, state, and whether it is the current one.
async fn told<M: SecureKeyManager + 'static>(
    bed: &Bed<M>,
    id: &KeyId,
) -> Vec<(u32, VersionState, bool)> {
    let all = history(bed, id).await;
    all.into_iter().map(|row| (row.version.get(), row.state, row.current)).collect()
}

/// Rule 15.
pub async fn history_tells_every_version<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    use VersionState::{Live, Retired, Shredded};
    let bed = Bed::new(&build, &open).await;
    let id = id("a");
    assert_eq!(bed.manager.key_history(&id).await.unwrap(), None);
    bed.put(&id, "sk-1").await;
    bed.clock.advance(DAY);
    let mut carol = caller("carol");
    carol.reason = Some(Reason::new("a leak").unwrap());
    let options = StoreOptions::default().caller(carol);
    bed.manager.store_api_key(&id, api_key("sk-2"), &options).await.unwrap();
    bed.put(&id, "sk-3").await;
    assert_eq!(told(&bed, &id).await, [(3, Live, true), (2, Retired, false), (1, Retired, false)]);
    let all = history(&bed, &id).await;
    let who = |at: usize| (all[at].by.as_str(), all[at].reason.as_ref().map(Reason::as_str));
    assert_eq!(
        (who(0), who(1), who(2)),
        (("suite", None), ("carol", Some("a leak")), ("suite", None))
    );
    assert_eq!(all[1].created_at, all[2].created_at.saturating_add(DAY));
    assert!(all.iter().all(|version| version.last_used_at.is_none()));

    bed.manager.prune_api_key(&id, 2, &ChangeOptions::default()).await.unwrap();
    assert_eq!(
        told(&bed, &id).await,
        [(3, Live, true), (2, Retired, false), (1, Shredded, false)],
        "the row stays when the envelope goes"
    );
    bed.manager.delete_api_key(&id, &DeleteOptions::default()).await.unwrap();
    assert_eq!(history(&bed, &id).await.len(), 3, "before somebody undeletes it");
}

/// Rule 16.
pub async fn a_rollback_is_a_new_version<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    use VersionState::{Live, Retired};
    let bed = Bed::new(&build, &open).await;
    let (id, options) = (id("a"), ChangeOptions::default());
    let rollback = async |to| kind(bed.manager.rollback_api_key(&id, number(to), &options).await);
    assert_eq!(rollback(1).await, Ok(None), "there is no key");
    bed.put(&id, "sk-0123456789-good").await;
    bed.put(&id, "sk-bad").await;
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-bad"));
    assert_eq!(rollback(1).await, Ok(Some(number(3))));
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-0123456789-good"));
    assert_eq!(told(&bed, &id).await, [(3, Live, true), (2, Retired, false), (1, Retired, false)]);
    let last = history(&bed, &id).await.remove(0);
    assert_eq!(last.reason.as_ref().map(Reason::as_str), Some("rollback to version 1"));
    let (row, _) = bed.rows(&id).await.unwrap();
    assert_eq!(row.hint.as_ref().map(|hint| hint.as_str()), Some("good"));
    for (what, to) in [("the current one", 3), ("one that never was", 9)] {
        assert_eq!(rollback(to).await, Err(ErrorKind::InvalidInput), "{what}");
    }
    bed.manager.prune_api_key(&id, 1, &options).await.unwrap();
    assert_eq!(rollback(1).await, Err(ErrorKind::InvalidInput), "it was shredded");
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-0123456789-good"));
}

/// Rule 17.
pub async fn a_rotation_has_two_phases<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    use VersionState::{Live, Pending, Retired, Retiring, Shredded};
    let bed = Bed::new(&build, &open).await;
    let id = id("a");
    let options = RotateOptions::default().overlap(DAY);
    let rotate = async |key: &str, options: &RotateOptions| {
        kind(bed.manager.rotate_api_key(&id, api_key(key), options).await)
    };
    assert_eq!(rotate("sk-none", &options).await, Ok(None), "there is no key");
    bed.put(&id, "sk-1").await;
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-1"));
    assert_eq!(rotate("sk-2", &options).await, Ok(Some(number(2))));
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-2"), "readers get the current one");
    let until = history(&bed, &id).await[1].created_at.saturating_add(DAY);
    assert_eq!(told(&bed, &id).await, [(2, Live, true), (1, Retiring { until }, false)]);
    assert_eq!(bed.version(&id, number(1)).await.unwrap(), found("sk-1"));
    bed.clock.advance(DAY);
    assert_eq!(told(&bed, &id).await, [(2, Live, true), (1, Retired, false)]);

    // Compare-and-swap.
    let expect = |version| {
        let store = StoreOptions::default().expect_version(ExpectVersion::Is(number(version)));
        RotateOptions::default().overlap(Duration::ZERO).store(store)
    };
    assert_eq!(rotate("sk-late", &expect(1)).await, Err(ErrorKind::Conflict));
    assert_eq!(rotate("sk-3", &expect(2)).await, Ok(Some(number(3))));
    assert_eq!(told(&bed, &id).await[1], (2, Retired, false), "without an overlap");

    // It dies between the phases: the pending version is nobody's, and the next rotation goes on.
    let full = ErrorKind::Store(crate::error::StoreFault::Full);
    bed.store.commits().hold_answers();
    let begun = tokio::spawn({
        let (manager, id) = (bed.manager.clone(), id.clone());
        async move { kind(manager.rotate_api_key(&id, api_key("sk-4"), &options).await) }
    });
    bed.store.commits().until_answers_held(1).await;
    bed.store.commits().fail(full);
    bed.store.commits().release();
    let died = begun.await.unwrap();
    bed.store.heal();
    assert_eq!(died, Err(full));
    assert_eq!(told(&bed, &id).await[..2], [(4, Pending, false), (3, Live, true)]);
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-3"));
    let pending = OpenOptions::default().version(number(4));
    assert_eq!(kind(bed.manager.open(&id, &pending).await.map(drop)), Err(ErrorKind::InvalidInput));
    assert_eq!(rotate("sk-5", &RotateOptions::default()).await, Ok(Some(number(5))));
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-5"));
    assert_eq!(told(&bed, &id).await[..2], [(5, Live, true), (4, Shredded, false)]);
}

/// Rule 18.
pub async fn a_deleted_key_can_come_back<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let (id, options) = (id("a"), ChangeOptions::default());
    let undelete = async || {
        let key = kind(bed.manager.undelete_api_key(&id, &options).await)?;
        Ok::<_, ErrorKind>(key.map(|key| (key.state, key.integrity)))
    };
    assert_eq!(undelete().await, Ok(None), "there is no key");
    bed.put(&id, "sk-1").await;
    assert_eq!(undelete().await, Err(ErrorKind::InvalidInput), "it is not deleted");
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-1"));

    let delete = async |options: DeleteOptions| bed.manager.delete_api_key(&id, &options).await;
    assert!(delete(DeleteOptions::default()).await.unwrap());
    assert!(!delete(DeleteOptions::default()).await.unwrap(), "it is deleted already");
    assert_eq!(bed.get(&id).await.unwrap(), None);
    assert_eq!(bed.version(&id, number(1)).await.unwrap(), None);
    assert_eq!(bed.manager.key_metadata(&id).await.unwrap(), None);
    let back = (KeyState::Inactive, Integrity::Verified);
    assert_eq!(undelete().await, Ok(Some(back)), "it does not come into use unseen");
    assert_eq!(bed.get_error(&id).await, ErrorKind::Inactive);
    bed.manager.activate_api_key(&id, &options).await.unwrap();
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-1"));

    // At once and for good: no envelope, and no wrapped data key.
    let record = bed.rows(&id).await.unwrap().0.record;
    assert!(delete(DeleteOptions::default()).await.unwrap());
    assert!(delete(DeleteOptions::default().now()).await.unwrap(), "also a deleted one");
    assert_eq!(undelete().await, Ok(None));
    assert!(bed.rows(&id).await.is_none());
    assert_eq!(bed.store.inner().version_list(record).await.unwrap(), []);
}

/// Rule 19.
pub async fn pruning_keeps_the_newest<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let (id, options) = (id("a"), ChangeOptions::default());
    let prune = async |keep| kind(bed.manager.prune_api_key(&id, keep, &options).await);
    assert_eq!(prune(1).await, Ok(None), "there is no key");
    for n in 1..=5 {
        bed.put(&id, &format!("sk-{n}")).await;
    }
    assert_eq!(prune(0).await, Err(ErrorKind::InvalidInput));
    assert_eq!(prune(5).await, Ok(Some(0)));
    assert_eq!(prune(3).await, Ok(Some(2)));
    for n in 1..=5 {
        let expected = if n < 3 { None } else { found(&format!("sk-{n}")) };
        assert_eq!(bed.version(&id, number(n)).await.unwrap(), expected);
    }
    let record = bed.rows(&id).await.unwrap().0.record;
    for row in bed.store.inner().version_list(record).await.unwrap() {
        assert_eq!(row.envelope.is_some(), row.version >= number(3), "version {}", row.version);
    }
    assert_eq!(prune(1).await, Ok(Some(2)));
    assert_eq!(bed.get(&id).await.unwrap(), found("sk-5"));
    assert_eq!(bed.put(&id, "sk-6").await, number(6), "no number is given twice");
}

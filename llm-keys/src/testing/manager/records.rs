//! What is recorded of each operation.

use std::sync::Arc;

use super::Parts;
use super::bed::{Bed, api_key, caller, id, number};
use crate::error::{ErrorKind, KmsFault, StoreFault};
use crate::event::{Action, Event, Outcome};
use crate::manager::{
    ChangeOptions, DeleteOptions, Evict, ExpectVersion, OpenOptions, RotateOptions,
    SecureKeyManager, StoreOptions,
};
use crate::model::{Caller, KeyFilter, PageSize, Reason, RequestId};
use crate::store::KeyStore;

const SECRET: &str = "sk-canary-5d8e1f70c2ab4963-tail";

/// Rule 10.
pub async fn one_event_each<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let bed = Bed::new(&build, &open).await;
    let log = Log { bed: &bed, ours: bed.parts.caller.clone(), theirs: full_caller() };
    log.changes_and_reads().await;
    log.failures().await;
    log.looking_is_not_recorded().await;
}

struct Log<'a, M> {
    bed: &'a Bed<M>,
    ours: Caller,
    theirs: Caller,
}

impl<M: SecureKeyManager + 'static> Log<'_, M> {
    async fn changes_and_reads(&self) {
        let (manager, id) = (&self.bed.manager, id("a"));
        let change = ChangeOptions::default().caller(self.theirs.clone());
        let (ours, theirs) = (&self.ours, &self.theirs);
        use Action::{
            KeyActivate, KeyDeactivate, KeyDelete, KeyGet, KeyPrune, KeyPurge, KeyRollback,
            KeyRotate, KeyStore, KeyUndelete,
        };
        use Outcome::{Missing, Ok};

        manager.get_api_key(&id).await.unwrap();
        self.one(KeyGet, Missing, ours, None);
        manager.open(&id, &OpenOptions::default().caller(theirs.clone())).await.unwrap();
        self.one(KeyGet, Missing, theirs, None);
        for n in 1..=2 {
            let options = StoreOptions::default().caller(theirs.clone());
            manager.store_api_key(&id, api_key(SECRET), &options).await.unwrap();
            self.one(KeyStore, Ok, theirs, Some(n));
        }
        for _ in ["cold", "cached"] {
            manager.get_api_key(&id).await.unwrap();
            self.one(KeyGet, Ok, ours, Some(2));
            manager.open(&id, &OpenOptions::default().caller(theirs.clone())).await.unwrap();
            self.one(KeyGet, Ok, theirs, Some(2));
            let first = OpenOptions::default().version(number(1));
            manager.open(&id, &first).await.unwrap();
            self.one(KeyGet, Ok, ours, Some(1));
        }
        let delete = DeleteOptions::default().caller(theirs.clone());
        manager.deactivate_api_key(&id, &change).await.unwrap();
        self.one(KeyDeactivate, Ok, theirs, Some(2));
        manager.get_api_key(&id).await.expect_err("it is inactive");
        self.one(KeyGet, Outcome::Failed(ErrorKind::Inactive), ours, None);
        manager.activate_api_key(&id, &ChangeOptions::default()).await.unwrap();
        self.one(KeyActivate, Ok, ours, Some(2));
        manager.delete_api_key(&id, &delete).await.unwrap();
        self.one(KeyDelete, Ok, theirs, Some(2));
        manager.delete_api_key(&id, &delete).await.unwrap();
        self.one(KeyDelete, Missing, theirs, None);
        manager.deactivate_api_key(&id, &change).await.unwrap();
        self.one(KeyDeactivate, Missing, theirs, None);
        manager.activate_api_key(&id, &change).await.unwrap();
        self.one(KeyActivate, Missing, theirs, None);
        manager.undelete_api_key(&id, &change).await.unwrap();
        self.one(KeyUndelete, Ok, theirs, Some(2));
        manager.rollback_api_key(&id, number(1), &change).await.unwrap();
        self.one(KeyRollback, Ok, theirs, Some(3));
        manager.prune_api_key(&id, 1, &change).await.unwrap();
        self.one(KeyPrune, Ok, theirs, Some(3));
        manager.delete_api_key(&id, &delete.clone().now()).await.unwrap();
        self.one(KeyPurge, Ok, theirs, Some(3));
        manager.undelete_api_key(&id, &change).await.unwrap();
        self.one(KeyUndelete, Missing, theirs, None);
        manager.rollback_api_key(&id, number(1), &change).await.unwrap();
        self.one(KeyRollback, Missing, theirs, None);
        manager.prune_api_key(&id, 1, &change).await.unwrap();
        self.one(KeyPrune, Missing, theirs, None);
        let store = StoreOptions::default().caller(theirs.clone());
        let rotate = RotateOptions::default().store(store);
        manager.rotate_api_key(&id, api_key(SECRET), &rotate).await.unwrap();
        self.one(KeyRotate, Missing, theirs, None);
    }

    async fn failures(&self) {
        let (manager, id) = (&self.bed.manager, id("a"));
        let mine = StoreOptions::default().caller(self.theirs.clone());
        manager.store_api_key(&id, api_key(SECRET), &mine).await.unwrap();
        self.bed.sink.take();

        let absent = mine.clone().expect_version(ExpectVersion::Absent);
        manager.store_api_key(&id, api_key(SECRET), &absent).await.expect_err("it is there");
        self.failed(Action::KeyStore, ErrorKind::Conflict, &self.theirs);

        let down = ErrorKind::Kms(KmsFault::Unavailable);
        self.bed.kms.wraps().fail_next(1, down);
        manager.store_api_key(&id, api_key(SECRET), &mine).await.expect_err("no data key");
        self.failed(Action::KeyStore, down, &self.theirs);
        manager.evict(&Evict::All).await;
        self.bed.kms.unwraps().fail_next(1, down);
        manager.get_api_key(&id).await.expect_err("the KMS is down");
        self.failed(Action::KeyGet, down, &self.ours);

        let full = ErrorKind::Store(StoreFault::Full);
        let change = ChangeOptions::default().caller(self.theirs.clone());
        let delete = DeleteOptions::default().caller(self.theirs.clone());
        self.bed.store.commits().fail_next(1, full);
        manager.store_api_key(&id, api_key(SECRET), &mine).await.expect_err("the store is full");
        self.failed(Action::KeyStore, full, &self.theirs);
        self.bed.store.commits().fail_next(1, full);
        manager.deactivate_api_key(&id, &change).await.expect_err("the store is full");
        self.failed(Action::KeyDeactivate, full, &self.theirs);
        self.bed.store.commits().fail_next(1, full);
        manager.delete_api_key(&id, &delete).await.expect_err("the store is full");
        self.failed(Action::KeyDelete, full, &self.theirs);
        self.bed.store.fail(full);
        manager.delete_api_key(&id, &delete).await.expect_err("the store is down");
        self.failed(Action::KeyDelete, full, &self.theirs);
        self.bed.store.heal();
    }

    /// What gives no secret and changes nothing leaves no event.
    async fn looking_is_not_recorded(&self) {
        let (manager, id) = (&self.bed.manager, id("a"));
        manager.key_metadata(&id).await.unwrap();
        let filter = KeyFilter::default();
        manager.list_api_keys(&filter, None, PageSize::default()).await.unwrap();
        manager.prewarm(std::slice::from_ref(&id)).await;
        manager.refresh(&id).await.unwrap();
        manager.evict(&Evict::All).await;
        manager.shutdown().await.unwrap();
        assert_eq!(self.bed.sink.take(), vec![]);
    }

    /// The last operation left exactly this.
    #[track_caller]
    fn one(&self, action: Action, outcome: Outcome, caller: &Caller, version: Option<u32>) {
        let events = self.bed.sink.take();
        assert_eq!(events.len(), 1, "{action:?} {outcome:?}: {events:?}");
        check(&events[0], action, outcome, caller);
        if outcome == Outcome::Ok {
            assert_eq!(events[0].version.map(crate::Version::get), version, "{action:?}");
            assert!(events[0].record.is_some(), "{action:?}: of which record?");
        }
    }

    /// The last operation failed: the last event says so, and before it there is at most the one
    /// that announced the change.
    #[track_caller]
    fn failed(&self, action: Action, kind: ErrorKind, caller: &Caller) {
        let events = self.bed.sink.take();
        let (last, first) = events.split_last().expect("a failure is recorded");
        check(last, action, Outcome::Failed(kind), caller);
        assert!(first.len() <= 1, "{action:?}: {events:?}");
        for event in first {
            check(event, action, Outcome::Ok, caller);
        }
    }
}

#[track_caller]
fn check(event: &Event, action: Action, outcome: Outcome, caller: &Caller) {
    assert_eq!((event.action, event.outcome), (action, outcome), "{event:?}");
    assert_eq!((&*event.key, &*event.caller), (&id("a"), caller), "{action:?} {outcome:?}");
    let said = format!("{event:?} {}", serde_json::to_string(event).unwrap());
    assert!(!said.contains(&SECRET[..12]), "{action:?} {outcome:?}: the event holds the secret");
}

fn full_caller() -> Caller {
    Caller {
        reason: Some(Reason::new("because of a test").expect("a valid reason")),
        request_id: Some(RequestId::new("req-1").expect("a valid id")),
        ..caller("them")
    }
}

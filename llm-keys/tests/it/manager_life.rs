//! The life of a key beyond what every manager does: retention, the test of a rotation, what falls
//! due, and policies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use llm_keys::event::Action;
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::{Builder, KeyTest, Retention};
use llm_keys::model::{Days, Settings, VersionState};
use llm_keys::store::{Change, Expect, KeyStore, MemoryStore};
use llm_keys::testing::fakes::{ManualClock, RecordingSink};
use llm_keys::{
    ApiKey, ChangeOptions, Clock as _, DeleteOptions, EnvelopeKeyManager, Error, ErrorKind, KeyId,
    KeyState, Micros, OpenOptions, Result, RotateOptions, SecureKeyManager as _, StoreOptions,
    Tenant, Version,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Bed {
    store: Arc<MemoryStore>,
    sink: Arc<RecordingSink>,
    clock: Arc<ManualClock>,
    keys: EnvelopeKeyManager,
}

impl Bed {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(
        set: impl FnOnce(Builder<KmsSet, Arc<dyn KeyStore>>) -> Builder<KmsSet, Arc<dyn KeyStore>>,
    ) -> Self {
        let store = Arc::new(MemoryStore::new());
        let sink = Arc::new(RecordingSink::default());
        let clock = Arc::new(ManualClock::default());
        let builder = EnvelopeKeyManager::builder()
            .kms(KmsSet::single(LocalKms::ephemeral().unwrap()))
            .store(Arc::clone(&store))
            .event_sink(Arc::clone(&sink))
            .clock(Arc::clone(&clock));
        let keys = set(builder).build().await.unwrap();
        Self { store, sink, clock, keys }
    }

    async fn put(&self, id: &KeyId, options: &StoreOptions) -> Version {
        self.keys.store_api_key(id, key("sk-a"), options).await.unwrap()
    }

    async fn rotate(&self, id: &KeyId, options: &RotateOptions) -> Result<Option<Version>> {
        self.keys.rotate_api_key(id, key("sk-b"), options).await
    }

    /// The states of all versions, oldest first.
    async fn states(&self, id: &KeyId) -> Vec<&'static str> {
        let history = self.keys.key_history(id).await.unwrap().unwrap();
        history.iter().rev().map(|version| version.state.word()).collect()
    }

    /// What happened since the last look.
    fn actions(&self) -> Vec<Action> {
        self.sink.take().iter().map(|event| event.action).collect()
    }
}

fn key(text: &str) -> ApiKey {
    ApiKey::new(text).unwrap()
}

fn id() -> KeyId {
    KeyId::global("openai").unwrap()
}

#[tokio::test]
async fn the_oldest_versions_beyond_the_retention_are_shredded_with_each_new_one() {
    let bed = Bed::with(|builder| builder.retention(Retention::default().versions(3))).await;
    for _ in 0..5 {
        bed.put(&id(), &StoreOptions::default()).await;
    }
    let expected = ["shredded", "shredded", "retired", "retired", "live"];
    assert_eq!(bed.states(&id()).await, expected);
    let (row, _) = bed.store.key_find(&id()).await.unwrap().unwrap();
    assert_eq!(row.kept.to_string(), "3:4,4:5,5:5");
    // What is still good at the service stays beyond it, and a rollback counts, too.
    bed.rotate(&id(), &RotateOptions::default().overlap(DAY)).await.unwrap();
    bed.rotate(&id(), &RotateOptions::default().overlap(DAY)).await.unwrap();
    bed.rotate(&id(), &RotateOptions::default().overlap(DAY)).await.unwrap();
    assert_eq!(bed.states(&id()).await[4..], ["retiring", "retiring", "retiring", "live"]);
    bed.clock.advance(DAY);
    let six = Version::new(6).unwrap();
    bed.keys.rollback_api_key(&id(), six, &ChangeOptions::default()).await.unwrap();
    assert_eq!(bed.states(&id()).await[5..], ["shredded", "retired", "retired", "live"]);
}

#[tokio::test]
async fn ten_versions_are_kept_unless_said() {
    let bed = Bed::new().await;
    for _ in 0..12 {
        bed.put(&id(), &StoreOptions::default()).await;
    }
    let states = bed.states(&id()).await;
    assert_eq!(states[..3], ["shredded", "shredded", "retired"]);
    assert_eq!(states.iter().filter(|state| **state != "shredded").count(), 10);
}

/// Says no as often as it is told to.
#[derive(Debug)]
struct Stubborn(AtomicU32);

#[async_trait]
impl KeyTest for Stubborn {
    async fn test(&self, _: &KeyId, key: &ApiKey, settings: &Settings) -> Result<()> {
        assert!(key.expose(|key| key == b"sk-b"));
        assert_eq!(settings.0.get("host").map(String::as_str), Some("pve.lan"));
        let again = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        match again {
            Ok(_) => Err(Error::invalid("test", "the service does not take it")),
            Err(_) => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_new_key_that_fails_its_test_never_becomes_current() {
    let bed = Bed::with(|builder| builder.rotation_test(Stubborn(AtomicU32::new(1)))).await;
    let settings = Settings([("host".to_owned(), "pve.lan".to_owned())].into());
    bed.put(&id(), &StoreOptions::default().settings(settings)).await;
    bed.sink.take();
    let error = bed.rotate(&id(), &RotateOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    use Action::{KeyRotate, KeyRotateAbandon, KeyRotateBegin};
    assert_eq!(bed.actions(), [KeyRotateBegin, KeyRotateAbandon, KeyRotate]);
    assert_eq!(bed.states(&id()).await, ["live", "shredded"]);
    assert!(bed.keys.get_api_key(&id()).await.unwrap().unwrap().expose(|key| key == b"sk-a"));
    bed.sink.take();
    let version = bed.rotate(&id(), &RotateOptions::default()).await.unwrap();
    assert_eq!(version, Version::new(3));
    assert_eq!(bed.actions(), [KeyRotateBegin, KeyRotate]);
    assert_eq!(bed.states(&id()).await, ["retiring", "shredded", "live"]);
}

/// Rotates the same key while it is being tested.
#[derive(Debug)]
struct Overtaken(tokio::sync::OnceCell<EnvelopeKeyManager>);

#[async_trait]
impl KeyTest for Overtaken {
    async fn test(&self, id: &KeyId, _: &ApiKey, _: &Settings) -> Result<()> {
        let other = self.0.get().unwrap();
        other.rotate_api_key(id, key("sk-other"), &RotateOptions::default()).await.map(drop)
    }
}

#[tokio::test]
async fn of_two_rotations_at_once_one_wins() {
    let store = Arc::new(MemoryStore::new());
    let kms = Arc::new(LocalKms::ephemeral().unwrap());
    let builder = || {
        let kms = KmsSet::single(Arc::clone(&kms));
        EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&store))
    };
    let other = builder().build().await.unwrap();
    let test = Overtaken(tokio::sync::OnceCell::new_with(Some(other.clone())));
    let first = builder().rotation_test(test).build().await.unwrap();
    first.store_api_key(&id(), key("sk-a"), &StoreOptions::default()).await.unwrap();
    let lost = first.rotate_api_key(&id(), key("sk-b"), &RotateOptions::default()).await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::Conflict);
    let now = other.get_api_key(&id()).await.unwrap().unwrap();
    assert!(now.expose(|key| key == b"sk-other"));
    let history = other.key_history(&id()).await.unwrap().unwrap();
    let current: Vec<_> = history.iter().filter(|version| version.current).collect();
    assert_eq!(current.len(), 1);
    assert!(history.iter().all(|version| version.state != VersionState::Pending));
}

#[tokio::test]
async fn a_store_during_the_test_is_not_lost() {
    #[derive(Debug)]
    struct Stores(EnvelopeKeyManager);
    #[async_trait]
    impl KeyTest for Stores {
        async fn test(&self, id: &KeyId, _: &ApiKey, _: &Settings) -> Result<()> {
            self.0.store_api_key(id, key("sk-c"), &StoreOptions::default()).await.map(drop)
        }
    }
    let store = Arc::new(MemoryStore::new());
    let kms = Arc::new(LocalKms::ephemeral().unwrap());
    let builder = || {
        let kms = KmsSet::single(Arc::clone(&kms));
        EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&store))
    };
    let other = builder().build().await.unwrap();
    let keys = builder().rotation_test(Stores(other.clone())).build().await.unwrap();
    keys.store_api_key(&id(), key("sk-a"), &StoreOptions::default()).await.unwrap();
    let rotated = keys.rotate_api_key(&id(), key("sk-b"), &RotateOptions::default()).await;
    assert_eq!(rotated.unwrap_err().kind(), ErrorKind::Conflict, "it would override the store");
    let history = other.key_history(&id()).await.unwrap().unwrap();
    let states: Vec<_> = history.iter().rev().map(|version| version.state.word()).collect();
    assert_eq!(states, ["retired", "shredded", "live"]);
    assert!(keys.get_api_key(&id()).await.unwrap().unwrap().expose(|key| key == b"sk-c"));
}

#[tokio::test]
async fn what_falls_due_is_told_once_and_what_was_deleted_is_purged() {
    let bed = Bed::new().await;
    let (expires, rotates, deleted) =
        (id(), id().with_name("rotates").unwrap(), id().with_name("deleted").unwrap());
    let now = bed.clock.now();
    bed.put(&expires, &StoreOptions::default().expires_at(now.saturating_add(3 * DAY))).await;
    bed.put(&rotates, &StoreOptions::default().rotate_every(Days(2))).await;
    bed.put(&deleted, &StoreOptions::default()).await;
    bed.keys.delete_api_key(&deleted, &DeleteOptions::default()).await.unwrap();
    let due = async |within: u32| {
        let before = bed.clock.now().saturating_add(within * DAY);
        let found = bed.keys.due_api_keys(&Tenant::default(), before).await.unwrap();
        found.iter().map(|key| key.id.name.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(due(2).await, Vec::<String>::new());
    assert_eq!(due(14).await, ["rotates", "default"]);
    assert_eq!(due(31).await, ["rotates", "default", "deleted"]);

    let tend = async || {
        bed.sink.take();
        let done = bed.keys.tend().await.unwrap();
        let events = bed.sink.take();
        let told: Vec<_> =
            events.iter().map(|event| (event.action, event.key.name.as_str().to_owned())).collect();
        ((done.told, done.purged), told)
    };
    let of = |action, name: &str| vec![(action, name.to_owned())];
    assert_eq!(tend().await, ((0, 0), vec![]));
    bed.clock.advance(2 * DAY);
    assert_eq!(tend().await, ((1, 0), of(Action::KeyDue, "rotates")));
    assert_eq!(tend().await, ((0, 0), vec![]), "once");
    bed.clock.advance(DAY);
    assert_eq!(tend().await, ((1, 0), of(Action::KeyDue, "default")));
    // What was told is no part of what is verified.
    assert_eq!(bed.keys.get_api_key(&expires).await.unwrap_err().kind(), ErrorKind::Expired);
    assert!(bed.keys.get_api_key(&rotates).await.unwrap().is_some());
    // The new version falls due anew.
    bed.rotate(&rotates, &RotateOptions::default()).await.unwrap();
    bed.clock.advance(2 * DAY);
    assert_eq!(tend().await, ((1, 0), of(Action::KeyDue, "rotates")));
    bed.clock.advance(25 * DAY);
    assert_eq!(tend().await, ((0, 1), of(Action::KeyPurge, "deleted")));
    assert!(bed.store.key_find(&deleted).await.unwrap().is_none());
    let error = bed.keys.undelete_api_key(&deleted, &ChangeOptions::default()).await;
    assert_eq!(error.unwrap(), None);
}

#[tokio::test]
async fn a_little_of_what_is_due_is_done_the_most_urgent_first() {
    let bed = Bed::new().await;
    let id = |number: u32| KeyId::global(&format!("key-{number}")).unwrap();
    for number in 0..5 {
        bed.put(&id(number), &StoreOptions::default()).await;
        bed.keys.delete_api_key(&id(number), &DeleteOptions::default()).await.unwrap();
        bed.clock.advance(DAY);
    }
    bed.clock.advance(30 * DAY);
    for left in [3, 1, 0, 0] {
        bed.keys.tend_some(2).await.unwrap();
        let mut there = 0;
        for number in 0..5 {
            there += u32::from(bed.store.key_find(&id(number)).await.unwrap().is_some());
        }
        assert_eq!(there, left);
        if left > 0 {
            assert!(bed.store.key_find(&id(4)).await.unwrap().is_some(), "deleted last");
        }
    }
}

#[tokio::test]
async fn an_edited_row_purges_nothing() {
    let bed = Bed::new().await;
    bed.put(&id(), &StoreOptions::default()).await;
    let (mut row, _) = bed.store.key_find(&id()).await.unwrap().unwrap();
    let expect = Expect::Generation { record: row.record, generation: row.generation };
    row.state = KeyState::Deleted { purge_at: Micros(1) };
    row.due_at = Some(Micros(1));
    let change = Change { expect: vec![expect], keys: vec![row], ..Change::default() };
    bed.store.commit(change).await.unwrap();
    assert_eq!(bed.keys.tend().await.unwrap().purged, 0);
    // Nor by a manager that has not opened the row MAC keys yet.
    bed.keys.shutdown().await.unwrap();
    assert_eq!(bed.keys.tend().await.unwrap().purged, 0);
    assert!(bed.store.key_find(&id()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_deleted_key_that_makes_room_is_purged_with_an_event() {
    let bed = Bed::new().await;
    bed.put(&id(), &StoreOptions::default()).await;
    let old = bed.keys.key_metadata(&id()).await.unwrap().unwrap().record;
    bed.keys.delete_api_key(&id(), &DeleteOptions::default()).await.unwrap();
    bed.sink.take();
    bed.put(&id(), &StoreOptions::default()).await;
    let events = bed.sink.take();
    let told: Vec<_> = events.iter().map(|event| (event.action, event.record)).collect();
    let new = bed.keys.key_metadata(&id()).await.unwrap().unwrap().record;
    assert_eq!(told, [(Action::KeyStore, Some(new)), (Action::KeyPurge, Some(old))]);
}

/// Rolls back to the version that is being tested.
#[derive(Debug)]
struct RollsBack(EnvelopeKeyManager);

#[async_trait]
impl KeyTest for RollsBack {
    async fn test(&self, id: &KeyId, _: &ApiKey, _: &Settings) -> Result<()> {
        let two = Version::new(2).unwrap();
        self.0.rollback_api_key(id, two, &ChangeOptions::default()).await.map(drop)
    }
}

#[tokio::test]
async fn a_pending_version_is_nothing_to_roll_back_to() {
    let store = Arc::new(MemoryStore::new());
    let kms = Arc::new(LocalKms::ephemeral().unwrap());
    let builder = || {
        let kms = KmsSet::single(Arc::clone(&kms));
        EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&store))
    };
    let other = builder().build().await.unwrap();
    let keys = builder().rotation_test(RollsBack(other)).build().await.unwrap();
    keys.store_api_key(&id(), key("sk-a"), &StoreOptions::default()).await.unwrap();
    let rotated = keys.rotate_api_key(&id(), key("sk-b"), &RotateOptions::default()).await;
    assert_eq!(rotated.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(keys.get_api_key(&id()).await.unwrap().unwrap().expose(|key| key == b"sk-a"));
}

#[tokio::test]
async fn a_damaged_old_version_stands_in_nobodys_way() {
    let bed = Bed::new().await;
    bed.put(&id(), &StoreOptions::default()).await;
    bed.put(&id(), &StoreOptions::default()).await;
    let (row, _) = bed.store.key_find(&id()).await.unwrap().unwrap();
    let mut old = bed.store.version_find(row.record, Version::FIRST).await.unwrap().unwrap();
    old.created_at = Micros(1);
    let expect = Expect::Generation { record: row.record, generation: row.generation };
    let change = Change { expect: vec![expect], versions: vec![old], ..Change::default() };
    bed.store.commit(change).await.unwrap();
    assert_eq!(bed.rotate(&id(), &RotateOptions::default()).await.unwrap(), Version::new(3));
    let one = OpenOptions::default().version(Version::FIRST);
    let error = bed.keys.open(&id(), &one).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Integrity(_)), "{error:?}");
}

#[tokio::test]
async fn without_a_time_to_come_back_deleting_is_for_good() {
    let retention = Retention::default().deleted(Duration::ZERO);
    let bed = Bed::with(|builder| builder.retention(retention)).await;
    bed.put(&id(), &StoreOptions::default()).await;
    assert!(bed.keys.delete_api_key(&id(), &DeleteOptions::default()).await.unwrap());
    assert!(bed.store.key_find(&id()).await.unwrap().is_none());
}

#[tokio::test]
async fn the_manager_tends_by_itself() {
    let bed = Bed::with(|builder| builder.tend_every(Duration::from_millis(5))).await;
    bed.put(&id(), &StoreOptions::default().rotate_every(Days(1))).await;
    bed.sink.take();
    bed.clock.advance(DAY);
    for _ in 0..2000 {
        if bed.actions().contains(&Action::KeyDue) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody told that the key is due");
}

#[tokio::test]
async fn a_rule_of_rotation_can_be_taken_back() {
    let bed = Bed::new().await;
    bed.put(&id(), &StoreOptions::default().rotate_every(Days(1))).await;
    let rule = async || bed.keys.key_metadata(&id()).await.unwrap().unwrap();
    assert_eq!(rule().await.rotate_every, Some(Days(1)));
    bed.put(&id(), &StoreOptions::default()).await;
    assert_eq!(rule().await.rotate_every, Some(Days(1)), "it stays unless said");
    bed.put(&id(), &StoreOptions::default().rotate_every(Days(0))).await;
    let known = rule().await;
    assert_eq!((known.rotate_every, known.due_at), (None, None));
}

//! Rows that somebody wrote past the manager: what is refused, and how it is told. Every column for
//! itself is the matter of `manager::row_mac::tests`, and of `llm-keys-diesel` with SQL.

use std::sync::Arc;

use futures_util::future::join_all;
use llm_keys::error::{IntegrityFault, KmsFault};
use llm_keys::event::{Action, Outcome};
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::CacheOptions;
use llm_keys::model::{KeyRow, SystemName, VersionRow};
use llm_keys::store::{Change, Expect, KeyStore as _, MemoryStore, SystemRow};
use llm_keys::testing::fakes::{FakeKms, RecordingSink};
use llm_keys::{
    ApiKey, ChangeOptions, DeleteOptions, EnvelopeKeyManager, ErrorKind, Integrity, KeyFilter,
    KeyId, KeyState, OpenOptions, PageSize, Result, RotateOptions, SecureKeyManager as _,
    StoreOptions, Tenant, Version,
};

const EDITED: ErrorKind = ErrorKind::Integrity(IntegrityFault::Row);

struct Bed {
    kms: Arc<FakeKms<LocalKms>>,
    store: Arc<MemoryStore>,
    sink: Arc<RecordingSink>,
    keys: EnvelopeKeyManager,
}

/// The rows of one key, as they once were.
struct Rows {
    key: KeyRow,
    versions: Vec<VersionRow>,
}

impl Bed {
    async fn new() -> Self {
        let kms = Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()));
        let (store, sink) = (Arc::new(MemoryStore::new()), Arc::new(RecordingSink::default()));
        let keys = process(&kms, &store, &sink).await;
        Self { kms, store, sink, keys }
    }

    /// A manager that has read nothing yet.
    async fn process(&self) -> EnvelopeKeyManager {
        process(&self.kms, &self.store, &self.sink).await
    }

    async fn put(&self, id: &KeyId, key: &str) -> Version {
        let key = ApiKey::new(key).unwrap();
        self.keys.store_api_key(id, key, &StoreOptions::default()).await.unwrap()
    }

    async fn rows(&self, id: &KeyId) -> Rows {
        let (key, _) = self.store.key_find(id).await.unwrap().unwrap();
        let versions = self.store.version_list(key.record).await.unwrap();
        Rows { key, versions }
    }

    /// Writes these rows, whatever is there.
    async fn write(&self, id: &KeyId, keys: Vec<KeyRow>, versions: Vec<VersionRow>) {
        let now = self.rows(id).await.key;
        let expect = Expect::Generation { record: now.record, generation: now.generation };
        let change = Change { expect: vec![expect], keys, versions, ..Change::default() };
        self.store.commit(change).await.unwrap();
    }

    async fn rotate(&self, id: &KeyId) -> Result<()> {
        let key = ApiKey::new("sk-new").unwrap();
        self.keys.rotate_api_key(id, key, &RotateOptions::default()).await.map(drop)
    }

    /// What reading says, in a process that knows the row MAC keys and in one that does not.
    async fn read(&self, id: &KeyId) -> Result<bool, ErrorKind> {
        let known = read(&self.keys, id).await;
        assert_eq!(read(&self.process().await, id).await, known);
        known
    }

    /// Reading and every change are refused, each with an event.
    async fn is_refused(&self, id: &KeyId) {
        let calls = self.kms.unwraps().calls();
        assert_eq!(read(&self.keys, id).await, Err(EDITED));
        assert_eq!(self.kms.unwraps().calls(), calls, "a row that is wrong costs no KMS call");
        assert_eq!(self.read(id).await, Err(EDITED));
        let refused = self.sink.events();
        let refused = refused.last().unwrap();
        assert_eq!((refused.action, refused.outcome), (Action::KeyGet, Outcome::Failed(EDITED)));
        let before = self.rows(id).await;
        let options = ChangeOptions::default();
        let key = ApiKey::new("sk-new").unwrap();
        let changes = [
            self.keys.store_api_key(id, key, &StoreOptions::default()).await.map(drop),
            self.keys.deactivate_api_key(id, &options).await.map(drop),
            self.keys.activate_api_key(id, &options).await.map(drop),
            self.keys.rollback_api_key(id, Version::FIRST, &options).await.map(drop),
            self.keys.prune_api_key(id, 1, &options).await.map(drop),
            self.keys.undelete_api_key(id, &options).await.map(drop),
            self.keys.delete_api_key(id, &DeleteOptions::default()).await.map(drop),
            self.keys.key_history(id).await.map(drop),
            self.rotate(id).await,
        ];
        for change in changes {
            // Or it would get a MAC, and be as good as any.
            assert_eq!(change.unwrap_err().kind(), EDITED);
        }
        let after = self.rows(id).await;
        assert_eq!((after.key, after.versions), (before.key, before.versions));
    }
}

async fn process(
    kms: &Arc<FakeKms<LocalKms>>,
    store: &Arc<MemoryStore>,
    sink: &Arc<RecordingSink>,
) -> EnvelopeKeyManager {
    EnvelopeKeyManager::builder()
        .kms(KmsSet::single(Arc::clone(kms)))
        .store(Arc::clone(store))
        .event_sink(Arc::clone(sink))
        .cache(CacheOptions::OFF)
        .build()
        .await
        .unwrap()
}

async fn read(keys: &EnvelopeKeyManager, id: &KeyId) -> Result<bool, ErrorKind> {
    keys.get_api_key(id).await.map(|key| key.is_some()).map_err(|error| error.kind())
}

fn id(service: &str) -> KeyId {
    KeyId::user("alice", service).unwrap()
}

#[tokio::test]
async fn an_edited_row_is_refused_at_every_use() {
    let bed = Bed::new().await;
    let id = id("openai");
    bed.put(&id, "sk-a").await;
    let Rows { key, versions } = bed.rows(&id).await;
    let edits: [fn(&mut KeyRow); 6] = [
        |key| key.state = KeyState::Inactive,
        |key| key.state = KeyState::Deleted { purge_at: llm_keys::Micros(1) },
        |key| key.expires_at = Some(llm_keys::Micros(i64::MAX)),
        |key| drop(key.settings.0.insert("host".to_owned(), "evil.example".to_owned())),
        |key| key.mac = None,
        |key| key.generation += 1,
    ];
    for edit in edits {
        let mut edited = key.clone();
        edit(&mut edited);
        bed.write(&id, vec![edited], vec![]).await;
        bed.is_refused(&id).await;
        let shown = bed.keys.key_metadata(&id).await.unwrap().map(|key| key.integrity);
        assert_eq!(shown, Some(Integrity::Broken), "also one that seems to be deleted");
        bed.write(&id, vec![key.clone()], versions.clone()).await;
        assert_eq!(bed.read(&id).await, Ok(true));
    }
    let edited = VersionRow { by: llm_keys::Actor::new("mallory").unwrap(), ..versions[0].clone() };
    bed.write(&id, vec![], vec![edited]).await;
    bed.is_refused(&id).await;
}

#[tokio::test]
async fn one_old_row_put_back_alone_is_refused() {
    let bed = Bed::new().await;
    let id = id("openai");
    bed.put(&id, "sk-1").await;
    let active = bed.rows(&id).await;
    bed.keys.deactivate_api_key(&id, &ChangeOptions::default()).await.unwrap();
    let inactive = bed.rows(&id).await;
    assert_eq!(bed.read(&id).await, Err(ErrorKind::Inactive));

    bed.write(&id, vec![active.key.clone()], vec![]).await;
    bed.is_refused(&id).await;
    bed.write(&id, vec![inactive.key.clone()], active.versions.clone()).await;
    bed.is_refused(&id).await;
    // Both together are a state that there was: this is what a checkpoint is for.
    bed.write(&id, vec![active.key.clone()], active.versions.clone()).await;
    assert_eq!(bed.read(&id).await, Ok(true));

    // A version that is not the current one any more.
    bed.put(&id, "sk-2").await;
    let version = |number| OpenOptions::default().version(Version::new(number).unwrap());
    assert!(bed.keys.open(&id, &version(1)).await.unwrap().is_some());
    let now = bed.rows(&id).await;
    bed.write(&id, vec![], active.versions.clone()).await;
    let error = bed.keys.open(&id, &version(1)).await.unwrap_err();
    assert_eq!(error.kind(), EDITED);
    assert_eq!(bed.read(&id).await, Ok(true), "the current one is as it was written");
    bed.write(&id, vec![], now.versions.clone()).await;
    assert!(bed.keys.open(&id, &version(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn rows_of_other_keys_are_refused() {
    let bed = Bed::new().await;
    let (alice, bob) = (id("openai"), KeyId::user("bob", "openai").unwrap());
    bed.put(&alice, "sk-alice").await;
    bed.put(&bob, "sk-bob").await;
    let (of_alice, of_bob) = (bed.rows(&alice).await, bed.rows(&bob).await);
    // Alice's settings and state with Bob's MAC.
    let mixed = KeyRow { mac: of_bob.key.mac, ..of_alice.key.clone() };
    bed.write(&alice, vec![mixed], vec![]).await;
    bed.is_refused(&alice).await;
    bed.write(&alice, vec![of_alice.key], vec![]).await;
    assert_eq!(bed.read(&alice).await, Ok(true));
    assert_eq!(bed.read(&bob).await, Ok(true));
}

#[tokio::test]
async fn a_listing_says_what_it_knows() {
    let bed = Bed::new().await;
    let ids = [id("anthropic"), id("openai")];
    for id in &ids {
        bed.put(id, "sk-a").await;
    }
    let edited = KeyRow { state: KeyState::Inactive, ..bed.rows(&ids[1]).await.key };
    bed.write(&ids[1], vec![edited], vec![]).await;
    let shown = async |keys: &EnvelopeKeyManager| {
        let page =
            keys.list_api_keys(&KeyFilter::default(), None, PageSize::default()).await.unwrap();
        let listed: Vec<_> = page.items.iter().map(|key| key.integrity).collect();
        for (id, integrity) in ids.iter().zip(&listed) {
            let one = keys.key_metadata(id).await.unwrap().unwrap();
            assert_eq!(one.integrity, *integrity);
        }
        listed
    };
    let fresh = bed.process().await;
    let calls = bed.kms.unwraps().calls();
    assert_eq!(shown(&fresh).await, [Integrity::Unverified; 2]);
    assert_eq!(bed.kms.unwraps().calls(), calls, "a listing needs no KMS");
    assert!(fresh.open_row_macs(&Tenant::default()).await.unwrap());
    assert_eq!(shown(&fresh).await, [Integrity::Verified, Integrity::Broken]);
    assert!(!fresh.open_row_macs(&Tenant::new("nobody").unwrap()).await.unwrap());
}

#[tokio::test]
async fn without_the_record_nothing_is_read_and_none_is_made_anew() {
    let bed = Bed::new().await;
    let id = id("openai");
    bed.put(&id, "sk-a").await;
    let place = (Tenant::default(), SystemName::new("row-mac").unwrap());
    let row = bed.store.system_find(&place.0, &place.1).await.unwrap().unwrap();
    // The same keys in another storage, without the record.
    let rows = bed.rows(&id).await;
    let store = Arc::new(MemoryStore::new());
    let change = Change {
        expect: vec![Expect::Absent(id.clone())],
        keys: vec![rows.key],
        versions: rows.versions,
        ..Change::default()
    };
    store.commit(change).await.unwrap();
    let keys = process(&bed.kms, &store, &bed.sink).await;
    assert_eq!(read(&keys, &id).await, Err(EDITED));
    let key = || ApiKey::new("sk-b").unwrap();
    let other = KeyId::global("anthropic").unwrap();
    let error = keys.store_api_key(&other, key(), &StoreOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), EDITED);
    assert!(error.hint().unwrap().contains("backup"), "{error:?}");
    // Another tenant has keys of its own.
    let elsewhere = other.clone().with_tenant("elsewhere").unwrap();
    keys.store_api_key(&elsewhere, key(), &StoreOptions::default()).await.unwrap();
    assert_eq!(read(&keys, &elsewhere).await, Ok(true));
    // Put back from a backup.
    let expect = Expect::System { tenant: place.0, name: place.1, version: None };
    let change = Change { expect: vec![expect], system: vec![row], ..Change::default() };
    store.commit(change).await.unwrap();
    assert_eq!(read(&keys, &id).await, Ok(true));
}

#[tokio::test]
async fn a_record_of_another_tenant_does_not_fit() {
    let bed = Bed::new().await;
    let (here, there) = (id("openai"), id("openai").with_tenant("there").unwrap());
    bed.put(&here, "sk-a").await;
    bed.put(&there, "sk-b").await;
    let name = SystemName::new("row-mac").unwrap();
    let theirs = bed.store.system_find(&there.tenant, &name).await.unwrap().unwrap();
    let moved = SystemRow { tenant: here.tenant.clone(), ..theirs };
    let version = Some(Version::FIRST);
    let expect = Expect::System { tenant: here.tenant.clone(), name, version };
    let change = Change { expect: vec![expect], system: vec![moved], ..Change::default() };
    bed.store.commit(change).await.unwrap();
    let error = bed.process().await.get_api_key(&here).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity(IntegrityFault::Context));
}

#[tokio::test]
async fn the_first_read_asks_for_both_keys_at_once() {
    let bed = Bed::new().await;
    let id = id("openai");
    bed.put(&id, "sk-a").await;
    let keys = bed.process().await;
    bed.kms.unwraps().hold();
    let reader = tokio::spawn({
        let (keys, id) = (keys.clone(), id.clone());
        async move { read(&keys, &id).await }
    });
    bed.kms.unwraps().until_held(2).await;
    bed.kms.unwraps().release();
    assert_eq!(reader.await.unwrap(), Ok(true));
    let calls = bed.kms.unwraps().calls();
    assert_eq!(read(&keys, &id).await, Ok(true));
    assert_eq!(bed.kms.unwraps().calls(), calls + 1, "the row MAC keys stay open");
    keys.shutdown().await.unwrap();
    assert_eq!(read(&keys, &id).await, Ok(true));
    assert_eq!(bed.kms.unwraps().calls(), calls + 3, "until it is shut down");
}

#[tokio::test]
async fn an_outage_costs_one_call_for_the_row_mac_keys_however_many_wait() {
    let bed = Bed::new().await;
    let ids: Vec<_> = (0..20).map(|number| id(&format!("service-{number}"))).collect();
    for id in &ids {
        bed.put(id, "sk-a").await;
        // So that only the row MAC keys are asked for.
        bed.keys.deactivate_api_key(id, &ChangeOptions::default()).await.unwrap();
    }
    let down = ErrorKind::Kms(KmsFault::Unavailable);
    bed.kms.unwraps().fail(down);
    let keys = bed.process().await;
    let calls = bed.kms.unwraps().calls();
    bed.kms.unwraps().hold();
    let readers = join_all(ids.iter().map(|id| read(&keys, id)));
    let release = async {
        bed.kms.unwraps().until_held(1).await;
        bed.kms.unwraps().release();
    };
    let (answers, ()) = futures_util::future::join(readers, release).await;
    assert_eq!(answers, vec![Err(down); ids.len()]);
    assert_eq!(bed.kms.unwraps().calls(), calls + 1);
    bed.kms.unwraps().heal();
    assert_eq!(read(&keys, &ids[0]).await, Err(ErrorKind::Inactive));
}

//! The sentinel belongs to the KMS that sealed the keys, whoever asks first, and stays with the KMS
//! keys that are written under.

use std::sync::Arc;

use futures_util::future::join_all;
use llm_keys::error::{IntegrityFault, KmsFault};
use llm_keys::kms::local::LocalKms;
use llm_keys::kms::{KmsProvider, KmsSet};
use llm_keys::manager::{ExpectVersion, Sentinel};
use llm_keys::model::SystemName;
use llm_keys::store::{Change, Expect, KeyStore as _, MemoryStore, SystemRow};
use llm_keys::testing::fakes::{FakeKms, FakeStore};
use llm_keys::{
    ApiKey, EnvelopeKeyManager, ErrorKind, KeyId, Result, SecureKeyManager as _, StoreOptions,
    Tenant,
};

const WRONG: ErrorKind = ErrorKind::Kms(KmsFault::WrongKey);
const DOWN: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);
const MISSING: ErrorKind = ErrorKind::Integrity(IntegrityFault::Row);

type Kms = Arc<FakeKms<LocalKms>>;

fn kms() -> Kms {
    Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()))
}

/// Writes under `write`, of which `quorum` must answer, and reads with `read`, too.
fn set(write: &[&Kms], quorum: usize, read: &[&Kms]) -> KmsSet {
    let any = |list: &[&Kms]| -> Vec<Arc<dyn KmsProvider>> {
        list.iter().map(|kms| Arc::clone(kms) as Arc<dyn KmsProvider>).collect()
    };
    KmsSet::new(any(write), any(read)).unwrap().quorum(quorum).unwrap()
}

fn only(kms: &Kms) -> KmsSet {
    KmsSet::single(Arc::clone(kms))
}

/// A storage that any number of processes share.
#[derive(Default)]
struct Bed {
    store: Arc<MemoryStore>,
}

impl Bed {
    async fn process(&self, kms: KmsSet) -> EnvelopeKeyManager {
        let builder = EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&self.store));
        builder.build().await.unwrap()
    }

    /// A process that checks on its start.
    async fn start(&self, kms: KmsSet) -> Result<()> {
        let builder = EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&self.store));
        builder.check_on_start(true).build().await.map(drop)
    }

    async fn check(&self, kms: KmsSet) -> Result<Sentinel, ErrorKind> {
        self.process(kms).await.check_sentinel().await.map_err(|error| error.kind())
    }

    async fn record(&self, name: &str) -> Option<SystemRow> {
        let name = SystemName::new(name).unwrap();
        self.store.system_find(&Tenant::default(), &name).await.unwrap()
    }

    async fn version(&self, name: &str) -> u32 {
        self.record(name).await.unwrap().version.get()
    }

    /// The KMS keys that a record is sealed under.
    async fn sealed_under(&self, name: &str) -> Vec<String> {
        let row = self.record(name).await.unwrap();
        let parsed = row.envelope.parse().unwrap();
        parsed.wrapped().iter().map(|copy| copy.uri.to_string()).collect()
    }

    /// A storage with the key `id`, and nothing of what llm-keys keeps for itself.
    async fn without_records(&self, id: &KeyId) -> Self {
        let (key, version) = self.store.key_find(id).await.unwrap().unwrap();
        let bed = Self::default();
        let change = Change {
            expect: vec![Expect::Absent(id.clone())],
            keys: vec![key],
            versions: version.into_iter().collect(),
            ..Change::default()
        };
        bed.store.commit(change).await.unwrap();
        bed
    }
}

fn openai() -> KeyId {
    KeyId::global("openai").unwrap()
}

async fn put(process: &EnvelopeKeyManager, id: &KeyId) -> Result<()> {
    let key = ApiKey::new("sk-a").unwrap();
    process.store_api_key(id, key, &StoreOptions::default()).await.map(drop)
}

#[tokio::test]
async fn who_stores_first_owns_it() {
    let acme = openai().with_tenant("acme").unwrap();
    for id in [openai(), acme] {
        let (bed, a, b) = (Bed::default(), kms(), kms());
        put(&bed.process(only(&a)).await, &id).await.unwrap();
        assert_eq!(bed.start(only(&b)).await.unwrap_err().kind(), WRONG, "{id}");
        assert_eq!(bed.check(only(&b)).await, Err(WRONG), "{id}");
        bed.start(only(&a)).await.unwrap();
        assert_eq!(bed.check(only(&a)).await, Ok(Sentinel::Opened), "{id}");
    }
}

#[tokio::test]
async fn a_key_that_nobody_can_check_the_kms_by_is_not_stored() {
    let (store, a) = (Arc::new(FakeStore::new(MemoryStore::new())), kms());
    let builder = EnvelopeKeyManager::builder().kms(only(&a)).store(Arc::clone(&store));
    let process = builder.build().await.unwrap();
    // The key is sealed by one call, the sentinel by the next.
    a.wraps().hold_answers();
    let stores = tokio::spawn(async move {
        let stored = put(&process, &openai()).await;
        (process, stored)
    });
    a.wraps().until_answers_held(1).await;
    a.wraps().fail(DOWN);
    a.wraps().release();
    let (process, stored) = stores.await.unwrap();
    assert_eq!(stored.unwrap_err().kind(), DOWN);
    assert!(store.key_find(&openai()).await.unwrap().is_none());
    a.wraps().heal();
    put(&process, &openai()).await.unwrap();
    assert_eq!(process.check_sentinel().await.unwrap(), Sentinel::Opened);
}

#[tokio::test]
async fn it_costs_one_call_once() {
    let (bed, a) = (Bed::default(), kms());
    let first = bed.process(only(&a)).await;
    put(&first, &openai()).await.unwrap();
    assert_eq!(a.wraps().calls(), 3, "the key, the sentinel, and the row MAC keys");
    assert_eq!(a.unwraps().calls(), 0, "what was just made is at hand");
    put(&first, &openai()).await.unwrap();
    put(&bed.process(only(&a)).await, &openai()).await.unwrap();
    assert_eq!(a.wraps().calls(), 5, "only the keys");
    assert_eq!(a.unwraps().calls(), 1, "the row MAC keys of the other process");
    assert_eq!(bed.version("sentinel").await, 1);
}

#[tokio::test]
async fn many_first_stores_at_once_all_go_through() {
    let (bed, a) = (Bed::default(), kms());
    let stores = (0..32).map(|number| {
        let bed = &bed;
        let kms = only(&a);
        async move {
            let process = bed.process(kms).await;
            let id = KeyId::global(&format!("service-{number}")).unwrap();
            let options = StoreOptions::default().expect_version(ExpectVersion::Absent);
            process.store_api_key(&id, ApiKey::new("sk-a").unwrap(), &options).await
        }
    });
    for stored in join_all(stores).await {
        stored.unwrap();
    }
    assert_eq!(bed.version("sentinel").await, 1);
    assert_eq!(bed.check(only(&a)).await, Ok(Sentinel::Opened));
}

#[tokio::test]
async fn a_written_storage_is_not_claimed_unasked() {
    let (bed, a, b) = (Bed::default(), kms(), kms());
    put(&bed.process(only(&a)).await, &openai()).await.unwrap();
    let bed = bed.without_records(&openai()).await;
    for kms in [&b, &a] {
        assert_eq!(bed.check(only(kms)).await, Ok(Sentinel::Missing));
        let error = bed.start(only(kms)).await.unwrap_err();
        assert_eq!(error.kind(), MISSING);
        assert!(error.hint().unwrap().contains("llm-keys doctor"), "{error:?}");
    }
    assert!(bed.record("sentinel").await.is_none());
    // By who knows.
    let process = bed.process(only(&a)).await;
    assert_eq!(process.make_sentinel().await.unwrap(), Sentinel::Made);
    assert_eq!(process.make_sentinel().await.unwrap(), Sentinel::Opened);
    assert_eq!(bed.start(only(&b)).await.unwrap_err().kind(), WRONG);
}

#[tokio::test]
async fn a_storage_with_a_list_of_kms_keys_belongs_to_who_sealed_it() {
    let (bed, a, b) = (Bed::default(), kms(), kms());
    bed.process(only(&a)).await.allow_kms_keys(&[]).await.unwrap();
    assert_eq!(bed.check(only(&b)).await, Err(WRONG));
    assert!(bed.record("sentinel").await.is_none());
    assert_eq!(bed.check(only(&a)).await, Ok(Sentinel::Made));
}

#[tokio::test]
async fn all_records_move_on_with_the_keys_that_are_written_under() {
    let (bed, a, b) = (Bed::default(), kms(), kms());
    let old = bed.process(only(&a)).await;
    put(&old, &openai()).await.unwrap();
    old.allow_kms_keys(&[]).await.unwrap();
    assert_eq!(bed.check(set(&[&b], 1, &[&a])).await, Ok(Sentinel::Opened));
    for name in ["sentinel", "kms-pins", "row-mac"] {
        assert_eq!(bed.sealed_under(name).await, [b.uri().to_string()], "{name}");
        assert_eq!(bed.version(name).await, 2, "{name}");
    }
    // The old key can go.
    bed.start(only(&b)).await.unwrap();
    bed.process(only(&b)).await.allowed_kms_keys().await.unwrap();
    assert_eq!((bed.version("sentinel").await, bed.version("kms-pins").await), (2, 2));
}

#[tokio::test]
async fn storing_under_another_key_leaves_the_records_where_they_are() {
    let (bed, a, b) = (Bed::default(), kms(), kms());
    let mistral = KeyId::global("mistral").unwrap();
    put(&bed.process(only(&a)).await, &openai()).await.unwrap();
    put(&bed.process(set(&[&b], 1, &[&a])).await, &mistral).await.unwrap();
    // Or one key under a KMS key that is lost again would take everything with it.
    for name in ["sentinel", "row-mac"] {
        assert_eq!(bed.sealed_under(name).await, [a.uri().to_string()], "{name}");
    }
}

#[tokio::test]
async fn what_a_kms_missed_is_made_up_for() {
    let (bed, a, b) = (Bed::default(), kms(), kms());
    let both = || set(&[&a, &b], 1, &[]);
    b.wraps().fail(DOWN);
    let process = bed.process(both()).await;
    put(&process, &openai()).await.unwrap();
    process.allow_kms_keys(&[]).await.unwrap();
    // Not while it is still out; and that fails nothing.
    assert_eq!(bed.check(both()).await, Ok(Sentinel::Opened));
    assert_eq!((bed.version("sentinel").await, bed.version("kms-pins").await), (1, 1));
    b.wraps().heal();
    assert_eq!(bed.check(both()).await, Ok(Sentinel::Opened));
    for name in ["sentinel", "kms-pins", "row-mac"] {
        let uris = [a.uri().to_string(), b.uri().to_string()];
        assert_eq!(bed.sealed_under(name).await, uris, "{name}");
    }
    bed.start(only(&b)).await.unwrap();
    // With the other out, what is there is not given up for less.
    a.wraps().fail(DOWN);
    let c = kms();
    assert_eq!(bed.check(set(&[&a, &c], 1, &[&b])).await, Ok(Sentinel::Opened));
    assert_eq!((bed.version("sentinel").await, bed.version("kms-pins").await), (2, 2));
}

#[tokio::test]
async fn that_it_cannot_be_sealed_anew_fails_no_check() {
    let (bed, a, b) = (Bed::default(), kms(), kms());
    put(&bed.process(only(&a)).await, &openai()).await.unwrap();
    for fault in [KmsFault::Denied, KmsFault::Unavailable, KmsFault::KeyDisabled] {
        b.wraps().fail(ErrorKind::Kms(fault));
        bed.start(set(&[&b], 1, &[&a])).await.unwrap();
    }
    assert_eq!(bed.version("sentinel").await, 1);
    b.wraps().heal();
    let checks = (0..16).map(|_| bed.check(set(&[&b], 1, &[&a])));
    for check in join_all(checks).await {
        assert_eq!(check, Ok(Sentinel::Opened));
    }
    assert_eq!(bed.version("sentinel").await, 2);
}

#[tokio::test]
async fn lost_records_are_started_over_and_no_others() {
    let (bed, a, b) = (Bed::default(), kms(), kms());
    let old = bed.process(only(&a)).await;
    put(&old, &openai()).await.unwrap();
    old.allow_kms_keys(&[]).await.unwrap();
    let start_over = async |kms: KmsSet| {
        let done = bed.process(kms).await.start_pins_over(&[]).await;
        done.map(drop).map_err(|error| error.kind())
    };
    // They open.
    assert_eq!(start_over(only(&a)).await, Err(ErrorKind::InvalidInput));
    // Nobody knows whether they do.
    for fault in [KmsFault::Unavailable, KmsFault::Throttled, KmsFault::Denied] {
        a.unwraps().fail(ErrorKind::Kms(fault));
        assert_eq!(start_over(set(&[&b], 1, &[&a])).await, Err(ErrorKind::Kms(fault)));
    }
    assert_eq!((bed.version("sentinel").await, bed.version("kms-pins").await), (1, 1));
    // They are gone, and the error says how to go on.
    for fault in [KmsFault::KeyDisabled, KmsFault::KeyMissing] {
        a.unwraps().fail(ErrorKind::Kms(fault));
        let process = bed.process(set(&[&b], 1, &[&a])).await;
        let error = process.allow_kms_keys(&[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(fault));
        assert!(error.hint().unwrap().contains("llm-keys kms allow --start-over"), "{error:?}");
    }
    assert_eq!(start_over(set(&[&b], 1, &[&a])).await, Ok(()));
    for name in ["sentinel", "kms-pins"] {
        assert_eq!(bed.sealed_under(name).await, [b.uri().to_string()], "{name}");
    }
    bed.start(only(&b)).await.unwrap();
    let process = bed.process(only(&b)).await;
    process.allow_kms_keys(&[]).await.unwrap();
    // Not the row MAC keys: with new ones all rows would be refused, also when the old key is back.
    assert_eq!(bed.sealed_under("row-mac").await, [a.uri().to_string()]);
    let alice = KeyId::user("alice", "anthropic").unwrap();
    assert_eq!(put(&process, &alice).await.unwrap_err().kind(), WRONG);
    put(&process, &alice.with_tenant("new").unwrap()).await.unwrap();
    // A wrong one.
    assert_eq!(start_over(only(&kms())).await, Ok(()));
    assert_eq!(bed.start(only(&b)).await.unwrap_err().kind(), WRONG);
}

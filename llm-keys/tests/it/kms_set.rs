//! Several KMS keys: all written under, any one enough to read.

use std::sync::Arc;

use llm_keys::error::KmsFault;
use llm_keys::kms::local::LocalKms;
use llm_keys::kms::{KmsContext, KmsProvider, KmsSet, WrappedKey};
use llm_keys::store::{KeyStore as _, MemoryStore};
use llm_keys::testing::fakes::FakeKms;
use llm_keys::{
    ApiKey, EncryptionContext, EnvelopeKeyManager, ErrorKind, KeyId, Result, SecureKeyManager as _,
    StoreOptions, SystemRandom, Version,
};

const DOWN: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);
const DENIED: ErrorKind = ErrorKind::Kms(KmsFault::Denied);

type Fake = Arc<FakeKms<LocalKms>>;

fn fake() -> Fake {
    Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()))
}

fn set(write: &[&Fake], read: &[&Fake]) -> Result<KmsSet> {
    let list = |fakes: &[&Fake]| {
        fakes.iter().map(|fake| Arc::clone(*fake) as Arc<dyn KmsProvider>).collect()
    };
    KmsSet::new(list(write), list(read))
}

fn context() -> EncryptionContext {
    let id = KeyId::global("openai").unwrap();
    EncryptionContext::of_key(&id, uuid::Uuid::nil(), Version::FIRST)
}

async fn generate(set: &KmsSet) -> Result<(Vec<WrappedKey>, bool), ErrorKind> {
    let context = context();
    let context = KmsContext { context: &context, readable: false };
    let generated = set.generate(context, &SystemRandom).await;
    generated.map(|g| (g.wrapped, g.incomplete)).map_err(|error| error.kind())
}

async fn unwrap(set: &KmsSet, copies: &[WrappedKey]) -> Result<(), ErrorKind> {
    let context = context();
    let context = KmsContext { context: &context, readable: false };
    set.unwrap(copies, context).await.map(drop).map_err(|error| error.kind())
}

#[tokio::test]
async fn a_data_key_is_wrapped_under_all_and_opened_by_any() {
    let (a, b, c) = (fake(), fake(), fake());
    let (wrapped, incomplete) = generate(&set(&[&a, &b, &c], &[]).unwrap()).await.unwrap();
    assert!(!incomplete);
    let uris: Vec<_> = wrapped.iter().map(|copy| copy.uri.clone()).collect();
    assert_eq!(uris, [a.uri().clone(), b.uri().clone(), c.uri().clone()]);
    for one in [&a, &b, &c] {
        assert_eq!(unwrap(&set(&[one], &[]).unwrap(), &wrapped).await, Ok(()));
    }
    let reads_with_b = set(&[&fake()], &[&b]).unwrap();
    assert_eq!(unwrap(&reads_with_b, &wrapped).await, Ok(()));
    let other = set(&[&fake()], &[]).unwrap();
    assert_eq!(unwrap(&other, &wrapped).await, Err(ErrorKind::Kms(KmsFault::WrongKey)));
}

#[tokio::test]
async fn one_that_is_down_stops_writes_and_not_reads() {
    let (a, b) = (fake(), fake());
    let both = set(&[&a, &b], &[]).unwrap();
    let (wrapped, _) = generate(&both).await.unwrap();
    for down in [&a, &b] {
        down.wraps().fail(DOWN);
        down.unwraps().fail(DOWN);
        assert_eq!(generate(&both).await.map(drop), Err(DOWN));
        assert_eq!(unwrap(&both, &wrapped).await, Ok(()));
        down.wraps().heal();
        down.unwraps().heal();
    }
    a.unwraps().fail(DENIED);
    b.unwraps().fail(DOWN);
    assert_eq!(unwrap(&both, &wrapped).await, Err(DOWN), "it might have opened its copy");
}

#[tokio::test]
async fn a_quorum_lets_writes_go_on_and_marks_them() {
    let (a, b, c) = (fake(), fake(), fake());
    let two_of_three = set(&[&a, &b, &c], &[]).unwrap().quorum(2).unwrap();
    for down in [&a, &b, &c] {
        down.wraps().fail(DOWN);
        let (wrapped, incomplete) = generate(&two_of_three).await.unwrap();
        assert!(incomplete);
        assert_eq!(wrapped.len(), 2);
        assert!(wrapped.iter().all(|copy| copy.uri != *down.uri()));
        down.wraps().heal();
    }
    a.wraps().fail(DOWN);
    b.wraps().fail(DOWN);
    assert_eq!(generate(&two_of_three).await.map(drop), Err(DOWN), "one copy is too few");
}

#[tokio::test]
async fn a_refusal_is_no_outage_that_a_quorum_could_bridge() {
    for refuses in 0..2 {
        let both = [fake(), fake()];
        both[refuses].wraps().fail(DENIED);
        let one_of_two = set(&[&both[0], &both[1]], &[]).unwrap().quorum(1).unwrap();
        assert_eq!(generate(&one_of_two).await.map(drop), Err(DENIED));
    }
}

#[test]
fn sets_that_make_no_sense_are_refused() {
    let (a, b) = (fake(), fake());
    assert!(set(&[], &[&a]).is_err(), "nothing to write under");
    assert!(set(&[&a, &a], &[]).is_err(), "the same key twice");
    let nine: Vec<_> = (0..9).map(|_| fake()).collect();
    assert!(set(&nine.iter().collect::<Vec<_>>(), &[]).is_err(), "more than an envelope holds");
    for quorum in [0, 3] {
        assert!(set(&[&a, &b], &[]).unwrap().quorum(quorum).is_err(), "{quorum} of 2");
    }
}

#[tokio::test]
async fn a_key_stored_with_a_copy_missing_is_marked_for_rewrap() {
    let (a, b) = (fake(), fake());
    let store = Arc::new(MemoryStore::new());
    let manager = EnvelopeKeyManager::builder()
        .kms(set(&[&a, &b], &[]).unwrap().quorum(1).unwrap())
        .store(Arc::clone(&store))
        .build()
        .await
        .unwrap();
    let id = KeyId::global("openai").unwrap();
    let mut marks = Vec::new();
    for down in [false, true, false] {
        if down {
            b.wraps().fail(DOWN);
        }
        let key = ApiKey::new("sk-a").unwrap();
        manager.store_api_key(&id, key, &StoreOptions::default()).await.unwrap();
        b.wraps().heal();
        let (_, version) = store.key_find(&id).await.unwrap().unwrap();
        marks.push(version.unwrap().rewrap);
        assert!(manager.get_api_key(&id).await.unwrap().is_some());
    }
    assert_eq!(marks, [false, true, false]);
}

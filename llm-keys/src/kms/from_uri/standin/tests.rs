use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use futures_util::future::join_all;
use uuid::Uuid;

use super::*;
use crate::context::EncryptionContext;
use crate::kms::local::LocalKms;
use crate::kms::{GuardOptions, Guarded, KmsSet};
use crate::model::{KeyId, Version};
use crate::random::SystemRandom;
use crate::testing::fakes::FakeKms;

const DOWN: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);

/// A KMS that opens when a test says so, and counts.
struct Bed {
    kms: Arc<FakeKms<LocalKms>>,
    opens: Arc<AtomicUsize>,
    /// How many of the next opens fail, and how long each takes.
    failing: Arc<AtomicUsize>,
    takes: Duration,
    context: EncryptionContext,
}

impl Bed {
    fn new(failing: usize, takes: Duration) -> Self {
        let id = KeyId::global("openai").unwrap();
        Self {
            kms: Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap())),
            opens: Arc::default(),
            failing: Arc::new(AtomicUsize::new(failing)),
            takes,
            context: EncryptionContext::of_key(&id, Uuid::nil(), Version::FIRST),
        }
    }

    fn stand_in(&self) -> StandIn {
        let (kms, opens) = (Arc::clone(&self.kms), Arc::clone(&self.opens));
        let (failing, takes) = (Arc::clone(&self.failing), self.takes);
        let open = move || -> BoxFuture<'static, Result<Arc<dyn KmsProvider>>> {
            let (kms, opens, failing) =
                (Arc::clone(&kms), Arc::clone(&opens), Arc::clone(&failing));
            Box::pin(async move {
                opens.fetch_add(1, SeqCst);
                tokio::time::sleep(takes).await;
                match failing.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
                    Ok(_) => Err(Error::new(DOWN, "kms.open", "it is out").with_hint("wait")),
                    Err(_) => Ok(Arc::new(kms) as Arc<dyn KmsProvider>),
                }
            })
        };
        StandIn::new("local", Box::new(open)).unwrap()
    }

    fn context(&self) -> KmsContext<'_> {
        KmsContext { context: &self.context, readable: false }
    }

    async fn wrapped(&self, kms: &impl KmsProvider) -> WrappedKey {
        kms.generate_data_key(self.context(), &SystemRandom).await.unwrap().1
    }
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.map(drop).unwrap_err().kind()
}

#[tokio::test]
async fn until_it_is_open_it_promises_little_and_says_why_it_fails() {
    let bed = Bed::new(2, Duration::ZERO);
    let (wrapped, stranger) = (bed.wrapped(&bed.kms).await, LocalKms::ephemeral().unwrap());
    let stranger = bed.wrapped(&stranger).await;
    let kms = bed.stand_in();
    assert!(kms.uri().is_unopened() && kms.uri().scheme() == "local");
    assert!(kms.accepts(&wrapped) && kms.accepts(&stranger), "nobody knows yet");
    let uri = KeyUri::new("vault://h:1/t/k").unwrap();
    assert!(!kms.accepts(&WrappedKey { uri, blob: vec![1] }), "another kind of KMS");
    assert_ne!(kms.capabilities(), bed.kms.capabilities());
    assert!(kms.alias().is_none() && !kms.is_sibling(&wrapped.uri));
    assert!(kms.for_key(&wrapped.uri).unwrap().is_none());

    let error = kms.unwrap_key(&wrapped, bed.context()).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (DOWN, Some("wait")));
    assert_eq!(kind(kms.check().await), DOWN);

    kms.unwrap_key(&wrapped, bed.context()).await.unwrap();
    assert_eq!(kms.uri(), bed.kms.uri());
    assert_eq!(kms.capabilities(), bed.kms.capabilities());
    assert!(kms.accepts(&wrapped) && !kms.accepts(&stranger));
    kms.check().await.unwrap();
    assert_eq!(bed.opens.load(SeqCst), 3, "twice in vain, and once");
}

#[tokio::test]
async fn a_strangers_copy_opens_the_kms_and_is_not_unwrapped() {
    let bed = Bed::new(0, Duration::ZERO);
    let stranger = bed.wrapped(&LocalKms::ephemeral().unwrap()).await;
    let kms = bed.stand_in();
    let error = kind(kms.unwrap_key(&stranger, bed.context()).await);
    assert_eq!(error, ErrorKind::Kms(KmsFault::WrongKey));
    let set = KmsSet::single(bed.stand_in());
    let error = set.unwrap(&[stranger], bed.context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::WrongKey));
    assert_eq!(bed.kms.unwraps().calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_one_attempt() {
    let bed = Bed::new(1, Duration::from_secs(1));
    let wrapped = bed.wrapped(&bed.kms).await;
    let kms = bed.stand_in();
    for (opens, expected) in [(1, Err(DOWN)), (2, Ok(()))] {
        let all = (0..50).map(|_| kms.unwrap_key(&wrapped, bed.context()));
        for result in join_all(all).await {
            assert_eq!(result.map(drop).map_err(|error| error.kind()), expected);
        }
        assert_eq!(bed.opens.load(SeqCst), opens);
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_it_opens_leaves_it_to_the_next() {
    let bed = Bed::new(0, Duration::from_secs(1));
    let wrapped = bed.wrapped(&bed.kms).await;
    let kms = bed.stand_in();
    let call = kms.unwrap_key(&wrapped, bed.context());
    assert!(tokio::time::timeout(Duration::from_millis(500), call).await.is_err());
    kms.unwrap_key(&wrapped, bed.context()).await.unwrap();
    assert_eq!(bed.opens.load(SeqCst), 2);
}

/// The breaker has a clock of its own, which no test can move.
#[tokio::test]
async fn behind_the_guard_it_is_back_within_five_seconds() {
    let bed = Bed::new(500, Duration::from_millis(1));
    let wrapped = bed.wrapped(&bed.kms).await;
    let kms = Guarded::new(bed.stand_in(), GuardOptions::default());
    // Until the breaker opens, and a call is refused without an attempt.
    loop {
        let before = bed.opens.load(SeqCst);
        assert_eq!(kind(kms.unwrap_key(&wrapped, bed.context()).await), DOWN);
        if bed.opens.load(SeqCst) == before {
            break;
        }
    }
    bed.failing.store(0, SeqCst);
    let back = tokio::time::Instant::now();
    while kms.unwrap_key(&wrapped, bed.context()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_while_it_opens_ends_at_the_deadline() {
    let bed = Bed::new(0, Duration::from_secs(60));
    let wrapped = bed.wrapped(&bed.kms).await;
    let kms = Guarded::new(bed.stand_in(), GuardOptions::default());
    let began = tokio::time::Instant::now();
    assert_eq!(kind(kms.unwrap_key(&wrapped, bed.context()).await), DOWN);
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn a_quorum_writes_past_it_and_marks_the_copy_as_missing() {
    let bed = Bed::new(1, Duration::ZERO);
    let other: Arc<dyn KmsProvider> = Arc::new(LocalKms::ephemeral().unwrap());
    for place in 0..2 {
        bed.failing.store(2, SeqCst);
        let mut both = vec![Arc::clone(&other)];
        both.insert(place, Arc::new(bed.stand_in()) as _);
        let all = KmsSet::new(both, Vec::new()).unwrap();
        assert_eq!(kind(all.generate(bed.context(), &SystemRandom).await), DOWN, "all are needed");
        let one = all.quorum(1).unwrap();
        let generated = one.generate(bed.context(), &SystemRandom).await.unwrap();
        let uris: Vec<_> = generated.wrapped.iter().map(|copy| &copy.uri).collect();
        assert!(generated.incomplete);
        assert_eq!(uris, [other.uri()]);
        // It reads by the other, and does not wait for this one.
        let opens = bed.opens.load(SeqCst);
        one.unwrap(&generated.wrapped, bed.context()).await.unwrap();
        assert_eq!(bed.opens.load(SeqCst), opens);
        let generated = one.generate(bed.context(), &SystemRandom).await.unwrap();
        assert!(!generated.incomplete);
        assert_eq!(generated.wrapped.len(), 2);
    }
}

#[tokio::test]
async fn two_of_them_that_are_one_key_write_nothing() {
    let bed = Bed::new(1, Duration::ZERO);
    let twice = || vec![Arc::new(bed.stand_in()) as Arc<dyn KmsProvider>, Arc::new(bed.stand_in())];
    let set = KmsSet::new(twice(), Vec::new()).unwrap();
    assert_eq!(kind(set.generate(bed.context(), &SystemRandom).await), DOWN);
    let error = set.generate(bed.context(), &SystemRandom).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("twice"), "{error}");
}

#[tokio::test]
async fn debug_holds_what_is_known_and_no_more() {
    let bed = Bed::new(0, Duration::ZERO);
    let kms = bed.stand_in();
    assert!(format!("{kms:?}").contains("not-open-yet"));
    kms.check().await.unwrap();
    assert!(format!("{kms:?}").contains(bed.kms.uri().as_str()));
}

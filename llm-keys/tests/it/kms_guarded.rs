//! A KMS in trouble, behind the guard: deadlines, retries, the breaker, denials.

use std::sync::Arc;
use std::time::Duration;

use llm_keys::error::KmsFault;
use llm_keys::kms::local::LocalKms;
use llm_keys::kms::{GuardOptions, Guarded, KmsContext, KmsProvider as _, WrappedKey};
use llm_keys::testing::fakes::FakeKms;
use llm_keys::{DataKey, EncryptionContext, ErrorKind, KeyId, SystemRandom, Version};

const DOWN: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);
const THROTTLED: ErrorKind = ErrorKind::Kms(KmsFault::Throttled);
const DENIED: ErrorKind = ErrorKind::Kms(KmsFault::Denied);

struct Bed {
    inner: Arc<FakeKms<LocalKms>>,
    guarded: Guarded<Arc<FakeKms<LocalKms>>>,
    context: EncryptionContext,
    wrapped: WrappedKey,
}

impl Bed {
    async fn new() -> Self {
        Self::with(GuardOptions::default()).await
    }

    async fn with(options: GuardOptions) -> Self {
        let inner = Arc::new(FakeKms::new(LocalKms::ephemeral().unwrap()));
        let id = KeyId::global("openai").unwrap();
        let context = EncryptionContext::of_key(&id, uuid::Uuid::nil(), Version::FIRST);
        let key = DataKey::generate(&SystemRandom).unwrap();
        let wrapped =
            inner.wrap_key(&key, KmsContext { context: &context, readable: false }).await.unwrap();
        let guarded = Guarded::new(Arc::clone(&inner), options);
        Self { inner, guarded, context, wrapped }
    }

    async fn unwrap(&self) -> Result<(), ErrorKind> {
        let context = KmsContext { context: &self.context, readable: false };
        let unwrapped = self.guarded.unwrap_key(&self.wrapped, context).await;
        unwrapped.map(drop).map_err(|error| error.kind())
    }

    fn calls(&self) -> u64 {
        self.inner.unwraps().calls()
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_and_outages_are_tried_again() {
    for kind in [THROTTLED, DOWN] {
        let bed = Bed::new().await;
        bed.inner.unwraps().fail_next(3, kind);
        assert_eq!(bed.unwrap().await, Ok(()));
        assert_eq!(bed.calls(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_of_retries_is_the_last_failure() {
    let bed = Bed::new().await;
    bed.inner.unwraps().fail(THROTTLED);
    assert_eq!(bed.unwrap().await, Err(THROTTLED));
    assert_eq!(bed.calls(), 5, "one call and four retries");
}

/// On the paused clock a call takes exactly as long as its pauses.
#[tokio::test(start_paused = true)]
async fn an_outage_comes_with_advice_and_a_refusal_keeps_its_own() {
    for (kind, advised) in [(DOWN, true), (THROTTLED, true), (DENIED, false)] {
        let bed = Bed::new().await;
        bed.inner.unwraps().fail(kind);
        let context = KmsContext { context: &bed.context, readable: false };
        let error = bed.guarded.unwrap_key(&bed.wrapped, context).await.unwrap_err();
        let says = error.hint().is_some_and(|hint| hint.contains("llm-keys kms check"));
        assert_eq!(says, advised, "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_and_are_never_the_same() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..8 {
        let bed = Bed::new().await;
        bed.inner.unwraps().fail_next(4, THROTTLED);
        let start = tokio::time::Instant::now();
        assert_eq!(bed.unwrap().await, Ok(()));
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(50 + 100 + 200 + 400), "{took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        seen.insert(took);
    }
    assert!(seen.len() > 4, "eight callers come back at {} moments", seen.len());
}

#[tokio::test(start_paused = true)]
async fn what_a_retry_cannot_help_is_not_tried_again() {
    for fault in KmsFault::ALL {
        let kind = ErrorKind::Kms(*fault);
        if kind.is_retryable() {
            continue;
        }
        let bed = Bed::new().await;
        bed.inner.unwraps().fail(kind);
        assert_eq!(bed.unwrap().await, Err(kind));
        assert_eq!(bed.calls(), 1, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_ends_with_its_deadline() {
    let bed = Bed::new().await;
    bed.inner.unwraps().hold();
    let start = tokio::time::Instant::now();
    assert_eq!(bed.unwrap().await, Err(DOWN));
    assert_eq!(start.elapsed().as_secs(), 5, "on the paused clock of the test");
    assert_eq!(bed.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn over_all_calls_retries_have_a_budget() {
    let bed = Bed::new().await;
    bed.inner.unwraps().fail(THROTTLED);
    let all = futures_util::future::join_all((0..1000).map(|_| bed.unwrap())).await;
    assert!(all.iter().all(|one| *one == Err(THROTTLED)));
    // 1,000 calls, a fifth of that, and ten a second for the ten seconds that the budget spans.
    let calls = bed.calls();
    assert!(calls <= 1000 + 200 + 2 * 100, "{calls} attempts for 1000 calls");
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_remembered_for_the_key_it_was_about() {
    let bed = Bed::new().await;
    bed.inner.unwraps().fail_next(1, DENIED);
    for _ in 0..100 {
        assert_eq!(bed.unwrap().await, Err(DENIED));
    }
    assert_eq!(bed.calls(), 1, "one call for a hundred reads");
    // Another data key is another matter, and so is wrapping.
    let context = KmsContext { context: &bed.context, readable: false };
    let (_, other) = bed.guarded.generate_data_key(context, &SystemRandom).await.unwrap();
    bed.guarded.unwrap_key(&other, context).await.unwrap();
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(bed.unwrap().await, Ok(()), "permission was given meanwhile");
}

fn of(tenant: &str, user: &str, record: u128, version: u32) -> EncryptionContext {
    let id = KeyId::user(user, "openai").unwrap().with_tenant(tenant).unwrap();
    let mut at = Version::FIRST;
    for _ in 1..version {
        at = at.next().unwrap();
    }
    EncryptionContext::of_key(&id, uuid::Uuid::from_u128(record), at)
}

#[tokio::test(start_paused = true)]
async fn one_who_may_not_write_keeps_nobody_else_from_it() {
    let bed = Bed::new().await;
    let generate = async |context: &EncryptionContext, readable| {
        let context = KmsContext { context, readable };
        let made = bed.guarded.generate_data_key(context, &SystemRandom).await;
        made.map(drop).map_err(|error| error.kind())
    };
    let before = bed.inner.wraps().calls();
    bed.inner.wraps().fail_next(1, DENIED);
    for attempt in 1..=100 {
        // A store that is repeated is of another record or version.
        let again = of("evil", "alice", attempt.into(), attempt);
        assert_eq!(generate(&again, false).await, Err(DENIED));
    }
    assert_eq!(bed.inner.wraps().calls() - before, 1, "one call for a hundred writes");
    assert_eq!(generate(&of("good", "alice", 1, 1), false).await, Ok(()), "another tenant");
    // A policy sees the owner only where it is told.
    assert_eq!(generate(&of("evil", "bob", 1, 1), false).await, Err(DENIED));
    assert_eq!(generate(&of("evil", "alice", 1, 1), true).await, Ok(()), "told more");
    bed.inner.wraps().fail_next(1, DENIED);
    assert_eq!(generate(&of("evil", "carol", 1, 1), true).await, Err(DENIED));
    assert_eq!(generate(&of("evil", "dave", 1, 1), true).await, Ok(()), "another owner");
}

#[tokio::test(start_paused = true)]
async fn making_and_wrapping_a_data_key_are_apart() {
    let bed = Bed::new().await;
    let context = KmsContext { context: &bed.context, readable: false };
    bed.inner.wraps().fail_next(1, DENIED);
    bed.guarded.generate_data_key(context, &SystemRandom).await.unwrap_err();
    let key = DataKey::generate(&SystemRandom).unwrap();
    bed.guarded.wrap_key(&key, context).await.unwrap();
    bed.guarded.generate_data_key(context, &SystemRandom).await.unwrap_err();
}

/// Who can write to the storage can put the blob of somebody else into a record of his own.
#[tokio::test(start_paused = true)]
async fn a_copied_blob_that_is_denied_keeps_its_owner_from_nothing() {
    let bed = Bed::new().await;
    let thief = of("evil", "mallory", 1, 1);
    let thief = KmsContext { context: &thief, readable: false };
    bed.inner.unwraps().fail_next(1, DENIED);
    bed.guarded.unwrap_key(&bed.wrapped, thief).await.unwrap_err();
    assert_eq!(bed.unwrap().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_check_forgets_denials_when_it_goes_well() {
    let bed = Bed::new().await;
    bed.inner.unwraps().fail_next(1, DENIED);
    assert_eq!(bed.unwrap().await, Err(DENIED));
    bed.guarded.check().await.unwrap();
    assert_eq!(bed.unwrap().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn both_checks_have_the_deadline() {
    let bed = Bed::new().await;
    bed.inner.checks().hold();
    for reading in [false, true] {
        let start = tokio::time::Instant::now();
        let checked = match reading {
            false => bed.guarded.check().await,
            true => bed.guarded.check_reading().await,
        };
        assert_eq!(checked.unwrap_err().kind(), DOWN);
        assert_eq!(start.elapsed().as_secs(), 5);
    }
    assert_eq!(bed.inner.checks().calls(), 2);
}

/// The breaker's clock is the machine's, so this test waits for real.
#[tokio::test]
async fn a_kms_that_is_down_is_left_alone_and_found_again() {
    let mut options = GuardOptions::default();
    options.retries = 0;
    options.open_wait = Duration::from_millis(100);
    let bed = Bed::with(options).await;
    bed.inner.unwraps().fail(DOWN);
    for _ in 0..100 {
        assert_eq!(bed.unwrap().await, Err(DOWN));
    }
    let calls = bed.calls();
    assert!(calls < 20, "{calls} calls reached a KMS that is down");
    bed.inner.unwraps().heal();
    let mut healed = false;
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        healed = bed.unwrap().await.is_ok();
        if healed {
            break;
        }
    }
    assert!(healed, "the breaker closes again");
    for _ in 0..50 {
        assert_eq!(bed.unwrap().await, Ok(()), "and stays closed");
    }
}

/// Who can write to the storage can have the KMS refuse, again and again: that must not keep
/// others from it.
#[tokio::test(start_paused = true)]
async fn only_outages_and_nonsense_open_the_breaker() {
    for fault in KmsFault::ALL {
        let mut options = GuardOptions::default();
        (options.retries, options.denied_for) = (0, Duration::ZERO);
        let bed = Bed::with(options).await;
        let kind = ErrorKind::Kms(*fault);
        bed.inner.unwraps().fail(kind);
        for _ in 0..50 {
            bed.unwrap().await.unwrap_err();
        }
        let opens = matches!(fault, KmsFault::Unavailable | KmsFault::BadAnswer);
        assert_eq!(bed.calls() < 50, opens, "{kind}");
        bed.inner.unwraps().heal();
        assert_eq!(bed.unwrap().await.is_err(), opens, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_are_bounded_and_those_that_wait_too_long_say_so() {
    let mut options = GuardOptions::default();
    options.at_once = 2;
    let bed = Arc::new(Bed::with(options).await);
    bed.inner.unwraps().hold();
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let bed = Arc::clone(&bed);
            tokio::spawn(async move { bed.unwrap().await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Err(DOWN));
    }
    assert_eq!(bed.calls(), 2, "three never got a slot");
}

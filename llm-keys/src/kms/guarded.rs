//! What every KMS behind a network needs: a deadline, retries with a budget, a breaker, a limit on
//! calls at once, and a memory for denials.

use std::fmt;
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::digest;
use backon::{ExponentialBuilder, Retryable as _};
use futures_util::future::BoxFuture;
use recloser::{AsyncRecloser, Recloser};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tower::retry::budget::{Budget as _, TpsBudget};

use super::{KeyUri, KmsCapabilities, KmsContext, KmsHealth, KmsProvider, WrappedKey};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::random::Random;
use crate::secret::DataKey;

/// How a KMS behind a network is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct GuardOptions {
    /// How long a call may take in all, with waits and retries: 5 s unless said.
    pub deadline: Duration,
    /// How often a call is tried again at most: 4 times unless said. Over all calls, retries stay
    /// within a fifth of the calls, and a few a second.
    pub retries: usize,
    /// How many calls go on at once at most: 64 unless said; others wait within their deadline.
    pub at_once: usize,
    /// How long a KMS that failed often is left alone before it is tried again: 2 s unless said.
    pub open_wait: Duration,
    /// How long a denial is remembered, and given again without a call: 20 s unless said, so that
    /// what it was about (see [`Guarded`]) makes at most three calls a minute.
    pub denied_for: Duration,
}

impl Default for GuardOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            retries: 4,
            at_once: 64,
            open_wait: Duration::from_secs(2),
            denied_for: Duration::from_secs(20),
        }
    }
}

/// A provider that is called as [`GuardOptions`] say. Each call of the provider is one attempt.
///
/// - `Throttled` and `Unavailable` are tried again, with growing pauses and jitter. Nothing else is.
/// - After half of at least eight attempts were `Unavailable` or `BadAnswer`, calls fail at once
///   for `open_wait`; then calls go through again, and one that succeeds closes the breaker.
/// - `Denied`, `KeyDisabled`, `KeyMissing` and `Misconfigured` are remembered for what they were
///   about and nothing else. For unwrapping that is the data key with its context. For making a
///   data key, and apart from that for wrapping one, it is what a policy of the KMS can see of the
///   context: tenant, kind, kind of owner and service, in readable mode owner and name, too.
///   Neither record nor version: a write that is repeated is the same write.
pub struct Guarded<P> {
    inner: P,
    options: GuardOptions,
    slots: Semaphore,
    breaker: AsyncRecloser,
    budget: TpsBudget,
    denials: moka::sync::Cache<Subject, (Instant, Error)>,
    /// When the last of them is forgotten: usually there is none, and then no subject is hashed.
    denied_until: Mutex<Option<Instant>>,
}

/// What a denial is about: a hash of it.
type Subject = [u8; 32];

/// How many denials are remembered.
const DENIALS: u64 = 10_000;

impl<P: KmsProvider> Guarded<P> {
    /// Guards `inner`.
    pub fn new(inner: P, options: GuardOptions) -> Self {
        let breaker = Recloser::custom()
            .error_rate(0.5)
            .closed_len(8)
            .half_open_len(1)
            .open_wait(options.open_wait)
            .build();
        Self {
            inner,
            options,
            slots: Semaphore::new(options.at_once),
            breaker: breaker.into(),
            budget: TpsBudget::new(Duration::from_secs(10), 10, 0.2),
            denials: moka::sync::Cache::builder()
                .max_capacity(DENIALS)
                .time_to_live(options.denied_for)
                .build(),
            denied_until: Mutex::new(None),
        }
    }

    /// Makes `call` until it succeeds, fails for good, or the deadline passes.
    async fn run<'a, T>(
        &'a self,
        op: &'static str,
        subject: impl Fn() -> Subject + Send,
        call: impl Fn() -> BoxFuture<'a, Result<T>> + Send + Sync,
    ) -> Result<T> {
        if let Some(denial) = self.denial(&subject) {
            return Err(denial);
        }
        let deadline = Instant::now() + self.options.deadline;
        self.budget.deposit();
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(self.options.retries)
            .with_jitter();
        let attempts = (|| self.attempt(op, deadline, call()))
            .retry(pauses)
            .when(|failed: &Failed| failed.again() && self.budget.withdraw());
        // The pauses count, too.
        let result = match timeout_at(deadline, attempts).await {
            Ok(result) => result.map_err(|failed| advised(failed.into_error())),
            Err(_) => Err(self.too_slow(op)),
        };
        if let Err(error) = &result
            && is_denial(error.kind())
        {
            let until = Instant::now() + self.options.denied_for;
            self.denials.insert(subject(), (until, error.clone()));
            *lock(&self.denied_until) = Some(until);
        }
        result
    }

    fn denial(&self, subject: impl Fn() -> Subject) -> Option<Error> {
        let now = Instant::now();
        let last = *lock(&self.denied_until);
        last.filter(|last| now < *last)?;
        let (_, denial) = self.denials.get(&subject()).filter(|(until, _)| now < *until)?;
        Some(denial)
    }

    async fn attempt<T>(
        &self,
        op: &'static str,
        deadline: Instant,
        call: BoxFuture<'_, Result<T>>,
    ) -> Result<T, Failed> {
        let slot = timeout_at(deadline, self.slots.acquire()).await;
        // A slot that came at the very end is of no use any more.
        let Some(_slot) = slot.ok().filter(|_| Instant::now() < deadline) else {
            let error = fault(op, "too many calls to the KMS are under way");
            return Err(Failed::ForGood(error.with_hint("try again")));
        };
        // A call that hangs must count against the KMS, so the clock runs inside the breaker.
        let bounded =
            async { timeout_at(deadline, call).await.unwrap_or_else(|_| Err(self.too_slow(op))) };
        match self.breaker.call_with(is_outage, bounded).await {
            Ok(answer) => Ok(answer),
            Err(recloser::Error::Inner(error)) if error.is_retryable() => {
                Err(Failed::Retryable(error))
            }
            Err(recloser::Error::Inner(error)) => Err(Failed::ForGood(error)),
            Err(recloser::Error::Rejected) => Err(Failed::ForGood(
                fault(op, "the KMS failed too often; it is left alone for a moment").with_hint(
                    "try again in a few seconds; `llm-keys kms check` says what is wrong",
                ),
            )),
        }
    }

    fn too_slow(&self, op: &'static str) -> Error {
        too_slow(op, self.options.deadline)
    }

    /// One attempt within the deadline, whatever happened before: it is asked to find out.
    async fn check_with(
        &self,
        check: impl Future<Output = Result<KmsHealth>>,
    ) -> Result<KmsHealth> {
        let checked = timeout(self.options.deadline, check).await;
        let checked = checked.unwrap_or_else(|_| Err(self.too_slow("kms.check")));
        if checked.is_ok() {
            self.denials.invalidate_all();
        }
        checked
    }
}

/// Why an attempt failed, and whether another may help.
enum Failed {
    Retryable(Error),
    ForGood(Error),
}

impl Failed {
    fn again(&self) -> bool {
        matches!(self, Self::Retryable(_))
    }

    fn into_error(self) -> Error {
        match self {
            Self::Retryable(error) | Self::ForGood(error) => error,
        }
    }
}

fn too_slow(op: &'static str, deadline: Duration) -> Error {
    let deadline = deadline.as_secs_f32();
    fault(op, format!("the KMS gave no answer within {deadline} s"))
        .with_hint("check the network to the KMS, or raise the deadline")
}

fn fault(op: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Kms(KmsFault::Unavailable), op, detail)
}

/// An outage that nobody gave advice for gets some.
fn advised(error: Error) -> Error {
    if error.hint().is_some() || !error.is_retryable() {
        return error;
    }
    error.with_hint("try again; `llm-keys kms check` says whether the KMS is back")
}

/// What counts against the KMS. Nonsense does too: something else may answer in its place.
fn is_outage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Kms(KmsFault::Unavailable | KmsFault::BadAnswer))
}

/// What does not pass by itself, and is asked for anew by every call. That there are no credentials
/// is found out by asking around for them.
fn is_denial(kind: ErrorKind) -> bool {
    let ErrorKind::Kms(fault) = kind else { return false };
    matches!(
        fault,
        KmsFault::Denied | KmsFault::KeyDisabled | KmsFault::KeyMissing | KmsFault::Misconfigured
    )
}

/// Unwrapping this data key for this context: one who copies it into a record of his own is denied
/// in his own name.
fn unwrapping(wrapped: &WrappedKey, context: KmsContext<'_>) -> Subject {
    let mode = [u8::from(context.readable)];
    let uri = wrapped.uri.as_str().as_bytes();
    hash([b"unwrap", uri, &wrapped.blob, &mode, context.context.hash()])
}

/// `op` for whatever looks like `context` to a policy of the KMS.
fn sealing(op: &'static str, context: KmsContext<'_>) -> Subject {
    let pairs = context.pairs();
    // These two differ for each write, so no policy names them, and a storm of writes would be a
    // storm of calls.
    let told = pairs.iter().filter(|(name, _)| !matches!(*name, "ctx" | "record"));
    let told = told.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    hash(std::iter::once(op.as_bytes()).chain(told))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each part with its length, so that no two lists of parts are hashed alike.
fn hash<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Subject {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// What `opening` gives within the deadline of `options`.
///
/// # Errors
/// As `opening`, and `Kms(Unavailable)` after the deadline; an outage has a hint.
pub(super) async fn open_in_time<T>(
    options: GuardOptions,
    opening: impl Future<Output = Result<T>>,
) -> Result<T> {
    let opened = timeout(options.deadline, opening).await;
    opened.unwrap_or_else(|_| Err(too_slow("kms.open", options.deadline))).map_err(advised)
}

#[deny(clippy::missing_trait_methods)] // A forgotten method would go past the guard.
#[async_trait]
impl<P: KmsProvider> KmsProvider for Guarded<P> {
    fn uri(&self) -> &KeyUri {
        self.inner.uri()
    }

    fn accepts(&self, wrapped: &WrappedKey) -> bool {
        self.inner.accepts(wrapped)
    }

    fn capabilities(&self) -> KmsCapabilities {
        self.inner.capabilities()
    }

    async fn generate_data_key(
        &self,
        context: KmsContext<'_>,
        random: &dyn Random,
    ) -> Result<(DataKey, WrappedKey)> {
        const OP: &str = "kms.generate_data_key";
        self.run(OP, || sealing(OP, context), || self.inner.generate_data_key(context, random))
            .await
    }

    async fn wrap_key(&self, key: &DataKey, context: KmsContext<'_>) -> Result<WrappedKey> {
        const OP: &str = "kms.wrap_key";
        self.run(OP, || sealing(OP, context), || self.inner.wrap_key(key, context)).await
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, context: KmsContext<'_>) -> Result<DataKey> {
        let subject = || unwrapping(wrapped, context);
        self.run("kms.unwrap_key", subject, || self.inner.unwrap_key(wrapped, context)).await
    }

    async fn check(&self) -> Result<KmsHealth> {
        self.check_with(self.inner.check()).await
    }

    async fn check_reading(&self) -> Result<KmsHealth> {
        self.check_with(self.inner.check_reading()).await
    }

    fn alias(&self) -> Option<&str> {
        self.inner.alias()
    }

    /// Under a guard of its own, with the same options: that another key is out of reach says
    /// nothing about this one.
    fn for_key(&self, key: &KeyUri) -> Result<Option<Arc<dyn KmsProvider>>> {
        let other = self.inner.for_key(key)?;
        Ok(other.map(|other| Arc::new(Guarded::new(other, self.options)) as _))
    }

    fn is_sibling(&self, key: &KeyUri) -> bool {
        self.inner.is_sibling(key)
    }
}

impl<P: fmt::Debug> fmt::Debug for Guarded<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

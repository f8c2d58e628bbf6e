//! The token in use: got once for all callers, prolonged before it ends, replaced when it died.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::answer::Lease;
use super::login::{self, Login};
use super::wire::Wire;
use crate::clock::{Clock as _, SystemClock};
use crate::error::Result;
use crate::secret::SecretBytes;

/// Who we are to one server.
pub(super) struct Session {
    wire: Arc<Wire>,
    login: Login,
    clock: SystemClock,
    current: Mutex<Option<Arc<Token>>>,
    /// Held by whoever gets a token; all others wait for it or go on with the one there is.
    flight: tokio::sync::Mutex<()>,
    keeper: Mutex<Option<AbortHandle>>,
}

/// A token and what we know about it. Moments are in milliseconds of the session's clock.
pub(super) struct Token {
    secret: Arc<SecretBytes>,
    /// Nothing if the server does not say.
    lease: Option<Lease>,
    /// The lease it had at first.
    whole: Duration,
    due: AtomicU64,
    ends: u64,
    /// Until then a denial is the policy's: the token was seen alive not long ago.
    vouched: AtomicU64,
}

/// What a denial was about.
pub(super) enum Denial {
    /// The token is fine, so its policy denies.
    Policy,
    /// The token is dead, and there is no other.
    DeadToken,
    /// The token was dead: here is another.
    TryWith(Arc<Token>),
}

impl Session {
    pub(super) fn new(wire: Arc<Wire>, login: Login) -> Arc<Self> {
        Arc::new(Self {
            wire,
            login,
            clock: SystemClock::new(),
            current: Mutex::new(None),
            flight: tokio::sync::Mutex::new(()),
            keeper: Mutex::new(None),
        })
    }

    /// A token to call with. Near the end of its life one caller prolongs it, and if that fails,
    /// goes on with it until its end.
    ///
    /// # Errors
    /// As [`Login::obtain`].
    pub(super) async fn token(self: &Arc<Self>) -> Result<Arc<Token>> {
        if let Some(token) = self.alive() {
            if self.now() < token.due.load(Ordering::Relaxed) {
                return Ok(token);
            }
            let Ok(_flight) = self.flight.try_lock() else { return Ok(token) };
            return Ok(self.prolong(token).await);
        }
        let _flight = self.flight.lock().await;
        if let Some(token) = self.alive() {
            return Ok(token);
        }
        let asked = self.now();
        let (secret, lease) = self.login.obtain(&self.wire).await?;
        Ok(self.set(asked, secret, lease, whole(lease)))
    }

    /// Finds out why the server denied a call with `token`.
    ///
    /// # Errors
    /// As [`Login::obtain`].
    pub(super) async fn denied(self: &Arc<Self>, token: &Arc<Token>) -> Result<Denial> {
        let _flight = self.flight.lock().await;
        if let Some(newer) = self.alive().filter(|current| !Arc::ptr_eq(current, token)) {
            return Ok(Denial::TryWith(newer));
        }
        if self.now() < token.vouched.load(Ordering::Relaxed) {
            return Ok(Denial::Policy);
        }
        if login::look_up(&self.wire, &token.secret).await?.is_some() {
            token.vouched.store(self.now() + RECHECK, Ordering::Relaxed);
            return Ok(Denial::Policy);
        }
        let asked = self.now();
        let (secret, lease) = self.login.obtain(&self.wire).await?;
        if self.login.is_given() && same(&secret, &token.secret) {
            return Ok(Denial::DeadToken);
        }
        Ok(Denial::TryWith(self.set(asked, secret, lease, whole(lease))))
    }

    async fn prolong(self: &Arc<Self>, token: Arc<Token>) -> Arc<Token> {
        // Somebody else may have done so just now.
        let token = self.alive().unwrap_or(token);
        if self.now() < token.due.load(Ordering::Relaxed) {
            return token;
        }
        let asked = self.now();
        match self.next(&token).await {
            Ok((secret, lease, whole)) => self.set(asked, secret, lease, whole),
            Err(error) => {
                tracing::warn!(
                    code = error.kind().code(),
                    error = %error,
                    "the Vault token could not be prolonged; it is used until it ends"
                );
                let left = token.ends.saturating_sub(self.now());
                let later = self.now() + (left / 4).max(RETRY);
                token.due.store(later, Ordering::Relaxed);
                token
            }
        }
    }

    async fn next(&self, token: &Token) -> Result<(Arc<SecretBytes>, Option<Lease>, Duration)> {
        if token.lease.is_some_and(|lease| lease.renewable) {
            match login::renew(&self.wire, &token.secret).await {
                // Much less than it had at first means that the end of its longest life is near.
                Ok(lease)
                    if lease.seconds > 0
                        && (self.login.is_given() || whole(Some(lease)) * 2 > token.whole) =>
                {
                    return Ok((Arc::clone(&token.secret), Some(lease), token.whole));
                }
                Err(error) if error.is_retryable() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        let (secret, lease) = self.login.obtain(&self.wire).await?;
        Ok((secret, lease, whole(lease)))
    }

    /// `asked` is when we asked for it: the server began to count a little later.
    fn set(
        self: &Arc<Self>,
        asked: u64,
        secret: Arc<SecretBytes>,
        lease: Option<Lease>,
        whole: Duration,
    ) -> Arc<Token> {
        let millis = lease.map_or(0, |lease| lease.seconds.saturating_mul(1000));
        let (due, ends) = match millis {
            0 => (u64::MAX, u64::MAX),
            millis => {
                // The server counts whole seconds, so a token may die up to one earlier.
                let life = (millis - 1000).max(millis / 2);
                (asked.saturating_add(life / 3 * 2), asked.saturating_add(life))
            }
        };
        let token = Arc::new(Token {
            secret,
            lease,
            whole,
            due: AtomicU64::new(due),
            ends,
            vouched: AtomicU64::new(lease.map_or(0, |_| due.min(asked + RECHECK))),
        });
        *lock(&self.current) = Some(Arc::clone(&token));
        self.keep();
        token
    }

    /// Prolongs the token while nobody calls, so that a quiet night does not kill it. The task
    /// ends with this session; without it, callers do the same.
    fn keep(self: &Arc<Self>) {
        let mut keeper = lock(&self.keeper);
        if keeper.as_ref().is_none_or(AbortHandle::is_finished) {
            *keeper = Some(tokio::spawn(keep(Arc::downgrade(self))).abort_handle());
        }
    }

    fn until_due(&self) -> Duration {
        let due = lock(&self.current).as_ref().map(|token| token.due.load(Ordering::Relaxed));
        let wait = due.map_or(LONGEST_WAIT, |due| due.saturating_sub(self.now()));
        Duration::from_millis(wait.clamp(SHORTEST_WAIT, LONGEST_WAIT))
    }

    fn alive(&self) -> Option<Arc<Token>> {
        let now = self.now();
        lock(&self.current).clone().filter(|token| now < token.ends)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(keeper) = lock(&self.keeper).take() {
            keeper.abort();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Token {
    pub(super) fn secret(&self) -> &SecretBytes {
        &self.secret
    }
}

async fn keep(session: Weak<Session>) {
    while let Some(wait) = session.upgrade().map(|session| session.until_due()) {
        tokio::time::sleep(wait).await;
        let Some(session) = session.upgrade() else { return };
        if session.alive().is_some()
            && let Err(error) = session.token().await
        {
            tracing::debug!(code = error.kind().code(), "the Vault token could not be prolonged");
        }
    }
}

fn whole(lease: Option<Lease>) -> Duration {
    Duration::from_secs(lease.map_or(0, |lease| lease.seconds))
}

fn same(a: &SecretBytes, b: &SecretBytes) -> bool {
    a.expose(|a| b.expose(|b| a == b))
}

/// Nothing panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a token that was seen alive is not looked at again, in milliseconds. A denied caller
/// costs no more calls than these.
const RECHECK: u64 = 2_000;

/// The first wait after a renewal that failed, in milliseconds.
const RETRY: u64 = 500;
const SHORTEST_WAIT: u64 = 100;
const LONGEST_WAIT: u64 = 60_000;

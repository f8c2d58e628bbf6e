//! Following the storage's feed of changes, so that what other processes store, rotate, deactivate
//! or delete is evicted here, too.
//!
//! A **look** asks the feed what changed since the last one, evicts the keys that it names, and
//! then lets the cache serve what is left for [`max_revocation_lag`](FollowOptions) more, counted
//! from when the look began. That this is enough:
//!
//! 1. *Positions.* A change that is committed after a look was answered is named by a later one:
//!    the feed's numbers become visible in their order (rule 14 of `KeyStore`).
//! 2. *The first position* is taken before the first load reads anything, by that load
//!    (`follow_from_here`). So whatever is cached or under way was read after a position from which
//!    all later looks go on, without a gap. If it cannot be taken then, whenever it is taken all
//!    that is cached or under way by then is forgotten.
//! 3. *Loads.* A load that read the row before a change either has landed when the look names its
//!    key, and is removed, or is under way, and does not land (ADR 4). One that read it after the
//!    change is right.
//! 4. *Idle.* While nothing is cached and nothing is under way there is nothing to be wrong, and no
//!    look is made. The position stays, so by 2 the next look still sees all that matters.
//! 5. *Confirmation.* By 1 to 3 what is cached after a look's evictions did not change before that
//!    look began. The cache may say so only afterwards, and reads it before it takes an entry out.
//!    A load confirms its own entry from when it asked the storage.
//!
//! Nothing here needs a KMS. A look that fails changes nothing, and when it fails for too long reads
//! go to the storage: if that is out of reach, they fail with its error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex, OnceCell};

use super::envelope_manager::Core;
use crate::cache::CacheStatistics;
use crate::error::{Error, Result};
use crate::model::Seq;
use crate::store::{Hints, StoreCapabilities};

/// The shortest time from one look to the next, however many hints come.
const HINTED_LOOKS_APART: Duration = Duration::from_millis(20);

/// Past every feed: who asks from here is told the head, and nothing else.
const NOWHERE: Seq = Seq(u64::MAX);

/// Whether changes are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Follows {
    /// If the storage says that other processes can share it.
    #[default]
    IfShared,
    /// In any case, such as with several managers on one storage in one process.
    Always,
    /// Never: changes by others are seen when a key's time to live ends.
    Never,
}

/// How changes by other processes reach the cache.
///
/// The storage's feed of changes is asked while anything is cached, from a task in the Tokio runtime
/// that the first read of a key ran in. Without a runtime, or once that one is gone and nothing was
/// loaded since, nobody looks: a key is then served from memory for `max_revocation_lag`, and loaded
/// again.
///
/// Times are those of the clock's [`monotonic`](crate::clock::Clock::monotonic). That of
/// [`SystemClock`](crate::clock::SystemClock) stands still on Linux while the machine is suspended,
/// so a key that was revoked meanwhile may be served after it woke up until the first look is
/// answered, or for what was left of `max_revocation_lag`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FollowOptions {
    /// Whether at all; if the storage is shared unless said.
    pub follows: Follows,
    /// The time from one look to the next: half a second unless said. A storage that gives hints is
    /// asked at once, too.
    pub interval: Duration,
    /// For how long a cached key may be served after the storage was last known to have nothing
    /// newer: 5 seconds unless said. After that a read goes to the storage, and fails if that is
    /// out of reach. As long as the cache's `ttl`, or longer: an outage of the storage ends no key's
    /// time. More than `interval`.
    pub max_revocation_lag: Duration,
}

impl Default for FollowOptions {
    fn default() -> Self {
        Self {
            follows: Follows::default(),
            interval: Duration::from_millis(500),
            max_revocation_lag: Duration::from_secs(5),
        }
    }
}

impl FollowOptions {
    /// Whether at all.
    #[must_use]
    pub fn follows(mut self, follows: Follows) -> Self {
        self.follows = follows;
        self
    }

    /// With this time from one look to the next.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Serves cached keys no longer than this without word from the storage.
    #[must_use]
    pub fn max_revocation_lag(mut self, lag: Duration) -> Self {
        self.max_revocation_lag = lag;
        self
    }
}

/// Where a manager stands in the feed.
#[derive(Debug)]
pub(super) struct Follow {
    /// `None`: changes are not followed.
    options: Option<FollowOptions>,
    /// The first load of all takes the first position; it tries once.
    first: OnceCell<()>,
    position: Mutex<Option<Seq>>,
    /// Whether the task is there that looks again and again.
    running: AtomicBool,
}

impl Follow {
    pub(super) fn new(options: FollowOptions, store: StoreCapabilities) -> Result<Self> {
        let follows = match options.follows {
            Follows::IfShared => store.shared,
            Follows::Always => true,
            Follows::Never => false,
        };
        if follows && options.max_revocation_lag <= options.interval {
            return Err(Error::invalid(
                "manager.build",
                "max_revocation_lag is not more than the interval at which changes are looked for",
            ));
        }
        Ok(Self {
            options: follows.then_some(options),
            first: OnceCell::new(),
            position: Mutex::new(None),
            running: AtomicBool::new(false),
        })
    }

    /// Until when an entry is good by itself that the storage was asked for at `asked_at`.
    pub(super) fn confirmed_until(&self, asked_at: Duration) -> Duration {
        self.options.map_or(Duration::MAX, |it| asked_at.saturating_add(it.max_revocation_lag))
    }
}

impl Core {
    /// Called before each load: from here on nothing that others change is missed.
    pub(super) async fn follow_from_here(core: &Arc<Self>) {
        let Some(options) = core.follow.options else { return };
        if !core.cache.is_on() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let first = core.follow.first.get_or_init(async || {
            // A read must not wait long for what is only an optimisation of later ones.
            if tokio::time::timeout(options.interval, core.look(options)).await.is_err() {
                core.cache.look_failed();
            }
        });
        first.await;
        if !core.follow.running.swap(true, Ordering::AcqRel) {
            let follower = Follower { core: Arc::downgrade(core), options };
            runtime.spawn(follower.run(core.store.hints()));
        }
    }

    /// One look.
    async fn look(&self, options: FollowOptions) {
        let mut position = self.follow.position.lock().await;
        let began = self.clock.monotonic();
        let since = position.unwrap_or(NOWHERE);
        match self.store.changes_since(since).await {
            Ok(changes) => {
                if position.is_some() && changes.complete {
                    self.cache.evict_followed(&changes.keys.into_iter().collect());
                } else {
                    self.cache.evict_unfollowed();
                }
                *position = Some(changes.head);
                self.cache.confirm(began.saturating_add(options.max_revocation_lag));
            }
            Err(error) => {
                self.cache.look_failed();
                tracing::warn!(error = ?error, "changes by others could not be looked for");
            }
        }
    }

    /// What the cache did, and how long ago it last heard of changes.
    pub(super) fn statistics(&self) -> CacheStatistics {
        let mut counts = self.cache.statistics();
        if let Some(options) = self.follow.options
            && counts.looks > 0
        {
            let looked = self.cache.confirmed_until().saturating_sub(options.max_revocation_lag);
            counts.lag = Some(self.clock.monotonic().saturating_sub(looked));
        }
        counts
    }
}

/// The task that looks again and again, for as long as the manager is there.
struct Follower {
    core: Weak<Core>,
    options: FollowOptions,
}

impl Follower {
    async fn run(self, mut hints: Option<Hints>) {
        loop {
            // Whether it was a hint or the time: both say "look now".
            let _ = tokio::time::timeout(self.options.interval, hint(&mut hints)).await;
            let Some(core) = self.core.upgrade() else { return };
            if !core.cache.is_idle() {
                // An answer that takes longer confirms nothing any more.
                let look = core.look(self.options);
                if tokio::time::timeout(self.options.max_revocation_lag, look).await.is_err() {
                    core.cache.look_failed();
                    tracing::warn!("the storage did not say in time what others changed");
                }
            }
            drop(core);
            tokio::time::sleep(HINTED_LOOKS_APART).await;
        }
    }
}

/// If the runtime goes away while the manager stays, the next load starts another task.
impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.follow.running.store(false, Ordering::Release);
        }
    }
}

/// Returns at a hint; never if the storage gives none.
async fn hint(hints: &mut Option<Hints>) {
    match hints {
        Some(hints) => hints.next().await,
        None => std::future::pending().await,
    }
}

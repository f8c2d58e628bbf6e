//! Putting a manager together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::envelope_manager::{Core, EnvelopeKeyManager};
use super::follow::{Follow, FollowOptions};
use super::mac_keys::MacKeyring;
use super::options::Retention;
use super::pins::Pinned;
use super::rotate::KeyTest;
use super::uses::Uses;
use crate::cache::SecretCache;
use crate::clock::{Clock, SystemClock};
use crate::environment::{Environment, ProcessEnvironment};
use crate::error::{Error, Result};
use crate::event::{EventSink, TracingSink};
use crate::kms::KmsSet;
use crate::model::Caller;
use crate::random::{Random, SystemRandom};
use crate::store::KeyStore;

/// How long, and how many, secrets stay in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CacheOptions {
    /// How long a secret is served from memory: an hour unless said; zero turns the cache off.
    /// Other processes' changes are seen sooner: see [`FollowOptions`].
    pub ttl: Duration,
    /// How many keys at most: 10,000 unless said; zero turns the cache off.
    pub capacity: u64,
    /// Load a key again in the background when it is read this long before its end, or up to half
    /// of that later, spread at random so that keys loaded together are not refreshed together.
    /// Off unless said; less than `ttl`.
    pub refresh_ahead: Option<Duration>,
    /// For how long after its `ttl` a secret may still be served while the KMS is out of reach and
    /// the storage confirms that its version is still current, active and not expired. Zero unless
    /// said: then the end of the `ttl` is the end. It also bounds how long a secret stays in memory.
    pub serve_stale_for: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(3600),
            capacity: 10_000,
            refresh_ahead: None,
            serve_stale_for: Duration::ZERO,
        }
    }
}

impl CacheOptions {
    /// No cache: every read asks the storage and the KMS.
    pub const OFF: Self = Self {
        ttl: Duration::ZERO,
        capacity: 0,
        refresh_ahead: None,
        serve_stale_for: Duration::ZERO,
    };

    /// Serves a secret from memory for `ttl`.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Holds at most `capacity` keys.
    #[must_use]
    pub fn capacity(mut self, capacity: u64) -> Self {
        self.capacity = capacity;
        self
    }

    /// Serves a secret so long past its `ttl` while the KMS is out of reach.
    #[must_use]
    pub fn serve_stale_for(mut self, past: Duration) -> Self {
        self.serve_stale_for = past;
        self
    }

    /// Loads a key again when it is read this long before its end.
    #[must_use]
    pub fn refresh_ahead(mut self, ahead: Duration) -> Self {
        self.refresh_ahead = Some(ahead);
        self
    }
}

/// Puts an [`EnvelopeKeyManager`] together. It can be built once it has a KMS and a storage; the
/// compiler knows which are missing.
///
/// ```
/// # async fn demo() -> llm_keys::Result<()> {
/// use llm_keys::EnvelopeKeyManager;
/// use llm_keys::kms::{KmsSet, local::LocalKms};
/// use llm_keys::store::MemoryStore;
///
/// let keys = EnvelopeKeyManager::builder()
///     .kms(KmsSet::single(LocalKms::ephemeral()?))
///     .store(MemoryStore::default())
///     .build()
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0599
/// // No KMS, no storage: there is no `build`.
/// let keys = llm_keys::EnvelopeKeyManager::builder().build();
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder<K, S> {
    kms: K,
    store: S,
    sink: Arc<dyn EventSink>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    environment: Arc<dyn Environment>,
    cache: CacheOptions,
    follow: FollowOptions,
    caller: Caller,
    readable: bool,
    flush_every: Duration,
    check_on_start: bool,
    retention: Retention,
    rotation_test: Option<Arc<dyn KeyTest>>,
    tend_every: Duration,
}

impl Builder<(), ()> {
    pub(super) fn new() -> Self {
        Self {
            kms: (),
            store: (),
            sink: Arc::new(TracingSink),
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SystemRandom),
            environment: Arc::new(ProcessEnvironment),
            cache: CacheOptions::default(),
            follow: FollowOptions::default(),
            caller: Caller::default(),
            readable: false,
            flush_every: Duration::from_secs(10),
            check_on_start: false,
            retention: Retention::default(),
            rotation_test: None,
            tend_every: Duration::from_secs(60 * 60),
        }
    }
}

impl<K, S> Builder<K, S> {
    /// The KMS keys to write and read with.
    pub fn kms(self, kms: KmsSet) -> Builder<KmsSet, S> {
        self.with(|_, store| (kms, store))
    }

    /// Where keys are stored.
    pub fn store(self, store: impl KeyStore + 'static) -> Builder<K, Arc<dyn KeyStore>> {
        self.with(|kms, _| (kms, Arc::new(store) as _))
    }

    /// Where events go; through `tracing` unless said.
    pub fn event_sink(mut self, sink: impl EventSink + 'static) -> Self {
        self.sink = Arc::new(sink);
        self
    }

    /// Where the time comes from; the machine's clocks unless said.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where randomness comes from; the system's generator unless said.
    pub fn random(mut self, random: impl Random + 'static) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Where environment variables are read that [`resolve`](super::SecureKeyManager::resolve) is
    /// told of; the environment of the process unless said.
    pub fn environment(mut self, environment: impl Environment + 'static) -> Self {
        self.environment = Arc::new(environment);
        self
    }

    /// How long, and how many, secrets stay in memory.
    pub fn cache(mut self, cache: CacheOptions) -> Self {
        self.cache = cache;
        self
    }

    /// How changes by other processes reach the cache.
    pub fn follow_changes(mut self, follow: FollowOptions) -> Self {
        self.follow = follow;
        self
    }

    /// Who asks, where a call does not say so itself.
    pub fn caller(mut self, caller: Caller) -> Self {
        self.caller = caller;
        self
    }

    /// Whether the KMS gets owner id and name in clear, where a policy can name them and the KMS's
    /// log shows them. Off unless said. Envelopes remember it, so it can be changed at any time.
    pub fn readable_context(mut self, readable: bool) -> Self {
        self.readable = readable;
        self
    }

    /// How often last uses are written to the storage: every 10 seconds unless said.
    pub fn flush_every(mut self, every: Duration) -> Self {
        self.flush_every = every;
        self
    }

    /// Whether [`build`](Builder::build) opens the sentinel, so that a wrong KMS or one out of reach
    /// is an error at once. Off unless said: it costs a read and a KMS call.
    pub fn check_on_start(mut self, check: bool) -> Self {
        self.check_on_start = check;
        self
    }

    /// How many old versions, and for how long deleted keys are kept.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// What tests a new key before a rotation makes it current; nothing unless said.
    pub fn rotation_test(mut self, test: impl KeyTest + 'static) -> Self {
        self.rotation_test = Some(Arc::new(test));
        self
    }

    /// How often what is due is done, by [`EnvelopeKeyManager::tend`]: every hour unless said; zero
    /// leaves it to the caller.
    pub fn tend_every(mut self, every: Duration) -> Self {
        self.tend_every = every;
        self
    }

    fn with<K2, S2>(self, parts: impl FnOnce(K, S) -> (K2, S2)) -> Builder<K2, S2> {
        let (kms, store) = parts(self.kms, self.store);
        Builder {
            kms,
            store,
            sink: self.sink,
            clock: self.clock,
            random: self.random,
            environment: self.environment,
            cache: self.cache,
            follow: self.follow,
            caller: self.caller,
            readable: self.readable,
            flush_every: self.flush_every,
            check_on_start: self.check_on_start,
            retention: self.retention,
            rotation_test: self.rotation_test,
            tend_every: self.tend_every,
        }
    }
}

impl Builder<KmsSet, Arc<dyn KeyStore>> {
    /// The manager. Inside a Tokio runtime it begins to write last uses behind.
    ///
    /// # Errors
    /// `InvalidInput` if the options contradict each other; with
    /// [`check_on_start`](Self::check_on_start) also what
    /// [`EnvelopeKeyManager::check_sentinel`] says, and `Integrity` if the sentinel is missing in a
    /// storage that was written to.
    pub async fn build(self) -> Result<EnvelopeKeyManager> {
        let cache = self.cache;
        if cache.refresh_ahead.is_some_and(|ahead| ahead >= cache.ttl) {
            return Err(Error::invalid(
                "manager.build",
                "refresh_ahead is not less than the cache's ttl",
            ));
        }
        let follow = Follow::new(self.follow, self.store.capabilities())?;
        let core = Arc::new(Core {
            kms: self.kms,
            pinned: Pinned::default(),
            mac_keyring: MacKeyring::default(),
            store: self.store,
            sink: self.sink,
            clock: self.clock,
            random: self.random,
            environment: self.environment,
            cache_options: cache,
            cache: SecretCache::new(cache.ttl, cache.serve_stale_for, cache.capacity),
            follow,
            caller: Arc::new(self.caller),
            readable: self.readable,
            retention: self.retention,
            rotation_test: self.rotation_test,
            uses: Uses::default(),
            sentinel_is_there: OnceCell::new(),
        });
        if self.check_on_start {
            core.check_start().await?;
        }
        Uses::write_behind(&core, self.flush_every);
        Core::tend_behind(&core, self.tend_every);
        Ok(EnvelopeKeyManager::from_core(core))
    }
}

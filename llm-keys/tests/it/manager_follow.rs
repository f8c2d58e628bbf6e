//! Following what others change: which changes are seen whatever overtakes what, what is served
//! without word from the storage, and when nobody looks.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use llm_keys::error::StoreFault;
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::{CacheOptions, FollowOptions, Follows};
use llm_keys::store::{KeyStore as _, MemoryStore};
use llm_keys::testing::fakes::{FakeStore, ManualClock};
use llm_keys::{
    ApiKey, ChangeOptions, EnvelopeKeyManager, ErrorKind, Evict, KeyId, OpenOptions,
    SecureKeyManager as _, Served, StoreOptions,
};

const LAG: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_micros(1);
/// So long that it never comes in a test.
const NEVER: Duration = Duration::from_secs(1_000_000);
const SOON: Duration = Duration::from_millis(10);
const DOWN: ErrorKind = ErrorKind::Store(StoreFault::Unavailable);

struct Bed {
    manager: EnvelopeKeyManager,
    /// Another process: what it writes passes the scripts of `store` by.
    other: EnvelopeKeyManager,
    store: Arc<FakeStore<Arc<MemoryStore>>>,
    clock: Arc<ManualClock>,
    id: KeyId,
}

fn follow() -> FollowOptions {
    FollowOptions::default().follows(Follows::Always).interval(SOON).max_revocation_lag(LAG)
}

async fn bed(follow: FollowOptions) -> Bed {
    let rows = Arc::new(MemoryStore::new());
    let store = Arc::new(FakeStore::new(Arc::clone(&rows)).without_hints());
    bed_on(store, rows, follow).await
}

async fn bed_on(
    store: Arc<FakeStore<Arc<MemoryStore>>>,
    rows: Arc<MemoryStore>,
    follow: FollowOptions,
) -> Bed {
    let kms = KmsSet::single(LocalKms::ephemeral().unwrap());
    let clock = Arc::new(ManualClock::default());
    let builder = EnvelopeKeyManager::builder().kms(kms.clone()).store(Arc::clone(&store));
    let builder = builder.clock(Arc::clone(&clock)).follow_changes(follow).flush_every(NEVER);
    let manager = builder.build().await.unwrap();
    let builder = EnvelopeKeyManager::builder().kms(kms).store(rows).flush_every(NEVER);
    let bed = Bed {
        manager,
        other: builder.cache(CacheOptions::OFF).build().await.unwrap(),
        store,
        clock,
        id: KeyId::global("openai").unwrap(),
    };
    bed.others_store("sk-1").await;
    bed
}

impl Bed {
    async fn others_store(&self, key: &str) {
        let key = ApiKey::new(key).unwrap();
        self.other.store_api_key(&self.id, key, &StoreOptions::default()).await.unwrap();
    }

    async fn get(&self) -> Result<String, ErrorKind> {
        let key = self.manager.get_api_key(&self.id).await.map_err(|error| error.kind())?;
        Ok(key.unwrap().expose_str(str::to_owned).unwrap())
    }

    async fn served(&self) -> Served {
        self.manager.open(&self.id, &OpenOptions::default()).await.unwrap().unwrap().served
    }

    /// The same manager, for a task of its own.
    fn reader(&self) -> impl Future<Output = String> + 'static {
        let (manager, id) = (self.manager.clone(), self.id.clone());
        async move {
            let key = manager.get_api_key(&id).await.unwrap().unwrap();
            key.expose_str(str::to_owned).unwrap()
        }
    }

    async fn looks(&self, more: u64) {
        let before = self.manager.cache_statistics().looks;
        eventually("a look", async || self.manager.cache_statistics().looks >= before + more).await;
    }
}

/// Awaits what another task brings about; fails the test if it never does.
async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..2000 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} never happened");
}

#[tokio::test]
async fn a_hint_is_followed_at_once() {
    let rows = Arc::new(MemoryStore::new());
    let store = Arc::new(FakeStore::new(Arc::clone(&rows)));
    // Looking would be due in eleven days.
    let bed = bed_on(store, rows, follow().interval(NEVER).max_revocation_lag(2 * NEVER)).await;
    assert_eq!(bed.get().await.unwrap(), "sk-1");
    bed.others_store("sk-2").await;
    eventually("the new version", async || bed.get().await.unwrap() == "sk-2").await;
}

#[tokio::test]
async fn the_position_is_taken_before_the_first_key_is_read() {
    let bed = bed(follow().interval(NEVER).max_revocation_lag(2 * NEVER)).await;
    bed.store.feeds().hold();
    let read = tokio::spawn(bed.reader());
    bed.store.feeds().until_held(1).await;
    assert_eq!(bed.store.reads().calls(), 0, "the row waits for the position");
    bed.store.feeds().release();
    assert_eq!(read.await.unwrap(), "sk-1");
    assert_eq!(
        bed.served().await,
        Served::Cache,
        "the first look evicts no key that came after it"
    );
    assert_eq!(bed.store.feeds().calls(), 1);
}

#[tokio::test]
async fn a_change_between_a_load_and_the_next_look_is_seen() {
    let bed = bed(follow()).await;
    // The row is read, and replaced before the answer arrives: the old key lands in the cache.
    bed.store.reads().hold_answers();
    let read = tokio::spawn(bed.reader());
    bed.store.reads().until_answers_held(1).await;
    bed.store.feeds().hold();
    bed.store.feeds().until_held(1).await;
    bed.others_store("sk-2").await;
    bed.store.reads().release();
    assert_eq!(read.await.unwrap(), "sk-1", "it was asked for before the change");
    assert_eq!(bed.served().await, Served::Cache);
    bed.store.feeds().release();
    eventually("the new version", async || bed.get().await.unwrap() == "sk-2").await;
    assert_eq!(bed.manager.cache_statistics().followed, 1);
}

#[tokio::test]
async fn a_load_that_is_under_way_when_its_key_is_named_does_not_land() {
    let bed = bed(follow()).await;
    bed.store.reads().hold_answers();
    let read = tokio::spawn(bed.reader());
    bed.store.reads().until_answers_held(1).await;
    bed.store.feeds().hold();
    bed.store.feeds().until_held(1).await;
    bed.others_store("sk-2").await;
    let looks = bed.manager.cache_statistics().looks;
    bed.store.feeds().release();
    // This look names the key while its old row is on its way.
    eventually("the look", async || bed.manager.cache_statistics().looks > looks).await;
    bed.store.reads().release();
    assert_eq!(read.await.unwrap(), "sk-1", "it was asked for before the change");
    assert_eq!(bed.get().await.unwrap(), "sk-2", "and is not kept");
}

#[tokio::test]
async fn a_load_that_overtakes_an_answer_is_not_confirmed_by_it() {
    let bed = bed(follow()).await;
    assert_eq!(bed.get().await.unwrap(), "sk-1");
    // A look was answered by the storage, and the answer is on its way…
    bed.store.feeds().hold_answers();
    bed.store.feeds().until_answers_held(1).await;
    // …when the key is loaded anew and then replaced. That change is not in the answer.
    bed.manager.refresh(&bed.id).await.unwrap();
    bed.others_store("sk-2").await;
    bed.store.feeds().release();
    eventually("the new version", async || bed.get().await.unwrap() == "sk-2").await;
}

#[tokio::test]
async fn a_position_that_comes_late_forgets_what_came_before_it() {
    let bed = bed(follow()).await;
    bed.store.feeds().fail(DOWN);
    assert_eq!(bed.get().await.unwrap(), "sk-1", "the rows can be read");
    // No later look will name this change: none knows a position before it.
    bed.others_store("sk-2").await;
    assert_eq!(bed.served().await, Served::Cache);
    bed.store.feeds().heal();
    eventually("the new version", async || bed.get().await.unwrap() == "sk-2").await;
}

#[tokio::test]
async fn a_feed_that_lost_its_oldest_rows_forgets_everything() {
    let bed = bed(follow()).await;
    assert_eq!(bed.get().await.unwrap(), "sk-1");
    bed.store.feeds().hold();
    bed.store.feeds().until_held(1).await;
    bed.others_store("sk-2").await;
    for n in 0..MemoryStore::FEED_LEN {
        let id = KeyId::user(&format!("u{n}"), "openai").unwrap();
        let key = ApiKey::new("sk-other").unwrap();
        bed.other.store_api_key(&id, key, &StoreOptions::default()).await.unwrap();
    }
    bed.store.feeds().release();
    eventually("the new version", async || bed.get().await.unwrap() == "sk-2").await;
}

#[tokio::test]
async fn a_key_is_served_so_long_without_word_from_the_storage() {
    let bed = bed(follow()).await;
    assert_eq!(bed.get().await.unwrap(), "sk-1");
    bed.store.feeds().fail(DOWN);
    eventually("a failed look", async || bed.manager.cache_statistics().failed_looks > 0).await;
    bed.clock.advance(LAG - TICK);
    assert_eq!(bed.served().await, Served::Cache);
    bed.clock.advance(TICK);
    // The storage gives rows, only the feed is broken: a load is its own confirmation…
    assert_eq!(bed.served().await, Served::Store);
    bed.clock.advance(LAG - TICK);
    assert_eq!(bed.served().await, Served::Cache);
    bed.clock.advance(TICK);
    // …and without rows there is nothing.
    bed.store.fail(DOWN);
    assert_eq!(bed.get().await.unwrap_err(), DOWN);
    // When the storage is back, what did not change meanwhile is good again, without a load.
    let reads = bed.store.reads().calls();
    bed.store.heal();
    bed.looks(1).await;
    assert_eq!(bed.served().await, Served::Cache);
    assert_eq!(bed.store.reads().calls(), reads);
}

#[tokio::test]
async fn what_changed_in_an_outage_is_not_served_after_it() {
    let bed = bed(follow()).await;
    assert_eq!(bed.get().await.unwrap(), "sk-1");
    bed.store.fail(DOWN);
    bed.other.deactivate_api_key(&bed.id, &ChangeOptions::default()).await.unwrap();
    bed.clock.advance(LAG);
    assert_eq!(bed.get().await.unwrap_err(), DOWN);
    bed.store.heal();
    assert_eq!(bed.get().await.unwrap_err(), ErrorKind::Inactive);
}

#[tokio::test]
async fn a_look_that_hangs_confirms_nothing_and_is_given_up() {
    let lag = Duration::from_millis(200);
    let bed = bed(follow().max_revocation_lag(lag)).await;
    assert_eq!(bed.get().await.unwrap(), "sk-1");
    bed.store.feeds().hold();
    eventually("giving up", async || bed.manager.cache_statistics().failed_looks > 1).await;
    bed.clock.advance(lag);
    assert_eq!(bed.served().await, Served::Store);
    bed.store.feeds().release();
    bed.looks(1).await;
}

#[tokio::test]
async fn nobody_looks_while_nothing_is_cached() {
    let bed = bed(follow()).await;
    assert_eq!(
        bed.manager.get_api_key(&KeyId::global("none").unwrap()).await.unwrap().map(drop),
        None
    );
    tokio::time::sleep(10 * SOON).await;
    assert_eq!(bed.store.feeds().calls(), 1, "the first position");
    assert_eq!(bed.get().await.unwrap(), "sk-1");
    bed.looks(2).await;
    bed.manager.evict(&Evict::All).await;
    tokio::time::sleep(10 * SOON).await;
    let looks = bed.store.feeds().calls();
    tokio::time::sleep(10 * SOON).await;
    assert_eq!(bed.store.feeds().calls(), looks);
    // What happened while nobody looked is asked for all the same.
    bed.others_store("sk-2").await;
    assert_eq!(bed.get().await.unwrap(), "sk-2");
    bed.others_store("sk-3").await;
    eventually("the new version", async || bed.get().await.unwrap() == "sk-3").await;
}

#[tokio::test]
async fn ones_own_changes_cost_one_load_each() {
    let bed = bed(follow()).await;
    let key = ApiKey::new("sk-own").unwrap();
    bed.manager.store_api_key(&bed.id, key, &StoreOptions::default()).await.unwrap();
    assert_eq!(bed.get().await.unwrap(), "sk-own");
    bed.looks(3).await;
    bed.get().await.unwrap();
    let reads = bed.store.reads().calls();
    bed.looks(3).await;
    assert_eq!(bed.served().await, Served::Cache);
    assert_eq!(bed.store.reads().calls(), reads);
}

#[test]
fn without_a_runtime_a_key_is_served_so_long_and_loaded_again() {
    let bed = bed(follow()).now_or_never().unwrap();
    assert_eq!(bed.served().now_or_never(), Some(Served::Store));
    bed.clock.advance(LAG - TICK);
    assert_eq!(bed.served().now_or_never(), Some(Served::Cache));
    bed.clock.advance(TICK);
    bed.others_store("sk-2").now_or_never().unwrap();
    assert_eq!(bed.get().now_or_never(), Some(Ok("sk-2".to_owned())));
    assert_eq!(bed.store.feeds().calls(), 0);
}

#[test]
fn a_runtime_that_went_away_is_replaced_by_that_of_the_next_load() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let bed = runtime().block_on(async {
        let bed = bed(follow()).await;
        assert_eq!(bed.get().await.unwrap(), "sk-1");
        bed
    });
    runtime().block_on(async {
        bed.clock.advance(LAG);
        assert_eq!(bed.get().await.unwrap(), "sk-1");
        bed.looks(2).await;
        bed.others_store("sk-2").await;
        eventually("the new version", async || bed.get().await.unwrap() == "sk-2").await;
    });
}

#[tokio::test]
async fn a_manager_that_is_gone_looks_no_more() {
    let bed = bed(follow()).await;
    assert_eq!(bed.get().await.unwrap(), "sk-1");
    bed.looks(1).await;
    let store = Arc::downgrade(&bed.store);
    drop(bed);
    eventually("the end of the store", async || store.strong_count() == 0).await;
}

#[tokio::test]
async fn statistics_say_how_far_behind_it_is() {
    let bed = bed(follow()).await;
    assert_eq!(bed.manager.cache_statistics().lag, None);
    bed.get().await.unwrap();
    bed.store.feeds().fail(DOWN);
    eventually("a failed look", async || bed.manager.cache_statistics().failed_looks > 0).await;
    bed.clock.advance(LAG / 2);
    let counts = bed.manager.cache_statistics();
    assert_eq!(counts.lag, Some(LAG / 2));
    assert!(counts.looks > 0);
    assert_eq!((counts.followed, counts.evictions), (0, 0));
}

#[tokio::test]
async fn a_store_of_this_process_alone_is_not_followed_unless_said() {
    let bed = bed(FollowOptions::default()).await;
    assert!(!bed.store.capabilities().shared);
    assert_eq!(bed.get().await.unwrap(), "sk-1");
    bed.clock.advance(10 * LAG);
    assert_eq!(bed.served().await, Served::Cache);
    assert_eq!(bed.store.feeds().calls(), 0);
}

#[tokio::test]
async fn a_lag_that_no_look_can_keep_is_refused() {
    let build = async |lag| {
        let kms = KmsSet::single(LocalKms::ephemeral().unwrap());
        let builder = EnvelopeKeyManager::builder().kms(kms).store(MemoryStore::new());
        let follow = follow().max_revocation_lag(lag);
        builder.follow_changes(follow).build().await.map(drop).map_err(|error| error.kind())
    };
    assert_eq!(build(SOON + TICK).await, Ok(()));
    assert_eq!(build(SOON).await, Err(ErrorKind::InvalidInput));
    assert_eq!(build(Duration::ZERO).await, Err(ErrorKind::InvalidInput));
}

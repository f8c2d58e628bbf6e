//! What `get_api_key` and `store_api_key` cost beside the same statements without us, on each
//! database, and what a million keys cost on the servers.
//!
//! ```sh
//! cargo xtask bench databases              # all of it; starts the servers if there are none
//! cargo xtask bench databases-get_mysql    # what has this in its name
//! ```
//!
//! The KMS is the local one and the cache is off. The baseline runs the same statements in the same
//! transactions through `diesel-async`, on the same pool (ours is made of it). It seals nothing, opens
//! nothing, makes and checks no MAC, hash, identity or event: all of that is ours, and counts as such.
//! A store is a version of a key that has as many as retention keeps, so that each shreds one.
//! `memory` prints what 100,000 cached keys take.
//!
//! `…_driver` is the same by the bare client of the database, without a pool; nobody has a goal for it.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, prints, writes SQL, and may panic"
)]

use std::hint::black_box;
use std::process::ExitCode;

use diesel::ConnectionError;
use diesel_async::AsyncConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, PoolableConnection, RecyclingMethod,
};
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::CacheOptions;
use llm_keys::{ApiKey, EnvelopeKeyManager, KeyId, SecureKeyManager as _, StoreOptions};
use llm_keys_diesel::{AnyPool, DieselStore};

use crate::bed::{Bed, Kind};
use crate::driver::{Driver, Sql};
use crate::race::race;

mod bed;
mod by_hand;
mod driver;
mod memory;
mod million;
mod race;
mod tables;

/// As long as an Anthropic key.
const KEY: &[u8] = &[b'k'; 108];
const GOAL: f64 = 1.3;
/// Each of three calls has so many keys of its own.
const KEYS: usize = 20;
const GETS: usize = 150;
const STORES: usize = 40;

// What connections are told, as in `src/dialect/`.
const SQLITE: &str = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; \
    PRAGMA temp_store = MEMORY; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA secure_delete = ON;";
const POSTGRES: &str = "SET lock_timeout = 5000";
const MYSQL: &str = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), \
    innodb_lock_wait_timeout = 5, lock_wait_timeout = 5, lc_messages = 'en_US', autocommit = 1; \
    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| filter.as_deref().is_none_or(|filter| name.contains(filter));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("{:<28} {:>12} {:>12} {:>6}  goal", "pair", "ours", "baseline", "ratio");
    let met = runtime.block_on(async {
        // First, before anything else takes memory.
        if wanted("memory") {
            memory::measure().await;
        }
        let mut met = true;
        for kind in Kind::ALL {
            met &= calls(kind, wanted).await;
        }
        for kind in [Kind::Postgres, Kind::Mysql] {
            met &= million::measure(kind, wanted).await;
        }
        met
    });
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The key of this number.
pub(crate) fn id(number: usize) -> KeyId {
    KeyId::user(&format!("user-{number:07}"), "anthropic").unwrap()
}

/// Reads and writes on one database; whether the goals are met.
async fn calls(kind: Kind, wanted: impl Fn(&str) -> bool) -> bool {
    let calls = ["get", "store", "get_driver", "store_driver"];
    if !calls.iter().any(|call| wanted(&format!("{call}_{}", kind.name()))) {
        return true;
    }
    let bed = Bed::new(kind, "calls").await;
    let url = &bed.url;
    let met = match kind {
        Kind::Sqlite => {
            let path = url.strip_prefix("sqlite:").unwrap();
            let pool = pool(path, SQLITE);
            let driver = |path: String| async move { driver::Sqlite::open(&path, SQLITE) };
            let get = async |path: &str| drop(black_box(by_hand::sqlite::get(&pool, path).await));
            let store = async |path: &str| by_hand::sqlite::store(&pool, path).await;
            pairs(&bed, pool.clone(), wanted, (get, store), driver(path.to_owned())).await
        }
        Kind::Postgres => {
            let pool = pool(url, POSTGRES);
            let get = async |path: &str| drop(black_box(by_hand::postgres::get(&pool, path).await));
            let store = async |path: &str| by_hand::postgres::store(&pool, path).await;
            let driver = driver::Postgres::open(url);
            pairs(&bed, pool.clone(), wanted, (get, store), driver).await
        }
        Kind::Mysql => {
            let pool = pool(url, MYSQL);
            let get = async |path: &str| drop(black_box(by_hand::mysql::get(&pool, path).await));
            let store = async |path: &str| by_hand::mysql::store(&pool, path).await;
            let driver = driver::Mysql::open(url, MYSQL);
            pairs(&bed, pool.clone(), wanted, (get, store), driver).await
        }
    };
    bed.drop().await;
    met
}

async fn pairs<D: Driver>(
    bed: &Bed,
    pool: impl Into<AnyPool>,
    wanted: impl Fn(&str) -> bool,
    (get, store): (impl AsyncFn(&str), impl AsyncFn(&str)),
    driver: impl Future<Output = D>,
) -> bool {
    let tables = DieselStore::from_pool(pool);
    tables.migrate().await.unwrap();
    let manager = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(LocalKms::ephemeral().unwrap()))
        .store(tables)
        .cache(CacheOptions::OFF)
        .build()
        .await
        .unwrap();
    let put = async |number: usize| {
        let key = ApiKey::new(KEY).unwrap();
        manager.store_api_key(&id(number), key, &StoreOptions::default()).await.unwrap();
    };
    for number in 0..3 * KEYS {
        for _ in 0..by_hand::KEPT {
            put(number).await;
        }
    }
    let ids: Vec<_> = (0..KEYS).map(id).collect();
    // Of keys that are nobody else's: what the baselines write has no MAC that fits.
    let theirs: Vec<_> = (KEYS..2 * KEYS).map(|number| id(number).path()).collect();
    let bare: Vec<_> = (2 * KEYS..3 * KEYS).map(|number| id(number).path()).collect();
    let (sql, driver) = (Sql::new::<D>(), tokio::sync::Mutex::new(driver.await));

    let ours = async |call: usize| {
        black_box(manager.get_api_key(&ids[call % KEYS]).await.unwrap().unwrap());
    };
    let put = async |call: usize| put(call % KEYS).await;
    let mut met = true;
    let name = |pair: &str| format!("{pair}_{}", bed.kind.name());
    if wanted(&name("get")) {
        let times = race(GETS, ours, async |call| get(&theirs[call % KEYS]).await).await;
        met &= times.report(&name("get"), Some(GOAL));
    }
    if wanted(&name("get_driver")) {
        let by_driver = async |call: usize| {
            let mut driver = driver.lock().await;
            black_box(sql.get(&mut *driver, &bare[call % KEYS]).await);
        };
        race(GETS, ours, by_driver).await.report(&name("get_driver"), None);
    }
    if wanted(&name("store")) {
        let times = race(STORES, put, async |call| store(&theirs[call % KEYS]).await).await;
        met &= times.report(&name("store"), Some(GOAL));
    }
    if wanted(&name("store_driver")) {
        let by_driver = async |call: usize| {
            let mut driver = driver.lock().await;
            sql.store(&mut *driver, &bare[call % KEYS]).await;
        };
        race(STORES, put, by_driver).await.report(&name("store_driver"), None);
    }
    met
}

/// A pool set up as ours are.
fn pool<C>(url: &str, setup: &'static str) -> Pool<C>
where
    C: AsyncConnection + PoolableConnection + Send + 'static,
    AsyncDieselConnectionManager<C>:
        deadpool::managed::Manager<Type = C, Error = diesel_async::pooled_connection::PoolError>,
{
    let mut config = ManagerConfig::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |url| {
        Box::pin(async move {
            let mut conn = C::establish(url).await?;
            conn.batch_execute(setup).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        })
    });
    let manager = AsyncDieselConnectionManager::new_with_config(url, config);
    Pool::builder(manager).max_size(8).build().unwrap()
}

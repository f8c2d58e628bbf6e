//! An application with its own Diesel tables, migrations and pool keeps the keys of its bots beside
//! them, in the same SQLite file. Works in a temporary folder.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection as _, RunQueryDsl, SimpleAsyncConnection as _};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness as _, embed_migrations};
use llm_keys::kms::{KmsSet, local::LocalKms};
use llm_keys::{ApiKey, EnvelopeKeyManager, KeyId, SecureKeyManager, StoreOptions};
use llm_keys_diesel::DieselStore;

type Connection = SyncConnectionWrapper<SqliteConnection>;
type Failure = Box<dyn Error + Send + Sync>;

diesel::table! {
    /// What the application is about.
    bots (name) {
        /// What it is called.
        name -> Text,
        /// Which service it asks.
        service -> Text,
    }
}

/// The application's migrations. Those of `llm-keys` are not among them, and are not recorded in
/// Diesel's own table: `diesel migration revert` never meets one.
const MIGRATIONS: EmbeddedMigrations = embed_migrations!("inside_your_diesel_app/migrations");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let pool = application_pool(&folder.path().join("app.db").display().to_string())?;
    let mut conn = pool.get().await?;
    conn.spawn_blocking(|conn| Ok(conn.run_pending_migrations(MIGRATIONS).map(drop))).await??;

    // Our tables, all called `llm_keys_…`, come into the same file through the same pool.
    let store = DieselStore::from_pool(pool.clone());
    store.migrate().await?;
    let keys = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(LocalKms::ephemeral()?)) // In a real one: LocalKms::open(path).
        .store(store)
        .build()
        .await?;

    for (name, service) in [("translator", "anthropic"), ("painter", "openai")] {
        let bot = (bots::name.eq(name), bots::service.eq(service));
        diesel::insert_into(bots::table).values(bot).execute(&mut conn).await?;
    }
    let id = KeyId::team("translator", "anthropic")?;
    let key = ApiKey::new("sk-example-0123456789")?;
    keys.store_api_key(&id, key, &StoreOptions::default()).await?;

    let all: Vec<(String, String)> = bots::table.order(bots::name).load(&mut conn).await?;
    for (name, service) in all {
        match keys.get_api_key(&KeyId::team(&name, &service)?).await? {
            Some(key) => {
                let length = key.expose(<[u8]>::len);
                println!("{name} has a key for {service}, of {length} characters");
            }
            None => println!("{name} has no key for {service}"),
        }
    }
    keys.shutdown().await?;
    Ok(())
}

/// The pool as the application has it anyway.
fn application_pool(path: &str) -> Result<Pool<Connection>, Failure> {
    let mut config = ManagerConfig::default();
    config.custom_setup = Box::new(|path| {
        Box::pin(async move {
            let mut conn = Connection::establish(path).await?;
            // FULL: a key that was stored survives a loss of power.
            let setup = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; \
                         PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
            conn.batch_execute(setup).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        })
    });
    let manager = AsyncDieselConnectionManager::new_with_config(path, config);
    Ok(Pool::builder(manager).max_size(4).build()?)
}

//! Storage of [`llm-keys`](llm_keys) in SQL databases, through Diesel, without C client libraries.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> llm_keys::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let url = format!("sqlite:{}", folder.path().join("keys.db").display());
//! use llm_keys::store::KeyStore as _;
//! use llm_keys_diesel::DieselStore;
//!
//! let store = DieselStore::open(&url).await?; // Connects, and brings the tables up to date.
//! assert!(store.key_find(&llm_keys::KeyId::global("openai")?).await?.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! # Inside an application that has its own Diesel
//! [`DieselStore::from_pool`] takes the application's pool. Our tables begin with `llm_keys_` and
//! record their migrations in a table of their own, `llm_keys_schema`: Diesel's table
//! `__diesel_schema_migrations` stays the application's alone, and `diesel migration revert` never
//! meets a migration of ours. Run ours with [`DieselStore::migrate`], or hand
//! [`SQLITE_MIGRATIONS`] to the application's own harness: one of the two, not both.
//!
//! # Rooms
//! `url` (which database) → `pool` (connections) → `backend` (one `match` over the databases) →
//! `queries` (each written once) with `schema` and `rows`; `dialect` holds all raw SQL; `unbroken`
//! lets a begun call end even if its caller goes away.

#[cfg(not(feature = "sqlite"))]
compile_error!(
    "llm-keys-diesel is built without a database: add `features = [\"sqlite\"]` to it in Cargo.toml"
);

#[cfg(feature = "sqlite")]
pub use self::migrate::SQLITE_MIGRATIONS;
pub use self::pool::AnyPool;
#[cfg(feature = "sqlite")]
pub use self::pool::SqlitePool;
pub use self::store::DieselStore;
pub use self::url::{ConnectOptions, database_file};

#[macro_use]
mod backend;

mod dialect;
mod failure;
mod file;
mod from_env;
mod migrate;
mod pool;
mod purged;
mod queries;
mod rows;
mod schema;
mod store;
mod unbroken;
mod url;

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
//! # Databases
//! The scheme of the URL chooses; [`DieselStore::connect`] lists them.
//!
//! | feature | database |
//! |---|---|
//! | `sqlite` (default) | SQLite, built in |
//! | `postgres` | PostgreSQL, by `tokio-postgres` |
//! | `mysql` | MySQL and MariaDB, by `mysql_async` |
//!
//! The clients of the servers and their TLS more than double what is compiled, so an application
//! asks for the one that it has; the program `llm-keys` has all three.
//!
//! # Writers that meet
//! A change is one transaction. On SQLite writers take turns. On a server the rows that a change
//! expects something of are locked by reading them (`FOR UPDATE`), and what must not be there is
//! held by a unique key; the counter of the feed of changes is moved last, so commits wait for each
//! other only from there to their end, and a change with a larger number is never seen before one
//! with a smaller. A transaction that the database takes back (a deadlock, a serialization failure,
//! as distributed engines have them) is run again, a bounded number of times.
//!
//! # Rooms
//! `url` (which database) → `pool` (connections) → `backend` (one `match` over the databases) →
//! `queries` (each written once) with `schema` and `rows`; `dialect` holds all raw SQL; `unbroken`
//! lets a begun call end even if its caller goes away.

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!(
    "llm-keys-diesel is built without a database: add `sqlite`, `postgres` or `mysql` to its \
     features in Cargo.toml"
);

#[cfg(feature = "mysql")]
pub use self::migrate::MYSQL_MIGRATIONS;
pub use self::migrate::MigrationStatus;
#[cfg(feature = "postgres")]
pub use self::migrate::POSTGRES_MIGRATIONS;
#[cfg(feature = "sqlite")]
pub use self::migrate::SQLITE_MIGRATIONS;
pub use self::pool::AnyPool;
#[cfg(feature = "mysql")]
pub use self::pool::MysqlPool;
#[cfg(feature = "postgres")]
pub use self::pool::PostgresPool;
#[cfg(feature = "sqlite")]
pub use self::pool::SqlitePool;
pub use self::store::DieselStore;
pub use self::url::{ConnectOptions, database_file};

#[macro_use]
mod fail_points;
#[macro_use]
mod backend;

mod attempt;
mod dialect;
mod failure;
#[cfg(feature = "sqlite")]
mod file;
mod from_env;
#[cfg(feature = "postgres")]
mod listen;
#[cfg(not(feature = "postgres"))]
#[path = "listen/none.rs"]
mod listen;
mod migrate;
mod patience;
mod pool;
mod purged;
mod queries;
mod rows;
mod schema;
mod store;
#[cfg(feature = "tls")]
mod tls;
mod unbroken;
mod url;

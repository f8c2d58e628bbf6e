//! `llm-keys` stores API keys and gives them back: sealed by envelope encryption under a KMS key,
//! bound to who and what they are for, cached for a while in memory that is wiped.
//!
//! ```
//! # async fn demo() -> llm_keys::Result<()> {
//! use llm_keys::{ApiKey, EnvelopeKeyManager, KeyId, SecureKeyManager, StoreOptions};
//!
//! let keys = EnvelopeKeyManager::in_memory().await?;
//! let id = KeyId::user("alice", "openai")?;
//! keys.store_api_key(&id, ApiKey::new("sk-example")?, &StoreOptions::default()).await?;
//! let key = keys.get_api_key(&id).await?.expect("stored above");
//! assert_eq!(key.expose_str(str::to_owned)?, "sk-example");
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(demo()).unwrap();
//! ```
//!
//! # Rooms
//! Arrows go one way: `error`, `clock`, `random`, `secret`, `model`, `context` ← [`envelope`] ←
//! [`kms`], [`store`] (the traits) ← `cache` ← [`manager`].

pub use self::cache::CacheStatistics;
pub use self::clock::{Clock, Micros, SystemClock};
pub use self::context::EncryptionContext;
pub use self::environment::{Environment, ProcessEnvironment};
pub use self::error::{Error, ErrorKind, Result};
pub use self::manager::{
    ChangeOptions, DeleteOptions, EnvelopeKeyManager, Evict, ExpectVersion, OpenOptions, Opened,
    OpenedContent, RotateOptions, SecureKeyManager, Served, StoreOptions,
};
pub use self::model::{
    Actor, Caller, Cursor, Integrity, KeyFilter, KeyId, KeyMetadata, KeyName, KeyState, Labels,
    Owner, OwnerId, Page, PageSize, Reason, RequestId, Service, Tenant, Version, VersionMetadata,
};
pub use self::random::{Random, SystemRandom};
pub use self::secret::{ApiKey, DataKey, SecretBytes};

#[macro_use]
mod fail_points;

mod cache;
mod clock;
mod context;
mod environment;
mod private_file;
mod random;
mod secret;

pub mod envelope;
pub mod error;
pub mod event;
pub mod home;
pub mod kms;
pub mod manager;
pub mod model;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;

/// The readme's example is a test, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

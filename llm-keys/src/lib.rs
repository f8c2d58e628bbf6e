//! `llm-keys` stores API keys and gives them back: sealed by envelope encryption under a KMS key,
//! bound to who and what they are for, cached for a while in memory that is wiped.
//!
//!
//! # Rooms
//! Arrows go one way: `error`, `clock`, `random`, `secret`, `model`, `context` ← [`envelope`] ←
//! [`kms`], [`store`] (the traits) ← `cache` ← [`manager`].

pub use self::cache::CacheStatistics;
pub use self::clock::{Clock, Micros, SystemClock};
pub use self::context::EncryptionContext;
pub use self::error::{Error, ErrorKind, Result};
pub use self::manager::{
    ChangeOptions, Evict, ExpectVersion, OpenOptions, Opened, OpenedContent, SecureKeyManager,
    Served, StoreOptions,
};
pub use self::model::{
    Actor, Caller, Cursor, KeyFilter, KeyId, KeyMetadata, KeyName, KeyState, Labels, Owner,
    OwnerId, Page, PageSize, Reason, RequestId, Service, Tenant, Version,
};
pub use self::random::{Random, SystemRandom};
pub use self::secret::{ApiKey, DataKey, SecretBytes};

mod cache;
mod clock;
mod context;
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

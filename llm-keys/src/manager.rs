//! The key manager: what an application calls.
//!
//! [`SecureKeyManager`] is the trait; [`EnvelopeKeyManager`] keeps its promises with envelopes, a
//! [`KmsSet`](crate::kms::KmsSet), a [`KeyStore`](crate::store::KeyStore), a cache and an
//! [`EventSink`](crate::event::EventSink). The life of a read, room by room:
//!
//! 1. `get`: is it cached and still good? Then record the event, count the use, give a copy.
//! 2. `load`: otherwise one flight for each key reads the row and its current version, parses the
//!    envelope and compares its context, verifies the MACs of both rows, checks state and expiry,
//!    asks the KMS for the data key, and opens: commitment, header MAC, AEAD.
//! 3. The cache takes the secret, unless the key was evicted meanwhile.
//!
//! Beside it `follow` looks at the storage's feed of changes, and evicts what others changed.
//!
//! Every other use case takes the rows of a key from `verified`, plans what becomes of them, and
//! hands that to `write`: the one place where they change. `verify` looks at all rows there are.

use std::fmt;

use async_trait::async_trait;

use crate::cache::CacheStatistics;
use crate::error::Result;
use crate::model::{
    Cursor, Fallback, KeyFilter, KeyId, KeyMetadata, OwnerId, Page, PageSize, Service, Version,
    VersionMetadata,
};
use crate::secret::ApiKey;

pub use self::builder::{Builder, CacheOptions};
pub use self::due::Tended;
pub use self::envelope_manager::EnvelopeKeyManager;
pub use self::first_use::{FirstUse, first_use};
pub use self::follow::{FollowOptions, Follows};
pub use self::from_env::{parse_switch, parse_ttl};
pub use self::options::{
    ChangeOptions, DeleteOptions, Evict, ExpectVersion, OpenOptions, Opened, OpenedContent,
    Receipt, ResolveOptions, Resolved, Retention, RotateOptions, Served, StoreOptions,
};
pub use self::rewrap::{
    Failed, Item, KeptVersions, OnProgress, Progress, ResealOptions, RewrapOptions, RewrapPlan,
    RewrapReport, Under,
};
pub use self::rotate::KeyTest;
pub use self::sentinel::Sentinel;
pub use self::verify::{
    AcceptOptions, AcceptReport, CheckpointReport, Compared, Finding, VerifyOptions, VerifyReport,
};

mod allow;
mod builder;
mod change_state;
mod commit;
mod delete;
mod due;
mod envelope_manager;
mod envelopes;
mod first_use;
mod follow;
mod from_env;
mod get;
mod history;
mod list;
mod load;
mod mac_keys;
mod options;
mod pins;
mod record;
mod renew;
mod resolve;
mod retention;
mod rewrap;
mod rollback;
mod rotate;
mod row_mac;
mod sentinel;
mod start_over;
mod store;
mod system_record;
mod uses;
mod verified;
mod verify;
mod write;

/// Stores API keys and gives them back.
///
/// | # | Rule | Checked by |
/// |---|------|------------|
/// | 1 | What was stored is what `get_api_key` returns | `testing::manager::stored_is_read_back` |
/// | 2 | A missing key is `Ok(None)` (`false` for delete), never an error | `testing::manager::missing_is_none` |
/// | 3 | Storing an existing id makes the next version, and reads give that one | `testing::manager::a_second_store_is_version_two` |
/// | 4 | `expect_version` makes it compare-and-swap: `Conflict` if it does not hold | `testing::manager::expect_version_is_compare_and_swap` |
/// | 5 | An inactive key is `Inactive`, an expired one `Expired`; activating helps the first | `testing::manager::inactive_and_expired_are_typed` |
/// | 6 | A deactivated, deleted or replaced key is not served from the cache afterwards | `testing::manager::changes_beat_the_cache` |
/// | 7 | A thousand cold reads of one key at once are one KMS call and one store read | `testing::manager::a_stampede_is_one_call` |
/// | 8 | An outage is an error of its kind, never `None` | `testing::manager::an_outage_is_never_none` |
/// | 9 | A failing event sink stops every operation, and nothing is revealed or changed | `testing::manager::a_failing_sink_stops_everything` |
/// | 10 | One event for each operation, with caller and outcome, and never the secret | `testing::manager::one_event_each` |
/// | 11 | A cached key is served for its time to live, then loaded again | `testing::manager::the_cache_lives_its_ttl` |
/// | 12 | The last use is in the metadata after `shutdown` | `testing::manager::last_use_is_flushed` |
/// | 13 | A row's envelope moved to another key is `Integrity` | `testing::manager::a_moved_envelope_is_refused` |
/// | 14 | A deleted key stored again is a new record with version 1 | `testing::manager::deleted_and_stored_is_new` |
/// | 15 | The history tells every version, newest first: by whom, why, when, and its state | `testing::manager::history_tells_every_version` |
/// | 16 | A rollback seals the old version again, as a new one | `testing::manager::a_rollback_is_a_new_version` |
/// | 17 | A rotation is pending before it is current, the old version good for the overlap, and readers get the current one | `testing::manager::a_rotation_has_two_phases` |
/// | 18 | A deleted key is not given out, and comes back inactive; one that is deleted at once leaves no row | `testing::manager::a_deleted_key_can_come_back` |
/// | 19 | Pruning shreds the oldest envelopes, and keeps the rows | `testing::manager::pruning_keeps_the_newest` |
/// | 20 | What another manager on the same storage changes is seen, also of a cached key | `testing::manager::changes_by_others_are_seen` |
/// | 21 | A cached key is not served once the storage has not answered for `max_revocation_lag` | `testing::manager::without_word_from_the_storage_nothing_is_served` |
#[async_trait]
pub trait SecureKeyManager: fmt::Debug + Send + Sync {
    /// Seals `key` and stores it as the new current version of `id`.
    ///
    /// # Errors
    /// `Conflict` if `options.expect_version` does not hold, or others kept writing the same key;
    /// `Kms`, `Store`, `EventSink` if that part fails. `Ok` means that the key is stored; after an
    /// error of kind `Store` it may be, too, if only the storage's answer was lost.
    async fn store_api_key(
        &self,
        id: &KeyId,
        key: ApiKey,
        options: &StoreOptions,
    ) -> Result<Version>;

    /// The current version of `id`, from the cache where it is good; `None` if there is no such
    /// key.
    ///
    /// # Errors
    /// `Inactive`, `Expired`; `Integrity` if the stored bytes are damaged or moved; `Kms`, `Store`,
    /// `EventSink` if that part fails.
    async fn get_api_key(&self, id: &KeyId) -> Result<Option<ApiKey>>;

    /// As [`get_api_key`](Self::get_api_key), with a caller, any version, and what is known of it.
    /// A version that is not the current one never comes from the cache.
    async fn open(&self, id: &KeyId, options: &OpenOptions) -> Result<Option<Opened>>;

    /// The key for `service` that `user` is to use, and why it is this one: the user's own, or one of
    /// those that `policy` allows to stand in for it; `None` if none of them has one.
    ///
    /// Only the lack of a key leads from one to the next. A key that is there and cannot be used, such
    /// as an inactive one, is an error, as an outage is: nobody else's key is used for it.
    ///
    /// # Errors
    /// As [`get_api_key`](Self::get_api_key), about the key that failed; `InvalidInput` if there are
    /// more than 100 teams, or if what stands in the environment variable is no key.
    async fn resolve(
        &self,
        user: &OwnerId,
        teams: &[OwnerId],
        service: &Service,
        policy: Fallback,
        options: &ResolveOptions,
    ) -> Result<Option<Resolved>>;

    /// One page of what is known about keys; no secret, no KMS call.
    async fn list_api_keys(
        &self,
        filter: &KeyFilter,
        after: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page<KeyMetadata>>;

    /// What is known about one key; no secret, no KMS call.
    async fn key_metadata(&self, id: &KeyId) -> Result<Option<KeyMetadata>>;

    /// Stops giving out `id`, until [`activate_api_key`](Self::activate_api_key).
    async fn deactivate_api_key(
        &self,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>>;

    /// Gives out `id` again.
    async fn activate_api_key(
        &self,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>>;

    /// Deletes `id`: nobody is given it any more, and it is purged when its time is over; or, with
    /// `options.now`, it goes at once and for good, with all its versions. `false` if there is no
    /// such key.
    async fn delete_api_key(&self, id: &KeyId, options: &DeleteOptions) -> Result<bool>;

    /// Takes back that `id` was deleted. It is inactive then, until it is
    /// [activated](Self::activate_api_key). `None` if there is no such key, or it was purged.
    ///
    /// # Errors
    /// `InvalidInput` if it is not deleted; else as for deactivating it.
    async fn undelete_api_key(
        &self,
        id: &KeyId,
        options: &ChangeOptions,
    ) -> Result<Option<KeyMetadata>>;

    /// All versions of `id`, newest first, also of a deleted key; no secret. `None` if there is no
    /// such key.
    ///
    /// # Errors
    /// `Integrity` if the row of one is missing, or not as it was written; `Store`, and `Kms` where
    /// the row MAC keys are not open yet.
    async fn key_history(&self, id: &KeyId) -> Result<Option<Vec<VersionMetadata>>>;

    /// Makes what version `to` of `id` holds current again: sealed anew, as the newest version,
    /// whose number this gives. The expiry stays as it is. `None` if there is no such key.
    ///
    /// # Errors
    /// `InvalidInput` if there is no such version, it was shredded, or it is the current one; else as
    /// for reading and storing.
    async fn rollback_api_key(
        &self,
        id: &KeyId,
        to: Version,
        options: &ChangeOptions,
    ) -> Result<Option<Version>>;

    /// Replaces what `id` holds by `key`, in two phases: the new version is stored as pending, tested
    /// if the manager was built with a [`KeyTest`], and then made current; its number. The old one is
    /// retiring for `options.overlap`. `None` if there is no such key.
    ///
    /// # Errors
    /// What the test said; `Conflict` if another rotation or a deletion overtook this one; else as
    /// for storing. Then the old version is current as before, but for an error of kind `Store`,
    /// after which either may be.
    async fn rotate_api_key(
        &self,
        id: &KeyId,
        key: ApiKey,
        options: &RotateOptions,
    ) -> Result<Option<Version>>;

    /// Shreds the envelopes of the oldest versions of `id`, so that `keep` are left; how many. The
    /// current one counts and stays; so do those that are pending, or still good at the service. The
    /// history keeps them all. `None` if there is no such key.
    ///
    /// # Errors
    /// `InvalidInput` if `keep` is zero; else as for deactivating a key.
    async fn prune_api_key(
        &self,
        id: &KeyId,
        keep: u32,
        options: &ChangeOptions,
    ) -> Result<Option<u32>>;

    /// Forgets cached keys, and those being loaded; how many were cached.
    async fn evict(&self, what: &Evict) -> u64;

    /// Loads `id` into the cache anew, whatever is cached; its version, or `None` if there is no
    /// such key. A failure leaves what is cached as it is.
    async fn refresh(&self, id: &KeyId) -> Result<Option<Version>>;

    /// Loads those of `ids` that are not cached, several at once; for each, whether it is there.
    async fn prewarm(&self, ids: &[KeyId]) -> Vec<(KeyId, Result<bool>)>;

    /// Counts since the manager was built.
    fn cache_statistics(&self) -> CacheStatistics;

    /// Writes last uses that wait, and forgets all cached keys. Call it before the process ends.
    async fn shutdown(&self) -> Result<()>;
}

//! The rules of [`SecureKeyManager`](crate::SecureKeyManager), each as a function that panics
//! where the manager breaks it.
//!
//! The suite brings the parts, all of them fakes that it steers, and the manager under test is
//! built from them:
//!
//! ```
//! mod conformance {
//!     use llm_keys::EnvelopeKeyManager;
//!     use llm_keys::manager::CacheOptions;
//!
//!     llm_keys::manager_conformance!(async |parts| {
//!         EnvelopeKeyManager::builder()
//!             .kms(parts.kms)
//!             .store(parts.store)
//!             .event_sink(parts.sink)
//!             .clock(parts.clock)
//!             .random(parts.random)
//!             .cache(CacheOptions::default().ttl(parts.cache_ttl))
//!             .follow_changes(parts.follow)
//!             .caller(parts.caller)
//!             .build()
//!             .await
//!             .unwrap()
//!     });
//! }
//! ```
//!
//! The tests need `tokio` with the features `macros` and `rt-multi-thread`.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::event::EventSink;
use crate::kms::KmsSet;
use crate::manager::FollowOptions;
use crate::model::Caller;
use crate::random::Random;
use crate::store::KeyStore;

pub use self::cached::{changes_beat_the_cache, the_cache_lives_its_ttl};
pub use self::followed::{
    changes_by_others_are_seen, without_word_from_the_storage_nothing_is_served,
};
pub use self::last_use::last_use_is_flushed;
pub use self::life::{
    a_deleted_key_can_come_back, a_rollback_is_a_new_version, a_rotation_has_two_phases,
    history_tells_every_version, pruning_keeps_the_newest,
};
pub use self::moved::a_moved_envelope_is_refused;
pub use self::outages::an_outage_is_never_none;
pub use self::reads::{missing_is_none, stored_is_read_back};
pub use self::records::one_event_each;
pub use self::sinks::{a_failing_sink_stops_everything, a_sink_that_wants_nothing_gets_nothing};
pub use self::stampede::a_stampede_is_one_call;
pub use self::states::inactive_and_expired_are_typed;
pub use self::versions::{
    a_second_store_is_version_two, deleted_and_stored_is_new, expect_version_is_compare_and_swap,
};

mod bed;
mod cached;
pub(crate) mod followed;
mod last_use;
mod life;
mod moved;
mod outages;
mod reads;
mod records;
mod sinks;
mod stampede;
mod states;
mod versions;

/// What the manager under test is to be built from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Parts {
    /// The KMS to write and read with.
    pub kms: KmsSet,
    /// Where keys are stored.
    pub store: Arc<dyn KeyStore>,
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub random: Arc<dyn Random>,
    /// How long a secret is served from memory; zero: no cache.
    pub cache_ttl: Duration,
    /// How changes by others reach the cache.
    pub follow: FollowOptions,
    /// Who asks, where a call does not say so itself.
    pub caller: Caller,
}

/// Makes one test of each rule of [`SecureKeyManager`](crate::SecureKeyManager).
///
/// `manager_conformance!(async |parts| manager)`: the expression may await, sees
/// `parts: testing::manager::Parts`, and gives a manager that is built from all of them.
///
/// The keys lie in memory. `manager_conformance!(async |parts| manager, store: async || store)` puts
/// them elsewhere: the second expression gives an empty store each time, of which the suite still
/// steers the calls.
#[macro_export]
macro_rules! manager_conformance {
    (async |$parts:ident| $build:expr) => {
        $crate::manager_conformance! {
            async |$parts| $build,
            store: async || $crate::store::MemoryStore::new()
        }
    };
    (async |$parts:ident| $build:expr, store: async || $open:expr) => {
        $crate::manager_conformance! { @each $parts, ($build), ($open),
            stored_is_read_back
            missing_is_none
            a_second_store_is_version_two
            expect_version_is_compare_and_swap
            inactive_and_expired_are_typed
            changes_beat_the_cache
            a_stampede_is_one_call
            an_outage_is_never_none
            a_failing_sink_stops_everything
            a_sink_that_wants_nothing_gets_nothing
            one_event_each
            the_cache_lives_its_ttl
            last_use_is_flushed
            a_moved_envelope_is_refused
            deleted_and_stored_is_new
            history_tells_every_version
            a_rollback_is_a_new_version
            a_rotation_has_two_phases
            a_deleted_key_can_come_back
            pruning_keeps_the_newest
            changes_by_others_are_seen
            without_word_from_the_storage_nothing_is_served
        }
    };
    (@each $parts:ident, $build:tt, $open:tt, $($rule:ident)*) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $rule() {
                let build = async |$parts: $crate::testing::manager::Parts| $build;
                let open = async || {
                    let store = $open;
                    ::std::sync::Arc::new(store) as $crate::testing::store::SharedStore
                };
                $crate::testing::manager::$rule(build, open).await;
            }
        )*
    };
}

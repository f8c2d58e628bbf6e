//! What [`rewrap`](crate::EnvelopeKeyManager::rewrap) and
//! [`reseal`](crate::EnvelopeKeyManager::reseal) promise, each promise as a function that panics where
//! it is broken: the engine's own tests, for every store.
//!
//! ```
//! mod rewrap {
//!     llm_keys::rewrap_conformance!(async |_name| llm_keys::store::MemoryStore::new());
//! }
//! ```
//!
//! The tests need `tokio` with the features `macros` and `rt-multi-thread`.

pub use self::live::{
    live_readers_and_writers_see_nothing, live_readers_with_a_cache_see_nothing,
    two_rewraps_and_every_change_at_once,
};
pub use self::moves::{
    copies_are_exact_and_payloads_stay, copies_of_several_kms_are_added_and_dropped,
    everything_is_wrapped_on_request, the_plan_says_what_the_rewrap_does,
};
pub use self::reseals::a_reseal_changes_all_but_the_secret;
pub use self::trouble::{
    a_copy_that_does_not_open_is_never_stored, a_refusing_kms_ends_it_and_the_next_run_goes_on,
    an_outage_ends_it_and_the_next_run_goes_on, damage_is_left_alone_and_told,
    nothing_begins_under_a_kms_that_does_not_work, what_cannot_be_recorded_is_not_done,
};

mod bed;
mod history;
mod live;
mod moves;
mod reseals;
mod trouble;

/// Makes one test of each promise.
///
/// `rewrap_conformance!(async |name| store)`: the expression may await, sees the promise's name as
/// `name: &str`, and gives an empty store that no other test uses.
#[macro_export]
macro_rules! rewrap_conformance {
    (async |$name:ident| $open:expr) => {
        $crate::rewrap_conformance! { @each $name, ($open),
            copies_are_exact_and_payloads_stay
            copies_of_several_kms_are_added_and_dropped
            everything_is_wrapped_on_request
            the_plan_says_what_the_rewrap_does
            a_reseal_changes_all_but_the_secret
            nothing_begins_under_a_kms_that_does_not_work
            an_outage_ends_it_and_the_next_run_goes_on
            a_refusing_kms_ends_it_and_the_next_run_goes_on
            damage_is_left_alone_and_told
            a_copy_that_does_not_open_is_never_stored
            what_cannot_be_recorded_is_not_done
            live_readers_and_writers_see_nothing
            live_readers_with_a_cache_see_nothing
            two_rewraps_and_every_change_at_once
        }
    };
    (@each $name:ident, $open:tt, $($rule:ident)*) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $rule() {
                let $name: &str = ::core::stringify!($rule);
                let store: $crate::testing::store::SharedStore = ::std::sync::Arc::new($open);
                $crate::testing::rewrap::$rule(&store).await;
            }
        )*
    };
}

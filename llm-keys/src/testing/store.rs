//! The rules of [`KeyStore`], each as a function that panics where the store breaks it.
//!
//! A backend runs them all with one line in its integration tests. `name` is the rule's name; the
//! expression gives a store that is empty and shared with no other test:
//!
//! ```
//! mod conformance {
//!     llm_keys::key_store_conformance!(async |_name| llm_keys::store::MemoryStore::new());
//! }
//! ```
//!
//! The tests need `tokio` with the features `macros` and `rt-multi-thread`.

use std::sync::Arc;

use crate::store::KeyStore;

pub use self::due::due_keys_are_found;
pub use self::events::events_ride_in_the_change;
pub use self::expectations::{
    a_purged_key_makes_room, absent_conflicts, stale_expectations_conflict,
    uncovered_writes_are_refused,
};
pub use self::feed::the_feed_names_changed_keys;
pub use self::hints::{hints_are_given, managers_follow_each_other};
pub use self::ids::ids_never_collide;
pub use self::last_use::{replacing_keeps_last_use, touch_moves_forward};
pub use self::pages::{a_cursor_outlives_its_key, deleted_keys_hide, pages_cover_everything_once};
pub use self::race::one_writer_wins;
pub use self::rows::{missing_is_none, purge_takes_everything, rows_come_back_equal};
pub use self::scans::{
    a_scan_covers_every_envelope_once, a_scan_covers_every_key_once, all_system_records,
    all_versions_of_a_record,
};
pub use self::system::system_records_are_per_tenant;

mod due;
mod events;
mod expectations;
mod feed;
mod hints;
mod ids;
mod last_use;
mod pages;
mod race;
mod rows;
mod sample;
mod scans;
mod system;

/// What each rule is given: a store of its own, shared so that a rule can start tasks.
pub type SharedStore = Arc<dyn KeyStore>;

/// Makes one test of each rule of [`KeyStore`](crate::store::KeyStore).
///
/// `key_store_conformance!(async |name| store)`: the expression may await, sees the rule's name as
/// `name: &str`, and gives an empty store that no other test uses.
#[macro_export]
macro_rules! key_store_conformance {
    (async |$name:ident| $open:expr) => {
        $crate::key_store_conformance! { @each $name, ($open),
            missing_is_none
            rows_come_back_equal
            absent_conflicts
            stale_expectations_conflict
            uncovered_writes_are_refused
            one_writer_wins
            ids_never_collide
            pages_cover_everything_once
            a_cursor_outlives_its_key
            deleted_keys_hide
            purge_takes_everything
            touch_moves_forward
            replacing_keeps_last_use
            the_feed_names_changed_keys
            system_records_are_per_tenant
            events_ride_in_the_change
            all_versions_of_a_record
            a_scan_covers_every_envelope_once
            a_scan_covers_every_key_once
            all_system_records
            due_keys_are_found
            a_purged_key_makes_room
            hints_are_given
            managers_follow_each_other
        }
    };
    (@each $name:ident, $open:tt, $($rule:ident)*) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $rule() {
                let $name: &str = ::core::stringify!($rule);
                let store: $crate::testing::store::SharedStore = ::std::sync::Arc::new($open);
                $crate::testing::store::$rule(&store).await;
            }
        )*
    };
}

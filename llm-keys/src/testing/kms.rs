//! The rules of [`KmsProvider`], each as a function that panics where the KMS breaks it.
//!
//! A backend runs them all with one line in its integration tests. `name` is the rule's name; the
//! expression gives two providers of that backend under different keys, since some rules are about
//! blobs of a key that is not ours:
//!
//! ```
//! mod conformance {
//!     use llm_keys::kms::local::LocalKms;
//!     use llm_keys::testing::kms::TwoKeys;
//!
//!     llm_keys::kms_conformance!(async |_name| {
//!         TwoKeys::new(LocalKms::ephemeral().unwrap(), LocalKms::ephemeral().unwrap())
//!     });
//! }
//! ```
//!
//! The tests need `tokio` with the features `macros` and `rt-multi-thread`. What a backend cannot
//! do it says in its [capabilities](crate::kms::KmsCapabilities), and the rules ask no more.

use std::sync::Arc;

use crate::kms::KmsProvider;

pub use self::calls::{a_dropped_call_hurts_nobody, check_succeeds, many_at_once};
pub use self::refusals::{
    damaged_blob_is_refused, errors_hold_no_key, foreign_key_is_wrong_key, other_context_is_refused,
};
pub use self::wraps::{round_trip, sizes_fit_the_envelope, wrapped_names_the_key, wraps_differ};

mod calls;
mod refusals;
pub(in crate::testing) mod sample;
mod wraps;

/// What each rule is given: the provider under test, and one of the same backend with another key.
#[derive(Clone, Debug)]
pub struct TwoKeys {
    /// The provider under test.
    pub kms: Arc<dyn KmsProvider>,
    /// The same backend with another key, which `kms` does not read with.
    pub other: Arc<dyn KmsProvider>,
}

impl TwoKeys {
    /// Those two.
    pub fn new(kms: impl KmsProvider + 'static, other: impl KmsProvider + 'static) -> Self {
        Self { kms: Arc::new(kms), other: Arc::new(other) }
    }
}

/// Makes one test of each rule of [`KmsProvider`](crate::kms::KmsProvider).
///
/// `kms_conformance!(async |name| two_keys)`: the expression may await, sees the rule's name as
/// `name: &str`, and gives a [`TwoKeys`](crate::testing::kms::TwoKeys).
#[macro_export]
macro_rules! kms_conformance {
    (async |$name:ident| $open:expr) => {
        $crate::kms_conformance! { @each $name, ($open),
            round_trip
            wrapped_names_the_key
            other_context_is_refused
            damaged_blob_is_refused
            foreign_key_is_wrong_key
            wraps_differ
            sizes_fit_the_envelope
            many_at_once
            a_dropped_call_hurts_nobody
            check_succeeds
            errors_hold_no_key
        }
    };
    (@each $name:ident, $open:tt, $($rule:ident)*) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $rule() {
                let $name: &str = ::core::stringify!($rule);
                let keys: $crate::testing::kms::TwoKeys = $open;
                $crate::testing::kms::$rule(&keys).await;
            }
        )*
    };
}

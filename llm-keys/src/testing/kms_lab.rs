//! The rules of a KMS whose keys change: disabled, deleted, rotated, never there, not ours to use.
//!
//! [`kms_conformance!`](crate::kms_conformance) asks a provider only. These rules need the service's
//! administrator, too, who is a [`KmsLab`]. What a service has no such thing for, its lab leaves at
//! the default, which is [`Cannot`]; and then the rules that need it are declared, so that the test
//! is called `rule::cannot`. A rule that is left out without a word fails, and so does one that is
//! declared and would pass:
//!
//! ```
//! mod lab {
//!     use std::sync::Arc;
//!
//!     use llm_keys::kms::KmsProvider;
//!     use llm_keys::kms::local::{LocalKms, MasterKey};
//!     use llm_keys::testing::kms_lab::KmsLab;
//!
//!     struct OneKey([u8; 32]);
//!
//!     #[async_trait::async_trait]
//!     impl KmsLab for OneKey {
//!         async fn open(&self) -> llm_keys::Result<Arc<dyn KmsProvider>> {
//!             Ok(Arc::new(LocalKms::new(MasterKey::from_bytes(&self.0)?, Vec::new())))
//!         }
//!     }
//!
//!     llm_keys::kms_lab_conformance!(async |_name| OneKey([7; 32]), cannot: [
//!         disabled_key_is_refused,
//!         enabled_key_works_again,
//!         deleted_key_is_refused,
//!         rotated_key_opens_old_and_new,
//!         missing_key_is_missing,
//!         missing_key_is_never_made,
//!         denied_caller_is_denied,
//!         denial_is_not_retried,
//!         non_ascii_name_works_or_is_invalid,
//!     ]);
//! }
//! ```
//!
//! The tests need `tokio` with the features `macros` and `rt-multi-thread`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{KmsFault, Result};
use crate::kms::KmsProvider;

pub use self::callers::{
    denial_is_not_retried, denied_caller_is_denied, missing_key_is_missing,
    missing_key_is_never_made,
};
pub use self::inputs::{
    every_byte_of_an_id_is_bound, non_ascii_name_works_or_is_invalid, odd_sized_blob_is_refused,
};
pub use self::states::{
    deleted_key_is_refused, disabled_key_is_refused, enabled_key_works_again,
    rotated_key_opens_old_and_new,
};

mod callers;
mod inputs;
mod refused;
mod states;

/// A service with one fresh key, and its administrator. Each rule gets one of its own.
///
/// What the administrator changes has taken effect when the method returns: a service that is
/// slow about it is waited for there. A method that fails panics.
///
/// | # | Rule | Checked by |
/// |---|------|------------|
/// | 1 | A disabled key is `Kms(KeyDisabled)` for each call, and that is no outage | `testing::kms_lab::disabled_key_is_refused` |
/// | 2 | Enabled again, it opens what it wrapped before, for whoever was connected all the time, too | `testing::kms_lab::enabled_key_works_again` |
/// | 3 | A deleted key is `Kms(KeyDisabled)` while it can be restored and `Kms(KeyMissing)` after, as the backend documents | `testing::kms_lab::deleted_key_is_refused` |
/// | 4 | A rotated key opens what it wrapped before, and what it wraps from then on | `testing::kms_lab::rotated_key_opens_old_and_new` |
/// | 5 | A key that is not there is `Kms(KeyMissing)` | `testing::kms_lab::missing_key_is_missing` |
/// | 6 | Asking for it does not make it | `testing::kms_lab::missing_key_is_never_made` |
/// | 7 | A caller without the permission is `Kms(Denied)`, with a hint | `testing::kms_lab::denied_caller_is_denied` |
/// | 8 | A denial takes no more requests than a permission | `testing::kms_lab::denial_is_not_retried` |
/// | 9 | A blob that is empty or longer than 4096 bytes is refused, and no more than that happens | `testing::kms_lab::odd_sized_blob_is_refused` |
/// | 10 | Every byte that an id may have, and ids of the greatest length, are carried and told apart | `testing::kms_lab::every_byte_of_an_id_is_bound` |
/// | 11 | A key whose name is not ASCII works, or its name is `InvalidInput` | `testing::kms_lab::non_ascii_name_works_or_is_invalid` |
#[async_trait]
pub trait KmsLab: Send + Sync {
    /// A new provider for the key, with all rights.
    ///
    /// # Errors
    /// What the backend says, such as that the key is disabled.
    async fn open(&self) -> Result<Arc<dyn KmsProvider>>;

    /// Switches the key off, so that it can be switched on again.
    async fn disable(&self) -> Able {
        Cannot::because("a key cannot be disabled")
    }

    /// Switches the key on again.
    async fn enable(&self) -> Able {
        Cannot::because("a key cannot be enabled")
    }

    /// Deletes the key, or starts the time after which it is gone; gives what the backend's
    /// documentation says that it is from now on: `KeyDisabled` or `KeyMissing`.
    async fn delete(&self) -> Able<KmsFault> {
        Cannot::because("a key cannot be deleted")
    }

    /// Gives the key new material, under which it wraps from now on.
    async fn rotate(&self) -> Able {
        Cannot::because("a key cannot be rotated")
    }

    /// A provider, with all rights, for a key that is not there.
    async fn open_missing(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        Cannot::because("no key can be missing")
    }

    /// Whether the key of [`open_missing`](Self::open_missing) is there now.
    async fn missing_is_there(&self) -> Able<bool> {
        Cannot::because("nobody knows which keys are there")
    }

    /// A provider for the key with credentials that are good and permit none of its calls.
    async fn open_denied(&self) -> Able<Result<Arc<dyn KmsProvider>>> {
        Cannot::because("nobody can be denied")
    }

    /// How many requests the service got so far.
    fn requests(&self) -> Able<usize> {
        Cannot::because("requests cannot be counted")
    }

    /// A provider for a key of that name, which is made first if the service lets one make it.
    async fn open_named(&self, _name: &str) -> Able<Result<Arc<dyn KmsProvider>>> {
        Cannot::because("keys have no names")
    }
}

/// What a [`KmsLab`] gives, if it can.
pub type Able<T = ()> = std::result::Result<T, Cannot>;

/// What this service has no such thing for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cannot(&'static str);

impl Cannot {
    /// That it cannot, and why: `a key cannot be disabled`.
    ///
    /// # Errors
    /// Always: it is for the end of a method of [`KmsLab`].
    pub fn because<T>(why: &'static str) -> Able<T> {
        Err(Self(why))
    }
}

impl fmt::Display for Cannot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Cannot {}

#[doc(hidden)]
pub fn assert_able(rule: &str, outcome: Able) {
    if let Err(why) = outcome {
        panic!("`{rule}` was not checked: {why}. Declare it with `cannot: [{rule}]`");
    }
}

#[doc(hidden)]
pub fn assert_unable(rule: &str, outcome: Able) {
    assert!(outcome.is_err(), "`{rule}` holds: take it out of `cannot`");
}

/// Makes one test of each rule of [`KmsLab`](crate::testing::kms_lab::KmsLab).
///
/// `kms_lab_conformance!(async |name| lab, cannot: [rule, …])`: the expression may await, sees the
/// last part of the test's name as `name: &str`, and gives a `KmsLab`. A rule that the lab cannot
/// be asked about stands in `cannot`, and its test is `rule::cannot`, in a module that sees what
/// the one around sees.
#[macro_export]
macro_rules! kms_lab_conformance {
    (async |$name:ident| $open:expr $(, cannot: [$($cannot:ident),* $(,)?])? $(,)?) => {
        $crate::kms_lab_conformance! { @each ($), $name, [$($($cannot)*)?], ($open),
            disabled_key_is_refused
            enabled_key_works_again
            deleted_key_is_refused
            rotated_key_opens_old_and_new
            missing_key_is_missing
            missing_key_is_never_made
            denied_caller_is_denied
            denial_is_not_retried
            odd_sized_blob_is_refused
            every_byte_of_an_id_is_bound
            non_ascii_name_works_or_is_invalid
        }
    };
    (@each ($d:tt), $name:ident, [$($cannot:ident)*], $open:tt, $($rule:ident)*) => {
        macro_rules! __kms_lab_test {
            $(($cannot) => {
                mod $cannot {
                    use super::*;

                    #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn cannot() {
                        let $name: &str = "cannot";
                        let lab = $open;
                        let outcome = $crate::testing::kms_lab::$cannot(&lab).await;
                        $crate::testing::kms_lab::assert_unable(
                            ::core::stringify!($cannot),
                            outcome,
                        );
                    }
                }
            };)*
            ($d rule:ident) => {
                #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $d rule() {
                    let $name: &str = ::core::stringify!($d rule);
                    let lab = $open;
                    let outcome = $crate::testing::kms_lab::$d rule(&lab).await;
                    $crate::testing::kms_lab::assert_able(::core::stringify!($d rule), outcome);
                }
            };
        }
        $(__kms_lab_test!($rule);)*
    };
}

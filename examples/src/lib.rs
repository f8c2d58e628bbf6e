//! A KMS and a storage of one's own. The programs beside this folder show how they are used, and
//! `tests/it` shows that they keep the contracts of their traits.

pub use self::measured_store::{Measure, MeasuredStore, Measures};
pub use self::two_person_kms::TwoPersonKms;

mod measured_store;
mod two_person_kms;

/// The example of the project's readme is compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

//! Conformance suites, fakes and mocks: for the tests of a backend or of an application. Needs the
//! feature `testing`, which adds this module and changes nothing else.
//!
//! - A **suite** holds one `async fn` for each numbered rule of a trait's contract; a macro makes
//!   one test of each: [`key_store_conformance!`](crate::key_store_conformance),
//!   [`kms_conformance!`](crate::kms_conformance),
//!   [`kms_lab_conformance!`](crate::kms_lab_conformance),
//!   [`manager_conformance!`](crate::manager_conformance),
//!   [`rewrap_conformance!`](crate::rewrap_conformance). `docs/guides` says how a new backend runs
//!   them.
//! - A [fake](fakes) is a working part that a test can steer: a clock that is moved by hand, a KMS or
//!   a store that fails, hangs and counts its calls.
//! - A [mock](mocks) does nothing but what a test expects of it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a rule that does not hold must stop the test that runs it"
)]

pub mod fakes;
pub mod kms;
pub mod kms_lab;
pub mod manager;
pub mod mocks;
pub mod rewrap;
pub mod store;

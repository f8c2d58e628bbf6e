//! The crate's own backends under the conformance suites, and the suites under broken ones.

mod kms;
mod manager;
mod store;

//! The crate's own backends under the conformance suites, and the suites under broken ones.

mod broken;
mod contract;
mod kms;
mod manager;
mod store;

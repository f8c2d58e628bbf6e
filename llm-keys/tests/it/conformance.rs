//! The crate's own backends under the conformance suites, and the suites under broken ones.

mod broken;
mod contract;
mod kms;
mod kms_lab;
mod manager;
mod store;

//! Tests of `DieselStore` on real SQLite files, PostgreSQL and MySQL servers.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where it fails"
)]

#[macro_use]
mod database;

mod conformance;
mod damaged;
mod failures;
mod feed;
mod files;
mod fixture;
mod follow;
mod names;
mod plaintext;
mod processes;
mod purged;
mod runtime;
mod schema;
mod servers;
mod tampered;

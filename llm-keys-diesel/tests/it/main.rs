//! Tests of `DieselStore` on real SQLite files.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

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

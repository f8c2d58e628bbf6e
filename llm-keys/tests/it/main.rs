//! The engine from outside: one test binary, one module for each subject.
#![cfg(test)]

mod conformance;
mod envelope;
mod gcm;
#[cfg(feature = "kms-azure")]
mod kms_azure;
mod manager;
mod mocks;
mod seeded;
mod vectors;
mod wycheproof;

//! The engine from outside: one test binary, one module for each subject.
#![cfg(test)]

mod conformance;
mod envelope;
mod gcm;
#[cfg(feature = "kms-remote")]
mod kms_guarded;
mod kms_set;
#[cfg(feature = "kms-vault")]
mod kms_vault;
mod manager;
mod manager_outage;
mod mocks;
mod seeded;
mod vectors;
mod wycheproof;

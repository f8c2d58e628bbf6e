//! The engine from outside: one test binary, one module for each subject.
#![cfg(test)]

mod conformance;
mod envelope;
mod gcm;
#[cfg(feature = "kms-remote")]
mod kms_guarded;
#[cfg(feature = "kms-pkcs11")]
mod kms_pkcs11;
mod kms_set;
mod manager;
mod manager_outage;
mod mocks;
mod outage_table;
mod seeded;
mod vectors;
mod wycheproof;

//! The engine from outside: one test binary, one module for each subject.
#![cfg(test)]

mod conformance;
mod envelope;
mod fault_proxy;
mod gcm;
#[cfg(feature = "kms-pkcs11")]
mod kms_pkcs11;
mod manager;
mod mocks;
mod seeded;
mod vectors;
mod wycheproof;

//! The engine from outside: one test binary, one module for each subject.
#![cfg(test)]

mod conformance;
mod envelope;
mod gcm;
#[cfg(feature = "kms-aws")]
mod kms_aws;
mod manager;
mod mocks;
mod seeded;
mod vectors;
mod wycheproof;

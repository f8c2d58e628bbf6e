//! The engine from outside: one test binary, one module for each subject.
#![cfg(test)]

mod conformance;
mod envelope;
mod fault_proxy;
mod gcm;
#[cfg(feature = "kms-aws")]
mod kms_aws;
#[cfg(feature = "kms-azure")]
mod kms_azure;
mod kms_calls;
#[cfg(feature = "kms-gcp")]
mod kms_gcp;
#[cfg(feature = "kms-remote")]
mod kms_guarded;
#[cfg(feature = "kms-pkcs11")]
mod kms_pkcs11;
mod kms_set;
#[cfg(all(feature = "kms-aws", feature = "kms-azure", feature = "kms-gcp", feature = "kms-vault"))]
mod kms_trouble;
#[cfg(feature = "kms-vault")]
mod kms_vault;
mod manager;
mod manager_follow;
mod manager_life;
mod manager_outage;
mod manager_sentinel;
mod manager_verified;
mod manager_verify;
mod mocks;
mod outage_table;
mod resolve;
mod rewrap;
mod seeded;
mod vectors;
mod wycheproof;

//! The examples run and say what they should; what they define keeps the contracts of its traits.
#![cfg(test)]

#[cfg(feature = "kms-aws")]
mod aws_kms;
mod measured_store;
mod programs;
mod two_person_kms;

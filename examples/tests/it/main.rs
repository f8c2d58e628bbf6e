//! The examples run and say what they should; what they define keeps the contracts of its traits.
#![cfg(test)]

mod measured_store;
mod programs;
mod two_person_kms;

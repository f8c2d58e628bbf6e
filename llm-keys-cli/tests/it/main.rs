//! The program as its users run it: processes, files, pipes and terminals.
#![cfg(test)]

mod crash;
mod deleted;
mod hung_hsm;
mod import;
mod kms_allow;
mod kms_policy;
mod processes;
mod reference;
mod rewrap;
mod run;
mod sandbox;
mod secrecy;
mod sessions;
mod silent_kms;
mod terminal;

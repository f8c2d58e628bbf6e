//! AWS KMS over a real wire: LocalStack for what it enforces, ministack for refusals by IAM, and
//! scripted answers for what no server gives on demand.

mod alias;
mod conformance;
mod denied;
pub(crate) mod iam;
mod key_states;
mod lab;
mod manager;
mod names;
mod relay;
mod rewrap;
mod scripted;
pub(crate) mod server;
mod stand_in;

//! Servers that speak the protocol of a service nobody can run at home, for tests only.
//!
//! Each is judged by the service's own client (`testkit/judges`): our client and theirs must agree
//! about every byte that the fake sends and takes. What the service does beyond that, a fake cannot
//! prove.

pub mod azure;
pub mod gcp;
pub mod relay;

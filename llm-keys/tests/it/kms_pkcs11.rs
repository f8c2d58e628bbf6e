//! The PKCS#11 backend on SoftHSM2, which must be installed.

mod conformance;
mod lab;
mod lost;
mod manager;
mod refusals;
mod soft_hsm;

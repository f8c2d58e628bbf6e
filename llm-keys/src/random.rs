//! Randomness comes in by parameter, so that tests can make it fail or repeat.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SecureRandom as _;

use crate::error::{Error, ErrorKind, Result};

/// Where the engine takes random bytes from.
pub trait Random: fmt::Debug + Send + Sync {
    /// Fills `out` with bytes that nobody can predict, or fails and nothing may be written with
    /// what is in it.
    fn fill(&self, out: &mut [u8]) -> Result<()>;
}

/// A shared source is a source.
impl<R: Random + ?Sized> Random for Arc<R> {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        (**self).fill(out)
    }
}

/// The cryptographic random number generator of `aws-lc-rs`, seeded by the operating system.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        aws_lc_rs::rand::SystemRandom::new().fill(out).map_err(|_| {
            Error::new(ErrorKind::Internal, "random.fill", "the random number source failed")
        })
    }
}

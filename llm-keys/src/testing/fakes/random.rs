//! Randomness that repeats, and randomness that fails.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};

use crate::error::{Error, ErrorKind, Result};
use crate::random::Random;

/// The same bytes in the same order for the same seed: SHA-256 of the seed and a counter, block
/// after block. For vectors and tests; **never** for a real key.
#[derive(Debug)]
pub struct SeededRandom {
    seed: Vec<u8>,
    state: Mutex<State>,
}

#[derive(Default, Debug)]
struct State {
    counter: u64,
    /// What is left of the last block.
    rest: Vec<u8>,
}

impl SeededRandom {
    /// The stream of `seed`.
    pub fn new(seed: impl Into<Vec<u8>>) -> Self {
        Self { seed: seed.into(), state: Mutex::default() }
    }
}

impl Random for SeededRandom {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in out {
            if state.rest.is_empty() {
                let block = [self.seed.as_slice(), &state.counter.to_be_bytes()].concat();
                state.counter += 1;
                state.rest = digest(&SHA256, &block).as_ref().iter().rev().copied().collect();
            }
            *byte = state.rest.pop().unwrap_or_default();
        }
        Ok(())
    }
}

/// A source that gives some bytes from `inner`, and then fails for good.
#[derive(Debug)]
pub struct FailingRandom<R> {
    inner: R,
    left: AtomicU64,
}

impl<R> FailingRandom<R> {
    /// Lets `calls` calls through to `inner`; all later ones fail.
    pub fn after(calls: u64, inner: R) -> Self {
        Self { inner, left: AtomicU64::new(calls) }
    }
}

impl<R: Random> Random for FailingRandom<R> {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        match self.left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => self.inner.fill(out),
            Err(_) => Err(Error::new(ErrorKind::Internal, "random.fill", "no randomness left")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_stream_however_it_is_cut() {
        let (mut whole, mut parts) = ([0; 100], [0; 100]);
        SeededRandom::new("seed").fill(&mut whole).unwrap();
        let random = SeededRandom::new("seed");
        let (head, tail) = parts.split_at_mut(33);
        random.fill(head).unwrap();
        random.fill(tail).unwrap();
        assert_eq!(whole, parts);
        // SHA-256 of "seed" and eight zero bytes, as any other program computes it.
        assert_eq!(crate::context::hex(&whole[..8]), "1a30d3c0635d49b5");
        assert_ne!(whole[..32], whole[32..64]);
        SeededRandom::new("another").fill(&mut parts).unwrap();
        assert_ne!(whole, parts);
    }

    #[test]
    fn it_fails_after_so_many_calls() {
        let random = FailingRandom::after(1, SeededRandom::new(""));
        let mut out = [0; 4];
        random.fill(&mut out).unwrap();
        let kept = out;
        assert!(random.fill(&mut out).is_err());
        assert!(random.fill(&mut out).is_err());
        assert_eq!(out, kept, "a failed call writes nothing");
    }
}

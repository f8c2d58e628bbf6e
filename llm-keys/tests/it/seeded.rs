//! Randomness that repeats, fails, or is given.

use std::sync::Mutex;

use aws_lc_rs::digest;
use llm_keys::Random;
use llm_keys::error::{Error, ErrorKind, Result};

/// SHA-256 in counter mode: the same seed gives the same bytes on every machine.
#[derive(Debug)]
pub(crate) struct Seeded {
    seed: String,
    block: Mutex<u64>,
}

impl Seeded {
    pub(crate) fn new(seed: impl Into<String>) -> Self {
        Self { seed: seed.into(), block: Mutex::new(0) }
    }

    pub(crate) fn bytes(&self, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.fill(&mut out).unwrap();
        out
    }

    pub(crate) fn array<const N: usize>(&self) -> [u8; N] {
        self.bytes(N).try_into().unwrap()
    }

    /// A number below `end`. The bias of the remainder does not matter here.
    pub(crate) fn below(&self, end: usize) -> usize {
        usize::from(u16::from_be_bytes(self.array())) % end
    }
}

impl Random for Seeded {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        let mut block = self.block.lock().unwrap();
        for chunk in out.chunks_mut(32) {
            let input = format!("{}/{}", self.seed, *block);
            *block += 1;
            let hash = digest::digest(&digest::SHA256, input.as_bytes());
            chunk.copy_from_slice(&hash.as_ref()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Answers one request of exactly this length, and fails at any other.
#[derive(Debug)]
pub(crate) struct Given(Mutex<Option<Vec<u8>>>);

impl Given {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(Some(bytes)))
    }
}

impl Random for Given {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        let given = self.0.lock().unwrap().take().expect("asked only once");
        assert_eq!(given.len(), out.len());
        out.copy_from_slice(&given);
        Ok(())
    }
}

/// A broken source. It leaves bytes behind that nobody may use.
#[derive(Debug)]
pub(crate) struct Failing;

impl Random for Failing {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        out.fill(0xaa);
        Err(Error::new(ErrorKind::Internal, "random.fill", "the random number source failed"))
    }
}

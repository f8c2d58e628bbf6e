//! LKE1: the sealed bytes of one version of a key.
//!
//! Bytes only, no I/O. The format is specified in `docs/spec/envelope.md`; `vectors/` holds files
//! that every implementation must accept or refuse alike. The order of the checks is fixed: parse,
//! context, (the KMS unwraps), commitment, header MAC, AEAD; nothing is released before the last.

use std::fmt;

use aws_lc_rs::digest;

pub use self::header::{Content, Parsed};
pub use self::seal::{SealRequest, rewrap, seal};

mod header;
mod keys;
mod open;
mod seal;
#[cfg(test)]
mod tests;

/// The bytes of an envelope as stored: not yet checked. [`parse`](Self::parse) checks.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Envelope(Vec<u8>);

impl Envelope {
    /// The longest plaintext, in bytes.
    pub const MAX_PLAINTEXT: usize = 16 * 1024;

    /// The most wrapped data keys.
    pub const MAX_WRAPPED: usize = 8;

    /// Takes stored bytes as they are.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the bytes: what a rewrap compares before it swaps.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.0).as_ref());
        hash
    }

    /// Checks the structure, and nothing that needs a key.
    ///
    /// # Errors
    /// `Integrity` with the class of the first rule that is broken.
    pub fn parse(&self) -> crate::Result<Parsed<'_>> {
        Parsed::new(&self.0)
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({} bytes)", self.0.len())
    }
}

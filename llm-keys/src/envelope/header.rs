//! The layout: where each field stands, and the checks that need no key.

use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::kms::{KeyUri, WrappedKey};

use super::Envelope;

pub(super) const MAGIC: &[u8; 3] = b"LKE";
pub(super) const VERSION: u8 = 1;
pub(super) const SUITE: u16 = 1;
pub(super) const FLAG_READABLE: u16 = 1;
pub(super) const MSG_ID_LEN: usize = 32;
pub(super) const HASH_LEN: usize = 32;
pub(super) const COMMIT_LEN: usize = 32;
pub(super) const MAC_LEN: usize = 32;
pub(super) const NONCE_LEN: usize = 12;
pub(super) const TAG_LEN: usize = 16;
/// Magic to content byte: the part that a rewrap never changes.
pub(super) const FIXED_LEN: usize = 3 + 1 + 2 + 2 + MSG_ID_LEN + HASH_LEN + 1;

const OP: &str = "envelope.parse";

/// What the plaintext is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Content {
    /// The raw bytes of one key.
    Raw,
    /// Several named fields.
    Fields,
}

impl Content {
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Raw => 1,
            Self::Fields => 2,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Raw),
            2 => Some(Self::Fields),
            _ => None,
        }
    }
}

/// An envelope whose structure is sound. Nothing in it is proven yet.
#[derive(Clone, Debug)]
pub struct Parsed<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) readable: bool,
    pub(super) content: Content,
    pub(super) wrapped: Vec<WrappedKey>,
    /// Where the commitment starts: the end of the wrapped data keys.
    pub(super) commit_at: usize,
}

impl<'a> Parsed<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(fault(IntegrityFault::Magic, "these bytes are not an envelope"));
        }
        let version = reader.byte()?;
        if version != VERSION {
            return Err(fault(
                IntegrityFault::Version,
                format!("unknown envelope version {version}"),
            ));
        }
        let suite = reader.number()?;
        if suite != SUITE {
            return Err(fault(
                IntegrityFault::Suite,
                format!("unknown algorithm suite {suite:#06x}"),
            ));
        }
        let flags = reader.number()?;
        if flags & !FLAG_READABLE != 0 {
            return Err(fault(IntegrityFault::Flags, format!("unknown flags {flags:#06x}")));
        }
        reader.take(MSG_ID_LEN + HASH_LEN)?;
        let content = reader.byte()?;
        let content = Content::from_byte(content).ok_or_else(|| {
            fault(IntegrityFault::Content, format!("unknown content type {content}"))
        })?;
        let wrapped = reader.wrapped()?;
        let commit_at = reader.at;
        reader.take(COMMIT_LEN + MAC_LEN + NONCE_LEN)?;
        let ciphertext = usize::from(reader.number()?);
        if ciphertext == 0 || ciphertext > Envelope::MAX_PLAINTEXT {
            let detail = format!("a ciphertext of {ciphertext} bytes");
            return Err(fault(IntegrityFault::CiphertextSize, detail));
        }
        reader.take(ciphertext + TAG_LEN)?;
        if reader.at != bytes.len() {
            return Err(fault(IntegrityFault::Trailing, "bytes follow the end of the envelope"));
        }
        Ok(Self { bytes, readable: flags & FLAG_READABLE != 0, content, wrapped, commit_at })
    }

    /// What the plaintext is.
    pub fn content(&self) -> Content {
        self.content
    }

    /// Whether the KMS was given owner id and name in clear.
    pub fn readable(&self) -> bool {
        self.readable
    }

    /// The wrapped data keys, in their order.
    pub fn wrapped(&self) -> &[WrappedKey] {
        &self.wrapped
    }

    /// Checks that the envelope was sealed for `context`, before any KMS is asked.
    ///
    /// # Errors
    /// `Integrity(Context)` if it was not: it was moved from another key or version.
    pub fn check_context(&self, context: &EncryptionContext) -> Result<()> {
        if self.context_hash() == context.hash() {
            return Ok(());
        }
        Err(fault(
            IntegrityFault::Context,
            "the stored bytes were sealed for another key, owner, service or version",
        ))
    }

    pub(super) fn msg_id(&self) -> &'a [u8] {
        &self.bytes[8..8 + MSG_ID_LEN]
    }

    pub(super) fn context_hash(&self) -> &'a [u8] {
        &self.bytes[8 + MSG_ID_LEN..8 + MSG_ID_LEN + HASH_LEN]
    }

    pub(super) fn fixed(&self) -> &'a [u8] {
        &self.bytes[..FIXED_LEN]
    }

    pub(super) fn commit(&self) -> &'a [u8] {
        &self.bytes[self.commit_at..self.commit_at + COMMIT_LEN]
    }

    /// All that stands before the header MAC.
    pub(super) fn authenticated(&self) -> &'a [u8] {
        &self.bytes[..self.commit_at + COMMIT_LEN]
    }

    pub(super) fn header_mac(&self) -> &'a [u8] {
        let at = self.commit_at + COMMIT_LEN;
        &self.bytes[at..at + MAC_LEN]
    }

    /// Nonce, ciphertext length, ciphertext and tag: what a rewrap keeps byte for byte.
    pub(super) fn payload(&self) -> &'a [u8] {
        &self.bytes[self.commit_at + COMMIT_LEN + MAC_LEN..]
    }

    pub(super) fn nonce(&self) -> &'a [u8] {
        &self.payload()[..NONCE_LEN]
    }

    /// The ciphertext and its tag.
    pub(super) fn ciphertext(&self) -> (&'a [u8], &'a [u8]) {
        let both = &self.payload()[NONCE_LEN + 2..];
        both.split_at(both.len() - TAG_LEN)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at + len);
        self.at += len;
        taken.ok_or_else(|| fault(IntegrityFault::Truncated, "the envelope ends too early"))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u16> {
        let two = self.take(2)?;
        Ok(u16::from_be_bytes([two[0], two[1]]))
    }

    fn wrapped(&mut self) -> Result<Vec<WrappedKey>> {
        let count = usize::from(self.byte()?);
        if count == 0 || count > Envelope::MAX_WRAPPED {
            let detail = format!("{count} wrapped data keys");
            return Err(fault(IntegrityFault::WrappedCount, detail));
        }
        let mut all: Vec<WrappedKey> = Vec::with_capacity(count);
        for _ in 0..count {
            let one = self.wrapped_key()?;
            if all.iter().any(|other| other.uri == one.uri) {
                let detail = "two wrapped data keys name the same key URI";
                return Err(fault(IntegrityFault::WrappedDuplicate, detail));
            }
            all.push(one);
        }
        Ok(all)
    }

    fn wrapped_key(&mut self) -> Result<WrappedKey> {
        let len = usize::from(self.number()?);
        if len == 0 || len > KeyUri::MAX_LEN {
            return Err(fault(IntegrityFault::WrappedUri, format!("a key URI of {len} bytes")));
        }
        let uri = std::str::from_utf8(self.take(len)?).ok().and_then(|uri| KeyUri::new(uri).ok());
        let uri = uri.ok_or_else(|| {
            fault(IntegrityFault::WrappedUri, "a wrapped data key has no canonical key URI")
        })?;
        let len = usize::from(self.number()?);
        if len == 0 || len > WrappedKey::MAX_BLOB {
            let detail = format!("a wrapped data key of {len} bytes");
            return Err(fault(IntegrityFault::WrappedBlob, detail));
        }
        Ok(WrappedKey { uri, blob: self.take(len)?.to_vec() })
    }
}

fn fault(fault: IntegrityFault, detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Integrity(fault), OP, detail)
}

//! Making an envelope, and giving one new wrapped data keys.

use aws_lc_rs::aead::{Aad, Nonce};

use super::header::{
    COMMIT_LEN, Content, FIXED_LEN, FLAG_READABLE, MAC_LEN, MAGIC, MSG_ID_LEN, NONCE_LEN, Parsed,
    SUITE, TAG_LEN, VERSION,
};
use super::keys::{Subkeys, broken, header_tag};
use super::{Envelope, open};
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, Result};
use crate::kms::WrappedKey;
use crate::random::Random;
use crate::secret::DataKey;

const OP: &str = "envelope.seal";

/// What to seal, for whom.
#[derive(Clone, Copy, Debug)]
pub struct SealRequest<'a> {
    /// What the plaintext is.
    pub content: Content,
    /// What the envelope belongs to.
    pub context: &'a EncryptionContext,
    /// Whether the data key was wrapped with owner id and name in clear.
    pub readable: bool,
    /// The data key.
    pub key: &'a DataKey,
    /// The same data key, wrapped: 1 to 8, each under another KMS key.
    pub wrapped: &'a [WrappedKey],
}

/// Seals `plaintext` (1 to 16384 bytes).
///
/// # Errors
/// `InvalidInput` if the plaintext or the wrapped keys break a limit of the format; `Internal` if
/// `random` fails.
pub fn seal(plaintext: &[u8], request: &SealRequest<'_>, random: &dyn Random) -> Result<Envelope> {
    if plaintext.is_empty() || plaintext.len() > Envelope::MAX_PLAINTEXT {
        return Err(Error::invalid(OP, "a plaintext has 1 to 16384 bytes"));
    }
    // One request for both: the random number source is the slowest step of sealing.
    let mut fresh = [0; MSG_ID_LEN + NONCE_LEN];
    random.fill(&mut fresh)?;
    let (msg_id, nonce) = fresh.split_at(MSG_ID_LEN);
    let keys = Subkeys::new(request.key, msg_id);
    let commit = keys.commitment()?;

    let wrapped: usize =
        request.wrapped.iter().map(|w| 4 + w.uri.as_str().len() + w.blob.len()).sum();
    let tail = COMMIT_LEN + MAC_LEN + NONCE_LEN + 2 + plaintext.len() + TAG_LEN;
    let mut out = Vec::with_capacity(FIXED_LEN + 1 + wrapped + tail);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&SUITE.to_be_bytes());
    out.extend_from_slice(&(if request.readable { FLAG_READABLE } else { 0 }).to_be_bytes());
    out.extend_from_slice(msg_id);
    out.extend_from_slice(request.context.hash());
    out.push(request.content.byte());
    push_wrapped(&mut out, request.wrapped)?;
    out.extend_from_slice(&commit);
    push_header_mac(&mut out, &keys, request.context)?;

    out.extend_from_slice(nonce);
    push_number(&mut out, plaintext.len())?;
    let at = out.len();
    out.resize(at + plaintext.len() + TAG_LEN, 0);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
    let aad = associated_data(&out[..FIXED_LEN], &commit, request.context);
    // Written where it stays: the plaintext is never copied.
    let (ciphertext, tag) = out[at..].split_at_mut(plaintext.len());
    keys.aead()?
        .seal_out_of_place_scatter(nonce, Aad::from(&aad), plaintext, ciphertext, &[], tag)
        .map_err(|_| broken())?;
    Ok(Envelope::from_bytes(out))
}

/// The same envelope with other wrapped copies of its data key: all else stays byte for byte, but
/// for the header MAC, which is made anew. The old header is verified first.
///
/// The copies must hold `key`, wrapped with [`Parsed::readable`] as it is: the flag cannot change
/// without sealing anew.
///
/// # Errors
/// As for opening, but for the payload, which is not decrypted; `InvalidInput` if the new copies
/// break a limit of the format.
pub fn rewrap(
    old: &Parsed<'_>,
    context: &EncryptionContext,
    key: &DataKey,
    wrapped: &[WrappedKey],
) -> Result<Envelope> {
    let keys = open::verified_keys(old, context, key)?;
    let mut out = Vec::with_capacity(old.bytes.len() + 512);
    out.extend_from_slice(old.fixed());
    push_wrapped(&mut out, wrapped)?;
    out.extend_from_slice(old.commit());
    push_header_mac(&mut out, &keys, context)?;
    out.extend_from_slice(old.payload());
    Ok(Envelope::from_bytes(out))
}

/// What the AEAD binds: the part of the header that a rewrap never changes, the commitment, the
/// whole context.
pub(super) fn associated_data(fixed: &[u8], commit: &[u8], context: &EncryptionContext) -> Vec<u8> {
    [fixed, commit, context.canonical_bytes()].concat()
}

fn push_header_mac(out: &mut Vec<u8>, keys: &Subkeys, context: &EncryptionContext) -> Result<()> {
    let tag = header_tag(&keys.header()?, out, context.canonical_bytes());
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

/// The limits are those of the parser, so that nothing is written that cannot be read.
pub(super) fn push_wrapped(out: &mut Vec<u8>, wrapped: &[WrappedKey]) -> Result<()> {
    if wrapped.is_empty() || wrapped.len() > Envelope::MAX_WRAPPED {
        return Err(Error::invalid(OP, "an envelope holds 1 to 8 wrapped data keys"));
    }
    out.push(u8::try_from(wrapped.len()).map_err(|_| broken())?);
    for (at, one) in wrapped.iter().enumerate() {
        if one.blob.is_empty() || one.blob.len() > WrappedKey::MAX_BLOB {
            return Err(Error::invalid(OP, "a wrapped data key has 1 to 4096 bytes"));
        }
        if wrapped[..at].iter().any(|other| other.uri == one.uri) {
            return Err(Error::invalid(OP, "two wrapped data keys name the same key URI"));
        }
        push_number(out, one.uri.as_str().len())?;
        out.extend_from_slice(one.uri.as_str().as_bytes());
        push_number(out, one.blob.len())?;
        out.extend_from_slice(&one.blob);
    }
    Ok(())
}

fn push_number(out: &mut Vec<u8>, number: usize) -> Result<()> {
    let number = u16::try_from(number)
        .map_err(|_| Error::new(ErrorKind::Internal, OP, "a length does not fit"))?;
    out.extend_from_slice(&number.to_be_bytes());
    Ok(())
}

//! Opening: commitment, header MAC, AEAD, in this order; nothing is released before the last.

use aws_lc_rs::aead::{Aad, Nonce};
use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::header::Parsed;
use super::keys::{Subkeys, broken, header_tag};
use super::seal::associated_data;
use crate::context::EncryptionContext;
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::secret::{DataKey, SecretBytes};

const OP: &str = "envelope.open";

impl Parsed<'_> {
    /// The plaintext, once every check has passed.
    ///
    /// # Errors
    /// `Integrity`: `Context` if it was sealed for another context, `Commitment` if `key` is not
    /// its data key, `HeaderMac` if the header was changed, `Tag` if the payload was.
    pub fn open(&self, context: &EncryptionContext, key: &DataKey) -> Result<SecretBytes> {
        let keys = verified_keys(self, context, key)?;
        let nonce = Nonce::try_assume_unique_for_key(self.nonce()).map_err(|_| broken())?;
        let aad = associated_data(self.fixed(), self.commit(), context);
        let aead = keys.aead()?;
        let (ciphertext, tag) = self.ciphertext();
        // On a bad tag the buffer is wiped and dropped; no caller ever sees it.
        SecretBytes::fill_with(ciphertext.len(), |plaintext| {
            aead.open_separate_gather(nonce, Aad::from(&aad), ciphertext, tag, plaintext)
        })
        .map_err(|_| fault(IntegrityFault::Tag, "the sealed bytes were changed"))
    }
}

/// The subkeys, once context, commitment and header MAC have passed.
pub(super) fn verified_keys(
    parsed: &Parsed<'_>,
    context: &EncryptionContext,
    key: &DataKey,
) -> Result<Subkeys> {
    parsed.check_context(context)?;
    let keys = Subkeys::new(key, parsed.msg_id());
    let commit = keys.commitment()?;
    verify_slices_are_equal(&commit, parsed.commit()).map_err(|_| {
        fault(
            IntegrityFault::Commitment,
            "the data key is not the one these bytes were sealed with",
        )
    })?;
    let tag = header_tag(&keys.header()?, parsed.authenticated(), context.canonical_bytes());
    verify_slices_are_equal(tag.as_ref(), parsed.header_mac())
        .map_err(|_| fault(IntegrityFault::HeaderMac, "the envelope's header was changed"))?;
    Ok(keys)
}

fn fault(fault: IntegrityFault, detail: &'static str) -> Error {
    Error::new(ErrorKind::Integrity(fault), OP, detail)
}

//! What authenticates a checkpoint: a key of its own, derived from the newest row MAC key.

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use super::{MacKeys, unreadable};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Tenant;
use crate::secret::SecretBytes;

/// The length of a tag.
pub(in super::super) const TAG: usize = 32;

impl MacKeys {
    /// The number of the key, and the tag of `content` for `tenant`.
    pub(in super::super) fn sign_checkpoint(
        &self,
        tenant: &Tenant,
        content: &[u8],
    ) -> Result<(u8, [u8; TAG])> {
        let (number, key) = self.0.last().ok_or_else(unreadable)?;
        let tag = hmac::sign(&derived(key, tenant)?, content);
        let mut bytes = [0; TAG];
        bytes.copy_from_slice(tag.as_ref());
        Ok((*number, bytes))
    }

    /// Whether `tag` is that of `content` for `tenant`.
    pub(in super::super) fn is_checkpoint(
        &self,
        tenant: &Tenant,
        content: &[u8],
        (number, tag): (u8, &[u8]),
    ) -> Result<bool> {
        let Some((_, key)) = self.0.iter().find(|(known, _)| *known == number) else {
            return Ok(false);
        };
        Ok(hmac::verify(&derived(key, tenant)?, content, tag).is_ok())
    }
}

fn derived(key: &SecretBytes, tenant: &Tenant) -> Result<hmac::Key> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"llm-keys/checkpoint/1");
    let broken = |_| Error::new(ErrorKind::Internal, "manager.checkpoint", "HKDF refused");
    let info: [&[u8]; 2] = [b"llm-keys/checkpoint/1/MACKEY/", tenant.as_str().as_bytes()];
    let mut out = Zeroizing::new([0; 32]);
    key.expose(|key| {
        let prk = salt.extract(key);
        prk.expand(&info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(out.as_mut()))
    })
    .map_err(broken)?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, out.as_ref()))
}

//! `iv:tag:ciphertext` in hexadecimal digits: AES-256-GCM as examples for Node write it, with 16
//! bytes of IV where 12 are usual. Nothing is bound to the ciphertext: whoever could write to that
//! storage could swap two users' keys, and nobody can tell now.

use aes_gcm::aead::array::ArraySize;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInOut as _, AesGcm, KeyInit as _, Nonce, Tag};
use base64ct::{Base64, Encoding as _};
use llm_keys::SecretBytes;
use zeroize::Zeroizing;

use crate::failure::{Failure, Result};

/// The 32 bytes of the other program's key.
#[derive(Debug)]
pub(super) struct GcmKey(SecretBytes);

impl GcmKey {
    /// A key as such programs are given one: 32 characters, which are the bytes themselves, or 64
    /// hexadecimal digits, or base64.
    ///
    /// # Errors
    /// `Usage` on any other length.
    pub(super) fn parse(text: &SecretBytes) -> Result<Self> {
        let key = text.expose(|text| match text.len() {
            32 => Some(SecretBytes::copy_from(text)),
            64 => hex::decode(text).ok().map(SecretBytes::new),
            44 => {
                let text = std::str::from_utf8(text).ok()?;
                Base64::decode_vec(text).ok().filter(|key| key.len() == 32).map(SecretBytes::new)
            }
            _ => None,
        });
        key.map(Self).ok_or_else(|| {
            Failure::usage(
                "the other program's key is not 32 bytes, as text, hexadecimal or base64",
            )
        })
    }

    /// What `text` holds.
    pub(super) fn open(&self, text: &[u8]) -> Result<SecretBytes, &'static str> {
        let mut parts = text.trim_ascii().split(|&b| b == b':');
        let mut part = || parts.next().and_then(|part| hex::decode(part).ok()).ok_or(FORM);
        let (iv, tag, sealed) = (part()?, part()?, part()?);
        if parts.next().is_some() || tag.len() != 16 {
            return Err(FORM);
        }
        match iv.len() {
            12 => self.open_with::<U12>(&iv, &tag, sealed),
            16 => self.open_with::<U16>(&iv, &tag, sealed),
            _ => Err("its IV has neither 12 nor 16 bytes"),
        }
    }

    fn open_with<N: ArraySize>(
        &self,
        iv: &[u8],
        tag: &[u8],
        sealed: Vec<u8>,
    ) -> Result<SecretBytes, &'static str> {
        let cipher = self.0.expose(AesGcm::<Aes256, N>::new_from_slice).map_err(|_| FORM)?;
        let (iv, tag) = (Nonce::<N>::try_from(iv), Tag::<U16>::try_from(tag));
        let (iv, tag) = (iv.map_err(|_| FORM)?, tag.map_err(|_| FORM)?);
        let mut opened = Zeroizing::new(sealed);
        cipher
            .decrypt_inout_detached(&iv, b"", opened.as_mut_slice().into(), &tag)
            .map_err(|_| "it does not open: another key, or it was changed")?;
        Ok(SecretBytes::copy_from(&opened))
    }
}

const FORM: &str = "it is not `iv:tag:ciphertext` in hexadecimal digits";

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    /// Made by `crypto.createCipheriv('aes-256-gcm', KEY, iv)` as in the example for Node, with
    /// IVs of 16 and 12 bytes; the package `cryptography` for Python writes the same.
    const SEALED: [&str; 2] = [
        "0102030405060708090a0b0c0d0e0f10:ef5c406fb6920c23e919370561e6e90a:165dbc07e3a4abc5d84e18faa629c839632399dd921b4fba32baa8",
        "0102030405060708090a0b0c:82fb0df58992a9d3830da0b8ebe6be97:7d833c4f4e88d0d673f80afeae669400e5857999dafd61596f4892",
    ];

    fn key() -> GcmKey {
        GcmKey::parse(&SecretBytes::copy_from(KEY)).unwrap()
    }

    #[test]
    fn both_lengths_of_iv_open() {
        for sealed in SEALED {
            let opened = key().open(sealed.as_bytes()).unwrap();
            assert!(opened.expose(|key| key == b"sk-ant-api03-legacy-example"));
        }
    }

    #[test]
    fn a_key_has_three_spellings() {
        for text in [hex::encode(KEY), Base64::encode_string(KEY)] {
            let key = GcmKey::parse(&SecretBytes::new(text.into_bytes())).unwrap();
            assert!(key.open(SEALED[0].as_bytes()).is_ok());
        }
        for bad in ["", "short", &"z".repeat(64), &"=".repeat(44), &"x".repeat(33)] {
            assert!(GcmKey::parse(&SecretBytes::copy_from(bad.as_bytes())).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_changed_digit_is_refused() {
        for sealed in SEALED {
            for at in 0..sealed.len() {
                let mut changed = sealed.as_bytes().to_vec();
                changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
                assert!(key().open(&changed).is_err(), "{at}");
            }
        }
        for bad in ["", "::", "a:b:c", "00:00:00", &SEALED[0][1..], &format!("{}:00", SEALED[0])] {
            assert!(key().open(bad.as_bytes()).is_err(), "{bad}");
        }
        let other = GcmKey::parse(&SecretBytes::copy_from(&[7; 32])).unwrap();
        assert!(other.open(SEALED[0].as_bytes()).is_err());
    }
}

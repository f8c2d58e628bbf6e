//! Fernet tokens: AES-128-CBC, then HMAC-SHA-256, in base64 for URLs. The specification is
//! <https://github.com/fernet/spec/blob/master/Spec.md>; the crate of that name wants OpenSSL, or a
//! licence that we do not take, and this is a page of code over ciphers that we have. The time in a
//! token is not looked at: these are kept, not passed around.

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use llm_keys::SecretBytes;
use zeroize::Zeroizing;

use crate::failure::{Failure, Result};

/// A Fernet key: 16 bytes that sign and 16 that encrypt.
#[derive(Debug)]
pub(super) struct FernetKey(SecretBytes);

const VERSION: u8 = 0x80;
const TAG: usize = 32;
/// Version, time and IV.
const HEADER: usize = 1 + 8 + 16;
const BLOCK: usize = 16;

impl FernetKey {
    /// A key as `Fernet.generate_key()` prints it.
    ///
    /// # Errors
    /// `Usage` if it is no base64 of 32 bytes.
    pub(super) fn parse(text: &SecretBytes) -> Result<Self> {
        let key = text.expose(decode).filter(|key| key.len() == 32);
        let key = key.ok_or_else(|| {
            Failure::usage("the other program's key is no Fernet key: base64 of 32 bytes")
        })?;
        Ok(Self(SecretBytes::copy_from(&key)))
    }

    /// What `token` holds.
    pub(super) fn open(&self, token: &[u8]) -> Result<SecretBytes, &'static str> {
        const FORM: &str = "it is no Fernet token";
        let token = decode(token).ok_or(FORM)?;
        let sealed_len = token.len().checked_sub(HEADER + TAG).ok_or(FORM)?;
        if token[0] != VERSION || sealed_len == 0 || sealed_len % BLOCK != 0 {
            return Err(FORM);
        }
        let (signed, tag) = token.split_at(HEADER + sealed_len);
        let (header, sealed) = signed.split_at(HEADER);
        self.0.expose(|key| {
            let signing = hmac::Key::new(hmac::HMAC_SHA256, &key[..16]);
            hmac::verify(&signing, signed, tag)
                .map_err(|_| "it does not open: another key, or it was changed")?;
            let iv = <[u8; 16]>::try_from(&header[9..]).map_err(|_| FORM)?;
            let context = DecryptionContext::Iv128(FixedLength::from(iv));
            let cipher = UnboundCipherKey::new(&AES_128, &key[16..])
                .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
                .map_err(|_| FORM)?;
            let mut buffer = Zeroizing::new(sealed.to_vec());
            let opened =
                cipher.decrypt(&mut buffer, context).map_err(|_| "its padding is wrong")?;
            Ok(SecretBytes::copy_from(opened))
        })
    }
}

/// With or without the `=` at the end.
fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?.trim_end_matches('=');
    Base64UrlUnpadded::decode_vec(text).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `verify.json` of the specification.
    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const TOKEN: &str = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

    fn key(text: &str) -> FernetKey {
        FernetKey::parse(&SecretBytes::copy_from(text.as_bytes())).unwrap()
    }

    #[test]
    fn the_specifications_token_opens() {
        let opened = key(KEY).open(TOKEN.as_bytes()).unwrap();
        assert!(opened.expose(|text| text == b"hello"));
        assert!(
            key(KEY.trim_end_matches('=')).open(TOKEN.trim_end_matches('=').as_bytes()).is_ok()
        );
    }

    #[test]
    fn every_changed_character_is_refused() {
        for at in 0..TOKEN.len() - 2 {
            let mut changed = TOKEN.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(key(KEY).open(&changed).is_err(), "{at}");
        }
        for len in 0..TOKEN.len() - 2 {
            assert!(key(KEY).open(&TOKEN.as_bytes()[..len]).is_err(), "{len}");
        }
        assert!(key(&"A".repeat(43)).open(TOKEN.as_bytes()).is_err());
        for bad in ["", "AAAA", &"A".repeat(44), "not base64!"] {
            assert!(FernetKey::parse(&SecretBytes::copy_from(bad.as_bytes())).is_err(), "{bad}");
        }
    }
}

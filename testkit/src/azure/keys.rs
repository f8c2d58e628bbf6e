//! RSA keys and what they do.

use std::io;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::KeyPair as _;

/// Whether a version of a key may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// For everything.
    Enabled,
    /// For nothing.
    Disabled,
    /// Past its expiry: it unwraps, and wraps no more.
    Expired,
}

/// One version of a key.
#[derive(Debug)]
pub(super) struct KeyVersion {
    /// 32 hexadecimal digits.
    pub id: String,
    pub state: State,
    pub modulus: Vec<u8>,
    pub exponent: Vec<u8>,
    private: OaepPrivateDecryptingKey,
    public: OaepPublicEncryptingKey,
}

impl KeyVersion {
    /// A fresh key of 2048 bits.
    pub(super) fn generate() -> io::Result<Self> {
        let mut id = [0; 16];
        rand::fill(&mut id).map_err(broken)?;
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(broken)?;
        let der: Pkcs8V1Der<'_> = private.as_der().map_err(broken)?;
        let pair = KeyPair::from_pkcs8(der.as_ref()).map_err(io::Error::other)?;
        let components = public_parts(pair.public_key().as_ref());
        let (modulus, exponent) = components.ok_or_else(|| broken(Unspecified))?;
        let public = OaepPublicEncryptingKey::new(private.public_key()).map_err(broken)?;
        let private = OaepPrivateDecryptingKey::new(private).map_err(broken)?;
        Ok(Self { id, state: State::Enabled, modulus, exponent, private, public })
    }

    /// RSA-OAEP-256, or nothing if `plain` is too long.
    pub(super) fn wrap(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![0; self.public.ciphertext_size()];
        let wrapped = self.public.encrypt(&OAEP_SHA256_MGF1SHA256, plain, &mut out, None).ok()?;
        Some(wrapped.to_vec())
    }

    /// The reverse, or nothing if `wrapped` is none of this key.
    pub(super) fn unwrap(&self, wrapped: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![0; self.private.min_output_size()];
        let plain = self.private.decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut out, None).ok()?;
        Some(plain.to_vec())
    }
}

/// Modulus and exponent in an `RSAPublicKey` of 2048 bits, which always has the same lengths.
fn public_parts(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let integers = der.strip_prefix(&[0x30, 0x82, 1, 10, 2, 0x82, 1, 1, 0])?;
    let (modulus, rest) = integers.split_at_checked(256)?;
    Some((modulus.to_vec(), rest.strip_prefix(&[2, 3])?.to_vec()))
}

fn broken(_: Unspecified) -> io::Error {
    io::Error::other("a cryptographic primitive failed")
}

//! Encryption, and the fields of JSON that hold bytes with their checksums.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use super::refusal::Refusal;

/// The key of one version.
pub(super) struct Material([u8; 32]);

impl Material {
    /// A fresh one; without random numbers one that no test takes for a good one.
    pub(super) fn random() -> Self {
        let mut key = [0; 32];
        let _ = rand::fill(&mut key);
        Self(key)
    }

    /// `nonce | ciphertext | tag`.
    pub(super) fn seal(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut nonce = [0; 12];
        rand::fill(&mut nonce)?;
        let mut sealed = plaintext.to_vec();
        let nonced = Nonce::assume_unique_for_key(nonce);
        self.key()?.seal_in_place_append_tag(nonced, Aad::from(aad), &mut sealed)?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(super) fn open(&self, blob: &[u8], aad: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let (nonce, sealed) = blob.split_at_checked(12).ok_or(Unspecified)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        Ok(self.key()?.open_in_place(nonce, Aad::from(aad), &mut sealed)?.to_vec())
    }

    fn key(&self) -> Result<LessSafeKey, Unspecified> {
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.0)?))
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Material([REDACTED])")
    }
}

/// Sets `field` and the checksum beside it. A 64-bit number is text in Google's JSON.
pub(super) fn put_bytes(answer: &mut Value, field: &str, bytes: &[u8]) {
    answer[field] = json!(Base64::encode_string(bytes));
    answer[format!("{field}Crc32c")] = json!(crc32c::crc32c(bytes).to_string());
}

/// The bytes of `field` (none if it is missing), and whether a checksum was sent for them.
pub(super) fn take_bytes(body: &Value, field: &str) -> Result<(Vec<u8>, bool), Refusal> {
    let bytes = match &body[field] {
        Value::Null => Vec::new(),
        Value::String(text) => decode(text)
            .ok_or_else(|| Refusal::invalid(format!("Invalid value at '{field}' (TYPE_BYTES)")))?,
        _ => return Err(Refusal::invalid(format!("Invalid value at '{field}' (TYPE_BYTES)"))),
    };
    let checksum = match &body[format!("{field}Crc32c")] {
        Value::Null => return Ok((bytes, false)),
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    };
    if checksum != Some(u64::from(crc32c::crc32c(&bytes))) {
        let field = snake(field);
        return Err(Refusal::invalid(format!(
            "The checksum in field {field}_crc32c did not match the data in field {field}."
        )));
    }
    Ok((bytes, true))
}

/// The name of a field as Google's messages have it.
fn snake(camel: &str) -> String {
    camel.split_inclusive(char::is_uppercase).fold(String::new(), |name, part| {
        match part.strip_suffix(char::is_uppercase) {
            Some(start) => {
                let last = part[start.len()..].to_ascii_lowercase();
                format!("{name}{start}_{last}")
            }
            None => name + part,
        }
    })
}

/// Both alphabets, with or without padding, as the JSON of protocol buffers allows.
fn decode(text: &str) -> Option<Vec<u8>> {
    let plain: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    base64ct::Base64Unpadded::decode_vec(&plain).ok()
}

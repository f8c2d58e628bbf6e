//! The JSON of `cryptoKeys.encrypt` and `cryptoKeys.decrypt`, with their checksums.

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::fault::Damage;

/// The body of `:encrypt`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Encrypt<'a> {
    plaintext: &'a str,
    plaintext_crc32c: String,
    additional_authenticated_data: &'a str,
    additional_authenticated_data_crc32c: String,
}

/// The body of `:decrypt`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Decrypt<'a> {
    ciphertext: &'a str,
    ciphertext_crc32c: String,
    additional_authenticated_data: &'a str,
    additional_authenticated_data_crc32c: String,
}

/// The answer to `:encrypt`. What is missing is what protocol buffers leave out: false, empty.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct Encrypted {
    pub(super) name: String,
    ciphertext: String,
    ciphertext_crc32c: Option<Checksum>,
    verified_plaintext_crc32c: bool,
    verified_additional_authenticated_data_crc32c: bool,
}

/// The answer to `:decrypt`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Decrypted {
    #[serde(deserialize_with = "wiped")]
    plaintext: Zeroizing<String>,
    plaintext_crc32c: Option<Checksum>,
}

/// Google writes 64-bit numbers as text; both are valid.
#[derive(Deserialize)]
#[serde(untagged)]
enum Checksum {
    Number(u64),
    Text(String),
}

impl Checksum {
    fn is_of(this: Option<&Self>, bytes: &[u8]) -> bool {
        let sent = match this {
            None => None,
            Some(Self::Number(number)) => Some(*number),
            Some(Self::Text(text)) => text.parse().ok(),
        };
        sent == Some(u64::from(crc32c::crc32c(bytes)))
    }
}

impl Encrypted {
    /// The ciphertext, if nothing was damaged on either way.
    pub(super) fn ciphertext(&self) -> Result<Vec<u8>, Damage> {
        if !self.verified_plaintext_crc32c || !self.verified_additional_authenticated_data_crc32c {
            return Err(Damage("Cloud KMS did not confirm the checksums of what we sent"));
        }
        let bytes = Base64::decode_vec(&self.ciphertext).map_err(|_| NOT_BASE64)?;
        if !Checksum::is_of(self.ciphertext_crc32c.as_ref(), &bytes) {
            return Err(CHECKSUM);
        }
        Ok(bytes)
    }
}

impl Decrypted {
    /// The plaintext, if it was not damaged on the way; its length is not checked.
    pub(super) fn plaintext(&self) -> Result<Zeroizing<Vec<u8>>, Damage> {
        let bytes = Base64::decode_vec(&self.plaintext).map_err(|_| NOT_BASE64)?;
        let bytes = Zeroizing::new(bytes);
        if !Checksum::is_of(self.plaintext_crc32c.as_ref(), &bytes) {
            return Err(CHECKSUM);
        }
        Ok(bytes)
    }
}

/// The body that asks to encrypt `plaintext`; wiped when dropped.
pub(super) fn encrypt(plaintext: &[u8], aad: &[u8]) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let encoded = Zeroizing::new(Base64::encode_string(plaintext));
    body(&Encrypt {
        plaintext: &encoded,
        plaintext_crc32c: checksum(plaintext),
        additional_authenticated_data: &Base64::encode_string(aad),
        additional_authenticated_data_crc32c: checksum(aad),
    })
}

/// The body that asks to decrypt `ciphertext`.
pub(super) fn decrypt(ciphertext: &[u8], aad: &[u8]) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    body(&Decrypt {
        ciphertext: &Base64::encode_string(ciphertext),
        ciphertext_crc32c: checksum(ciphertext),
        additional_authenticated_data: &Base64::encode_string(aad),
        additional_authenticated_data_crc32c: checksum(aad),
    })
}

fn body(request: &impl Serialize) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    // Large enough that it never grows, because growing leaves a copy behind.
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_BODY));
    serde_json::to_writer(&mut *body, request)?;
    Ok(body)
}

fn checksum(bytes: &[u8]) -> String {
    crc32c::crc32c(bytes).to_string()
}

fn wiped<'de, D: Deserializer<'de>>(text: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(text).map(Zeroizing::new)
}

/// More than any request or answer has, in bytes: a blob of 4096 or 8 KiB for an HSM, in base64.
pub(super) const MAX_BODY: usize = 16 * 1024;
const NOT_BASE64: Damage = Damage("the answer of Cloud KMS is not base64");
const CHECKSUM: Damage = Damage("the answer of Cloud KMS does not have its own checksum");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_googles_names_and_numbers_as_text() {
        let body = encrypt(b"123456789", b"").unwrap();
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            "{\"plaintext\":\"MTIzNDU2Nzg5\",\"plaintextCrc32c\":\"3808858755\",\
             \"additionalAuthenticatedData\":\"\",\"additionalAuthenticatedDataCrc32c\":\"0\"}"
        );
        assert_eq!(body.capacity(), MAX_BODY);
    }

    #[test]
    fn a_checksum_may_be_text_or_a_number_but_must_be_there() {
        let read = |json: &str| serde_json::from_str::<Decrypted>(json).unwrap().plaintext();
        let good = |crc| format!("{{\"plaintext\":\"MTIzNDU2Nzg5\",\"plaintextCrc32c\":{crc}}}");
        assert_eq!(read(&good("\"3808858755\"")).unwrap().as_slice(), b"123456789");
        assert!(read(&good("3808858755")).is_ok());
        assert!(read(&good("\"3808858756\"")).is_err());
        assert!(read(&good("\"\"")).is_err());
        assert!(read("{\"plaintext\":\"MTIzNDU2Nzg5\"}").is_err());
    }
}

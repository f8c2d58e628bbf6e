//! What the server answers, read in place: plaintext never gets into a buffer that is not wiped.

use base64ct::{Base64, Encoding as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::fault::bad_answer;
use crate::error::Result;
use crate::kms::WrappedKey;
use crate::secret::{DataKey, SecretBytes};

/// A new data key, as the server made and wrapped it.
pub(super) fn data_key(op: &'static str, body: &[u8]) -> Result<(DataKey, Vec<u8>)> {
    let Envelope { data } = parse(op, body)?;
    Ok((plain_key(op, data.plaintext)?, blob(op, data.ciphertext, data.key_version)?))
}

/// A data key that the server wrapped.
pub(super) fn wrapped(op: &'static str, body: &[u8]) -> Result<Vec<u8>> {
    let Envelope { data } = parse(op, body)?;
    blob(op, data.ciphertext, data.key_version)
}

/// A data key that the server unwrapped.
pub(super) fn unwrapped(op: &'static str, body: &[u8]) -> Result<DataKey> {
    let Envelope { data } = parse(op, body)?;
    plain_key(op, data.plaintext)
}

/// How long a token lives, and whether that can be prolonged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lease {
    /// In seconds; 0 is for ever.
    pub(super) seconds: u64,
    pub(super) renewable: bool,
}

/// What a login gives.
pub(super) fn login(op: &'static str, body: &[u8]) -> Result<(SecretBytes, Lease)> {
    let Login { auth } = parse(op, body)?;
    let token = auth.client_token.filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| bad_answer(op, "the login gave no token"))?;
    let lease = Lease { seconds: auth.lease_duration, renewable: auth.renewable };
    Ok((SecretBytes::copy_from(token.as_bytes()), lease))
}

/// What a renewal gives.
pub(super) fn renewal(op: &'static str, body: &[u8]) -> Result<Lease> {
    let Login { auth } = parse(op, body)?;
    Ok(Lease { seconds: auth.lease_duration, renewable: auth.renewable })
}

/// What a token says about itself.
pub(super) fn lookup(op: &'static str, body: &[u8]) -> Result<Lease> {
    #[derive(Deserialize)]
    struct Lookup {
        data: Itself,
    }
    #[derive(Deserialize)]
    struct Itself {
        ttl: u64,
        #[serde(default)]
        renewable: bool,
        expire_time: Option<IgnoredAny>,
    }
    let Lookup { data } = parse(op, body)?;
    // In its last second a token has 0 left, as one that lives for ever has; but it has an end.
    let seconds = data.ttl.max(u64::from(data.expire_time.is_some()));
    Ok(Lease { seconds, renewable: data.renewable })
}

/// The parts of `vault:vN:base64`, or nothing if it is not exactly that. The server takes other
/// spellings of the same bytes, too; here a changed blob is a damaged blob.
pub(super) fn version_of(blob: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(blob).ok()?.strip_prefix("vault:v")?;
    let (version, sealed) = text.split_once(':')?;
    let digits = version.bytes().all(|b| b.is_ascii_digit()) && !version.starts_with('0');
    // This decoder takes one spelling only: padded, no spaces, no stray bits at the end.
    Base64::decode_vec(sealed).ok().filter(|sealed| !sealed.is_empty())?;
    version.parse().ok().filter(|_| digits)
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

/// Secrets are `&str`: one with escapes would have to be copied, and none has any.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    plaintext: Option<&'a str>,
    #[serde(borrow)]
    ciphertext: Option<&'a str>,
    key_version: Option<u64>,
}

#[derive(Deserialize)]
struct Login<'a> {
    #[serde(borrow)]
    auth: Token<'a>,
}

#[derive(Deserialize)]
struct Token<'a> {
    #[serde(borrow)]
    client_token: Option<&'a str>,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
}

/// The cause is left out: it may quote the document.
fn parse<'a, T: Deserialize<'a>>(op: &'static str, body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|_| bad_answer(op, "the answer is not the JSON of a Vault server"))
}

fn plain_key(op: &'static str, text: Option<&str>) -> Result<DataKey> {
    let text = text.ok_or_else(|| bad_answer(op, "the answer holds no data key"))?;
    // Longer than a data key, so that another length is seen for what it is.
    let mut buffer = Zeroizing::new([0; 2 * DataKey::LEN]);
    let key = Base64::decode(text, buffer.as_mut())
        .map_err(|_| bad_answer(op, "the data key in the answer is not base64, or far too long"))?;
    DataKey::from_answer(key.to_vec())
}

fn blob(op: &'static str, text: Option<&str>, version: Option<u64>) -> Result<Vec<u8>> {
    let blob = text.ok_or_else(|| bad_answer(op, "the answer holds no wrapped data key"))?;
    let found = version_of(blob.as_bytes());
    let fits = found.is_some() && version.is_none_or(|version| found == Some(version));
    if !fits || blob.len() > WrappedKey::MAX_BLOB {
        return Err(bad_answer(op, "the wrapped data key in the answer is not `vault:vN:base64`"));
    }
    Ok(blob.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, KmsFault};

    const OP: &str = "kms.test";
    const BLOB: &str = "vault:v2:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn answer(key: &[u8], blob: &str) -> String {
        let key = Base64::encode_string(key);
        format!(r#"{{"data":{{"plaintext":"{key}","ciphertext":"{blob}","key_version":2}}}}"#)
    }

    fn is_bad<T>(result: Result<T>) {
        let error = result.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::BadAnswer));
        assert!(!format!("{error:?}").contains("BwcHBw"), "{error:?}");
    }

    #[test]
    fn a_whole_answer_is_read() {
        let body = answer(&[7; 32], BLOB);
        let (key, blob) = data_key(OP, body.as_bytes()).unwrap();
        assert!(key.expose(|key| *key == [7; 32]));
        assert_eq!(blob, BLOB.as_bytes());
        assert_eq!(wrapped(OP, body.as_bytes()).unwrap(), BLOB.as_bytes());
        assert!(unwrapped(OP, body.as_bytes()).unwrap().expose(|key| *key == [7; 32]));
    }

    #[test]
    fn a_data_key_of_another_length_is_a_bad_answer() {
        for len in [0, 31, 33, 64, 65, 1000] {
            is_bad(unwrapped(OP, answer(&vec![7; len], BLOB).as_bytes()));
            is_bad(data_key(OP, answer(&vec![7; len], BLOB).as_bytes()));
        }
    }

    #[test]
    fn garbage_is_a_bad_answer() {
        for body in ["", "{", "[]", "null", "<html>", "{}", r#"{"data":null}"#, r#"{"data":{}}"#] {
            is_bad(unwrapped(OP, body.as_bytes()));
            is_bad(wrapped(OP, body.as_bytes()));
            is_bad(login(OP, body.as_bytes()));
        }
        let whole = answer(&[7; 32], BLOB);
        for len in 0..whole.len() {
            is_bad(data_key(OP, &whole.as_bytes()[..len]));
        }
    }

    #[test]
    fn a_blob_has_one_spelling() {
        assert_eq!(version_of(BLOB.as_bytes()), Some(2));
        assert_eq!(version_of(b"vault:v10:AAAA"), Some(10));
        for bad in [
            "",
            "vault:v1:",
            "vault:v0:AAAA",
            "vault:v01:AAAA",
            "vault:v+1:AAAA",
            "vault:1:AAAA",
            "Vault:v1:AAAA",
            "vault:v1:AAA",
            "vault:v1:AAB=",
            "vault:v1:AAAA ",
            "vault:v1:AA\nAA",
            "vault:v1:AAAA:AAAA",
            "vault:v99999999999999999999:AAAA",
        ] {
            assert_eq!(version_of(bad.as_bytes()), None, "{bad}");
        }
        is_bad(wrapped(OP, answer(&[7; 32], "vault:v1:AAAA").as_bytes()));
        is_bad(wrapped(OP, answer(&[7; 32], "sealed").as_bytes()));
    }

    #[test]
    fn leases_are_read() {
        let body = br#"{"auth":{"client_token":"t","lease_duration":60,"renewable":true}}"#;
        let lease = Lease { seconds: 60, renewable: true };
        assert_eq!(login(OP, body).unwrap().1, lease);
        assert_eq!(renewal(OP, body).unwrap(), lease);
        let body = br#"{"data":{"ttl":0,"renewable":false,"id":"t"}}"#;
        assert_eq!(lookup(OP, body).unwrap(), Lease { seconds: 0, renewable: false });
        is_bad(login(OP, br#"{"auth":{"client_token":"","lease_duration":60}}"#));
    }

    #[test]
    fn the_last_second_of_a_token_is_not_for_ever() {
        for (body, seconds) in [
            (r#"{"data":{"ttl":0,"expire_time":null}}"#, 0),
            (r#"{"data":{"ttl":0}}"#, 0),
            (r#"{"data":{"ttl":0,"expire_time":"2026-01-01T00:00:00Z"}}"#, 1),
            (r#"{"data":{"ttl":9,"expire_time":"2026-01-01T00:00:00Z"}}"#, 9),
        ] {
            let lease = lookup("kms.test", body.as_bytes()).unwrap();
            assert_eq!(lease, Lease { seconds, renewable: false }, "{body}");
        }
    }
}

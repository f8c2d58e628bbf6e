//! What can be wrong with one answer.

use serde_json::{Value, json};

/// One thing that goes wrong, for one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// Nothing: this request is answered as always.
    None,
    /// This HTTP code, and this `google.rpc.Code` by name.
    Status(u16, &'static str),
    /// `ciphertextCrc32c` is not that of the ciphertext.
    CiphertextChecksum,
    /// `plaintextCrc32c` is not that of the plaintext.
    PlaintextChecksum,
    /// There is no checksum.
    NoChecksum,
    /// The server does not say that it checked the plaintext's checksum.
    UnverifiedPlaintext,
    /// The server does not say that it checked the associated data's checksum.
    UnverifiedAssociatedData,
    /// The version named in the answer belongs to another key.
    OtherKey,
    /// The plaintext has so many bytes, with the right checksum.
    PlaintextLength(usize),
    /// The ciphertext is empty, with the right checksum.
    NoCiphertext,
    /// An answer that is no JSON.
    NotJson,
    /// An answer of a mebibyte.
    Huge,
    /// A redirect to the same place.
    Redirect,
    /// No answer for an hour.
    Hang,
}

impl Trouble {
    /// Changes a good answer.
    pub(super) fn spoil(self, answer: &mut Value) {
        match self {
            Self::CiphertextChecksum => answer["ciphertextCrc32c"] = json!("1"),
            Self::PlaintextChecksum => answer["plaintextCrc32c"] = json!("1"),
            Self::NoChecksum => {
                if let Some(answer) = answer.as_object_mut() {
                    answer.retain(|field, _| !field.ends_with("Crc32c"));
                }
            }
            Self::UnverifiedPlaintext => answer["verifiedPlaintextCrc32c"] = json!(false),
            Self::UnverifiedAssociatedData => {
                answer["verifiedAdditionalAuthenticatedDataCrc32c"] = json!(false);
            }
            Self::OtherKey => {
                let name = answer["name"].as_str().unwrap_or_default();
                answer["name"] = json!(name.replace("/cryptoKeys/", "/cryptoKeys/not-"));
            }
            Self::PlaintextLength(len) => {
                super::crypt::put_bytes(answer, "plaintext", &vec![b'p'; len]);
            }
            Self::NoCiphertext => super::crypt::put_bytes(answer, "ciphertext", b""),
            Self::None
            | Self::Status(..)
            | Self::NotJson
            | Self::Huge
            | Self::Redirect
            | Self::Hang => {}
        }
    }
}

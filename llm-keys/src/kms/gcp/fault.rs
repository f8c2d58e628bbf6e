//! What an error of Google means here.
//!
//! Google's message is never repeated, because it may quote the request. Its status and reason
//! are words from a closed list, and are.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, KmsFault};

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Call {
    Encrypt,
    Decrypt,
}

impl Call {
    /// The end of the method's address.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
        }
    }

    pub(super) fn error(self, fault: KmsFault, detail: impl Into<String>) -> Error {
        let op = match self {
            Self::Encrypt => "kms.wrap_key",
            Self::Decrypt => "kms.unwrap_key",
        };
        Error::new(ErrorKind::Kms(fault), op, detail.into())
    }

    fn permission(self) -> &'static str {
        match self {
            Self::Encrypt => {
                "the caller needs cloudkms.cryptoKeyVersions.useToEncrypt on the key: give it \
                 roles/cloudkms.cryptoKeyEncrypterDecrypter"
            }
            Self::Decrypt => {
                "the caller needs cloudkms.cryptoKeyVersions.useToDecrypt on the key: give it \
                 roles/cloudkms.cryptoKeyEncrypterDecrypter"
            }
        }
    }
}

/// Bytes that changed on the way: asking again may help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Damage(pub(super) &'static str);

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Something was damaged on the way.
    Damaged(Damage),
    /// Anything else.
    Failed(Error),
}

impl From<Damage> for Failure {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

#[derive(Deserialize)]
struct Body {
    error: Status,
}

/// `google.rpc.Status`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    status: String,
    message: String,
    details: Vec<Detail>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Detail {
    reason: String,
}

/// The failure that HTTP `code` with `body` stands for.
pub(super) fn from_answer(call: Call, code: u16, body: &[u8]) -> Failure {
    let status = serde_json::from_slice(body).map_or_else(|_| Status::default(), |b: Body| b.error);
    let name = word(&status.status).unwrap_or_else(|| by_code(code));
    if name == "INVALID_ARGUMENT" && status.message.to_ascii_lowercase().contains("crc32c") {
        return Damage("what we sent reached Cloud KMS damaged").into();
    }
    let reason = status.details.iter().find_map(|detail| word(&detail.reason));
    let told = match reason {
        Some(reason) => format!("HTTP {code}, {name}, {reason}"),
        None => format!("HTTP {code}, {name}"),
    };
    let (fault, what, hint) = match reason {
        // Its status is PERMISSION_DENIED or FAILED_PRECONDITION; no key is disabled.
        Some("SERVICE_DISABLED") => (KmsFault::Denied, "Cloud KMS is switched off", Some(ENABLE)),
        _ => meaning(call, name, code),
    };
    let error = call.error(fault, format!("{what} ({told})"));
    Failure::Failed(match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

type Meaning = (KmsFault, &'static str, Option<&'static str>);

fn meaning(call: Call, status: &str, code: u16) -> Meaning {
    match (status, call) {
        ("PERMISSION_DENIED", _) => {
            (KmsFault::Denied, "Cloud KMS denies the call", Some(call.permission()))
        }
        ("UNAUTHENTICATED", _) => {
            (KmsFault::Denied, "Cloud KMS does not know the caller", Some(LOGIN))
        }
        ("NOT_FOUND", _) => (
            KmsFault::KeyMissing,
            "Cloud KMS has no such key",
            Some("look with `gcloud kms keys list --location L --keyring R --project P`"),
        ),
        ("FAILED_PRECONDITION", _) => (
            KmsFault::KeyDisabled,
            "the version of the key is disabled or destroyed",
            Some("look with `gcloud kms keys versions list`, and enable it with `… enable`"),
        ),
        ("INVALID_ARGUMENT", Call::Decrypt) => (
            KmsFault::ContextMismatch,
            "the wrapped data key is damaged, or was wrapped for another context or by another key",
            None,
        ),
        ("INVALID_ARGUMENT", Call::Encrypt) => (
            KmsFault::Unsupported,
            "Cloud KMS cannot encrypt with this key",
            Some("the key needs the purpose ENCRYPT_DECRYPT"),
        ),
        ("RESOURCE_EXHAUSTED", _) => (KmsFault::Throttled, "Cloud KMS is asked too often", None),
        (
            "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "INTERNAL" | "ABORTED" | "CANCELLED" | "UNKNOWN",
            _,
        ) => (KmsFault::Unavailable, "Cloud KMS is not available", None),
        _ if code >= 500 => (KmsFault::Unavailable, "Cloud KMS is not available", None),
        _ => (KmsFault::BadAnswer, "Cloud KMS gave an answer that is not one of its own", None),
    }
}

/// For an answer without Google's body, such as one of a proxy between us.
fn by_code(code: u16) -> &'static str {
    match code {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        429 => "RESOURCE_EXHAUSTED",
        408 | 504 => "DEADLINE_EXCEEDED",
        500.. => "UNAVAILABLE",
        // Not NOT_FOUND for 404: something that is not Cloud KMS says so.
        _ => "no status",
    }
}

/// `text` if it is a constant such as `NOT_FOUND`, so that nothing else gets into an error.
fn word(text: &str) -> Option<&str> {
    let fine = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    (!text.is_empty() && text.len() <= 63 && text.bytes().all(fine)).then_some(text)
}

const ENABLE: &str = "run `gcloud services enable cloudkms.googleapis.com` for the project";
pub(super) const LOGIN: &str = "log in with `gcloud auth application-default login`, or point \
    GOOGLE_APPLICATION_CREDENTIALS to the credentials of a service account";

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(call: Call, code: u16, body: &str) -> Error {
        match from_answer(call, code, body.as_bytes()) {
            Failure::Failed(error) => error,
            Failure::Damaged(damage) => panic!("{damage:?}"),
        }
    }

    #[test]
    fn every_status_has_a_kind() {
        let both = [Call::Encrypt, Call::Decrypt];
        for (code, status, fault) in [
            (403, "PERMISSION_DENIED", KmsFault::Denied),
            (401, "UNAUTHENTICATED", KmsFault::Denied),
            (404, "NOT_FOUND", KmsFault::KeyMissing),
            (400, "FAILED_PRECONDITION", KmsFault::KeyDisabled),
            (429, "RESOURCE_EXHAUSTED", KmsFault::Throttled),
            (503, "UNAVAILABLE", KmsFault::Unavailable),
            (504, "DEADLINE_EXCEEDED", KmsFault::Unavailable),
            (500, "INTERNAL", KmsFault::Unavailable),
            (501, "UNIMPLEMENTED", KmsFault::Unavailable),
            (409, "ALREADY_EXISTS", KmsFault::BadAnswer),
        ] {
            let body = format!("{{\"error\":{{\"code\":{code},\"status\":\"{status}\"}}}}");
            for call in both {
                let error = kind(call, code, &body);
                assert_eq!(error.kind(), ErrorKind::Kms(fault), "{status}");
                assert!(error.detail().contains(status), "{error}");
            }
        }
        for (code, fault) in [
            (302, KmsFault::BadAnswer),
            (403, KmsFault::Denied),
            (404, KmsFault::BadAnswer),
            (429, KmsFault::Throttled),
            (502, KmsFault::Unavailable),
        ] {
            assert_eq!(kind(Call::Encrypt, code, "<html>").kind(), ErrorKind::Kms(fault), "{code}");
        }
    }

    #[test]
    fn googles_message_is_not_repeated() {
        let body = r#"{"error":{"status":"INVALID_ARGUMENT","message":"bad \"c2VjcmV0\"",
            "details":[{"reason":"c2VjcmV0"},{"reason":"SOME_REASON"}]}}"#;
        let error = kind(Call::Decrypt, 400, body);
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::ContextMismatch));
        assert!(error.detail().contains("SOME_REASON"), "{error}");
        assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error:?}");
    }

    #[test]
    fn a_service_that_is_switched_off_is_no_disabled_key() {
        let body = r#"{"error":{"status":"FAILED_PRECONDITION",
            "details":[{"reason":"SERVICE_DISABLED"}]}}"#;
        let error = kind(Call::Encrypt, 400, body);
        assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Denied));
        assert_eq!(error.hint(), Some(ENABLE));
    }

    #[test]
    fn a_refused_checksum_is_damage() {
        let body = r#"{"error":{"status":"INVALID_ARGUMENT",
            "message":"The checksum in field ciphertext_crc32c did not match."}}"#;
        let failure = from_answer(Call::Decrypt, 400, body.as_bytes());
        assert!(matches!(failure, Failure::Damaged(_)), "{failure:?}");
    }
}

//! What the server's refusals mean.

use serde::Deserialize;

use super::wire::{Answer, Call, Wire};
use crate::error::{Error, ErrorKind, KmsFault};

/// The error that `answer` is. The server's words decide but are not repeated: nothing that came
/// over the wire gets into an error.
pub(super) fn of(op: &'static str, answer: &Answer) -> Error {
    let words = words(&answer.body);
    let says = |part: &str| words.contains(part);
    let (fault, what, hint) = match answer.status {
        403 => (KmsFault::Denied, "the Vault server denied permission", Some(POLICY)),
        404 if says("no handler for route") => (
            KmsFault::KeyMissing,
            "nothing is mounted there",
            Some("mount Transit (`bao secrets enable transit`), or correct mount and namespace"),
        ),
        404 => (KmsFault::KeyMissing, "there is no such Transit key", Some(CREATE)),
        400 if says("encryption key not found") => {
            (KmsFault::KeyMissing, "there is no such Transit key", Some(CREATE))
        }
        400 if says("disallowed by policy (too old)") => (
            KmsFault::KeyDisabled,
            "the key version that wrapped it is retired",
            Some("lower min_decryption_version of the Transit key"),
        ),
        400 if says("soft-deleted") => (
            KmsFault::KeyDisabled,
            "the Transit key is deleted, but can be restored",
            Some("bao write -f transit/keys/KEY/soft-delete-restore"),
        ),
        400 if says("message authentication failed")
            || says("invalid ciphertext")
            || says("unable to decrypt") =>
        {
            (KmsFault::ContextMismatch, MISMATCH, None)
        }
        400 if says("not supported for key type")
            || says("non-aead")
            || says("missing 'context' for key derivation")
            || says("unsupported operation") =>
        {
            (
                KmsFault::Unsupported,
                "the Transit key is of a type that cannot do this",
                Some(CREATE),
            )
        }
        405 => (KmsFault::Unsupported, "this is no Transit mount", None),
        412 | 472 | 473 | 300..400 => (
            KmsFault::Unavailable,
            "the Vault server is a standby that does not serve this",
            Some("name the active server, or a load balancer that finds it"),
        ),
        429 if says_standby(&answer.body) => {
            (KmsFault::Unavailable, "the Vault server is a standby", Some("name the active server"))
        }
        429 => (
            KmsFault::Throttled,
            "the Vault server limits the rate of requests",
            Some("raise the rate limit quota of the mount"),
        ),
        501 => (
            KmsFault::Unavailable,
            "the Vault server is not initialised",
            Some("bao operator init"),
        ),
        503 if says("sealed") => {
            (KmsFault::Unavailable, "the Vault server is sealed", Some("bao operator unseal"))
        }
        408 | 500..600 => (KmsFault::Unavailable, "the Vault server failed", None),
        status => {
            let what = format!("the Vault server refused with HTTP status {status}");
            return Error::new(ErrorKind::Kms(KmsFault::BadAnswer), op, what)
                .with_hint("its audit log has the reason");
        }
    };
    let error = Error::new(ErrorKind::Kms(fault), op, what);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The same, after a look at the server's health if that tells more: one that is not initialised
/// says that it is sealed.
pub(super) async fn explain(wire: &Wire, op: &'static str, answer: &Answer) -> Error {
    if answer.status == 503 {
        let health = wire.send(Call { op, path: "sys/health", body: None, token: None }).await;
        if let Ok(health) = health
            && health.status == 501
        {
            return of(op, &health);
        }
    }
    of(op, answer)
}

/// The same answer for a damaged blob and another context: the AEAD cannot tell them apart.
pub(super) fn mismatch(op: &'static str) -> Error {
    Error::new(ErrorKind::Kms(KmsFault::ContextMismatch), op, MISMATCH)
}

/// An answer that the protocol does not allow.
pub(super) fn bad_answer(op: &'static str, what: &'static str) -> Error {
    Error::new(ErrorKind::Kms(KmsFault::BadAnswer), op, what)
}

/// What stands in `errors`, in lower case; nothing if it is no such document.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let errors = serde_json::from_slice::<Errors>(body).map(|found| found.errors);
    errors.unwrap_or_default().join("\n").to_lowercase()
}

/// A health document of a standby has status 429, too.
fn says_standby(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Health {
        standby: bool,
    }
    serde_json::from_slice::<Health>(body).is_ok_and(|health| health.standby)
}

const MISMATCH: &str = "the wrapped data key is damaged, or was wrapped for another context";
const CREATE: &str = "bao write -f transit/keys/KEY type=aes256-gcm96";
const POLICY: &str = "the token's policy needs `update` on MOUNT/datakey/plaintext/KEY and on \
    MOUNT/decrypt/KEY; with several KMS also on MOUNT/encrypt/KEY";

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn kind(status: u16, body: &str) -> ErrorKind {
        let body = Zeroizing::new(body.as_bytes().to_vec());
        of("kms.test", &Answer { status, body }).kind()
    }

    #[test]
    fn each_refusal_has_its_kind() {
        for (status, words, fault) in [
            (403, "permission denied", KmsFault::Denied),
            (403, "1 error occurred:\\n\\t* permission denied\\n\\n", KmsFault::Denied),
            (404, "", KmsFault::KeyMissing),
            (404, "no handler for route \\\"x\\\". route entry not found.", KmsFault::KeyMissing),
            (400, "encryption key not found", KmsFault::KeyMissing),
            (
                400,
                "ciphertext or signature version is disallowed by policy (too old)",
                KmsFault::KeyDisabled,
            ),
            (400, "refusing to use soft-deleted key", KmsFault::KeyDisabled),
            (400, "cipher: message authentication failed", KmsFault::ContextMismatch),
            (400, "invalid ciphertext: version is too new", KmsFault::ContextMismatch),
            (400, "invalid ciphertext length", KmsFault::ContextMismatch),
            (
                400,
                "'associated_data' provided for non-AEAD cipher suite rsa-2048",
                KmsFault::Unsupported,
            ),
            (400, "message encryption not supported for key type ed25519", KmsFault::Unsupported),
            (400, "something new", KmsFault::BadAnswer),
            (405, "unsupported operation", KmsFault::Unsupported),
            (307, "", KmsFault::Unavailable),
            (412, "", KmsFault::Unavailable),
            (472, "", KmsFault::Unavailable),
            (473, "", KmsFault::Unavailable),
            (429, "request path \\\"x\\\": rate limit quota exceeded", KmsFault::Throttled),
            (500, "internal error", KmsFault::Unavailable),
            (501, "", KmsFault::Unavailable),
            (502, "", KmsFault::Unavailable),
            (503, "Vault is sealed", KmsFault::Unavailable),
            (418, "", KmsFault::BadAnswer),
        ] {
            let body = format!("{{\"errors\":[\"{words}\"]}}");
            assert_eq!(kind(status, &body), ErrorKind::Kms(fault), "{status} {words}");
        }
        let standby = kind(429, r#"{"initialized":true,"sealed":false,"standby":true}"#);
        assert_eq!(standby, ErrorKind::Kms(KmsFault::Unavailable));
    }

    #[test]
    fn a_body_that_is_no_document_is_judged_by_its_status() {
        for body in ["", "<html>", "{}", "[", "{\"errors\":7}"] {
            assert_eq!(kind(503, body), ErrorKind::Kms(KmsFault::Unavailable));
            assert_eq!(kind(400, body), ErrorKind::Kms(KmsFault::BadAnswer));
            assert_eq!(kind(429, body), ErrorKind::Kms(KmsFault::Throttled));
        }
    }

    #[test]
    fn no_word_of_the_server_is_repeated() {
        for status in 300..600 {
            let body = Zeroizing::new(b"{\"errors\":[\"Canary\"]}".to_vec());
            let error = of("kms.test", &Answer { status, body });
            assert!(!format!("{error:?}").contains("Canary"), "{error:?}");
        }
    }
}

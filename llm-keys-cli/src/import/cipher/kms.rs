//! AWS KMS ciphertexts of the keys themselves, with the encryption context `{service, user_id}`,
//! where `user_id` is `global` for a key of nobody.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::decrypt::DecryptError;
use aws_sdk_kms::primitives::Blob;
use base64ct::{Base64, Encoding as _};
use llm_keys::error::KmsFault;
use llm_keys::{Error, ErrorKind, SecretBytes};

use super::Unopened;
use crate::failure::{Failure, Result};
use crate::import::fields::Sealed;

/// AWS KMS with the settings that every AWS program takes.
#[derive(Debug)]
pub(super) struct LegacyKms {
    client: Client,
    key: Option<String>,
}

impl LegacyKms {
    /// The KMS of this process's environment, and the key to use.
    ///
    /// # Errors
    /// `Usage` if no region is known.
    pub(super) async fn of(key: Option<String>) -> Result<Self> {
        let config: SdkConfig = aws_config::defaults(BehaviorVersion::latest()).load().await;
        if config.region().is_none() {
            return Err(Failure::usage("no AWS region is known").with_hint("set `AWS_REGION`"));
        }
        Ok(Self { client: Client::new(&config), key })
    }

    /// What `sealed` holds.
    pub(super) async fn open(&self, sealed: &Sealed) -> Result<SecretBytes, Unopened> {
        let Some(service) = &sealed.service else {
            return Err(Unopened::Bad("without its service it cannot be opened"));
        };
        let bytes = sealed.bytes.expose(decode).ok_or(Unopened::Bad(
            "the ciphertext is neither base64 nor `\\x` and hexadecimal digits",
        ))?;
        let answer = self
            .client
            .decrypt()
            .ciphertext_blob(Blob::new(bytes))
            .set_key_id(self.key.clone())
            .encryption_context("service", service)
            .encryption_context("user_id", sealed.user_id.as_deref().unwrap_or("global"))
            .send()
            .await
            .map_err(unopened)?;
        let text = answer.plaintext.ok_or(Unopened::Bad("the KMS answered without a key"))?;
        Ok(SecretBytes::new(text.into_inner()))
    }
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    match text.strip_prefix("\\x") {
        Some(digits) => hex::decode(digits).ok(),
        None => Base64::decode_vec(text).ok(),
    }
}

fn unopened(error: SdkError<DecryptError>) -> Unopened {
    let fault = match error.as_service_error() {
        Some(DecryptError::InvalidCiphertextException(_)) => {
            return Unopened::Bad(
                "it does not open: sealed for another service or user, or changed",
            );
        }
        Some(DecryptError::IncorrectKeyException(_)) => {
            return Unopened::Bad("it was sealed under another key than `--legacy-kms-key`");
        }
        Some(DecryptError::NotFoundException(_)) => KmsFault::KeyMissing,
        Some(DecryptError::DisabledException(_) | DecryptError::KmsInvalidStateException(_)) => {
            KmsFault::KeyDisabled
        }
        Some(other) if other.meta().code() == Some("AccessDeniedException") => KmsFault::Denied,
        Some(_) => KmsFault::BadAnswer,
        None => KmsFault::Unavailable,
    };
    // Not the whole error: it may hold the answer, and the answer the key.
    let code = error.as_service_error().and_then(|error| error.meta().code());
    let detail = match code {
        Some(code) => format!("the other program's KMS could not open a key: {code}"),
        None => "the other program's KMS could not open a key".to_owned(),
    };
    let error = Error::new(ErrorKind::Kms(fault), "cli.import", detail);
    Unopened::All(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_base64_or_what_postgres_prints() {
        assert_eq!(decode(b"AQID"), Some(vec![1, 2, 3]));
        assert_eq!(decode(b" \\x010203\n"), Some(vec![1, 2, 3]));
        for bad in [&b"\\xzz"[..], b"***", b"\xff"] {
            assert_eq!(decode(bad), None);
        }
    }
}

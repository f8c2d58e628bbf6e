//! What a failed request means. Nothing of the SDK's own texts gets into an error: only the code,
//! the request id, and the message of codes whose messages are known to name no more than the key
//! and who asked.

use std::error::Error as StdError;
use std::fmt::Write as _;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId as _;

use crate::error::{Error, ErrorKind, KmsFault};

/// Which request failed; each needs the IAM permission of its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    GenerateDataKey,
    Encrypt,
    Decrypt,
    DescribeKey,
}

impl Request {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GenerateDataKey => "GenerateDataKey",
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
            Self::DescribeKey => "DescribeKey",
        }
    }

    pub(super) fn op(self) -> &'static str {
        match self {
            Self::GenerateDataKey => "kms.generate_data_key",
            Self::Encrypt => "kms.wrap_key",
            Self::Decrypt => "kms.unwrap_key",
            Self::DescribeKey => "kms.describe_key",
        }
    }
}

/// The error of a request about `key` that failed with `error`.
pub(super) fn fault<E>(error: &SdkError<E, HttpResponse>, request: Request, key: &str) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let (meaning, mut detail) = match error {
        SdkError::ServiceError(_) => {
            let code = clean(error.code().unwrap_or_default(), 64);
            let meaning = of_code(&code).unwrap_or_else(|| of_status(status));
            let mut detail = match code.as_str() {
                "" => format!("AWS KMS answered {} with status {}", request.name(), number(status)),
                code => format!("AWS KMS answered {} with {code}", request.name()),
            };
            if let Some(message) = error.message().filter(|_| has_plain_message(&code)) {
                let _ = write!(detail, ": {}", clean(message, 300));
            }
            (meaning, detail)
        }
        SdkError::ResponseError(failure) => {
            // A body that came whole is one that makes no sense; otherwise it was cut off.
            let meaning = match of_status(status) {
                Meaning::Later => Meaning::Later,
                _ if failure.raw().body().bytes().is_none() => Meaning::Later,
                _ => Meaning::Nonsense,
            };
            let what = match meaning {
                Meaning::Later => "the answer did not arrive whole",
                _ => "the answer makes no sense",
            };
            (meaning, format!("{what} ({}, status {})", request.name(), number(status)))
        }
        _ if is_about_credentials(error) => {
            (Meaning::NoCredentials, "there are no AWS credentials that can be used".to_owned())
        }
        SdkError::TimeoutError(_) => (Meaning::Later, format!("no answer to {}", request.name())),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (Meaning::Later, "AWS KMS cannot be reached in time".to_owned())
        }
        SdkError::DispatchFailure(_) => (Meaning::Later, "AWS KMS cannot be reached".to_owned()),
        _ => (Meaning::Settings, format!("the request {} cannot be built", request.name())),
    };
    if let Some(id) = error.request_id() {
        let _ = write!(detail, " (request {})", clean(id, 64));
    }
    let kind = ErrorKind::Kms(meaning.fault());
    let made = Error::new(kind, request.op(), detail);
    match meaning.hint(request, key) {
        Some(hint) => made.with_hint(hint),
        None => made,
    }
}

/// Whether AWS knows the credentials, and they have expired.
pub(super) fn says_expired<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    matches!(error, SdkError::ServiceError(_))
        && matches!(error.code(), Some("ExpiredToken" | "ExpiredTokenException"))
}

/// What is to be done about a failure, which is finer than its kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meaning {
    Permission,
    Credentials,
    /// Nothing was sent.
    NoCredentials,
    Clock,
    Throttled,
    Later,
    Missing,
    Disabled,
    State,
    WrongKey,
    Ciphertext,
    Unsupported,
    Settings,
    Nonsense,
}

impl Meaning {
    fn fault(self) -> KmsFault {
        match self {
            Self::Permission | Self::Credentials | Self::Clock => KmsFault::Denied,
            Self::Throttled => KmsFault::Throttled,
            Self::Later => KmsFault::Unavailable,
            Self::Missing => KmsFault::KeyMissing,
            Self::Disabled | Self::State => KmsFault::KeyDisabled,
            Self::WrongKey => KmsFault::WrongKey,
            Self::Ciphertext => KmsFault::ContextMismatch,
            Self::Unsupported => KmsFault::Unsupported,
            Self::NoCredentials | Self::Settings => KmsFault::Misconfigured,
            Self::Nonsense => KmsFault::BadAnswer,
        }
    }

    fn hint(self, request: Request, key: &str) -> Option<String> {
        let action = request.name();
        Some(match self {
            Self::Permission => format!(
                "allow kms:{action} on {key} in the IAM policy of this identity and in the key's \
                 policy; conditions on kms:EncryptionContext: must match, too"
            ),
            Self::Credentials | Self::NoCredentials => {
                "give this process AWS credentials that are valid: AWS_PROFILE, \
                                  `aws sso login`, AWS_ACCESS_KEY_ID, or a role"
                    .to_owned()
            }
            Self::Clock => "compare the clock of this machine with the right time, and the secret \
                            access key with the one AWS gave"
                .to_owned(),
            Self::Throttled => "the request quota of this AWS account and region is used up: a \
                                longer cache TTL needs fewer calls"
                .to_owned(),
            Self::Missing => format!(
                "look for {key} in the account and region of these credentials: \
                 aws kms describe-key --key-id {key}"
            ),
            Self::Disabled => format!("aws kms enable-key --key-id {key}"),
            Self::State => format!(
                "aws kms describe-key --key-id {key}; if it waits to be deleted, \
                 cancel-key-deletion and then enable-key bring it back"
            ),
            Self::Unsupported => format!("{key} must be a symmetric encryption key"),
            Self::Settings => {
                "look at the AWS settings: region, profile, AWS_ENDPOINT_URL".to_owned()
            }
            Self::Later | Self::WrongKey | Self::Ciphertext | Self::Nonsense => return None,
        })
    }
}

fn of_code(code: &str) -> Option<Meaning> {
    Some(match code {
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "OptInRequired" => {
            Meaning::Permission
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClientException" => Meaning::Credentials,
        "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidSignatureException"
        | "RequestExpired"
        | "SignatureDoesNotMatch" => Meaning::Clock,
        "LimitExceededException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException" => Meaning::Throttled,
        "DependencyTimeoutException"
        | "InternalError"
        | "InternalFailure"
        | "KMSInternalException"
        | "KeyUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => Meaning::Later,
        "NotFoundException" => Meaning::Missing,
        "DisabledException" => Meaning::Disabled,
        "KMSInvalidStateException" => Meaning::State,
        "IncorrectKeyException" => Meaning::WrongKey,
        "InvalidCiphertextException" => Meaning::Ciphertext,
        "InvalidKeyUsageException" | "UnsupportedOperationException" | "ValidationException" => {
            Meaning::Unsupported
        }
        "InvalidArnException" => Meaning::Settings,
        _ => return None,
    })
}

fn of_status(status: Option<u16>) -> Meaning {
    match status {
        Some(401 | 403) => Meaning::Permission,
        Some(408 | 500..) => Meaning::Later,
        Some(429) => Meaning::Throttled,
        _ => Meaning::Nonsense,
    }
}

/// Whether the message that comes with `code` says only who asked for which key. Others repeat
/// parts of the request: that of a wrong signature repeats its headers.
fn has_plain_message(code: &str) -> bool {
    matches!(
        of_code(code),
        Some(Meaning::Permission | Meaning::Missing | Meaning::Disabled | Meaning::State)
    )
}

/// Whether the request failed because nobody could say who asks.
fn is_about_credentials(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<CredentialsError>() {
            // Who would know did not answer in time: that passes.
            Some(CredentialsError::ProviderTimedOut(_)) => return false,
            Some(_) => return true,
            None => cause = error.source(),
        }
    }
    false
}

/// At most `max` printable ASCII characters of what a server said.
fn clean(text: &str, max: usize) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(max).collect()
}

fn number(status: Option<u16>) -> String {
    status.map_or_else(|| "unknown".to_owned(), |status| status.to_string())
}

#[cfg(test)]
mod tests;

use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ConnectorError, ErrorMetadata};
use aws_sdk_kms::operation::decrypt::DecryptError;

use super::*;

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn answer(status: u16, code: Option<&str>, message: &str) -> Error {
    let mut meta = ErrorMetadata::builder().message(message);
    if let Some(code) = code {
        meta = meta.code(code);
    }
    let raw = HttpResponse::new(status.try_into().unwrap(), "".into());
    let error = SdkError::service_error(DecryptError::generic(meta.build()), raw);
    fault(&error, Request::Decrypt, ARN)
}

#[test]
fn every_code_has_its_kind() {
    for (code, expected) in [
        ("AccessDeniedException", KmsFault::Denied),
        ("UnrecognizedClientException", KmsFault::Denied),
        ("InvalidSignatureException", KmsFault::Denied),
        ("ExpiredTokenException", KmsFault::Denied),
        ("ThrottlingException", KmsFault::Throttled),
        ("LimitExceededException", KmsFault::Throttled),
        ("KMSInternalException", KmsFault::Unavailable),
        ("DependencyTimeoutException", KmsFault::Unavailable),
        ("KeyUnavailableException", KmsFault::Unavailable),
        ("NotFoundException", KmsFault::KeyMissing),
        ("DisabledException", KmsFault::KeyDisabled),
        ("KMSInvalidStateException", KmsFault::KeyDisabled),
        ("IncorrectKeyException", KmsFault::WrongKey),
        ("InvalidCiphertextException", KmsFault::ContextMismatch),
        ("InvalidKeyUsageException", KmsFault::Unsupported),
        ("ValidationException", KmsFault::Unsupported),
    ] {
        let error = answer(400, Some(code), "");
        assert_eq!(error.kind(), ErrorKind::Kms(expected), "{code}");
        assert!(error.to_string().contains(code), "{error}");
    }
}

#[test]
fn without_a_known_code_the_status_decides() {
    for (status, expected) in [
        (400, KmsFault::BadAnswer),
        (403, KmsFault::Denied),
        (413, KmsFault::BadAnswer),
        (429, KmsFault::Throttled),
        (500, KmsFault::Unavailable),
        (503, KmsFault::Unavailable),
    ] {
        for code in [None, Some("NobodyKnows")] {
            assert_eq!(answer(status, code, "").kind(), ErrorKind::Kms(expected), "{status}");
        }
    }
}

#[test]
fn the_hint_names_the_permission_and_the_key() {
    let error = answer(400, Some("AccessDeniedException"), "User: x is not authorized");
    let hint = error.hint().unwrap();
    assert!(hint.contains("kms:Decrypt") && hint.contains(ARN), "{hint}");
    assert!(error.to_string().ends_with(": User: x is not authorized"), "{error}");
}

#[test]
fn messages_that_may_repeat_the_request_are_left_out() {
    let long = format!("Canary\n{}", "x".repeat(1000));
    for code in ["InvalidSignatureException", "ValidationException", "NobodyKnows", ""] {
        let error = answer(400, Some(code), &long);
        assert!(!format!("{error:?}").contains("Canary"), "{error:?}");
    }
    let error = answer(400, Some("NotFoundException"), &long);
    assert!(error.to_string().len() < 400 && !error.to_string().contains('\n'), "{error}");
    let error = answer(400, Some(&long), "");
    assert!(error.to_string().len() < 200, "{error}");
}

#[test]
fn what_never_reached_the_service() {
    let kind = |error: SdkError<DecryptError>| fault(&error, Request::Decrypt, ARN).kind();
    let unavailable = ErrorKind::Kms(KmsFault::Unavailable);
    assert_eq!(kind(SdkError::timeout_error("x")), unavailable);
    assert_eq!(kind(SdkError::dispatch_failure(ConnectorError::io("x".into()))), unavailable);
    assert_eq!(kind(SdkError::dispatch_failure(ConnectorError::timeout("x".into()))), unavailable);
    let missing = CredentialsError::not_loaded("Canary");
    let error =
        SdkError::<DecryptError>::dispatch_failure(ConnectorError::other(missing.into(), None));
    let error = fault(&error, Request::Decrypt, ARN);
    assert_eq!(error.kind(), ErrorKind::Kms(KmsFault::Misconfigured), "AWS denied nothing");
    assert!(error.hint().unwrap().contains("AWS_PROFILE"), "{error:?}");
    assert!(!format!("{error:?}").contains("Canary"), "{error:?}");
    let slow = CredentialsError::provider_timed_out(std::time::Duration::ZERO);
    let slow = SdkError::dispatch_failure(ConnectorError::other(slow.into(), None));
    assert_eq!(kind(slow), unavailable);
    let settings = ErrorKind::Kms(KmsFault::Misconfigured);
    assert_eq!(kind(SdkError::construction_failure("x")), settings);
}

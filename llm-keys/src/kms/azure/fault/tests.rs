use azure_core::http::RawResponse;
use azure_core::http::headers::Headers;

use super::*;

fn answer(status: u16, body: &str) -> azure_core::Error {
    let status = StatusCode::from(status);
    let raw = RawResponse::from_bytes(status, Headers::new(), body.to_owned());
    let kind = AzureKind::HttpResponse {
        status,
        error_code: Some("hunter2".to_owned()),
        raw_response: Some(Box::new(raw)),
    };
    azure_core::Error::with_message(kind, "hunter2")
}

fn nested(outer: &str, inner: &str) -> String {
    format!(
        r#"{{"error":{{"code":"{outer}","message":"hunter2","innererror":{{"code":"{inner}"}}}}}}"#
    )
}

#[test]
fn answers_become_kinds() {
    let plain = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"hunter2"}}}}"#);
    for (status, body, call, fault) in [
        (401, plain("Unauthorized"), Call::Wrap, KmsFault::Denied),
        (403, nested("Forbidden", "ForbiddenByRbac"), Call::Wrap, KmsFault::Denied),
        (403, nested("Forbidden", "ForbiddenByFirewall"), Call::Get, KmsFault::Denied),
        (403, nested("Forbidden", "KeyDisabled"), Call::Unwrap, KmsFault::KeyDisabled),
        (403, nested("Forbidden", "KeyExpired"), Call::Wrap, KmsFault::KeyDisabled),
        (404, plain("KeyNotFound"), Call::Get, KmsFault::KeyMissing),
        (409, plain("Conflict"), Call::Wrap, KmsFault::KeyDisabled),
        (400, plain("BadParameter"), Call::Unwrap, KmsFault::ContextMismatch),
        (400, plain("BadParameter"), Call::Wrap, KmsFault::Unsupported),
        (429, plain("Throttled"), Call::Wrap, KmsFault::Throttled),
        (500, plain("InternalServerError"), Call::Wrap, KmsFault::Unavailable),
        (503, String::new(), Call::Unwrap, KmsFault::Unavailable),
        (302, "<html>hunter2".to_owned(), Call::Get, KmsFault::BadAnswer),
    ] {
        let error = of(call, &answer(status, &body));
        assert_eq!(error.kind(), ErrorKind::Kms(fault), "{status} {body}");
        assert_eq!(error.op(), call.op());
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn hints_name_the_permission() {
    let denied = |call| of(call, &answer(403, &nested("Forbidden", "ForbiddenByPolicy")));
    for (call, permission) in
        [(Call::Get, "keys/read"), (Call::Wrap, "keys/wrap"), (Call::Unwrap, "keys/unwrap")]
    {
        let error = denied(call);
        assert!(error.hint().unwrap().contains(permission), "{error:?}");
        assert!(error.detail().contains("Forbidden/ForbiddenByPolicy"), "{error:?}");
    }
}

#[test]
fn what_is_no_code_is_not_shown() {
    let error = of(Call::Wrap, &answer(403, &nested("Forbidden", "hunter2 <script>")));
    assert!(error.detail().ends_with("(403 Forbidden)"), "{error:?}");
}

#[test]
fn a_token_that_cannot_be_had() {
    let credential = |inner: azure_core::Error| {
        of(
            Call::Wrap,
            &azure_core::Error::with_error(AzureKind::Credential, inner, "AADSTS7000215: hunter2"),
        )
    };
    let refused = credential(answer(401, "{}"));
    assert_eq!(refused.kind(), ErrorKind::Kms(KmsFault::Misconfigured), "Key Vault was not asked");
    assert!(refused.detail().contains("AADSTS7000215"), "{refused:?}");
    assert!(!format!("{refused:?}").contains("hunter2"));
    for away in [AzureKind::Io.into(), AzureKind::Connection.into(), answer(503, "")] {
        assert_eq!(credential(away).kind(), ErrorKind::Kms(KmsFault::Unavailable));
    }
}

//! Answers that are refusals, outages, or wrong.

use std::time::Duration;

use testkit::gcp::Trouble;

use super::*;

#[tokio::test]
async fn a_damaged_answer_is_asked_for_once_more() {
    let bed = Bed::new().await;
    let both = [Trouble::NoChecksum, Trouble::Status(400, "INVALID_ARGUMENT")];
    let wraps = [
        Trouble::CiphertextChecksum,
        Trouble::UnverifiedPlaintext,
        Trouble::UnverifiedAssociatedData,
        both[0],
    ];
    for trouble in wraps {
        bed.fake.trouble([trouble]);
        let before = bed.fake.requests();
        bed.wrap().await.unwrap();
        assert_eq!(bed.fake.requests() - before, 2, "{trouble:?}");

        bed.fake.trouble([trouble; 2]);
        let error = bed.wrap().await.unwrap_err();
        assert_eq!(error.kind(), kind(KmsFault::BadAnswer), "{trouble:?}");
        assert_eq!(bed.fake.requests() - before, 4, "{trouble:?}: one retry, no more");
    }
    for trouble in [Trouble::PlaintextChecksum, both[0]] {
        bed.fake.trouble([trouble]);
        let before = bed.fake.requests();
        bed.unwrap().await.unwrap();
        assert_eq!(bed.fake.requests() - before, 2, "{trouble:?}");

        bed.fake.trouble([trouble; 2]);
        let error = bed.unwrap().await.unwrap_err();
        assert_eq!(error.kind(), kind(KmsFault::BadAnswer), "{trouble:?}");
        assert_eq!(bed.fake.requests() - before, 4, "{trouble:?}: one retry, no more");
    }
    // A refusal is not damage.
    bed.fake.trouble([both[1]]);
    let before = bed.fake.requests();
    assert_eq!(bed.unwrap().await.unwrap_err().kind(), kind(KmsFault::ContextMismatch));
    assert_eq!(bed.fake.requests() - before, 1);
}

#[tokio::test]
async fn a_key_to_read_with_is_checked_without_wrapping() {
    let bed = Bed::new().await;
    let before = bed.fake.requests();
    assert_eq!(bed.kms.check_reading().await.unwrap().uri, *bed.kms.uri());
    assert_eq!(bed.fake.requests() - before, 1);
    for (code, status, fault) in [
        (403, "PERMISSION_DENIED", KmsFault::Denied),
        (400, "FAILED_PRECONDITION", KmsFault::KeyDisabled),
        (503, "UNAVAILABLE", KmsFault::Unavailable),
    ] {
        bed.fake.trouble([Trouble::Status(code, status)]);
        assert_eq!(bed.kms.check_reading().await.unwrap_err().kind(), kind(fault), "{status}");
    }
    let missing = client(&bed.fake, OTHER);
    let error = missing.check_reading().await.unwrap_err();
    assert_eq!(error.kind(), kind(KmsFault::KeyMissing));
    assert!(error.op() == "kms.unwrap_key", "{error:?}");
}

#[tokio::test]
async fn an_answer_in_the_name_of_another_key_is_refused() {
    let bed = Bed::new().await;
    bed.fake.trouble([Trouble::OtherKey]);
    let error = bed.wrap().await.unwrap_err();
    assert_eq!(error.kind(), kind(KmsFault::BadAnswer));
    assert!(error.hint().unwrap().contains("project"), "{error:?}");
}

#[tokio::test]
async fn a_plaintext_of_another_length_is_a_bad_answer() {
    let bed = Bed::new().await;
    for len in [0, 31, 33, 4096] {
        bed.fake.trouble([Trouble::PlaintextLength(len)]);
        let error = bed.unwrap().await.unwrap_err();
        assert_eq!(error.kind(), kind(KmsFault::BadAnswer), "{len}");
    }
    bed.fake.trouble([Trouble::NoCiphertext]);
    assert_eq!(bed.wrap().await.unwrap_err().kind(), kind(KmsFault::BadAnswer));
}

#[tokio::test]
async fn what_is_no_answer_of_cloud_kms_is_a_bad_answer_and_a_redirect_is_not_followed() {
    let bed = Bed::new().await;
    for trouble in [Trouble::NotJson, Trouble::Huge, Trouble::Redirect] {
        let before = bed.fake.requests();
        bed.fake.trouble([trouble]);
        let error = bed.unwrap().await.unwrap_err();
        assert_eq!(error.kind(), kind(KmsFault::BadAnswer), "{trouble:?}");
        assert_eq!(bed.fake.requests() - before, 1, "{trouble:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_one_request_with_a_kind_of_its_own() {
    let bed = Bed::new().await;
    for (code, status, fault) in [
        (403, "PERMISSION_DENIED", KmsFault::Denied),
        (401, "UNAUTHENTICATED", KmsFault::Denied),
        (404, "NOT_FOUND", KmsFault::KeyMissing),
        (400, "FAILED_PRECONDITION", KmsFault::KeyDisabled),
        (429, "RESOURCE_EXHAUSTED", KmsFault::Throttled),
        (500, "INTERNAL", KmsFault::Unavailable),
        (503, "UNAVAILABLE", KmsFault::Unavailable),
        (504, "DEADLINE_EXCEEDED", KmsFault::Unavailable),
    ] {
        let before = bed.fake.requests();
        bed.fake.trouble([Trouble::Status(code, status); 2]);
        assert_eq!(bed.wrap().await.unwrap_err().kind(), kind(fault), "{status}");
        assert_eq!(bed.unwrap().await.unwrap_err().kind(), kind(fault), "{status}");
        assert_eq!(bed.fake.requests() - before, 2, "{status}");
    }
    bed.fake.trouble([Trouble::Status(403, "PERMISSION_DENIED"); 2]);
    let (wrap, unwrap) = (bed.wrap().await.unwrap_err(), bed.unwrap().await.unwrap_err());
    for (error, permission) in [(wrap, "useToEncrypt"), (unwrap, "useToDecrypt")] {
        let hint = error.hint().unwrap();
        assert!(hint.contains(permission), "{hint}");
        assert!(hint.contains("roles/cloudkms.cryptoKeyEncrypterDecrypter"), "{hint}");
    }
}

#[tokio::test]
async fn a_rotated_key_opens_old_data_keys_until_their_version_is_disabled() {
    let bed = Bed::new().await;
    assert_eq!(bed.fake.rotate(KEY), 2);
    bed.unwrap().await.unwrap();
    let fresh = bed.kms.wrap_key(&bed.key, with(&bed.context)).await.unwrap();
    assert_eq!(fresh.uri, bed.wrapped.uri, "a version is not part of the name");
    for state in [State::Disabled, State::DestroyScheduled, State::Destroyed] {
        bed.fake.set_state(KEY, 1, state);
        let error = bed.unwrap().await.unwrap_err();
        assert_eq!(error.kind(), kind(KmsFault::KeyDisabled), "{state:?}");
        bed.wrap().await.unwrap();
        bed.kms.unwrap_key(&fresh, with(&bed.context)).await.unwrap();
    }
    bed.fake.set_state(KEY, 1, State::Enabled);
    bed.unwrap().await.unwrap();
    bed.fake.set_state(KEY, 2, State::Disabled);
    assert_eq!(bed.wrap().await.unwrap_err().kind(), kind(KmsFault::KeyDisabled));
    assert_eq!(bed.kms.check().await.unwrap_err().kind(), kind(KmsFault::KeyDisabled));
}

#[tokio::test]
async fn a_data_key_of_another_kms_key_causes_no_request() {
    let bed = Bed::new().await;
    bed.fake.add_key(OTHER);
    let before = bed.fake.requests();
    let other = client(&bed.fake, OTHER);
    assert!(!other.accepts(&bed.wrapped));
    let error = other.unwrap_key(&bed.wrapped, with(&bed.context)).await.unwrap_err();
    assert_eq!(error.kind(), kind(KmsFault::WrongKey));
    assert_eq!(bed.fake.requests(), before);
}

#[tokio::test]
async fn nobody_there_or_nobody_answers_is_unavailable() {
    let bed = Bed::new().await;
    bed.fake.trouble([Trouble::Hang]);
    let hung = tokio::time::timeout(Duration::from_millis(200), bed.unwrap()).await;
    assert!(hung.is_err());
    bed.unwrap().await.unwrap();

    let Bed { fake, kms, context, wrapped, .. } = bed;
    drop(fake);
    let error = kms.unwrap_key(&wrapped, with(&context)).await.unwrap_err();
    assert_eq!(error.kind(), kind(KmsFault::Unavailable));
}

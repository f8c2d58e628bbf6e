//! KM7: bytes that changed on the way, and servers of a cluster that cannot answer just now.

use llm_keys::error::KmsFault;
use llm_keys::kms::GuardOptions;
use llm_keys::{ErrorKind, Served};
use serde_json::json;

use super::bed::{Bed, put, read};
use super::server;
use crate::fault_proxy::Fault;

const BAD_ANSWER: ErrorKind = ErrorKind::Kms(KmsFault::BadAnswer);
const UNAVAILABLE: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);

#[tokio::test]
async fn gcp_a_wrong_checksum_is_asked_for_once_more() {
    let bed = Bed::new(server::gcp::start().await).await;
    let words = &bed.server.words;
    let wraps = [
        Fault::json("/ciphertextCrc32c", json!("1")),
        Fault::json("/verifiedPlaintextCrc32c", json!(false)),
        Fault::json("/verifiedAdditionalAuthenticatedDataCrc32c", json!(false)),
    ];
    let unwraps = [Fault::json("/plaintextCrc32c", json!("1"))];
    for (at, faults) in [(words.wrap, &wraps[..]), (words.unwrap, &unwraps)] {
        bed.watch(at);
        for (number, fault) in faults.iter().enumerate() {
            let keys = bed.start(GuardOptions::default()).await;
            let service = format!("damage-{number}");
            let ask = async || match at == words.wrap {
                true => put(&keys, &service).await.map(|()| Some(Served::Store)),
                false => read(&keys, "openai").await,
            };
            let before = bed.proxy().requests();
            bed.proxy().next(2, fault.clone());
            assert_eq!(ask().await.unwrap_err().kind(), BAD_ANSWER, "{at} {number}");
            assert_eq!(bed.proxy().requests() - before, 2, "{at} {number}: once more, and no more");
            bed.proxy().next(1, fault.clone());
            assert_eq!(ask().await.unwrap(), Some(Served::Store), "{at} {number}");
            assert_eq!(bed.proxy().requests() - before, 4, "{at} {number}");
        }
    }
}

/// A server of a cluster that is sealed, or a standby of the three kinds, for two requests: it is
/// waited for. One that stays so is an outage that says what it is.
#[tokio::test]
async fn vault_sealed_and_standby_are_waited_for() {
    let bed = Bed::new(server::vault::start().await).await;
    bed.watch(bed.server.words.unwrap);
    let standby = r#"{"initialized":true,"sealed":false,"standby":true}"#;
    for (status, body, says) in [
        (503, r#"{"errors":["Vault is sealed"]}"#, "sealed"),
        (429, standby, "standby"),
        (472, "{}", "standby"),
        (473, "{}", "standby"),
    ] {
        let fault = Fault::status(status, body);
        let keys = bed.start(GuardOptions::default()).await;
        let before = bed.proxy().requests();
        bed.proxy().next(2, fault.clone());
        assert_eq!(read(&keys, "openai").await.unwrap(), Some(Served::Store), "{status}");
        assert_eq!(bed.proxy().requests() - before, 3, "{status}");

        let mut options = GuardOptions::default();
        options.retries = 0;
        let keys = bed.start(options).await;
        bed.proxy().next(1, fault);
        let error = read(&keys, "openai").await.unwrap_err();
        assert_eq!(error.kind(), UNAVAILABLE, "{status}: {error:?}");
        assert!(format!("{error:?}").contains(says), "{status}: {error:?}");
    }
}

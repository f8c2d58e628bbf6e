//! KM6: an envelope that names a key nobody configured.

use std::sync::Arc;

use llm_keys::ErrorKind;
use llm_keys::error::KmsFault;
use llm_keys::kms::{GuardOptions, KeyUri, WrappedKey};

use super::bed::{Bed, read};
use super::server::Server;

const WRONG_KEY: ErrorKind = ErrorKind::Kms(KmsFault::WrongKey);

every_backend!(nothing_is_sent);

async fn nothing_is_sent(server: Server) {
    let bed = Bed::new(server).await;
    let kms = bed.guarded(GuardOptions::default()).await;
    kms.unwrap().await.unwrap();
    let (requests, connections) = (bed.proxy().requests(), bed.proxy().connections());

    // A key of the same server, whose data keys this process could unwrap if it asked.
    let keys = bed.start_with(Arc::clone(&bed.server.other), GuardOptions::default()).await;
    for _ in 0..10 {
        let error = read(&keys, "openai").await.unwrap_err();
        assert_eq!(error.kind(), WRONG_KEY, "{error:?}");
    }
    // Keys of others.
    for uri in &bed.server.words.foreign {
        let uri = KeyUri::new(uri.clone()).unwrap();
        let foreign = WrappedKey { uri, ..kms.wrapped.clone() };
        let error = kms.unwrap_this(&foreign).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), WRONG_KEY, "{error:?}");
    }
    assert_eq!(bed.proxy().requests(), requests);
    assert_eq!(bed.proxy().connections(), connections);
}

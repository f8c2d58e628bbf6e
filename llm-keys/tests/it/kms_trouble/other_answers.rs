//! KM5: a KMS that answers for another key, or for another context.

use std::sync::{Arc, Mutex};

use llm_keys::error::KmsFault;
use llm_keys::kms::GuardOptions;
use llm_keys::{ErrorKind, Served};

use super::bed::{Bed, put, read};
use super::server::Server;
use crate::fault_proxy::Fault;

const BAD_ANSWER: ErrorKind = ErrorKind::Kms(KmsFault::BadAnswer);

every_backend!(an_answer_for_another_key_is_refused, an_answer_for_another_context_is_refused);

async fn an_answer_for_another_key_is_refused(server: Server) {
    let bed = Bed::new(server).await;
    let keys = bed.start(GuardOptions::default()).await;
    bed.watch(bed.server.words.wrap);
    bed.proxy().next(1, bed.server.words.wrapped_by_another.clone());
    let error = put(&keys, "mistral").await.unwrap_err();
    assert_eq!(error.kind(), BAD_ANSWER, "{error:?}");
    assert_eq!(bed.proxy().requests(), 1, "it is not tried again");
    assert_eq!(read(&keys, "mistral").await.unwrap(), None, "nothing was stored");

    let Some(another) = bed.server.words.unwrapped_by_another.clone() else { return };
    bed.watch(bed.server.words.unwrap);
    bed.proxy().next(1, another);
    let error = read(&keys, "openai").await.unwrap_err();
    assert_eq!(error.kind(), BAD_ANSWER, "{error:?}");
    assert_eq!(bed.proxy().requests(), 1, "it is not tried again");
    assert_eq!(read(&keys, "openai").await.unwrap(), Some(Served::Store));
}

/// A KMS that does not look at the context gives the data key of another record. The right key
/// of the KMS is named, so only the envelope can tell.
async fn an_answer_for_another_context_is_refused(server: Server) {
    let bed = Bed::new(server).await;
    put(&bed.start(GuardOptions::default()).await, "mistral").await.unwrap();
    bed.watch(bed.server.words.unwrap);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    bed.proxy().next(
        1,
        Fault::rewrite(move |body| {
            body.clone_into(&mut ear.lock().unwrap());
            body.to_vec()
        }),
    );
    let keys = bed.start(GuardOptions::default()).await;
    assert_eq!(read(&keys, "openai").await.unwrap(), Some(Served::Store));
    bed.proxy().next(1, Fault::rewrite(move |_| heard.lock().unwrap().clone()));
    let error = read(&keys, "mistral").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Integrity(_)), "{error:?}");
    assert_eq!(read(&keys, "mistral").await.unwrap(), Some(Served::Store));
}

//! KM2: a KMS that hangs, breaks off, fails, or answers nonsense.

use std::time::Duration;

use futures_util::future::join_all;
use llm_keys::error::KmsFault;
use llm_keys::kms::GuardOptions;
use llm_keys::{ErrorKind, Served};
use tokio::time::Instant;

use super::bed::{Bed, put, read, until};
use super::server::Server;
use crate::fault_proxy::Fault;

const UNAVAILABLE: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);
const BAD_ANSWER: ErrorKind = ErrorKind::Kms(KmsFault::BadAnswer);

every_backend!(
    each_has_its_kind,
    a_hang_and_a_drip_end_with_the_deadline,
    the_breaker_opens_and_closes,
);

#[test]
fn the_deadline_and_the_breaker_are_within_five_seconds() {
    let GuardOptions { deadline, open_wait, .. } = GuardOptions::default();
    assert_eq!(deadline, Duration::from_secs(5));
    assert!(open_wait < Duration::from_secs(5));
}

async fn each_has_its_kind(server: Server) {
    let bed = Bed::new(server).await;
    let data_key_of = bed.server.words.data_key_of;
    let both = [
        (Fault::Close, UNAVAILABLE),
        (Fault::Reset, UNAVAILABLE),
        (Fault::Half, UNAVAILABLE),
        (Fault::status(500, "{}"), UNAVAILABLE),
        (Fault::status(502, "<html>"), UNAVAILABLE),
        (Fault::status(503, ""), UNAVAILABLE),
        (Fault::bad_json(), BAD_ANSWER),
        (Fault::status(200, "<html>"), BAD_ANSWER),
    ];
    let lengths = [0, 31, 33, 64].map(|len| (data_key_of(len), BAD_ANSWER));
    for (fault, kind) in both.iter().chain(&lengths) {
        let mut options = GuardOptions::default();
        options.retries = 1;
        let keys = bed.start(options).await;
        bed.watch(bed.server.words.unwrap);
        bed.proxy().always(fault.clone());
        let error = read(&keys, "openai").await.expect_err("an outage is never `None`");
        assert_eq!(error.kind(), *kind, "{fault:?}: {error:?}");
        // Only what may pass is tried again.
        let attempts = 1 + usize::from(*kind == UNAVAILABLE);
        assert_eq!(bed.proxy().requests(), attempts, "{fault:?}");
        bed.proxy().heal();
        assert_eq!(read(&keys, "openai").await.unwrap(), Some(Served::Store), "{fault:?}");
    }
    for (fault, kind) in both {
        let mut options = GuardOptions::default();
        options.retries = 1;
        let keys = bed.start(options).await;
        bed.watch(bed.server.words.wrap);
        bed.proxy().always(fault.clone());
        let error = put(&keys, "mistral").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error:?}");
        bed.proxy().heal();
        assert_eq!(read(&keys, "mistral").await.unwrap(), None, "{fault:?}: nothing was stored");
    }
}

async fn a_hang_and_a_drip_end_with_the_deadline(server: Server) {
    let bed = Bed::new(server).await;
    for fault in [Fault::Hang, Fault::Drip(Duration::from_millis(50))] {
        for words in [bed.server.words.unwrap, bed.server.words.wrap] {
            let mut options = GuardOptions::default();
            options.deadline = Duration::from_millis(400);
            let keys = bed.start(options).await;
            bed.watch(words);
            bed.proxy().always(fault.clone());
            let start = Instant::now();
            let error = match words == bed.server.words.unwrap {
                true => read(&keys, "openai").await.unwrap_err(),
                false => put(&keys, "mistral").await.unwrap_err(),
            };
            let took = start.elapsed();
            assert_eq!(error.kind(), UNAVAILABLE, "{fault:?}: {error:?}");
            assert!(took >= options.deadline, "{fault:?}: {took:?}");
            assert!(took < options.deadline + MARGIN, "{fault:?}: {took:?}");
            assert_eq!(bed.proxy().requests(), 1, "{fault:?}");
            bed.proxy().heal();
        }
    }
}

async fn the_breaker_opens_and_closes(server: Server) {
    let bed = Bed::new(server).await;
    for fault in [Fault::Reset, Fault::Hang, Fault::status(503, ""), Fault::bad_json()] {
        let mut options = GuardOptions::default();
        options.retries = 0;
        options.open_wait = Duration::from_millis(500);
        if matches!(fault, Fault::Hang) {
            // Long enough for good answers of a busy machine, too.
            options.deadline = Duration::from_secs(1);
        }
        let kms = bed.guarded(options).await;
        bed.watch(bed.server.words.unwrap);
        bed.proxy().always(fault.clone());
        let start = Instant::now();
        for _ in 0..5 {
            for unwrapped in join_all((0..8).map(|_| kms.unwrap())).await {
                assert!(matches!(unwrapped.unwrap_err().kind(), UNAVAILABLE | BAD_ANSWER));
            }
        }
        // The first eight, and one or two whenever it is tried again.
        let tries = usize::try_from(start.elapsed().as_millis() / 500).unwrap() + 1;
        let requests = bed.proxy().requests();
        assert!(requests <= 8 + 8 * tries, "{fault:?}: {requests} requests of 40");
        until(RECOVERY, async || {
            let before = bed.proxy().requests();
            let error = kms.unwrap().await.unwrap_err();
            let says_so = error.hint().is_some_and(|hint| hint.contains("kms check"));
            says_so && bed.proxy().requests() == before
        })
        .await;

        bed.proxy().heal();
        until(RECOVERY, async || kms.unwrap().await.is_ok()).await;
        for _ in 0..10 {
            kms.unwrap().await.expect("it stays closed");
        }
    }
}

/// For a machine that is busy.
const MARGIN: Duration = Duration::from_secs(2);
const RECOVERY: Duration = Duration::from_secs(5);

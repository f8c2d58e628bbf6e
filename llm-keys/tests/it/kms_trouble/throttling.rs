//! KM1: a KMS that says "too many requests".

use std::time::Duration;

use futures_util::future::join_all;
use llm_keys::error::KmsFault;
use llm_keys::kms::GuardOptions;
use llm_keys::{ErrorKind, Served};
use tokio::time::Instant;

use super::bed::{Bed, read};
use super::server::Server;

const THROTTLED: ErrorKind = ErrorKind::Kms(KmsFault::Throttled);
const UNAVAILABLE: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);

every_backend!(
    it_is_waited_for,
    an_end_is_the_deadline,
    a_thousand_cold_reads_are_one_unwrap,
    retries_have_a_budget,
);

async fn it_is_waited_for(server: Server) {
    let bed = Bed::new(server).await;
    let keys = bed.start(GuardOptions::default()).await;
    bed.watch(bed.server.words.unwrap);
    bed.proxy().next(3, bed.server.words.throttled.clone());
    let start = Instant::now();
    assert_eq!(read(&keys, "openai").await.unwrap(), Some(Served::Store));
    // 50, 100 and 200 ms, and some more by chance.
    assert!(start.elapsed() >= Duration::from_millis(350), "{:?}", start.elapsed());
    assert!(start.elapsed() < GuardOptions::default().deadline, "{:?}", start.elapsed());
    assert_eq!(bed.proxy().requests(), 4);
}

async fn an_end_is_the_deadline(server: Server) {
    let bed = Bed::new(server).await;
    let mut options = GuardOptions::default();
    (options.deadline, options.retries) = (Duration::from_millis(400), 1000);
    let keys = bed.start(options).await;
    bed.proxy().always(bed.server.words.throttled.clone());
    let start = Instant::now();
    let kind = read(&keys, "openai").await.unwrap_err().kind();
    assert!(matches!(kind, THROTTLED | UNAVAILABLE), "{kind}");
    assert!(start.elapsed() < options.deadline + MARGIN, "{:?}", start.elapsed());
    bed.proxy().heal();
    assert_eq!(read(&keys, "openai").await.unwrap(), Some(Served::Store));
}

async fn a_thousand_cold_reads_are_one_unwrap(server: Server) {
    let bed = Bed::new(server).await;
    let keys = bed.start(GuardOptions::default()).await;
    bed.watch(bed.server.words.unwrap);
    bed.proxy().next(2, bed.server.words.throttled.clone());
    let reads = (0..1000).map(|_| {
        let keys = keys.clone();
        tokio::spawn(async move { read(&keys, "openai").await })
    });
    for served in join_all(reads.collect::<Vec<_>>()).await {
        assert!(served.unwrap().unwrap().is_some());
    }
    assert_eq!(bed.proxy().requests(), 3, "two that were throttled and one");
}

async fn retries_have_a_budget(server: Server) {
    const CALLS: usize = 300;
    let bed = Bed::new(server).await;
    let kms = bed.guarded(GuardOptions::default()).await;
    bed.watch(bed.server.words.unwrap);
    bed.proxy().always(bed.server.words.throttled.clone());
    for unwrapped in join_all((0..CALLS).map(|_| kms.unwrap())).await {
        let kind = unwrapped.unwrap_err().kind();
        assert!(matches!(kind, THROTTLED | UNAVAILABLE), "{kind}");
    }
    // A fifth of the calls, and ten a second for the ten seconds that the budget spans. Without a
    // budget it were 1,500.
    let requests = bed.proxy().requests();
    assert!(requests <= CALLS + CALLS / 5 + 2 * 100, "{requests} requests for {CALLS} calls");
}

/// For a machine that is busy.
const MARGIN: Duration = Duration::from_secs(2);

//! KM3: a KMS that is down for longer than a cached key lives.

use std::time::Duration;

use llm_keys::error::KmsFault;
use llm_keys::kms::GuardOptions;
use llm_keys::{ErrorKind, Served};

use super::bed::{Bed, STALE, TTL, put, read, until};
use super::server::Server;
use crate::fault_proxy::Fault;

const DOWN: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);
const TICK: Duration = Duration::from_micros(1);

every_backend!(cached_keys_serve_to_their_end_and_a_kms_that_is_back_is_found);

async fn cached_keys_serve_to_their_end_and_a_kms_that_is_back_is_found(server: Server) {
    let bed = Bed::new(server).await;
    let mut options = GuardOptions::default();
    (options.retries, options.open_wait) = (1, Duration::from_millis(200));
    let keys = bed.start(options).await;
    assert_eq!(read(&keys, "openai").await.unwrap(), Some(Served::Store));

    bed.proxy().always(Fault::Reset);
    let before = bed.proxy().requests();
    bed.clock.advance(TTL - TICK);
    assert_eq!(read(&keys, "openai").await.unwrap(), Some(Served::Cache));
    assert_eq!(bed.proxy().requests(), before, "within its time nobody asks the KMS");
    bed.clock.advance(TICK);
    assert_eq!(read(&keys, "openai").await.unwrap(), Some(Served::Stale));
    bed.clock.advance(STALE - TICK);
    assert_eq!(read(&keys, "openai").await.unwrap(), Some(Served::Stale));
    bed.clock.advance(TICK);
    for _ in 0..20 {
        let error = read(&keys, "openai").await.unwrap_err();
        assert_eq!((error.kind(), error.kind().code()), (DOWN, "kms_unavailable"));
        assert_eq!(put(&keys, "mistral").await.unwrap_err().kind(), DOWN);
        // Found out without the KMS.
        assert_eq!(read(&keys, "mistral").await.unwrap(), None, "nothing was stored");
    }

    // The same manager, which nobody restarted.
    bed.proxy().heal();
    let back = async || matches!(read(&keys, "openai").await, Ok(Some(Served::Store)));
    until(Duration::from_secs(5), back).await;
    put(&keys, "mistral").await.unwrap();
    assert_eq!(read(&keys, "mistral").await.unwrap(), Some(Served::Store));
}

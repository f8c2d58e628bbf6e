//! Sinks that fail, and sinks that want nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use async_trait::async_trait;

use super::Parts;
use super::bed::{Bed, found, id, kind, number};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Action, Event, EventSink, Outcome};
use crate::manager::{ChangeOptions, DeleteOptions, Evict, OpenOptions, SecureKeyManager};
use crate::store::KeyStore;
use crate::testing::fakes::FailingSink;

/// Rule 9, and rule 2 of [`EventSink`].
pub async fn a_failing_sink_stops_everything<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let sink = Arc::new(FailingSink::default());
    sink.set_broken(false);
    let bed = Bed::with(&build, &open, |parts| parts.sink = sink.clone()).await;
    let (there, absent, options) = (id("there"), id("absent"), ChangeOptions::default());
    bed.put(&there, "sk-there").await;
    let before = bed.rows(&there).await;
    assert_eq!(bed.get(&there).await.unwrap(), found("sk-there"));
    let stopped = Err(ErrorKind::EventSink);

    sink.set_broken(true);
    for round in ["cached", "cold", "refreshed"] {
        assert_eq!(kind(bed.get(&there).await), stopped, "{round}");
        let opened = bed.manager.open(&there, &OpenOptions::default()).await;
        assert_eq!(
            kind(opened.map(|opened| opened.is_some())),
            Err(ErrorKind::EventSink),
            "{round}"
        );
        assert_eq!(kind(bed.version(&there, number(1)).await), stopped, "{round}");
        if round == "cached" {
            bed.manager.evict(&Evict::All).await;
        } else {
            bed.manager.refresh(&there).await.unwrap();
        }
    }
    assert_eq!(kind(bed.get(&absent).await), stopped, "that a key is missing is an answer, too");
    assert_eq!(
        kind(bed.manager.delete_api_key(&absent, &DeleteOptions::default()).await),
        Err(ErrorKind::EventSink)
    );
    let stopped = ErrorKind::EventSink;
    for id in [&there, &absent] {
        assert_eq!(kind(bed.try_put(id, "sk-new").await), Err(stopped));
    }
    assert_eq!(kind(bed.manager.deactivate_api_key(&there, &options).await), Err(stopped));
    assert_eq!(kind(bed.manager.activate_api_key(&there, &options).await), Err(stopped));
    assert_eq!(
        kind(bed.manager.delete_api_key(&there, &DeleteOptions::default()).await),
        Err(stopped)
    );
    assert_eq!((bed.rows(&there).await, bed.rows(&absent).await), (before, None));
    assert!(sink.refused() > 0);

    // A failure that cannot be recorded is still told as what it is.
    sink.set_broken(false);
    bed.manager.deactivate_api_key(&there, &options).await.unwrap();
    sink.set_broken(true);
    assert_eq!(bed.get_error(&there).await, ErrorKind::Inactive);

    sink.set_broken(false);
    bed.manager.activate_api_key(&there, &options).await.unwrap();
    assert_eq!(bed.get(&there).await.unwrap(), found("sk-there"), "as soon as it is back");
}

/// Rule 3 of [`EventSink`].
pub async fn a_sink_that_wants_nothing_gets_nothing<M: SecureKeyManager + 'static>(
    build: impl AsyncFn(Parts) -> M,
    open: impl AsyncFn() -> Arc<dyn KeyStore>,
) {
    let nothing = Arc::new(Choosy::new(|_, _| false));
    operate(&Bed::with(&build, &open, |parts| parts.sink = nothing.clone()).await).await;
    assert_eq!(nothing.taken.load(SeqCst), 0);

    let deletes = Arc::new(Choosy::new(|action, outcome| {
        (action, outcome) == (Action::KeyDelete, Outcome::Missing)
    }));
    operate(&Bed::with(&build, &open, |parts| parts.sink = deletes.clone()).await).await;
    assert_eq!(deletes.taken.load(SeqCst), 1);
}

/// A bit of everything, with every outcome.
async fn operate<M: SecureKeyManager + 'static>(bed: &Bed<M>) {
    let (id, options) = (id("a"), ChangeOptions::default());
    assert_eq!(bed.get(&id).await.unwrap(), None);
    bed.put(&id, "sk-a").await;
    for _ in 0..2 {
        assert_eq!(bed.get(&id).await.unwrap(), found("sk-a"));
        bed.manager.evict(&Evict::All).await;
    }
    bed.manager.deactivate_api_key(&id, &options).await.unwrap();
    assert_eq!(bed.get_error(&id).await, ErrorKind::Inactive);
    bed.manager.activate_api_key(&id, &options).await.unwrap();
    assert!(bed.manager.delete_api_key(&id, &DeleteOptions::default()).await.unwrap());
    assert!(!bed.manager.delete_api_key(&id, &DeleteOptions::default()).await.unwrap());
}

/// Wants some events, and fails if it is given another.
#[derive(Debug)]
struct Choosy {
    wanted: fn(Action, Outcome) -> bool,
    taken: AtomicU64,
}

impl Choosy {
    fn new(wanted: fn(Action, Outcome) -> bool) -> Self {
        Self { wanted, taken: AtomicU64::new(0) }
    }
}

#[async_trait]
impl EventSink for Choosy {
    fn wants(&self, action: Action, outcome: Outcome) -> bool {
        (self.wanted)(action, outcome)
    }

    async fn emit(&self, event: &Event) -> Result<()> {
        if (self.wanted)(event.action, event.outcome) {
            self.taken.fetch_add(1, SeqCst);
            return Ok(());
        }
        Err(Error::new(ErrorKind::EventSink, "event.emit", "nobody wanted this event"))
    }
}

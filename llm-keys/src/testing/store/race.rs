//! Many writers at once.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::SharedStore;
use super::sample::{found, id, insert, key, next, record, replace, system};
use crate::clock::Micros;
use crate::error::ErrorKind;
use crate::model::Version;
use crate::store::{Change, Expect};

const WRITERS: u32 = 24;
const ROUNDS: u32 = 8;

/// Rule 6.
pub async fn one_writer_wins(store: &SharedStore) {
    for round in 0..ROUNDS {
        let id = id(&format!("round-{round}"));
        // Each brings a record of its own for the same id.
        let change = |writer| insert(&[key(id.clone(), record(1_000 * (round + 1) + writer))]);
        let winner = race(store, change).await;
        let row = found(store, &id).await;
        assert_eq!(row.record, record(1_000 * (round + 1) + winner), "the winner's row is there");

        let change = |writer: u32| {
            let mut new = next(&row);
            new.updated_at = Micros(i64::from(writer));
            replace(&row, new)
        };
        let winner = race(store, change).await;
        let row = found(store, &id).await;
        assert_eq!((row.generation, row.updated_at), (2, Micros(i64::from(winner))));

        let old = Version::new(round);
        let change = |writer: u32| {
            let mut new = system("default", "counter", round + 1);
            new.updated_at = Micros(i64::from(writer));
            let (tenant, name) = (new.tenant.clone(), new.name.clone());
            let expect = vec![Expect::System { tenant, name, version: old }];
            Change { expect, system: vec![new], ..Change::default() }
        };
        let winner = race(store, change).await;
        let row = system("default", "counter", round + 1);
        let row = store.system_find(&row.tenant, &row.name).await.unwrap().unwrap();
        assert_eq!((row.version.get(), row.updated_at), (round + 1, Micros(i64::from(winner))));
    }
}

/// Lets all writers commit at once; which one won.
async fn race(store: &SharedStore, change: impl Fn(u32) -> Change) -> u32 {
    let barrier = Arc::new(Barrier::new(usize::try_from(WRITERS).unwrap()));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, barrier, change) = (store.clone(), barrier.clone(), change(writer));
        writers.spawn(async move {
            barrier.wait().await;
            (writer, store.commit(change).await)
        });
    }
    let mut winners = Vec::new();
    for (writer, answer) in writers.join_all().await {
        match answer {
            Ok(()) => winners.push(writer),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1, "exactly one of {WRITERS} writers wins");
    winners[0]
}

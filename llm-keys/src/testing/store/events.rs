//! Events that are recorded with the change they are about.

use super::SharedStore;
use super::sample::{World, event, id, refused};
use crate::error::ErrorKind;
use crate::event::Event;
use crate::model::{PageSize, Seq};
use crate::store::{Change, Expect};

/// Rule 16.
pub async fn events_ride_in_the_change(store: &SharedStore) {
    assert_eq!(store.events_since(Seq(0), PageSize::default()).await.unwrap(), vec![]);
    let world = World::lay(store).await;
    let mut expected = vec![event(&world.kept.id, 1)];

    let mut change = world.everything();
    change.events = vec![event(&world.kept.id, 2), event(&world.doomed.id, 3)];
    let mut stale = change.clone();
    stale.expect.push(Expect::Absent(world.kept.id.clone()));
    refused(store, &stale, ErrorKind::Conflict, "a stale change").await;
    let mut uncovered = change.clone();
    uncovered.expect.clear();
    refused(store, &uncovered, ErrorKind::InvalidInput, "an uncovered change").await;
    expected.extend(change.events.clone());
    store.commit(change).await.unwrap();

    // A change may be nothing but events; they may be of the same moment, and look like SQL.
    let odd = id("a").with_tenant("'; DROP TABLE llm_keys_events; -- \"%s\" \\").unwrap();
    let events: Vec<_> = (0..30).map(|n| event(&odd, n / 10)).collect();
    expected.extend(events.clone());
    store.commit(Change { events, ..Change::default() }).await.unwrap();

    let expected: Vec<_> = expected.iter().map(json).collect();
    for size in [1, 7, 33, 1000] {
        let (mut read, mut stand) = (Vec::new(), Seq(0));
        loop {
            let page = store.events_since(stand, PageSize::new(size).unwrap()).await.unwrap();
            assert!(page.len() <= usize::from(size), "at most {size} events");
            let Some((last, _)) = page.last() else { break };
            assert!(page[0].0 > stand && page.is_sorted_by(|a, b| a.0 < b.0), "oldest first");
            stand = *last;
            read.extend(page.into_iter().map(|(_, text)| {
                serde_json::from_str::<serde_json::Value>(&text).expect("an event is JSON")
            }));
        }
        assert_eq!(read, expected, "pages of {size}");
    }
}

fn json(event: &Event) -> serde_json::Value {
    serde_json::to_value(event).unwrap()
}

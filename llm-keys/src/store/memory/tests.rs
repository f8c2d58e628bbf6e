//! What is this store's own; the rules of the trait are in the conformance suite.

use std::sync::Arc;

use super::*;
use crate::event::{Action, Event, Outcome};
use crate::model::{Caller, Kept, Labels, Settings};

fn row(name: &str) -> KeyRow {
    KeyRow {
        id: KeyId::global("openai").unwrap().with_name(name).unwrap(),
        record: record(name),
        state: KeyState::Active,
        current: None,
        latest: None,
        generation: 1,
        kept: Kept::default(),
        settings: Settings::default(),
        template: None,
        labels: Labels::default(),
        hint: None,
        expires_at: None,
        rotate_every: None,
        due_at: None,
        due_told: None,
        created_at: Micros(0),
        updated_at: Micros(0),
        last_used_at: None,
        mac: None,
    }
}

/// Any record, the same for the same name.
fn record(name: &str) -> Uuid {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    Uuid::from_slice(&digest.as_ref()[..16]).unwrap()
}

fn insert(row: KeyRow) -> Change {
    Change { expect: vec![Expect::Absent(row.id.clone())], keys: vec![row], ..Change::default() }
}

#[tokio::test]
async fn the_feed_forgets_its_oldest_and_says_so() {
    let store = MemoryStore::new();
    for n in 0..=MemoryStore::FEED_LEN {
        store.commit(insert(row(&format!("k{n}")))).await.unwrap();
    }
    let from = async |at| store.changes_since(Seq(at)).await.unwrap();
    assert!(!from(0).await.complete);
    let kept = from(1).await;
    assert!(kept.complete);
    assert_eq!(kept.keys.len(), MemoryStore::FEED_LEN);
    assert_eq!(from(kept.head.0).await, Changes { keys: vec![], ..kept.clone() });
    assert!(!from(kept.head.0 + 1).await.complete, "a position that was never given out");
}

#[tokio::test]
async fn the_oldest_events_go_first() {
    let store = MemoryStore::new();
    let (key, caller) = (Arc::new(row("a").id), Arc::new(Caller::default()));
    let event = |n| Event::new(Micros(n), Action::KeyGet, key.clone(), caller.clone(), Outcome::Ok);
    let one = i64::try_from(MemoryStore::EVENTS_LEN).unwrap();
    store
        .commit(Change { events: (0..=one).map(event).collect(), ..Change::default() })
        .await
        .unwrap();
    let read = store.events_since(Seq(0), PageSize::new(1).unwrap()).await.unwrap();
    assert_eq!(read[0].0, Seq(2));
    assert!(read[0].1.contains(r#""at":1,"#), "{}", read[0].1);
}

#[tokio::test]
async fn an_id_or_a_record_is_taken_once() {
    let store = MemoryStore::new();
    let (a, b) = (row("a"), row("b"));
    store.commit(insert(a.clone())).await.unwrap();
    store.commit(insert(b.clone())).await.unwrap();
    let same_record = KeyRow { id: row("c").id, ..a.clone() };
    let renamed = |to: &KeyRow| Change {
        expect: vec![Expect::Generation { record: a.record, generation: 1 }],
        keys: vec![KeyRow { id: to.id.clone(), ..a.clone() }],
        ..Change::default()
    };
    let twice = Change { keys: vec![row("d"), row("d")], ..insert(row("d")) };
    for change in [insert(same_record.clone()), renamed(&b), twice] {
        let error = store.commit(change).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }
    store.commit(renamed(&same_record)).await.unwrap();
    assert!(store.key_find(&a.id).await.unwrap().is_none());
    assert!(store.key_find(&same_record.id).await.unwrap().is_some());
    let named = store.changes_since(Seq(2)).await.unwrap();
    assert_eq!(named.keys, [a.id, same_record.id]);
}

#[test]
fn debug_shows_no_rows() {
    assert_eq!(format!("{:?}", MemoryStore::new()), "MemoryStore(0 keys)");
}

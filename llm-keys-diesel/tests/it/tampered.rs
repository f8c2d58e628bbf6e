//! DB7 and DB8: whoever can write to the database, and what is refused or found.

use std::collections::BTreeSet;

use llm_keys::manager::Item;
use llm_keys::{ChangeOptions, ErrorKind, SecureKeyManager as _};

use self::bed::{Bed, id};
use self::columns::{edits, outside};

mod bed;
mod columns;

/// Makes a test for each database of functions that take a [`Bed`].
macro_rules! on_each_database {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Bed::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Bed::server(crate::database::Kind::Postgres).await).await;
            })*
        }
        mod mysql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Bed::server(crate::database::Kind::Mysql).await).await;
            })*
        }
    };
}

on_each_database! {
    every_column_is_refused_or_decides_nothing
    rows_of_two_keys_that_change_places_are_refused
    version_rows_that_change_places_are_refused
    one_old_row_alone_is_refused
    without_its_version_a_key_is_refused
    a_row_that_cannot_be_read_hides_no_other
    yesterdays_rows_are_found_by_the_checkpoint
    yesterdays_database_is_found_by_the_checkpoint
}

/// DB7. A new column fails here until somebody decides about it.
async fn every_column_is_refused_or_decides_nothing(bed: Bed) {
    let record = bed.record("alice").await;
    let edits = edits(&record, &bed.record("bob").await, bed.byte());
    let outside = outside();
    let all: BTreeSet<String> = bed.columns().await.into_iter().collect();
    let decided: BTreeSet<String> = edits
        .iter()
        .map(|edit| edit.column.to_owned())
        .chain(outside.iter().map(|(column, _)| (*column).to_owned()))
        .collect();
    assert_eq!(all, decided, "each column is refused when it is edited, or stands outside");
    bed.back_up().await;
    assert_eq!(bed.read(&id("alice")).await, Ok(true));
    for edit in &edits {
        bed.execute(&edit.statements).await;
        bed.is_refused(&edit.read, &format!("{}: {:?}", edit.column, edit.statements)).await;
        bed.restore().await;
        assert_eq!(bed.read(&id("alice")).await, Ok(true), "{} put back", edit.column);
    }
    // The others decide nothing about a key that is read.
    for (column, statement) in outside {
        let Some(statement) = statement else { continue };
        bed.execute(&[statement.to_owned()]).await;
        assert_eq!(bed.read(&id("alice")).await, Ok(true), "{column}");
        bed.restore().await;
    }
}

/// Bob's row says that it is Alice's, and the other way round.
async fn rows_of_two_keys_that_change_places_are_refused(bed: Bed) {
    let (alice, bob) = (bed.record("alice").await, bed.record("bob").await);
    let (of_alice, of_bob) = (id("alice").path(), id("bob").path());
    let name = |record: &str, user: &str, path: &str| {
        format!(
            "UPDATE llm_keys_keys SET owner_id = '{user}', path = '{path}' WHERE record = '{record}'"
        )
    };
    bed.execute(&[
        name(&alice, "nobody", "nobody"),
        name(&bob, "alice", &of_alice),
        name(&alice, "bob", &of_bob),
    ])
    .await;
    bed.is_refused(&id("alice"), "Bob's row").await;
    bed.is_refused(&id("bob"), "Alice's row").await;
    assert_eq!(bed.read(&id("carol")).await, Ok(true));
}

/// Bob's sealed key stands in Carol's place, and the other way round.
async fn version_rows_that_change_places_are_refused(bed: Bed) {
    let (bob, carol) = (bed.record("bob").await, bed.record("carol").await);
    let none = "00000000-0000-0000-0000-000000000000";
    let moved = |from: &str, to: &str| {
        format!("UPDATE llm_keys_versions SET record = '{to}' WHERE record = '{from}'")
    };
    bed.execute(&[moved(&bob, none), moved(&carol, &bob), moved(none, &carol)]).await;
    bed.is_refused(&id("bob"), "Carol's version").await;
    bed.is_refused(&id("carol"), "Bob's version").await;
    assert_eq!(bed.read(&id("alice")).await, Ok(true));
}

/// A key that was deactivated since: its key row of yesterday, or the row of its version.
async fn one_old_row_alone_is_refused(bed: Bed) {
    let record = bed.record("alice").await;
    bed.back_up().await;
    let keys = bed.process().await;
    keys.deactivate_api_key(&id("alice"), &ChangeOptions::default()).await.unwrap();
    assert_eq!(bed.read(&id("alice")).await, Err(ErrorKind::Inactive));
    bed.restore_row("llm_keys_keys", &record).await;
    bed.is_refused(&id("alice"), "yesterday's key row").await;
    bed.restore().await;
    keys.deactivate_api_key(&id("alice"), &ChangeOptions::default()).await.unwrap();
    bed.restore_row("llm_keys_versions", &record).await;
    bed.is_refused(&id("alice"), "yesterday's version rows").await;
}

async fn without_its_version_a_key_is_refused(bed: Bed) {
    let record = bed.record("alice").await;
    bed.back_up().await;
    for version in [2, 1] {
        let delete = "DELETE FROM llm_keys_versions WHERE";
        bed.execute(&[format!("{delete} record = '{record}' AND version = {version}")]).await;
        if version == 2 {
            bed.is_refused(&id("alice"), "its current version is gone").await;
        } else {
            // Nobody reads that one, and the history does not pass over it.
            let error = bed.process().await.key_history(&id("alice")).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Integrity(_)), "{error:?}");
        }
        let report = bed.verify(&llm_keys::manager::VerifyOptions::default()).await;
        let items: Vec<_> = report.findings.into_iter().map(|found| found.item).collect();
        let version = llm_keys::Version::new(version).unwrap();
        assert_eq!(items, [Item::Version(id("alice"), version)]);
        bed.restore().await;
    }
}

async fn a_row_that_cannot_be_read_hides_no_other(bed: Bed) {
    let (alice, bob) = (bed.record("alice").await, bed.record("bob").await);
    bed.execute(&[
        format!("UPDATE llm_keys_keys SET labels = '{{' WHERE record = '{alice}'"),
        format!("UPDATE llm_keys_versions SET actor = '' WHERE record = '{bob}'"),
    ])
    .await;
    let report = bed.verify(&llm_keys::manager::VerifyOptions::default()).await;
    let mut found: Vec<_> = report.findings.iter().map(|found| found.item.to_string()).collect();
    found.sort();
    assert_eq!(
        found,
        ["default/user:bob/openai/default version 1", "the row default/user:alice/openai/default"]
    );
    assert_eq!((report.progress.done, report.progress.failed), (1, 2));
}

/// DB8: rows that fit each other, of keys alone.
async fn yesterdays_rows_are_found_by_the_checkpoint(bed: Bed) {
    bed.back_up().await;
    let keys = bed.process().await;
    keys.deactivate_api_key(&id("alice"), &ChangeOptions::default()).await.unwrap();
    bed.put("dave").await;
    assert!(bed.checkpoint().await.is_sound());
    bed.restore_keys().await;
    assert_eq!(bed.read(&id("alice")).await, Ok(true), "it cannot be told from the past at read");
    let report = bed.checkpoint().await;
    let mut found: Vec<_> = report.findings.iter().map(|found| found.item.to_string()).collect();
    found.sort();
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], id("alice").to_string());
    // Its events are still there, and none of them says that it was deleted.
    assert!(found[1].contains("user:dave"), "{found:?}");
    assert_eq!(report.checkpoint.unwrap().written, None);
}

/// DB8: everything, with the feed and the events.
async fn yesterdays_database_is_found_by_the_checkpoint(bed: Bed) {
    bed.back_up().await;
    let keys = bed.process().await;
    keys.deactivate_api_key(&id("alice"), &ChangeOptions::default()).await.unwrap();
    assert!(bed.checkpoint().await.is_sound());
    bed.restore().await;
    assert_eq!(bed.read(&id("alice")).await, Ok(true), "it cannot be told from the past at read");
    let items: Vec<_> =
        bed.checkpoint().await.findings.into_iter().map(|found| found.item).collect();
    assert_eq!(items, [Item::Storage, Item::Key(id("alice"))]);
}

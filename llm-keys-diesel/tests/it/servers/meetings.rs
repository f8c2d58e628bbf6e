//! Transactions that meet: locks, deadlocks, serialization failures, and too few connections.

use std::time::Duration;

use llm_keys::KeyId;
use llm_keys::model::{Seq, SystemName};
use llm_keys::store::{Change, Expect, KeyStore as _, SystemRow, Use};
use llm_keys::{Micros, Tenant, Version};
use llm_keys_diesel::ConnectOptions;
use uuid::Uuid;

use crate::database::{Database, Kind};
use crate::fixture::{key_row, new_key, version_row};

on_each_server! {
    two_stores_lose_no_update
    the_feed_skips_no_change
    a_deadlock_is_run_again
    collisions_without_end_are_busy
    a_lock_that_is_held_too_long_is_busy
    an_empty_pool_is_busy_within_the_wait_and_good_afterwards
    a_system_record_is_made_once
    a_swapped_envelope_is_never_overwritten
    last_uses_in_any_order_do_not_collide
}

fn id(n: u128) -> KeyId {
    KeyId::user(&format!("user-{n}"), "openai").unwrap()
}

/// Replaces the key of `record`.
fn raised(id: &KeyId, record: u128, from: u64) -> Change {
    let mut row = key_row(id, record);
    row.generation = from + 1;
    let expect = Expect::Generation { record: row.record, generation: from };
    Change { expect: vec![expect], keys: vec![row], ..Change::default() }
}

async fn two_stores_lose_no_update(kind: Kind) {
    const RAISES: u64 = 25;
    let database = Database::new(kind).await;
    let shared = KeyId::global("shared").unwrap();
    database.store().await.commit(new_key(&shared, 1)).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let (store, id) = (database.store().await, shared.clone());
        tasks.push(tokio::spawn(async move {
            let mut raised = 0;
            while raised < RAISES {
                let (old, _) = store.key_find(&id).await.unwrap().unwrap();
                match store.commit(self::raised(&id, 1, old.generation)).await {
                    Ok(()) => raised += 1,
                    Err(error) => assert_eq!(error.kind().code(), "conflict", "{error:?}"),
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let store = database.store().await;
    let (row, _) = store.key_find(&shared).await.unwrap().unwrap();
    assert_eq!(row.generation, 1 + 4 * RAISES);
    let changes = store.changes_since(Seq(0)).await.unwrap();
    assert_eq!((changes.head.0, changes.complete), (1 + 4 * RAISES, true));
}

/// Somebody who polls while others commit sees each change once, and in the end all of them.
async fn the_feed_skips_no_change(kind: Kind) {
    const WRITERS: u128 = 8;
    const EACH: u128 = 10;
    let database = Database::new(kind).await;
    let (reader, writer) = (database.store().await, database.store().await);
    let tasks: Vec<_> = (0..WRITERS)
        .map(|one| {
            let store = writer.clone();
            tokio::spawn(async move {
                for n in 1..=EACH {
                    let n = one * EACH + n;
                    store.commit(new_key(&id(n), n)).await.unwrap();
                }
            })
        })
        .collect();
    let (mut seen, mut since) = (Vec::new(), Seq(0));
    while seen.len() < usize::try_from(WRITERS * EACH).unwrap() {
        let changes = reader.changes_since(since).await.unwrap();
        assert!(changes.complete);
        assert_eq!(changes.head.0 - since.0, u64::try_from(changes.keys.len()).unwrap());
        seen.extend(changes.keys);
        since = changes.head;
    }
    for task in tasks {
        task.await.unwrap();
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(u128::try_from(seen.len()).unwrap(), WRITERS * EACH);
}

async fn a_deadlock_is_run_again(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store().await;
    store.commit(new_key(&id(1), 1)).await.unwrap();
    let mut other = database.plain().await;
    for round in 1..=10 {
        // Holds the last thing that a commit needs, and weighs more, so that the commit is mostly
        // the victim.
        let heavy: Vec<_> = (100..200).map(|n| format!("({n}, 't', 0, '')")).collect();
        let heavy = heavy.join(",");
        other
            .execute(&format!(
                "BEGIN;
                 INSERT INTO llm_keys_events (seq, tenant, at, body) VALUES {heavy};
                 UPDATE llm_keys_counters SET value = value + 1 WHERE name = 'changes'"
            ))
            .await
            .unwrap();
        let commit = tokio::spawn({
            let store = store.clone();
            async move { store.commit(raised(&id(1), 1, round)).await }
        });
        database.until_waiting(1).await;
        // Now each waits for the other.
        let survived = other.execute("UPDATE llm_keys_keys SET last_used_at = 5").await.is_ok();
        other.execute(if survived { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
        commit.await.unwrap().unwrap();
        let (row, _) = store.key_find(&id(1)).await.unwrap().unwrap();
        assert_eq!(row.generation, round + 1);
        let head = store.changes_since(Seq(0)).await.unwrap().head;
        if survived {
            assert_eq!((row.last_used_at, head), (Some(Micros(5)), Seq(round + 2)));
            return;
        }
    }
    panic!("the commit was never the victim");
}

/// As a distributed engine says it, which takes back a transaction at any time.
async fn collisions_without_end_are_busy(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store().await;
    let fails = match kind {
        Kind::Postgres => {
            "CREATE SEQUENCE tries;
             CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM nextval('tries');
                 RAISE EXCEPTION 'restart transaction' USING ERRCODE = '40001';
             END $$;
             CREATE TRIGGER collide BEFORE INSERT ON llm_keys_versions
                 FOR EACH ROW EXECUTE FUNCTION collide()"
        }
        Kind::Mysql => {
            "CREATE SEQUENCE tries;
             CREATE TRIGGER collide BEFORE INSERT ON llm_keys_versions FOR EACH ROW
             BEGIN
                 SET @n = NEXT VALUE FOR tries;
                 SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT =
                     'Deadlock found when trying to get lock; try restarting transaction';
             END"
        }
    };
    database.execute(fails).await.unwrap();
    let error = store.commit(new_key(&id(1), 1)).await.unwrap_err();
    assert_eq!(error.kind().code(), "store_busy", "{error:?}");
    assert!(error.is_retryable());
    assert!(store.key_find(&id(1)).await.unwrap().is_none());
    let tries = match kind {
        Kind::Postgres => "SELECT last_value::text AS line FROM tries",
        Kind::Mysql => {
            "SELECT CAST(PREVIOUS VALUE FOR tries AS CHAR) AS line FROM DUAL
             WHERE 1 = 0 UNION SELECT CAST(NEXT VALUE FOR tries - 1 AS CHAR)"
        }
    };
    let tries: u32 = database.plain().await.lines(tries).await[0].parse().unwrap();
    assert!((2..=20).contains(&tries), "{tries}");
    // After two failures it works, and is made once.
    let sometimes = match kind {
        Kind::Postgres => {
            "ALTER SEQUENCE tries RESTART;
             CREATE OR REPLACE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('tries') <= 2 THEN
                     RAISE EXCEPTION 'restart transaction' USING ERRCODE = '40001';
                 END IF;
                 RETURN NEW;
             END $$"
        }
        Kind::Mysql => {
            "DROP TRIGGER collide; DROP SEQUENCE tries; CREATE SEQUENCE tries;
             CREATE TRIGGER collide BEFORE INSERT ON llm_keys_versions FOR EACH ROW
             BEGIN
                 IF NEXT VALUE FOR tries <= 2 THEN
                     SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT =
                         'Deadlock found when trying to get lock; try restarting transaction';
                 END IF;
             END"
        }
    };
    database.execute(sometimes).await.unwrap();
    store.commit(new_key(&id(1), 1)).await.unwrap();
    assert!(store.key_find(&id(1)).await.unwrap().is_some());
    assert_eq!(store.changes_since(Seq(0)).await.unwrap().head, Seq(1));
}

async fn a_lock_that_is_held_too_long_is_busy(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store_with(ConnectOptions::new().lock_wait(Duration::from_secs(1))).await;
    store.commit(new_key(&id(1), 1)).await.unwrap();
    let mut other = database.plain().await;
    other.execute("BEGIN; UPDATE llm_keys_keys SET last_used_at = 5").await.unwrap();
    let error = store.commit(raised(&id(1), 1, 1)).await.unwrap_err();
    assert_eq!(error.kind().code(), "store_busy", "{error:?}");
    // Readers are not held up, and once the lock is gone the same change is made.
    assert!(store.key_find(&id(1)).await.unwrap().is_some());
    other.execute("ROLLBACK").await.unwrap();
    store.commit(raised(&id(1), 1, 1)).await.unwrap();
}

/// DB5: two connections, two hundred clients, and somebody who holds a lock.
async fn an_empty_pool_is_busy_within_the_wait_and_good_afterwards(kind: Kind) {
    let database = Database::new(kind).await;
    let options = ConnectOptions::new().max_connections(2).lock_wait(Duration::from_secs(2));
    let store = database.store_with(options).await;
    store.commit(new_key(&id(1), 1)).await.unwrap();
    let mut other = database.plain().await;
    other.execute("BEGIN; UPDATE llm_keys_keys SET last_used_at = 5").await.unwrap();
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(raised(&id(1), 1, 1)).await })
        })
        .collect();
    // Far more than the two waits that a call may have, far less than the calls in turn.
    let all = tokio::time::timeout(Duration::from_secs(30), async {
        let mut busy = 0;
        for call in calls {
            let error = call.await.unwrap().unwrap_err();
            assert_eq!(error.kind().code(), "store_busy", "{error:?}");
            busy += 1;
        }
        busy
    });
    assert_eq!(all.await.unwrap(), 200);
    other.execute("ROLLBACK").await.unwrap();
    store.commit(raised(&id(1), 1, 1)).await.unwrap();
}

async fn a_system_record_is_made_once(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store().await;
    let name = SystemName::new("sentinel").unwrap();
    let made = |n: u128| Change {
        expect: vec![Expect::System {
            tenant: Tenant::default(),
            name: name.clone(),
            version: None,
        }],
        system: vec![SystemRow {
            tenant: Tenant::default(),
            name: name.clone(),
            record: Uuid::from_u128(n),
            version: Version::FIRST,
            envelope: llm_keys::envelope::Envelope::from_bytes(vec![1]),
            created_at: Micros(1),
            updated_at: Micros(1),
            mac: None,
        }],
        ..Change::default()
    };
    let calls: Vec<_> = (1..=20)
        .map(|n| {
            let (store, change) = (store.clone(), made(n));
            tokio::spawn(async move { store.commit(change).await.map(|()| n) })
        })
        .collect();
    let mut won = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(n) => won.push(n),
            Err(error) => assert_eq!(error.kind().code(), "conflict", "{error:?}"),
        }
    }
    let row = store.system_find(&Tenant::default(), &name).await.unwrap().unwrap();
    assert_eq!(won, [row.record.as_u128()]);
}

/// Many swap one envelope at once, each expecting the one that it saw.
async fn a_swapped_envelope_is_never_overwritten(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store().await;
    store.commit(new_key(&id(1), 1)).await.unwrap();
    let (_, version) = store.key_find(&id(1)).await.unwrap().unwrap();
    let hash = version.unwrap().envelope.unwrap().hash();
    let calls: Vec<_> = (1..=20_u8)
        .map(|n| {
            let store = store.clone();
            let (record, version) = (Uuid::from_u128(1), Version::FIRST);
            let change = Change {
                expect: vec![Expect::Envelope { record, version, hash }],
                versions: vec![version_row(1, vec![n; 100])],
                ..Change::default()
            };
            tokio::spawn(async move { store.commit(change).await.map(|()| n) })
        })
        .collect();
    let mut won = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(n) => won.push(n),
            Err(error) => assert_eq!(error.kind().code(), "conflict", "{error:?}"),
        }
    }
    let (_, version) = store.key_find(&id(1)).await.unwrap().unwrap();
    let envelope = version.unwrap().envelope.unwrap();
    assert_eq!(won.len(), 1);
    assert_eq!(envelope.as_bytes(), vec![won[0]; 100]);
}

async fn last_uses_in_any_order_do_not_collide(kind: Kind) {
    let database = Database::new(kind).await;
    let store = database.store().await;
    for n in 1..=20 {
        store.commit(new_key(&id(n), n)).await.unwrap();
    }
    let calls: Vec<_> = (0..8)
        .map(|round| {
            let store = store.clone();
            let mut uses: Vec<_> = (1..=20)
                .map(|n| Use {
                    record: Uuid::from_u128(n),
                    version: Version::FIRST,
                    at: Micros(round + 1),
                })
                .collect();
            if round % 2 == 0 {
                uses.reverse();
            }
            tokio::spawn(async move { store.touch(&uses).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    for n in 1..=20 {
        let (row, _) = store.key_find(&id(n)).await.unwrap().unwrap();
        assert_eq!(row.last_used_at, Some(Micros(8)));
    }
}

//! A read and a new version as somebody would write them who has only `diesel-async`: the statements
//! of `get_api_key` and `store_api_key`, in the same transactions. No cipher, no MAC and no hash:
//! envelope, MACs and event are bytes that lie there.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{
    AsyncMysqlConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection as _,
};

use crate::tables::{
    Key, KeyVersion, llm_keys_changes as changes, llm_keys_counters as counters,
    llm_keys_events as events, llm_keys_keys as keys, llm_keys_versions as versions,
};

/// As long as an event of a store.
pub(crate) const EVENT: &str = concat!(
    r#"{"at":1795197600000000,"action":"key_store","key":{"tenant":"default","owner":{"user":"#,
    r#""user-0000000"},"service":"anthropic","name":"default"},"record":"00000000-0000-0000-0000-"#,
    r#"000000000000","version":12,"caller":{"actor":"library"},"outcome":"ok"}"#
);

/// How many versions of a key keep their envelope, unless said otherwise.
pub(crate) const KEPT: i64 = 10;

/// How many rows the feed of changes keeps.
pub(crate) const FEED: i64 = 10_000;

/// The two calls, for one kind of connection.
macro_rules! by_hand {
    ($module:ident, $Connection:ty, $begin:literal $(, $lock:ident)?) => {
        pub(crate) mod $module {
            use super::*;

            pub(crate) type Connections = Pool<$Connection>;

            pub(crate) async fn get(pool: &Connections, path: &str) -> (Key, Option<KeyVersion>) {
                let mut conn = pool.get().await.unwrap();
                find(&mut conn, path).await
            }

            async fn find(conn: &mut $Connection, path: &str) -> (Key, Option<KeyVersion>) {
                let current = versions::record
                    .eq(keys::record)
                    .and(versions::version.nullable().eq(keys::current_version));
                keys::table
                    .left_join(versions::table.on(current))
                    .filter(keys::tenant.eq("default"))
                    .filter(keys::path.eq(path))
                    .first(conn)
                    .await
                    .unwrap()
            }

            pub(crate) async fn store(pool: &Connections, path: &str) {
                // Two reads before the transaction, each on a connection of its own.
                let (mut key, old) = get(pool, path).await;
                let mut old = old.unwrap();
                let version = old.version + 1;
                let oldest = (key.record.clone(), version - KEPT);
                let mut shredded: KeyVersion = {
                    let mut conn = pool.get().await.unwrap();
                    versions::table
                        .filter(versions::record.eq(&oldest.0))
                        .filter(versions::version.eq(oldest.1))
                        .first(&mut *conn)
                        .await
                        .unwrap()
                };
                let new = KeyVersion { version, ..old.clone() };
                key.current_version = Some(version);
                key.latest_version = Some(version);
                old.state = "retired".to_owned();
                shredded.state = "shredded".to_owned();
                shredded.envelope = None;

                let mut conn = pool.get().await.unwrap();
                let conn: &mut $Connection = &mut conn;
                conn.batch_execute($begin).await.unwrap();
                let held: (i64, (String, String, String, String, String)) = keys::table
                    .select((
                        keys::generation,
                        (keys::tenant, keys::owner_kind, keys::owner_id, keys::service, keys::name),
                    ))
                    .filter(keys::record.eq(&key.record))
                    $(.$lock())?
                    .first(conn)
                    .await
                    .unwrap();
                assert_eq!(held.0, key.generation);
                key.generation += 1;
                diesel::update(keys::table.find(&key.record)).set(&key).execute(conn).await.unwrap();
                for row in [&old, &shredded] {
                    assert_eq!(replace(conn, row).await, 1);
                }
                assert_eq!(replace(conn, &new).await, 0);
                diesel::insert_into(versions::table).values(&new).execute(conn).await.unwrap();
                let seq = advance(conn, "changes").await;
                let (tenant, owner_kind, owner_id, service, name) = &held.1;
                diesel::insert_into(changes::table)
                    .values((
                        changes::seq.eq(seq),
                        changes::tenant.eq(tenant),
                        changes::owner_kind.eq(owner_kind),
                        changes::owner_id.eq(owner_id),
                        changes::service.eq(service),
                        changes::name.eq(name),
                    ))
                    .execute(conn)
                    .await
                    .unwrap();
                let old = changes::table.filter(changes::seq.le(seq - FEED));
                diesel::delete(old).execute(conn).await.unwrap();
                let seq = advance(conn, "events").await;
                diesel::insert_into(events::table)
                    .values((
                        events::seq.eq(seq),
                        events::tenant.eq(tenant),
                        events::at.eq(key.updated_at),
                        events::body.eq(EVENT),
                    ))
                    .execute(conn)
                    .await
                    .unwrap();
                conn.batch_execute("COMMIT").await.unwrap();
            }

            async fn replace(conn: &mut $Connection, row: &KeyVersion) -> usize {
                let place = versions::table.find((&row.record, row.version));
                diesel::update(place).set(row).execute(conn).await.unwrap()
            }

            async fn advance(conn: &mut $Connection, name: &str) -> i64 {
                diesel::update(counters::table.find(name))
                    .set(counters::value.eq(counters::value + 1))
                    .execute(conn)
                    .await
                    .unwrap();
                counters::table
                    .select(counters::value)
                    .filter(counters::name.eq(name))
                    .first(conn)
                    .await
                    .unwrap()
            }
        }
    };
}

by_hand!(sqlite, SyncConnectionWrapper<SqliteConnection>, "BEGIN IMMEDIATE");
by_hand!(postgres, AsyncPgConnection, "BEGIN ISOLATION LEVEL READ COMMITTED", for_update);
by_hand!(mysql, AsyncMysqlConnection, "BEGIN", for_update);

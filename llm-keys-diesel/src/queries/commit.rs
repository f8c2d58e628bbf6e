//! A change: all of it in one transaction, or nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::KeyId;
use llm_keys::error::Result;
use llm_keys::model::{KeyRow, VersionRow};
use llm_keys::store::{Change, Expect, SystemRow};
use uuid::Uuid;

use super::{changes, events, expect};
use crate::backend::Conn;
use crate::failure::{conflict, failed};
use crate::rows::key::{KeyContent, NewKey};
use crate::rows::micros_column;
use crate::rows::system::NewSystem;
use crate::rows::version::NewVersion;
use crate::schema::{
    llm_keys_keys as keys, llm_keys_system as system, llm_keys_versions as versions,
};

const OP: &str = "store.commit";

/// Makes `change`.
///
/// `can_notify` remembers whether the database can tell others of it.
pub(crate) async fn commit_in_txn(
    conn: &mut Conn,
    change: &Change,
    can_notify: &OnceLock<bool>,
) -> Result<()> {
    let ids = expect::check_in_txn(conn, change).await?;
    fail_point!("commit.expected");
    for record in &change.purge {
        purge(conn, *record).await?;
        fail_point!("commit.purged");
    }
    for row in &change.keys {
        let replaces = change
            .expect
            .iter()
            .any(|e| matches!(e, Expect::Generation { record, .. } if *record == row.record));
        let before = ids.get(&row.record).filter(|_| replaces);
        write_key(conn, row, before).await?;
        fail_point!("commit.key");
    }
    for row in &change.versions {
        // A key that is new in this change has no versions yet.
        let fresh = !ids.contains_key(&row.record);
        write_version(conn, row, fresh).await?;
        fail_point!("commit.version");
    }
    for row in &change.system {
        let fresh = change.expect.iter().any(|e| {
            matches!(e, Expect::System { tenant, name, version: None }
                if *tenant == row.tenant && *name == row.name)
        });
        write_system(conn, row, fresh).await?;
        fail_point!("commit.system");
    }
    changes::record_in_txn(conn, &touched(change, &ids), can_notify).await?;
    fail_point!("commit.changes");
    events::record_in_txn(conn, &change.events).await?;
    fail_point!("commit.events");
    Ok(())
}

/// The keys that `change` writes or purges, under every id they had before or have after.
fn touched(change: &Change, before: &HashMap<Uuid, KeyId>) -> BTreeSet<KeyId> {
    let old = change.keys.iter().map(|row| &row.record);
    let old = old.chain(change.versions.iter().map(|row| &row.record)).chain(&change.purge);
    let mut all: BTreeSet<_> = old.filter_map(|record| before.get(record)).cloned().collect();
    all.extend(change.keys.iter().map(|row| row.id.clone()));
    all
}

/// Replaces the row of the key that was `before`, or adds one.
async fn write_key(conn: &mut Conn, row: &KeyRow, before: Option<&KeyId>) -> Result<()> {
    if let Some(before) = before {
        let record = row.record.hyphenated().to_string();
        let place = keys::table.find(&record);
        let written = if *before == row.id {
            let content = KeyContent::try_from(row)?;
            on_backend!(conn, |conn| diesel::update(place).set(&content).execute(conn).await)
        } else {
            let new = NewKey::try_from(row)?;
            on_backend!(conn, |conn| diesel::update(place).set(&new).execute(conn).await)
        };
        return match written.map_err(|error| failed(OP, error))? {
            1 => Ok(()),
            _ => Err(conflict(OP, "the key went away meanwhile")),
        };
    }
    let new = NewKey::try_from(row)?;
    let last_used_at = keys::last_used_at.eq(micros_column(row.last_used_at));
    on_backend!(conn, |conn| {
        diesel::insert_into(keys::table).values((&new, last_used_at)).execute(conn).await
    })
    .map_err(|error| failed(OP, error))?;
    Ok(())
}

async fn write_version(conn: &mut Conn, row: &VersionRow, fresh: bool) -> Result<()> {
    let new = NewVersion::from(row);
    if !fresh {
        let place = (row.record.hyphenated().to_string(), i64::from(row.version.get()));
        let written = on_backend!(conn, |conn| {
            diesel::update(versions::table.find((&place.0, place.1))).set(&new).execute(conn).await
        })
        .map_err(|error| failed(OP, error))?;
        if written > 0 {
            return Ok(());
        }
    }
    let last_used_at = versions::last_used_at.eq(micros_column(row.last_used_at));
    on_backend!(conn, |conn| {
        diesel::insert_into(versions::table).values((&new, last_used_at)).execute(conn).await
    })
    .map_err(|error| failed(OP, error))?;
    Ok(())
}

/// The versions go by a statement of their own: an application's pool may not enforce foreign keys.
async fn purge(conn: &mut Conn, record: Uuid) -> Result<()> {
    let record = record.hyphenated().to_string();
    on_backend!(conn, |conn| {
        diesel::delete(versions::table.filter(versions::record.eq(&record))).execute(conn).await
    })
    .map_err(|error| failed(OP, error))?;
    fail_point!("commit.purged-versions");
    on_backend!(conn, |conn| diesel::delete(keys::table.find(&record)).execute(conn).await)
        .map_err(|error| failed(OP, error))?;
    Ok(())
}

async fn write_system(conn: &mut Conn, row: &SystemRow, fresh: bool) -> Result<()> {
    let new = NewSystem::from(row);
    // One that nobody should have written is only inserted: if somebody did since we looked, it
    // must not be overwritten.
    if !fresh {
        let place = (row.tenant.as_str(), row.name.as_str());
        let written = on_backend!(conn, |conn| {
            diesel::update(system::table.find(place)).set(&new).execute(conn).await
        })
        .map_err(|error| failed(OP, error))?;
        if written > 0 {
            return Ok(());
        }
    }
    on_backend!(conn, |conn| diesel::insert_into(system::table).values(&new).execute(conn).await)
        .map_err(|error| failed(OP, error))?;
    Ok(())
}

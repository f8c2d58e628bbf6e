//! DB10: names that look alike are different keys or are refused, and no two keys are one.

use std::collections::BTreeSet;

use llm_keys::store::KeyStore as _;
use llm_keys::{KeyFilter, KeyId, Owner, OwnerId, PageSize, Service, Tenant};
use llm_keys_diesel::DieselStore;

use crate::database::{Database, Kind};
use crate::fixture::{Folder, new_key};

on_each_server! {
    look_alikes_are_apart_or_refused_there
}

#[tokio::test]
async fn look_alikes_are_apart_or_refused() {
    let folder = Folder::new();
    look_alikes(&folder.store().await).await;
}

async fn look_alikes_are_apart_or_refused_there(kind: Kind) {
    let database = Database::new(kind).await;
    look_alikes(&database.store().await).await;
    // There is no NULL owner, nor a second global key.
    for owner in ["NULL", "''"] {
        let copy = format!(
            "INSERT INTO llm_keys_keys (record, tenant, path, owner_kind, owner_id, service, name,
                 state, generation, settings, labels, kept, created_at, updated_at)
             SELECT 'x', tenant, path, owner_kind, {owner}, service, name,
                 state, generation, settings, labels, kept, created_at, updated_at
             FROM llm_keys_keys WHERE owner_kind = 'global'"
        );
        database.execute(&copy).await.unwrap_err();
    }
}

async fn look_alikes(store: &DieselStore) {
    for refused in ["alice ", " alice", "álice", "a\u{301}lice", "alice\0", "аlice", "alice\u{1f}"]
    {
        assert!(OwnerId::new(refused).is_err(), "{refused:?}");
    }
    let ids = [
        KeyId::user("Alice", "openai").unwrap(),
        KeyId::user("alice", "openai").unwrap(),
        KeyId::user("ALICE", "openai").unwrap(),
        KeyId::user("a lice", "openai").unwrap(),
        KeyId::user("a  lice", "openai").unwrap(),
        KeyId::user("alice%", "openai").unwrap(),
        KeyId::user("alic_", "openai").unwrap(),
        KeyId::user("'; DROP TABLE llm_keys_keys; --", "openai").unwrap(),
        KeyId::user("global", "openai").unwrap(),
        KeyId::team("global", "openai").unwrap(),
        KeyId::global("openai").unwrap(),
        KeyId::user("a_b", "c").unwrap(),
        KeyId::user("a", "b_c").unwrap(),
        KeyId::user("alice", "openai").unwrap().with_tenant("Default").unwrap(),
        KeyId::user("alice", "openai").unwrap().with_name("default.").unwrap(),
    ];
    for (n, id) in ids.iter().enumerate() {
        store.commit(new_key(id, n as u128 + 1)).await.unwrap();
    }
    for (n, id) in ids.iter().enumerate() {
        let (row, _) = store.key_find(id).await.unwrap().unwrap();
        assert_eq!((&row.id, row.record.as_u128()), (id, n as u128 + 1));
        // The same again is the same key.
        let error = store.commit(new_key(id, n as u128 + 1001)).await.unwrap_err();
        assert_eq!(error.kind().code(), "conflict", "{id}");
    }
    // Each filter by owner gives that owner's keys and nobody else's.
    for id in &ids {
        let filter = KeyFilter::of(id.tenant.clone()).owner(id.owner.clone());
        let page = store.key_list(&filter, None, PageSize::default()).await.unwrap();
        let found: BTreeSet<_> = page.items.into_iter().map(|row| row.id).collect();
        let wanted: BTreeSet<_> = ids
            .iter()
            .filter(|other| other.tenant == id.tenant && other.owner == id.owner)
            .cloned()
            .collect();
        assert_eq!(found, wanted, "{id}");
    }
}

#[tokio::test]
async fn there_is_one_global_key_and_no_null_owner() {
    use diesel::connection::SimpleConnection as _;
    let folder = Folder::new();
    let store = folder.store().await;
    let id = KeyId::new(Owner::Global, Service::new("openai").unwrap());
    store.commit(new_key(&id, 1)).await.unwrap();
    assert_eq!(store.commit(new_key(&id, 2)).await.unwrap_err().kind().code(), "conflict");
    let copy = |owner_id: &str| {
        format!(
            "INSERT INTO llm_keys_keys (record, tenant, path, owner_kind, owner_id, service, name,
                 state, generation, settings, labels, created_at, updated_at)
             SELECT 'x', tenant, path, owner_kind, {owner_id}, service, name,
                 state, generation, settings, labels, created_at, updated_at FROM llm_keys_keys"
        )
    };
    let mut conn = folder.plain();
    let null = conn.batch_execute(&copy("NULL")).unwrap_err().to_string();
    assert!(null.contains("NOT NULL constraint failed: llm_keys_keys.owner_id"), "{null}");
    let twice = conn.batch_execute(&copy("''")).unwrap_err().to_string();
    assert!(twice.contains("UNIQUE constraint failed"), "{twice}");
    let page =
        store.key_list(&KeyFilter::of(Tenant::default()), None, PageSize::default()).await.unwrap();
    assert_eq!(page.items.len(), 1);
}

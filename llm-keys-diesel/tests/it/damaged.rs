//! Rows that no writer of ours could have written.

use llm_keys::KeyId;
use llm_keys::model::SystemName;
use llm_keys::store::{KeyStore as _, SystemRow};
use llm_keys::{KeyFilter, Micros, PageSize, Tenant, Version};
use uuid::Uuid;

use crate::fixture::{Folder, new_key};

#[tokio::test]
async fn a_damaged_row_is_integrity_and_never_a_guess() {
    for sql in [
        "UPDATE llm_keys_keys SET state = 'ACTIVE'",
        "UPDATE llm_keys_keys SET state = 'deleted'",
        "UPDATE llm_keys_keys SET purge_at = 5",
        "UPDATE llm_keys_keys SET owner_kind = 'root'",
        "UPDATE llm_keys_keys SET owner_kind = 'team'",
        "UPDATE llm_keys_keys SET owner_kind = 'global'",
        "UPDATE llm_keys_keys SET owner_id = 'mallory'",
        "UPDATE llm_keys_keys SET owner_id = ''",
        "UPDATE llm_keys_keys SET service = 'anthropic'",
        "UPDATE llm_keys_keys SET service = 'OpenAI'",
        "UPDATE llm_keys_keys SET name = 'other'",
        "UPDATE llm_keys_keys SET current_version = 0, latest_version = 0",
        "UPDATE llm_keys_keys SET latest_version = 4294967296",
        "UPDATE llm_keys_keys SET generation = -1",
        "UPDATE llm_keys_keys SET settings = '{'",
        "UPDATE llm_keys_keys SET labels = '{\"BAD\":\"x\"}'",
        "UPDATE llm_keys_keys SET hint = 'toolong'",
        "UPDATE llm_keys_keys SET rotate_every = -1",
        "PRAGMA foreign_keys = OFF; UPDATE llm_keys_keys SET record = 'not-a-uuid'",
        "PRAGMA foreign_keys = OFF; UPDATE llm_keys_keys SET record = upper(record)",
        "UPDATE llm_keys_versions SET state = 'alive'",
        "UPDATE llm_keys_versions SET until = 5",
        "UPDATE llm_keys_versions SET actor = ''",
        "UPDATE llm_keys_versions SET reason = char(10)",
    ] {
        let folder = Folder::new();
        let store = folder.store().await;
        let id = KeyId::user("alice", "openai").unwrap();
        // A record with a letter in it, so that upper case is another text.
        store.commit(new_key(&id, 0xabc)).await.unwrap();
        assert!(store.key_find(&id).await.unwrap().is_some());
        folder.tamper(sql);
        let error = store.key_find(&id).await.map(drop).unwrap_err();
        assert_eq!(error.kind().code(), "row", "{sql}: {error:?}");
        if sql.contains("llm_keys_keys") {
            let filter = KeyFilter::of(Tenant::default()).with_deleted();
            let error = store.key_list(&filter, None, PageSize::default()).await.unwrap_err();
            assert_eq!(error.kind().code(), "row", "{sql}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_row_moved_to_another_path_is_refused() {
    let folder = Folder::new();
    let store = folder.store().await;
    let (alice, bob) =
        (KeyId::user("alice", "openai").unwrap(), KeyId::user("bob", "openai").unwrap());
    store.commit(new_key(&alice, 1)).await.unwrap();
    folder.tamper(&format!("UPDATE llm_keys_keys SET path = '{}'", bob.path()));
    assert_eq!(store.key_find(&bob).await.unwrap_err().kind().code(), "row");
    assert!(store.key_find(&alice).await.unwrap().is_none());
}

#[tokio::test]
async fn a_damaged_system_record_is_refused() {
    let folder = Folder::new();
    let store = folder.store().await;
    let (tenant, name) = (Tenant::default(), SystemName::new("sentinel").unwrap());
    let row = SystemRow {
        tenant: tenant.clone(),
        name: name.clone(),
        record: Uuid::from_u128(7),
        version: Version::FIRST,
        envelope: llm_keys::envelope::Envelope::from_bytes(vec![1]),
        created_at: Micros(1),
        updated_at: Micros(1),
        mac: None,
    };
    let expect = llm_keys::store::Expect::System {
        tenant: tenant.clone(),
        name: name.clone(),
        version: None,
    };
    let change = llm_keys::store::Change {
        expect: vec![expect],
        system: vec![row.clone()],
        ..Default::default()
    };
    store.commit(change).await.unwrap();
    assert_eq!(store.system_find(&tenant, &name).await.unwrap(), Some(row));
    folder.tamper("UPDATE llm_keys_system SET version = 0");
    assert_eq!(store.system_find(&tenant, &name).await.unwrap_err().kind().code(), "row");
}

#[tokio::test]
async fn the_database_itself_refuses_what_its_checks_forbid() {
    use diesel::connection::SimpleConnection as _;
    let folder = Folder::new();
    let store = folder.store().await;
    store.commit(new_key(&KeyId::user("alice", "openai").unwrap(), 1)).await.unwrap();
    let mut conn = folder.plain();
    for sql in [
        "UPDATE llm_keys_keys SET owner_kind = 'root'",
        "UPDATE llm_keys_keys SET owner_id = ''",
        "UPDATE llm_keys_keys SET owner_kind = 'global'",
        "UPDATE llm_keys_keys SET owner_id = NULL",
        "UPDATE llm_keys_keys SET owner_id = x'00'",
        "UPDATE llm_keys_keys SET state = 'deleted'",
        "UPDATE llm_keys_keys SET generation = 'many'",
        "UPDATE llm_keys_versions SET version = 0",
    ] {
        let error = conn.batch_execute(sql).unwrap_err().to_string();
        assert!(error.contains("constraint") || error.contains("cannot store"), "{sql}: {error}");
    }
}

//! The suite that every manager passes, over each database.

use llm_keys::EnvelopeKeyManager;
use llm_keys::manager::CacheOptions;
use llm_keys::testing::manager::Parts;
use llm_keys_diesel::{ConnectOptions, DieselStore};

use crate::database::{Database, Kind};

async fn manager(parts: Parts) -> EnvelopeKeyManager {
    EnvelopeKeyManager::builder()
        .kms(parts.kms)
        .store(parts.store)
        .event_sink(parts.sink)
        .clock(parts.clock)
        .random(parts.random)
        .cache(CacheOptions::default().ttl(parts.cache_ttl))
        .follow_changes(parts.follow)
        .caller(parts.caller)
        .build()
        .await
        .unwrap()
}

/// Calls wait as long as it takes: many tests share the machine.
fn patient() -> ConnectOptions {
    let minute = std::time::Duration::from_secs(60);
    ConnectOptions::new().wait(minute).lock_wait(minute)
}

async fn on_a_server(kind: Kind) -> DieselStore {
    let database = Database::new(kind).await;
    let store = database.store_with(patient()).await;
    database.keep();
    store
}

mod in_a_file {
    llm_keys::manager_conformance!(
        async |parts| super::manager(parts).await,
        store: async || crate::fixture::patient_file(&format!(
            "manager-{}", uuid::Uuid::new_v4().simple()
        ))
        .await
    );
}

mod in_postgres {
    llm_keys::manager_conformance!(
        async |parts| super::manager(parts).await,
        store: async || super::on_a_server(crate::database::Kind::Postgres).await
    );
}

mod in_mysql {
    llm_keys::manager_conformance!(
        async |parts| super::manager(parts).await,
        store: async || super::on_a_server(crate::database::Kind::Mysql).await
    );
}

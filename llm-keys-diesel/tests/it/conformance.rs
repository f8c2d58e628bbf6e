//! The suite that every store passes.

mod in_a_file {
    llm_keys::key_store_conformance!(async |name| crate::fixture::fresh_file(name).await);
}

mod in_memory {
    llm_keys::key_store_conformance!(async |_name| llm_keys_diesel::DieselStore::open(
        "sqlite::memory:"
    )
    .await
    .unwrap());
}

/// A store on a database of its own.
async fn on_a_server(kind: crate::database::Kind) -> llm_keys_diesel::DieselStore {
    let database = crate::database::Database::new(kind).await;
    let store = database.store().await;
    database.keep();
    store
}

mod in_postgres {
    llm_keys::key_store_conformance!(async |_name| super::on_a_server(
        crate::database::Kind::Postgres
    )
    .await);
}

mod in_mysql {
    llm_keys::key_store_conformance!(async |_name| super::on_a_server(
        crate::database::Kind::Mysql
    )
    .await);
}

mod rewrap {
    llm_keys::rewrap_conformance!(async |name| crate::fixture::patient_file(&format!(
        "rewrap-{name}"
    ))
    .await);
}

/// Many write at once there, and each for as long as it takes.
async fn on_a_server_patiently(kind: crate::database::Kind) -> llm_keys_diesel::DieselStore {
    let database = crate::database::Database::new(kind).await;
    let minute = std::time::Duration::from_secs(60);
    let options = llm_keys_diesel::ConnectOptions::new().wait(minute).lock_wait(minute);
    let store = database.store_with(options).await;
    database.keep();
    store
}

mod rewrap_in_postgres {
    llm_keys::rewrap_conformance!(async |_name| super::on_a_server_patiently(
        crate::database::Kind::Postgres
    )
    .await);
}

mod rewrap_in_mysql {
    llm_keys::rewrap_conformance!(async |_name| super::on_a_server_patiently(
        crate::database::Kind::Mysql
    )
    .await);
}

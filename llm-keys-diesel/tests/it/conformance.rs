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

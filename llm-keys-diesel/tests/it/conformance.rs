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

mod rewrap {
    llm_keys::rewrap_conformance!(async |name| crate::fixture::patient_file(&format!(
        "rewrap-{name}"
    ))
    .await);
}

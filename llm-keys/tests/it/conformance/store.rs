//! Stores of this crate.

mod memory {
    llm_keys::key_store_conformance!(async |_name| llm_keys::store::MemoryStore::new());
}

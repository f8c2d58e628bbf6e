//! Rewraps on the reference store.

mod memory {
    llm_keys::rewrap_conformance!(async |_name| llm_keys::store::MemoryStore::new());
}

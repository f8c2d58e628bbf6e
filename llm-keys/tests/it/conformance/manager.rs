//! The manager of this crate.

use llm_keys::EnvelopeKeyManager;
use llm_keys::manager::CacheOptions;

llm_keys::manager_conformance!(async |parts| {
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
});

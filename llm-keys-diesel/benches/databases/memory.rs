//! What 100,000 cached keys take: the resident memory of this process before and after they are
//! loaded. The rows lie in memory, too, before and after.

use std::fs;

use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::CacheOptions;
use llm_keys::store::MemoryStore;
use llm_keys::{ApiKey, EnvelopeKeyManager, SecureKeyManager as _, StoreOptions};

use crate::{KEY, id};

const KEYS: usize = 100_000;

pub(crate) async fn measure() {
    let cache = CacheOptions::default().capacity(KEYS as u64);
    let manager = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(LocalKms::ephemeral().unwrap()))
        .store(MemoryStore::new())
        .cache(cache)
        .build()
        .await
        .unwrap();
    let ids: Vec<_> = (0..KEYS).map(id).collect();
    for id in &ids {
        let key = ApiKey::new(KEY).unwrap();
        manager.store_api_key(id, key, &StoreOptions::default()).await.unwrap();
    }
    let before = resident();
    for ids in ids.chunks(1000) {
        let loaded = manager.prewarm(ids).await;
        assert!(loaded.iter().all(|(_, loaded)| matches!(loaded, Ok(true))));
    }
    let after = resident();
    let hits = manager.cache_statistics().hits;
    for id in &ids {
        drop(manager.get_api_key(id).await.unwrap().unwrap());
    }
    let hits = manager.cache_statistics().hits - hits;
    println!(
        "memory: {hits} of {KEYS} keys cached; resident {before:.0} MB before, {after:.0} MB after: \
         {:.0} bytes for each key",
        (after - before) * 1e6 / KEYS as f64
    );
}

/// In megabytes, as Linux counts it.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024.0 / 1e6
}

//! `copy`, killed again and again.

use std::sync::Arc;
use std::thread;

use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::manager::CacheOptions;
use llm_keys::store::KeyStore as _;
use llm_keys::{
    ApiKey, Clock as _, EnvelopeKeyManager, KeyId, PageSize, SecureKeyManager as _, StoreOptions,
    SystemClock,
};
use llm_keys_diesel::DieselStore;
use serde_json::Value;
use tokio::runtime::Builder;

use crate::sandbox::Sandbox;

const KEYS: usize = 300;

#[test]
fn a_copy_that_is_killed_again_and_again_comes_to_its_end() {
    const RUNS: u32 = 12;
    let sandbox = Sandbox::new();
    sandbox.must(&["init"], "");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let manager = manager(&sandbox, &sandbox.home().join("keys.db")).await;
        for number in 0..KEYS {
            for version in 1..=2 {
                let key = ApiKey::new(secret(number, version)).unwrap();
                manager.store_api_key(&id(number), key, &StoreOptions::default()).await.unwrap();
            }
        }
    });
    let args = |to: &str| ["copy", "--json", "--batch", "2", "--to", to].map(str::to_owned);
    let clock = SystemClock::new();
    sandbox.must(&args("usual.db").each_ref().map(String::as_str), "");
    let usual = clock.monotonic();

    let (mut killed, mut halfway) = (0, 0);
    for run in 0..RUNS {
        let name = format!("copy-{run}.db");
        let args = args(&name);
        let args = args.each_ref().map(String::as_str);
        let mut child = sandbox.start(&args);
        // When it is killed is what this is about; there is nothing else to wait for.
        thread::sleep(usual * (run + 1) / (RUNS + 1));
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        let report: Value = serde_json::from_str(&sandbox.must(&args, "")).unwrap();
        let left = report["keys"].as_u64().unwrap();
        halfway += u32::from(0 < left && left < KEYS as u64);
        assert_eq!(report["compared"]["keys"], KEYS, "{report}");
        assert_eq!(report["compared"]["versions"], 2 * KEYS, "{report}");
        assert_eq!(report["again"], 0, "{report}");
    }
    assert!(killed > 0, "no process was killed in time");
    assert!(halfway > 0, "no process was killed in the midst of it");

    // The last one opens, every key of it.
    runtime.block_on(async {
        let file = sandbox.work().join(format!("copy-{}.db", RUNS - 1));
        let manager = manager(&sandbox, &file).await;
        for number in 0..KEYS {
            let key = manager.get_api_key(&id(number)).await.unwrap().unwrap();
            assert_eq!(key.expose_str(str::to_owned).unwrap(), secret(number, 2));
        }
        let store = DieselStore::open(&format!("sqlite:{}", file.display())).await.unwrap();
        let page = PageSize::new(1000).unwrap();
        assert_eq!(store.key_scan(None, page).await.unwrap().len(), KEYS);
    });
}

async fn manager(sandbox: &Sandbox, file: &std::path::Path) -> EnvelopeKeyManager {
    let kms = LocalKms::open(sandbox.home().join("master.key")).unwrap();
    let store = DieselStore::open(&format!("sqlite:{}", file.display())).await.unwrap();
    EnvelopeKeyManager::builder()
        .kms(KmsSet::single(Arc::new(kms)))
        .store(store)
        .cache(CacheOptions::OFF)
        .build()
        .await
        .unwrap()
}

fn id(number: usize) -> KeyId {
    KeyId::user(&format!("user-{number}"), "openai").unwrap()
}

fn secret(number: usize, version: u32) -> String {
    format!("sk-test-{number:04}-{version}")
}

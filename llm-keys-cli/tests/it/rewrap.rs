//! `kms rewrap`, killed again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use llm_keys::kms::local::LocalKms;
use llm_keys::kms::{KmsProvider, KmsSet};
use llm_keys::manager::CacheOptions;
use llm_keys::{
    ApiKey, Clock as _, EnvelopeKeyManager, KeyId, SecureKeyManager as _, StoreOptions, SystemClock,
};
use llm_keys_diesel::DieselStore;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::sandbox::Sandbox;

const KEYS: usize = 300;

struct Bed {
    sandbox: Sandbox,
    runtime: Runtime,
}

impl Bed {
    /// A database with many keys, each with two versions, and a second master key.
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.must(&["init"], "");
        let other = sandbox.work().join("new.key");
        sandbox.must(&["--kms", &uri(&other), "--database", "sqlite:other.db", "init"], "");
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let bed = Self { sandbox, runtime };
        bed.runtime.block_on(async {
            let manager = bed.manager(&[bed.old()]).await;
            for number in 0..KEYS {
                for version in 1..=2 {
                    let key = ApiKey::new(secret(number, version)).unwrap();
                    manager
                        .store_api_key(&id(number), key, &StoreOptions::default())
                        .await
                        .unwrap();
                }
            }
        });
        bed
    }

    fn old(&self) -> PathBuf {
        self.sandbox.home().join("master.key")
    }

    fn new_key(&self) -> PathBuf {
        self.sandbox.work().join("new.key")
    }

    /// A manager of this process that reads with these master keys.
    async fn manager(&self, keys: &[PathBuf]) -> EnvelopeKeyManager {
        let open = |path: &PathBuf| Arc::new(LocalKms::open(path).unwrap()) as Arc<dyn KmsProvider>;
        let mut kms = keys.iter().map(open);
        let write = vec![kms.next().unwrap()];
        let file = self.sandbox.home().join("keys.db");
        let store = DieselStore::open(&format!("sqlite:{}", file.display())).await.unwrap();
        EnvelopeKeyManager::builder()
            .kms(KmsSet::new(write, kms.collect()).unwrap())
            .store(store)
            .cache(CacheOptions::OFF)
            .build()
            .await
            .unwrap()
    }

    fn assert_all_open(&self, keys: &[PathBuf]) {
        self.runtime.block_on(async {
            let manager = self.manager(keys).await;
            for number in 0..KEYS {
                let key = manager.get_api_key(&id(number)).await.unwrap().unwrap();
                assert_eq!(key.expose_str(str::to_owned).unwrap(), secret(number, 2));
            }
        });
    }

    fn rewrap(&self, to: &Path) -> Vec<String> {
        let (old, new) = (uri(&self.old()), uri(&self.new_key()));
        let to = uri(to);
        ["kms", "rewrap", "--batch", "5", "--concurrency", "2", "--to", &to]
            .into_iter()
            .chain(["--from", &old, "--from", &new])
            .map(str::to_owned)
            .collect()
    }

    fn plan(&self, to: &Path) -> Value {
        let mut args = self.rewrap(to);
        args.extend(["--plan".to_owned(), "--json".to_owned()]);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        serde_json::from_str(&self.sandbox.must(&args, "")).unwrap()
    }
}

#[test]
fn a_rewrap_that_is_killed_again_and_again_loses_nothing_and_comes_to_its_end() {
    const RUNS: u32 = 6;
    let bed = Bed::new();
    let clock = SystemClock::new();
    let args = bed.rewrap(&bed.new_key());
    bed.sandbox.must(&args.iter().map(String::as_str).collect::<Vec<_>>(), "");
    let usual = clock.monotonic();
    bed.assert_all_open(&[bed.new_key()]);

    let (mut killed, mut halfway) = (0, 0);
    for run in 0..RUNS {
        // To and fro, each way until it is done.
        let to = if run % 2 == 0 { bed.old() } else { bed.new_key() };
        let mut left = None;
        for round in 0..4_u32 {
            let args = bed.rewrap(&to);
            let mut child = bed.sandbox.start(&args.iter().map(String::as_str).collect::<Vec<_>>());
            // When it is killed is what this is about; there is nothing else to wait for.
            thread::sleep(wait(usual, run * 4 + round, RUNS * 4));
            child.kill().unwrap();
            let done = child.wait().unwrap().success();
            bed.assert_all_open(&[bed.old(), bed.new_key()]);
            let plan = bed.plan(&to);
            assert_eq!(plan["unopened"], serde_json::json!([]), "{plan}");
            let todo = plan["versions"]["todo"].as_u64().unwrap();
            assert!(left.is_none_or(|left| todo <= left), "{todo} of {left:?} are left");
            killed += u32::from(!done);
            halfway += u32::from(todo > 0 && todo < 2 * KEYS as u64);
            left = Some(todo);
            if done {
                assert_eq!(todo, 0);
                break;
            }
        }
        let args = bed.rewrap(&to);
        bed.sandbox.must(&args.iter().map(String::as_str).collect::<Vec<_>>(), "");
        let plan = bed.plan(&to);
        assert_eq!((&plan["versions"]["todo"], &plan["system"]["todo"]), (&0.into(), &0.into()));
        bed.assert_all_open(&[to]);
    }
    assert!(killed > 0, "no process was killed in time");
    assert!(halfway > 0, "no process was killed in the midst of it");
}

/// From a third of what a run takes to all of it: it takes a while to begin.
fn wait(usual: Duration, step: u32, steps: u32) -> Duration {
    // Spread, so that the rounds of one run differ.
    let step = step * 7 % steps;
    usual / 3 + usual * step * 2 / (steps * 3)
}

fn uri(path: &Path) -> String {
    format!("local:{}", path.display())
}

fn id(number: usize) -> KeyId {
    KeyId::user(&format!("user-{number}"), "openai").unwrap()
}

fn secret(number: usize, version: u32) -> String {
    format!("sk-test-{number:04}-{version}")
}

//! A KMS that is out when the settings are opened: over the wire, with `DescribeKey` in trouble.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use llm_keys::error::KmsFault;
use llm_keys::home::Home;
use llm_keys::kms::{FromUri, GuardOptions, KeyUri, KmsContext, KmsSet, from_uri};
use llm_keys::store::MemoryStore;
use llm_keys::{
    ApiKey, EnvelopeKeyManager, ErrorKind, KeyId, SecureKeyManager as _, StoreOptions, SystemRandom,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::Instant;

use super::server::{REGION, admin, alice, create_key, variable};
use crate::fault_proxy::{Fault, FaultProxy};

/// The alias and the ARN of another key, in the process that has settings of its own.
const ALIAS: &str = "LLM_KEYS_TEST_STAND_IN_ALIAS";
const ARN: &str = "LLM_KEYS_TEST_STAND_IN_ARN";
const TWIN: &str = "LLM_KEYS_TEST_STAND_IN_TWIN";
/// What that process says when it has seen the outage.
const SEEN: &str = "the outage was seen";

const DOWN: ErrorKind = ErrorKind::Kms(KmsFault::Unavailable);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_out_when_it_is_opened_is_back_without_a_restart() {
    if std::env::var_os(ALIAS).is_some() {
        return in_its_own_process().await;
    }
    for fault in [Fault::Hang, Fault::Reset, Fault::status(503, "{}")] {
        let proxy = FaultProxy::start(&variable("LLM_KEYS_TEST_LOCALSTACK")).await;
        // Only the lookup of the alias is in trouble: the other key needs none.
        proxy.only("TrentService.DescribeKey");
        proxy.always(fault);
        let (twin, arn) = (create_key(&admin()).await, create_key(&admin()).await);
        let alias = format!("alias/canary-{}", uuid::Uuid::new_v4());
        admin().create_alias().alias_name(&alias).target_key_id(&twin).send().await.unwrap();

        let name = "kms_aws::stand_in::one_that_is_out_when_it_is_opened_is_back_without_a_restart";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(ALIAS, &alias)
            .env(ARN, &arn)
            .env(TWIN, &twin)
            .env("AWS_ENDPOINT_URL", proxy.url())
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut all = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            all += &line;
            all += "\n";
            if line.contains(SEEN) {
                assert!(proxy.requests() > 0, "the trouble was on the wire");
                proxy.heal();
                child.stdin.take().unwrap().write_all(b"healed\n").await.unwrap();
            }
        }
        assert!(child.wait().await.unwrap().success(), "{all}");
        assert!(all.contains(SEEN) && all.contains("1 passed"), "{all}");
    }
}

async fn in_its_own_process() {
    let [alias, arn, twin] = [ALIAS, ARN, TWIN].map(variable);
    let home = Home::under("/nowhere");
    let mut guard = GuardOptions::default();
    guard.deadline = Duration::from_secs(2);
    let options = FromUri::new(&home).guarded(guard);
    let context = alice();
    let context = KmsContext { context: &context, readable: false };

    let began = Instant::now();
    let both = [&alias, &arn];
    let set = KmsSet::from_uris(&both, &[], &options).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(!format!("{set:?}").contains("canary"), "{set:?}");
    // A single key is opened at once or not at all.
    assert!(from_uri(&arn, &options).await.is_ok());

    // What the other one opens is read, though a copy of the missing one's kind comes first.
    let twins = KmsSet::from_uris(&[&twin, &arn], &[], &options).await.unwrap();
    let stored = twins.generate(context, &SystemRandom).await.unwrap();
    assert_eq!(stored.wrapped.len(), 2);
    let read = Instant::now();
    set.unwrap(&stored.wrapped, context).await.unwrap();
    assert!(read.elapsed() < Duration::from_secs(1), "{:?}", read.elapsed());
    // What only the missing one opens is an outage, and so is a write; but not with a quorum.
    let error = set.unwrap(&stored.wrapped[..1], context).await.unwrap_err();
    assert_eq!(error.kind(), DOWN);
    assert!(error.hint().is_some(), "{error:?}");
    assert_eq!(set.generate(context, &SystemRandom).await.unwrap_err().kind(), DOWN);
    let quorum = set.clone().quorum(1).unwrap();
    let generated = quorum.generate(context, &SystemRandom).await.unwrap();
    assert!(generated.incomplete && generated.wrapped.len() == 1);
    // A manager waits for it once, and not again for the record of what aliases have meant.
    let store = Arc::new(MemoryStore::new());
    let process = async |kms: KmsSet| {
        let builder = EnvelopeKeyManager::builder().kms(kms).store(Arc::clone(&store));
        builder.build().await.unwrap()
    };
    let by_arn = process(KmsSet::from_uris(&[&twin], &[], &options).await.unwrap()).await;
    by_arn.allow_kms_keys(&[KeyUri::new(format!("aws-kms:{arn}")).unwrap()]).await.unwrap();
    let id = KeyId::global("openai").unwrap();
    let put = async |process: &EnvelopeKeyManager| {
        let key = ApiKey::new("sk-a").unwrap();
        let put = process.store_api_key(&id, key, &StoreOptions::default()).await;
        put.map_err(|error| error.kind())
    };
    put(&by_arn).await.unwrap();
    let late = process(KmsSet::from_uris(&[&alias], &[], &options).await.unwrap()).await;
    let fresh = KmsSet::from_uris(&[&alias], &[], &options).await.unwrap();
    let fresh = EnvelopeKeyManager::builder().kms(fresh).store(MemoryStore::new());
    let fresh = fresh.build().await.unwrap();
    let read = Instant::now();
    assert_eq!(late.get_api_key(&id).await.unwrap_err().kind(), DOWN);
    assert!(read.elapsed() < Duration::from_secs(3), "{:?}", read.elapsed());
    assert_eq!(put(&late).await, Err(DOWN));
    // Of two that are one key nothing is known yet.
    let twice = KmsSet::from_uris(&[&alias, &alias], &[], &options).await.unwrap();

    println!("{SEEN}");
    let mut line = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut line).await.unwrap();
    assert_eq!(line, "healed\n");

    let back = Instant::now();
    let generated = loop {
        match set.generate(context, &SystemRandom).await {
            Ok(generated) => break generated,
            Err(error) => assert_eq!(error.kind(), DOWN),
        }
        assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(!generated.incomplete);
    let uris: Vec<_> = generated.wrapped.iter().map(|copy| copy.uri.to_string()).collect();
    assert_eq!(uris, [format!("aws-kms:{twin}"), format!("aws-kms:{arn}")]);
    set.unwrap(&stored.wrapped[..1], context).await.unwrap();
    while put(&late).await == Err(DOWN) {
        assert!(back.elapsed() < Duration::from_secs(5), "{:?}", back.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(late.get_api_key(&id).await.unwrap().is_some());
    put(&fresh).await.unwrap();
    // The record is sealed under that key already, and so it lists it.
    let before = late.allowed_kms_keys().await.unwrap();
    assert!(before.keys().any(|key| key.as_str() == format!("aws-kms:{twin}")));
    // Where there is none yet it is made, though the alias is known only since it was used.
    let pins = fresh.allowed_kms_keys().await.unwrap();
    let meant: Vec<_> = pins.aliases().flat_map(|(_, keys)| keys).map(KeyUri::as_str).collect();
    assert_eq!(meant, [format!("aws-kms:{twin}")]);

    let error = loop {
        match twice.generate(context, &SystemRandom).await.unwrap_err() {
            error if error.kind() == DOWN => tokio::time::sleep(Duration::from_millis(100)).await,
            error => break error,
        }
        assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
    };
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    // Now it is seen when it is opened; and a refusal always was.
    let opened = KmsSet::from_uris(&[&alias, &twin], &[], &options).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::InvalidInput);
    let opened = KmsSet::from_uris(&["alias/nobody", &arn], &[], &options).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Kms(KmsFault::KeyMissing));
}

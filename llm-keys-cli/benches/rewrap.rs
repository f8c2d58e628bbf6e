//! What a rewrap of 10,000 keys in SQLite takes beside the bare calls of the KMS: the same unwraps and
//! wraps, as many at once, through the same provider.
//!
//! ```sh
//! cargo xtask bench rewrap                      # on LocalStack and OpenBao, too
//! cargo bench -p llm-keys-cli --bench rewrap    # on the local KMS alone
//! ```
//!
//! The goal is for LocalStack, whose calls take about as long as those of a KMS in the same data
//! centre. The local KMS answers in some microseconds, so that what is measured there is the storage.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, prints, and may panic"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_keys::kms::aws::AwsKms;
use llm_keys::kms::local::LocalKms;
use llm_keys::kms::vault::{VaultKms, VaultOptions};
use llm_keys::kms::{GuardOptions, Guarded, KmsContext, KmsProvider, KmsSet, WrappedKey};
use llm_keys::manager::RewrapOptions;
use llm_keys::store::KeyStore as _;
use llm_keys::{
    ApiKey, EncryptionContext, EnvelopeKeyManager, KeyId, PageSize, SecretBytes,
    SecureKeyManager as _, StoreOptions,
};
use llm_keys_diesel::DieselStore;
use tokio::task::JoinSet;

const KEYS: usize = 10_000;
const AT_ONCE: usize = 16;
/// Odd.
const ROUNDS: usize = 3;
/// How many times the bare calls it may take.
const GOAL: f64 = 1.3;

type Kms = Arc<dyn KmsProvider>;

fn main() -> ExitCode {
    // As the program has it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let met = runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.db");
        let [one, other]: [Kms; 2] =
            [(); 2].map(|()| Arc::new(LocalKms::ephemeral().unwrap()) as _);
        fill(&file, &one).await;
        measure("local", &file, one.clone(), other.clone()).await;
        // After an odd number of rounds everything lies under the other one.
        let mut last = other;
        if let Ok(server) = std::env::var("LLM_KEYS_TEST_OPENBAO") {
            let [one, other] = open_bao(&server).await;
            rewrap(&file, &one, &last).await;
            measure("OpenBao", &file, one, other.clone()).await;
            last = other;
        }
        let Ok(server) = std::env::var("LLM_KEYS_TEST_LOCALSTACK") else { return true };
        let [one, other] = local_stack(&server).await;
        rewrap(&file, &one, &last).await;
        measure("LocalStack", &file, one, other).await <= GOAL
    });
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Everything lies under `from`; it goes to and fro, and between two rewraps come the bare calls.
/// How many times the bare calls it takes.
async fn measure(name: &str, file: &Path, from: Kms, to: Kms) -> f64 {
    let (mut from, mut to) = (from, to);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare_calls(file, &from, &to).await);
        ours.push(rewrap(file, &to, &from).await);
        std::mem::swap(&mut from, &mut to);
    }
    let (ours, bare) = (median(ours), median(bare));
    let ratio = ours.as_secs_f64() / bare.as_secs_f64();
    println!(
        "{name}: {KEYS} keys, {AT_ONCE} at once: {ours:.2?}, the bare calls {bare:.2?}: {ratio:.2} times"
    );
    ratio
}

async fn rewrap(file: &Path, to: &Kms, from: &Kms) -> Duration {
    let kms = KmsSet::new(vec![to.clone()], vec![from.clone()]).unwrap();
    let manager = EnvelopeKeyManager::builder().kms(kms).store(store(file).await);
    let manager = manager.build().await.unwrap();
    let begin = Instant::now();
    let report = manager.rewrap(&RewrapOptions::default().at_once(AT_ONCE)).await.unwrap();
    let taken = begin.elapsed();
    assert!(report.is_complete(), "{report:?}");
    taken
}

/// Every data key once unwrapped and wrapped, with nothing read and nothing stored in between.
async fn bare_calls(file: &Path, from: &Kms, to: &Kms) -> Duration {
    let mut copies = copies(file).await.into_iter();
    let mut working = JoinSet::new();
    let begin = Instant::now();
    loop {
        while working.len() < AT_ONCE
            && let Some((copy, context)) = copies.next()
        {
            let (from, to) = (from.clone(), to.clone());
            working.spawn(async move {
                let context = KmsContext { context: &context, readable: false };
                let key = from.unwrap_key(&copy, context).await.unwrap();
                to.wrap_key(&key, context).await.unwrap()
            });
        }
        match working.join_next().await {
            Some(wrapped) => drop(wrapped.unwrap()),
            None => return begin.elapsed(),
        }
    }
}

async fn copies(file: &Path) -> Vec<(WrappedKey, EncryptionContext)> {
    let (store, mut after, mut all) = (store(file).await, None, Vec::new());
    loop {
        let page = store.version_scan(after, PageSize::new(1000).unwrap()).await.unwrap();
        let Some((_, last)) = page.last() else { return all };
        after = Some((last.record, last.version));
        for (key, row) in page {
            let context = EncryptionContext::of_key(&key.id, row.record, row.version);
            let copy = row.envelope.unwrap().parse().unwrap().wrapped()[0].clone();
            all.push((copy, context));
        }
    }
}

async fn fill(file: &Path, kms: &Kms) {
    let manager = EnvelopeKeyManager::builder().kms(KmsSet::single(kms.clone()));
    let manager = manager.store(store(file).await).build().await.unwrap();
    for number in 0..KEYS {
        let id = KeyId::user(&format!("user-{number}"), "anthropic").unwrap();
        let key = ApiKey::new([b'k'; 108].as_slice()).unwrap();
        manager.store_api_key(&id, key, &StoreOptions::default()).await.unwrap();
    }
}

async fn store(file: &Path) -> DieselStore {
    DieselStore::open(&format!("sqlite:{}", file.display())).await.unwrap()
}

/// Two keys of a mount of their own, called as programs call them.
async fn open_bao(server: &str) -> [Kms; 2] {
    let token = std::env::var("LLM_KEYS_TEST_OPENBAO_TOKEN").unwrap();
    let host = server.strip_prefix("http://").unwrap();
    let mount = format!("bench-{}", std::process::id());
    ask(host, &token, &format!("sys/mounts/{mount}"), r#"{"type":"transit"}"#);
    let mut keys = Vec::new();
    for name in ["one", "two"] {
        ask(host, &token, &format!("{mount}/keys/{name}"), "{}");
        let options = VaultOptions::new().token(SecretBytes::new(token.clone().into_bytes()));
        let uri = format!("vault://{host}/{mount}/{name}?tls=off");
        let kms = VaultKms::open(&uri, options).await.unwrap();
        keys.push(Arc::new(Guarded::new(kms, GuardOptions::default())) as Kms);
    }
    keys.try_into().unwrap()
}

fn ask(host: &str, token: &str, path: &str, body: &str) {
    post(host, &format!("/v1/{path}"), &format!("x-vault-token: {token}\r\n"), body);
}

/// Two keys, called as programs call them. The SDK finds server and credentials in the environment.
async fn local_stack(server: &str) -> [Kms; 2] {
    let host = server.strip_prefix("http://").unwrap().trim_end_matches('/');
    // It checks no signature.
    let headers = "content-type: application/x-amz-json-1.1\r\n\
         x-amz-target: TrentService.CreateKey\r\nx-amz-date: 20260101T000000Z\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/kms/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0\r\n";
    let mut keys = Vec::new();
    for _ in 0..2 {
        let answer = post(host, "/", headers, "{}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let made: serde_json::Value = serde_json::from_str(body).unwrap();
        let kms = AwsKms::open(made["KeyMetadata"]["Arn"].as_str().unwrap()).await.unwrap();
        keys.push(Arc::new(Guarded::new(kms, GuardOptions::default())) as Kms);
    }
    keys.try_into().unwrap()
}

fn post(host: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {host}\r\n{headers}content-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{}", answer.lines().next().unwrap());
    answer
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

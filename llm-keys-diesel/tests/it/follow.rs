//! Several processes with caches over one database: what one changes, the others see.

#![expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test stops where it fails, and prints what it measured"
)]

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use llm_keys::error::StoreFault;
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::{self, LocalKms};
use llm_keys::manager::FollowOptions;
use llm_keys::testing::fakes::FakeStore;
use llm_keys::{
    ApiKey, ChangeOptions, Clock as _, DeleteOptions, EnvelopeKeyManager, ErrorKind, KeyId,
    SecureKeyManager as _, StoreOptions, SystemClock, SystemRandom,
};
use llm_keys_diesel::DieselStore;

use crate::database::{Database, Kind};
use crate::fixture::Folder;

/// Says to a copy of this program that it is a reader, and in which folder.
const FOLDER: &str = "LLM_KEYS_TEST_FOLLOW_FOLDER";
/// In the folder of a test: the URL of its database.
const DATABASE: &str = "database";
/// How many rounds to measure; a few unless said.
const ROUNDS: &str = "LLM_KEYS_TEST_FOLLOW_ROUNDS";
/// While this file is there, readers cannot reach the storage.
const CUT: &str = "cut";
const READERS: usize = 4;
/// What must come has come by then, or it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

async fn manager(folder: &str, store: Arc<FakeStore<DieselStore>>) -> EnvelopeKeyManager {
    let kms = LocalKms::open(Path::new(folder).join("master.key")).unwrap();
    let builder = EnvelopeKeyManager::builder().kms(KmsSet::single(kms)).store(store);
    // As they are unless said: the figures in the documentation are of these.
    builder.follow_changes(FollowOptions::default()).build().await.unwrap()
}

async fn store(folder: &str) -> Arc<FakeStore<DieselStore>> {
    let url = std::fs::read_to_string(format!("{folder}/{DATABASE}")).unwrap();
    Arc::new(FakeStore::new(DieselStore::open(&url).await.unwrap()))
}

fn id() -> KeyId {
    KeyId::user("alice", "openai").unwrap()
}

/// Reads the key again and again, and says each time that the answer is another one, and when.
async fn read_without_end(folder: String) {
    let store = store(&folder).await;
    let manager = manager(&folder, Arc::clone(&store)).await;
    let (clock, cut, mut last) = (SystemClock::new(), Path::new(&folder).join(CUT), String::new());
    loop {
        if cut.exists() {
            store.fail(ErrorKind::Store(StoreFault::Unavailable));
        } else {
            store.heal();
        }
        let answer = match manager.get_api_key(&id()).await {
            Ok(Some(key)) => key.expose_str(str::to_owned).unwrap(),
            Ok(None) => "none".to_owned(),
            Err(error) => error.kind().code().to_owned(),
        };
        if answer != last {
            let mut out = std::io::stdout();
            writeln!(out, "saw {answer} {}", clock.now().0).unwrap();
            out.flush().unwrap();
            last = answer;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A copy of this program that reads until it is killed.
struct Reader {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Reader {
    fn start(folder: &str, test: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, said }
    }

    /// When it saw `wanted`, in microseconds; what it saw before that is passed over.
    fn saw(&mut self, wanted: &str) -> i64 {
        for line in &mut self.said {
            let line = line.unwrap();
            // The test harness writes to the same pipe, without ending its line.
            let Some((_, saw)) = line.split_once("saw ") else { continue };
            let (answer, at) = saw.split_once(' ').unwrap();
            if answer == wanted {
                return at.parse().unwrap();
            }
        }
        panic!("the reader ended before it saw {wanted}");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Readers that hang would hold the test up for ever: this ends it.
fn watch_dog() {
    std::thread::spawn(|| {
        std::thread::sleep(PATIENCE * 10);
        eprintln!("a reader never saw a change");
        std::process::exit(1);
    });
}

/// How long after the change the readers saw it, in milliseconds.
#[derive(Default)]
struct Delays(Vec<f64>);

impl Delays {
    fn add(&mut self, changed: i64, saw: i64) {
        self.0.push((saw - changed) as f64 / 1e3);
    }

    fn print(&mut self, what: &str) {
        self.0.sort_by(f64::total_cmp);
        let at = |part: f64| self.0[((self.0.len() - 1) as f64 * part) as usize];
        println!(
            "{what}: {} seen, p50 {:.0} ms, p99 {:.0} ms, at most {:.0} ms",
            self.0.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
        assert!(at(1.0) < PATIENCE.as_secs_f64() * 1e3);
    }
}

/// A folder with a master key, and with the URL of a database: of a file in it unless said.
fn folder_for(url: Option<String>) -> Folder {
    let folder = Folder::new();
    let url = url.unwrap_or_else(|| folder.url());
    std::fs::write(folder.file(DATABASE), url).unwrap();
    local::create(Path::new(&folder.file("master.key")), &SystemRandom).unwrap();
    folder
}

#[test]
fn what_one_process_changes_the_others_see() {
    changes_are_seen("what_one_process_changes_the_others_see", None);
}

#[test]
fn what_one_process_changes_the_others_see_in_postgres() {
    changes_are_seen("what_one_process_changes_the_others_see_in_postgres", Some(Kind::Postgres));
}

#[test]
fn what_one_process_changes_the_others_see_in_mysql() {
    changes_are_seen("what_one_process_changes_the_others_see_in_mysql", Some(Kind::Mysql));
}

fn changes_are_seen(test: &str, server: Option<Kind>) {
    if let Ok(folder) = std::env::var(FOLDER) {
        return run(read_without_end(folder));
    }
    watch_dog();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = server.map(|kind| runtime.block_on(Database::new(kind)));
    let folder = folder_for(database.as_ref().map(Database::url));
    let path = folder.file("");
    let rounds: u32 = std::env::var(ROUNDS).map_or(2, |rounds| rounds.parse().unwrap());
    run(async {
        let manager = manager(&path, store(&path).await).await;
        let (clock, change) = (SystemClock::new(), ChangeOptions::default());
        let put = async |key: &str| {
            let options = StoreOptions::default();
            manager.store_api_key(&id(), ApiKey::new(key).unwrap(), &options).await.unwrap();
        };
        let test = format!("follow::{test}");
        let mut readers: Vec<_> = (0..READERS).map(|_| Reader::start(&path, &test)).collect();
        let mut delays: [(_, Delays); 4] =
            ["rotated", "deactivated", "activated", "deleted"].map(|it| (it, Delays::default()));
        for round in 0..rounds {
            let (old, new) = (format!("sk-{round}-old"), format!("sk-{round}-new"));
            put(&old).await;
            for reader in &mut readers {
                reader.saw(&old);
            }
            for (what, delays) in &mut delays {
                let seen = match *what {
                    "rotated" => {
                        put(&new).await;
                        new.as_str()
                    }
                    "deactivated" => {
                        manager.deactivate_api_key(&id(), &change).await.unwrap();
                        "inactive"
                    }
                    "activated" => {
                        manager.activate_api_key(&id(), &change).await.unwrap();
                        new.as_str()
                    }
                    _ => {
                        assert!(
                            manager.delete_api_key(&id(), &DeleteOptions::default()).await.unwrap()
                        );
                        "none"
                    }
                };
                let changed = clock.now().0;
                for reader in &mut readers {
                    delays.add(changed, reader.saw(seen));
                }
            }
        }
        let mut all = Delays::default();
        for (what, delays) in &mut delays {
            // A key that cannot be given out is never cached, so its return is seen at once.
            if *what != "activated" {
                all.0.extend(&delays.0);
            }
            delays.print(what);
        }
        all.print("a cached key, all changes");
    });
}

#[test]
fn a_process_that_cannot_reach_the_storage_fails_closed() {
    if let Ok(folder) = std::env::var(FOLDER) {
        return run(read_without_end(folder));
    }
    watch_dog();
    let folder = folder_for(None);
    let path = folder.file("");
    run(async {
        let manager = manager(&path, store(&path).await).await;
        let key = ApiKey::new("sk-old").unwrap();
        manager.store_api_key(&id(), key, &StoreOptions::default()).await.unwrap();
        let test = "follow::a_process_that_cannot_reach_the_storage_fails_closed";
        let mut readers: Vec<_> = (0..READERS).map(|_| Reader::start(&path, test)).collect();
        for reader in &mut readers {
            reader.saw("sk-old");
        }
        std::fs::write(folder.file(CUT), "").unwrap();
        let cut = SystemClock::new().now().0;
        // They cannot know of this…
        manager.deactivate_api_key(&id(), &ChangeOptions::default()).await.unwrap();
        // …so they stop to serve the key.
        let mut delays = Delays::default();
        for reader in &mut readers {
            delays.add(cut, reader.saw("store_unavailable"));
        }
        delays.print("failed closed");
        std::fs::remove_file(folder.file(CUT)).unwrap();
        for reader in &mut readers {
            reader.saw("inactive");
        }
    });
}

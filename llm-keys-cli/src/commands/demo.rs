//! `demo`: what happens to a key, shown in a temporary folder.

use std::time::Duration;

use llm_keys::home::Home;
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::{self, LocalKms};
use llm_keys::model::{KeyRow, VersionRow};
use llm_keys::store::{Change, Expect, KeyStore as _};
use llm_keys::{
    ApiKey, Clock as _, EnvelopeKeyManager, Error, ErrorKind, Evict, KeyFilter, KeyId, PageSize,
    SecureKeyManager as _, StoreOptions, SystemClock, SystemRandom,
};
use llm_keys_diesel::DieselStore;
use serde_json::json;

use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::output::table;
use crate::output::view::KeyView;

mod made_up;
mod search;

pub(crate) async fn run(output: &Output) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("llm-keys-demo-").tempdir().map_err(|error| {
        Failure::io("cli.demo", "a temporary folder cannot be made".into(), error)
    })?;
    let home = Home::under(folder.path());
    local::create(home.master_key(), &SystemRandom)?;
    let store = DieselStore::open(&format!("sqlite:{}", home.database().display())).await?;
    let keys = EnvelopeKeyManager::builder()
        .kms(KmsSet::single(LocalKms::open(home.master_key())?))
        .store(store.clone())
        .build()
        .await?;
    let demo = Demo { keys, store };

    let shown = folder.path().display();
    output.text(&format!("All of this happens in {shown}, which is gone at the end.\n"))?;

    output
        .text("Three keys with made-up values are sealed, each under a data key of its own:\n")?;
    let values = demo.store_keys().await?;
    output.text(&demo.list().await?)?;

    let (cold, cached) = demo.read_twice().await?;
    output.text(&format!(
        "Alice's key is read from the database in {} µs, then from memory in {} µs.\n",
        cold.as_micros(),
        format_micros(cached),
    ))?;

    let found = search::run(&home.database(), b"anthropic", &values)
        .map_err(|error| Failure::io("cli.demo", "the database cannot be read".into(), error))?;
    output.text(&format!(
        "The database, its -wal and its -shm file have {} bytes. The word `anthropic` is in them\n\
         {} times, so searching works. The three keys, or any {} characters of them: {} times.\n",
        found.bytes,
        found.word,
        search::PIECE,
        found.pieces,
    ))?;

    output
        .text("Now somebody who can write the database puts Alice's sealed key into Bob's row.")?;
    let refused = demo.move_and_read().await?;
    let code = refused.kind().code();
    output.text(&format!("Reading Bob's key is refused ({code}):\n  {refused}\n"))?;

    demo.keys.shutdown().await?;
    if output.is_json() {
        return output.document(&json!({
            "cold_micros": cold.as_micros(),
            "cached_nanos": cached.as_nanos(),
            "files": { "bytes": found.bytes, "word": found.word, "pieces_of_keys": found.pieces },
            "moved_row": { "code": code, "message": refused.to_string() },
        }));
    }
    output.text(
        "Next, with a key of your own: `llm-keys store anthropic`; all else: `llm-keys help`.",
    )
}

struct Demo {
    keys: EnvelopeKeyManager,
    store: DieselStore,
}

impl Demo {
    /// Stores the three keys; their values, which are made up and need not be wiped.
    async fn store_keys(&self) -> Result<Vec<String>> {
        let mut values = Vec::new();
        for id in [KeyId::global("openai")?, alice()?, bob()?] {
            let value = made_up::key(&SystemRandom)?;
            let key = ApiKey::new(value.as_str())?;
            self.keys.store_api_key(&id, key, &StoreOptions::default()).await?;
            values.push(value);
        }
        Ok(values)
    }

    /// What `llm-keys list` prints.
    async fn list(&self) -> Result<String> {
        let page =
            self.keys.list_api_keys(&KeyFilter::default(), None, PageSize::default()).await?;
        let now = super::now();
        let views: Vec<_> = page.items.iter().map(|key| KeyView::new(key, now)).collect();
        Ok(table::of_keys(&views))
    }

    /// How long a read takes from the database, and from the cache.
    async fn read_twice(&self) -> Result<(Duration, Duration)> {
        let alice = alice()?;
        self.keys.evict(&Evict::All).await;
        let clock = SystemClock::new();
        self.keys.get_api_key(&alice).await?;
        let cold = clock.monotonic();
        self.keys.get_api_key(&alice).await?;
        Ok((cold, clock.monotonic() - cold))
    }

    /// Puts Alice's envelope into Bob's row and reads Bob's key: the error that this must give.
    async fn move_and_read(&self) -> Result<Error> {
        let ((_, alices), (bob, bobs)) = (self.rows(&alice()?).await?, self.rows(&bob()?).await?);
        let change = Change {
            expect: vec![Expect::Generation { record: bob.record, generation: bob.generation }],
            versions: vec![VersionRow { envelope: alices.envelope, ..bobs }],
            ..Change::default()
        };
        self.store.commit(change).await?;
        self.keys.evict(&Evict::All).await;
        match self.keys.get_api_key(&bob.id).await {
            Err(error) if matches!(error.kind(), ErrorKind::Integrity(_)) => Ok(error),
            Err(error) => Err(error.into()),
            Ok(_) => Err(wrong("a moved row was read")),
        }
    }

    async fn rows(&self, id: &KeyId) -> Result<(KeyRow, VersionRow)> {
        match self.store.key_find(id).await? {
            Some((row, Some(version))) => Ok((row, version)),
            _ => Err(wrong("a key that was stored is not there")),
        }
    }
}

fn alice() -> Result<KeyId> {
    Ok(KeyId::user("alice", "anthropic")?)
}

fn bob() -> Result<KeyId> {
    Ok(KeyId::user("bob", "anthropic")?)
}

fn wrong(detail: &'static str) -> Failure {
    Error::new(ErrorKind::Internal, "cli.demo", detail).into()
}

/// With one digit after the point below ten.
fn format_micros(time: Duration) -> String {
    let micros = time.as_nanos() / 1000;
    let tenths = time.as_nanos() / 100 % 10;
    if micros < 10 { format!("{micros}.{tenths}") } else { micros.to_string() }
}

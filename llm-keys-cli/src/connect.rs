//! From settings to the engine: opens the storage and the KMS, each only where a command needs it,
//! and makes them on first use where a command may.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use llm_keys::event::{EventSink, FanOut, JsonLinesSink, TracingSink};
use llm_keys::kms::KmsSet;
use llm_keys::manager::{Builder, CacheOptions, FollowOptions, Follows};
use llm_keys::model::Seq;
use llm_keys::store::{KeyStore, MemoryStore};
use llm_keys::{EnvelopeKeyManager, Tenant};
use llm_keys_diesel::DieselStore;

pub(crate) use self::master_key::{Made, MasterKeyPlace};
pub(crate) use self::passphrase::Passphrases;
pub(crate) use self::scheme::scheme_of;
use crate::actor;
use crate::failure::Result;
use crate::output::Output;
use crate::settings::Settings;

mod master_key;
mod no_kms;
mod passphrase;
mod scheme;
mod sentinel;

/// The settings of this run, and how to get from them to storage, KMS and manager.
#[derive(Debug)]
pub(crate) struct Connect<'a> {
    settings: &'a Settings,
    output: &'a Output,
}

impl<'a> Connect<'a> {
    /// Connects nothing yet.
    pub(crate) fn new(settings: &'a Settings, output: &'a Output) -> Self {
        Self { settings, output }
    }

    /// Where output goes.
    pub(crate) fn output(&self) -> &'a Output {
        self.output
    }

    /// The settings of this run.
    pub(crate) fn settings(&self) -> &'a Settings {
        self.settings
    }

    /// Whether the database is there; one that is no file always is.
    pub(crate) fn database_is_there(&self) -> bool {
        // A file that cannot be looked at is an error when it is opened, and not "no keys".
        self.settings.database_file().is_none_or(|file| std::fs::exists(file).unwrap_or(true))
    }

    /// The storage, if its file is there. Reading makes no files, and no tables in a database that
    /// may be somebody else's: only the embedded default's own is brought up to date.
    pub(crate) async fn store_if_there(&self) -> Result<Option<DieselStore>> {
        let url = &self.settings.database;
        if !self.database_is_there() {
            return Ok(None);
        }
        let store = match self.settings.database_is_default() {
            true => DieselStore::open(url).await?,
            false => DieselStore::connect(url).await?,
        };
        Ok(Some(store))
    }

    /// The storage as it is, if its file is there: nothing is brought up to date.
    pub(crate) async fn bare_store_if_there(&self) -> Result<Option<DieselStore>> {
        match self.database_is_there() {
            true => Ok(Some(DieselStore::connect(&self.settings.database).await?)),
            false => Ok(None),
        }
    }

    /// A manager over the storage, if there is anything in it.
    pub(crate) async fn manager_if_there(&self) -> Result<Option<EnvelopeKeyManager>> {
        let Some(store) = self.store_if_there().await? else { return Ok(None) };
        if self.default_master_key_is_missing() && !was_written(&store).await? {
            return Ok(None);
        }
        self.manager(self.kms().await?, store).await.map(Some)
    }

    /// A manager over what is stored, or over nothing where nothing was ever stored.
    pub(crate) async fn manager_or_empty(&self) -> Result<EnvelopeKeyManager> {
        match self.manager_if_there().await? {
            Some(manager) => Ok(manager),
            None => {
                let manager = self.builder(no_kms::set()?, MemoryStore::new(), self.sink()?);
                Ok(manager.build().await?)
            }
        }
    }

    /// A manager for everything that needs no KMS: it can neither store nor read.
    pub(crate) async fn keeper_if_there(&self) -> Result<Option<EnvelopeKeyManager>> {
        match self.store_if_there().await? {
            Some(store) => {
                let manager = self.builder(no_kms::set()?, store, self.sink()?);
                Ok(Some(manager.build().await?))
            }
            None => Ok(None),
        }
    }

    /// A manager to look at keys of `tenant` with. Rows are verified where that needs no network and
    /// no passphrase; with `verify` in any case.
    pub(crate) async fn onlooker_if_there(
        &self,
        tenant: &Tenant,
        verify: bool,
    ) -> Result<Option<EnvelopeKeyManager>> {
        if !verify && !self.master_keys_are_files() {
            return self.keeper_if_there().await;
        }
        let Some(store) = self.store_if_there().await? else { return Ok(None) };
        let manager = self.quiet_manager(self.kms().await?, store).await?;
        match manager.open_row_macs(tenant).await {
            Ok(_) => {}
            Err(error) if !verify => tracing::warn!(?error, "the rows are not verified"),
            Err(error) => return Err(error.into()),
        }
        Ok(Some(manager))
    }

    /// A manager; what the embedded default misses is made, with one line that says where.
    pub(crate) async fn manager_or_make(&self) -> Result<EnvelopeKeyManager> {
        let database_was_there = self.database_is_there();
        let store = self.make_store().await?;
        let key = self.make_default_master_key(&store).await?;
        let database = self.settings.database_file().filter(|_| !database_was_there);
        if let Some(line) = made_line(key.as_deref(), database) {
            self.output.note(&line);
        }
        self.manager(self.kms().await?, store).await
    }

    /// The storage, made where its file or its tables are missing.
    pub(crate) async fn make_store(&self) -> Result<DieselStore> {
        let store = self.make_bare_store().await?;
        store.migrate().await?;
        Ok(store)
    }

    /// The storage, made where its file is missing; its tables are left as they are.
    pub(crate) async fn make_bare_store(&self) -> Result<DieselStore> {
        if self.settings.database_is_default() {
            self.settings.home.create()?;
        }
        Ok(DieselStore::connect(&self.settings.database).await?)
    }

    /// The manager of this run.
    pub(crate) async fn manager(
        &self,
        kms: KmsSet,
        store: impl KeyStore + 'static,
    ) -> Result<EnvelopeKeyManager> {
        let builder = self.builder(kms, store, self.sink()?);
        Ok(builder.check_on_start(self.settings.check_on_start).build().await?)
    }

    /// A manager whose events go nowhere but to the log: for checks, which reveal nothing.
    pub(crate) async fn quiet_manager(
        &self,
        kms: KmsSet,
        store: impl KeyStore + 'static,
    ) -> Result<EnvelopeKeyManager> {
        Ok(self.builder(kms, store, TracingSink).build().await?)
    }

    fn builder(
        &self,
        kms: KmsSet,
        store: impl KeyStore + 'static,
        sink: impl EventSink + 'static,
    ) -> Builder<KmsSet, Arc<dyn KeyStore>> {
        let mut cache = CacheOptions::default();
        if let Some(ttl) = self.settings.cache_ttl {
            cache = cache.ttl(ttl);
        }
        if let Some(past) = self.settings.serve_stale_for {
            cache = cache.serve_stale_for(past);
        }
        EnvelopeKeyManager::builder()
            .kms(kms)
            .store(store)
            .event_sink(sink)
            .cache(cache)
            // A command is over before anybody could change what it read.
            .follow_changes(FollowOptions::default().follows(Follows::Never))
            .retention(self.settings.retention)
            .caller(actor::caller())
            .readable_context(self.settings.kms_readable_context)
    }

    fn sink(&self) -> Result<FanOut> {
        let mut sinks: Vec<Arc<dyn EventSink>> = vec![Arc::new(TracingSink)];
        if let Some(file) = &self.settings.events {
            sinks.push(Arc::new(JsonLinesSink::open(file)?));
        }
        Ok(FanOut::new(sinks))
    }
}

/// Whether anything was ever stored, even if it was deleted since.
async fn was_written(store: &impl KeyStore) -> Result<bool> {
    let never = Seq::default();
    Ok(store.changes_since(never).await?.head > never)
}

fn made_line(key: Option<&Path>, database: Option<PathBuf>) -> Option<String> {
    let made: Vec<_> = [
        key.map(|path| format!("the master key {}", path.display())),
        database.map(|path| format!("the database {}", path.display())),
    ]
    .into_iter()
    .flatten()
    .collect();
    let advice =
        if key.is_some() { "; back it up with `llm-keys kms local backup FILE`" } else { "" };
    (!made.is_empty()).then(|| format!("made {}{advice}", made.join(" and ")))
}

//! Which settings hold: flag, then environment, then file, then default.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use llm_keys::home::Home;
use llm_keys::manager::Retention;

use self::said::Said;
use crate::args::GlobalArgs;
use crate::config::Config;
use crate::failure::{Failure, Result};

mod said;

/// Where a setting comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// The command line.
    Flag,
    /// This environment variable.
    Variable(&'static str),
    /// The settings file.
    File,
    /// Nobody said anything.
    Default,
}

/// The settings of this run.
#[derive(PartialEq, Debug)]
pub(crate) struct Settings {
    /// The folders of the embedded default.
    pub(crate) home: Home,
    /// The settings file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Where keys are stored.
    pub(crate) database: String,
    /// Who said so.
    pub(crate) database_from: Origin,
    /// Which KMS keys seal; none: the master key file of [`Self::home`].
    pub(crate) kms: Vec<String>,
    /// Who said so.
    pub(crate) kms_from: Origin,
    /// Which KMS keys only read.
    pub(crate) kms_read: Vec<String>,
    /// How many of [`Self::kms`] must seal; all if unsaid.
    pub(crate) kms_quorum: Option<usize>,
    /// Whether the KMS gets owner id and name in clear.
    pub(crate) kms_readable_context: bool,
    /// Whether the sentinel is opened before anything else.
    pub(crate) check_on_start: bool,
    /// Where the passphrase of a passphrase master key is.
    pub(crate) passphrase_file: Option<PathBuf>,
    /// How long a key is served from memory; the engine's default if unsaid.
    pub(crate) cache_ttl: Option<Duration>,
    /// How long a key is served past that while the KMS is out of reach; not at all if unsaid.
    pub(crate) serve_stale_for: Option<Duration>,
    /// How many versions, and for how long deleted keys are kept.
    pub(crate) retention: Retention,
    /// Where events go, too.
    pub(crate) events: Option<PathBuf>,
}

impl Settings {
    /// The settings of these arguments and the process's environment.
    ///
    /// # Errors
    /// `Usage` if one of them makes no sense.
    pub(crate) fn resolve(global: &GlobalArgs) -> Result<Self> {
        Self::from_parts(global, Home::from_env()?, |name| std::env::var_os(name))
    }

    /// The file of the database; `None` if it is no file, or a URL that opening will refuse.
    pub(crate) fn database_file(&self) -> Option<PathBuf> {
        llm_keys_diesel::database_file(&self.database).ok().flatten()
    }

    /// Whether the database is the one of the embedded default.
    pub(crate) fn database_is_default(&self) -> bool {
        self.database_from == Origin::Default
    }

    /// The database without what may be a password.
    pub(crate) fn database_shown(&self) -> String {
        match (self.database_file(), self.database.split_once(':')) {
            (Some(file), _) => file.display().to_string(),
            (None, Some((scheme, _))) => format!("{scheme}:…"),
            (None, None) => "…".to_owned(),
        }
    }

    fn from_parts(
        global: &GlobalArgs,
        home: Home,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self> {
        let file = global.config.clone().or_else(|| {
            let usual = home.config_file();
            // A file that cannot be looked at is an error when it is read, and not "no settings".
            std::fs::exists(&usual).unwrap_or(true).then_some(usual)
        });
        let config = file.as_deref().map(Config::read).transpose()?.unwrap_or_default();
        let said = Said(variable);

        let (database, database_from) = match &global.database {
            Some(url) => (url.clone(), Origin::Flag),
            None => match said.first(["LLM_KEYS_DATABASE_URL", "DATABASE_URL"])? {
                Some(found) => found,
                None => match config.database {
                    Some(url) => (url, Origin::File),
                    None => (default_database(&home)?, Origin::Default),
                },
            },
        };
        let (kms, kms_from) = said.list(&global.kms, "LLM_KEYS_KMS", config.kms)?;
        let (kms_read, _) = said.list(&global.kms_read, "LLM_KEYS_KMS_READ", config.kms_read)?;
        let quorum = said.count(global.kms_quorum.as_deref(), "LLM_KEYS_KMS_QUORUM")?;
        let cache = config.cache;
        let mut retention = Retention::default();
        if let Some(versions) = said.kept("LLM_KEYS_KEEP_VERSIONS", config.keep_versions)? {
            retention = retention.versions(versions);
        }
        if let Some(deleted) =
            said.time("LLM_KEYS_KEEP_DELETED", ("keep_deleted", config.keep_deleted))?
        {
            retention = retention.deleted(deleted);
        }
        Ok(Self {
            home,
            file,
            database,
            database_from,
            kms,
            kms_from,
            kms_read,
            kms_quorum: quorum.or(config.kms_quorum),
            kms_readable_context: said
                .switch("LLM_KEYS_KMS_READABLE_CONTEXT", config.kms_readable_context)?,
            check_on_start: said.switch("LLM_KEYS_CHECK_ON_START", config.check_on_start)?,
            passphrase_file: global.passphrase_file.clone().or(config.passphrase_file),
            cache_ttl: said.time("LLM_KEYS_CACHE_TTL", ("cache.ttl", cache.ttl))?,
            serve_stale_for: said.time(
                "LLM_KEYS_CACHE_SERVE_STALE_FOR",
                ("cache.serve_stale_for", cache.serve_stale_for),
            )?,
            retention,
            events: global.events.clone().or(config.events.file),
        })
    }
}

fn default_database(home: &Home) -> Result<String> {
    let path = home.database();
    let path = path.to_str().ok_or_else(|| Failure::usage("the data folder is not UTF-8 text"))?;
    Ok(format!("sqlite:{path}"))
}

#[cfg(test)]
mod tests;

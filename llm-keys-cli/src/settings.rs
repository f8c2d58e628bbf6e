//! Which settings hold: flag, then environment, then file, then default.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use llm_keys::home::Home;
use llm_keys::manager::parse_ttl;

use crate::args::GlobalArgs;
use crate::config::Config;
use crate::failure::{Failure, Result};

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
    /// Where the passphrase of a passphrase master key is.
    pub(crate) passphrase_file: Option<PathBuf>,
    /// How long a key is served from memory; the engine's default if unsaid.
    pub(crate) cache_ttl: Option<Duration>,
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
        let said = |name| text_of(name, variable(name));

        let (database, database_from) = match &global.database {
            Some(url) => (url.clone(), Origin::Flag),
            None => match first_said(&said, ["LLM_KEYS_DATABASE_URL", "DATABASE_URL"])? {
                Some(found) => found,
                None => match config.database {
                    Some(url) => (url, Origin::File),
                    None => (default_database(&home)?, Origin::Default),
                },
            },
        };
        let (kms, kms_from) = if !global.kms.is_empty() {
            (global.kms.clone(), Origin::Flag)
        } else if let Some((uris, from)) = first_said(&said, ["LLM_KEYS_KMS"])? {
            (uris.split(',').map(|uri| uri.trim().to_owned()).collect(), from)
        } else if !config.kms.is_empty() {
            (config.kms, Origin::File)
        } else {
            (Vec::new(), Origin::Default)
        };
        let ttl = match first_said(&said, ["LLM_KEYS_CACHE_TTL"])? {
            Some((ttl, from)) => Some((ttl, from)),
            None => config.cache.ttl.map(|ttl| (ttl, Origin::File)),
        };
        let cache_ttl = ttl.map(|(ttl, from)| cache_ttl(&ttl, &from)).transpose()?;
        Ok(Self {
            home,
            file,
            database,
            database_from,
            kms,
            kms_from,
            passphrase_file: global.passphrase_file.clone().or(config.passphrase_file),
            cache_ttl,
            events: global.events.clone().or(config.events.file),
        })
    }
}

/// The first of these variables that is set and not empty.
fn first_said<const N: usize>(
    said: &impl Fn(&'static str) -> Result<Option<String>>,
    names: [&'static str; N],
) -> Result<Option<(String, Origin)>> {
    for name in names {
        if let Some(text) = said(name)? {
            return Ok(Some((text, Origin::Variable(name))));
        }
    }
    Ok(None)
}

fn text_of(name: &'static str, value: Option<OsString>) -> Result<Option<String>> {
    match value.filter(|value| !value.is_empty()).map(OsString::into_string).transpose() {
        Ok(text) => Ok(text),
        Err(_) => Err(Failure::usage(format!("the variable {name} is not UTF-8 text"))),
    }
}

fn cache_ttl(text: &str, from: &Origin) -> Result<Duration> {
    let whose = match from {
        Origin::Variable(name) => name,
        _ => "cache.ttl",
    };
    parse_ttl(text)
        .map_err(|_| Failure::usage(format!("{whose} is not a time such as `3600`, `30m` or `1h`")))
}

fn default_database(home: &Home) -> Result<String> {
    let path = home.database();
    let path = path.to_str().ok_or_else(|| Failure::usage("the data folder is not UTF-8 text"))?;
    Ok(format!("sqlite:{path}"))
}

#[cfg(test)]
mod tests;

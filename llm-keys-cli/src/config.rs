//! The settings file: TOML, every key known, never from the working directory.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::failure::{Failure, Result};

/// What a settings file may say. All of it may be left out.
#[derive(Deserialize, Default, PartialEq, Debug)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// As `--database`.
    pub(crate) database: Option<String>,
    /// As `--kms`.
    pub(crate) kms: Vec<String>,
    /// As `--kms-read`.
    pub(crate) kms_read: Vec<String>,
    /// As `--kms-quorum`.
    pub(crate) kms_quorum: Option<usize>,
    /// As `LLM_KEYS_KMS_READABLE_CONTEXT`.
    pub(crate) kms_readable_context: Option<bool>,
    /// As `LLM_KEYS_CHECK_ON_START`.
    pub(crate) check_on_start: Option<bool>,
    /// As `LLM_KEYS_KEEP_VERSIONS`.
    pub(crate) keep_versions: Option<u32>,
    /// As `LLM_KEYS_KEEP_DELETED`.
    pub(crate) keep_deleted: Option<String>,
    /// As `--passphrase-file`.
    pub(crate) passphrase_file: Option<PathBuf>,
    pub(crate) cache: CacheConfig,
    pub(crate) events: EventsConfig,
}

/// `[cache]`.
#[derive(Deserialize, Default, PartialEq, Debug)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CacheConfig {
    /// As `LLM_KEYS_CACHE_TTL`.
    pub(crate) ttl: Option<String>,
    /// As `LLM_KEYS_CACHE_SERVE_STALE_FOR`.
    pub(crate) serve_stale_for: Option<String>,
}

/// `[events]`.
#[derive(Deserialize, Default, PartialEq, Debug)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EventsConfig {
    /// As `--events`.
    pub(crate) file: Option<PathBuf>,
}

impl Config {
    /// The settings in `path`.
    ///
    /// # Errors
    /// `Usage` if it cannot be read, or says something that we do not know.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bad = |what: String| Failure::usage(format!("the settings {} {what}", path.display()));
        let text = std::fs::read_to_string(path)
            .map_err(|error| bad(format!("cannot be read: {error}")))?;
        let config = Self::parse(&text).map_err(bad)?;
        // What a relative path means would depend on the working directory, which may belong to
        // somebody else.
        let database = config.database.as_deref().map(llm_keys_diesel::database_file);
        let database = database.transpose()?.flatten();
        let files = [&config.passphrase_file, &config.events.file, &database];
        for file in files.into_iter().flatten() {
            if !file.is_absolute() {
                let file = file.display();
                return Err(bad(format!("name the relative path {file}; only absolute ones can")));
            }
        }
        Ok(config)
    }

    /// The error names the line and never quotes it: it may hold a password.
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let what = without_quotes(error.message().lines().next().unwrap_or("not TOML"));
            format!("are wrong in line {line}: {what}")
        })
    }
}

/// Values are quoted by `"`, and names, which may be shown, by backticks.
fn without_quotes(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(from), Some(to)) if from < to => {
            format!("{}…{}", &message[..from], &message[to + 1..])
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_may_be_said() {
        let text = r#"
            database = "sqlite:/var/lib/keys.db"
            kms = ["local:/etc/master.key"]
            kms_read = ["local:/etc/old.key"]
            kms_quorum = 1
            kms_readable_context = true
            check_on_start = true
            keep_versions = 3
            keep_deleted = "7d"
            passphrase_file = "/run/passphrase"

            [cache]
            ttl = "10m"
            serve_stale_for = "1h"

            [events]
            file = "/var/log/keys.jsonl"
        "#;
        let config = Config::parse(text).unwrap();
        assert_eq!(config.database.as_deref(), Some("sqlite:/var/lib/keys.db"));
        assert_eq!(config.kms, ["local:/etc/master.key"]);
        assert_eq!(config.kms_read, ["local:/etc/old.key"]);
        assert_eq!(config.kms_quorum, Some(1));
        assert_eq!((config.kms_readable_context, config.check_on_start), (Some(true), Some(true)));
        assert_eq!(config.cache.serve_stale_for.as_deref(), Some("1h"));
        assert_eq!((config.keep_versions, config.keep_deleted.as_deref()), (Some(3), Some("7d")));
        assert_eq!(config.passphrase_file, Some("/run/passphrase".into()));
        assert_eq!(config.cache.ttl.as_deref(), Some("10m"));
        assert_eq!(config.events.file, Some("/var/log/keys.jsonl".into()));
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn unknown_keys_are_refused_by_line_and_name() {
        let error = Config::parse("kms = []\ndatabse = \"sqlite:/x\"\n").unwrap_err();
        assert!(error.starts_with("are wrong in line 2: unknown field `databse`"), "{error}");
        let error = Config::parse("[cache]\nttl = \"1h\"\nsize = 3\n").unwrap_err();
        assert!(error.starts_with("are wrong in line 3: unknown field `size`"), "{error}");
    }

    #[test]
    fn an_error_never_quotes_a_value() {
        for text in
            ["database = \"postgres://u:pa55\" x", "database = [\"pa55\"]", "kms = \"pa55\""]
        {
            let error = Config::parse(text).unwrap_err();
            assert!(!error.contains("pa55"), "{error}");
        }
    }

    #[test]
    fn relative_paths_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        for text in [
            "database = \"sqlite:keys.db\"",
            "passphrase_file = \"passphrase\"",
            "events.file = \"events\"",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Config::read(&path), Err(Failure::Usage { .. })), "{text}");
        }
    }
}

//! A manager from the environment, for three-line use. It finds the same keys as the CLI.

use std::sync::Arc;
use std::time::Duration;

use super::builder::CacheOptions;
use super::envelope_manager::EnvelopeKeyManager;
use super::first_use::first_use;
use super::follow::{FollowOptions, Follows};
use super::options::Retention;
use crate::error::{Error, Result};
use crate::home::Home;
use crate::kms::{FromUri, KmsSet};
use crate::store::KeyStore;

impl EnvelopeKeyManager {
    /// A manager on `store` with what the environment says, as the CLI reads it:
    ///
    /// | variable | meaning | default |
    /// |---|---|---|
    /// | `LLM_KEYS_KMS` | KMS URIs, separated by commas; new keys are sealed under all | the master key file of the home folder, made on first use |
    /// | `LLM_KEYS_KMS_READ` | KMS URIs, separated by commas, that only read | none |
    /// | `LLM_KEYS_KMS_QUORUM` | how many of the KMS keys must seal while others are out of reach | all |
    /// | `LLM_KEYS_KMS_READABLE_CONTEXT` | whether the KMS gets owner id and name in clear: `true` or `false` | `false` |
    /// | `LLM_KEYS_CHECK_ON_START` | whether the sentinel is opened first: `true` or `false` | `false` |
    /// | `LLM_KEYS_CACHE_TTL` | how long a secret stays in memory: `90s`, `30m`, `1h`, or seconds; 0 is off | `1h` |
    /// | `LLM_KEYS_CACHE_SERVE_STALE_FOR` | how long past that while the KMS is out of reach and the storage confirms the version | `0` |
    /// | `LLM_KEYS_FOLLOW_CHANGES` | whether changes by other processes are followed: `true` or `false` | if the storage is shared |
    /// | `LLM_KEYS_FOLLOW_INTERVAL` | how often they are looked for | `500ms` |
    /// | `LLM_KEYS_MAX_REVOCATION_LAG` | how long a cached key is served without word from the storage | `5s` |
    /// | `LLM_KEYS_KEEP_VERSIONS` | how many versions of a key keep their secret, at least 1 | `10` |
    /// | `LLM_KEYS_KEEP_DELETED` | how long a deleted key can be undeleted; 0: deleting is for good | `30d` |
    /// | `LLM_KEYS_HOME` | the folder of the embedded default | the XDG folders |
    ///
    /// # Errors
    /// `InvalidInput` if a variable cannot be understood; `Kms` if a KMS cannot be used.
    pub async fn from_env(store: impl KeyStore + 'static) -> Result<Self> {
        let home = Home::from_env()?;
        let store: Arc<dyn KeyStore> = Arc::new(store);
        let options = FromUri::new(&home);
        let (mut write, read) = (list("LLM_KEYS_KMS")?, list("LLM_KEYS_KMS_READ")?);
        if write.is_empty() {
            first_use(&home, &store).await?;
            write.push("local".to_owned());
        }
        let mut kms = KmsSet::from_uris(&write, &read, &options).await?;
        if let Some(copies) = variable("LLM_KEYS_KMS_QUORUM")? {
            kms = kms.quorum(parse_quorum(&copies)?)?;
        }
        let mut cache = CacheOptions::default();
        if let Some(ttl) = variable("LLM_KEYS_CACHE_TTL")? {
            cache = cache.ttl(parse_ttl(&ttl)?);
        }
        if let Some(past) = variable("LLM_KEYS_CACHE_SERVE_STALE_FOR")? {
            cache = cache.serve_stale_for(parse_ttl(&past)?);
        }
        let mut follow = FollowOptions::default();
        if let Some(on) = variable("LLM_KEYS_FOLLOW_CHANGES")? {
            follow = follow.follows(parse_follows(&on)?);
        }
        if let Some(interval) = variable("LLM_KEYS_FOLLOW_INTERVAL")? {
            follow = follow.interval(parse_ttl(&interval)?);
        }
        if let Some(lag) = variable("LLM_KEYS_MAX_REVOCATION_LAG")? {
            follow = follow.max_revocation_lag(parse_ttl(&lag)?);
        }
        let mut retention = Retention::default();
        if let Some(versions) = variable("LLM_KEYS_KEEP_VERSIONS")? {
            retention = retention.versions(parse_kept(&versions)?);
        }
        if let Some(deleted) = variable("LLM_KEYS_KEEP_DELETED")? {
            retention = retention.deleted(parse_ttl(&deleted)?);
        }
        Self::builder()
            .kms(kms)
            .store(store)
            .cache(cache)
            .follow_changes(follow)
            .retention(retention)
            .readable_context(switch("LLM_KEYS_KMS_READABLE_CONTEXT")?)
            .check_on_start(switch("LLM_KEYS_CHECK_ON_START")?)
            .build()
            .await
    }
}

/// A duration as in `LLM_KEYS_CACHE_TTL`: `90s`, `30m`, `1h 30m`, `7d`, or a number of seconds.
///
/// # Errors
/// `InvalidInput` if it is neither.
pub fn parse_ttl(text: &str) -> Result<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|error| {
        Error::invalid("manager.from_env", "not a duration")
            .with_source(error)
            .with_hint("write 90s, 30m, 1h or a number of seconds")
    })
}

/// Whether something is on, as in `LLM_KEYS_CHECK_ON_START`: `true` or `1`, `false` or `0`.
///
/// # Errors
/// `InvalidInput` if it is none of them.
pub fn parse_switch(text: &str) -> Result<bool> {
    match text.trim() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => {
            Err(Error::invalid("manager.from_env", "not a switch")
                .with_hint("write `true` or `false`"))
        }
    }
}

fn parse_follows(text: &str) -> Result<Follows> {
    Ok(if parse_switch(text)? { Follows::Always } else { Follows::Never })
}

fn parse_quorum(text: &str) -> Result<usize> {
    text.trim()
        .parse()
        .map_err(|_| Error::invalid("manager.from_env", "LLM_KEYS_KMS_QUORUM is no number"))
}

fn parse_kept(text: &str) -> Result<u32> {
    text.trim().parse().ok().filter(|versions| *versions > 0).ok_or_else(|| {
        Error::invalid("manager.from_env", "LLM_KEYS_KEEP_VERSIONS is no number from 1 on")
    })
}

fn switch(name: &'static str) -> Result<bool> {
    variable(name)?.map_or(Ok(false), |text| parse_switch(&text))
}

fn list(name: &'static str) -> Result<Vec<String>> {
    let items = variable(name)?.unwrap_or_default();
    Ok(items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(String::from).collect())
}

/// An environment variable; one that is empty counts as not set.
fn variable(name: &'static str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Error::invalid("manager.from_env", format!("{name} is not UTF-8")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("0", 0),
            ("3600", 3600),
            ("90s", 90),
            ("30m", 1800),
            ("1h 30m", 5400),
            ("7d", 604_800),
        ] {
            assert_eq!(parse_ttl(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "soon", "-1", "1x", "1.5"] {
            assert!(parse_ttl(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn switches_and_numbers() {
        assert!(parse_switch("true").unwrap() && parse_switch(" 1 ").unwrap());
        assert!(!parse_switch("false").unwrap() && !parse_switch("0").unwrap());
        assert!(parse_switch("yes, please").is_err());
        assert_eq!(parse_follows("true").unwrap(), Follows::Always);
        assert_eq!(parse_follows("0").unwrap(), Follows::Never);
        assert!(parse_follows("5s").is_err());
        assert_eq!(parse_ttl("500ms").unwrap(), FollowOptions::default().interval);
        assert_eq!(parse_quorum("2").unwrap(), 2);
        assert_eq!(parse_kept(" 3 ").unwrap(), 3);
        assert!(parse_kept("0").is_err() && parse_kept("all").is_err());
        assert!(parse_quorum("-1").is_err() && parse_quorum("most").is_err());
    }
}

//! A manager from the environment, for three-line use. It finds the same keys as the CLI.

use std::sync::Arc;
use std::time::Duration;

use super::builder::CacheOptions;
use super::envelope_manager::EnvelopeKeyManager;
use super::first_use::first_use;
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
    /// | `LLM_KEYS_CACHE_TTL` | how long a secret stays in memory: `90s`, `30m`, `1h`, or seconds; 0 is off | `1h` |
    /// | `LLM_KEYS_HOME` | the folder of the embedded default | the XDG folders |
    ///
    /// # Errors
    /// `InvalidInput` if a variable cannot be understood; `Kms` if a KMS cannot be used.
    pub async fn from_env(store: impl KeyStore + 'static) -> Result<Self> {
        let home = Home::from_env()?;
        let store: Arc<dyn KeyStore> = Arc::new(store);
        let kms = match variable("LLM_KEYS_KMS")? {
            Some(uris) => {
                let uris: Vec<_> = uris.split(',').map(str::trim).collect();
                KmsSet::from_uris(&uris, &[], &FromUri::new(&home)).await?
            }
            None => KmsSet::single(first_use(&home, &store).await?.kms),
        };
        let mut cache = CacheOptions::default();
        if let Some(ttl) = variable("LLM_KEYS_CACHE_TTL")? {
            cache = cache.ttl(parse_ttl(&ttl)?);
        }
        Self::builder().kms(kms).store(store).cache(cache).build().await
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
}

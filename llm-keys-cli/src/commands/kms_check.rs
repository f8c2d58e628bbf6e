//! `kms check`: every KMS key of the settings, each on its own and for what it is used.

use std::sync::Arc;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use llm_keys::ErrorKind;
use llm_keys::error::KmsFault;
use llm_keys::kms::{KmsHealth, KmsProvider, KmsSet};
use serde::Serialize;

use crate::commands::kms_policy;
use crate::connect::{Connect, MasterKeyPlace, scheme_of};
use crate::failure::{Failure, Result};
use crate::output::table;

/// What a key is for.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum Use {
    Seals,
    Reads,
}

impl Use {
    fn word(self) -> &'static str {
        match self {
            Self::Seals => "seals",
            Self::Reads => "reads",
        }
    }
}

/// What one KMS key did. `None` is what could not be found out.
#[derive(Serialize, Debug)]
pub(super) struct Tried {
    /// How the KMS calls it; if it did not say so, which of the settings it is.
    key: String,
    #[serde(rename = "use")]
    usage: Use,
    result: &'static str,
    reachable: Option<bool>,
    permitted: Option<bool>,
    /// Not asked of a key that only reads: it may be forbidden to seal anything.
    round_trip: Option<bool>,
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Trouble>,
}

#[derive(Serialize, Debug)]
struct Trouble {
    code: &'static str,
    message: String,
    hint: Option<String>,
}

pub(crate) async fn run(connect: &Connect<'_>) -> Result<()> {
    report(&try_all(connect, None).await, connect)
}

/// Tries every KMS key of the settings: those of `set`, which has just them, or each opened anew.
pub(super) async fn try_all(connect: &Connect<'_>, set: Option<&KmsSet>) -> Vec<Tried> {
    let mut opened = set.map(KmsSet::readers);
    let mut all: Vec<Tried> = Vec::new();
    for (purpose, place) in kms_policy::purposes(connect.settings()) {
        let usage = purpose.usage();
        // The text of the settings may hold a secret: it is known by its place among them.
        let at = all.iter().filter(|tried| tried.usage == usage).count() + 1;
        let mut key = format!("{} #{at}", scheme_of(&place));
        let here = place.path().is_some();
        let opened = opened.as_mut().and_then(Iterator::next).cloned();
        let tried = attempt(connect, &place, opened, usage, &mut key).await;
        let advice = tried.as_ref().err();
        let advice = advice.and_then(|failure| kms_policy::advice(purpose, &place, failure));
        let mut tried = Tried::new(key, usage, here, tried);
        if let (Some(trouble), Some(advice)) = (&mut tried.error, advice) {
            trouble.hint = Some(advice);
        }
        all.push(tried);
    }
    all
}

/// Tries one, which it opens if nobody did; `key` becomes its own name as soon as that is known.
async fn attempt(
    connect: &Connect<'_>,
    place: &MasterKeyPlace,
    opened: Option<Arc<dyn KmsProvider>>,
    usage: Use,
    key: &mut String,
) -> Result<KmsHealth> {
    let provider = match opened {
        Some(provider) => provider,
        None => connect.kms_key(place.clone()).await?,
    };
    let health = check_of(&provider, usage).await;
    // One that was out all the time has no name yet.
    if !provider.uri().is_unopened() {
        *key = provider.uri().to_string();
    }
    Ok(health?)
}

/// Tries a key for what it is used.
async fn check_of(provider: &dyn KmsProvider, usage: Use) -> llm_keys::error::Result<KmsHealth> {
    match usage {
        Use::Seals => provider.check().await,
        Use::Reads => provider.check_reading().await,
    }
}

impl Tried {
    /// `here`: the key is a file of this machine, so that there is nothing to reach.
    fn new(key: String, usage: Use, here: bool, tried: Result<KmsHealth>) -> Self {
        let yes = Some(true);
        let seals = usage == Use::Seals;
        match tried {
            Ok(health) => Self {
                key,
                usage,
                result: "ok",
                reachable: yes,
                permitted: yes,
                round_trip: seals.then_some(true),
                latency_ms: Some(milliseconds(health.round_trip)),
                error: None,
            },
            Err(failure) => {
                let (reachable, permitted) = if here { (None, None) } else { how_far(&failure) };
                Self {
                    key,
                    usage,
                    result: "failed",
                    reachable,
                    permitted,
                    round_trip: seals.then_some(false),
                    latency_ms: None,
                    error: Some(Trouble {
                        code: failure.code(),
                        message: failure.message(),
                        hint: failure.hint().map(str::to_owned),
                    }),
                }
            }
        }
    }

    fn cells(&self) -> [String; 6] {
        let latency = self.latency().unwrap_or_else(|| "-".to_owned());
        let word = |known| match known {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        [
            self.key.clone(),
            self.usage.word().to_owned(),
            word(self.reachable).to_owned(),
            word(self.permitted).to_owned(),
            word(self.round_trip).to_owned(),
            latency,
        ]
    }

    /// What it did, in one line without the latency.
    pub(super) fn line(&self) -> String {
        let [key, usage, reachable, permitted, round_trip, _] = self.cells();
        let mut line = format!(
            "{key} {usage}: reachable {reachable}, permitted {permitted}, round-trip {round_trip}"
        );
        if let Some(trouble) = &self.error {
            line = format!("{line}; {}", trouble.message);
        }
        line
    }

    /// How long it took, if it worked.
    pub(super) fn latency(&self) -> Option<String> {
        self.latency_ms.map(|ms| format!("{ms} ms"))
    }

    /// Whether it did what is asked of it.
    pub(super) fn works(&self) -> bool {
        self.error.is_none()
    }

    /// Whether the KMS gave no answer at all.
    pub(super) fn is_out(&self) -> bool {
        self.reachable == Some(false)
    }

    /// What to do about it, if it failed.
    pub(super) fn hint(&self) -> Option<&str> {
        self.error.as_ref()?.hint.as_deref()
    }

    fn trouble(&self) -> String {
        let Some(Trouble { message, hint, .. }) = &self.error else { return String::new() };
        let hint = hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
        format!("{}: {message}\n{hint}", self.key)
    }
}

/// Whether the KMS was reached, and whether it permitted what was asked.
fn how_far(failure: &Failure) -> (Option<bool>, Option<bool>) {
    let Failure::Engine(error) = failure else { return (None, None) };
    match error.kind() {
        ErrorKind::Kms(KmsFault::Unavailable) => (Some(false), None),
        ErrorKind::Kms(KmsFault::Denied) => (Some(true), Some(false)),
        ErrorKind::Kms(
            KmsFault::Throttled
            | KmsFault::KeyDisabled
            | KmsFault::KeyMissing
            | KmsFault::Unsupported
            | KmsFault::BadAnswer,
        ) => (Some(true), None),
        ErrorKind::Kms(KmsFault::WrongKey | KmsFault::ContextMismatch) => (Some(true), Some(true)),
        // Not asked at all: the settings or the credentials do not do.
        _ => (None, None),
    }
}

/// To a microsecond.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn report(all: &[Tried], connect: &Connect<'_>) -> Result<()> {
    let output = connect.output();
    if output.is_json() {
        output.document(&all)?;
    } else {
        let mut rows = Table::new();
        rows.load_style(NOTHING).set_header(COLUMNS);
        for tried in all {
            rows.add_row(tried.cells());
        }
        let troubles: String = all.iter().map(Tried::trouble).collect();
        output.bytes((table::text(&rows) + &troubles).as_bytes())?;
    }
    match all.iter().filter(|tried| tried.error.is_some()).count() {
        0 => Ok(()),
        failed => Err(Failure::Checks(failed)),
    }
}

const COLUMNS: [&str; 6] = ["KEY", "USE", "REACHABLE", "PERMITTED", "ROUND-TRIP", "LATENCY"];

#[cfg(test)]
mod tests {
    use llm_keys::Error;

    use super::*;

    #[test]
    fn how_far_each_failure_came() {
        let far = |fault| how_far(&Error::new(ErrorKind::Kms(fault), "test.run", "it").into());
        assert_eq!(far(KmsFault::Unavailable), (Some(false), None));
        assert_eq!(far(KmsFault::Denied), (Some(true), Some(false)));
        assert_eq!(far(KmsFault::Throttled), (Some(true), None));
        assert_eq!(far(KmsFault::KeyMissing), (Some(true), None), "that is what it answered");
        assert_eq!(far(KmsFault::Misconfigured), (None, None), "nothing was sent");
        assert_eq!(how_far(&Failure::usage("no")), (None, None));
    }

    #[test]
    fn latency_is_milliseconds_to_the_microsecond() {
        assert!((milliseconds(Duration::from_nanos(1_234_567)) - 1.235).abs() < 1e-9);
    }
}

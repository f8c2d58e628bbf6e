//! What is known about a version of a key, as JSON and as cells of a table.

use llm_keys::VersionMetadata;
use llm_keys::model::VersionState;
use serde::Serialize;

use super::view::time;

/// A version's metadata with times that people and programs can read.
#[derive(Serialize)]
pub(crate) struct VersionView<'a> {
    version: u32,
    current: bool,
    state: &'static str,
    /// Until when the service still takes it.
    good_until: Option<String>,
    by: &'a str,
    reason: Option<&'a str>,
    created_at: String,
    last_used_at: Option<String>,
}

impl<'a> VersionView<'a> {
    /// What to show of `version`.
    pub(crate) fn new(version: &'a VersionMetadata) -> Self {
        Self {
            version: version.version.get(),
            current: version.current,
            state: version.state.word(),
            good_until: good_until(version),
            by: version.by.as_str(),
            reason: version.reason.as_ref().map(|reason| reason.as_str()),
            created_at: time(version.created_at),
            last_used_at: version.last_used_at.map(time),
        }
    }

    /// What a table of versions shows.
    pub(crate) const COLUMNS: [&'static str; 6] =
        ["VERSION", "STATE", "BY", "CREATED", "LAST USED", "REASON"];

    /// The cells of a table row, in the order of [`Self::COLUMNS`]; the current version is marked.
    pub(crate) fn cells(&self) -> [String; 6] {
        let mark = if self.current { "*" } else { "" };
        let state = match &self.good_until {
            Some(until) => format!("{} until {until}", self.state),
            None => self.state.to_owned(),
        };
        [
            format!("{}{mark}", self.version),
            state,
            self.by.to_owned(),
            self.created_at.clone(),
            self.last_used_at.clone().unwrap_or("never".to_owned()),
            self.reason.unwrap_or("-").to_owned(),
        ]
    }
}

/// Until when the service still takes a version that was replaced.
pub(crate) fn good_until(version: &VersionMetadata) -> Option<String> {
    match version.state {
        VersionState::Retiring { until } => Some(time(until)),
        _ => None,
    }
}

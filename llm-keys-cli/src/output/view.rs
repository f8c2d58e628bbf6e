//! What is known about a key, as JSON and as lines.

use jiff::Timestamp;
use llm_keys::model::KeyMetadata;
use llm_keys::{Integrity, KeyState, Labels, Micros, Owner};
use serde::Serialize;

/// A key's metadata with times that people and programs can read.
#[derive(Serialize)]
pub(crate) struct KeyView<'a> {
    tenant: &'a str,
    owner: &'a Owner,
    service: &'a str,
    name: &'a str,
    record: String,
    version: Option<u32>,
    state: &'static str,
    expired: bool,
    hint: Option<&'a str>,
    labels: &'a Labels,
    expires_at: Option<String>,
    /// In days.
    rotate_every: Option<u32>,
    /// What falls due.
    due: Option<&'static str>,
    due_at: Option<String>,
    /// When it is deleted for good.
    purge_at: Option<String>,
    created_at: String,
    updated_at: String,
    last_used_at: Option<String>,
    integrity: Integrity,
}

impl<'a> KeyView<'a> {
    /// What to show of `key` at the moment `now`.
    pub(crate) fn new(key: &'a KeyMetadata, now: Micros) -> Self {
        Self {
            tenant: key.id.tenant.as_str(),
            owner: &key.id.owner,
            service: key.id.service.as_str(),
            name: key.id.name.as_str(),
            record: key.record.to_string(),
            version: key.version.map(|version| version.get()),
            state: key.state.word(),
            expired: key.expires_at.is_some_and(|at| at <= now),
            hint: key.hint.as_ref().map(|hint| hint.as_str()),
            labels: &key.labels,
            expires_at: key.expires_at.map(time),
            rotate_every: key.rotate_every.map(|days| days.0),
            due: what_is_due(key),
            due_at: key.due_at.map(time),
            purge_at: purge_at(key).map(time),
            created_at: time(key.created_at),
            updated_at: time(key.updated_at),
            last_used_at: key.last_used_at.map(time),
            integrity: key.integrity,
        }
    }

    /// One `name: value` line for each thing known.
    pub(crate) fn lines(&self) -> String {
        let unless = |value: &Option<String>, word: &str| value.clone().unwrap_or(word.to_owned());
        let lines = [
            ("service", self.service.to_owned()),
            ("owner", self.owner.to_string()),
            ("name", self.name.to_owned()),
            ("tenant", self.tenant.to_owned()),
            ("record", self.record.clone()),
            ("version", self.version_word()),
            ("state", self.state_word().to_owned()),
            ("hint", self.hint_word()),
            ("labels", self.labels_word()),
            ("expires", unless(&self.expires_at, "never")),
            ("rotation", self.rotation_word()),
            ("created", self.created_at.clone()),
            ("updated", self.updated_at.clone()),
            ("last used", unless(&self.last_used_at, "never")),
            ("integrity", self.integrity.word().to_owned()),
        ];
        lines.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect()
    }

    /// The cells of a table row, in the order of [`Self::COLUMNS`].
    pub(crate) fn cells(&self) -> [String; 9] {
        [
            self.service.to_owned(),
            self.owner.to_string(),
            self.name.to_owned(),
            self.version_word(),
            self.state_cell(),
            self.hint_word(),
            self.expires_at.clone().unwrap_or("never".to_owned()),
            self.last_used_at.clone().unwrap_or("never".to_owned()),
            self.labels_word(),
        ]
    }

    /// What a table of keys shows.
    pub(crate) const COLUMNS: [&'static str; 9] =
        ["SERVICE", "OWNER", "NAME", "VERSION", "STATE", "HINT", "EXPIRES", "LAST USED", "LABELS"];

    /// The cells of a row about what falls due, in the order of [`Self::DUE_COLUMNS`].
    pub(crate) fn due_cells(&self) -> [String; 7] {
        [
            self.due_at.clone().unwrap_or("never".to_owned()),
            self.due.unwrap_or("-").to_owned(),
            self.service.to_owned(),
            self.owner.to_string(),
            self.name.to_owned(),
            self.version_word(),
            self.state_cell(),
        ]
    }

    /// What a table of keys that fall due shows.
    pub(crate) const DUE_COLUMNS: [&'static str; 7] =
        ["DUE", "WHAT", "SERVICE", "OWNER", "NAME", "VERSION", "STATE"];

    /// The cells of a row about a deleted key, in the order of [`Self::DELETED_COLUMNS`].
    pub(crate) fn deleted_cells(&self) -> [String; 8] {
        [
            self.service.to_owned(),
            self.owner.to_string(),
            self.name.to_owned(),
            self.version_word(),
            self.state_cell(),
            self.hint_word(),
            self.purge_at.clone().unwrap_or("never".to_owned()),
            self.labels_word(),
        ]
    }

    /// What a table of deleted keys shows.
    pub(crate) const DELETED_COLUMNS: [&'static str; 8] =
        ["SERVICE", "OWNER", "NAME", "VERSION", "STATE", "HINT", "PURGED", "LABELS"];

    fn rotation_word(&self) -> String {
        match (self.rotate_every, &self.due_at) {
            (None, _) => "no rule".to_owned(),
            (Some(days), Some(at)) if self.due == Some("rotation") => {
                format!("every {days} days, due {at}")
            }
            (Some(days), _) => format!("every {days} days"),
        }
    }

    fn version_word(&self) -> String {
        self.version.map_or("-".to_owned(), |version| version.to_string())
    }

    fn state_word(&self) -> &'static str {
        match self.integrity {
            // What else the row says may be somebody's edit.
            Integrity::Broken => "broken",
            _ if self.expired && self.state == "active" => "expired",
            _ => self.state,
        }
    }

    fn state_cell(&self) -> String {
        let word = self.state_word();
        match self.integrity {
            Integrity::Unverified => format!("{word} (unverified)"),
            _ => word.to_owned(),
        }
    }

    fn hint_word(&self) -> String {
        self.hint.map_or("-".to_owned(), |hint| format!("…{hint}"))
    }

    fn labels_word(&self) -> String {
        let pairs: Vec<_> =
            self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if pairs.is_empty() { "-".to_owned() } else { pairs.join(" ") }
    }
}

/// What falls due with `key`, if anything does.
fn what_is_due(key: &KeyMetadata) -> Option<&'static str> {
    let at = key.due_at?;
    Some(match key.state {
        KeyState::Deleted { .. } => "purge",
        _ if key.expires_at == Some(at) => "expiry",
        _ => "rotation",
    })
}

/// When a deleted key is purged.
pub(crate) fn purge_at(key: &KeyMetadata) -> Option<Micros> {
    match key.state {
        KeyState::Deleted { purge_at } => Some(purge_at),
        _ => None,
    }
}

/// A moment in RFC 3339, in UTC, to the second for people's sake.
pub(crate) fn time(at: Micros) -> String {
    match Timestamp::from_microsecond(at.0) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        // Outside the years -9999 to 9999: no date that a calendar could show.
        Err(_) if at.0 < 0 => "before all time".to_owned(),
        Err(_) => "never".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(Micros(0)), "1970-01-01T00:00:00Z");
        assert_eq!(time(Micros(1_700_000_000_999_999)), "2023-11-14T22:13:20Z");
        assert_eq!(time(Micros(i64::MAX)), "never");
    }
}

//! What must be stored, by what was acknowledged.

use std::collections::BTreeMap;

/// How many versions keep their secret, unless the settings say otherwise.
const KEPT: usize = 10;

/// All keys, by their service.
pub(super) type Model = BTreeMap<String, Key>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) state: &'static str,
    pub(super) current: Option<u32>,
    pub(super) versions: BTreeMap<u32, Version>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Version {
    pub(super) state: &'static str,
    /// `None` once it is shredded.
    pub(super) secret: Option<String>,
}

impl Key {
    pub(super) fn new() -> Self {
        Self { state: "active", current: None, versions: BTreeMap::new() }
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.state == "deleted"
    }

    /// What `get` prints, whatever the state.
    pub(super) fn secret(&self) -> Option<&str> {
        self.versions.get(&self.current?)?.secret.as_deref()
    }

    /// Versions that one may go back to.
    pub(super) fn old_versions(&self) -> Vec<u32> {
        let old = self.versions.iter().filter(|(number, version)| {
            Some(**number) != self.current && version.secret.is_some() && version.state != "pending"
        });
        old.map(|(number, _)| *number).collect()
    }

    /// A version that is current at once.
    pub(super) fn put(&mut self, secret: &str) {
        let number = self.seal(secret, "live");
        self.replace(number, "retired");
    }

    /// The first phase of a rotation: those that others left behind go.
    pub(super) fn put_pending(&mut self, secret: &str) {
        for version in self.versions.values_mut().filter(|version| version.state == "pending") {
            version.shred();
        }
        self.seal(secret, "pending");
    }

    /// The second one.
    pub(super) fn finish_rotation(&mut self, old: &'static str) {
        let mut last = self.versions.last_entry().unwrap();
        last.get_mut().state = "live";
        let number = *last.key();
        self.replace(number, old);
    }

    /// Shreds the oldest retired versions beyond `keep`.
    pub(super) fn prune(&mut self, keep: usize) {
        let kept = self.versions.values().filter(|version| version.secret.is_some()).count();
        let excess = kept.saturating_sub(keep);
        let current = self.current;
        let old = self
            .versions
            .iter_mut()
            .filter(|(number, version)| Some(**number) != current && version.state == "retired");
        for (_, version) in old.take(excess) {
            version.shred();
        }
    }

    fn seal(&mut self, secret: &str, state: &'static str) -> u32 {
        let number = self.versions.last_key_value().map_or(0, |(number, _)| *number) + 1;
        self.versions.insert(number, Version { state, secret: Some(secret.to_owned()) });
        number
    }

    fn replace(&mut self, number: u32, old_state: &'static str) {
        if let Some(old) = self.current.replace(number) {
            self.versions.get_mut(&old).unwrap().state = old_state;
        }
        self.prune(KEPT);
    }
}

impl Version {
    fn shred(&mut self) {
        *self = Self { state: "shredded", secret: None };
    }
}

//! Key rings, keys and their versions, in memory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::crypt::Material;
use super::refusal::Refusal;

/// All there is.
#[derive(Debug, Default)]
pub(super) struct Keys {
    rings: BTreeSet<String>,
    keys: BTreeMap<String, Key>,
}

#[derive(Debug)]
struct Key {
    primary: u32,
    versions: Vec<Version>,
}

#[derive(Debug)]
pub(super) struct Version {
    state: State,
    pub(super) material: Material,
}

/// The states of a key version that matter to encryption.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It works.
    Enabled,
    /// It was switched off.
    Disabled,
    /// It will be destroyed.
    DestroyScheduled,
    /// It is gone for good.
    Destroyed,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::DestroyScheduled => "DESTROY_SCHEDULED",
            Self::Destroyed => "DESTROYED",
        }
    }

    /// By name or by number: Google's clients send enumerations as numbers.
    pub(super) fn parse(value: &Value) -> Option<Self> {
        [Self::Enabled, Self::Disabled, Self::Destroyed, Self::DestroyScheduled]
            .into_iter()
            .zip(1..)
            .find(|(state, number)| *value == json!(number) || *value == json!(state.name()))
            .map(|(state, _)| state)
    }
}

impl Keys {
    pub(super) fn add_ring(&mut self, ring: &str) -> Result<Value, Refusal> {
        if !self.rings.insert(ring.to_owned()) {
            return Err(exists("KeyRing", ring));
        }
        Ok(json!({ "name": ring }))
    }

    pub(super) fn ring(&self, ring: &str) -> Result<Value, Refusal> {
        self.rings
            .contains(ring)
            .then(|| json!({ "name": ring }))
            .ok_or_else(|| Refusal::missing(&format!("KeyRing {ring}")))
    }

    pub(super) fn add_key(&mut self, name: &str) -> Result<Value, Refusal> {
        self.ring(name.split("/cryptoKeys/").next().unwrap_or_default())?;
        if self.keys.contains_key(name) {
            return Err(exists("CryptoKey", name));
        }
        self.add(name);
        self.key_json(name)
    }

    pub(super) fn add(&mut self, name: &str) {
        let ring = name.split("/cryptoKeys/").next().unwrap_or_default();
        self.rings.insert(ring.to_owned());
        let key = Key { primary: 1, versions: vec![Version::fresh()] };
        self.keys.insert(name.to_owned(), key);
    }

    /// A new version, not the primary one yet, as Google does it.
    pub(super) fn add_version(&mut self, name: &str) -> Result<u32, Refusal> {
        let key = self.keys.get_mut(name).ok_or_else(|| no_key(name))?;
        key.versions.push(Version::fresh());
        Ok(u32::try_from(key.versions.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn set_primary(&mut self, name: &str, version: u32) -> Result<(), Refusal> {
        self.version(name, version)?;
        let key = self.keys.get_mut(name).ok_or_else(|| no_key(name))?;
        key.primary = version;
        Ok(())
    }

    pub(super) fn rotate(&mut self, name: &str) -> u32 {
        let version = self.add_version(name).unwrap_or_default();
        let _ = self.set_primary(name, version);
        version
    }

    pub(super) fn set_state(&mut self, name: &str, version: u32, state: State) {
        let versions = self.keys.get_mut(name).map(|key| &mut key.versions);
        if let Some(version) = versions.and_then(|all| all.get_mut(index(version))) {
            version.state = state;
        }
    }

    pub(super) fn primary(&self, name: &str) -> Result<u32, Refusal> {
        Ok(self.keys.get(name).ok_or_else(|| no_key(name))?.primary)
    }

    /// A version that may be used.
    pub(super) fn enabled(&self, name: &str, version: u32) -> Result<&Version, Refusal> {
        let found = self.version(name, version)?;
        if found.state != State::Enabled {
            let state = found.state.name();
            return Err(Refusal::new(
                400,
                "FAILED_PRECONDITION",
                format!(
                    "{name}/cryptoKeyVersions/{version} is not enabled, current state is: {state}."
                ),
            ));
        }
        Ok(found)
    }

    pub(super) fn key_json(&self, name: &str) -> Result<Value, Refusal> {
        let primary = self.primary(name)?;
        Ok(json!({
            "name": name,
            "primary": self.version_json(name, primary)?,
            "purpose": "ENCRYPT_DECRYPT",
            "createTime": CREATED,
            "versionTemplate": {
                "protectionLevel": "SOFTWARE",
                "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION"
            }
        }))
    }

    pub(super) fn version_json(&self, name: &str, version: u32) -> Result<Value, Refusal> {
        let state = self.version(name, version)?.state.name();
        Ok(json!({
            "name": format!("{name}/cryptoKeyVersions/{version}"),
            "state": state,
            "protectionLevel": "SOFTWARE",
            "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION",
            "createTime": CREATED
        }))
    }

    fn version(&self, name: &str, version: u32) -> Result<&Version, Refusal> {
        let key = self.keys.get(name).ok_or_else(|| no_key(name))?;
        key.versions.get(index(version)).ok_or_else(|| {
            Refusal::missing(&format!("CryptoKeyVersion {name}/cryptoKeyVersions/{version}"))
        })
    }
}

impl Version {
    fn fresh() -> Self {
        Self { state: State::Enabled, material: Material::random() }
    }
}

fn index(version: u32) -> usize {
    usize::try_from(version).unwrap_or(usize::MAX).wrapping_sub(1)
}

fn no_key(name: &str) -> Refusal {
    Refusal::missing(&format!("CryptoKey {name}"))
}

fn exists(what: &str, name: &str) -> Refusal {
    Refusal::new(409, "ALREADY_EXISTS", format!("{what} {name} already exists."))
}

const CREATED: &str = "2026-01-01T00:00:00Z";

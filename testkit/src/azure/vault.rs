//! What is in a vault, and what goes wrong with it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keys::{KeyVersion, State};

/// What the next answers are instead of the right ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// This status with this error code.
    Status(u16, &'static str),
    /// The right value in the name of another version.
    OtherVersion,
    /// The right value in the name of another vault's key.
    OtherVault,
    /// A value of so many bytes.
    ValueOf(usize),
    /// These bytes, with status 200.
    Body(Vec<u8>),
    /// None: the connection is closed.
    Close,
}

/// The keys, and the script of what goes wrong.
#[derive(Default, Debug)]
pub struct Vault(Mutex<Inner>);

#[derive(Default, Debug)]
pub(super) struct Inner {
    /// Versions by key name, oldest first.
    pub keys: BTreeMap<String, Vec<KeyVersion>>,
    /// How many requests came, whoever sent them and whatever they were.
    pub requests: usize,
    /// Operations that came with a token, in order: `get`, `wrapkey`, `unwrapkey`.
    pub calls: Vec<&'static str>,
    trouble: Option<(u32, Trouble)>,
}

impl Vault {
    /// Makes a key of 2048 bits, or a new version of it; gives the version.
    ///
    /// # Errors
    /// The random number source failed.
    pub fn create(&self, name: &str) -> io::Result<String> {
        let version = KeyVersion::generate()?;
        let id = version.id.clone();
        self.lock().keys.entry(name.to_owned()).or_default().push(version);
        Ok(id)
    }

    /// Sets the state of all versions of a key.
    pub fn set_state(&self, name: &str, state: State) {
        for version in self.lock().keys.get_mut(name).into_iter().flatten() {
            version.state = state;
        }
    }

    /// Sets the state of one version of a key.
    pub fn set_version_state(&self, name: &str, version: &str, state: State) {
        for found in self.lock().keys.get_mut(name).into_iter().flatten() {
            if found.id == version {
                found.state = state;
            }
        }
    }

    /// Removes a key with all its versions.
    pub fn delete(&self, name: &str) {
        self.lock().keys.remove(name);
    }

    /// Answers the next `times` calls that bring a token with `trouble`.
    pub fn answer_next(&self, times: u32, trouble: Trouble) {
        self.lock().trouble = Some((times, trouble));
    }

    /// Whether there is a key of that name.
    pub fn has_key(&self, name: &str) -> bool {
        self.lock().keys.contains_key(name)
    }

    /// How many requests came so far, those without a token and those refused among them.
    pub fn requests(&self) -> usize {
        self.lock().requests
    }

    /// How often `operation` was asked for with a token: `get`, `wrapkey` or `unwrapkey`.
    pub fn calls(&self, operation: &str) -> usize {
        self.lock().calls.iter().filter(|call| **call == operation).count()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(super) fn next_trouble(&mut self) -> Option<Trouble> {
        let (left, trouble) = self.trouble.take()?;
        if left > 1 {
            self.trouble = Some((left - 1, trouble.clone()));
        }
        Some(trouble)
    }
}

//! An environment that a test lays down.

use std::collections::BTreeMap;

use crate::environment::Environment;
use crate::error::Result;
use crate::model::EnvName;
use crate::secret::ApiKey;

/// Variables that are set to these values, and no others.
#[derive(Clone, Default, Debug)]
pub struct FixedEnvironment(BTreeMap<String, String>);

impl FixedEnvironment {
    /// With these variables; test values, which are no secrets.
    pub fn new<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let pairs = variables.into_iter();
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl Environment for FixedEnvironment {
    fn key(&self, name: &EnvName) -> Result<Option<ApiKey>> {
        let value = self.0.get(name.as_str()).filter(|value| !value.is_empty());
        value.map(|value| ApiKey::new(value.as_str())).transpose()
    }
}

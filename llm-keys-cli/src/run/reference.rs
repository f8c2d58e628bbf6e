//! `SERVICE[/NAME]`: a key of an owner that is said elsewhere.

use llm_keys::{KeyId, KeyName, Owner, Result, Service, Tenant};

/// A key's service and name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KeyReference {
    pub(crate) service: Service,
    pub(crate) name: KeyName,
}

impl KeyReference {
    /// Reads `SERVICE` or `SERVICE/NAME`.
    ///
    /// # Errors
    /// `InvalidInput` that says which character is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (service, name) = match text.split_once('/') {
            Some((service, name)) => (service, KeyName::new(name)?),
            None => (text, KeyName::default()),
        };
        Ok(Self { service: Service::new(service)?, name })
    }

    /// The whole id.
    pub(crate) fn of(self, owner: Owner, tenant: Tenant) -> KeyId {
        KeyId { tenant, owner, service: self.service, name: self.name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_left_out() {
        let id = |text| KeyReference::parse(text).unwrap();
        let id = |text| id(text).of(Owner::Global, Tenant::default()).to_string();
        assert_eq!(id("openai"), "default/global/openai/default");
        assert_eq!(id("openai/work"), "default/global/openai/work");
        for bad in ["", "/", "openai/", "/work", "a/b/c", "Open AI"] {
            assert!(KeyReference::parse(bad).is_err(), "{bad}");
        }
    }
}

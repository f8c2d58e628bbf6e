//! What a key is called: in settings, in envelopes, and in the answers of Key Vault.

use crate::error::{Error, Result};
use crate::kms::KeyUri;

/// A key of a vault or a managed HSM, whatever its version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KeyName {
    /// Such as `team.vault.azure.net`, in lower case.
    pub host: String,
    /// The key's name as Key Vault spells it.
    pub name: String,
}

impl KeyName {
    /// `azure-kv://HOST/keys/NAME`, with the version behind it if there is one. What is wrong is
    /// said without repeating the text: it may be anything that was pasted by mistake.
    pub(super) fn parse(uri: &str) -> Result<(Self, Option<String>)> {
        let rest = uri.strip_prefix("azure-kv://").ok_or_else(not_a_uri)?;
        Self::from_path(rest).ok_or_else(not_a_uri)
    }

    /// What an answer calls the key (`kid`): `https://HOST/keys/NAME/VERSION`.
    pub(super) fn from_kid(kid: &str) -> Option<(Self, String)> {
        let (name, version) = Self::from_path(kid.strip_prefix("https://")?)?;
        Some((name, version?))
    }

    /// What an envelope calls `version` of this key.
    pub(super) fn uri(&self, version: &str) -> Result<KeyUri> {
        KeyUri::new(format!("azure-kv://{}/keys/{}/{version}", self.host, self.name))
    }

    /// The version that `uri` names, if it is one of this key, byte for byte.
    pub(super) fn version_in(&self, uri: &KeyUri) -> Option<String> {
        let (name, version) = Self::parse(uri.as_str()).ok()?;
        let version = version?;
        (name == *self && self.uri(&version).ok()? == *uri).then_some(version)
    }

    /// Whether `other` is this key: Key Vault does not tell upper case from lower.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.host == other.host && self.name.eq_ignore_ascii_case(&other.name)
    }

    fn from_path(rest: &str) -> Option<(Self, Option<String>)> {
        let mut parts = rest.split('/');
        let host = parts.next()?.to_ascii_lowercase();
        let (keys, name) = (parts.next()?, parts.next()?);
        let version = parts.next();
        let label = |text: &str| {
            (1..=127).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let (vault, domain) = host.split_once('.')?;
        let fine = label(vault)
            && DOMAINS.contains(&domain)
            && keys == "keys"
            && label(name)
            && version.is_none_or(is_version)
            && parts.next().is_none();
        let version = version.map(str::to_owned);
        fine.then(|| (Self { name: name.to_owned(), host }, version))
    }
}

/// Key Vault makes versions of 32 hexadecimal digits.
fn is_version(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn not_a_uri() -> Error {
    Error::invalid("kms.open", "this is not the URI of a key in Azure Key Vault").with_hint(
        "use `azure-kv://VAULT.vault.azure.net/keys/NAME`, or `…/NAME/VERSION` to stay with one version",
    )
}

/// Where tokens may be sent to: the services of the public cloud, of China and of US Government.
const DOMAINS: &[&str] = &[
    "vault.azure.net",
    "managedhsm.azure.net",
    "vault.azure.cn",
    "managedhsm.azure.cn",
    "vault.usgovcloudapi.net",
    "managedhsm.usgovcloudapi.net",
];

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn uris_with_and_without_a_version() {
        let (name, version) = KeyName::parse("azure-kv://Team.Vault.Azure.NET/keys/Main").unwrap();
        assert_eq!((name.host.as_str(), name.name.as_str()), ("team.vault.azure.net", "Main"));
        assert_eq!(version, None);
        let uri = name.uri(VERSION).unwrap();
        assert_eq!(uri.as_str(), format!("azure-kv://team.vault.azure.net/keys/Main/{VERSION}"));
        assert_eq!(KeyName::parse(uri.as_str()).unwrap(), (name.clone(), Some(VERSION.to_owned())));
        assert_eq!(name.version_in(&uri).as_deref(), Some(VERSION));
        let kid = format!("https://team.vault.azure.net/keys/Main/{VERSION}");
        assert_eq!(KeyName::from_kid(&kid), Some((name, VERSION.to_owned())));
        assert!(KeyName::parse("azure-kv://h.managedhsm.azure.net/keys/k").is_ok());
    }

    #[test]
    fn anything_else_is_refused_and_not_repeated() {
        for bad in [
            "azure-kv://team.vault.azure.net/secrets/k",
            "azure-kv://team.vault.azure.net/keys",
            "azure-kv://team.vault.azure.net/keys/",
            "azure-kv://team.vault.azure.net/keys/a_b",
            "azure-kv://team.vault.azure.net/keys/a/b",
            "azure-kv://team.vault.azure.net/keys/a/0123456789ABCDEF0123456789abcdef",
            "azure-kv://team.vault.azure.net/keys/a/0123456789abcdef0123456789abcdef/x",
            "azure-kv://team.vault.azure.net:8443/keys/a",
            "azure-kv://hunter2@team.vault.azure.net/keys/a",
            "azure-kv://team.vault.azure.net.evil.example/keys/a",
            "azure-kv://a.b.vault.azure.net/keys/a",
            "azure-kv://evilvault.azure.net/keys/a",
            "azure-kv://vault.azure.net/keys/a",
            "azure-kv://team.vault.azure.net/keys/a?hunter2",
            "https://team.vault.azure.net/keys/a",
        ] {
            let error = KeyName::parse(bad).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{bad}");
        }
    }

    #[test]
    fn a_version_of_another_key_is_not_ours() {
        let (name, _) = KeyName::parse("azure-kv://team.vault.azure.net/keys/main").unwrap();
        for other in [
            format!("azure-kv://team.vault.azure.net/keys/other/{VERSION}"),
            format!("azure-kv://else.vault.azure.net/keys/main/{VERSION}"),
            format!("azure-kv://TEAM.vault.azure.net/keys/main/{VERSION}"),
            format!("azure-kv://team.vault.azure.net/keys/MAIN/{VERSION}"),
            "azure-kv://team.vault.azure.net/keys/main".to_owned(),
            "local:00".to_owned(),
        ] {
            assert_eq!(name.version_in(&KeyUri::new(&other).unwrap()), None, "{other}");
        }
    }
}

//! The resource name of a key, and what a user writes for it.

use reqwest::Url;

use crate::error::{Error, Result};
use crate::kms::KeyUri;

/// A key of Cloud KMS: `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct KeyName(String);

impl KeyName {
    /// Takes `gcp-kms://projects/P/…/cryptoKeys/K`.
    pub(super) fn parse(uri: &str) -> Result<Self> {
        let name = uri.strip_prefix(SCHEME).ok_or_else(bad)?;
        let segments: Vec<&str> = name.split('/').collect();
        match segments.as_slice() {
            ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key]
                if is(project, b"-.:")
                    && is(location, b"-")
                    && is(ring, b"-_")
                    && is(key, b"-_") =>
            {
                Ok(Self(name.to_owned()))
            }
            [_, _, _, _, _, _, _, _, "cryptoKeyVersions", _] => {
                Err(bad().with_hint("name the key without a version: Cloud KMS finds the version"))
            }
            _ => Err(bad()),
        }
    }

    pub(super) fn uri(&self) -> Result<KeyUri> {
        KeyUri::new(format!("{SCHEME}{}", self.0))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `version` is the name of one of this key's versions.
    pub(super) fn has_version(&self, version: &str) -> bool {
        version
            .strip_prefix(&self.0)
            .and_then(|rest| rest.strip_prefix("/cryptoKeyVersions/"))
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    }
}

/// Where a method of the API is called: `https://host`, or plain HTTP on this machine only.
pub(super) fn endpoint(text: &str) -> Result<Url> {
    // The text is not repeated: it may hold a password.
    let bad = |why| Error::invalid(OP, format!("the endpoint of Cloud KMS {why}"));
    let url = Url::parse(text).map_err(|_| bad("is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must not hold a user name or a password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("is only a scheme, a host and a port"));
    }
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    let loopback = address.is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        _ => Err(bad("must be https, except on a loopback address")),
    }
}

fn is(segment: &str, also: &[u8]) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || also.contains(&b);
    let dots = segment.bytes().all(|b| b == b'.');
    !dots && segment.len() <= 100 && segment.bytes().all(fine)
}

fn bad() -> Error {
    Error::invalid(
        OP,
        "a key of Cloud KMS is `gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K`",
    )
}

const SCHEME: &str = "gcp-kms://";
const OP: &str = "kms.gcp";

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "gcp-kms://projects/p-1/locations/europe-west1/keyRings/r/cryptoKeys/k_1";

    #[test]
    fn a_name_is_exactly_four_pairs() {
        assert_eq!(KeyName::parse(KEY).unwrap().uri().unwrap().as_str(), KEY);
        let domain = "gcp-kms://projects/example.com:p/locations/global/keyRings/r/cryptoKeys/k";
        assert!(KeyName::parse(domain).is_ok());
        let version = KeyName::parse(&format!("{KEY}/cryptoKeyVersions/1")).unwrap_err();
        assert!(version.hint().unwrap().contains("without a version"));
        for bad in [
            "gcp-kms://",
            "gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k",
            "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/",
            "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/",
            "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k?x",
            "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k:decrypt",
            "gcp-kms://projects/../locations/l/keyRings/r/cryptoKeys/k",
            "gcp-kms://projects/p/locations/l/keyRings/r%2f/cryptoKeys/k",
            "gcp-kms://projects/p/locations/l/keyRings/r/cryptokeys/k",
        ] {
            assert!(KeyName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_versions_of_the_key_itself_are_its_versions() {
        let name = KeyName::parse(KEY).unwrap();
        let with = |end: &str| name.has_version(&format!("{}{end}", name.as_str()));
        assert!(with("/cryptoKeyVersions/12"));
        for bad in ["", "2/cryptoKeyVersions/1", "/cryptoKeyVersions/", "/cryptoKeyVersions/1/x"] {
            assert!(!with(bad), "{bad}");
        }
    }

    #[test]
    fn an_endpoint_is_https_or_on_this_machine() {
        for good in ["https://cloudkms.googleapis.com", "http://127.0.0.1:1", "http://[::1]:1/"] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "cloudkms.googleapis.com",
            "http://cloudkms.googleapis.com",
            "http://127.0.0.1.example.com",
            "http://localhost:1",
            "https://u:p@h",
            "https://h/v1",
            "https://h?x",
            "ftp://127.0.0.1",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }
}

//! The names AWS has for a KMS key, as people write them and as envelopes keep them.

use std::fmt;

use crate::error::{Error, Result};
use crate::kms::KeyUri;

/// The scheme of AWS keys in [`KeyUri`].
pub(super) const SCHEME: &str = "aws-kms";

/// A key as somebody names it in settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum KeyName {
    /// The key itself: nothing has to be looked up.
    Arn(KeyArn),
    /// What has to be looked up: an alias or a bare key id, and the region if it says one.
    Lookup { id: String, region: Option<String> },
}

impl KeyName {
    /// Reads a key ARN, an alias ARN, a key id or `alias/NAME`, with or without `aws-kms:` or
    /// `aws-kms://` before it. The text is never repeated in the error.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let name = text.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix(':'));
        let name = name.unwrap_or(text);
        let name = name.strip_prefix("//").unwrap_or(name);
        if let Some(arn) = Arn::parse(name) {
            if arn.resource.strip_prefix("key/").is_some_and(is_key_id) {
                return Ok(Self::Arn(KeyArn::from(&arn)));
            }
            if arn.resource.strip_prefix("alias/").is_some_and(is_alias_name) {
                let region = Some(arn.region.to_owned());
                return Ok(Self::Lookup { id: name.to_owned(), region });
            }
        }
        if is_key_id(name) || name.strip_prefix("alias/").is_some_and(is_alias_name) {
            return Ok(Self::Lookup { id: name.to_owned(), region: None });
        }
        Err(Error::invalid("kms.uri", "this names no AWS KMS key").with_hint(FORMS))
    }

    /// The region that the name says, which is then the one to call.
    pub(super) fn region(&self) -> Option<&str> {
        match self {
            Self::Arn(arn) => Some(&arn.region),
            Self::Lookup { region, .. } => region.as_deref(),
        }
    }
}

/// The ARN of a key (not of an alias), in the one form that AWS answers with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct KeyArn {
    text: String,
    region: String,
    /// Everything before the resource: partition, service, region and account.
    place: String,
}

impl KeyArn {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let arn = Arn::parse(text)?;
        arn.resource.strip_prefix("key/").is_some_and(is_key_id).then(|| Self::from(&arn))
    }

    /// The ARN in an envelope's URI, if that names an AWS key.
    pub(super) fn of_uri(uri: &KeyUri) -> Option<Self> {
        Self::parse(uri.as_str().strip_prefix(SCHEME)?.strip_prefix(':')?)
    }

    pub(super) fn uri(&self) -> Result<KeyUri> {
        KeyUri::new(format!("{SCHEME}:{self}"))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The ARN of `alias/NAME` in the account and region of this key.
    pub(super) fn alias(&self, alias: &str) -> String {
        format!("{}:{alias}", self.place)
    }

    /// Whether both keys are in one partition, region and account.
    pub(super) fn is_sibling(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl From<&Arn<'_>> for KeyArn {
    fn from(arn: &Arn<'_>) -> Self {
        let place = format!("arn:{}:kms:{}:{}", arn.partition, arn.region, arn.account);
        let text = format!("{place}:{}", arn.resource);
        Self { text, region: arn.region.to_owned(), place }
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// The parts of an ARN of the service `kms`.
struct Arn<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut part = || parts.next();
        let ("arn", partition, "kms", region, account, resource) =
            (part()?, part()?, part()?, part()?, part()?, part()?)
        else {
            return None;
        };
        let fine = (partition == "aws" || partition.starts_with("aws-"))
            && [partition, region].iter().all(|part| is_lower(part, 32))
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit());
        fine.then_some(Self { partition, region, account, resource })
    }
}

/// Lower case only: AWS answers so, and one key must have one name.
fn is_lower(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// A UUID, or the id of a multi-Region key: `mrk-` and 32 digits.
fn is_key_id(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if let Some(digits) = text.strip_prefix("mrk-") {
        return digits.len() == 32 && digits.bytes().all(hex);
    }
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => hex(b),
        })
}

fn is_alias_name(text: &str) -> bool {
    (1..=250).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b))
}

const FORMS: &str = "use a key ARN, an alias ARN, a key id or `alias/NAME` after `aws-kms:`, in \
                     lower case, as `aws kms describe-key` prints it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    const ALIAS: &str = "arn:aws-cn:kms:cn-north-1:111122223333:alias/llm/keys_1";

    #[test]
    fn every_form_with_every_prefix() {
        for prefix in ["", "aws-kms:", "aws-kms://"] {
            let parse = |name: &str| KeyName::parse(&format!("{prefix}{name}")).unwrap();
            let KeyName::Arn(arn) = parse(ARN) else { panic!("{ARN}") };
            assert_eq!((arn.as_str(), arn.region()), (ARN, "eu-west-1"));
            let lookup = |id: &str, region: Option<&str>| KeyName::Lookup {
                id: id.to_owned(),
                region: region.map(str::to_owned),
            };
            assert_eq!(parse(ALIAS), lookup(ALIAS, Some("cn-north-1")));
            assert_eq!(parse(ALIAS).region(), Some("cn-north-1"));
            for name in [ID, "mrk-1234abcd12ab34cd56ef1234567890ab", "alias/aws/x", "alias/A_b-9"] {
                assert_eq!(parse(name), lookup(name, None));
            }
        }
    }

    #[test]
    fn an_envelope_names_the_arn() {
        let arn = KeyArn::parse(ARN).unwrap();
        let uri = arn.uri().unwrap();
        assert_eq!(uri.as_str(), format!("aws-kms:{ARN}"));
        assert_eq!(KeyArn::of_uri(&uri), Some(arn.clone()));
        assert_eq!(arn.alias("alias/x"), "arn:aws:kms:eu-west-1:111122223333:alias/x");
        for other in
            ["local:x".to_owned(), format!("aws-kms://{ARN}"), "aws-kms:alias/x".to_owned()]
        {
            assert_eq!(KeyArn::of_uri(&KeyUri::new(other).unwrap()), None);
        }
    }

    #[test]
    fn siblings_share_account_and_region() {
        let arn = KeyArn::parse(ARN).unwrap();
        let with = |from: &str, to: &str| KeyArn::parse(&ARN.replace(from, to)).unwrap();
        assert!(arn.is_sibling(&with("1234abcd", "00000000")));
        assert!(!arn.is_sibling(&with("111122223333", "111122223334")));
        assert!(!arn.is_sibling(&with("eu-west-1", "eu-west-2")));
        assert!(!arn.is_sibling(&with("arn:aws:", "arn:aws-cn:")));
    }

    #[test]
    fn what_is_no_name_is_refused_and_not_repeated() {
        let upper = ARN.to_uppercase();
        for bad in [
            "",
            "Canary",
            "aws-kms:",
            "aws-kms:Canary",
            "alias/",
            "alias/Canary!",
            "alias/Canary:x",
            "key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "1234ABCD-12ab-34cd-56ef-1234567890ab",
            "1234abcd-12ab-34cd-56ef-1234567890a",
            "mrk-1234",
            upper.as_str(),
            "arn:aws:kms:eu-west-1:11112222333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms::111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:s3:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:awsome:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:eu-west-1:111122223333:key/Canary",
            "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab:x",
            "arn:aws:kms:eu-west-1:111122223333",
        ] {
            let error = KeyName::parse(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
            assert!(!format!("{error:?}").contains("Canary"), "{error:?}");
        }
    }
}

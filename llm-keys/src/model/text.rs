//! The texts that identify: canonical by construction, compared byte for byte.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Makes a text newtype: parser, `Display`, `serde`, comparison by bytes.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes the value.
            ///
            /// # Errors
            /// `InvalidInput` that names the character that is wrong and where it stands.
            pub fn new(text: impl AsRef<str>) -> Result<Self> {
                let text = text.as_ref();
                $check($what, text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}

text_type! {
    /// The outermost wall between users of one installation: 1 to 255 printable ASCII characters,
    /// no space at either end; `default` unless said.
    Tenant, "tenant", check_id
}

text_type! {
    /// Which user or team: 1 to 255 printable ASCII characters, no space at either end.
    OwnerId, "owner id", check_id
}

text_type! {
    /// What a key opens, such as `anthropic`: `[a-z0-9][a-z0-9._-]{0,62}`.
    Service, "service", check_label
}

text_type! {
    /// What tells two keys of one owner and service apart: `[a-z0-9][a-z0-9._-]{0,62}`; `default`
    /// unless said.
    KeyName, "name", check_label
}

text_type! {
    /// The name of a small envelope of our own, such as `sentinel`: `[a-z0-9][a-z0-9._-]{0,62}`.
    SystemName, "system record name", check_label
}

text_type! {
    /// The name of an environment variable: `[A-Za-z_][A-Za-z0-9_]*`, at most 255 characters.
    EnvName, "variable name", check_env_name
}

impl Default for Tenant {
    fn default() -> Self {
        Self(Arc::from("default"))
    }
}

impl Default for KeyName {
    fn default() -> Self {
        Self(Arc::from("default"))
    }
}

const OP: &str = "model.parse";

/// `[a-z0-9][a-z0-9._-]{0,62}`.
fn check_label(what: &'static str, text: &str) -> Result<()> {
    let fine = |at: usize, c: char| match c {
        'a'..='z' | '0'..='9' => true,
        '.' | '_' | '-' => at > 0,
        _ => false,
    };
    check_length(what, text, 63)?;
    match text.char_indices().find(|&(at, c)| !fine(at, c)) {
        None => Ok(()),
        Some((at, c)) => Err(wrong_character(what, text, at, c)
            .with_hint("use a-z, 0-9, and after the first character also . _ -")),
    }
}

/// 1 to 255 printable ASCII characters, no space at either end.
fn check_id(what: &'static str, text: &str) -> Result<()> {
    check_length(what, text, 255)?;
    let last = text.len() - 1;
    let fine = |at: usize, c: char| match c {
        ' ' => at > 0 && at < last,
        _ => c.is_ascii_graphic(),
    };
    match text.char_indices().find(|&(at, c)| !fine(at, c)) {
        None => Ok(()),
        Some((at, c)) => Err(wrong_character(what, text, at, c)
            .with_hint("use printable ASCII, with no space at either end")),
    }
}

/// `[A-Za-z_][A-Za-z0-9_]*`.
fn check_env_name(what: &'static str, text: &str) -> Result<()> {
    let fine = |at: usize, c: char| match c {
        'a'..='z' | 'A'..='Z' | '_' => true,
        '0'..='9' => at > 0,
        _ => false,
    };
    check_length(what, text, 255)?;
    match text.char_indices().find(|&(at, c)| !fine(at, c)) {
        None => Ok(()),
        Some((at, c)) => Err(wrong_character(what, text, at, c)
            .with_hint("use letters, _ and after the first character 0-9")),
    }
}

fn check_length(what: &'static str, text: &str, max: usize) -> Result<()> {
    if text.is_empty() {
        return Err(Error::invalid(OP, format!("the {what} is empty")));
    }
    if text.len() > max {
        let len = text.len();
        return Err(Error::invalid(OP, format!("the {what} has {len} bytes, more than {max}")));
    }
    Ok(())
}

/// Names the character by its code point, never raw: it may be invisible or move the cursor. The
/// text around it is left out, since a user may have pasted a key where a name belongs.
fn wrong_character(what: &'static str, text: &str, at: usize, c: char) -> Error {
    let place = text[..at].chars().count() + 1;
    let shown = match c {
        ' ' => "a space".to_owned(),
        c if c.is_ascii_graphic() => format!("`{c}`"),
        c => format!("U+{:04X}", u32::from(c)),
    };
    Error::invalid(OP, format!("the {what} may not have {shown} as character {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_names() {
        for good in ["a", "openai", "azure-openai", "x.y_z-9", "0", &"a".repeat(63)] {
            assert_eq!(Service::new(good).unwrap().as_str(), good);
            assert!(KeyName::new(good).is_ok());
        }
        for bad in ["", "-a", ".a", "_a", "A", "a b", "a/b", "ä", "a\0", "a\n", &"a".repeat(64)] {
            assert!(Service::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ids() {
        for good in ["alice", "Alice", "a b", "root@pam", "a/b:c", "global", &"x".repeat(255)] {
            assert_eq!(OwnerId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", " a", "a ", "a\tb", "a\u{7f}", "é", "аlice", "a\u{200b}", &"x".repeat(256)]
        {
            assert!(OwnerId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn variable_names() {
        for good in ["OPENAI_API_KEY", "_", "a1", &"X".repeat(255)] {
            assert_eq!(EnvName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "1A", "A-B", "A=B", "A B", "Ä", "A\0", "sk-proj-1", &"X".repeat(256)] {
            assert!(EnvName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn errors_name_the_character_and_its_place() {
        let error = |text| Service::new(text).unwrap_err().to_string();
        assert_eq!(error("openAI"), "the service may not have `A` as character 5");
        assert_eq!(error("open ai"), "the service may not have a space as character 5");
        assert_eq!(error("оpenai"), "the service may not have U+043E as character 1");
        assert_eq!(error(""), "the service is empty");
        let error = OwnerId::new("al\u{1b}[31m").unwrap_err().to_string();
        assert_eq!(error, "the owner id may not have U+001B as character 3");
    }

    #[test]
    fn comparison_is_by_bytes() {
        assert_ne!(OwnerId::new("Alice").unwrap(), OwnerId::new("alice").unwrap());
    }

    #[test]
    fn json_goes_through_the_parser() {
        assert!(serde_json::from_str::<Service>("\"openai\"").is_ok());
        assert!(serde_json::from_str::<Service>("\"open ai\"").is_err());
    }
}

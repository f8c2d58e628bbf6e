//! Whose key is used: how far to look, what was found on the way.

use std::fmt;
use std::str::FromStr;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::{EnvName, Owner, OwnerId};
use crate::error::{Error, ErrorKind, Result};

/// How far to look for a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fallback {
    /// The user's own key and no other: nobody else pays for this user.
    Require,
    /// The user's own, else that of the first team that has one, else everybody's, else a named
    /// environment variable.
    Prefer,
    /// Everybody's key and no other.
    Never,
}

impl Fallback {
    /// The word in commands, logs and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Prefer => "prefer",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Fallback {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Require, Self::Prefer, Self::Never]
            .into_iter()
            .find(|it| it.word() == text)
            .ok_or_else(|| {
                Error::invalid("model.parse", "not a way to fall back")
                    .with_hint("write `require`, `prefer` or `never`")
            })
    }
}

impl Serialize for Fallback {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// Where a key may come from.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Source {
    /// It is stored, and this is whose it is.
    Owner(Owner),
    /// It stands in this variable of the program's environment.
    Environment(EnvName),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => owner.fmt(f),
            Self::Environment(name) => write!(f, "environment:{name}"),
        }
    }
}

/// As an owner: `{"kind":"environment","id":"OPENAI_API_KEY"}`.
impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self {
            Self::Owner(owner) => return owner.serialize(serializer),
            Self::Environment(name) => name,
        };
        let mut source = serializer.serialize_struct("Source", 2)?;
        source.serialize_field("kind", "environment")?;
        source.serialize_field("id", name)?;
        source.end()
    }
}

/// What a source gave.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Gave {
    /// There is no such key: the next source is asked.
    Missing,
    /// The key that is used.
    Key,
    /// There is a key, and it cannot be used: the search ends with this error.
    Failed(ErrorKind),
}

impl Gave {
    /// The word in logs and JSON: `missing`, `key`, or the error's code.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Key => "key",
            Self::Failed(kind) => kind.code(),
        }
    }
}

impl Serialize for Gave {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// One source that was asked.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Step {
    /// Which.
    pub from: Source,
    /// What it gave.
    pub gave: Gave,
}

/// Why a key is used, or none: who was asked for, how far it was looked, and what each source gave
/// that was asked, in order. Only the last one gave anything but `Missing`.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Trail {
    /// For whom a key was looked for.
    pub user: OwnerId,
    /// How far.
    pub policy: Fallback,
    /// What was asked.
    pub steps: Vec<Step>,
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} user:{}", self.policy, self.user)?;
        for Step { from, gave } in &self.steps {
            write!(f, ", {from}: {}", gave.word())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for policy in [Fallback::Require, Fallback::Prefer, Fallback::Never] {
            assert_eq!(policy.to_string().parse::<Fallback>().unwrap(), policy);
        }
        for text in ["", "Require", "always", " never"] {
            assert!(text.parse::<Fallback>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_trail_reads_as_what_happened() {
        let user = OwnerId::new("alice").unwrap();
        let steps = vec![
            Step { from: Source::Owner(Owner::User(user.clone())), gave: Gave::Missing },
            Step {
                from: Source::Environment(EnvName::new("OPENAI_API_KEY").unwrap()),
                gave: Gave::Key,
            },
        ];
        let trail = Trail { user, policy: Fallback::Prefer, steps };
        assert_eq!(
            trail.to_string(),
            "prefer user:alice, user:alice: missing, environment:OPENAI_API_KEY: key"
        );
        assert_eq!(
            serde_json::to_value(&trail).unwrap(),
            serde_json::json!({
                "user": "alice",
                "policy": "prefer",
                "steps": [
                    { "from": { "kind": "user", "id": "alice" }, "gave": "missing" },
                    { "from": { "kind": "environment", "id": "OPENAI_API_KEY" }, "gave": "key" },
                ],
            })
        );
    }
}

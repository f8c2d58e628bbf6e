//! Who asks, why, and under which request id.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Makes a text newtype for what a caller says of itself: short, and without control characters,
/// so that it cannot forge a log line.
macro_rules! said_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes the value.
            ///
            /// # Errors
            /// `InvalidInput` if it is empty, too long, or holds a control character.
            pub fn new(text: impl AsRef<str>) -> Result<Self> {
                let text = text.as_ref();
                if text.is_empty() || text.len() > $max || text.chars().any(char::is_control) {
                    return Err(Error::invalid(
                        "model.parse",
                        concat!($what, " is 1 to ", $max, " bytes without control characters"),
                    ));
                }
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
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

said_text! {
    /// Who asks, such as `cli:alice` or `gateway:token-7`: 1 to 255 bytes.
    Actor, "an actor", 255
}

said_text! {
    /// Why, in the caller's words: 1 to 1024 bytes.
    Reason, "a reason", 1024
}

said_text! {
    /// What ties log lines and events of one request together: 1 to 128 bytes.
    RequestId, "a request id", 128
}

/// Who asks, why, and under which request id: in the options of every manager call, and in every
/// event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Which request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

impl Caller {
    /// A caller that says who it is and no more.
    pub fn new(actor: Actor) -> Self {
        Self { actor, reason: None, request_id: None }
    }
}

/// An application that does not say who asks: the actor `application`.
impl Default for Caller {
    fn default() -> Self {
        Self::new(Actor(Arc::from("application")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_forge_lines() {
        assert!(Actor::new("alice\nroot").is_err());
        assert!(Reason::new("a\u{1b}[2K").is_err());
        assert!(RequestId::new("").is_err());
        assert!(Actor::new("x".repeat(256)).is_err());
        assert!(Reason::new("because of müde keys").is_ok());
    }
}

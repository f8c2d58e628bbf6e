//! Why a command failed, as its user sees it.

use std::error::Error as _;
use std::io;

use llm_keys::error::StoreFault;
use llm_keys::model::Fallback;
use llm_keys::{Error, ErrorKind, KeyId, OwnerId, Service, Version};

use crate::exit::Exit;

/// What every fallible function of this program returns.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The engine said no.
    Engine(Error),
    /// There is no such key.
    NotFound(KeyId),
    /// There is no such version, or no such key.
    NoVersion(KeyId, Version),
    /// There is no deleted key of this id.
    NoDeleted(KeyId),
    /// The version is there, but what it held is gone.
    Shredded(KeyId, Version),
    /// There is no key that this user may use.
    Unresolved {
        /// For what.
        service: Service,
        /// For whom.
        user: OwnerId,
        /// How far it was looked.
        policy: Fallback,
    },
    /// The command line or the settings make no sense.
    Usage {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// This many checks of `doctor` or `kms check` failed, which it has said already.
    Checks(usize),
    /// Whoever read our output has seen enough.
    ClosedPipe,
    /// Ctrl-C.
    Interrupted,
}

impl Failure {
    /// Wrong usage.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub(crate) fn with_hint(self, text: impl Into<String>) -> Self {
        match self {
            Self::Usage { message, .. } => Self::Usage { message, hint: Some(text.into()) },
            Self::Engine(error) => Self::Engine(error.with_hint(text.into())),
            other => other,
        }
    }

    /// A file or stream of this machine failed.
    pub(crate) fn io(op: &'static str, detail: String, error: io::Error) -> Self {
        Self::Engine(Error::new(ErrorKind::Io, op, detail).with_source(error))
    }

    /// How the program ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Engine(error) => error.kind().into(),
            Self::NotFound(_)
            | Self::NoVersion(..)
            | Self::NoDeleted(_)
            | Self::Shredded(..)
            | Self::Unresolved { .. } => Exit::NotFound,
            Self::Usage { .. } => Exit::Usage,
            Self::Checks(_) => Exit::CheckFailed,
            // `llm-keys list | head -1` worked.
            Self::ClosedPipe => Exit::Ok,
            Self::Interrupted => Exit::Interrupted,
        }
    }

    /// The stable code for JSON.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Engine(error) => error.kind().code(),
            Self::NotFound(_)
            | Self::NoVersion(..)
            | Self::NoDeleted(_)
            | Self::Shredded(..)
            | Self::Unresolved { .. } => "not_found",
            Self::Usage { .. } => "usage",
            Self::Checks(_) => "check_failed",
            Self::ClosedPipe => "closed_pipe",
            Self::Interrupted => "interrupted",
        }
    }

    /// What went wrong, with all causes, on one line.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Engine(error) => {
                let mut message = error.to_string();
                let mut cause = error.source();
                while let Some(source) = cause {
                    message = format!("{message}: {source}");
                    cause = source.source();
                }
                one_line(&message)
            }
            Self::NotFound(id) => format!("there is no key {id}"),
            Self::NoVersion(id, version) => format!("there is no version {version} of {id}"),
            Self::NoDeleted(id) => format!("there is no deleted key {id}"),
            Self::Shredded(id, version) => {
                format!("version {version} of {id} was shredded: nothing is left of what it held")
            }
            Self::Unresolved { service, user, policy } => {
                format!("there is no key for {service} that user:{user} gets with `{policy}`")
            }
            Self::Usage { message, .. } => one_line(message),
            Self::Checks(1) => "1 check failed".to_owned(),
            Self::Checks(count) => format!("{count} checks failed"),
            Self::ClosedPipe => "the output was closed".to_owned(),
            Self::Interrupted => "interrupted".to_owned(),
        }
    }

    /// What to do about it, where we know.
    pub(crate) fn hint(&self) -> Option<&str> {
        match self {
            // The engine speaks to programmers here.
            Self::Engine(error) if error.kind() == ErrorKind::Store(StoreFault::SchemaTooOld) => {
                Some("`llm-keys init` makes them, or brings them up to date")
            }
            Self::Engine(error) => error.hint(),
            Self::Usage { hint, .. } => hint.as_deref(),
            Self::NotFound(_) | Self::NoVersion(..) | Self::Unresolved { .. } => {
                Some("`llm-keys list` shows which keys there are")
            }
            Self::NoDeleted(_) => Some("`llm-keys list --deleted` shows which there are"),
            Self::Shredded(..) => Some("`llm-keys history` shows which versions there are"),
            Self::Checks(_) | Self::ClosedPipe | Self::Interrupted => None,
        }
    }

    /// The operation of the engine that failed.
    pub(crate) fn op(&self) -> Option<&'static str> {
        match self {
            Self::Engine(error) => Some(error.op()),
            _ => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// Causes come from other libraries: whatever they hold, it cannot start a line of its own or move
/// the cursor.
fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_with_its_causes() {
        let error = Error::new(ErrorKind::Io, "test.run", "it broke")
            .with_source(io::Error::other("first\n\u{1b}[2Ksecond"));
        assert_eq!(Failure::from(error).message(), "it broke: first  [2Ksecond");
    }
}

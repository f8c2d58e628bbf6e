//! One error for the whole engine: a stable kind, the operation that failed, and what caused it.
//!
//! A missing key is never an error (it is `Ok(None)`), and an outage is never `None`.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

pub use self::kind::{ErrorKind, IntegrityFault, KmsFault, StoreFault};

mod kind;

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure: what kind, in which operation, why, and what to do about it.
///
/// It is cheap to clone, because one failed load is shared by all who waited for it. It never
/// holds a secret: `detail` and `hint` are written by this project or are cleaned before they
/// get in. `Display` is one line that reads after "failed to"; the cause is in
/// [`source`](StdError::source).
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    op: &'static str,
    detail: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure of `kind` in operation `op` (`room.verb`, such as `store.commit`); `detail` says
    /// what was wrong, as a lower-case fragment.
    pub fn new(kind: ErrorKind, op: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner { kind, op, detail: detail.into(), hint: None, source: None }))
    }

    /// Bad input from the caller: nothing was changed.
    pub fn invalid(op: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidInput, op, detail)
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::new(source));
        self
    }

    /// Adds what to do next: a command to run, a permission to give.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        Arc::make_mut(&mut self.0).hint = Some(hint.into());
        self
    }

    /// What kind of failure this is. Stable: decide by it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed, such as `kms.unwrap_key`.
    pub fn op(&self) -> &'static str {
        self.0.op
    }

    /// What was wrong, without operation and cause.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What to do next, where we know.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}", self.0.kind, self.0.op, self.0.detail)?;
        if let Some(hint) = &self.0.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        let mut cause = self.source();
        while let Some(source) = cause {
            write!(f, "\n  caused by: {source}")?;
            cause = source.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_and_debug_tells_all() {
        let error = Error::new(ErrorKind::Conflict, "store.commit", "the key changed meanwhile")
            .with_hint("read it again")
            .with_source(std::io::Error::other("disk"));
        assert_eq!(error.to_string(), "the key changed meanwhile");
        let debug = format!("{error:?}");
        assert_eq!(
            debug,
            "conflict in store.commit: the key changed meanwhile\n  hint: read it again\n  caused by: disk"
        );
    }

    #[test]
    fn a_clone_shares_the_cause() {
        let error = Error::invalid("model.parse", "empty").with_source(std::io::Error::other("x"));
        let clone = error.clone();
        assert_eq!(clone.kind(), ErrorKind::InvalidInput);
        assert!(StdError::source(&clone).is_some());
    }
}

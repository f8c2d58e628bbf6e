//! What the tests need running beside them.

use crate::failure::Result;

/// The servers of one test run. Each is a field whose type starts it and stops it on drop, so that
/// a failing test run leaves nothing behind.
///
/// There are none yet: the tests need SQLite and a local master key, and both live in the test.
pub(crate) struct Services {}

impl Services {
    /// Starts all of them, and returns when they answer.
    ///
    /// # Errors
    /// A server that does not start fails the run; no test is skipped for want of one.
    pub(crate) fn start() -> Result<Self> {
        Ok(Self {})
    }
}

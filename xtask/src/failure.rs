//! How a task fails.

use std::fmt;
use std::process::ExitCode;

/// What every task returns.
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// Why a task failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// We say it.
    Said(String),
    /// A tool said it already, as its last words, and ended with this code.
    SaidByTool(u8),
}

impl Failure {
    /// A failure in our own words: what is wrong, and what to do about it.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self::Said(message.to_string())
    }

    /// Prints it, and gives the code to end with.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Said(message) => {
                eprintln!("xtask: {message}");
                ExitCode::FAILURE
            }
            Self::SaidByTool(code) => ExitCode::from(code),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(message) => f.write_str(message),
            Self::SaidByTool(code) => write!(f, "a tool ended with code {code}"),
        }
    }
}

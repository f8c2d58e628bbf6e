//! What the program finds: our environment without what is ours, and the keys.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use llm_keys::ApiKey;

/// The beginning of every variable of ours.
pub(super) const OURS: &str = "LLM_KEYS_";

/// A program that is ready to be started. Nothing on it shows what is in it.
pub(crate) struct Environment {
    command: Command,
}

impl Environment {
    /// `program` with its arguments and all of this process's environment but what is ours.
    pub(crate) fn of(program: &OsStr, args: &[OsString]) -> Self {
        let mut command = Command::new(program);
        command.args(args);
        let ours = std::env::vars_os().map(|(name, _)| name);
        for name in ours.filter(|name| name.as_bytes().starts_with(OURS.as_bytes())) {
            command.env_remove(name);
        }
        Self { command }
    }

    /// Gives it `key` in the variable `name`. The copy is wiped by nothing: it goes with this
    /// process's memory, when the program takes its place.
    pub(crate) fn set(&mut self, name: &str, key: &ApiKey) {
        let value = key.expose(|key| OsString::from_vec(key.to_vec()));
        self.command.env(name, value);
    }

    /// Becomes the program. It comes back only if that fails.
    ///
    /// Signals are as this process got them: what was ignored stays ignored, all else is as usual.
    /// The files that we opened are closed by it.
    pub(crate) fn exec(mut self) -> io::Error {
        self.command.exec()
    }
}

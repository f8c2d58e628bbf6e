//! Programs of database servers that the machine has installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Result};

/// The first of these programs that is on the `PATH` or in one of the folders.
pub(super) fn find(names: &[&str], folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<_> = folders.iter().cloned().chain(std::env::split_paths(&path)).collect();
    names
        .iter()
        .flat_map(|name| all.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// Whether a command succeeds; what it prints is of no interest.
pub(super) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a command that prepares a server.
pub(super) fn prepare(command: &mut Command) -> Result {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        Failure::new(format!("cannot start {}: {error}", command.get_program().display()))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let program = Path::new(command.get_program()).display();
    Err(Failure::new(format!("{program} failed:\n{}", String::from_utf8_lossy(&output.stderr))))
}

/// Whether this is root, as whom database servers do not run.
pub(super) fn as_root() -> bool {
    rustix::process::geteuid().is_root()
}

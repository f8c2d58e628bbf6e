//! Running other programs, by preference cargo.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use crate::failure::{Failure, Result};
use crate::workspace;

/// Cargo with these arguments, in the root of the workspace.
pub(crate) fn cargo(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Command> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(workspace::root()?);
    forget_this_package(&mut command);
    Ok(command)
}

/// Takes away what cargo told this program about itself.
pub(crate) fn forget_this_package(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        // What cargo set for this program would be wrong for the build scripts of others.
        let leaked = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if leaked {
            command.env_remove(name);
        }
    }
    command
}

/// Says what runs, and runs it; its output is the user's.
pub(crate) fn run(command: &mut Command) -> Result {
    say(command);
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Failure::SaidByTool(code),
        None => Failure::new(format!("`{}` was killed: {status}", line(command))),
    })
}

/// Says what runs, runs it, and keeps what it printed.
pub(crate) fn capture(command: &mut Command) -> Result<Output> {
    say(command);
    command.stdin(Stdio::null()).output().map_err(|error| cannot_start(command, &error))
}

/// The standard output of a command that must succeed.
pub(crate) fn stdout(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    if !output.status.success() {
        let talk = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("`{}` failed:\n{}", line(command), talk.trim_end())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Fails with how to install it, unless cargo has this subcommand.
pub(crate) fn require(subcommand: &str) -> Result {
    let known = cargo([subcommand, "--version"])?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if known {
        return Ok(());
    }
    Err(Failure::new(format!(
        "cargo-{subcommand} is missing: run `cargo install --locked cargo-{subcommand}`"
    )))
}

fn say(command: &Command) {
    eprintln!("xtask: {}", line(command));
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot start `{}`: {error}", line(command)))
}

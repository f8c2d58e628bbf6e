//! Servers and clients that come as Python packages, each in a virtual environment of its own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Result};
use crate::workspace;

use super::keeper::tail;
use super::patience::Stopwatch;
use super::place::{Place, cannot, open};

/// A Python of this machine.
pub(super) struct Python {
    program: PathBuf,
    /// Such as 3.11.
    version: (u32, u32),
}

/// Packages to install.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    /// A file of `xtask/servers` with versions and hashes.
    pub(super) lock: &'a str,
}

impl Python {
    /// The first Python of the `PATH` whose version will do; `wanted` says which do, and `else_do`
    /// what to do without one.
    pub(super) fn find(
        will_do: impl Fn((u32, u32)) -> bool,
        wanted: &str,
        else_do: &str,
    ) -> Result<Self> {
        let newest_first = (OLDEST.1..=NEWEST_MINOR).rev().map(|minor| format!("python3.{minor}"));
        let mut others = BTreeSet::new();
        for name in std::iter::once("python3".to_owned()).chain(newest_first) {
            match Self::ask(&name) {
                Some(python) if will_do(python.version) => return Ok(python),
                Some(python) => others.extend([python.version]),
                None => {}
            }
        }
        Err(missing(wanted, &others, else_do))
    }

    /// Any that still gets fixes.
    pub(super) fn any() -> Result<Self> {
        Self::find(
            |version| version >= OLDEST,
            "3.10 or later",
            "on Debian: `apt-get install python3 python3-venv`",
        )
    }

    pub(super) fn version(&self) -> (u32, u32) {
        self.version
    }

    /// The virtual environment with these packages; it is made if it is missing.
    pub(super) fn environment(&self, place: &Place, wanted: &Wanted<'_>) -> Result<PathBuf> {
        let lock = place.file(wanted.lock);
        let folder = place.installed()?.join(folder_name(
            wanted.name,
            self.version,
            &workspace::read(&lock)?,
        ));
        let guard = open(&folder.with_added_extension("lock"))?;
        guard.lock().map_err(|error| cannot("lock", &folder, &error))?;
        let complete = folder.join("installed");
        if !complete.exists() {
            let stopwatch = Stopwatch::start();
            eprintln!("xtask: installing {}", wanted.name);
            self.install(&folder, &lock, &place.log(&format!("install-{}", wanted.name))?)?;
            File::create(&complete).map_err(|error| cannot("write", &complete, &error))?;
            let seconds = stopwatch.elapsed().as_secs_f64();
            eprintln!("xtask: installed {} ({seconds:.1} s)", wanted.name);
        }
        Ok(folder)
    }

    fn install(&self, folder: &Path, lock: &Path, log: &Path) -> Result {
        fs::write(log, "").map_err(|error| cannot("write", log, &error))?;
        let mut make = Command::new(&self.program);
        logged(make.args(["-m", "venv", "--clear"]).arg(folder), log).map_err(|failure| {
            Failure::new(format!("{failure}\non Debian: `apt-get install python3-venv`"))
        })?;
        let mut pip = Command::new(program(folder, "python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        logged(pip.args(["--require-hashes", "--requirement"]).arg(lock), log)
    }

    fn ask(name: &str) -> Option<Self> {
        let script = "import sys; print(*sys.version_info[:2], sys.executable)";
        let output = Command::new(name).args(["-c", script]).stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let mut words = text.trim_end().splitn(3, ' ');
        let version = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { program: words.next()?.into(), version })
    }
}

fn missing(wanted: &str, others: &BTreeSet<(u32, u32)>, else_do: &str) -> Failure {
    let others: Vec<_> = others.iter().map(|(major, minor)| format!("{major}.{minor}")).collect();
    let found = match others.is_empty() {
        true => "none at all".to_owned(),
        false => format!("only {}", others.join(", ")),
    };
    Failure::new(format!("it needs Python {wanted}, and the PATH has {found}: {else_do}"))
}

/// A program of a virtual environment.
pub(super) fn program(environment: &Path, name: &str) -> PathBuf {
    environment.join("bin").join(name)
}

/// Other packages or another Python make another folder, so that old runs are left in peace.
fn folder_name(name: &str, (major, minor): (u32, u32), lock: &str) -> String {
    // FNV-1a: it tells versions of a file apart, and is the same with every compiler.
    let hash = lock.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{name}-py{major}.{minor}-{hash:016x}")
}

/// Runs a command that must succeed; what it says goes to the log.
fn logged(command: &mut Command, log: &Path) -> Result {
    let append = || File::options().append(true).open(log);
    let output = append().map_err(|error| cannot("write", log, &error))?;
    let errors = append().map_err(|error| cannot("write", log, &error))?;
    let status = command.stdin(Stdio::null()).stdout(output).stderr(errors).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure::new(format!(
            "it cannot be installed; the end of {}:\n{}",
            log.display(),
            tail(log)
        ))),
        Err(error) => Err(cannot("run", Path::new(command.get_program()), &error)),
    }
}

const OLDEST: (u32, u32) = (3, 10);

const NEWEST_MINOR: u32 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_after_what_is_in_it() {
        assert_eq!(folder_name("x", (3, 11), ""), "x-py3.11-cbf29ce484222325");
        assert_eq!(folder_name("x", (3, 11), "a"), "x-py3.11-af63dc4c8601ec8c");
        assert_ne!(folder_name("x", (3, 13), ""), folder_name("x", (3, 11), ""));
    }
    #[test]
    fn a_missing_python_is_said_with_those_that_are_there() {
        let found = BTreeSet::from([(3, 12), (3, 10)]);
        let text = missing("3.11", &found, "get it").to_string();
        assert_eq!(text, "it needs Python 3.11, and the PATH has only 3.10, 3.12: get it");
        let text = missing("3.11", &BTreeSet::new(), "get it").to_string();
        assert_eq!(text, "it needs Python 3.11, and the PATH has none at all: get it");
    }
}

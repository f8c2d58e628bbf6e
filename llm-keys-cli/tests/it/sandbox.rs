//! A folder of one test: a home for the program, a working directory, and nothing of this machine.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_llm-keys");

pub(crate) struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// In another folder for temporary files.
    pub(crate) fn below(parent: &Path) -> Self {
        let folder = tempfile::tempdir_in(parent).unwrap();
        for name in ["work", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The `LLM_KEYS_HOME` of the program, which it makes itself.
    pub(crate) fn home(&self) -> PathBuf {
        self.path().join("home")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// `program` with the environment of a plain user, and none of this process's.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let bin = Path::new(PROGRAM).parent().unwrap().display();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))
            .env("HOME", self.path())
            .env("USER", "tester")
            .env("LLM_KEYS_HOME", self.home())
            .env("TMPDIR", self.path().join("tmp"))
            .env("LC_ALL", "C.UTF-8")
            .current_dir(self.work());
        command
    }

    /// Starts the program with pipes for everything.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(PROGRAM);
        command.args(args);
        start(command)
    }

    /// Runs the program with `input` on its standard input.
    pub(crate) fn run(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command(PROGRAM);
        command.args(args);
        feed(command, input)
    }

    /// The same, which must work; its standard output.
    pub(crate) fn must(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input);
        let talk = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {talk}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Runs `command` with `input` on its standard input.
pub(crate) fn feed(command: Command, input: &str) -> Output {
    let mut child = start(command);
    // A program that does not want it has closed the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Starts `command` with pipes for everything.
pub(crate) fn start(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

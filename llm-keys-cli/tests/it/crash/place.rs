//! Where a campaign runs: a home and a database of its own, and two KMS keys.

use std::cell::Cell;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use llm_keys::{Random as _, SystemRandom};

use super::database::{Backend, Database};
use crate::sandbox::{PROGRAM, Sandbox, feed};

pub(super) struct Place {
    sandbox: Sandbox,
    database: Database,
    /// Whether the second KMS key is the one that is written under.
    moved: Cell<bool>,
}

impl Place {
    pub(super) fn new(backend: Backend) -> Self {
        // In memory where it can be: what is looked for are processes that end, not disks.
        let memory = Path::new("/dev/shm");
        let sandbox = if memory.is_dir() { Sandbox::below(memory) } else { Sandbox::new() };
        let database = Database::new(backend, &sandbox.home());
        let place = Self { sandbox, database, moved: Cell::new(false) };
        let mut second = [0; 32];
        SystemRandom.fill(&mut second).unwrap();
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(place.second())
            .and_then(|mut file| std::io::Write::write_all(&mut file, &second))
            .unwrap();
        place
    }

    /// The URL of the database.
    pub(super) fn url(&self) -> &str {
        &self.database.url
    }

    /// Both master key files, that which is written under first.
    pub(super) fn masters(&self) -> [PathBuf; 2] {
        let [first, second] = [self.sandbox.home().join("master.key"), self.second()];
        if self.moved.get() { [second, first] } else { [first, second] }
    }

    /// The KMS key that is written under.
    pub(super) fn writing(&self) -> String {
        self.uris()[0].clone()
    }

    /// The one that is only read with.
    pub(super) fn other(&self) -> String {
        self.uris()[1].clone()
    }

    fn uris(&self) -> [String; 2] {
        let [first, second] = ["local".to_owned(), format!("local:{}", self.second().display())];
        if self.moved.get() { [second, first] } else { [first, second] }
    }

    fn second(&self) -> PathBuf {
        self.sandbox.work().join("second.key")
    }

    /// From now on the other one is written under.
    pub(super) fn move_over(&self) {
        self.moved.set(!self.moved.get());
    }

    /// A file with this text that only its owner reads.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.sandbox.work().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Waits until what a killed program began is over.
    pub(super) fn settle(&self) {
        self.database.until_nobody_uses_it();
    }

    pub(super) fn path(&self) -> &Path {
        self.sandbox.path()
    }

    /// The program with the settings of this place.
    pub(super) fn program(&self, args: &[String]) -> Command {
        let mut command = self.sandbox.command(PROGRAM);
        command.args(args).env("LLM_KEYS_KMS_READ", self.other());
        // The program makes a master key only where nobody has named one, and the folder of a
        // database, too.
        if self.moved.get() {
            command.env("LLM_KEYS_KMS", self.writing());
        }
        if self.database.backend != Backend::Sqlite {
            command.env("LLM_KEYS_DATABASE_URL", self.url());
        }
        command
    }

    /// Runs the program to its end.
    pub(super) fn run(&self, (args, input): &(Vec<String>, String)) -> Output {
        feed(self.program(args), input)
    }
}

//! The folder in which the servers live. It survives between runs.
//!
//! ```text
//! target/test-servers/
//!     venvs/NAME-PYTHON-LOCK/   what pip installed
//!     run-N/                    of one run at a time
//!         lock                  held by that run and by its keepers
//!         logs/NAME.log         what a server said in its last run
//!         scratch/NAME/         empty at the start of each run
//!         warm/NAME/            kept: what makes the next start fast
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::workspace;

/// The folder of this run, taken until this is dropped.
pub(super) struct Place {
    cache: PathBuf,
    run: PathBuf,
    /// Where the checkout keeps files for servers.
    files: PathBuf,
    _lock: File,
}

impl Place {
    /// Takes the first folder that no other run uses.
    pub(super) fn take() -> Result<Self> {
        let root = workspace::root()?;
        let cache = match std::env::var_os(CACHE) {
            Some(cache) => root.join(cache),
            None => workspace::target()?.join("test-servers"),
        };
        Self::take_in(cache, root.join("xtask/servers"))
    }

    fn take_in(cache: PathBuf, files: PathBuf) -> Result<Self> {
        for number in 0..MOST_RUNS {
            let run = folder(cache.join(format!("run-{number}")))?;
            let lock = open(&run.join("lock"))?;
            if lock.try_lock().is_err() {
                continue;
            }
            // Shared from now on, because the keepers hold it too: a server that is still being
            // stopped keeps the next run away.
            lock.lock_shared().map_err(|error| cannot("lock", &run, &error))?;
            let scratch = run.join("scratch");
            if scratch.exists() {
                fs::remove_dir_all(&scratch).map_err(|error| cannot("empty", &scratch, &error))?;
            }
            return Ok(Self { cache, run, files, _lock: lock });
        }
        Err(Failure::new(format!(
            "{MOST_RUNS} runs use {} already: wait for one, or set {CACHE} to another folder",
            cache.display()
        )))
    }

    /// A folder that is empty at the start.
    pub(super) fn scratch(&self, name: &str) -> Result<PathBuf> {
        folder(self.run.join("scratch").join(name))
    }

    /// A folder that still holds what the last run left in it.
    pub(super) fn warm(&self, name: &str) -> Result<PathBuf> {
        folder(self.run.join("warm").join(name))
    }

    /// Where a server writes what it says.
    pub(super) fn log(&self, name: &str) -> Result<PathBuf> {
        Ok(folder(self.run.join("logs"))?.join(format!("{name}.log")))
    }

    /// Where installed software is. All runs use the same.
    pub(super) fn installed(&self) -> Result<PathBuf> {
        folder(self.cache.join("venvs"))
    }

    /// A file that the checkout has for servers.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }

    /// The file whose lock says that this folder is in use.
    pub(super) fn lock(&self) -> PathBuf {
        self.run.join("lock")
    }
}

/// Opens a file to lock it.
pub(super) fn open(path: &Path) -> Result<File> {
    let opened = File::options().create(true).truncate(false).write(true).open(path);
    opened.map_err(|error| cannot("open", path, &error))
}

/// What could not be done with a file, and why.
pub(super) fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}", path.display()))
}

fn folder(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).map_err(|error| cannot("make", &path, &error))?;
    Ok(path)
}

/// Names another folder for the servers.
const CACHE: &str = "LLM_KEYS_TEST_CACHE";

const MOST_RUNS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_have_two_folders_and_the_next_starts_clean() {
        let cache = tempfile::tempdir().unwrap();
        let take = || Place::take_in(cache.path().to_owned(), PathBuf::new()).unwrap();
        let first = take();
        let second = take();
        assert_ne!(first.run, second.run);
        let old = first.scratch("x").unwrap().join("old");
        let warm = first.warm("x").unwrap().join("warm");
        fs::write(&old, "").unwrap();
        fs::write(&warm, "").unwrap();
        let run = first.run.clone();
        drop(first);
        let third = take();
        assert_eq!(third.run, run);
        assert!(!old.exists());
        assert!(warm.exists());
    }

    #[test]
    fn a_keeper_holds_the_folder_too() {
        let cache = tempfile::tempdir().unwrap();
        let take = || Place::take_in(cache.path().to_owned(), PathBuf::new()).unwrap();
        let first = take();
        let run = first.run.clone();
        let keeper = open(&first.lock()).unwrap();
        keeper.lock_shared().unwrap();
        drop(first);
        assert_ne!(take().run, run);
    }
}

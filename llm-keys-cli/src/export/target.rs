//! The file of a backup: whole or not there, and for its owner alone.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use llm_keys::{Error, ErrorKind};
use tempfile::NamedTempFile;

use crate::failure::{Failure, Result};

/// A file of mode 0600 under a passing name beside its place, until it is [kept](Self::keep). What
/// goes into it is sealed already, so it can be written as it comes, however much there is.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    folder: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl Target {
    /// A file that will be at `path`.
    ///
    /// # Errors
    /// `Conflict` if something is there; `Io` if the folder cannot be written.
    pub(crate) fn make(path: &Path) -> Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(is_there(path));
        }
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let file = NamedTempFile::new_in(&folder).map_err(|error| {
            Failure::io("cli.export", format!("{} cannot be written", folder.display()), error)
        })?;
        Ok(Self { path: path.to_owned(), folder, file: BufWriter::new(file) })
    }

    /// Brings it down to the disk and gives it its name.
    ///
    /// # Errors
    /// `Conflict` if something has that name meanwhile; `Io` if the disk fails.
    pub(crate) fn keep(self) -> Result<()> {
        let failed = |error: io::Error| unwritten(&self.path, error);
        let file = self.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist_noclobber(&self.path).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => is_there(&self.path),
            _ => failed(error.error),
        })?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The failure that `path` could not be written.
pub(super) fn unwritten(path: &Path, error: io::Error) -> Failure {
    Failure::io("cli.export", format!("{} cannot be written", path.display()), error)
}

fn is_there(path: &Path) -> Failure {
    let detail = format!("{} is there already, and is not replaced", path.display());
    Error::new(ErrorKind::Conflict, "cli.export", detail).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn it_is_there_whole_and_private_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup.age");
        let mut target = Target::make(&path).unwrap();
        target.write_all(b"half").unwrap();
        drop(target);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let mut target = Target::make(&path).unwrap();
        target.write_all(b"whole").unwrap();
        target.keep().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup.age");
        let late = Target::make(&path).unwrap();
        std::fs::write(&path, "first").unwrap();
        assert_eq!(late.keep().unwrap_err().code(), "conflict");
        assert_eq!(Target::make(&path).unwrap_err().code(), "conflict");
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}

//! Files that only their owner may read: judged by the open handle and never by name, written
//! whole or not at all.
//!
//! A file is opened once. Type, owner and mode are asked of what was opened, so that nobody can
//! put another file in its place between the check and the read.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::error::{Error, ErrorKind, Result};

pub(crate) use self::draft::{Draft, link, sweep};

use self::access::{Access, Fault};

mod access;
mod draft;

/// What a private file is for: the words of its errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// What a user calls it, such as `master key file`.
    pub(crate) name: &'static str,
    /// The kind of error if it is there but not usable.
    pub(crate) kind: ErrorKind,
    /// The operation for errors.
    pub(crate) op: &'static str,
    /// What to do if it is missing.
    pub(crate) missing: &'static str,
}

impl Purpose {
    /// Opens `path` for reading and checks what was opened: a regular file or a pipe, owner and
    /// mode as `access.rs` says. A symbolic link is followed.
    ///
    /// A pipe, such as `/dev/fd/3` of a shell's `<(…)`, can be read once. Opening one without a
    /// writer does not wait.
    ///
    /// # Errors
    /// `self.kind`, with a command to run where one helps.
    pub(crate) fn open(&self, path: &Path) -> Result<PrivateFile> {
        self.find(path)?.ok_or_else(|| self.unusable(path, "is missing").with_hint(self.missing))
    }

    /// The same, but a missing file is `None`.
    pub(crate) fn find(&self, path: &Path) -> Result<Option<PrivateFile>> {
        // Without `NONBLOCK` a named pipe would hang here before we can see what it is.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
        let file = match opened {
            Ok(fd) => File::from(fd),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => {
                return Err(self
                    .unusable(path, "cannot be opened")
                    .with_source(io::Error::from(error)));
            }
        };
        let failed = |error| self.unusable(path, "cannot be examined").with_source(error);
        let metadata = file.metadata().map_err(failed)?;
        let file_type = metadata.file_type();
        if file_type.is_dir() {
            return Err(self.unusable(path, "is a directory"));
        }
        let is_pipe = file_type.is_fifo();
        if !is_pipe && !file_type.is_file() {
            return Err(self.unusable(path, "is neither a regular file nor a pipe"));
        }
        let access = Access::of(&file, &metadata).map_err(failed)?;
        let user = rustix::process::geteuid().as_raw();
        access.judge(user).map_err(|fault| self.refused(path, fault, user))?;
        let flags = rustix::fs::fcntl_getfl(&file).map_err(|error| failed(error.into()))?;
        rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)
            .map_err(|error| failed(error.into()))?;
        Ok(Some(PrivateFile { file, is_pipe }))
    }

    /// The error that the file at `path` `what` (`is a directory`).
    pub(crate) fn unusable(&self, path: &Path, what: impl std::fmt::Display) -> Error {
        let (name, path) = (self.name, path.display());
        Error::new(self.kind, self.op, format!("the {name} {path} {what}"))
    }

    /// The error that something at `path` could not be `done` (`written`).
    pub(crate) fn failed(&self, path: &Path, done: &str, error: io::Error) -> Error {
        let path = path.display();
        Error::new(ErrorKind::Io, self.op, format!("{path} cannot be {done}")).with_source(error)
    }

    fn refused(&self, path: &Path, fault: Fault, user: u32) -> Error {
        let shown = shell_word(path);
        match fault {
            Fault::Owner(owner) => self
                .unusable(path, format_args!("belongs to user {owner}, not to user {user}"))
                .with_hint(format!("chown {user} {shown}")),
            Fault::Mode(mode) => self
                .unusable(path, format_args!("has mode {mode:04o}, which must be 0600 or 0400"))
                .with_hint(format!("chmod 600 {shown}")),
        }
    }
}

/// An open file that was found private.
#[derive(Debug)]
pub(crate) struct PrivateFile {
    file: File,
    is_pipe: bool,
}

impl PrivateFile {
    /// Fills `buffer` as far as there are bytes, and says how far. One byte more than is expected
    /// shows whether there are too many.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut len = 0;
        while len < buffer.len() {
            match self.file.read(&mut buffer[len..]) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(len)
    }

    /// Whether this is a pipe: nothing stands beside it, and it cannot be read again.
    pub(crate) fn is_pipe(&self) -> bool {
        self.is_pipe
    }

    /// Waits until no other process holds this file, and holds it until dropped.
    pub(crate) fn lock(&self) -> io::Result<()> {
        self.file.lock()
    }

    /// Whether `path` is this very file now.
    pub(crate) fn is_at(&self, path: &Path) -> io::Result<bool> {
        let (open, named) = (self.file.metadata()?, std::fs::metadata(path)?);
        Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
    }
}

/// The folder that `path` is in.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// `path` as one word of a shell command that can be pasted.
pub(crate) fn shell_word(path: &Path) -> Cow<'_, str> {
    let text = path.to_string_lossy();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text;
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_words_can_be_pasted() {
        assert_eq!(shell_word(Path::new("/a/b-c_d.key")), "/a/b-c_d.key");
        assert_eq!(shell_word(Path::new("/a b/$x")), "'/a b/$x'");
        assert_eq!(shell_word(Path::new("/it's")), r"'/it'\''s'");
    }

    #[test]
    fn a_bare_name_is_in_the_working_directory() {
        assert_eq!(folder_of(Path::new("master.key")), Path::new("."));
        assert_eq!(folder_of(Path::new("/x/master.key")), Path::new("/x"));
    }
}

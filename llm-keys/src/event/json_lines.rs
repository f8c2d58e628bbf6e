//! Events as lines of JSON in a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Event, EventSink};
use crate::error::{Error, ErrorKind, Result};
use crate::private_file::shell_word;

/// Appends each event as one line of JSON (RFC 8259) to a file of mode 0600. A line is written by
/// one call in append mode, so that several processes can share the file. It is handed to the
/// operating system, not forced to the disk.
///
/// A line that was cut short, by a full disk or a crash, is ended before the next one, which is
/// then whole: a reader skips lines that are no JSON.
#[derive(Debug)]
pub struct JsonLinesSink {
    path: PathBuf,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    file: File,
    /// The last line has no end yet.
    torn: bool,
}

impl JsonLinesSink {
    /// Opens `path` for appending, and makes it with mode 0600 if it is not there. A file that is
    /// there may be readable by its group (0640), for those who collect logs: its owner chose
    /// that. A terminal or a pipe, such as `/dev/stderr`, is taken as it is.
    ///
    /// # Errors
    /// `EventSink` if it cannot be opened, or if it is a file that its group can write or that
    /// everybody can read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let unwritable = |error| failed(&path, error);
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(unwritable)?;
        let metadata = file.metadata().map_err(unwritable)?;
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_file() && mode & 0o037 != 0 {
            return Err(too_open(&path, mode));
        }
        let torn = metadata.is_file() && is_torn(&path).map_err(unwritable)?;
        Ok(Self { path, log: Mutex::new(Log { file, torn }) })
    }
}

#[async_trait]
impl EventSink for JsonLinesSink {
    async fn emit(&self, event: &Event) -> Result<()> {
        // `serde_json` escapes control characters, so that no name can forge a line.
        let mut line =
            serde_json::to_vec(event).map_err(|error| failed(&self.path, error.into()))?;
        line.push(b'\n');
        // A few kilobytes into the page cache: not worth another thread.
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.append(line).map_err(|error| failed(&self.path, error))
    }
}

impl Log {
    /// Writes `line` by one call, since nothing else keeps the lines of two processes apart.
    fn append(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        if self.torn {
            line.insert(0, b'\n');
        }
        let written = loop {
            match self.file.write(&line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => break written?,
            }
        };
        if written > 0 {
            self.torn = written < line.len();
        }
        if written == line.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

/// Whether the file ends inside of a line.
fn is_torn(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != [b'\n'])
}

fn failed(path: &Path, error: io::Error) -> Error {
    let path = path.display();
    Error::new(
        ErrorKind::EventSink,
        "event.emit",
        format!("the event file {path} cannot be written"),
    )
    .with_source(error)
    .with_hint("make room or give write permission; nothing was revealed or changed")
}

fn too_open(path: &Path, mode: u32) -> Error {
    let shown = path.display();
    Error::new(
        ErrorKind::EventSink,
        "event.open",
        format!("the event file {shown} has mode {mode:04o}, which must be 0600 or 0640"),
    )
    .with_hint(format!("chmod 600 {}", shell_word(path)))
}

#[cfg(test)]
mod tests;

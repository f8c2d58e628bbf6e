//! Events as lines of JSON in a file.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use async_trait::async_trait;

use super::{Event, EventSink};
use crate::error::{Error, ErrorKind, Result};

/// Appends each event as one line of JSON (RFC 8259) to a file of mode 0600. A line is written by
/// one call in append mode, so that several processes can share the file.
#[derive(Debug)]
pub struct JsonLinesSink {
    path: PathBuf,
    file: Mutex<File>,
}

impl JsonLinesSink {
    /// Opens `path` for appending, and makes it if it is not there.
    ///
    /// # Errors
    /// `EventSink` if it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| failed(&path, error))?;
        Ok(Self { path, file: Mutex::new(file) })
    }
}

#[async_trait]
impl EventSink for JsonLinesSink {
    async fn emit(&self, event: &Event) -> Result<()> {
        // `serde_json` escapes control characters, so that no name can forge a line.
        let mut line =
            serde_json::to_vec(event).map_err(|error| failed(&self.path, error.into()))?;
        line.push(b'\n');
        // A line is far below a page and goes to the page cache: not worth another thread.
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(&line).map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    let path = path.display();
    Error::new(
        ErrorKind::EventSink,
        "event.emit",
        format!("the event file {path} cannot be written"),
    )
    .with_source(error)
    .with_hint("make room or give write permission; nothing was revealed or changed")
}

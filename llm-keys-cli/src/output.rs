//! Where output goes: data to standard output, talk to standard error; as text or as JSON.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;

use serde::Serialize;
use serde_json::json;

use crate::failure::{Failure, Result};

pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod version_view;
pub(crate) mod view;

/// Standard output and standard error of this run.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// The process's own streams.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON was asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person reads standard output.
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Writes data as it is.
    ///
    /// # Errors
    /// `ClosedPipe` if nobody reads any more, `Io` if writing fails otherwise.
    pub(crate) fn bytes(&self, data: &[u8]) -> Result<()> {
        // Not `io::stdout()` itself: its buffer is never wiped.
        let out = io::stdout().as_fd().try_clone_to_owned().map(File::from);
        out.and_then(|mut out| out.write_all(data)).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::io("output.write", "standard output cannot be written".into(), error),
        })
    }

    /// Writes a line of data.
    pub(crate) fn line(&self, text: &str) -> Result<()> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Writes a line for people: nothing with `--json`.
    pub(crate) fn text(&self, text: &str) -> Result<()> {
        if self.json { Ok(()) } else { self.line(text) }
    }

    /// Writes a document of JSON, for people indented.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<()> {
        let text = if self.is_terminal() {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        let text = text.map_err(|error| {
            Failure::io("output.write", "the JSON cannot be written".into(), error.into())
        })?;
        self.line(&text)
    }

    /// Says that it is done: on standard error, or with `--json` as a document.
    pub(crate) fn done(&self, text: &str, document: &impl Serialize) -> Result<()> {
        if self.json {
            return self.document(document);
        }
        self.note(text);
        Ok(())
    }

    /// Asks a question on standard error, and stays on its line.
    pub(crate) fn ask(&self, text: &str) {
        let _ = write!(io::stderr().lock(), "{text}");
    }

    /// Says something on standard error.
    pub(crate) fn note(&self, text: &str) {
        self.say("note", text);
    }

    /// Warns on standard error.
    pub(crate) fn warn(&self, text: &str) {
        self.say("warning", text);
    }

    /// Says why the command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        if matches!(failure, Failure::ClosedPipe) {
            return;
        }
        let (message, hint) = (failure.message(), failure.hint());
        if self.json {
            self.talk(&error_line(failure.code(), &message, hint, failure.op()));
            return;
        }
        self.talk(&format!("error: {message}"));
        if let Some(hint) = hint {
            self.talk(&format!("  hint: {hint}"));
        }
    }

    fn say(&self, kind: &'static str, text: &str) {
        match (self.json, kind) {
            (true, _) => self.talk(&json!({ kind: { "message": text } }).to_string()),
            (false, "note") => self.talk(text),
            (false, _) => self.talk(&format!("{kind}: {text}")),
        }
    }

    /// Whoever closed standard error does not want to hear.
    fn talk(&self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}

/// An error as one line of JSON: always the same four members.
pub(crate) fn error_line(
    code: &str,
    message: &str,
    hint: Option<&str>,
    op: Option<&str>,
) -> String {
    json!({ "error": { "code": code, "message": message, "hint": hint, "op": op } }).to_string()
}

//! Where passphrases come from: a private file, or the terminal.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use llm_keys::{Error, ErrorKind, SecretBytes};

use crate::failure::{Failure, Result};
use crate::secret_input;

/// Asks for passphrases.
#[derive(Clone, Debug)]
pub(crate) struct Passphrases {
    file: Option<PathBuf>,
}

impl Passphrases {
    /// Reads `file` if there is one, and asks on the terminal otherwise.
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { file }
    }

    /// The passphrase of something that is there, as the engine asks for it.
    ///
    /// # Errors
    /// `InvalidInput` if there is no way to ask, or the file is not private.
    pub(crate) fn known(&self, of: &Path) -> llm_keys::Result<SecretBytes> {
        self.ask(&format!("Passphrase of {} (hidden): ", of.display())).map_err(into_error)
    }

    /// A passphrase that is new; asked for twice on a terminal.
    ///
    /// # Errors
    /// `Usage` if there is no way to ask, the file is not private, or the two are not the same.
    pub(crate) fn new_one(&self) -> Result<SecretBytes> {
        let first = self.ask("New passphrase (hidden): ")?;
        if self.file.is_none() {
            let second = self.ask("The same again (hidden): ")?;
            if !first.expose(|first| second.expose(|second| first == second)) {
                return Err(Failure::usage("these are two passphrases"));
            }
        }
        Ok(first)
    }

    fn ask(&self, prompt: &str) -> Result<SecretBytes> {
        match &self.file {
            Some(file) => {
                check_private(file)?;
                Ok(SecretBytes::new(secret_input::read_file(file)?))
            }
            None => {
                let typed = secret_input::prompt(prompt).map_err(|failure| {
                    failure.with_hint("`--passphrase-file` names a file to read it from")
                })?;
                Ok(SecretBytes::copy_from(typed.as_bytes()))
            }
        }
    }
}

fn check_private(file: &Path) -> Result<()> {
    match std::fs::metadata(file) {
        Ok(found) if found.mode() & 0o077 != 0 => {
            let file = file.display();
            Err(Failure::usage(format!("others may read the passphrase file {file}"))
                .with_hint(format!("run `chmod 600 {file}`")))
        }
        // What else is wrong with it shows when it is read.
        _ => Ok(()),
    }
}

fn into_error(failure: Failure) -> Error {
    let op = "cli.passphrase";
    let error = match &failure {
        Failure::Engine(error) => return error.clone(),
        Failure::Interrupted => Error::new(ErrorKind::Io, op, failure.message()),
        _ => Error::invalid(op, failure.message()),
    };
    match failure.hint() {
        Some(hint) => error.with_hint(hint.to_owned()),
        None => error,
    }
}

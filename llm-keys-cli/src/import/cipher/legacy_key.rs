//! The key of another program: from a file, a variable or the terminal, never from an argument.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use llm_keys::SecretBytes;

use crate::args::LegacyArgs;
use crate::failure::{Failure, Result};
use crate::secret_input;

/// Its text.
///
/// # Errors
/// `Usage` if there is none.
pub(super) fn read(args: &LegacyArgs) -> Result<SecretBytes> {
    if let Some(file) = &args.legacy_key_file {
        return Ok(SecretBytes::new(secret_input::read_file(file)?));
    }
    if let Some(variable) = &args.legacy_key_env {
        let value = std::env::var_os(variable).map(OsString::into_vec).ok_or_else(|| {
            Failure::usage("the environment variable of `--legacy-key-env` is not set")
        })?;
        return Ok(SecretBytes::new(value));
    }
    let typed = secret_input::prompt("The other program's key (hidden): ").map_err(|failure| {
        failure.with_hint("`--legacy-key-file` or `--legacy-key-env` says where it is")
    })?;
    Ok(SecretBytes::copy_from(typed.as_bytes()))
}

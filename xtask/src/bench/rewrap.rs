//! A rewrap of 10,000 keys, beside the bare calls of OpenBao: a program of its own, because one round
//! takes seconds.

use crate::failure::Result;
use crate::process::cargo;
use crate::services::Services;

/// What it is selected by.
pub(super) const NAME: &str = "rewrap";

/// Measures, prints, and says whether the goal is met.
pub(super) fn measure() -> Result<bool> {
    let services = Services::start_some(&["OpenBao"])?;
    let mut command = cargo(["bench", "--package", "llm-keys-cli", "--bench", NAME])?;
    let status = services.introduce(&mut command).status().map_err(|error| {
        crate::failure::Failure::new(format!("cannot start the benchmark: {error}"))
    })?;
    Ok(status.success())
}

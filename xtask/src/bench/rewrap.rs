//! A rewrap of 10,000 keys, beside the bare calls of LocalStack and OpenBao: a program of its own, because one round
//! takes seconds.

use crate::failure::{Failure, Result};
use crate::process::cargo;
use crate::services::Services;

/// What it is selected by.
pub(super) const NAME: &str = "rewrap";

const LOCALSTACK: &str = "LLM_KEYS_TEST_LOCALSTACK";

/// Measures, prints, and says whether the goal is met.
pub(super) fn measure() -> Result<bool> {
    let services = Services::start_some(&["LocalStack", "OpenBao"])?;
    let mut command = cargo(["bench", "--package", "llm-keys-cli", "--bench", NAME])?;
    services.introduce(&mut command);
    let started = services.variables().find(|(name, _)| *name == LOCALSTACK);
    let server = started.map(|(_, server)| server.clone());
    if let Some(server) = server.or_else(|| std::env::var_os(LOCALSTACK)) {
        command.env("AWS_ENDPOINT_URL", server);
    }
    command.env("AWS_REGION", "eu-west-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let status = command
        .status()
        .map_err(|error| Failure::new(format!("cannot start the benchmark: {error}")))?;
    Ok(status.success())
}

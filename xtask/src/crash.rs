//! `cargo xtask crash`: the program killed at its fail points, again and again.

use crate::failure::Result;
use crate::process::{cargo, run};
use crate::services::Services;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often to kill it, on each database
    #[arg(long, default_value_t = RUNS)]
    runs: u32,
    /// Only on this database; may be given several times
    #[arg(long, value_enum)]
    backend: Vec<Backend>,
    /// Make the choices of the run that printed this number
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Backend {
    Sqlite,
    Postgres,
    Mysql,
}

/// The test that `cargo xtask test` runs for a while, for longer.
pub(crate) fn run_all(args: &Args) -> Result {
    let backends = if args.backend.is_empty() { ALL } else { &args.backend };
    let servers: Vec<_> = backends.iter().filter_map(|backend| backend.server()).collect();
    let mut services = Services::start_some(&servers)?;
    let mut command = cargo(["test", "--package", "llm-keys-cli", "--all-features"])?;
    command.args(["--test", "it", "--", "--exact", "--nocapture", "--test-threads=1"]);
    command.args(backends.iter().map(|backend| backend.test()));
    command.env("LLM_KEYS_CRASH_RUNS", args.runs.to_string());
    if let Some(seed) = args.seed {
        command.env("LLM_KEYS_CRASH_SEED", seed.to_string());
    }
    run(services.introduce(&mut command))?;
    services.check()
}

/// All databases, as long as a night allows.
pub(crate) fn nightly() -> Result {
    run_all(&Args { runs: RUNS, backend: Vec::new(), seed: None })
}

impl Backend {
    /// What it needs.
    fn server(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("PostgreSQL"),
            Self::Mysql => Some("MariaDB"),
        }
    }

    fn test(self) -> &'static str {
        match self {
            Self::Sqlite => "crash::sqlite::nothing_acknowledged_is_lost",
            Self::Postgres => "crash::postgres::nothing_acknowledged_is_lost",
            Self::Mysql => "crash::mysql::nothing_acknowledged_is_lost",
        }
    }
}

const RUNS: u32 = 1000;
const ALL: &[Backend] = &[Backend::Sqlite, Backend::Postgres, Backend::Mysql];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::DATABASES;

    #[test]
    fn every_database_that_the_tests_use_is_among_them() {
        let servers: Vec<_> = ALL.iter().filter_map(|backend| backend.server()).collect();
        assert_eq!(servers, DATABASES);
    }
}

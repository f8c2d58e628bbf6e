//! Logs: to standard error, and none unless asked for.

use std::io;

use tracing_subscriber::EnvFilter;

/// Starts logging as `RUST_LOG` says, or else as often as `-v` was given.
pub(crate) fn start(verbose: u8, json: bool) {
    let level = match verbose {
        0 => "off",
        1 => "llm_keys=info,llm_keys_diesel=info",
        _ => "llm_keys=debug,llm_keys_diesel=debug",
    };
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::new(directives),
        _ => EnvFilter::new(level),
    };
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    // A subscriber is there already only if this is called twice.
    let _ = if json { subscriber.json().try_init() } else { subscriber.try_init() };
}

//! How big the program is, and how long `llm-keys list` takes on an empty store: all that it does
//! before its first key.
#![expect(clippy::disallowed_methods, reason = "this measures real time")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::failure::{Failure, Result};
use crate::process::{cargo, run};
use crate::workspace;

/// What it is selected by.
pub(super) const NAME: &str = "startup";

/// Builds the program as it is released, measures, prints, and says whether the goal is met.
pub(super) fn measure(quick: bool) -> Result<bool> {
    run(&mut cargo(["build", "--release", "--locked", "--package", "llm-keys-cli"])?)?;
    let program = workspace::target()?.join("release/llm-keys");
    let size = std::fs::metadata(&program)
        .map_err(|error| Failure::new(format!("cannot look at {}: {error}", program.display())))?;
    let home = tempfile::tempdir()
        .map_err(|error| Failure::new(format!("cannot make a folder: {error}")))?;
    start(&program, home.path(), &["init"])?;
    let mut times = Vec::new();
    for _ in 0..if quick { 50 } else { 500 } {
        let begin = Instant::now();
        start(&program, home.path(), &["list"])?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    let median = median(&mut times);
    let met = median <= MOST_MILLISECONDS;
    let verdict = if met { "ok" } else { "MISSED" };
    println!(
        "\n`llm-keys list` on an empty store: {median:.1} ms (goal {MOST_MILLISECONDS} ms) {verdict}"
    );
    println!("size of the program: {:.1} MB", size.len() as f64 / 1e6);
    Ok(met)
}

/// Runs it as a user has it, with nothing of this machine's settings.
fn start(program: &Path, home: &Path, arguments: &[&str]) -> Result {
    let status = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("LLM_KEYS_HOME", home.join("llm-keys"))
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| Failure::new(format!("cannot start {}: {error}", program.display())))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`llm-keys {}` failed: {status}", arguments.join(" "))))
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

const MOST_MILLISECONDS: f64 = 15.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_not_measured() {
        let home = tempfile::tempdir().unwrap();
        let sh = Path::new("/bin/sh");
        start(sh, home.path(), &["-c", "test $HOME = $PWD"]).unwrap();
        assert!(start(sh, home.path(), &["-c", "exit 3"]).is_err());
        assert!(start(&home.path().join("none"), home.path(), &[]).is_err());
    }

    #[test]
    fn one_slow_start_does_not_count() {
        assert_eq!(median(&mut [9.0, 1.0, 2.0]), 2.0);
        assert!(median(&mut []).is_nan());
    }
}

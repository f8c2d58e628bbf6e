//! `cargo xtask bench`: what our layers cost, as ratios.

use std::path::{Path, PathBuf};

use self::estimate::{FUNCTIONS, Pair, Samples};
use crate::failure::{Failure, Result};
use crate::process::{cargo, run};
use crate::workspace;

mod estimate;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only pairs with this in their name
    filter: Option<String>,
    /// One round only; its ratios are rough
    #[arg(long)]
    quick: bool,
}

/// A pair of benchmarks, and how much more ours may take than the baseline.
struct Goal {
    group: &'static str,
    at_most: f64,
}

/// How often everything is measured.
const ROUNDS: u32 = 5;

/// What criterion is told: times in seconds, and little statistics of its own.
const SETTINGS: [&str; 7] =
    ["--noplot", "--warm-up-time", "0.3", "--measurement-time", "1", "--nresamples", "1001"];

/// Every pair there is. `docs/benchmarks.md` says what each of them is.
const GOALS: &[Goal] = &[
    Goal { group: "cached_get", at_most: 3.0 },
    Goal { group: "seal", at_most: 2.0 },
    Goal { group: "open", at_most: 2.0 },
    Goal { group: "cold_get", at_most: 1.3 },
    Goal { group: "point_get_million", at_most: 1.2 },
    Goal { group: "page_million", at_most: 1.2 },
];

/// The programs of benchmarks, by the names of their targets.
const PROGRAMS: [&str; 8] = [
    "--package",
    "llm-keys",
    "--bench",
    "core",
    "--package",
    "llm-keys-diesel",
    "--bench",
    "sqlite",
];

/// Measures all pairs in some rounds, and compares the ratios with the goals. Within a round the
/// two of a pair run one after the other, and the rounds are short, so that both see the same
/// machine.
pub(crate) fn run_all(args: &Args) -> Result {
    let goals: Vec<&Goal> = match &args.filter {
        Some(filter) => GOALS.iter().filter(|goal| goal.group.contains(filter.as_str())).collect(),
        None => GOALS.iter().collect(),
    };
    if goals.is_empty() {
        let names: Vec<_> = GOALS.iter().map(|goal| goal.group).collect();
        return Err(Failure::new(format!("no such pair; there are: {}", names.join(", "))));
    }
    let folder = workspace::root()?.join("target/criterion");
    let rounds = if args.quick { 1 } else { ROUNDS };
    let mut measured = vec![Samples::default(); goals.len()];
    for _ in 0..rounds {
        measure(&goals, &folder)?;
        for (goal, samples) in goals.iter().zip(&mut measured) {
            samples.add_round(&folder.join(goal.group))?;
        }
    }
    report(goals.iter().copied().zip(measured.iter().map(Samples::median)))
}

/// One round.
fn measure(goals: &[&Goal], folder: &Path) -> Result {
    for goal in goals {
        // So that no number of an earlier run is taken for one of this.
        for function in FUNCTIONS {
            forget(&estimate::folder(&folder.join(goal.group), function))?;
        }
    }
    let names: Vec<_> = goals.iter().map(|goal| goal.group).collect();
    let mut command = cargo(["bench"])?;
    command.args(PROGRAMS).arg("--").args(SETTINGS);
    command.arg(format!("^({})/", names.join("|")));
    run(command.env("CRITERION_HOME", folder))
}

fn forget(folder: &PathBuf) -> Result {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::new(format!("cannot remove {}: {error}", folder.display())))
        }
        _ => Ok(()),
    }
}

/// Prints the table; fails if a goal is missed.
fn report<'a>(rows: impl Iterator<Item = (&'a Goal, Pair)>) -> Result {
    println!("\n{:<18} {:>10} {:>11} {:>6} {:>6}", "pair", "ours", "baseline", "ratio", "goal");
    let mut missed = Vec::new();
    for (goal, pair) in rows {
        let met = pair.ratio() <= goal.at_most;
        println!(
            "{:<18} {:>7.0} ns {:>8.0} ns {:>6.2} {:>6.2}  {}",
            goal.group,
            pair.ours,
            pair.baseline,
            pair.ratio(),
            goal.at_most,
            if met { "ok" } else { "MISSED" },
        );
        if !met {
            missed.push(goal.group);
        }
    }
    if missed.is_empty() {
        return Ok(());
    }
    let missed = missed.join(", ");
    Err(Failure::new(format!("goals missed: {missed}; is the machine busy with something else?")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed(ours: f64, baseline: f64) -> bool {
        let goal = Goal { group: "x", at_most: 1.2 };
        let pair = Pair { ours, baseline };
        report([(&goal, pair)].into_iter()).is_err()
    }

    #[test]
    fn a_goal_is_met_up_to_its_number() {
        assert!(!missed(100.0, 100.0));
        assert!(!missed(120.0, 100.0));
        assert!(missed(121.0, 100.0));
        // Not a number is never good.
        assert!(missed(0.0, 0.0));
    }

    #[test]
    fn what_was_measured_before_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("new");
        std::fs::create_dir(&old).unwrap();
        forget(&old).unwrap();
        assert!(!old.exists());
        forget(&old).unwrap();
    }
}

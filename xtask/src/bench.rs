//! `cargo xtask bench`: what our layers cost beside the same work without them, and how fast the
//! program starts.

use std::path::{Path, PathBuf};

use self::estimate::{FUNCTIONS, Pair, Samples};
use self::goals::{GOALS, Goal, Program};
use crate::failure::{Failure, Result};
use crate::process::{cargo, run};
use crate::services::Services;
use crate::workspace;

mod databases;
mod estimate;
mod goals;
mod rewrap;
mod startup;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only pairs with this in their name
    filter: Option<String>,
    /// One round only; its ratios are rough
    #[arg(long)]
    quick: bool,
}

/// How often everything is measured.
const ROUNDS: u32 = 5;

/// Into how many short turns a round falls where a server answers: its moods last for seconds.
const TURNS_WITH_A_SERVER: u32 = 4;

/// What criterion is told: little statistics of its own.
const SETTINGS: [&str; 3] = ["--noplot", "--nresamples", "1001"];

/// Measures all pairs in some rounds, and compares them with the goals. Within a round the two of
/// a pair run one after the other, and the rounds are short, so that both see the same machine.
pub(crate) fn run_all(args: &Args) -> Result {
    let wanted = |name: &str| args.filter.as_deref().is_none_or(|filter| name.contains(filter));
    let goals: Vec<&Goal> = GOALS.iter().filter(|goal| wanted(goal.group)).collect();
    let databases = databases::selected(args.filter.as_deref());
    let nothing = goals.is_empty() && databases.is_none();
    if nothing && !wanted(rewrap::NAME) && !wanted(startup::NAME) {
        let others = [databases::NAME, rewrap::NAME, startup::NAME];
        let names = GOALS.iter().map(|goal| goal.group).chain(others);
        let names = names.collect::<Vec<_>>().join(", ");
        return Err(Failure::new(format!("no such pair; there are: {names}")));
    }
    let mut missed = measure_pairs(&goals, if args.quick { 1 } else { ROUNDS })?;
    if let Some(only) = databases
        && !databases::measure(only)?
    {
        missed.push(databases::NAME);
    }
    if wanted(rewrap::NAME) && !rewrap::measure()? {
        missed.push(rewrap::NAME);
    }
    if wanted(startup::NAME) && !startup::measure(args.quick)? {
        missed.push(startup::NAME);
    }
    if missed.is_empty() {
        return Ok(());
    }
    let missed = missed.join(", ");
    Err(Failure::new(format!("goals missed: {missed}; is the machine busy with something else?")))
}

/// Measures these, beside the servers that they need; gives those that missed their goal.
fn measure_pairs(goals: &[&Goal], rounds: u32) -> Result<Vec<&'static str>> {
    if goals.is_empty() {
        return Ok(Vec::new());
    }
    let folder = workspace::root()?.join("target/criterion");
    let mut servers: Vec<_> = goals.iter().filter_map(|goal| goal.server).collect();
    servers.dedup();
    let services = if servers.is_empty() { None } else { Some(Services::start_some(&servers)?) };
    let mut measured = vec![Samples::default(); goals.len()];
    for _ in 0..rounds {
        for program in [Program::Core, Program::Sqlite, Program::Kms] {
            let chosen: Vec<_> =
                goals.iter().copied().filter(|goal| goal.program == program).collect();
            let turns = if program == Program::Kms { TURNS_WITH_A_SERVER } else { 1 };
            for _ in 0..turns {
                measure(program, turns, &chosen, &folder, services.as_ref())?;
                for (goal, samples) in goals.iter().zip(&mut measured) {
                    if goal.program == program {
                        samples.add_round(&folder.join(goal.group))?;
                    }
                }
            }
        }
    }
    Ok(report(goals.iter().copied().zip(measured.iter().map(Samples::median))))
}

/// One turn of what a program measures, `turns` of which are a round.
fn measure(
    program: Program,
    turns: u32,
    goals: &[&Goal],
    folder: &Path,
    services: Option<&Services>,
) -> Result {
    if goals.is_empty() {
        return Ok(());
    }
    for goal in goals {
        // So that no number of an earlier run is taken for one of this.
        for function in FUNCTIONS {
            forget(&estimate::folder(&folder.join(goal.group), function))?;
        }
    }
    let names: Vec<_> = goals.iter().map(|goal| goal.group).collect();
    let mut command = cargo(["bench"])?;
    command.args(program.arguments()).arg("--").args(SETTINGS);
    let seconds = |whole: f64| (whole / f64::from(turns)).to_string();
    command.arg("--warm-up-time").arg(seconds(0.4));
    command.arg("--measurement-time").arg(seconds(1.0));
    command.arg(format!("^({})/", names.join("|")));
    if let Some(services) = services {
        services.introduce(&mut command);
    }
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

/// Prints the table; gives the pairs that missed their goal.
fn report<'a>(rows: impl Iterator<Item = (&'a Goal, Pair)>) -> Vec<&'static str> {
    println!(
        "\n{:<20} {:>9} {:>9} {:>6} {:>9}  goal",
        "pair", "ours", "baseline", "ratio", "added"
    );
    let mut missed = Vec::new();
    for (goal, pair) in rows {
        let met = goal.limit.is_met(pair);
        println!(
            "{:<20} {:>9} {:>9} {:>6.2} {:>9}  {} {}",
            goal.group,
            time(pair.ours),
            time(pair.baseline),
            pair.ratio(),
            time(pair.added()),
            goal.limit,
            if met { "ok" } else { "MISSED" },
        );
        if !met {
            missed.push(goal.group);
        }
    }
    missed
}

/// Nanoseconds as one reads them.
fn time(nanoseconds: f64) -> String {
    match nanoseconds.abs() {
        ..1e3 => format!("{nanoseconds:.0} ns"),
        1e3..1e6 => format!("{:.1} µs", nanoseconds / 1e3),
        _ => format!("{:.2} ms", nanoseconds / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        let times = [264.0, -31_400.0, 4_123_456.0, f64::NAN].map(time);
        assert_eq!(times, ["264 ns", "-31.4 µs", "4.12 ms", "NaN ms"]);
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

//! The project's own commands. Run them as `cargo xtask COMMAND`, from any folder of the checkout.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program talks to developers")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod crash;
mod failure;
mod fuzz;
mod generate;
mod lint;
mod nightly;
mod package;
mod process;
mod servers;
mod services;
mod test;
mod workspace;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run all tests: doctests, then everything else through nextest
    Test(test::Args),
    /// Start the servers that the tests need, and keep them running
    Servers(servers::Args),
    /// Keep one server, for as long as standard input is open
    #[command(hide = true)]
    Keep(services::keeper::Args),
    /// Check format, lints, documentation, dependencies, links, generated files
    Lint(lint::Args),
    /// Regenerate the files that come from code
    Gen(generate::Args),
    /// Run every fuzz target for a while
    Fuzz(fuzz::Args),
    /// Measure what our layers cost, and compare with the goals
    Bench(bench::Args),
    /// Build each crate from what its package would hold
    Package,
    /// Kill the program at its fail points, many times
    Crash(crash::Args),
    /// The long runs, too slow for every change
    Nightly(nightly::Args),
}

fn main() -> ExitCode {
    let done = match Args::parse().task {
        Task::Test(args) => test::run_all(&args),
        Task::Servers(args) => servers::run_all(&args),
        Task::Keep(args) => services::keeper::run(&args),
        Task::Lint(args) => lint::run_all(&args),
        Task::Gen(args) => generate::run_all(&args),
        Task::Fuzz(args) => fuzz::run_all(&args),
        Task::Bench(args) => bench::run_all(&args),
        Task::Package => package::run_all(),
        Task::Crash(args) => crash::run_all(&args),
        Task::Nightly(args) => nightly::run_all(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

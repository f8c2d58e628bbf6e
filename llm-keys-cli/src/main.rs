//! The `llm-keys` program: the engine from a shell.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use clap::error::ErrorKind as ClapKind;
use llm_keys::{Clock as _, SystemClock};
use tokio::runtime::Runtime;

use crate::args::{Cli, Command, GlobalArgs, RunArgs};
use crate::connect::Connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::settings::Settings;

#[macro_use]
mod fail_points;

mod actor;
mod args;
mod commands;
mod config;
mod connect;
mod exit;
mod export;
mod failure;
mod import;
mod known;
mod logging;
mod output;
mod run;
mod secret_input;
mod settings;
mod usage;
mod when;

fn main() -> ExitCode {
    #[cfg(feature = "fail-points")]
    let _armed = fail_points::arm();
    let exit = match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => refuse(&error),
    };
    ExitCode::from(exit.code())
}

fn run(cli: Cli) -> Exit {
    let output = Output::new(cli.global.json);
    logging::start(cli.global.verbose, cli.global.json);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::io("cli.start", "the runtime cannot start".into(), error);
            output.failure(&failure);
            return failure.exit();
        }
    };
    // What `leave` waits with is made now: making it takes the loader's lock, which a thread holds
    // that hangs in loading a library.
    runtime.handle().block_on(std::future::ready(()));
    if let Command::Run(args) = &cli.command {
        return become_program(args, &cli.global, runtime, &output);
    }
    let result = runtime.block_on(async {
        tokio::select! {
            // The command runs first, up to where it waits: reading standard input is not to be
            // waiting with Ctrl-C caught, since it could not be broken off then.
            biased;
            result = commands::run(cli, &output) => result,
            _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        }
    });
    let exit = match result {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            output.failure(&failure);
            failure.exit()
        }
    };
    leave(runtime, exit);
    exit
}

/// `run`: reads keys, then becomes the program. Ctrl-C is not caught, so that the program finds it as
/// we did, ignored or not.
fn become_program(args: &RunArgs, global: &GlobalArgs, runtime: Runtime, output: &Output) -> Exit {
    let ready = runtime.block_on(async {
        let settings = Settings::resolve(global)?;
        commands::run::prepare(args, &Connect::new(&settings, output)).await
    });
    let (failure, exit) = match ready {
        Ok(ready) => {
            // The database is closed as usual, and no thread of ours is left.
            runtime.shutdown_timeout(PATIENCE);
            commands::run::start(ready, args)
        }
        Err(failure) => {
            output.failure(&failure);
            leave(runtime, Exit::NotStarted);
            return Exit::NotStarted;
        }
    };
    output.failure(&failure);
    exit
}

/// Lets threads finish that are still at work, such as a database write that Ctrl-C came into, but
/// waits for none that hangs: a call into the library of an HSM that is away may never return.
fn leave(runtime: Runtime, exit: Exit) {
    let clock = SystemClock::new();
    runtime.shutdown_timeout(PATIENCE);
    if clock.monotonic() >= PATIENCE {
        // Not the usual end, which runs the destructors of all libraries and takes the loader's
        // lock: either may wait for the thread that hangs. What was printed is not in a buffer.
        signal_hook::low_level::exit(exit.code().into());
    }
}

/// A write takes some milliseconds. One that takes longer than this is cut off, and the database
/// undoes it as after a power cut.
const PATIENCE: Duration = Duration::from_millis(500);

/// Ends where the arguments make no command: with help, or with an error.
fn refuse(error: &clap::Error) -> Exit {
    let output = Output::new(std::env::args_os().any(|arg| arg == "--json"));
    let exit = refusal(error, &output);
    if exit != Exit::Ok && usage::is_of_run(std::env::args_os()) { Exit::NotStarted } else { exit }
}

fn refusal(error: &clap::Error, output: &Output) -> Exit {
    match error.kind() {
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => {
            match output.bytes(error.render().to_string().as_bytes()) {
                Ok(()) => Exit::Ok,
                Err(failure) => {
                    output.failure(&failure);
                    failure.exit()
                }
            }
        }
        ClapKind::DisplayHelpOnMissingArgumentOrSubcommand | ClapKind::MissingSubcommand
            if !output.is_json() =>
        {
            output.note(error.render().to_string().trim_end());
            Exit::Usage
        }
        _ => {
            let failure = usage::failure(error);
            output.failure(&failure);
            failure.exit()
        }
    }
}

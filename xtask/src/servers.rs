//! `cargo xtask servers`: the servers of the tests, for as long as you work with them.

use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use crate::failure::Result;
use crate::process::{forget_this_package, run};
use crate::services::Services;
use crate::services::environment::export;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run this beside the servers, then stop them; without it they run until Ctrl-C
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// Starts the servers and prints, as lines for a shell, how to find them.
pub(crate) fn run_all(args: &Args) -> Result {
    let mut services = Services::start()?;
    if let Some((program, arguments)) = args.command.split_first() {
        let mut command = Command::new(program);
        forget_this_package(command.args(arguments));
        run(services.introduce(&mut command))?;
        return services.check();
    }
    for (name, value) in services.variables() {
        println!("{}", export(name, value));
    }
    eprintln!("xtask: the servers run until you press Ctrl-C");
    loop {
        std::thread::sleep(WATCH);
        services.check()?;
    }
}

const WATCH: Duration = Duration::from_secs(1);

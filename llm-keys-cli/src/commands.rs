//! One file for each command; this one picks which.

use llm_keys::{Clock as _, SystemClock};

use crate::args::{Cli, Command, KeysCommand, KmsCommand, LocalCommand};
use crate::connect::Connect;
use crate::failure::Result;
use crate::output::Output;
use crate::settings::Settings;

mod change;
mod completions;
mod confirm;
mod delete;
mod demo;
mod doctor;
mod export;
mod get;
mod history;
mod import;
mod init;
mod kms_allow;
mod kms_check;
mod kms_local;
mod kms_policy;
mod kms_rewrap;
mod list;
mod migrate;
mod prune;
mod reference;
mod reseal;
mod resolve;
mod rollback;
mod rotate;
pub(crate) mod run;
mod show;
mod store;
mod tend;
mod undelete;
mod verify;

/// Runs the command of `cli`.
pub(crate) async fn run(cli: Cli, output: &Output) -> Result<()> {
    let command = match cli.command {
        Command::Completions(args) => return completions::run(&args, output),
        Command::Reference(args) => return reference::run(&args),
        Command::Demo => return demo::run(output).await,
        command => command,
    };
    let settings = Settings::resolve(&cli.global)?;
    let connect = Connect::new(&settings, output);
    match command {
        Command::Init(args) => init::run(&args, &connect).await,
        Command::Store(args) => {
            let id = args.key.id()?;
            store::run(id, args.how, &connect).await
        }
        Command::Get(args) => get::run(&args, &connect).await,
        Command::Resolve(args) => resolve::run(&args, &connect).await,
        Command::List(args) => list::run(&args, &connect).await,
        Command::Show(args) => show::run(&args, &connect).await,
        Command::Deactivate(args) => change::deactivate(&args, &connect).await,
        Command::Activate(args) => change::activate(&args, &connect).await,
        Command::History(args) => history::run(&args, &connect).await,
        Command::Rollback(args) => rollback::run(&args, &connect).await,
        Command::Rotate(args) => rotate::run(args, &connect).await,
        Command::Prune(args) => prune::run(&args, &connect).await,
        Command::Delete(args) => delete::run(&args, &connect).await,
        Command::Undelete(args) => undelete::run(&args, &connect).await,
        Command::Tend => tend::run(&connect).await,
        Command::Reseal(args) => reseal::run(&args, &connect).await,
        Command::Import(args) => import::run(&args, &connect).await,
        Command::Export(args) => export::run(&args, &connect).await,
        Command::Verify(args) => verify::run(&args, &connect).await,
        Command::Doctor => doctor::run(&connect).await,
        Command::Kms(command) => kms(command, &connect).await,
        Command::Migrate(command) => migrate::run(command, &connect).await,
        Command::Keys(KeysCommand::Store(args)) => {
            let id = args.whose.id(&args.service)?;
            store::run(id, args.how, &connect).await
        }
        Command::Keys(KeysCommand::List(args)) => list::run(&args, &connect).await,
        Command::Completions(_) | Command::Reference(_) | Command::Demo => Ok(()),
        // `main` does it, because it ends what everything else runs in.
        Command::Run(_) => Ok(()),
    }
}

async fn kms(command: KmsCommand, connect: &Connect<'_>) -> Result<()> {
    match command {
        KmsCommand::Check => kms_check::run(connect).await,
        KmsCommand::Allow(args) => kms_allow::allow(&args, connect).await,
        KmsCommand::Allowed => kms_allow::allowed(connect).await,
        KmsCommand::Policy(args) => kms_policy::run(&args, connect),
        KmsCommand::Rewrap(args) => kms_rewrap::run(&args, connect).await,
        KmsCommand::Local(LocalCommand::Backup(args)) => kms_local::backup(&args, connect),
        KmsCommand::Local(LocalCommand::Restore(args)) => kms_local::restore(&args, connect),
        KmsCommand::Local(LocalCommand::Rotate) => kms_local::rotate(connect),
    }
}

/// The machine's time, for what is shown as expired.
fn now() -> llm_keys::Micros {
    SystemClock::new().now()
}

//! `run -- COMMAND`.

use std::path::Path;

use llm_keys::{Error, OpenOptions, OpenedContent, SecureKeyManager as _};

use crate::args::RunArgs;
use crate::connect::Connect;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::run::{Environment, wanted};
use crate::settings::Settings;

/// Reads the keys, so that the program has only to be started. Events are recorded and uses are
/// written then: nothing of ours runs beside the program.
pub(crate) async fn prepare(args: &RunArgs, connect: &Connect<'_>) -> Result<Environment> {
    let wanted = wanted(args)?;
    check_descriptors(connect.settings())?;
    let (program, rest) =
        args.command.split_first().ok_or_else(|| Failure::usage("there is no command"))?;
    let missing = |id: &llm_keys::KeyId| Err(Failure::NotFound(id.clone()));
    let Some(keys) = connect.manager_if_there().await? else { return missing(&wanted[0].1) };
    let mut ready = Environment::of(program, rest);
    for (at, (name, id)) in wanted.iter().enumerate() {
        // One event for a key that goes into two variables.
        if wanted[..at].iter().any(|(_, earlier)| earlier == id) {
            continue;
        }
        let named = |error: Error| {
            let hint = match error.hint() {
                Some(hint) => format!("this is about {id}: {hint}"),
                None => format!("this is about {id}"),
            };
            Failure::from(error).with_hint(hint)
        };
        let opened = keys.open(id, &OpenOptions::default()).await.map_err(named)?;
        let Some(opened) = opened else { return missing(id) };
        let OpenedContent::Raw(key) = &opened.content else {
            return Err(Failure::usage(format!("{id} has several fields, and no single key")));
        };
        ready.set(name, key);
        for (other, _) in wanted[at + 1..].iter().filter(|(_, other)| other == id) {
            ready.set(other, key);
        }
    }
    // That it was used now is no part of the key: a database that may only be read gives it, too.
    if let Err(error) = keys.shutdown().await {
        tracing::warn!(error = ?error, "the last use could not be written");
    }
    Ok(ready)
}

/// Starts the program; where that fails, why and how to end.
pub(crate) fn start(ready: Environment, args: &RunArgs) -> (Failure, Exit) {
    let error = ready.exec();
    let program = args.command.first().map(|program| program.display().to_string());
    let program = program.unwrap_or_default();
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            (Failure::usage(format!("there is no program {program}")), Exit::NoProgram)
        }
        _ => {
            let detail = format!("the program {program} cannot be started");
            (Failure::io("cli.run", detail, error), Exit::NotExecutable)
        }
    }
}

/// The program inherits what the shell opened. A pipe that we read a master key or a passphrase from
/// is empty then, but a file could be read again.
fn check_descriptors(settings: &Settings) -> Result<()> {
    let uris = settings.kms.iter().chain(&settings.kms_read);
    let files = uris.filter_map(|uri| uri.strip_prefix("local:")).map(Path::new);
    for file in files.chain(settings.passphrase_file.as_deref()) {
        let inherited = ["/dev/fd", "/proc/self/fd", "/dev/stdin"];
        let inherited = inherited.iter().any(|folder| file.starts_with(folder));
        if inherited && std::fs::metadata(file).is_ok_and(|found| found.is_file()) {
            return Err(Failure::usage(format!(
                "the program could read {} again, which is a file",
                file.display()
            ))
            .with_hint("name the file itself, or use a pipe"));
        }
    }
    Ok(())
}

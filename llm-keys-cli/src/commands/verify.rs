//! `verify`, with `--checkpoint` and `--accept`.

use std::path::Path;
use std::sync::Arc;

use llm_keys::error::IntegrityFault;
use llm_keys::manager::{CheckpointReport, Compared, VerifyOptions, VerifyReport};
use llm_keys::{EnvelopeKeyManager, Error, ErrorKind};
use serde_json::{Value, json};

use crate::args::VerifyArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::output::progress::Way;
use crate::output::view::time;

mod accept;
mod findings;

pub(crate) async fn run(args: &VerifyArgs, connect: &Connect<'_>) -> Result<()> {
    let id = match &args.accept {
        Some(service) => Some(args.whose.id(service)?),
        None => None,
    };
    let accepts = id.is_some() || args.accept_all;
    if args.yes && !accepts {
        return Err(Failure::usage("`--yes` says nothing without `--accept`"));
    }
    if id.is_none() && args.whose.is_said() {
        return Err(Failure::usage("everything is verified, whoever's it is")
            .with_hint("`--accept SERVICE` is for one key"));
    }
    let walk = args.walk.options()?;
    let mut options = VerifyOptions::default().page(walk.page).at_once(walk.at_once);
    options = options.open(args.open).anew(args.anew);
    if let Some(file) = &args.checkpoint {
        options = options.checkpoint(file);
    }
    if let Some(id) = &id {
        options = options.keys(vec![id.clone()]);
    }
    let Some(store) = connect.store_if_there().await? else { return nothing(args, id) };
    // It opens no sentinel first: that may be lost, and is looked at like the rest.
    let manager = connect.quiet_manager(connect.kms().await?, store).await?;
    let output = connect.output();
    let report = look(&manager, options, output).await?;
    if let Some(id) = id.as_ref().filter(|_| report.progress.skipped > 0) {
        return Err(Failure::NotFound(id.clone()));
    }
    if accepts && report.stopped.is_none() {
        return accept::run(args, &report, connect).await;
    }
    match output.is_json() {
        true => output.document(&document(&report))?,
        false => say(args, &report, output)?,
    }
    end(&report)
}

/// There is no database.
fn nothing(args: &VerifyArgs, id: Option<llm_keys::KeyId>) -> Result<()> {
    match (id, &args.checkpoint) {
        (Some(id), _) => Err(Failure::NotFound(id)),
        // A database that is gone is not well.
        (None, Some(file)) if file.exists() => {
            let detail = "there is a checkpoint, and no database";
            Err(Error::new(ErrorKind::Integrity(IntegrityFault::Row), OP, detail)
                .with_hint("is `--database` the right one?")
                .into())
        }
        (None, _) => Err(Failure::usage("there is no database yet, and nothing to verify in it")),
    }
}

async fn look(
    manager: &EnvelopeKeyManager,
    options: VerifyOptions,
    output: &Output,
) -> Result<VerifyReport> {
    let way = Arc::new(Way::uncounted(output));
    let shown = Arc::clone(&way);
    let report = manager.verify(&options.progress(move |progress| shown.show(progress))).await;
    way.end();
    Ok(report?)
}

fn say(args: &VerifyArgs, report: &VerifyReport, output: &Output) -> Result<()> {
    findings::print(&report.findings, output)?;
    output.note(&summary(report));
    if let (Some(checkpoint), Some(file)) = (&report.checkpoint, &args.checkpoint) {
        say_checkpoint(checkpoint, file, output);
    }
    Ok(())
}

fn summary(report: &VerifyReport) -> String {
    let opened = match report.opened {
        0 => String::new(),
        some => format!(", {some} opened"),
    };
    format!(
        "{}, {}{opened}, {}: {} wrong",
        count(report.progress.seen(), "key"),
        count(report.versions, "version"),
        count(report.system, "system record"),
        match report.findings.len() {
            0 => "nothing".to_owned(),
            some => some.to_string(),
        },
    )
}

fn say_checkpoint(checkpoint: &CheckpointReport, file: &Path, output: &Output) {
    if let Some(Compared { made_at, same, changed, new, gone, .. }) = checkpoint.compared {
        let at = time(made_at);
        output.note(&format!(
            "since the checkpoint of {at}: {same} the same, {changed} changed, {new} new, {gone} \
             deleted"
        ));
    }
    let file = file.display();
    match checkpoint.written {
        Some(keys) => output.note(&format!(
            "wrote the checkpoint {file} of {}; keep it on another machine",
            count(keys, "key")
        )),
        None => output.note(&format!("the checkpoint {file} was left as it was")),
    }
}

fn document(report: &VerifyReport) -> Value {
    let checkpoint = report.checkpoint.as_ref().map(|checkpoint| {
        let compared = checkpoint.compared.map(|since| {
            json!({
                "made_at": time(since.made_at), "same": since.same, "changed": since.changed,
                "new": since.new, "gone": since.gone,
            })
        });
        json!({ "compared": compared, "written": checkpoint.written })
    });
    json!({
        "sound": report.is_sound(),
        "keys": report.progress.seen(),
        "versions": report.versions,
        "system": report.system,
        "opened": report.opened,
        "findings": findings::list(&report.findings),
        "checkpoint": checkpoint,
        "stopped": report.stopped.as_ref().map(|error| error.kind().code()),
    })
}

/// # Errors
/// What stopped it; or that something is wrong.
fn end(report: &VerifyReport) -> Result<()> {
    if let Some(error) = &report.stopped {
        return Err(error.clone().into());
    }
    let Some(first) = report.findings.first() else { return Ok(()) };
    let kinds = || report.findings.iter().map(|found| found.error.kind());
    // What a KMS refuses says less than a row that was edited.
    let worst = kinds().find(|kind| matches!(kind, ErrorKind::Integrity(_)));
    let count = report.findings.len();
    let detail = match count {
        1 => "1 thing is not as it was written".to_owned(),
        _ => format!("{count} things are not as they were written"),
    };
    let error = Error::new(worst.unwrap_or_else(|| first.error.kind()), OP, detail);
    Err(error.with_hint(hint(report)).into())
}

/// What to do: what the findings say themselves, unless one of them is about a row.
fn hint(report: &VerifyReport) -> String {
    let mut errors = report.findings.iter().map(|found| &found.error);
    if errors.clone().all(|error| error.op() != "manager.verify")
        && let Some(hint) = errors.find_map(Error::hint)
    {
        return hint.to_owned();
    }
    "find out who wrote to the database; put the rows back from a backup, or look at them and take \
     them as they are with `llm-keys verify --accept SERVICE`"
        .to_owned()
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

const OP: &str = "cli.verify";

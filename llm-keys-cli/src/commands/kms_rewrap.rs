//! `kms rewrap`.

use std::sync::Arc;

use llm_keys::EnvelopeKeyManager;
use llm_keys::kms::KeyUri;
use llm_keys::manager::{Failed, RewrapOptions, RewrapPlan, RewrapReport, Under};
use serde_json::{Value, json};

use crate::args::RewrapArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::output::progress::Way;

/// How many failures are told one by one; with `--json` all are.
const TOLD: usize = 20;

pub(crate) async fn run(args: &RewrapArgs, connect: &Connect<'_>) -> Result<()> {
    let options = args.walk.options()?.everything(args.all).verify(args.verify);
    let Some(store) = connect.store_if_there().await? else {
        return Err(Failure::usage("there is no database yet, and nothing to wrap in it"));
    };
    let kms = connect.kms_of_rewrap(&args.to, &args.from).await?;
    let manager = connect.manager(kms, store).await?;
    let plan = manager.rewrap_plan(&options).await?;
    let output = connect.output();
    if args.plan {
        return say_plan(&plan, output);
    }
    output.note(&format!("{} of {} are to be wrapped anew", plan.todo(), plan.total()));
    let report =
        walk(plan.total(), options, output, async |options| rewrap(&manager, &options).await)
            .await?;
    if output.is_json() {
        let to: Vec<_> = plan.to.iter().map(KeyUri::as_str).collect();
        output.document(&json!({ "to": to, "report": document(&report) }))?;
    } else {
        output.note(&summary("wrapped anew", &report));
        if report.is_complete() {
            output.note(&next_step(args, &plan.to));
        }
    }
    end("wrapped anew", &report, output)
}

async fn rewrap(manager: &EnvelopeKeyManager, options: &RewrapOptions) -> Result<RewrapReport> {
    Ok(manager.rewrap(options).await?)
}

/// Runs `work` with options that show how far it is.
pub(super) async fn walk(
    total: u64,
    options: RewrapOptions,
    output: &Output,
    work: impl AsyncFn(RewrapOptions) -> Result<RewrapReport>,
) -> Result<RewrapReport> {
    let way = Arc::new(Way::new(total, output));
    let shown = Arc::clone(&way);
    let report = work(options.progress(move |progress| shown.show(progress))).await;
    way.end();
    report
}

/// The report in one line.
pub(super) fn summary(what: &str, report: &RewrapReport) -> String {
    let (progress, keys, system) = (report.progress, report.keys, report.system);
    let (versions, keys) = (count(progress.done - system, "version"), count(keys, "key"));
    let records = match system {
        0 => String::new(),
        some => format!(" and {}", count(some, "system record")),
    };
    let (skipped, failed) = (progress.skipped, progress.failed);
    format!("{what}: {versions} of {keys}{records}; {skipped} needed nothing, {failed} failed")
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Tells what failed, and ends as that did.
pub(super) fn end(what: &str, report: &RewrapReport, output: &Output) -> Result<()> {
    if !output.is_json() {
        tell(&report.failed, output);
    }
    if let Some(error) = &report.stopped {
        output.note("it ended early; what was done stays done, run it again to go on");
        return Err(error.clone().into());
    }
    let Some(first) = report.failed.first() else { return Ok(()) };
    let error = &first.error;
    let detail = format!("{} could not be {what}: {}", report.failed.len(), error.detail());
    Err(llm_keys::Error::new(error.kind(), "cli.walk", detail)
        .with_hint("they are as they were; see to them, and run it again")
        .into())
}

pub(super) fn document(report: &RewrapReport) -> Value {
    json!({
        "done": report.progress.done,
        "skipped": report.progress.skipped,
        "keys": report.keys,
        "system": report.system,
        "failed": failures(&report.failed),
        "stopped": report.stopped.as_ref().map(|error| error.kind().code()),
    })
}

fn say_plan(plan: &RewrapPlan, output: &Output) -> Result<()> {
    if output.is_json() {
        let to: Vec<_> = plan.to.iter().map(KeyUri::as_str).collect();
        return output.document(&json!({
            "to": to,
            "versions": under(&plan.versions),
            "system": under(&plan.system),
            "unopened": failures(&plan.unopened),
        }));
    }
    for uri in &plan.to {
        output.text(&format!("to {uri}"))?;
    }
    for (what, under) in [("versions", &plan.versions), ("system records", &plan.system)] {
        output.text(&format!("{what}: {}, to be wrapped anew: {}", under.total, under.todo))?;
        for (uri, count) in &under.keys {
            output.text(&format!("  {count} under {uri}"))?;
        }
        for (count, why) in [
            (under.lacking, "have no copy for it"),
            (under.surplus, "have a copy for another KMS key, too"),
            (under.marked, "are marked as sealed while a KMS was out"),
            (under.asked, "need it not"),
        ] {
            if count > 0 {
                output.text(&format!("  {count} {why}"))?;
            }
        }
    }
    if plan.unopened.is_empty() {
        return Ok(());
    }
    output.text(&format!("cannot be opened, and would be left: {}", plan.unopened.len()))?;
    tell(&plan.unopened, output);
    Ok(())
}

fn under(under: &Under) -> Value {
    let keys: serde_json::Map<_, _> =
        under.keys.iter().map(|(uri, count)| (uri.to_string(), json!(count))).collect();
    json!({
        "total": under.total, "todo": under.todo, "lacking": under.lacking,
        "surplus": under.surplus, "marked": under.marked, "under": keys,
    })
}

fn tell(failed: &[Failed], output: &Output) {
    for one in failed.iter().take(TOLD) {
        output.warn(&format!("{}: {}", one.item, one.error.detail()));
    }
    if failed.len() > TOLD {
        output.warn(&format!("… and {} more; `--json` names them all", failed.len() - TOLD));
    }
}

fn failures(failed: &[Failed]) -> Vec<Value> {
    let one = |one: &Failed| {
        json!({
            "item": one.item.to_string(),
            "code": one.error.kind().code(),
            "reason": one.error.detail(),
        })
    };
    failed.iter().map(one).collect()
}

/// What the user has to do so that the old KMS key can go.
fn next_step(args: &RewrapArgs, to: &[KeyUri]) -> String {
    let uris: Vec<_> = to.iter().map(KeyUri::as_str).collect();
    let uris = uris.join(", ");
    if args.to.is_empty() {
        return format!(
            "everything in this database is wrapped under {uris} and nothing else; backups made \
             before still need the old KMS key"
        );
    }
    format!(
        "next: let every program that uses this database seal under {uris} (`LLM_KEYS_KMS`, or \
         `kms` of the settings), start it anew, and run `llm-keys kms rewrap` once more for what was \
         stored meanwhile; then the old KMS key is not needed, but by backups made before"
    )
}

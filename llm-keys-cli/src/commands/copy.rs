//! `copy`.

use std::path::PathBuf;
use std::sync::Arc;

use llm_keys::manager::Progress;
use llm_keys::model::Seq;
use llm_keys::store::{CopyOptions, CopyReport, KeyStore as _, copy};
use llm_keys::{Error, PageSize};
use llm_keys_diesel::{DieselStore, database_file};
use serde_json::json;

use crate::args::CopyArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::output::progress::Way;

/// Where the URL of the target may stand, so that nobody sees its password.
const TO: &str = "LLM_KEYS_COPY_TO";

pub(crate) async fn run(args: &CopyArgs, connect: &Connect<'_>) -> Result<()> {
    let from = args.from.as_ref().unwrap_or(&connect.settings().database);
    let to = match &args.to {
        Some(url) => url.clone(),
        None => std::env::var(TO).map_err(|_| {
            Failure::usage("say with `--to`, or in LLM_KEYS_COPY_TO, where to copy to")
        })?,
    };
    let page = args.batch.parse().ok().and_then(|size| PageSize::new(size).ok());
    let page =
        page.ok_or_else(|| Error::invalid("cli.copy", "--batch takes a number from 1 to 1000"))?;
    refuse_same(from, &to)?;
    let source = source(from).await?;
    let target = DieselStore::open(&to).await?;
    let output = connect.output();
    let way = Arc::new(Way::uncounted(output));
    let shown = Arc::clone(&way);
    let options = CopyOptions::default().page(page).progress(move |report| shown.show(far(report)));
    let report = copy(&source, &target, &options).await;
    way.end();
    say(&report?, output)
}

/// The source, of which nothing is made or changed.
async fn source(url: &str) -> Result<DieselStore> {
    if let Some(file) = database_file(url)?
        // One that cannot be looked at is an error when it is opened.
        && !std::fs::exists(file).unwrap_or(true)
    {
        return Err(Failure::usage("there is no database to copy from"));
    }
    let store = DieselStore::connect(url).await?;
    // Its tables are looked at before anything is made in the target.
    store.changes_since(Seq::default()).await?;
    Ok(store)
}

/// A copy of a database into itself would find everything there, and be believed to be a copy. What
/// is written in two ways is not noticed, and does no harm.
fn refuse_same(from: &str, to: &str) -> Result<()> {
    let place = |url: &str| -> Result<Option<PathBuf>> {
        Ok(database_file(url)?.map(|file| std::fs::canonicalize(&file).unwrap_or(file)))
    };
    let same = match (place(from)?, place(to)?) {
        (Some(from), Some(to)) => from == to,
        (None, None) => from == to,
        _ => false,
    };
    match same {
        true => Err(Failure::usage("both are the same database")),
        false => Ok(()),
    }
}

/// Keys gone over, which nobody has counted before.
fn far(report: &CopyReport) -> Progress {
    let mut progress = Progress::default();
    progress.done = report.keys_seen;
    progress
}

fn say(report: &CopyReport, output: &Output) -> Result<()> {
    if output.is_json() {
        return output.document(&json!({
            "keys": report.keys,
            "versions": report.versions,
            "system": report.system,
            "again": report.again,
            "purged": report.purged,
            "passes": report.passes,
            "compared": {
                "keys": report.keys_seen,
                "versions": report.versions_seen,
                "system": report.system_seen,
            },
        }));
    }
    let counts = |keys, versions, system| {
        format!(
            "{}, {}, {}",
            count(keys, "key"),
            count(versions, "version"),
            count(system, "system record")
        )
    };
    output.note(&format!("copied {}", counts(report.keys, report.versions, report.system)));
    if report.again + report.purged > 0 {
        output.note(&format!(
            "the source was written to meanwhile: {} copied again, {} taken back",
            count(report.again, "key"),
            report.purged
        ));
    }
    output.note(&format!(
        "compared, and equal: {}",
        counts(report.keys_seen, report.versions_seen, report.system_seen)
    ));
    Ok(())
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

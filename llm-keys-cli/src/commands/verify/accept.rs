//! `verify --accept`: what is refused is shown, asked about, and signed anew.

use llm_keys::manager::{AcceptOptions, AcceptReport, VerifyReport};
use llm_keys::{Error, KeyFilter, KeyId, PageSize, SecureKeyManager as _};
use serde_json::json;

use super::super::confirm::{Question, confirm};
use super::super::now;
use super::{count, findings};
use crate::args::VerifyArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::view::KeyView;

pub(super) async fn run(
    args: &VerifyArgs,
    report: &VerifyReport,
    connect: &Connect<'_>,
) -> Result<()> {
    let output = connect.output();
    let refused = &report.refused;
    if !output.is_json() {
        findings::print(&report.findings, output)?;
    }
    if refused.is_empty() {
        if let Some(first) = report.findings.first() {
            // A row that cannot even be read.
            return Err(first.error.clone().into());
        }
        return output.done("no key is refused", &json!({ "accepted": [], "failed": [] }));
    }
    let Some(store) = connect.store_if_there().await? else {
        return Err(Failure::usage("the database went away"));
    };
    let manager = connect.manager(connect.kms().await?, store).await?;
    if !args.yes {
        for id in refused.iter().filter(|_| !output.is_json()) {
            show(id, &manager, connect).await?;
        }
        let keys = count(u64::try_from(refused.len()).unwrap_or(u64::MAX), "key");
        let question = Question {
            text: &format!("Take {keys} for good as shown, and sign the rows anew?"),
            why: "rows that somebody may have edited are taken for good",
            refused: "nothing was accepted",
        };
        confirm(&question, output)?;
    }
    let accepted = manager.accept(&AcceptOptions::keys(refused.clone())).await?;
    say(&accepted, connect)
}

/// Everything that the rows of a key say, to be looked at.
async fn show(
    id: &KeyId,
    manager: &llm_keys::EnvelopeKeyManager,
    connect: &Connect<'_>,
) -> Result<()> {
    let output = connect.output();
    // So that it says what is broken; it may be lost, which was said already.
    if let Err(error) = manager.open_row_macs(&id.tenant).await {
        tracing::debug!(?error, "the rows are shown without being verified");
    }
    // Deleted ones, too: it may be an edit that says so.
    let filter = KeyFilter::of(id.tenant.clone())
        .owner(id.owner.clone())
        .service(id.service.clone())
        .name(id.name.clone())
        .with_deleted();
    let page = manager.list_api_keys(&filter, None, PageSize::default()).await?;
    let Some(key) = page.items.into_iter().next() else { return Ok(()) };
    output.note("");
    for line in KeyView::new(&key, now()).lines().lines() {
        output.note(line);
    }
    for (field, value) in &key.settings.0 {
        output.note(&format!("setting    {}={}", field.escape_debug(), value.escape_debug()));
    }
    if let Some(template) = &key.template {
        output.note(&format!("template   {}", template.0.escape_debug()));
    }
    Ok(())
}

fn say(report: &AcceptReport, connect: &Connect<'_>) -> Result<()> {
    let output = connect.output();
    if output.is_json() {
        let accepted: Vec<_> = report.accepted.iter().map(ToString::to_string).collect();
        output.document(&json!({
            "accepted": accepted,
            "failed": findings::failures(&report.failed),
            "renewed": report.renewed,
        }))?;
    } else {
        for tenant in &report.renewed {
            output.note(&format!("the row MAC keys of {tenant} were made anew"));
        }
        for id in &report.accepted {
            output.note(&format!("accepted {id}"));
        }
        for failed in &report.failed {
            output.warn(&format!("{}: {}", failed.item, failed.error.detail()));
        }
    }
    let Some(first) = report.failed.first() else { return Ok(()) };
    let detail = match report.failed.len() {
        1 => "1 key could not be accepted".to_owned(),
        some => format!("{some} keys could not be accepted"),
    };
    let error = Error::new(first.error.kind(), super::OP, detail);
    let hint = first.error.hint().unwrap_or("put it back from a backup").to_owned();
    Err(error.with_hint(hint).into())
}

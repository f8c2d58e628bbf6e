//! What is wrong, as a table and as JSON.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use llm_keys::manager::{Failed, Finding};
use llm_keys::{Error, manager::Item};
use serde_json::{Value, json};

use crate::failure::Result;
use crate::output::{Output, table};

/// Where something is wrong, and what.
fn of(findings: &[Finding]) -> impl Iterator<Item = (&Item, &Error)> {
    findings.iter().map(|found| (&found.item, &found.error))
}

/// Prints them; nothing if there are none.
pub(super) fn print(findings: &[Finding], output: &Output) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let mut rows = Table::new();
    rows.load_style(NOTHING).set_header(["WHERE", "WHAT"]);
    for (item, error) in of(findings) {
        rows.add_row([item.to_string(), error.detail().to_owned()]);
    }
    output.bytes(table::text(&rows).as_bytes())
}

pub(super) fn list(findings: &[Finding]) -> Vec<Value> {
    of(findings).map(|(item, error)| one(item, error)).collect()
}

pub(super) fn failures(failed: &[Failed]) -> Vec<Value> {
    failed.iter().map(|failed| one(&failed.item, &failed.error)).collect()
}

fn one(item: &Item, error: &Error) -> Value {
    json!({ "item": item.to_string(), "code": error.kind().code(), "reason": error.detail() })
}

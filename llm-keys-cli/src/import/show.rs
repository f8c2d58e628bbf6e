//! What would be stored, and what was.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use llm_keys::model::Hint;
use serde_json::{Value, json};

use super::found::Remark;
use super::plan::{Planned, Standing};
use super::write::Written;
use crate::output::table;

/// What would be stored, one line for each key: never more of a key than its hint.
pub(crate) fn table(planned: &[Planned], update: bool) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "LINE",
        "VARIABLE",
        "SERVICE",
        "OWNER",
        "NAME",
        "HINT",
        "WHY",
        "WHAT HAPPENS",
    ]);
    for Planned { row, standing } in planned {
        let variable = if row.variable.is_empty() { "-" } else { &row.variable };
        table.add_row([
            row.line.to_string(),
            variable.to_owned(),
            row.id.service.to_string(),
            row.id.owner.to_string(),
            row.id.name.to_string(),
            Hint::of(&row.key).map_or("-".to_owned(), |hint| hint.to_string()),
            row.why.clone(),
            what_happens(*standing, update).to_owned(),
        ]);
    }
    table::text(&table)
}

fn what_happens(standing: Standing, update: bool) -> &'static str {
    match (standing, update) {
        (Standing::New, _) => "stored",
        (Standing::Unchanged, _) => "none: it is there",
        (Standing::Other(_), true) => "stored as a new version",
        (Standing::Other(_), false) => "none: another value is there",
    }
}

/// Counts of an import, as one document.
pub(crate) fn summary(counts: &Counts, bad: &[Remark], skipped: &[Remark]) -> Value {
    let Written { stored, updated, overtaken } = counts.written;
    json!({
        "dry_run": counts.dry_run,
        "stored": stored,
        "updated": updated,
        "unchanged": counts.unchanged,
        "kept": counts.kept + overtaken,
        "bad": bad,
        "skipped": skipped,
    })
}

/// What became of the rows of a file.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counts {
    pub(crate) written: Written,
    /// Rows whose key is there with the same value.
    pub(crate) unchanged: u64,
    /// Rows whose key is there with another value, which was left alone.
    pub(crate) kept: u64,
    pub(crate) dry_run: bool,
}

impl Counts {
    /// One line for people.
    pub(crate) fn line(&self, bad: usize) -> String {
        let Written { stored, updated, overtaken } = self.written;
        let would = if self.dry_run { "would store" } else { "stored" };
        let parts = [
            (stored, ""),
            (updated, "as new versions"),
            (self.unchanged, "unchanged"),
            (self.kept + overtaken, "there with another value"),
            (bad as u64, "bad"),
        ];
        let mut line = format!("{would} {stored}");
        for (count, what) in parts.into_iter().skip(1).filter(|(count, _)| *count > 0) {
            line.push_str(&format!(", {count} {what}"));
        }
        line
    }
}

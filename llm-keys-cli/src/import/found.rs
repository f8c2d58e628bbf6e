//! What was found in a file: rows to store, bad rows, and rows that are passed over.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use llm_keys::model::{Days, Settings, TemplateRef};
use llm_keys::{ApiKey, KeyId, Labels, Micros};
use serde::Serialize;

/// A key to store.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) line: u64,
    /// The variable it comes from; empty if there is none.
    pub(crate) variable: String,
    pub(crate) id: KeyId,
    pub(crate) key: ApiKey,
    /// Why it is taken for a key of that service.
    pub(crate) why: String,
    pub(crate) about: About,
}

/// What stands beside a key.
#[derive(Default, Debug)]
pub(crate) struct About {
    pub(crate) expires_at: Option<Micros>,
    pub(crate) labels: Option<Labels>,
    pub(crate) settings: Option<Settings>,
    pub(crate) template: Option<TemplateRef>,
    pub(crate) rotate_every: Option<Days>,
}

/// A line that is not stored, and why. The reason never repeats what stands there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Remark {
    pub(crate) line: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) variable: String,
    pub(crate) reason: String,
}

/// All of a file.
#[derive(Default, Debug)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    pub(crate) bad: Vec<Remark>,
    pub(crate) skipped: Vec<Remark>,
}

impl Found {
    /// Notes a bad line.
    pub(crate) fn bad(&mut self, line: u64, variable: &str, reason: impl Into<String>) {
        let (variable, reason) = (variable.to_owned(), reason.into());
        self.bad.push(Remark { line, variable, reason });
    }

    /// Notes a line that is passed over.
    pub(crate) fn skip(&mut self, line: u64, variable: &str, reason: impl Into<String>) {
        let (variable, reason) = (variable.to_owned(), reason.into());
        self.skipped.push(Remark { line, variable, reason });
    }

    /// Leaves one row for each key: a second one with the same value is passed over, and one with
    /// another value is bad, since nobody can tell which is meant.
    pub(crate) fn one_for_each_key(&mut self) {
        let mut first: HashMap<KeyId, usize> = HashMap::new();
        let mut rows: Vec<Row> = Vec::with_capacity(self.rows.len());
        for row in std::mem::take(&mut self.rows) {
            match first.entry(row.id.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(rows.len());
                    rows.push(row);
                }
                Entry::Occupied(entry) => {
                    let line = rows[*entry.get()].line;
                    let id = &row.id;
                    if is_same(&rows[*entry.get()].key, &row.key) {
                        self.skip(row.line, &row.variable, format!("the same as line {line}"));
                    } else {
                        let reason = format!("another value for {id} than on line {line}");
                        self.bad(row.line, &row.variable, reason);
                    }
                }
            }
        }
        self.rows = rows;
    }
}

/// Whether two keys are the same, in a time that does not tell where they differ.
pub(crate) fn is_same(a: &ApiKey, b: &ApiKey) -> bool {
    a.expose(|a| b.expose(|b| verify_slices_are_equal(a, b).is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, service: &str, key: &str) -> Row {
        Row {
            line,
            variable: String::new(),
            id: KeyId::global(service).unwrap(),
            key: ApiKey::new(key).unwrap(),
            why: String::new(),
            about: About::default(),
        }
    }

    #[test]
    fn one_row_is_left_for_each_key() {
        let rows = vec![row(1, "a", "1"), row(2, "b", "1"), row(3, "a", "1"), row(4, "a", "2")];
        let mut found = Found { rows, ..Found::default() };
        found.one_for_each_key();
        let lines: Vec<_> = found.rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [1, 2]);
        assert_eq!((found.skipped[0].line, found.bad[0].line), (3, 4));
        assert_eq!(
            found.bad[0].reason,
            "another value for default/global/a/default than on line 1"
        );
    }
}

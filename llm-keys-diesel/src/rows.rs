//! Rows as Diesel reads and writes them, and what they mean. A row that no writer of ours could
//! have written is `Integrity(Row)`, never a guess.

use llm_keys::error::{Error, ErrorKind, IntegrityFault, Result};
use llm_keys::{Micros, Version};
use uuid::Uuid;

pub(crate) mod change;
pub(crate) mod event;
pub(crate) mod key;
pub(crate) mod system;
pub(crate) mod version;

const OP: &str = "store.read_row";

/// A row that contradicts itself. The message names the table and the column, never the content.
pub(crate) fn damaged(table: &'static str, column: &'static str) -> Error {
    Error::new(
        ErrorKind::Integrity(IntegrityFault::Row),
        OP,
        format!("a row of {table} has a `{column}` that no row can have"),
    )
}

pub(crate) fn record(table: &'static str, text: &str) -> Result<Uuid> {
    // Only the spelling that we write is read: one record has one text.
    let record = Uuid::try_parse(text).map_err(|_| damaged(table, "record"))?;
    if record.hyphenated().to_string() != text {
        return Err(damaged(table, "record"));
    }
    Ok(record)
}

pub(crate) fn version(table: &'static str, column: &'static str, number: i64) -> Result<Version> {
    let number = u32::try_from(number).ok().and_then(Version::new);
    number.ok_or_else(|| damaged(table, column))
}

pub(crate) fn version_column(version: Version) -> i64 {
    i64::from(version.get())
}

pub(crate) fn micros_column(at: Option<Micros>) -> Option<i64> {
    at.map(|at| at.0)
}

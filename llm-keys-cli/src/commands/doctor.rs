//! `doctor`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::connect::Connect;
use crate::failure::{Failure, Result};

mod checks;

/// What one check found.
#[derive(Serialize, Debug)]
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    fn new(name: &'static str, result: Result<String>) -> Self {
        match result {
            Ok(found) => Self { name, ok: true, found, hint: None },
            Err(failure) => Self {
                name,
                ok: false,
                found: failure.message(),
                hint: failure.hint().map(str::to_owned),
            },
        }
    }
}

pub(crate) async fn run(connect: &Connect<'_>) -> Result<()> {
    let checks = [
        Check::new("settings", Ok(checks::settings(connect))),
        Check::new("folders", checks::folders(connect)),
        Check::new("database", checks::database(connect).await),
        Check::new("kms", checks::kms(connect).await),
        Check::new("sealing", checks::sealing(connect).await),
        Check::new("keys", checks::keys(connect).await),
    ];
    let output = connect.output();
    if output.is_json() {
        output.document(&checks)?;
    } else {
        let mut lines = String::new();
        for Check { name, ok, found, hint } in &checks {
            let word = if *ok { "ok" } else { "FAILED" };
            let _ = writeln!(lines, "{name:<9} {word:<7} {found}");
            if let Some(hint) = hint {
                let _ = writeln!(lines, "{:<17} hint: {hint}", "");
            }
        }
        output.bytes(lines.as_bytes())?;
    }
    match checks.iter().filter(|check| !check.ok).count() {
        0 => Ok(()),
        failed => Err(Failure::Checks(failed)),
    }
}

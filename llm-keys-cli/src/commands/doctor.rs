//! `doctor`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::commands::kms_check::{self, Tried};
use crate::connect::Connect;
use crate::failure::{Failure, Result};

mod checks;

/// What one check found.
#[derive(Serialize, Debug)]
struct Check {
    name: &'static str,
    result: Outcome,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// What a KMS key did, as `kms check` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Tried>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    Failed,
    /// What it needs was found missing by another check.
    Skipped,
}

impl Check {
    fn new(name: &'static str, result: Result<String>) -> Self {
        match result {
            Ok(found) => Self { name, result: Outcome::Ok, found, hint: None, key: None },
            Err(failure) => Self {
                name,
                result: Outcome::Failed,
                found: failure.message(),
                hint: failure.hint().map(str::to_owned),
                key: None,
            },
        }
    }

    fn skipped(name: &'static str, why: &str) -> Self {
        Self { name, result: Outcome::Skipped, found: why.to_owned(), hint: None, key: None }
    }

    fn of_key(tried: Tried) -> Self {
        let result = if tried.works() { Outcome::Ok } else { Outcome::Failed };
        let (found, hint) = (tried.line(), tried.hint().map(str::to_owned));
        Self { name: "kms", result, found, hint, key: Some(tried) }
    }

    fn lines(&self) -> String {
        let Self { name, result, found, hint, key } = self;
        let word = match result {
            Outcome::Ok => "ok",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "skipped",
        };
        let latency = key.as_ref().and_then(Tried::latency);
        let latency = latency.map(|latency| format!(", {latency}")).unwrap_or_default();
        let mut lines = format!("{name:<9} {word:<8} {found}{latency}\n");
        if let Some(hint) = hint {
            let _ = writeln!(lines, "{:<18} hint: {hint}", "");
        }
        lines
    }
}

pub(crate) async fn run(connect: &Connect<'_>) -> Result<()> {
    let mut all = vec![
        Check::new("settings", Ok(checks::settings(connect))),
        Check::new("folders", checks::folders(connect)),
    ];
    let (store, check) = split("database", checks::database(connect).await);
    all.push(check);
    // Once, and the keys are tried as they were opened: it may ask for a passphrase.
    let kms = connect.kms().await;
    let tried = kms_check::try_all(connect, kms.as_ref().ok()).await;
    let all_are_out = tried.iter().all(Tried::is_out);
    let all_work = tried.iter().all(Tried::works);
    all.extend(tried.into_iter().map(Check::of_key));
    let kms = match kms {
        // One that denies or is out is no reason not to try the rest: another may open everything.
        Ok(kms) if !all_are_out => Some(kms),
        Ok(_) => None,
        Err(failure) => {
            if all_work {
                // Each does, but not all together.
                all.push(Check::new("kms", Err(failure)));
            }
            None
        }
    };
    let Some(kms) = kms else {
        all.push(Check::skipped("sealing", "without the KMS"));
        all.push(Check::skipped("keys", "without the KMS"));
        all.push(Check::skipped("sentinel", "without the KMS"));
        return report(&all, connect);
    };
    all.push(Check::new("sealing", checks::sealing(connect, kms.clone()).await));
    let Some(store) = store else {
        all.push(Check::skipped("keys", "without the database"));
        all.push(Check::skipped("sentinel", "without the database"));
        return report(&all, connect);
    };
    let keys = Check::new("keys", checks::keys(connect, kms.clone(), store.clone()).await);
    let open = keys.result == Outcome::Ok;
    all.push(keys);
    all.push(match open {
        true => Check::new("sentinel", checks::sentinel(connect, kms, store).await),
        false => Check::skipped("sentinel", "while keys do not open"),
    });
    report(&all, connect)
}

fn report(checks: &[Check], connect: &Connect<'_>) -> Result<()> {
    let output = connect.output();
    if output.is_json() {
        output.document(&checks)?;
    } else {
        output.bytes(checks.iter().map(Check::lines).collect::<String>().as_bytes())?;
    }
    match checks.iter().filter(|check| check.result == Outcome::Failed).count() {
        0 => Ok(()),
        failed => Err(Failure::Checks(failed)),
    }
}

/// What a check opened for those after it, and what it found.
fn split<T>(name: &'static str, result: Result<(T, String)>) -> (Option<T>, Check) {
    match result {
        Ok((opened, found)) => (Some(opened), Check::new(name, Ok(found))),
        Err(failure) => (None, Check::new(name, Err(failure))),
    }
}

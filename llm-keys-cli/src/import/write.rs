//! Storing what is new, several keys at once.

use std::cell::Cell;

use futures_util::{StreamExt as _, TryStreamExt as _};
use llm_keys::{ErrorKind, ExpectVersion, SecureKeyManager, StoreOptions};

use super::found::Row;
use super::plan::{Planned, Standing};
use crate::failure::Result;

/// How many keys are sealed and stored at once.
pub(super) const AT_ONCE: usize = 16;

/// What became of the rows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Written {
    /// New keys.
    pub(crate) stored: u64,
    /// New versions of keys that were there.
    pub(crate) updated: u64,
    /// Keys that somebody else changed since they were looked at; they are left alone.
    pub(crate) overtaken: u64,
}

/// Stores each of `planned` if it is as it was when it was planned; `done` is called after each.
///
/// # Errors
/// The first failure ends it. What was stored stays: the same import goes on after it.
pub(crate) async fn write(
    planned: Vec<Planned>,
    keys: &(impl SecureKeyManager + ?Sized),
    done: impl Fn(),
) -> Result<Written> {
    let written = Cell::new(Written::default());
    fail_point!("import.planned");
    futures_util::stream::iter(planned)
        .map(Ok)
        .try_for_each_concurrent(AT_ONCE, |planned| {
            let (written, done) = (&written, &done);
            async move {
                let mut counts = Written::default();
                match one(planned, keys).await? {
                    Outcome::Stored => counts.stored = 1,
                    Outcome::Updated => counts.updated = 1,
                    Outcome::Overtaken => counts.overtaken = 1,
                }
                let sum = written.get();
                written.set(Written {
                    stored: sum.stored + counts.stored,
                    updated: sum.updated + counts.updated,
                    overtaken: sum.overtaken + counts.overtaken,
                });
                done();
                fail_point!("import.stored");
                Ok(())
            }
        })
        .await
        .map(|()| {
            fail_point!("import.done");
            written.get()
        })
}

enum Outcome {
    Stored,
    Updated,
    Overtaken,
}

async fn one(
    planned: Planned,
    keys: &(impl SecureKeyManager + ?Sized),
) -> llm_keys::Result<Outcome> {
    let Planned { row: Row { id, key, about, .. }, standing } = planned;
    let mut options = StoreOptions::default();
    options.expect_version = match standing {
        Standing::Other(Some(version)) => Some(ExpectVersion::Is(version)),
        _ => Some(ExpectVersion::Absent),
    };
    options.expires_at = about.expires_at;
    options.labels = about.labels;
    options.settings = about.settings;
    options.template = about.template;
    options.rotate_every = about.rotate_every;
    match keys.store_api_key(&id, key, &options).await {
        Ok(_) if standing == Standing::New => Ok(Outcome::Stored),
        Ok(_) => Ok(Outcome::Updated),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(Outcome::Overtaken),
        Err(error) => Err(error),
    }
}

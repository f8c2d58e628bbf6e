//! `show SERVICE`.

use llm_keys::error::IntegrityFault;
use llm_keys::{Error, ErrorKind, Integrity, KeyMetadata, SecureKeyManager as _};

use crate::args::ShowArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::output::view::KeyView;

pub(crate) async fn run(args: &ShowArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let found = match connect.onlooker_if_there(&id.tenant, args.verify).await? {
        Some(manager) => manager.key_metadata(&id).await?,
        None => None,
    };
    let Some(key) = found else { return Err(Failure::NotFound(id)) };
    let view = KeyView::new(&key, super::now());
    let output = connect.output();
    if output.is_json() {
        output.document(&view)?;
    } else {
        output.bytes(view.lines().as_bytes())?;
        note_unverified(std::slice::from_ref(&key), output);
    }
    check_verified(std::slice::from_ref(&key), args.verify)
}

/// Says how to learn more, if nobody looked whether `keys` are as they were written.
pub(super) fn note_unverified(keys: &[KeyMetadata], output: &Output) {
    if keys.iter().any(|key| key.integrity == Integrity::Unverified) {
        output
            .note("unverified: `--verify` asks the KMS whether the rows are as they were written");
    }
}

/// # Errors
/// `Integrity(Row)` if one is not as it was written; where that was `asked`, also if one could not
/// be verified.
pub(super) fn check_verified(keys: &[KeyMetadata], asked: bool) -> Result<()> {
    let bad = |key: &&KeyMetadata| match key.integrity {
        Integrity::Verified => false,
        Integrity::Unverified => asked,
        Integrity::Broken => true,
    };
    match keys.iter().filter(bad).count() {
        0 => Ok(()),
        count => {
            let detail = format!("{count} of {} rows are not as they were written", keys.len());
            let fault = ErrorKind::Integrity(IntegrityFault::Row);
            Err(Error::new(fault, "cli.list", detail)
                .with_hint("`llm-keys verify` shows what is wrong with each")
                .into())
        }
    }
}

//! `tend`, and what other commands do of it in passing, so that nobody has to run it.

use llm_keys::EnvelopeKeyManager;
use llm_keys::manager::Tended;
use serde_json::json;

use crate::connect::Connect;
use crate::failure::Result;

pub(crate) async fn run(connect: &Connect<'_>) -> Result<()> {
    // Only what is verified is purged, and that needs the KMS.
    let done = match connect.manager_if_there().await? {
        Some(keys) => keys.tend().await?,
        None => Tended::default(),
    };
    let count = |count: u64| if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
    connect.output().done(
        &format!("purged {}, told of {} due", count(done.purged), count(done.told)),
        &json!({ "purged": done.purged, "told": done.told }),
    )
}

/// Does a little of what is due. The command has done its work already: if this fails, the next one
/// tries again.
pub(super) async fn in_passing(keys: &EnvelopeKeyManager) {
    if let Err(error) = keys.tend_some(IN_PASSING).await {
        tracing::warn!(?error, "what is due could not be done");
    }
}

/// So that nobody waits long for it: each is a transaction.
const IN_PASSING: u64 = 10;

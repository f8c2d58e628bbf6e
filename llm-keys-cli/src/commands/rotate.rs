//! `rotate SERVICE`.

use llm_keys::{EnvelopeKeyManager, KeyId, RotateOptions, SecureKeyManager as _, Version};
use serde_json::json;

use super::{store, tend};
use crate::args::RotateArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::version_view::good_until;
use crate::output::view::time;
use crate::{secret_input, when};

pub(crate) async fn run(args: RotateArgs, connect: &Connect<'_>) -> Result<()> {
    // All that may be wrong with the arguments and the key comes before anything is changed.
    let id = args.key.id()?;
    let overlap = when::duration_or_zero(&args.overlap)?;
    let options = RotateOptions::default().store(store::options(&args.how)?).overlap(overlap);
    let key = secret_input::read_key(args.how.source, connect.output())?;
    let Some(keys) = connect.manager_if_there().await? else { return Err(Failure::NotFound(id)) };
    let Some(before) = keys.key_metadata(&id).await? else {
        return Err(Failure::NotFound(id));
    };
    let Some(version) = keys.rotate_api_key(&id, key, &options).await? else {
        return Err(Failure::NotFound(id));
    };
    let until = match before.version {
        Some(old) => old_one_until(&keys, &id, old).await.unwrap_or_else(|failure| {
            // It is rotated, whatever becomes of this.
            tracing::warn!(?failure, "the history cannot be read");
            (!overlap.is_zero()).then(|| time(super::now().saturating_add(overlap)))
        }),
        None => None,
    };
    tend::in_passing(&keys).await;
    keys.shutdown().await?;
    let old = match (before.version, &until) {
        (Some(old), Some(until)) => format!("; version {old} is retiring until {until}"),
        (Some(old), None) => format!("; version {old} is retired"),
        (None, _) => String::new(),
    };
    connect.output().done(
        &format!("rotated {id}: version {version} is current{old}"),
        &json!({
            "tenant": id.tenant, "owner": id.owner, "service": id.service, "name": id.name,
            "version": version, "replaced": before.version, "replaced_good_until": until,
        }),
    )
}

/// Until when version `old` is good, as it is stored now.
async fn old_one_until(
    keys: &EnvelopeKeyManager,
    id: &KeyId,
    old: Version,
) -> Result<Option<String>> {
    let history = keys.key_history(id).await?.unwrap_or_default();
    Ok(history.iter().find(|version| version.version == old).and_then(good_until))
}

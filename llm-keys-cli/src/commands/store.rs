//! `store SERVICE`.

use llm_keys::{ExpectVersion, KeyId, Labels, SecureKeyManager as _, StoreOptions, Version};
use serde_json::json;

use super::tend;
use crate::args::StoreHowArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::secret_input;
use crate::when;

pub(crate) async fn run(id: KeyId, how: StoreHowArgs, connect: &Connect<'_>) -> Result<()> {
    // All that may be wrong with the arguments and the key comes before anything is made.
    let options = options(&how)?;
    let key = secret_input::read_key(how.source, connect.output())?;
    let keys = connect.manager_or_make().await?;
    let version = keys.store_api_key(&id, key, &options).await?;
    tend::in_passing(&keys).await;
    keys.shutdown().await?;
    connect.output().done(
        &format!("stored version {version} of {id}"),
        &json!({
            "tenant": id.tenant, "owner": id.owner, "service": id.service, "name": id.name,
            "version": version,
        }),
    )
}

/// How to store, as the arguments say.
///
/// # Errors
/// `Usage` and `InvalidInput` that say which argument is wrong.
pub(super) fn options(how: &StoreHowArgs) -> Result<StoreOptions> {
    let mut options = StoreOptions::default().caller(how.why.caller()?);
    if let Some(when) = &how.expires {
        options = options.expires_at(when::expiry(when, super::now())?);
    }
    if let Some(days) = &how.rotate_every {
        options = options.rotate_every(when::days(days)?);
    }
    if let Some(expected) = &how.expect_version {
        let expected = match expected.as_str() {
            "0" => ExpectVersion::Absent,
            number => ExpectVersion::Is(number.parse::<Version>()?),
        };
        options = options.expect_version(expected);
    }
    if !how.labels.is_empty() {
        options = options.labels(labels(&how.labels)?);
    }
    Ok(options)
}

fn labels(pairs: &[String]) -> Result<Labels> {
    let mut labels = Labels::default();
    for pair in pairs {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Failure::usage("a label is `key=value`"))?;
        if labels.get(key).is_some() {
            return Err(Failure::usage("a label is given twice"));
        }
        labels.insert(key, value)?;
    }
    Ok(labels)
}

//! `delete SERVICE`.

use llm_keys::{
    DeleteOptions, EnvelopeKeyManager, KeyFilter, KeyId, PageSize, SecureKeyManager as _,
};
use serde_json::json;

use super::confirm::{Question, confirm};
use super::tend;
use crate::args::DeleteArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::view::{purge_at, time};

pub(crate) async fn run(args: &DeleteArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let mut options = DeleteOptions::default().caller(args.why.caller()?);
    let for_good = args.now || connect.settings().retention.deleted.is_zero();
    if for_good {
        options = options.now();
    }
    let output = connect.output();
    if !args.yes {
        let question = Question {
            text: &match for_good {
                true => format!("Delete {id} with all its versions, for good?"),
                false => format!("Delete {id}?"),
            },
            why: if for_good { "a key is deleted for good" } else { "a key is deleted" },
            refused: "nothing was deleted",
        };
        confirm(&question, output)?;
    }
    // What goes for good needs no KMS: nothing is written.
    let keys = match for_good {
        true => connect.keeper_if_there().await?,
        false => connect.manager_if_there().await?,
    };
    let Some(keys) = keys else { return Err(Failure::NotFound(id)) };
    if !keys.delete_api_key(&id, &options).await? {
        return Err(Failure::NotFound(id));
    }
    let until = purged_at(&keys, &id).await?;
    tend::in_passing(&keys).await;
    let text = match &until {
        Some(until) => format!("deleted {id}; `llm-keys undelete` takes it back until {until}"),
        None => format!("deleted {id} for good"),
    };
    output.done(
        &text,
        &json!({
            "tenant": id.tenant, "owner": id.owner, "service": id.service, "name": id.name,
            "deleted": true, "purge_at": until,
        }),
    )
}

/// When the deleted key `id` is purged, as it is stored; `None` if it is gone.
async fn purged_at(keys: &EnvelopeKeyManager, id: &KeyId) -> Result<Option<String>> {
    let filter = KeyFilter::of(id.tenant.clone())
        .owner(id.owner.clone())
        .service(id.service.clone())
        .name(id.name.clone())
        .with_deleted();
    let page = keys.list_api_keys(&filter, None, PageSize::new(1)?).await?;
    Ok(page.items.first().and_then(purge_at).map(time))
}

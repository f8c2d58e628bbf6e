//! `prune SERVICE`.

use llm_keys::SecureKeyManager as _;
use serde_json::json;

use super::confirm::{Question, confirm};
use crate::args::PruneArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};

pub(crate) async fn run(args: &PruneArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let options = args.why.options()?;
    let keep = match &args.keep {
        Some(text) => count(text)?,
        None => connect.settings().retention.versions,
    };
    let output = connect.output();
    if !args.yes {
        let question = Question {
            text: &match keep {
                1 => format!("Shred all versions of {id} but the current one, for good?"),
                keep => format!("Shred all versions of {id} but {keep}, for good?"),
            },
            why: "versions are shredded for good",
            refused: "nothing was shredded",
        };
        confirm(&question, output)?;
    }
    let pruned = match connect.manager_if_there().await? {
        Some(keys) => keys.prune_api_key(&id, keep, &options).await?,
        None => None,
    };
    let Some(shredded) = pruned else { return Err(Failure::NotFound(id)) };
    let versions = if shredded == 1 { "version" } else { "versions" };
    output.done(
        &format!("shredded {shredded} {versions} of {id}"),
        &json!({
            "tenant": id.tenant, "owner": id.owner, "service": id.service, "name": id.name,
            "shredded": shredded,
        }),
    )
}

fn count(text: &str) -> Result<u32> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| {
        Failure::usage("`--keep` is not a number such as `3`")
            .with_hint("the current version is always kept, so it is at least 1")
    })
}

//! `delete SERVICE`.

use llm_keys::{DeleteOptions, SecureKeyManager as _};
use serde_json::json;

use super::confirm::{Question, confirm};
use crate::args::DeleteArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};

pub(crate) async fn run(args: &DeleteArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let output = connect.output();
    if !args.yes {
        let question = Question {
            text: &format!("Delete {id} with all its versions, for good?"),
            why: "a key is deleted for good",
            refused: "nothing was deleted",
        };
        confirm(&question, output)?;
    }
    let deleted = match connect.keeper_if_there().await? {
        Some(keys) => keys.delete_api_key(&id, &DeleteOptions::default()).await?,
        None => false,
    };
    if !deleted {
        return Err(Failure::NotFound(id));
    }
    output.done(
        &format!("deleted {id}"),
        &json!({
            "tenant": id.tenant, "owner": id.owner, "service": id.service, "name": id.name,
            "deleted": true,
        }),
    )
}

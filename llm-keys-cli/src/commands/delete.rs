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
            text: &match args.now {
                true => format!("Delete {id} with all its versions, for good?"),
                false => format!("Delete {id}?"),
            },
            why: "a key is deleted",
            refused: "nothing was deleted",
        };
        confirm(&question, output)?;
    }
    // What goes for good needs no KMS: nothing is written.
    let (keys, options) = match args.now {
        true => (connect.keeper_if_there().await?, DeleteOptions::default().now()),
        false => (connect.manager_if_there().await?, DeleteOptions::default()),
    };
    let deleted = match keys {
        Some(keys) => keys.delete_api_key(&id, &options).await?,
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

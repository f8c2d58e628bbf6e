//! `rollback SERVICE VERSION`.

use llm_keys::{SecureKeyManager as _, Version};
use serde_json::json;

use super::confirm::{Question, confirm};
use crate::args::RollbackArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};

pub(crate) async fn run(args: &RollbackArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let to: Version = args.to.parse()?;
    let options = args.why.options()?;
    let output = connect.output();
    if !args.yes {
        let question = Question {
            text: &format!("Give out what version {to} of {id} holds instead of the current one?"),
            why: "another secret is given out",
            refused: "nothing was changed",
        };
        confirm(&question, output)?;
    }
    let Some(keys) = connect.manager_if_there().await? else { return Err(Failure::NotFound(id)) };
    let Some(version) = keys.rollback_api_key(&id, to, &options).await? else {
        return Err(Failure::NotFound(id));
    };
    output.done(
        &format!("version {version} of {id} holds what version {to} does"),
        &json!({
            "tenant": id.tenant, "owner": id.owner, "service": id.service, "name": id.name,
            "version": version, "of_version": to,
        }),
    )
}

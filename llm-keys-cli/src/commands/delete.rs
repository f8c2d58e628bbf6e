//! `delete SERVICE`.

use std::io::{self, BufRead as _, IsTerminal as _};

use llm_keys::{ChangeOptions, SecureKeyManager as _};
use serde_json::json;

use crate::args::DeleteArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};

pub(crate) async fn run(args: &DeleteArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let output = connect.output();
    if !args.yes {
        if !io::stdin().is_terminal() || output.is_json() {
            return Err(Failure::usage("a key is deleted for good")
                .with_hint("add `--yes` where nobody can be asked"));
        }
        output.ask(&format!("Delete {id} with all its versions, for good? [y/N] "));
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|error| Failure::io("cli.ask", "the terminal cannot be read".into(), error))?;
        if !["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
            return Err(Failure::usage("nothing was deleted"));
        }
    }
    let deleted = match connect.keeper_if_there().await? {
        Some(keys) => keys.delete_api_key(&id, &ChangeOptions::default()).await?,
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

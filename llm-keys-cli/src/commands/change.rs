//! `deactivate` and `activate`.

use llm_keys::{ChangeOptions, KeyId, SecureKeyManager as _};

use crate::args::ChangeArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::view::KeyView;

pub(crate) async fn deactivate(args: &ChangeArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let Some(keys) = connect.manager_if_there().await? else { return Err(Failure::NotFound(id)) };
    let changed = keys.deactivate_api_key(&id, &ChangeOptions::default()).await?;
    say("deactivated", id, changed, connect)
}

pub(crate) async fn activate(args: &ChangeArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let Some(keys) = connect.manager_if_there().await? else { return Err(Failure::NotFound(id)) };
    let changed = keys.activate_api_key(&id, &ChangeOptions::default()).await?;
    say("activated", id, changed, connect)
}

fn say(
    done: &str,
    id: KeyId,
    changed: Option<llm_keys::KeyMetadata>,
    connect: &Connect<'_>,
) -> Result<()> {
    match changed {
        Some(key) => {
            let view = KeyView::new(&key, super::now());
            connect.output().done(&format!("{done} {id}"), &view)
        }
        None => Err(Failure::NotFound(id)),
    }
}

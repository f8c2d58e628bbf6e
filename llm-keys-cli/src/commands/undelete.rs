//! `undelete SERVICE`.

use llm_keys::SecureKeyManager as _;

use crate::args::UndeleteArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::view::KeyView;

pub(crate) async fn run(args: &UndeleteArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let options = args.why.options()?;
    let missing = |id| Failure::NoDeleted(id);
    let Some(keys) = connect.manager_if_there().await? else { return Err(missing(id)) };
    let Some(mut key) = keys.undelete_api_key(&id, &options).await? else {
        return Err(missing(id));
    };
    let output = connect.output();
    let mut text = format!("undeleted {id}");
    if args.activate {
        key = keys.activate_api_key(&id, &options).await?.ok_or_else(|| missing(id))?;
        text.push_str("; it is active");
    } else {
        text.push_str("; it is inactive until `llm-keys activate`");
    }
    output.done(&text, &KeyView::new(&key, super::now()))
}

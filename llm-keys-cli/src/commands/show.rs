//! `show SERVICE`.

use llm_keys::store::KeyStore as _;
use llm_keys::{KeyMetadata, KeyState};

use crate::args::ShowArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::view::KeyView;

/// Asks the storage itself: a manager would want a KMS.
pub(crate) async fn run(args: &ShowArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let found = match connect.store_if_there().await? {
        Some(store) => store.key_find(&id).await?,
        None => None,
    };
    let key = match found {
        Some((row, _)) if !matches!(row.state, KeyState::Deleted { .. }) => KeyMetadata::from(row),
        _ => return Err(Failure::NotFound(id)),
    };
    let view = KeyView::new(&key, super::now());
    let output = connect.output();
    if output.is_json() { output.document(&view) } else { output.bytes(view.lines().as_bytes()) }
}

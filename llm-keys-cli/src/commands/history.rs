//! `history SERVICE`.

use llm_keys::SecureKeyManager as _;

use crate::args::HistoryArgs;
use crate::connect::Connect;
use crate::failure::{Failure, Result};
use crate::output::table;
use crate::output::version_view::VersionView;

pub(crate) async fn run(args: &HistoryArgs, connect: &Connect<'_>) -> Result<()> {
    let id = args.key.id()?;
    let found = match connect.manager_if_there().await? {
        Some(keys) => keys.key_history(&id).await?,
        None => None,
    };
    let Some(versions) = found else { return Err(Failure::NotFound(id)) };
    let views: Vec<_> = versions.iter().map(VersionView::new).collect();
    let output = connect.output();
    if output.is_json() {
        return output.document(&views);
    }
    let rows = views.iter().map(VersionView::cells);
    output.bytes(table::of_rows(VersionView::COLUMNS, rows).as_bytes())
}

//! What of a file is there already.

use futures_util::{StreamExt as _, TryStreamExt as _};
use llm_keys::{ErrorKind, KeyState, OpenOptions, OpenedContent, SecureKeyManager, Version};

use super::found::{Row, is_same};
use super::write::AT_ONCE;
use crate::failure::Result;

/// A row, and what stands in its place.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) row: Row,
    pub(crate) standing: Standing,
}

/// What is stored of a key that is to be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Nothing.
    New,
    /// The same value.
    Unchanged,
    /// Another value, or one that is not given out; with the version that is current.
    Other(Option<Version>),
}

/// Compares `rows` with what is stored, in their order. Nothing is read for a key whose hint is
/// another; otherwise the key is opened, which is recorded like any other read. Without `keys`
/// there is nothing.
///
/// # Errors
/// What the manager says, but that a key is inactive, expired or damaged: that is another value.
pub(crate) async fn plan(
    rows: Vec<Row>,
    keys: Option<&(impl SecureKeyManager + ?Sized)>,
) -> Result<Vec<Planned>> {
    let planned = rows.into_iter().map(|row| async move {
        let standing = match keys {
            Some(keys) => standing(&row, keys).await?,
            None => Standing::New,
        };
        Ok(Planned { row, standing })
    });
    futures_util::stream::iter(planned).buffered(AT_ONCE).try_collect().await
}

async fn standing(row: &Row, keys: &(impl SecureKeyManager + ?Sized)) -> Result<Standing> {
    let Some(there) = keys.key_metadata(&row.id).await? else { return Ok(Standing::New) };
    if matches!(there.state, KeyState::Deleted { .. }) {
        return Ok(Standing::New);
    }
    let other = Standing::Other(there.version);
    if there.hint != llm_keys::model::Hint::of(&row.key) || there.state != KeyState::Active {
        return Ok(other);
    }
    match keys.open(&row.id, &OpenOptions::default()).await {
        Ok(Some(opened)) => Ok(match &opened.content {
            OpenedContent::Raw(key) if is_same(key, &row.key) => Standing::Unchanged,
            _ => other,
        }),
        Ok(None) => Ok(Standing::New),
        Err(error) => match error.kind() {
            ErrorKind::Inactive | ErrorKind::Expired | ErrorKind::Integrity(_) => Ok(other),
            _ => Err(error.into()),
        },
    }
}

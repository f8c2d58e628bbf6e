//! `list`.

use llm_keys::{
    EnvelopeKeyManager, Integrity, KeyFilter, KeyMetadata, KeyState, Owner, PageSize,
    SecureKeyManager as _, Service, Tenant,
};

use super::show::{check_verified, note_unverified};
use crate::args::ListArgs;
use crate::connect::Connect;
use crate::failure::Result;
use crate::output::table;
use crate::output::view::KeyView;
use crate::when;

pub(crate) async fn run(args: &ListArgs, connect: &Connect<'_>) -> Result<()> {
    let filter = filter(args)?;
    let due = args.due.as_deref().map(when::duration_or_zero).transpose()?;
    let now = super::now();
    let keys = match connect.onlooker_if_there(&filter.tenant, args.verify).await? {
        None => Vec::new(),
        Some(manager) => match due {
            Some(due) => {
                let mut keys =
                    manager.due_api_keys(&filter.tenant, now.saturating_add(due)).await?;
                keys.retain(|key| is_meant(key, &filter));
                keys
            }
            None => all(&manager, &filter, args.deleted).await?,
        },
    };
    let views: Vec<_> = keys.iter().map(|key| KeyView::new(key, now)).collect();
    let output = connect.output();
    if output.is_json() {
        output.document(&views)?;
    } else if views.is_empty() {
        output.note(match (due, args.deleted) {
            (Some(_), _) => "nothing falls due",
            (None, true) => "there are no deleted keys",
            (None, false) => "there are no keys",
        });
    } else {
        let text = match (due, args.deleted) {
            (Some(_), _) => {
                table::of_rows(KeyView::DUE_COLUMNS, views.iter().map(KeyView::due_cells))
            }
            (None, true) => {
                table::of_rows(KeyView::DELETED_COLUMNS, views.iter().map(KeyView::deleted_cells))
            }
            (None, false) => table::of_keys(&views),
        };
        output.bytes(text.as_bytes())?;
        note_unverified(&keys, output);
    }
    check_verified(&keys, args.verify)
}

/// All keys of the filter, or all deleted ones.
async fn all(
    manager: &EnvelopeKeyManager,
    filter: &KeyFilter,
    deleted: bool,
) -> Result<Vec<KeyMetadata>> {
    // Deleted ones in any case: a row that somebody edited to be deleted is shown as broken.
    let filter = filter.clone().with_deleted();
    let mut keys: Vec<KeyMetadata> = Vec::new();
    let mut after = None;
    loop {
        let page = manager.list_api_keys(&filter, after.as_ref(), PageSize::new(PAGE)?).await?;
        keys.extend(
            page.items
                .into_iter()
                .filter(|key| is_deleted(key) == deleted || key.integrity == Integrity::Broken),
        );
        after = page.next;
        if after.is_none() {
            return Ok(keys);
        }
    }
}

fn is_deleted(key: &KeyMetadata) -> bool {
    matches!(key.state, KeyState::Deleted { .. })
}

/// What falls due is not filtered by the storage.
fn is_meant(key: &KeyMetadata, filter: &KeyFilter) -> bool {
    filter.owner.as_ref().is_none_or(|owner| *owner == key.id.owner)
        && filter.service.as_ref().is_none_or(|service| *service == key.id.service)
}

fn filter(args: &ListArgs) -> Result<KeyFilter> {
    let mut filter = KeyFilter::of(Tenant::new(&args.tenant)?);
    let owner = if args.global { Some(Owner::Global) } else { args.owner.owner()? };
    if let Some(owner) = owner {
        filter = filter.owner(owner);
    }
    if let Some(service) = &args.service {
        filter = filter.service(Service::new(service)?);
    }
    Ok(filter)
}

const PAGE: u16 = 1000;

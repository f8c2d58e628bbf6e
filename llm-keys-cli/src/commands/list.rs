//! `list`.

use llm_keys::{KeyFilter, KeyMetadata, Owner, PageSize, SecureKeyManager as _, Service, Tenant};

use super::show::{check_verified, note_unverified};
use crate::args::ListArgs;
use crate::connect::Connect;
use crate::failure::Result;
use crate::output::table;
use crate::output::view::KeyView;

pub(crate) async fn run(args: &ListArgs, connect: &Connect<'_>) -> Result<()> {
    let filter = filter(args)?;
    let mut keys: Vec<KeyMetadata> = Vec::new();
    if let Some(manager) = connect.onlooker_if_there(&filter.tenant, args.verify).await? {
        let mut after = None;
        loop {
            let page = manager.list_api_keys(&filter, after.as_ref(), PageSize::new(PAGE)?).await?;
            keys.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    let now = super::now();
    let views: Vec<_> = keys.iter().map(|key| KeyView::new(key, now)).collect();
    let output = connect.output();
    if output.is_json() {
        output.document(&views)?;
    } else if views.is_empty() {
        output.note("there are no keys");
    } else {
        output.bytes(table::of_keys(&views).as_bytes())?;
        note_unverified(&keys, output);
    }
    check_verified(&keys, args.verify)
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

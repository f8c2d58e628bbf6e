//! `list`.

use llm_keys::store::KeyStore as _;
use llm_keys::{KeyFilter, KeyMetadata, Owner, PageSize, Service, Tenant};

use crate::args::ListArgs;
use crate::connect::Connect;
use crate::failure::Result;
use crate::output::table;
use crate::output::view::KeyView;

/// Asks the storage itself: a manager would want a KMS.
pub(crate) async fn run(args: &ListArgs, connect: &Connect<'_>) -> Result<()> {
    let filter = filter(args)?;
    let mut keys: Vec<KeyMetadata> = Vec::new();
    if let Some(store) = connect.store_if_there().await? {
        let mut after = None;
        loop {
            let page = store.key_list(&filter, after.as_ref(), PageSize::new(PAGE)?).await?;
            keys.extend(page.items.into_iter().map(KeyMetadata::from));
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
        output.document(&views)
    } else if views.is_empty() {
        output.note("there are no keys");
        Ok(())
    } else {
        output.bytes(table::of_keys(&views).as_bytes())
    }
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

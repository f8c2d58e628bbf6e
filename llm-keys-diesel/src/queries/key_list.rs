//! A page of keys.
//!
//! Service, owner and name stand in `path` in the order of the listing, so every filter that begins
//! with a service is a range of paths. An owner's keys of all services are no such range: they have
//! an index and a statement of their own. What is not asked for is a range that holds everything.
//! All paths and names are ASCII.

use std::cmp::Ordering;

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::error::Result;
use llm_keys::model::KeyRow;
use llm_keys::{Cursor, KeyFilter, Page, PageSize};

use crate::backend::Conn;
use crate::failure::failed;
use crate::rows::key::StoredKey;
use crate::schema::llm_keys_keys as keys;

/// One page.
pub(crate) async fn key_list(
    conn: &mut Conn,
    filter: &KeyFilter,
    after: Option<&Cursor>,
    size: PageSize,
) -> Result<Page<KeyRow>> {
    let (range, owned) = (Range::of(filter, after), OwnerRange::of(filter, after));
    let (range, owned) = (&range, owned.as_ref());
    // One more than asked for tells whether there is a next page.
    let limit = i64::from(size.get()) + 1;
    let found: Vec<StoredKey> = on_backend!(conn, |conn| match owned {
        Some(owned) => page_of_owner(owned, limit).load(conn).await,
        None => page(range, limit).load(conn).await,
    })
    .map_err(|error| failed("store.key_list", error))?;
    let mut items = found.into_iter().map(KeyRow::try_from).collect::<Result<Vec<_>>>()?;
    let more = items.len() > usize::from(size.get());
    items.truncate(usize::from(size.get()));
    let next = items.last().filter(|_| more).map(|row| Cursor::after(&row.id));
    Ok(Page { items, next })
}

/// What a page may hold: all bounds in bytes.
#[derive(Debug)]
pub(super) struct Range<'a> {
    tenant: &'a str,
    /// Paths after this one…
    after: String,
    /// …and before this one.
    before: String,
    /// Names from the first to the second.
    names: (&'a str, &'a str),
    /// Rows in this state are left out; empty: none.
    without: &'static str,
}

/// After every ASCII text.
const END: &str = "\u{7f}";

impl<'a> Range<'a> {
    pub(super) fn of(filter: &'a KeyFilter, after: Option<&Cursor>) -> Self {
        // Ends with a separator, and then comes what the parts that are not asked for may be.
        let prefix = match (&filter.service, &filter.owner) {
            (None, _) => String::new(),
            (Some(service), None) => format!("{service}\u{1f}"),
            (Some(service), Some(owner)) => {
                format!("{service}\u{1f}{}\u{1f}{}\u{1f}", owner.kind(), owner.id())
            }
        };
        // A space is the character after the separator, so this is after all that starts so.
        let before = match prefix.strip_suffix('\u{1f}') {
            Some(parts) => format!("{parts} "),
            None => END.to_owned(),
        };
        let after = after.map(Cursor::path).filter(|after| *after > prefix.as_str());
        Self {
            tenant: filter.tenant.as_str(),
            after: after.map_or(prefix, str::to_owned),
            before,
            names: filter.name.as_ref().map_or(("", END), |name| (name.as_str(), name.as_str())),
            without: if filter.deleted { "" } else { "deleted" },
        }
    }
}

#[auto_type]
pub(super) fn page<'a>(range: &'a Range<'a>, limit: i64) -> _ {
    let tenant: &'a str = range.tenant;
    let after: &'a str = range.after.as_str();
    let before: &'a str = range.before.as_str();
    let (first, last): (&'a str, &'a str) = range.names;
    let without: &'a str = range.without;
    keys::table
        .filter(keys::tenant.eq(tenant))
        .filter(keys::path.gt(after))
        .filter(keys::path.lt(before))
        .filter(keys::name.between(first, last))
        .filter(keys::state.ne(without))
        .order(keys::path.asc())
        .limit(limit)
}

/// What a page of one owner's keys may hold, of whatever service.
#[derive(Debug)]
pub(super) struct OwnerRange<'a> {
    tenant: &'a str,
    owner: (&'static str, &'a str),
    /// Services from this one on, but of this one no name up to `passed`.
    from: &'a str,
    passed: &'a str,
    names: (&'a str, &'a str),
    without: &'static str,
}

impl<'a> OwnerRange<'a> {
    /// `None` where [`Range`] is enough.
    pub(super) fn of(filter: &'a KeyFilter, after: Option<&'a Cursor>) -> Option<Self> {
        let owner = filter.owner.as_ref().filter(|_| filter.service.is_none())?;
        let owner = (owner.kind(), owner.id());
        let (from, passed) = after.map_or(("", ""), |after| {
            let mut parts = after.path().split('\u{1f}').chain(std::iter::repeat(""));
            let mut part = || parts.next().unwrap_or_default();
            let (service, theirs, name) = (part(), (part(), part()), part());
            // The cursor may come from a listing of all owners.
            let passed = match owner.cmp(&theirs) {
                Ordering::Less => END,
                Ordering::Equal => name,
                Ordering::Greater => "",
            };
            (service, passed)
        });
        let all = Range::of(filter, None);
        Some(Self {
            tenant: filter.tenant.as_str(),
            owner,
            from,
            passed,
            names: all.names,
            without: all.without,
        })
    }
}

#[auto_type]
pub(super) fn page_of_owner<'a>(range: &'a OwnerRange<'a>, limit: i64) -> _ {
    let tenant: &'a str = range.tenant;
    let (kind, id): (&'static str, &'a str) = range.owner;
    let from: &'a str = range.from;
    let passed: &'a str = range.passed;
    let (first, last): (&'a str, &'a str) = range.names;
    let without: &'a str = range.without;
    keys::table
        .filter(keys::tenant.eq(tenant))
        .filter(keys::owner_kind.eq(kind))
        .filter(keys::owner_id.eq(id))
        .filter(keys::service.ge(from))
        .filter(keys::service.ne(from).or(keys::name.gt(passed)))
        .filter(keys::name.between(first, last))
        .filter(keys::state.ne(without))
        .order((keys::service.asc(), keys::name.asc()))
        .limit(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm_keys::{KeyId, KeyName, Service, Tenant};

    /// What the statement would give.
    fn listed(range: &Range<'_>, id: &KeyId) -> bool {
        let path = id.path();
        path > range.after
            && path < range.before
            && (range.names.0..=range.names.1).contains(&id.name.as_str())
    }

    /// What the statement for an owner would give.
    fn owned_listed(range: &OwnerRange<'_>, id: &KeyId) -> bool {
        let (service, name) = (id.service.as_str(), id.name.as_str());
        range.owner == (id.owner.kind(), id.owner.id())
            && service >= range.from
            && (service != range.from || name > range.passed)
            && (range.names.0..=range.names.1).contains(&name)
    }

    #[test]
    fn ranges_hold_what_is_asked_for_and_nothing_else() {
        let ids = [
            KeyId::global("a").unwrap(),
            KeyId::global("a-").unwrap(),
            KeyId::global("a.b").unwrap(),
            KeyId::global("aa").unwrap(),
            KeyId::user("global", "a").unwrap(),
            KeyId::user("~", "a").unwrap(),
            KeyId::user("a b", "a").unwrap().with_name("z").unwrap(),
            KeyId::user("a", "a").unwrap().with_name("z").unwrap(),
            KeyId::team("zzz", "z").unwrap(),
        ];
        let of = || KeyFilter::of(Tenant::default());
        let a = Service::new("a").unwrap();
        let all = Range::of(&of(), None).after.clone();
        assert_eq!(all, "");
        for id in &ids {
            assert!(listed(&Range::of(&of(), None), id), "{id}");
            let by_service = of().service(a.clone());
            assert_eq!(listed(&Range::of(&by_service, None), id), id.service == a, "{id}");
            let by_name = of().name(KeyName::new("z").unwrap());
            assert_eq!(listed(&Range::of(&by_name, None), id), id.name.as_str() == "z", "{id}");
            for other in &ids {
                let by_owner = of().service(a.clone()).owner(other.owner.clone());
                let wanted = id.service == a && id.owner == other.owner;
                assert_eq!(listed(&Range::of(&by_owner, None), id), wanted, "{id} {other}");
                let cursor = Cursor::after(other);
                let going_on = of().service(a.clone());
                let range = Range::of(&going_on, Some(&cursor));
                let wanted = id.service == a && id.path() > other.path();
                assert_eq!(listed(&range, id), wanted, "{id} after {other}");
                for owner in ids.iter().map(|id| &id.owner) {
                    let owned = of().owner(owner.clone());
                    let range = OwnerRange::of(&owned, Some(&cursor)).unwrap();
                    let wanted = id.owner == *owner && id.path() > other.path();
                    assert_eq!(owned_listed(&range, id), wanted, "{id} of {owner} after {other}");
                }
            }
        }
    }
}

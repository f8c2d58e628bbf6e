//! Ids are compared byte for byte.

use super::SharedStore;
use super::sample::{insert, key, record};
use crate::model::{KeyFilter, KeyId, KeyName, KeyRow, Owner, OwnerId, PageSize, Service, Tenant};

/// Owner ids that something between us and the disk may take for one another: a collation that
/// ignores case or spaces, a number or a pattern in their place, SQL, a separator of ours.
const OWNERS: &[&str] = &[
    "alice",
    "Alice",
    "ALICE",
    "alicE",
    "a lice",
    "a  lice",
    "alice.",
    "alice'",
    "alice\"",
    "global",
    "user",
    "team",
    "user:alice",
    "team:alice",
    "default",
    "null",
    "NULL",
    "Null",
    "a",
    "a_b",
    "a b",
    "a-b",
    "a/b",
    "a:b",
    "a.b",
    "a%b",
    "a*b",
    "a?b",
    "a\\b",
    "a|b",
    "a,b",
    "a;b",
    "a+b",
    "a#b",
    "a&b",
    "a=b",
    "a~b",
    "a^b",
    "a`b",
    "a$b",
    "a@b",
    "a(b)",
    "a[b]",
    "a{b}",
    "_",
    "%",
    "*",
    "?",
    "?1",
    "$1",
    ":id",
    "@id",
    "%s",
    "{0}",
    "''",
    "\"\"",
    "``",
    "\\",
    "\\\\",
    "\\0",
    "\\x00",
    "%00",
    "%2F",
    "/",
    "//",
    "..",
    "../..",
    ".",
    ":",
    "::",
    "'",
    "--",
    "/*",
    "*/",
    "0",
    "00",
    "1",
    "01",
    "1.0",
    "1e0",
    "1E0",
    "+1",
    "-1",
    "0x1",
    "true",
    "TRUE",
    "false",
    "' OR '1'='1",
    "'; DROP TABLE llm_keys_keys; --",
    "\" OR \"\"=\"",
    "1); SELECT (1",
    "a' UNION SELECT * FROM llm_keys_versions --",
    "<script>",
    "$(id)",
    "`id`",
    "${HOME}",
    "ss",
    "SS",
    "i",
    "I",
    "ae",
    "AE",
];

/// Rule 7.
pub async fn ids_never_collide(store: &SharedStore) {
    let ids = all_ids();
    let rows: Vec<_> = (1..).zip(&ids).map(|(n, id)| key(id.clone(), record(n))).collect();

    for row in &rows {
        // None of the keys before it is taken for this one: by a read, or by `Absent`.
        let found = store.key_find(&row.id).await.unwrap();
        assert_eq!(found, None, "{} is there before it was stored", row.id);
        let stored = store.commit(insert(std::slice::from_ref(row))).await;
        stored.unwrap_or_else(|error| panic!("{} collides with another id: {error:?}", row.id));
    }
    for row in &rows {
        let (found, version) = store.key_find(&row.id).await.unwrap().unwrap();
        assert_eq!(found, *row);
        assert_eq!(version.map(|version| version.record), Some(row.record));
    }
    for row in &rows {
        let KeyId { tenant, owner, service, name } = row.id.clone();
        let filter = KeyFilter::of(tenant).owner(owner).service(service).name(name);
        let page = store.key_list(&filter, None, PageSize::default()).await.unwrap();
        assert_eq!(page.items, std::slice::from_ref(row), "{} is listed alone", row.id);
    }
    each_owner_has_its_own(store, &rows).await;
}

async fn each_owner_has_its_own(store: &SharedStore, rows: &[KeyRow]) {
    for row in rows {
        let theirs = |other: &&KeyRow| {
            (&other.id.tenant, &other.id.owner) == (&row.id.tenant, &row.id.owner)
        };
        let mut expected: Vec<_> = rows.iter().filter(theirs).map(|row| row.record).collect();
        let filter = KeyFilter::of(row.id.tenant.clone()).owner(row.id.owner.clone());
        let all = PageSize::new(PageSize::MAX).unwrap();
        let listed = store.key_list(&filter, None, all).await.unwrap().items;
        let mut listed: Vec<_> = listed.iter().map(|row| row.record).collect();
        expected.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, expected, "{} of {}", row.id.owner, row.id.tenant);
    }
}

fn all_ids() -> Vec<KeyId> {
    let owner = |id: &str| OwnerId::new(id).unwrap();
    let service = |text: &str| Service::new(text).unwrap();
    let long = |last: char| format!("{}{last}", "x".repeat(254));
    let openai = service("openai");

    let mut ids = vec![KeyId::new(Owner::Global, openai.clone())];
    for id in OWNERS.iter().map(|id| (*id).to_owned()).chain([long('y'), long('Y'), long('z')]) {
        ids.push(KeyId::new(Owner::User(owner(&id)), openai.clone()));
        ids.push(KeyId::new(Owner::Team(owner(&id)), openai.clone()));
    }
    // Where one part ends and the next begins.
    for (id, text) in [("a_b", "c"), ("a", "b_c"), ("a", "b"), ("a.b", "c"), ("a", "b.c")] {
        ids.push(KeyId::new(Owner::User(owner(id)), service(text)));
    }
    for (text, name) in [("s", "t-u"), ("s-t", "u"), ("s.t", "u"), ("s_t", "u"), ("s", "t.u")] {
        let name = KeyName::new(name).unwrap();
        ids.push(KeyId { name, ..KeyId::new(Owner::Global, service(text)) });
    }
    let label = |last: char| format!("{}{last}", "l".repeat(62));
    for text in [label('1'), label('2')] {
        ids.push(KeyId::new(Owner::Global, service(&text)));
        let name = KeyName::new(&text).unwrap();
        ids.push(KeyId { name, ..KeyId::new(Owner::Global, openai.clone()) });
    }
    for tenant in ["Default", "DEFAULT", "default.", "default/user:alice", "d", "d_", "D", "'", "%"]
        .iter()
        .map(|tenant| (*tenant).to_owned())
        .chain([long('t'), long('T')])
    {
        let tenant = Tenant::new(&tenant).unwrap();
        for owner in [Owner::Global, Owner::User(owner("alice"))] {
            ids.push(KeyId { tenant: tenant.clone(), ..KeyId::new(owner, openai.clone()) });
        }
    }
    ids
}

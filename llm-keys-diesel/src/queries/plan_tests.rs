//! Asks SQLite how it would run each query: it must seek, whatever the size of the tables.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::sqlite::Sqlite;
use diesel::{SqliteConnection, debug_query};
use diesel_migrations::MigrationHarness as _;
use llm_keys::model::{KeyName, Service};
use llm_keys::{KeyFilter, KeyId, Owner, OwnerId, Tenant};

use super::changes::feed;
use super::events::events_after;
use super::expect::{key_of_record, record_of};
use super::key_due::{between, rest_of as rest_of_due, until};
use super::key_find::{key_with_current, one_version};
use super::key_list::{OwnerRange, Range, page, page_of_owner};
use super::key_scan::later_records;
use super::system::one_system;
use super::version_list::{all_versions, later_than, rest_of};
use crate::migrate::SQLITE_MIGRATIONS;

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

fn plan(query: &impl QueryFragment<Sqlite>) -> String {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.run_pending_migrations(SQLITE_MIGRATIONS).unwrap();
    explain(&mut conn, query)
}

#[expect(clippy::disallowed_methods, reason = "EXPLAIN has no other spelling")]
fn explain(conn: &mut SqliteConnection, query: &impl QueryFragment<Sqlite>) -> String {
    let text = debug_query::<Sqlite, _>(query).to_string();
    let (sql, _binds) = text.split_once(" -- binds").unwrap();
    let steps: Vec<Step> =
        diesel::sql_query(format!("EXPLAIN QUERY PLAN {sql}")).load(conn).unwrap();
    steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("; ")
}

/// The plan seeks by `wanted`, and neither scans nor sorts.
fn assert_seeks(plan: &str, wanted: &str) {
    assert!(plan.contains(wanted), "{wanted} is not in: {plan}");
    assert!(!plan.contains("SCAN"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}

#[test]
fn finding_a_key_seeks_by_its_path_and_its_version_by_its_number() {
    let id = KeyId::user("alice", "openai").unwrap();
    let path = id.path();
    let plan = plan(&key_with_current(id.tenant.as_str(), &path));
    assert_seeks(&plan, "(tenant=? AND path=?)");
    assert_seeks(&plan, "(record=? AND version=?)");
}

#[test]
fn every_page_seeks() {
    let of = || KeyFilter::of(Tenant::default());
    let service = || Service::new("openai").unwrap();
    let filters =
        [of(), of().service(service()), of().name(KeyName::new("x").unwrap()), of().with_deleted()];
    for filter in &filters {
        let plan = plan(&page(&Range::of(filter, None), 101));
        assert_seeks(&plan, "(tenant=? AND path>? AND path<?)");
    }
    for owner in [Owner::Global, Owner::User(OwnerId::new("alice").unwrap())] {
        let filter = of().owner(owner.clone());
        let plan = plan(&page_of_owner(&OwnerRange::of(&filter, None).unwrap(), 101));
        assert_seeks(&plan, "llm_keys_keys_by_owner");
        assert_seeks(&plan, "(tenant=? AND owner_kind=? AND owner_id=? AND service>?)");
        let filter = filter.service(service());
        assert!(OwnerRange::of(&filter, None).is_none(), "a range of paths is enough");
    }
}

#[test]
fn a_scan_of_keys_seeks_by_record() {
    let plan = plan(&later_records("a", 100));
    assert_seeks(&plan, "(record>?)");
}

#[test]
fn due_keys_are_found_by_when_they_are_due() {
    for plan in [plan(&until(1, 2)), plan(&between(1, 2, 3)), plan(&rest_of_due(1, "r", 2))] {
        assert_seeks(&plan, "llm_keys_keys_by_due");
    }
}

#[test]
fn everything_else_seeks() {
    assert_seeks(&plan(&all_versions("r")), "(record=?)");
    assert_seeks(&plan(&rest_of("r", 1, 2)), "(record=? AND version>?)");
    assert_seeks(&plan(&later_than("r", 2)), "(record>?)");
    assert_seeks(&plan(&one_version("r", 1)), "(record=? AND version=?)");
    assert_seeks(&plan(&record_of("default", "p")), "(tenant=? AND path=?)");
    assert_seeks(&plan(&key_of_record("r")), "(record=?)");
    assert_seeks(&plan(&one_system("default", "sentinel")), "(tenant=? AND name=?)");
    assert_seeks(&plan(&feed(1, 2)), "(rowid>? AND rowid<?)");
    assert_seeks(&plan(&events_after(1, 2)), "(rowid>?)");
}

/// The control: without the index the same check fails.
#[test]
#[should_panic(expected = "llm_keys_keys_by_owner is not in")]
fn a_lost_index_is_noticed() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.run_pending_migrations(SQLITE_MIGRATIONS).unwrap();
    conn.batch_execute("DROP INDEX llm_keys_keys_by_owner").unwrap();
    let filter = KeyFilter::of(Tenant::default()).owner(Owner::Global);
    let plan = explain(&mut conn, &page_of_owner(&OwnerRange::of(&filter, None).unwrap(), 101));
    assert_seeks(&plan, "llm_keys_keys_by_owner");
}

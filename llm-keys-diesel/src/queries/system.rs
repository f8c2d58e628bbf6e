//! System records.

use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use llm_keys::Tenant;
use llm_keys::error::Result;
use llm_keys::model::SystemName;
use llm_keys::store::SystemRow;

use crate::backend::Conn;
use crate::failure::failed;
use crate::rows::system::StoredSystem;
use crate::schema::llm_keys_system as system;

/// One system record.
pub(crate) async fn system_find(
    conn: &mut Conn,
    tenant: &Tenant,
    name: &SystemName,
) -> Result<Option<SystemRow>> {
    let found: Option<StoredSystem> = on_backend!(conn, |conn| {
        one_system(tenant.as_str(), name.as_str()).first(conn).await.optional()
    })
    .map_err(|error| failed("store.system_find", error))?;
    found.map(SystemRow::try_from).transpose()
}

/// All of them.
pub(crate) async fn system_list(conn: &mut Conn) -> Result<Vec<SystemRow>> {
    let found: Vec<StoredSystem> = on_backend!(conn, |conn| {
        system::table.order((system::tenant.asc(), system::name.asc())).load(conn).await
    })
    .map_err(|error| failed("store.system_list", error))?;
    found.into_iter().map(SystemRow::try_from).collect()
}

#[auto_type]
pub(super) fn one_system<'a>(tenant: &'a str, name: &'a str) -> _ {
    system::table.filter(system::tenant.eq(tenant)).filter(system::name.eq(name))
}

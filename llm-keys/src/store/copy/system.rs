//! The system records.

use std::collections::HashMap;

use super::{Copier, refused};
use crate::error::Result;
use crate::store::{Change, Expect, SystemRow};

impl Copier<'_> {
    /// One pass over the system records; whether there was nothing to write.
    pub(super) async fn system(&mut self) -> Result<bool> {
        let place = |row: &SystemRow| (row.tenant.clone(), row.name.clone());
        let new = self.from.system_list().await?;
        let old = self.to.system_list().await?;
        let mut old: HashMap<_, _> = old.into_iter().map(|row| (place(&row), row)).collect();
        let mut settled = true;
        for row in new {
            self.report.system_seen += 1;
            let version = match old.remove(&place(&row)) {
                Some(old) if old == row => continue,
                Some(old) if old.record == row.record && old.version < row.version => {
                    Some(old.version)
                }
                Some(_) => return Err(other(&row)),
                None => None,
            };
            settled = false;
            let (tenant, name) = place(&row);
            let change = Change {
                expect: vec![Expect::System { tenant, name, version }],
                system: vec![row],
                ..Change::default()
            };
            self.to.commit(change).await?;
            self.report.system += 1;
        }
        match old.into_values().next() {
            Some(row) => Err(other(&row)),
            None => Ok(settled),
        }
    }
}

fn other(row: &SystemRow) -> crate::Error {
    refused(format!("the target has the system record {} of the tenant {}", row.name, row.tenant))
}

//! The system records.

use super::super::envelope_manager::Core;
use super::super::mac_keys;
use super::super::pins::{self, Ask};
use super::super::rewrap::{Item, ends_the_walk};
use super::options::VerifyOptions;
use super::report::{Finding, VerifyReport};
use crate::context::EncryptionContext;
use crate::error::Result;
use crate::store::SystemRow;

impl Core {
    /// Looks at every system record; those of row MAC keys are opened in any case.
    pub(super) async fn verify_system(
        &self,
        options: &VerifyOptions,
        report: &mut VerifyReport,
    ) -> Result<()> {
        for row in self.store.system_list().await? {
            report.system += 1;
            match self.look_at_system(&row, options).await {
                Ok(()) => {}
                Err(error) if ends_the_walk(error.kind()) => return Err(error),
                Err(error) if row.name.as_str() == mac_keys::NAME => {
                    report.lock(row.tenant, row.name, error);
                }
                Err(error) => {
                    report.find(Finding::new(Item::System(row.tenant, row.name), error));
                }
            }
        }
        Ok(())
    }

    async fn look_at_system(&self, row: &SystemRow, options: &VerifyOptions) -> Result<()> {
        if row.name.as_str() == mac_keys::NAME {
            return self.open_mac_keys(row).await.map(drop);
        }
        if options.open && (&row.tenant, &row.name) == (&pins::place()?.0, &pins::place()?.1) {
            return self.open_pins(row, Ask::All).await.map(drop);
        }
        let context = EncryptionContext::of_system(&row.tenant, &row.name, row.record, row.version);
        match options.open {
            true => self.try_to_open(&context, &row.envelope, options.patience).await,
            false => row.envelope.parse()?.check_context(&context),
        }
    }
}

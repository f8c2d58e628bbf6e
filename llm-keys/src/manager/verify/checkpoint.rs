//! Checkpoints: what every key was at one time, in a file that is kept elsewhere.
//!
//! The format is in `docs/reference/checkpoint.md`. A checkpoint that is there is read whole and
//! verified before anything is compared with it; the new one is written entry by entry beside it, and
//! takes its place only if all is well.

use std::path::Path;

use uuid::Uuid;

use super::super::envelope_manager::Core;
use super::super::rewrap::{Item, ends_the_walk};
use super::super::row_mac::fingerprint;
use super::options::VerifyOptions;
use super::report::{CheckpointReport, Compared, Finding, VerifyReport};
use crate::error::{Error, ErrorKind, IntegrityFault, Result};
use crate::model::{KeyRow, Seq, Tenant, VersionRow};

pub(super) use self::compare::Old;
pub(super) use self::write::Writing;

mod compare;
mod format;
mod tree;
mod write;

const OP: &str = "manager.checkpoint";

/// What a checkpoint says of one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) record: Uuid,
    pub(super) generation: u64,
    /// Over all columns of its rows that decide something.
    pub(super) hash: [u8; 32],
}

impl Entry {
    pub(super) fn of(key: &KeyRow, versions: &[VersionRow]) -> Self {
        let (record, generation) = (key.record, key.generation);
        Self { record, generation, hash: fingerprint(key, versions) }
    }
}

impl Core {
    pub(super) async fn verify_with_checkpoint(
        &self,
        options: &VerifyOptions,
        mut report: VerifyReport,
    ) -> Result<VerifyReport> {
        let Some(path) = &options.checkpoint else { return Ok(report) };
        report.checkpoint = Some(CheckpointReport::default());
        let mut old = match options.anew {
            true => None,
            false => self.old_checkpoint(path, &mut report).await?,
        };
        let head = self.store.changes_since(Seq::default()).await?.head;
        if let Some(old) = &old {
            old.compare_feed(head, &mut report);
        }
        let mut new =
            Writing::begin(path, self.clock.now(), head, self.signers().await?, &*self.random)?;
        if let Err(error) = self.walk(options, &mut report, old.as_mut(), Some(&mut new)).await {
            report.stopped = Some(error);
            return Ok(report);
        }
        if let Some(old) = old {
            let (compared, gone) = old.end();
            let explained = self.explain_gone(gone, &mut report).await?;
            let compared = Compared { gone: explained, ..compared };
            if let Some(checkpoint) = &mut report.checkpoint {
                checkpoint.compared = Some(compared);
            }
        }
        if report.is_sound() {
            let written = self.sign_and_replace(new, path).await?;
            if let Some(checkpoint) = &mut report.checkpoint {
                checkpoint.written = Some(written);
            }
        }
        Ok(report)
    }

    /// The checkpoint that is there; none if it is not to be believed, which is a finding.
    async fn old_checkpoint(&self, path: &Path, report: &mut VerifyReport) -> Result<Option<Old>> {
        let Some(bytes) = read(path)? else { return Ok(None) };
        match self.verified_checkpoint(bytes).await {
            Ok(old) => Ok(Some(old)),
            Err(error) if ends_the_walk(error.kind()) => Err(error),
            Err(error) => {
                report.find(Finding::new(Item::Checkpoint(path.to_owned()), error));
                Ok(None)
            }
        }
    }

    async fn verified_checkpoint(&self, bytes: Vec<u8>) -> Result<Old> {
        let parsed = format::parse(&bytes)?;
        let signed = parsed.signed();
        for (tenant, number, tag) in &parsed.signers {
            let keys = self.mac_keys(tenant).await?;
            if !keys.is_checkpoint(tenant, &signed, (*number, tag))? {
                return Err(unbelieved("it was not made of this storage, or it was changed"));
            }
        }
        let old = Old::of(&parsed);
        Ok(old.with(bytes))
    }

    /// The tenants that will sign a new checkpoint: all that have row MAC keys.
    async fn signers(&self) -> Result<Vec<Tenant>> {
        let mut tenants: Vec<_> =
            self.mac_key_records().await?.into_iter().map(|row| row.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        if tenants.is_empty() {
            return Err(Error::invalid(OP, "nothing was ever stored: there is nothing to check")
                .with_hint("make a checkpoint once the first key is stored"));
        }
        Ok(tenants)
    }

    async fn sign_and_replace(&self, mut new: Writing, path: &Path) -> Result<u64> {
        let signed = new.end()?;
        let mut tags = Vec::new();
        for tenant in new.signers() {
            let (number, tag) = self.mac_keys(tenant).await?.sign_checkpoint(tenant, &signed)?;
            tags.push((number, tag));
        }
        new.replace(&tags, path)
    }
}

/// The file; `None` if it is not there.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let detail = format!("the checkpoint {} cannot be read", path.display());
            Err(Error::new(ErrorKind::Io, OP, detail).with_source(error))
        }
    }
}

/// The checkpoint cannot be believed.
fn unbelieved(detail: &'static str) -> Error {
    Error::new(ErrorKind::Integrity(IntegrityFault::Row), OP, detail)
        .with_hint("look for the right file; `--anew` makes a new one without comparing")
}

/// A finding about rows that fit each other.
fn fault(detail: String) -> Error {
    Error::new(ErrorKind::Integrity(IntegrityFault::Row), OP, detail).with_hint(
        "find out who put it back. If it was meant, such as a backup that was restored, \
         `llm-keys verify --checkpoint FILE --anew` takes it for good",
    )
}

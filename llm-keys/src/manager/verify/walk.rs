//! The walk over all keys, in the order of their records.

use futures_util::stream::{self, BoxStream, StreamExt as _};
use futures_util::{Stream, TryStreamExt as _};

use super::super::envelope_manager::Core;
use super::checkpoint::{Old, Writing};
use super::key::{Look, Seen};
use super::options::VerifyOptions;
use super::report::VerifyReport;
use crate::error::{Error, Result};
use crate::model::PageSize;
use crate::store::ScannedKey;

const OP: &str = "manager.verify";

impl Core {
    pub(super) async fn verify_all(&self, options: &VerifyOptions) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        if options.checkpoint.is_none() {
            if options.anew {
                return Err(Error::invalid(OP, "there is no checkpoint to make anew"));
            }
            let walked = self.walk(options, &mut report, None, None).await;
            report.stopped = walked.err();
            return Ok(report);
        }
        if options.keys.is_some() {
            return Err(Error::invalid(OP, "a checkpoint is about all keys, not about some"));
        }
        self.verify_with_checkpoint(options, report).await
    }

    /// Looks at everything, and hands each key to the old checkpoint and to the new one.
    ///
    /// # Errors
    /// What stopped it.
    pub(super) async fn walk(
        &self,
        options: &VerifyOptions,
        report: &mut VerifyReport,
        mut old: Option<&mut Old>,
        mut new: Option<&mut Writing>,
    ) -> Result<()> {
        if options.keys.is_none() {
            self.verify_system(options, report).await?;
        }
        let mut keys = self.look_at_each(options);
        while let Some(mut seen) = keys.try_next().await? {
            report.versions += seen.versions;
            report.opened += seen.opened;
            if let Some(error) = seen.stop.take() {
                return Err(error);
            }
            let is_bad = !seen.findings.is_empty() || seen.locked.is_some();
            if let Some(key) = seen.key.as_ref().filter(|_| is_bad) {
                report.refused.push(key.id.clone());
            }
            for finding in std::mem::take(&mut seen.findings) {
                report.find(finding);
            }
            if let Some((tenant, name, error)) = seen.locked.take() {
                report.lock(tenant, name, error);
            }
            if let (Some(old), Some(key)) = (&mut old, &seen.key) {
                old.compare(key, seen.entry.as_ref(), report);
            }
            if let (Some(new), Some(key), Some(entry)) = (&mut new, &seen.key, &seen.entry) {
                new.add(&key.id.tenant, entry)?;
            }
            *match (is_bad, seen.went) {
                (true, _) => &mut report.progress.failed,
                (false, true) => &mut report.progress.skipped,
                (false, false) => &mut report.progress.done,
            } += 1;
            report.tell(options.progress.as_ref());
        }
        Ok(())
    }

    /// The keys to look at, several at once, in the order of their records.
    fn look_at_each(&self, options: &VerifyOptions) -> BoxStream<'_, Result<Seen>> {
        let look = Look { open: options.open, patience: options.patience };
        let at_once = options.at_once.max(1);
        match options.keys.clone() {
            Some(ids) => stream::iter(ids)
                .map(move |id| async move { Ok(self.look_at_id(&id, look).await) })
                .buffered(at_once)
                .boxed(),
            None => self
                .key_rows(options.page)
                .map(move |scanned| async move { Ok(self.look_at(scanned?, look).await) })
                .buffered(at_once)
                .boxed(),
        }
    }

    /// Every key row of every tenant.
    fn key_rows(&self, size: PageSize) -> impl Stream<Item = Result<ScannedKey>> + Send + '_ {
        let pages = stream::try_unfold(Some(None::<String>), move |place| async move {
            let Some(after) = place else { return Ok(None) };
            let page = self.store.key_scan(after.as_deref(), size).await?;
            // A page that is not full is the last.
            let last = page.last().filter(|_| page.len() >= usize::from(size.get()));
            let next = last.map(|key| Some(key.place.clone()));
            Ok(Some((stream::iter(page.into_iter().map(Ok)), next)))
        });
        pages.try_flatten()
    }
}

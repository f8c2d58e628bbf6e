//! How to copy, and what came of it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::model::{PageSize, VersionRow};

/// Who is told how far a copy is. It must not block.
type Listener = Arc<dyn Fn(&CopyReport) + Send + Sync>;

/// How to copy.
#[derive(Clone)]
#[non_exhaustive]
pub struct CopyOptions {
    /// How many keys are read, and written in one transaction, at a time.
    pub page: PageSize,
    /// How many keys' versions are read at once; 4 unless said.
    pub at_once: usize,
    progress: Option<Listener>,
}

impl CopyOptions {
    /// Another page size.
    #[must_use]
    pub fn page(mut self, page: PageSize) -> Self {
        self.page = page;
        self
    }

    /// Another number of reads at once.
    #[must_use]
    pub fn at_once(mut self, count: usize) -> Self {
        self.at_once = count;
        self
    }

    /// Tells `listener` how far it is, at each key. It must not block.
    #[must_use]
    pub fn progress(mut self, listener: impl Fn(&CopyReport) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(listener));
        self
    }

    pub(super) fn tell(&self, report: &CopyReport) {
        if let Some(listener) = &self.progress {
            listener(report);
        }
    }
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { page: PageSize::default(), at_once: 4, progress: None }
    }
}

impl fmt::Debug for CopyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOptions")
            .field("page", &self.page)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}

/// What a copy has done.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CopyReport {
    /// How many keys were written.
    pub keys: u64,
    /// How many rows of versions were written.
    pub versions: u64,
    /// How many system records were written.
    pub system: u64,
    /// How many keys were written again, because the source changed meanwhile.
    pub again: u64,
    /// How many copied keys were taken back, because the source purged them meanwhile.
    pub purged: u64,
    /// How often both storages were gone over.
    pub passes: u32,
    /// How many keys there are, as the last pass saw; at the end each of them was found equal.
    pub keys_seen: u64,
    /// How many versions there are.
    pub versions_seen: u64,
    /// How many system records there are.
    pub system_seen: u64,
}

impl CopyReport {
    pub(super) fn begin_pass(&mut self) {
        self.passes += 1;
        (self.keys_seen, self.versions_seen, self.system_seen) = (0, 0, 0);
    }

    pub(super) fn seen(&mut self, versions: &[VersionRow]) {
        self.keys_seen += 1;
        self.versions_seen += u64::try_from(versions.len()).unwrap_or(u64::MAX);
    }

    pub(super) fn wrote(&mut self, records: &[Uuid], versions: usize, before: &HashSet<Uuid>) {
        let again = records.iter().filter(|record| before.contains(record)).count();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.again += count(again);
        self.keys += count(records.len() - again);
        self.versions += count(versions);
    }
}

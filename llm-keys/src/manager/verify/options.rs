//! How to verify.

use std::path::PathBuf;
use std::time::Duration;

use super::super::rewrap::{OnProgress, Progress};
use crate::model::{KeyId, PageSize};

/// How to verify.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Only these keys, and no system records; `None`: everything.
    pub keys: Option<Vec<KeyId>>,
    /// Whether each envelope is opened, too. It costs one call of the KMS for each.
    pub open: bool,
    /// The checkpoint to compare with, if it is there, and to replace by a new one if all is well.
    pub checkpoint: Option<PathBuf>,
    /// Whether the checkpoint is not compared with, but replaced: after something old was put back
    /// on purpose.
    pub anew: bool,
    /// How many keys are read at a time.
    pub page: PageSize,
    /// How many keys are looked at at once: 16 unless said, and at least 1.
    pub at_once: usize,
    /// For how long an outage of the KMS is waited out: 30 seconds unless said.
    pub patience: Duration,
    /// Who is told how far it is. What it counts here are keys: those that are well, those that went
    /// away meanwhile, and those that are not well.
    pub progress: Option<OnProgress>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            keys: None,
            open: false,
            checkpoint: None,
            anew: false,
            page: PageSize::default(),
            at_once: 16,
            patience: Duration::from_secs(30),
            progress: None,
        }
    }
}

impl VerifyOptions {
    /// Only these keys.
    #[must_use]
    pub fn keys(mut self, keys: Vec<KeyId>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Opens each envelope.
    #[must_use]
    pub fn open(mut self, open: bool) -> Self {
        self.open = open;
        self
    }

    /// Compares with this checkpoint, and replaces it.
    #[must_use]
    pub fn checkpoint(mut self, file: impl Into<PathBuf>) -> Self {
        self.checkpoint = Some(file.into());
        self
    }

    /// Replaces the checkpoint without comparing.
    #[must_use]
    pub fn anew(mut self, anew: bool) -> Self {
        self.anew = anew;
        self
    }

    /// Reads so many at a time.
    #[must_use]
    pub fn page(mut self, page: PageSize) -> Self {
        self.page = page;
        self
    }

    /// Looks at so many keys at once.
    #[must_use]
    pub fn at_once(mut self, keys: usize) -> Self {
        self.at_once = keys;
        self
    }

    /// Waits so long for an outage of the KMS to pass.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Tells `listener` how far it is.
    #[must_use]
    pub fn progress(mut self, listener: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(OnProgress::new(listener));
        self
    }
}

//! Verifying everything that is stored, comparing it with a checkpoint, and accepting rows that are
//! refused.
//!
//! - A walk looks at every key row of every tenant, whatever its state, and at all versions of each:
//!   MACs, generations, the list of kept versions, that none is missing, and shape and context of the
//!   envelopes. It stops at no bad row. What is bad is read again before it is said to be.
//! - Rows that fit each other may all be old. What they were is in a checkpoint: a file that is kept
//!   elsewhere, with the generation and a hash of each key, under a MAC of each tenant's keys.
//! - Whoever has looked at a key whose rows are refused can accept it: its rows are signed anew, if
//!   what they hold opens.

use super::envelope_manager::EnvelopeKeyManager;
use crate::error::Result;

pub use self::accept::{AcceptOptions, AcceptReport};
pub use self::options::VerifyOptions;
pub use self::report::{CheckpointReport, Compared, Finding, VerifyReport};

mod accept;
mod checkpoint;
mod gone;
mod key;
mod options;
mod report;
mod system;
mod walk;

impl EnvelopeKeyManager {
    /// Looks at every row, and says which are not as they were written. With
    /// [`VerifyOptions::checkpoint`] also which are older than they were, and makes a new checkpoint
    /// if all is well. It changes nothing else.
    ///
    /// It needs the KMS for the row MAC keys of each tenant; with [`VerifyOptions::open`] one unwrap
    /// more for each envelope.
    ///
    /// # Errors
    /// `InvalidInput` if the options contradict each other; `Io` if the checkpoint cannot be read or
    /// written. What stops it later is in the report.
    pub async fn verify(&self, options: &VerifyOptions) -> Result<VerifyReport> {
        self.core.verify_all(options).await
    }

    /// Signs the rows of these keys anew as they are now, where they are refused; so that they are
    /// given out again. To be called only by somebody who has looked at each of them: state, settings,
    /// expiry and versions are taken for good.
    ///
    /// A key is signed only if each envelope that it keeps opens. A version whose row is missing
    /// becomes a shredded one. Where the record of row MAC keys is missing or damaged a new one is
    /// made first; then every key of that tenant is refused until it is accepted. What cannot be
    /// accepted stays as it is, and stands in the report.
    ///
    /// # Errors
    /// `Store`, `Kms`, `EventSink` if that part fails. What was accepted until then stays accepted.
    pub async fn accept(&self, options: &AcceptOptions) -> Result<AcceptReport> {
        self.core.accept_all(options).await
    }
}

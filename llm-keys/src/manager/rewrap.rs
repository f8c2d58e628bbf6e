//! Wrapping data keys anew: when the KMS key rotates, or another one takes its place. And sealing
//! anew, when a data key may have become known.
//!
//! Both walk over everything that has an envelope, in pages, and work on several keys at once; what
//! is ready is committed together. Nothing is kept about how far a walk came: what is done is seen in
//! the envelopes, so a walk that was killed is simply started again.
//!
//! - A rewrap changes the wrapped copies and the header MAC, and no other byte of an envelope. The
//!   new copies are those of the write list, and no others.
//! - Before anything is changed, every KMS key of the write list has wrapped and unwrapped a data key.
//!   Before an envelope is replaced, the new one was parsed and opened in memory with the data key
//!   that the old one gave: commitment, header MAC, payload.
//! - A change expects the generation of its key and the hash of each envelope that it replaces. One
//!   that comes too late reads the key again.
//! - To readers nothing changes: the cache of this process keeps its entries, and `updated_at` stays, because it
//!   says when somebody last changed the key. The generation counts, as for every change of a row.

use std::sync::Arc;

use futures_util::StreamExt as _;

use super::envelope_manager::EnvelopeKeyManager;
use crate::error::Result;

pub use self::options::{KeptVersions, OnProgress, Progress, ResealOptions, RewrapOptions};
pub use self::plan::{RewrapPlan, Under};
pub(super) use self::report::ends_the_walk;
pub use self::report::{Failed, Item, RewrapReport};

mod key;
mod need;
mod options;
mod plan;
mod probe;
mod report;
mod reseal;
mod scan;
mod system;
mod walk;

impl EnvelopeKeyManager {
    /// What [`rewrap`](Self::rewrap) with these options would do, and what it could not do. Writes
    /// nothing. Of the envelopes that are wrapped under the same KMS keys one is opened; that the
    /// others open, too, is found out when they are wrapped anew.
    ///
    /// # Errors
    /// `Store` if that part fails; what a KMS says if its key of the write list does not wrap and
    /// unwrap.
    pub async fn rewrap_plan(&self, options: &RewrapOptions) -> Result<RewrapPlan> {
        let targets = self.core.probe().await?;
        self.core.plan_rewrap(&targets, options).await
    }

    /// Wraps every data key under exactly the KMS keys that are written under now: those of all
    /// versions of all tenants, and of the system records. Afterwards no other KMS key is needed.
    ///
    /// A version that cannot be wrapped is left as it is, and stands in the report; the others go on.
    /// An outage that does not pass ends the walk, and so do many refusals in a row; what was done
    /// until then stays done. Call it again, then or after a crash: it goes on where it was.
    ///
    /// It costs one unwrap for each envelope that needs it and one wrap for each copy that is
    /// missing. Must run in a Tokio runtime.
    ///
    /// # Errors
    /// What a KMS says if its key of the write list does not wrap and unwrap: then nothing was
    /// changed. What stops it later is in the report.
    pub async fn rewrap(&self, options: &RewrapOptions) -> Result<RewrapReport> {
        let targets = self.core.probe().await?;
        // What is wrapped under a key that an alias means is lost with the alias if nobody notes it.
        self.core.record_aliases().await?;
        // The record of allowed KMS keys first: who reads with the old settings learns the new keys
        // from it. The others last: until then, every key of this storage opens with the old ones.
        let mut report = RewrapReport::default();
        self.core.rewrap_pins(&targets, options, &mut report).await;
        fail_point!("rewrap.pins-done");
        if report.stopped.is_none() {
            let work = key::Work::rewrap(targets.clone(), options);
            let keys = self.core.scan(options.page).boxed();
            walk::Walk::new(&self.core, Arc::new(work), options.walk())
                .run(keys, &mut report)
                .await;
        }
        fail_point!("rewrap.keys-done");
        if report.stopped.is_none() {
            self.core.rewrap_system(&targets, options, &mut report).await;
        }
        Ok(report)
    }

    /// Seals keys anew: with a new data key, a new message id and thus new bytes, under the same
    /// version numbers. For when a data key may have become known; the secrets stay the same.
    ///
    /// It has no way to see what it has done already: a second run seals everything again. Must run
    /// in a Tokio runtime.
    ///
    /// # Errors
    /// As for [`rewrap`](Self::rewrap).
    pub async fn reseal(&self, options: &ResealOptions) -> Result<RewrapReport> {
        self.core.probe().await?;
        self.core.record_aliases().await?;
        self.core.ensure_sentinel().await?;
        let mut report = RewrapReport::default();
        let work = key::Work::reseal(options);
        let keys = self.core.chosen(options);
        walk::Walk::new(&self.core, Arc::new(work), options.walk()).run(keys, &mut report).await;
        Ok(report)
    }
}

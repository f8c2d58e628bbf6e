//! Which keys are sealed anew.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::super::envelope_manager::Core;
use super::options::ResealOptions;
use super::scan::Stored;
use crate::error::Result;

impl Core {
    /// Those of `options`: all there are, or some by their ids. One that is not there is left out.
    pub(super) fn chosen<'a>(
        &'a self,
        options: &'a ResealOptions,
    ) -> BoxStream<'a, Result<Stored>> {
        let Some(ids) = &options.keys else { return self.scan(options.how.page).boxed() };
        let found = futures_util::stream::iter(ids)
            .then(|id| self.stored(id))
            .filter_map(|found| std::future::ready(found.transpose()));
        found.boxed()
    }
}

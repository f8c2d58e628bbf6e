//! Without PostgreSQL there is nobody to listen to.

use llm_keys::store::Hints;

use crate::url::Target;

/// There is none.
#[derive(Debug)]
pub(crate) enum Listener {}

impl Listener {
    pub(crate) fn of(_: &Target) -> Option<Self> {
        None
    }

    pub(crate) fn hints(&self) -> Hints {
        match *self {}
    }
}

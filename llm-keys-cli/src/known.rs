//! What is known of services before anybody tells us: which environment variables their keys are
//! kept in, and what their keys look like. Data and nothing else; a new service is a line in each.
//!
//! Both are hints. No key is refused because it looks like none of these: formats change, and some
//! services have none.

pub(crate) use self::patterns::looks_like;
pub(crate) use self::variables::{Meaning, meaning_of, set_for};

mod patterns;
mod variables;

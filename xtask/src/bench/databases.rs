//! Reads and writes on each database beside the same statements without us, and a million keys on
//! the servers: a program of its own, because it makes what it measures and takes it away again.

use crate::failure::{Failure, Result};
use crate::process::cargo;
use crate::services::Services;

/// What all of it is selected by.
pub(super) const NAME: &str = "databases";

/// Measures what is called `only` within it, or all; prints, and says whether the goals are met.
pub(super) fn measure(only: Option<&str>) -> Result<bool> {
    let services = Services::start_some(&["PostgreSQL", "MariaDB"])?;
    let mut command = cargo(["bench", "--package", "llm-keys-diesel", "--bench", NAME])?;
    command.args(["--features", "sqlite,postgres,mysql", "--"]).args(only);
    services.introduce(&mut command);
    let status = command
        .status()
        .map_err(|error| Failure::new(format!("cannot start the benchmark: {error}")))?;
    Ok(status.success())
}

/// Whether `filter` selects it, and what of it: `databases` all, `databases-get_mysql` one pair.
pub(super) fn selected(filter: Option<&str>) -> Option<Option<&str>> {
    let Some(filter) = filter else { return Some(None) };
    match filter.strip_prefix(NAME) {
        Some(rest) => Some(rest.strip_prefix('-').filter(|rest| !rest.is_empty())),
        None => NAME.contains(filter).then_some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_selects_all_or_one() {
        assert_eq!(selected(None), Some(None));
        assert_eq!(selected(Some("databases")), Some(None));
        assert_eq!(selected(Some("data")), Some(None));
        assert_eq!(selected(Some("databases-get_mysql")), Some(Some("get_mysql")));
        assert_eq!(selected(Some("rewrap")), None);
    }
}

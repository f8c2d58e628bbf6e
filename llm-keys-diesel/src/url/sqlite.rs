//! URLs of SQLite.

use llm_keys::error::{Error, Result};

use super::{OP, Target};

/// `PATH`, `:memory:`; a path may be followed by `?mode=ro` or `?mode=rw`.
pub(super) fn parse(rest: &str) -> Result<Target> {
    #[cfg(not(feature = "sqlite"))]
    if !rest.is_empty() {
        return Err(super::not_built("SQLite", "sqlite"));
    }
    if rest == ":memory:" {
        return Ok(Target::SqliteMemory);
    }
    let (path, read_only) = match rest.split_once('?') {
        None | Some((_, "mode=rw")) => (rest.split('?').next().unwrap_or(rest), false),
        Some((path, "mode=ro")) => (path, true),
        Some(_) => {
            return Err(Error::invalid(OP, "the database URL has a parameter we do not know")
                .with_hint("after `?` there may be mode=ro or mode=rw"));
        }
    };
    if path.is_empty() || path.contains('\0') {
        return Err(Error::invalid(OP, "the database URL names no file"));
    }
    Ok(Target::SqliteFile { path: path.to_owned(), read_only })
}

/// What SQLite is told to open. Without `c` in the mode it never makes the file: that is ours to
/// do, with a mode of our own.
#[cfg(feature = "sqlite")]
pub(crate) fn sqlite_uri(path: &str, read_only: bool) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "file:" });
    for c in path.chars() {
        match c {
            '%' => uri.push_str("%25"),
            '?' => uri.push_str("%3f"),
            '#' => uri.push_str("%23"),
            c => uri.push(c),
        }
    }
    uri.push_str(if read_only { "?mode=ro" } else { "?mode=rw" });
    uri
}

pub(super) fn is_bare_file(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or(url);
    !path.contains(':') && [".db", ".sqlite", ".sqlite3"].iter().any(|end| path.ends_with(end))
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped() {
        assert_eq!(sqlite_uri("/a b/50%#x", false), "file:///a b/50%25%23x?mode=rw");
        assert_eq!(sqlite_uri("keys.db", true), "file:keys.db?mode=ro");
    }
}

//! Variables as a shell reads them.

use std::ffi::OsStr;

/// A line that sets the variable in a POSIX shell.
pub(crate) fn export(name: &str, value: &OsStr) -> String {
    let quoted = value.to_string_lossy().replace('\'', r"'\''");
    format!("export {name}='{quoted}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted() {
        let line = export("WHERE", OsStr::new("http://[::1]:80/it's $HOME"));
        assert_eq!(line, r"export WHERE='http://[::1]:80/it'\''s $HOME'");
    }
}

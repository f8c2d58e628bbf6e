//! Passwords for servers that live as long as a test run.

use std::fs::File;
use std::io::Read;

use crate::failure::{Failure, Result};

/// So many random bytes, in hexadecimal.
pub(super) fn hex(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .map_err(|error| Failure::new(format!("cannot read /dev/urandom: {error}")))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_are_not_the_same() {
        let one = hex(16).unwrap();
        assert_eq!(one.len(), 32);
        assert_ne!(one, hex(16).unwrap());
    }
}

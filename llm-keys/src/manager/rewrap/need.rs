//! Whether an envelope must be wrapped anew: seen without a key and without a call.

use crate::kms::{KeyUri, WrappedKey};

/// Why an envelope is to be wrapped anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    /// It has no copy for a KMS key of the write list.
    Lacks,
    /// It is marked as sealed while a KMS was out, though it lacks nothing any more.
    Marked,
    /// It has a copy for a KMS key that is not on the write list.
    Surplus,
    /// Everything is.
    Asked,
}

/// What `copies` need, so that they are those of `targets`, each once, and no others. That no URI is
/// there twice is a rule of the envelope.
pub(super) fn need(
    copies: &[WrappedKey],
    targets: &[KeyUri],
    marked: bool,
    everything: bool,
) -> Option<Need> {
    if targets.iter().any(|target| copies.iter().all(|copy| copy.uri != *target)) {
        Some(Need::Lacks)
    } else if copies.len() != targets.len() {
        Some(Need::Surplus)
    } else if marked {
        Some(Need::Marked)
    } else {
        everything.then_some(Need::Asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(name: &str) -> KeyUri {
        KeyUri::new(format!("test:{name}")).unwrap()
    }

    #[test]
    fn copies_must_be_those_of_the_write_list() {
        let of = |have: &str, want: &str| {
            let copy = |c: char| WrappedKey { uri: uri(&c.to_string()), blob: vec![1] };
            let copies: Vec<_> = have.chars().map(copy).collect();
            let targets: Vec<_> = want.chars().map(|c| uri(&c.to_string())).collect();
            need(&copies, &targets, false, false)
        };
        for (have, want, expected) in [
            ("a", "a", None),
            ("ab", "ba", None),
            ("a", "b", Some(Need::Lacks)),
            ("a", "ab", Some(Need::Lacks)),
            ("ac", "ab", Some(Need::Lacks)),
            ("ab", "a", Some(Need::Surplus)),
            ("ab", "b", Some(Need::Surplus)),
        ] {
            assert_eq!(of(have, want), expected, "{have} for {want}");
        }
        let exact = [WrappedKey { uri: uri("a"), blob: vec![1] }];
        assert_eq!(need(&exact, &[uri("a")], true, false), Some(Need::Marked));
        assert_eq!(need(&exact, &[uri("a")], false, true), Some(Need::Asked));
    }
}

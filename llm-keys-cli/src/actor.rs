//! Who runs this program, for events.

use llm_keys::{Actor, Caller};

/// `cli:` and the name of the user that the environment tells, or the user id.
///
/// The name is no proof: whoever can run this program can read the keys anyway. It is cleaned so
/// that it cannot pretend to be something else in a log.
pub(crate) fn caller() -> Caller {
    let name = ["USER", "LOGNAME"].into_iter().find_map(|name| clean(&std::env::var(name).ok()?));
    let name = name.unwrap_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()));
    Actor::new(format!("cli:{name}")).map_or_else(|_| Caller::default(), Caller::new)
}

/// The name if it is one that a user can have.
fn clean(name: &str) -> Option<String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._-@$+\\".contains(&b);
    ((1..=64).contains(&name.len()) && name.bytes().all(fine)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_user_can_have() {
        assert_eq!(clean("alice").as_deref(), Some("alice"));
        assert_eq!(clean("CORP\\alice.b").as_deref(), Some("CORP\\alice.b"));
        for bad in ["", "a b", "alice\nroot", "a:b", "älice", &"x".repeat(65)] {
            assert_eq!(clean(bad), None, "{bad:?}");
        }
    }
}

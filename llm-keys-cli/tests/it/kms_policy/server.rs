//! Where the servers are.

/// The value in the environment; the tests do not run without it.
pub(super) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: it names a running server; `cargo xtask test` starts one")
    })
}

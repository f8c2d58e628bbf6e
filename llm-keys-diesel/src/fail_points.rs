//! Places where a test kills the process, to see what a crash leaves behind: with the feature
//! `fail-points` they are those of the crate `fail`, without it they are nothing at all.

/// A place of this name; all of them are in `docs/reference/fail-points.md`.
#[cfg(feature = "fail-points")]
macro_rules! fail_point {
    ($name:literal) => {
        ::fail::fail_point!($name)
    };
}

#[cfg(not(feature = "fail-points"))]
macro_rules! fail_point {
    ($name:literal) => {};
}

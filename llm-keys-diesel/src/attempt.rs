//! How often something is tried.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// The tries of one call.
pub(crate) struct Attempts {
    pauses: ExponentialBackoff,
    lost: bool,
}

impl Attempts {
    pub(crate) fn new() -> Self {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(4))
            .with_max_delay(Duration::from_millis(250))
            .with_max_times(MOST_AGAIN)
            // Those that met go on at different times.
            .with_jitter()
            .build();
        Self { pauses, lost: false }
    }

    /// Whether to go on after the connection broke before anything was asked of it: once, since a
    /// pool that closed its idle connections opens a new one.
    pub(crate) fn after_loss(&mut self) -> bool {
        !std::mem::replace(&mut self.lost, true)
    }

    /// How long to wait before a transaction that met others is run again.
    pub(crate) fn after_collision(&mut self) -> Option<Duration> {
        self.pauses.next()
    }
}

/// With the pauses above, about a second and a half at most.
const MOST_AGAIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_it() {
        let mut attempts = Attempts::new();
        assert_eq!([attempts.after_loss(), attempts.after_loss()], [true, false]);
        let pauses: Vec<_> = std::iter::from_fn(|| attempts.after_collision()).collect();
        assert_eq!(pauses.len(), MOST_AGAIN);
        assert!(pauses.iter().sum::<Duration>() <= Duration::from_secs(4));
        assert!(pauses.iter().all(|pause| !pause.is_zero()));
    }
}

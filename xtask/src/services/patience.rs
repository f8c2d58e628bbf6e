//! Waiting, but not for ever.

use std::time::{Duration, Instant};

use crate::failure::Result;

/// Measures how long something takes.
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "real servers take real time")]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Asks until there is an answer; `None` means that the limit is over. It asks at least once.
///
/// # Errors
/// The first error of `ask` ends the wait.
pub(super) fn until<T>(
    limit: Duration,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let stopwatch = Stopwatch::start();
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if stopwatch.elapsed() >= limit {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    #[test]
    fn the_answer_ends_the_wait() {
        let mut left = 2;
        let answer = until(Duration::from_secs(60), || {
            left -= 1;
            Ok((left == 0).then_some("yes"))
        });
        assert_eq!(answer.unwrap(), Some("yes"));
    }

    #[test]
    fn the_limit_ends_the_wait() {
        let mut asked = 0;
        let answer = until(Duration::from_millis(1), || {
            asked += 1;
            Ok(None::<()>)
        });
        assert_eq!(answer.unwrap(), None);
        assert!(asked >= 1);
    }

    #[test]
    fn an_error_ends_the_wait() {
        let answer = until(Duration::from_secs(60), || Err::<Option<()>, _>(Failure::new("gone")));
        assert!(answer.is_err());
    }
}

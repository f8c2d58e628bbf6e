//! Time that stands still until a test moves it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Micros};

/// A clock that a test moves by hand. The wall time starts at 2026-01-01 00:00 UTC unless said,
/// the monotonic time at zero.
#[derive(Debug)]
pub struct ManualClock(Mutex<Hands>);

#[derive(Debug)]
struct Hands {
    wall: Micros,
    monotonic: Duration,
}

impl ManualClock {
    /// Where the wall time starts: 2026-01-01 00:00 UTC.
    pub const START: Micros = Micros(1_767_225_600_000_000);

    /// A clock whose wall time is `wall`.
    pub fn at(wall: Micros) -> Self {
        Self(Mutex::new(Hands { wall, monotonic: Duration::ZERO }))
    }

    /// Lets `by` pass, on the wall and on the monotonic clock.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.hands();
        hands.wall = hands.wall.saturating_add(by);
        hands.monotonic = hands.monotonic.saturating_add(by);
    }

    /// Sets the wall time alone, as an administrator or a time server does; it may go back.
    pub fn jump_to(&self, wall: Micros) {
        self.hands().wall = wall;
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(Self::START)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Micros {
        self.hands().wall
    }

    fn monotonic(&self) -> Duration {
        self.hands().monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wall_jumps() {
        let clock = ManualClock::default();
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now(), Micros(ManualClock::START.0 + 2_000_000));
        assert_eq!(clock.monotonic(), Duration::from_secs(2));
        clock.jump_to(Micros(-1));
        assert_eq!((clock.now(), clock.monotonic()), (Micros(-1), Duration::from_secs(2)));
    }
}
